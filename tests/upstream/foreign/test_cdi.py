"""CDI's own programs on the rest of what is played here: they bring what they answer themselves, and fill volumes.

Origin: cdi: pkg/apiserver/apiserver.go, pkg/controller/{storageprofile-controller,config-controller}.go,
pkg/controller/datavolume/controller-base.go
"""

import copy

import pytest

from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.foreign.subjects import VM
from tests.upstream.storage import volume

VMS = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"
CDI = "/apis/cdi.kubevirt.io/v1beta1"
VOLUMES = f"{CDI}/namespaces/default/datavolumes"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
UPLOADS = "v1beta1.upload.cdi.kubevirt.io"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await suite_of(without=("cdi",))


async def test_nothing_is_in_its_way(suite: Suite) -> None:
    """Its API and its webhooks are its own to register, and none of ours are there; what its operator makes is."""
    assert (await suite.call("GET", f"{SERVICES}/{UPLOADS}"))[0] == 404
    assert not [one for one in await suite.items(HOOKS) if "cdi" in one["metadata"]["name"]]
    assert not await suite.items(f"{CDI}/storageprofiles")
    (cdi,) = await suite.items(f"{CDI}/cdis")
    assert (cdi["metadata"]["name"], cdi["status"]["phase"]) == ("cdi", "Deployed")
    (config,) = await suite.items(f"{CDI}/cdiconfigs")
    service = {"namespace": "cdi", "name": "cdi-api", "port": 443}
    spec = {"group": "upload.cdi.kubevirt.io", "version": "v1beta1", "service": service, "caBundle": "eA=="}
    spec |= {"groupPriorityMinimum": 1000, "versionPriority": 15}
    registered = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    await suite.create(SERVICES, {**registered, "metadata": {"name": UPLOADS}, "spec": spec, "status": {}})
    path = f"{CDI}/cdiconfigs/{config['metadata']['name']}"
    status = {**config["status"], "scratchSpaceStorageClass": "standard"}
    await suite.done("PUT", path, {**config, "status": status})
    await suite.cluster.advance(60)
    assert (await suite.get(path))["status"]["scratchSpaceStorageClass"] == "standard"


async def fill(suite: Suite, name: str) -> None:
    """A DataVolume from nothing to the end, as its controller writes it: a claim it owns, then phase by phase."""
    found = await suite.get(f"{VOLUMES}/{name}")
    owner = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "name": name}
    owner |= {"uid": found["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}
    asked = found["spec"]["storage"]
    spec = {"accessModes": asked["accessModes"], "resources": asked["resources"], "volumeMode": "Filesystem"}
    marks = {"cdi.kubevirt.io/storage.deleteAfterCompletion": "true"}
    meta = {"name": name, "annotations": marks, "ownerReferences": [owner], "creationTimestamp": None}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "status": {}}
    await suite.create(CLAIMS, {**body, "spec": {**spec, "storageClassName": "standard"}})
    await suite.cluster.advance(2)
    assert (await suite.get(f"{CLAIMS}/{name}"))["status"]["phase"] == "Bound"
    for phase, progress in (("PVCBound", "N/A"), ("ImportInProgress", "50.00%"), ("Succeeded", "100.0%")):
        found = await suite.get(f"{VOLUMES}/{name}")
        ready = "True" if phase == "Succeeded" else "False"
        times = {"lastHeartbeatTime": None, "lastTransitionTime": None}
        told = [{"type": "Bound", "status": "True", "reason": "Bound", **times}]
        told.append({"type": "Ready", "status": ready, **times})
        told.append({"type": "Running", "status": "False", "reason": "Completed", **times})
        status = {"phase": phase, "progress": progress, "claimName": name, "conditions": told}
        await suite.done("PUT", f"{VOLUMES}/{name}/status", {**found, "status": status})
        await suite.cluster.advance(2)
        assert (await suite.get(f"{VOLUMES}/{name}"))["status"]["phase"] == phase, "nobody else's"


async def test_a_machine_waits_for_its_volume(suite: Suite) -> None:
    """The machine's controller makes the DataVolume and follows it; with the machine all of it goes."""
    vm: Object = copy.deepcopy(VM)
    template = {"metadata": {"name": "data"}, "spec": volume("data")["spec"]}
    vm["spec"]["dataVolumeTemplates"] = [template]
    vm["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "dataVolume": {"name": "data"}}]
    await suite.create(VMS, vm)
    await suite.cluster.advance(60)
    assert "status" not in await suite.get(f"{VOLUMES}/data")
    assert not await suite.items(CLAIMS)
    await fill(suite, "data")
    await suite.cluster.advance(10)
    found = await suite.get(f"{VMS}/vm")
    assert found["status"]["printableStatus"] == "Running"
    assert conditions(found)["Ready"] == "True"
    await suite.delete(f"{VMS}/vm")
    await suite.cluster.advance(60)
    assert not await suite.items(VOLUMES)
    assert not await suite.items(CLAIMS)
