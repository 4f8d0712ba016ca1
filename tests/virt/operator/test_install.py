"""The installation: what it leaves behind, that it may run twice, and how the KubeVirt object fares."""

import asyncio
import base64
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from fakekube.api.apiserver import ApiServer
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.ids import Ids
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import condition, finalizers
from fakekube.machinery.resources import BUDGETS, DEPLOYMENTS, EVENTS, KUBEVIRTS
from fakekube.machinery.wire import User
from fakekube.store.memory import MemoryStore
from fakekube.virt.api.handler import VirtApi
from fakekube.virt.operator import crds, webhooks
from fakekube.virt.operator.actor import VirtOperator
from fakekube.virt.operator.certificates import AUTHORITIES
from fakekube.virt.operator.contents import RESOURCES, manifests


@pytest.fixture
async def client():
    server = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(1))
    await server.start()
    await server.preload_crds(crds.crds())
    yield Client(server, user=User("admin", ("system:masters",)))
    server.close()


def operator(client):
    return VirtOperator(client, clock=ManualClock(), ids=Ids(1), webhook=False, rolls=False)


async def eventually(check):
    for _ in range(200):
        if await check():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never happened")


async def test_v215_kubevirt_is_deployed(client):
    """V-215: the KubeVirt object says Deployed, available, and which architecture is the default."""
    await operator(client).install()
    obj = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    assert obj["status"]["phase"] == "Deployed"
    assert obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
    assert obj["status"]["defaultArchitecture"] == "amd64"
    states = {one["type"]: (one["status"], one["reason"]) for one in obj["status"]["conditions"]}
    assert states == {
        "Available": ("True", "AllComponentsReady"),
        "Progressing": ("False", "AllComponentsReady"),
        "Degraded": ("False", "AllComponentsReady"),
        "Created": ("True", "AllResourcesCreated"),
    }


async def test_installing_twice_changes_nothing(client):
    """What exists is left as it is."""
    await operator(client).install()
    before = [(await client.list(resource)).resource_version for resource in RESOURCES.values()]
    await operator(client).install()
    assert [(await client.list(resource)).resource_version for resource in RESOURCES.values()] == before


async def test_workloads_are_ready(client):
    """The Deployments tools look at have all their replicas."""
    await operator(client).install()
    for name in ("virt-operator", "virt-api", "virt-controller"):
        status = (await client.get(DEPLOYMENTS, name, "kubevirt"))["status"]
        assert status["readyReplicas"] == status["replicas"] == 2


async def test_what_else_looks_deployed(client):
    """Services, secrets and bundles of both installations are there, and CDI's Deployments are ready."""
    await operator(client).install()
    services = {one["metadata"]["name"] for one in (await client.list(RESOURCES["Service"])).items}
    assert {
        "virt-api",
        "virt-exportproxy",
        "kubevirt-prometheus-metrics",
        "cdi-api",
        "cdi-uploadproxy",
    } <= services
    secrets = await client.list(RESOURCES["Secret"], "kubevirt")
    assert {one["type"] for one in secrets.items} == {"kubernetes.io/tls"}
    for name in ("cdi-operator", "cdi-apiserver", "cdi-deployment", "cdi-uploadproxy"):
        status = (await client.get(DEPLOYMENTS, name, "cdi"))["status"]
        assert status["readyReplicas"] == status["replicas"] == 1


async def test_certificates_are_real(client):
    """Every secret holds a key and its certificate, signed by the authority whose bundle is there to be trusted."""
    await operator(client).install()
    bundles = [
        x509.load_pem_x509_certificate(bundle["data"]["ca-bundle"].encode())
        for name in AUTHORITIES
        for bundle in [await client.get(RESOURCES["ConfigMap"], name, "kubevirt")]
    ]
    secrets = (await client.list(RESOURCES["Secret"], "kubevirt")).items
    assert len(secrets) == 11
    for secret in secrets:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
        key = serialization.load_pem_private_key(base64.b64decode(secret["data"]["tls.key"]), None)
        assert key.public_key() == certificate.public_key()
        own = secret["metadata"]["name"]
        signer = own if own in AUTHORITIES else AUTHORITIES["export" in own]
        certificate.verify_directly_issued_by(bundles[AUTHORITIES.index(signer)])


