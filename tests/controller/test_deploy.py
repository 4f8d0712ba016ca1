"""What is applied to a cluster to run the controller there: enough for its work, and no more."""

import asyncio
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import controller
from controller.config import settings
from controller.leader import LeaderElection
from fakekube.api.request_info import parse
from fakekube.client.client import Client
from fakekube.machinery import objects
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
    Resource,
)
from tests.controller.cluster import NS, Cluster, Wire, refusal

DEPLOY = Path(controller.__file__).parent / "deploy"
HOME, ACCOUNT = "kubevirt", "system:serviceaccount:kubevirt:vmpool-controller"


def manifests(name):
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def plural(kind):
    return {"Deployment": "deployments", "ServiceAccount": "serviceaccounts"}.get(kind, f"{kind.lower()}s")


async def apply(cluster):
    """What kubectl would do with both files."""
    await cluster.admin.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    )
    for obj in (*manifests("rbac.yaml"), *manifests("deployment.yaml")):
        group, _, version = obj["apiVersion"].rpartition("/")
        namespaced = "namespace" in obj["metadata"]
        resource = Resource(group, version, plural(obj["kind"]), obj["kind"], namespaced=namespaced)
        await cluster.admin.create(resource, obj)


def granted():
    """Each permission of the manifest as (resource with group, verb)."""
    return {
        (f"{resource}.{group}".rstrip("."), verb)
        for obj in manifests("rbac.yaml")
        for rule in obj.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def asked(request):
    info = parse(request.method, request.path)
    verb = "watch" if "watch=" in request.query else info.verb
    name = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    return f"{name}.{info.group}".rstrip("."), verb


@pytest.fixture
async def guarded():
    """A cluster that enforces roles, with the manifests applied."""
    running = Cluster(rbac=True)
    await running.start()
    await apply(running)
    yield running
    await running.stop()


async def test_the_role_is_what_the_controller_needs(guarded, world):
    """As the account of the manifest, no request is forbidden in a life of every kind of write; each verb is used."""
    used, refused, forbidden = set(), set(), []

    def seen(request):
        """Each kind of write is met by a conflict once, so that the controller looks at the object again."""
        used.add(asked(request))
        if request.method in ("PATCH", "PUT", "DELETE") and asked(request) not in refused:
            refused.add(asked(request))
            return refusal(409, "Conflict")
        return None

    def answered(request, response):
        if response.status == 403:
            forbidden.append(asked(request))

    wire = await guarded.control(user=ACCOUNT, refuse=seen)
    wire.after = answered
    election = await _elected(guarded, used)
    template = world.template(
        dataVolumeTemplates=[{"metadata": {"name": "d"}, "spec": {"source": {"blank": {}}}}]
    )
    strategy = {"proactive": {"statePreservation": "Offline"}}
    foreign = {"metadata": {"name": "p-1", "namespace": NS}, "spec": world.template()["spec"]}
    await guarded.admin.create(
        CONTROLLER_REVISIONS,
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": "p-1", "namespace": NS},
            "revision": 1,
            "data": {},
        },
    )
    wire.flowing.clear()
    await guarded.admin.create(
        VIRTUAL_MACHINES, {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", **foreign}
    )
    wire.flowing.set()
    await guarded.create_pool(world.pool(replicas=3, template=template, scaleInStrategy=strategy))
    await guarded.pass_time(3)
    await guarded.admin.delete(CONTROLLER_REVISIONS, "p-1", NS)
    await guarded.pass_time(60)
    vms = await guarded.vms()
    last = max((vm for vm in vms.values() if objects.controller_of(vm)), key=objects.name)
    await guarded.admin.create(PERSISTENT_VOLUME_CLAIMS, _claim(last))
    # A new label on the VM only, then another guest, then fewer VMs, then none.
    labelled = world.template(dataVolumeTemplates=template["spec"]["dataVolumeTemplates"])
    labelled["metadata"]["labels"]["more"] = "label"
    await guarded.change_pool(virtualMachineTemplate=labelled)
    await guarded.pass_time(20)
    await guarded.change_pool(
        virtualMachineTemplate=world.template(
            "2Gi", dataVolumeTemplates=template["spec"]["dataVolumeTemplates"]
        )
    )
    await guarded.pass_time(60)
    await guarded.change_pool(replicas=0)
    await guarded.pass_time(30)
    claim = await guarded.admin.get(PERSISTENT_VOLUME_CLAIMS, _claim(last)["metadata"]["name"], NS)
    assert not objects.owners(claim), "kept for a successor"
    assert len(await guarded.listed(DATA_VOLUMES)) >= 3
    await guarded.change_pool(replicas=1)
    await guarded.pass_time(30)
    await guarded.admin.delete(VIRTUAL_MACHINE_POOLS, "p", NS)
    await guarded.pass_time(60)
    assert await guarded.listed(VIRTUAL_MACHINE_POOLS) == {}
    assert list(await guarded.vms()) == ["p-1"], "only what was never the pool's"
    assert not election.leading
    assert forbidden == []
    # Asked for by the admission that guards blockOwnerDeletion, not by a request.
    assert granted() - used == {("virtualmachinepools/finalizers.pool.kubevirt.io", "update")}
    assert used <= granted()


async def _elected(cluster, used):
    """A lease won, renewed and given back; the requests are noted, too."""
    wire = Wire(cluster.api)
    wire.refuse = lambda request: used.add(asked(request))
    client = Client(wire).as_user(ACCOUNT)
    election = LeaderElection(
        client, clock=cluster.clock, namespace=HOME, name=settings([], {}).lease_name, identity="me"
    )

    async def work():
        await cluster.clock.sleep(5)

    leading = asyncio.create_task(election.lead(work))
    await cluster.pass_time(6)
    assert leading.done()
    assert leading.exception() is None
    return election


def _claim(vm):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": objects.name(vm).replace("p-", "d-"),
            "namespace": NS,
            "ownerReferences": [objects.owner_reference(vm)],
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def test_the_deployment_starts_what_there_is():
    """Its flags are the program's, its probes the ports it opens, its account the one with the role."""
    (deployment,) = manifests("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    chosen = settings(container["args"], {})
    assert chosen.leader_elect
    assert chosen.metrics_host == "0.0.0.0"
    (port,) = container["ports"]
    assert port["containerPort"] == chosen.metrics_port
    assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} == {
        port["name"]
    }
    account = f"system:serviceaccount:{deployment['metadata']['namespace']}:{pod['serviceAccountName']}"
    assert account == ACCOUNT
    names = [
        rule["resourceNames"]
        for obj in manifests("rbac.yaml")
        for rule in obj.get("rules", ())
        if "resourceNames" in rule
    ]
    assert names == [[chosen.lease_name]]


def test_the_image_is_built_from_what_there_is():
    """The recipe copies what exists and all the build needs, and starts a script of this project that imports only that."""
    root = DEPLOY.parent.parent
    steps = [line.partition(" ")[::2] for line in (DEPLOY / "Containerfile").read_text().splitlines() if line]
    copied = {
        word
        for step, rest in steps
        if step == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert all((root / one).exists() for one in copied)
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    module = project["scripts"]["vmpool-controller"].partition(":")[0]
    assert {"pyproject.toml", project["readme"], "LICENSE", module.partition(".")[0], "fakekube"} == copied
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    ).stdout.split()
    assert {one.name for one in root.iterdir() if (one / "__init__.py").exists()} & set(loaded) <= copied
    assert dict(steps)["ENTRYPOINT"] == '["/opt/controller/bin/vmpool-controller"]'


def test_the_image_runs_as_the_deployment_wants():
    """A user that is a number and not root, the port that is scraped, and bases whose registry is named and the same."""
    steps = [line.partition(" ")[::2] for line in (DEPLOY / "Containerfile").read_text().splitlines() if line]
    bases = {rest.removesuffix(" AS build") for step, rest in steps if step == "FROM"}
    assert len(bases) == 1
    assert bases.pop().startswith("docker.io/library/")
    told = dict(steps)
    assert int(told["USER"].partition(":")[0]) > 0
    (deployment,) = manifests("deployment.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [int(told["EXPOSE"])]
