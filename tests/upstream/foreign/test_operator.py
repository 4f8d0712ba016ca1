"""KubeVirt's own virt-operator on the components played here, and KubeVirt where nobody has installed CDI.

Origin: kubevirt: pkg/virt-operator/{kubevirt,strategy_job}.go, pkg/virt-operator/resource/apply, pkg/virt-config (HasDataVolumeAPI)
"""

import copy

from fakekube.virt.operator import contents, crds
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.foreign.subjects import VM
from tests.upstream.storage import volume

APPS = "/apis/apps/v1/namespaces/kubevirt"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
KUBEVIRTS = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts"
SPACE = "/api/v1/namespaces/kubevirt"
VMS = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"
VOLUMES = "/apis/cdi.kubevirt.io/v1beta1/namespaces/default/datavolumes"
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": DEFINITIONS,
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "ServiceAccount": f"{SPACE}/serviceaccounts",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/kubevirt/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/kubevirt/rolebindings",
    "Service": f"{SPACE}/services",
    "Secret": f"{SPACE}/secrets",
    "ConfigMap": f"{SPACE}/configmaps",
    "Deployment": f"{APPS}/deployments",
    "DaemonSet": f"{APPS}/daemonsets",
    "KubeVirt": KUBEVIRTS,
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
    "MutatingWebhookConfiguration": f"{HOOKS}/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": f"{HOOKS}/validatingwebhookconfigurations",
}


OWN_HOOK = "virt-operator-validator"  # answered by itself, at an address the server would have to be told


def is_its(obj: Object) -> bool:
    name = obj["metadata"]["name"]
    return "cdi" not in name and name != OWN_HOOK and not obj["apiVersion"].startswith("cdi.")


async def install(suite: Suite) -> None:
    """What virt-operator makes, each with one POST, and what it says at the end; definitions have to be established first."""
    found = contents.manifests(suite.cluster.clock.now(), nodes=2)
    for obj in filter(is_its, found):
        status, answer = await suite.call("POST", PATHS[obj["kind"]], obj)
        assert status == 201 or answer["reason"] == "AlreadyExists", answer
        if obj["kind"] == "CustomResourceDefinition":
            await established(suite, obj["metadata"]["name"])
    path = f"{KUBEVIRTS}/kubevirt"
    kubevirt = await suite.get(path)
    meta = {**kubevirt["metadata"], "finalizers": ["foregroundDeleteKubeVirt"]}
    kubevirt = await suite.done("PUT", path, {**kubevirt, "metadata": meta})
    told = [
        {"type": one, "status": status, "lastProbeTime": None, "lastTransitionTime": None}
        for one, status in (("Created", "True"), ("Available", "True"), ("Degraded", "False"))
    ]
    status = {"phase": "Deployed", "defaultArchitecture": "amd64", "conditions": told}
    status |= {"observedGeneration": kubevirt["metadata"]["generation"], "operatorVersion": "v1.9.0"}
    await suite.done("PUT", f"{path}/status", {**kubevirt, "status": status})


async def established(suite: Suite, name: str) -> None:
    async def look() -> bool:
        return conditions(await suite.get(f"{DEFINITIONS}/{name}")).get("Established") == "True"

    await suite.eventually(look, 60)


async def defined(suite: Suite) -> set[str]:
    return {one["spec"]["group"] for one in await suite.items(DEFINITIONS)}


async def printed(suite: Suite, name: str = "vm") -> str | None:
    return (await suite.get(f"{VMS}/{name}")).get("status", {}).get("printableStatus")


async def test_what_it_installs_works(suite_of: Make) -> None:
    """Without virt-operator nothing of KubeVirt's is there but who works; CDI is. Once its types come, machines run."""
    suite = await suite_of(without=("virt-operator",))
    assert await defined(suite) == {"cdi.kubevirt.io"}
    for kind in ("mutating", "validating"):
        hooks = await suite.items(f"{HOOKS}/{kind}webhookconfigurations")
        assert all(one["metadata"]["name"].startswith(("cdi-api", "objecttransfer-api")) for one in hooks)
    assert (await suite.call("GET", SPACE))[0] == 404
    assert not await suite.items("/apis/coordination.k8s.io/v1/namespaces/kubevirt/leases")
    (cdi,) = await suite.items("/apis/cdi.kubevirt.io/v1beta1/cdis")
    assert cdi["status"]["phase"] == "Deployed"
    await suite.create(VOLUMES, volume("v"))

    async def filled() -> bool:
        return (await suite.get(f"{VOLUMES}/v")).get("status", {}).get("phase") == "Succeeded"

    await suite.eventually(filled, 60)
    await install(suite)
    await suite.create(VMS, VM)

    async def runs() -> bool:
        return await printed(suite) == "Running"

    await suite.eventually(runs, 120)
    status, answer = await suite.call(
        "PUT", "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines/vm/stop", {}
    )
    assert status == 202, answer
    for kind in ("deployments", "daemonsets"):
        for one in await suite.items(f"{APPS}/{kind}"):
            counts = one["status"]
            assert (counts.get("readyReplicas") or counts.get("numberReady")) == 2, one["metadata"]["name"]


async def test_kubevirt_without_cdi(suite_of: Make) -> None:
    """Where DataVolumes are no type machines run all the same; those that bring volumes are refused until somebody installs CDI."""
    suite = await suite_of(without=("virt-operator", "cdi"))
    assert await defined(suite) == set()
    await install(suite)
    await suite.create(VMS, VM)

    async def runs() -> bool:
        return await printed(suite) == "Running"

    await suite.eventually(runs, 120)
    brings = machine_with_volume()
    refused = await suite.refused("POST", VMS, brings)
    text = "DataVolume api is not present in cluster. CDI must be installed for DataVolume support."
    assert text in refused["message"]
    assert refused["details"]["causes"][0]["field"] == "spec.template.spec.volumes[0]"
    for one in crds.of_cdi():
        await suite.create(DEFINITIONS, one)
        await established(suite, one["metadata"]["name"])
    await suite.create(VMS, brings)

    async def made() -> bool:
        return bool(await suite.items(VOLUMES))

    await suite.eventually(made, 60)
    data = await suite.get(f"{VOLUMES}/data")
    await suite.done("PUT", f"{VOLUMES}/data/status", {**data, "status": {"phase": "Succeeded"}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await suite.create(
        "/api/v1/namespaces/default/persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": claim}
    )

    async def follows() -> bool:
        return await printed(suite, "brings") == "Running"

    await suite.eventually(follows, 60)


def machine_with_volume() -> Object:
    made: Object = copy.deepcopy(VM)
    made["metadata"]["name"] = "brings"
    template = {"metadata": {"name": "data"}, "spec": volume("data")["spec"]}
    made["spec"]["dataVolumeTemplates"] = [template]
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "dataVolume": {"name": "data"}}]
    return made