async def test_cdi_is_deployed(client):
    """CDI is installed beside KubeVirt, and its configuration names a file system overhead."""
    await operator(client).install()
    assert (await client.get(RESOURCES["CDI"], "cdi"))["status"]["phase"] == "Deployed"
    config = await client.get(RESOURCES["CDIConfig"], "config")
    assert config["status"]["filesystemOverhead"] == {"global": "0.06"}


async def test_generation_is_followed(client):
    """A change of the configuration is observed, and may change the default architecture."""
    actor = operator(client)
    task = asyncio.ensure_future(actor.run())
    await eventually(lambda: _done(actor))
    obj = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    obj["spec"]["configuration"]["architectureConfiguration"] = {"defaultArchitecture": "arm64"}
    changed = await client.update(KUBEVIRTS, obj)

    async def observed():
        found = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
        return found["status"]["observedGeneration"] == changed["metadata"]["generation"]

    await eventually(observed)
    found = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    assert found["status"]["defaultArchitecture"] == "arm64"
    task.cancel()


async def test_infra_and_workloads_are_followed(client):
    """How many run and where: virt-api and virt-controller by `infra`, virt-handler by `workloads`; nothing said is undone."""
    actor = operator(client)
    task = asyncio.ensure_future(actor.run())
    await eventually(lambda: _done(actor))
    nodes = {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}]}
    spec = {
        "infra": {"replicas": 3, "nodePlacement": nodes},
        "workloads": {"nodePlacement": {"affinity": {}}},
    }

    async def told(change):
        changed = await client.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": change}, type="merge")

        async def observed():
            found = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
            return found["status"]["observedGeneration"] == changed["metadata"]["generation"]

        await eventually(observed)
        await eventually(lambda: _done(actor))
        deployments = {
            one["metadata"]["name"]: one for one in (await client.list(DEPLOYMENTS, "kubevirt")).items
        }
        return {name: one["spec"] for name, one in deployments.items()}

    specs = await told(spec)
    assert {name: one["replicas"] for name, one in specs.items()} == {
        "virt-operator": 2,
        "virt-api": 3,
        "virt-controller": 3,
        "virt-exportproxy": 3,
        "virt-synchronization-controller": 3,
    }
    pod = specs["virt-api"]["template"]["spec"]
    assert pod["nodeSelector"] == {"a": "b", "kubernetes.io/os": "linux"}
    assert [one["key"] for one in pod["tolerations"]] == ["CriticalAddonsOnly", "k"]
    generations = (await client.get(KUBEVIRTS, "kubevirt", "kubevirt"))["status"]["generations"]
    assert {one["name"]: one["lastGeneration"] for one in generations}["virt-api"] == 2
    budgets = {one["metadata"]["name"]: one["spec"] for one in (await client.list(BUDGETS, "kubevirt")).items}
    infra = ("virt-api", "virt-controller", "virt-exportproxy", "virt-synchronization-controller")
    assert {own: one["minAvailable"] for own, one in budgets.items()} == {f"{one}-pdb": 2 for one in infra}
    events = (await client.list(EVENTS, "kubevirt")).items
    assert {(one["reason"], one["involvedObject"]["name"]) for one in events} == {
        ("AdvancedFeatureUse", one) for one in infra
    }
    await told({"infra": {"replicas": 2}})
    budgets = (await client.list(BUDGETS, "kubevirt")).items
    assert [one["spec"]["minAvailable"] for one in budgets] == [1] * 4
    await told({"infra": {"replicas": 1}})
    assert not (await client.list(BUDGETS, "kubevirt")).items
    specs = await told({"infra": None, "workloads": None})
    assert not (await client.list(BUDGETS, "kubevirt")).items
    assert {one["replicas"] for one in specs.values()} == {2}
    assert "a" not in specs["virt-api"]["template"]["spec"]["nodeSelector"]
    task.cancel()


async def _done(actor):
    return actor.idle


async def test_a_restart_keeps_what_was_wanted(client):
    """What the KubeVirt object says of roles and products holds for a virt-operator that begins anew."""

    async def follows():
        service = await client.get(RESOURCES["Service"], "virt-api", "kubevirt")
        role = await client.get(RESOURCES["ClusterRole"], "kubevirt.io:admin")
        component = service["metadata"]["labels"]["app.kubernetes.io/component"]
        joins = role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"]
        kubevirt = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
        observed = kubevirt["status"]["observedGeneration"] == kubevirt["metadata"]["generation"]
        return observed and (component, joins) == ("compute", "false")

    first = operator(client)
    task = asyncio.ensure_future(first.run())
    await eventually(lambda: _done(first))
    spec = {"productComponent": "compute", "configuration": {"roleAggregationStrategy": "Manual"}}
    await client.patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": spec}, type="merge")
    await eventually(follows)
    task.cancel()
    second = operator(client)
    task = asyncio.ensure_future(second.run())
    await eventually(lambda: _done(second))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert await follows()
    task.cancel()


async def test_second_installation_does_nothing(client):
    """A second KubeVirt object is told that there is one already."""
    actor = operator(client)
    task = asyncio.ensure_future(actor.run())
    await eventually(lambda: _done(actor))
    other = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "other", "namespace": "default"},
        "spec": {},
    }
    await client.create(KUBEVIRTS, other)

    async def told():
        return condition(await client.get(KUBEVIRTS, "other", "default"), "Synchronized") is not None

    await eventually(told)
    task.cancel()


async def test_deleting_kubevirt(client):
    """A deleted KubeVirt object loses its finalizer and goes."""
    actor = operator(client)
    task = asyncio.ensure_future(actor.run())
    await eventually(lambda: _done(actor))
    assert finalizers(await client.get(KUBEVIRTS, "kubevirt", "kubevirt"))
    await client.delete(KUBEVIRTS, "kubevirt", "kubevirt")

    async def gone():
        try:
            await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
        except NotFound:
            return True
        return False

    await eventually(gone)
    task.cancel()


def test_every_webhook_is_served(client):
    """No configured path leads nowhere, and no served path is without configuration."""
    api = VirtApi(client, clock=ManualClock(), ids=Ids(1))
    configured = {row[1] for row in (*webhooks.MUTATING, *webhooks.VALIDATING)}
    assert configured == set(api._admission.hooks)


def test_webhooks_name_their_service():
    """Every webhook goes to virt-api, or to virt-operator what is its own; it fails closed and waits ten seconds."""
    for configuration in webhooks.configurations("kubevirt"):
        for hook in configuration["webhooks"]:
            service = hook["clientConfig"]["service"]
            own = configuration["metadata"]["name"] == "virt-operator-validator"
            name = "kubevirt-operator-webhook" if own else "virt-api"
            assert (service["namespace"], service["name"]) == ("kubevirt", name)
            assert (hook["failurePolicy"], hook["timeoutSeconds"]) == ("Fail", 10)
            assert hook["name"].endswith(".kubevirt.io")


def test_p028_rules_leave_subresources_out():
    """P-028: only evictions are asked about below an object."""
    for configuration in webhooks.configurations("kubevirt"):
        for hook in configuration["webhooks"]:
            for rule in hook["rules"]:
                assert all("/" not in one or one == "pods/eviction" for one in rule["resources"])


def test_manifests_come_in_order():
    """Namespaces and definitions first; whoever intercepts requests last."""
    kinds = [obj["kind"] for obj in manifests(ManualClock().now())]
    assert kinds[:2] == ["Namespace", "CustomResourceDefinition"]
    validating = "ValidatingWebhookConfiguration"
    assert kinds[-3:] == ["MutatingWebhookConfiguration", validating, validating]
    assert set(kinds) == set(RESOURCES)
    assert "APIService" not in {obj["kind"] for obj in manifests(ManualClock().now(), webhook=False)}


def test_a_running_server_needs_no_pydantic():
    """The models are for generating manifests only: operator and virt-api start without pydantic."""
    program = (
        "import sys, fakekube.virt.operator.actor, fakekube.virt.api.handler;"
        "sys.exit('pydantic' in sys.modules or 'jsonschema' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_what_is_refused_is_tried_again():
    """A server that fails while KubeVirt is being installed gets it all the same, and the operator lives."""
    cluster = Cluster(clock=ManualClock(), seed=1)
    cluster.faults.add(client="virt-operator", verb="write", status=500, rate=0.3, times=None)
    async with cluster:
        await cluster.advance("10m")
        found = await cluster.client().get(KUBEVIRTS, "kubevirt", "kubevirt")
        assert (found["status"]["phase"], cluster.failures) == ("Deployed", {})
