"""KubeVirt's own virt-controller on machines: from `kubectl create` to what is left when they are deleted.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go
"""

import pytest

from tests.upstream import elsewhere
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.foreign.go_controller import CLAIMS, PODS
from tests.upstream.foreign.go_machines import REVISIONS, VMS, VOLUMES, Machines
from tests.upstream.foreign.subjects import asked, machine, told


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await suite_of(without=WITHOUT, service_accounts=True)


@pytest.fixture
async def go(suite: Suite) -> Machines:
    return await Machines.at(suite)


async def running(go: Machines, vm: Object) -> Object:
    await go.suite.create(VMS, vm)
    await go.work(40)
    assert await told(go) == "Running"
    return await go.vmi()


async def test_a_machine_lives(go: Machines) -> None:
    """Made, started, stopped, started anew and deleted: its instance follows, and nothing is left."""
    first = await running(go, machine())
    vm = await go.suite.get(go.machine)
    assert vm["status"]["ready"]
    assert vm["status"]["runStrategy"] == "Always"
    assert (
        vm["status"]["observedGeneration"]
        == vm["status"]["desiredGeneration"]
        == vm["metadata"]["generation"]
    )
    assert conditions(vm)["LiveMigratable"] == "True"
    await asked(go, "stop")
    assert await told(go) == "Stopped"
    assert not await go.there()
    await asked(go, "start")
    assert await told(go) == "Running"
    assert (await go.vmi())["metadata"]["uid"] != first["metadata"]["uid"]
    await asked(go, "restart")
    assert await told(go) == "Running"
    assert "stateChangeRequests" not in (await go.suite.get(go.machine))["status"]
    assert len(await go.suite.items(REVISIONS)) == 1
    await go.suite.delete(go.machine)
    await go.work(40)
    assert not await go.has_machine()
    for path in (PODS, REVISIONS):
        assert not await go.suite.items(path)


async def test_nothing_else_drives_it(suite: Suite) -> None:
    """Without a virt-controller a machine is admitted, and stays as it is."""
    made = await suite.create(VMS, machine())
    await suite.cluster.advance(600)
    assert await suite.get(f"{VMS}/vm") == made
    assert not await suite.items(PODS)


async def test_it_is_started_by_hand(go: Machines) -> None:
    """Requests are in the status, as virt-api puts them there; the controller takes them out one after another."""
    await go.suite.create(VMS, machine("Manual"))
    await go.work()
    assert await told(go) == "Stopped"
    await asked(go, "start", {"paused": True})
    assert await told(go) == "Paused"
    await asked(go, "stop")
    assert await told(go) == "Stopped"
    assert "stateChangeRequests" not in (await go.suite.get(go.machine))["status"]


async def test_a_crash(go: Machines) -> None:
    """RerunOnFailure asks itself to start anew, in the status, before it forgets the instance that failed."""
    first = await running(go, machine("RerunOnFailure"))
    (pod,) = await go.pods(first)
    failed = {"status": {"phase": "Failed"}}
    await go.suite.patch(f"{PODS}/{pod['metadata']['name']}/status", failed, MERGE_PATCH)
    await go.work(60)
    assert await told(go) == "Running"
    assert (await go.vmi())["metadata"]["uid"] != first["metadata"]["uid"]


async def test_quantities_are_spelled_as_go_spells_them(go: Machines) -> None:
    """What a user writes is stored as virt-api's encoder writes it: the controller tests what it has read against it."""
    memory, requests = {"guest": "1024Mi", "maxGuest": "4096Mi"}, {"cpu": "1000m", "memory": "1048576Ki"}
    vm = machine(memory=memory, resources={"requests": requests}, cpu={"sockets": 1, "maxSockets": 4})
    made = await go.suite.create(VMS, vm)
    domain = made["spec"]["template"]["spec"]["domain"]
    assert domain["memory"] == {"guest": "1Gi", "maxGuest": "4Gi"}
    assert domain["resources"] == {"requests": {"cpu": "1", "memory": "1Gi"}}
    await go.work(40)
    domain = (await go.suite.get(go.path))["spec"]["domain"]
    assert domain["memory"] == {"guest": "1Gi", "maxGuest": "4Gi"}
    change = {"memory": {"guest": "2048Mi"}, "cpu": {"sockets": 2}}
    await go.suite.patch(go.machine, {"spec": {"template": {"spec": {"domain": change}}}}, MERGE_PATCH)
    await go.work(60)
    vmi = await go.vmi()
    assert {"HotVCPUChange", "HotMemoryChange"} <= conditions(vmi).keys()
    assert vmi["spec"]["domain"]["resources"]["requests"]["memory"] == "2Gi"


async def test_what_says_nothing_is_not_stored(go: Machines) -> None:
    """Nor are empty lists and flags that are not set: Go leaves them out, and compares with what it would have written."""
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await go.suite.create(CLAIMS, {"metadata": {"name": "c"}, "spec": claim})
    vm = machine()
    spec = vm["spec"]["template"]["spec"]
    source = {"claimName": "c", "readOnly": False, "hotpluggable": False}
    spec |= {"networks": [], "tolerations": [], "nodeSelector": {}}
    spec["volumes"] = [{"name": "c", "persistentVolumeClaim": source}]
    devices = {"disks": [{"name": "c", "disk": {"bus": "virtio", "readonly": False}}], "interfaces": []}
    spec["domain"] = {**spec["domain"], "devices": {**devices, "autoattachPodInterface": False, "rng": {}}}
    made = (await go.suite.create(VMS, vm))["spec"]["template"]["spec"]
    assert not {"networks", "tolerations", "nodeSelector"} & set(made)
    assert made["volumes"] == [{"name": "c", "persistentVolumeClaim": {"claimName": "c"}}]
    disks = [{"name": "c", "disk": {"bus": "virtio"}}]
    assert made["domain"]["devices"] == {"disks": disks, "autoattachPodInterface": False, "rng": {}}
    await go.work(40)
    assert await told(go) == "Running"


async def test_where_it_may_go(go: Machines) -> None:
    """Selectors, affinity and tolerations of the template reach the running instance, and are taken off again."""
    await running(go, machine())
    selector = {"kubernetes.io/os": "linux"}
    tolerations = [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}]
    term = {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    change: Object = {
        "nodeSelector": selector,
        "tolerations": tolerations,
        "affinity": {"nodeAffinity": required},
    }
    for wanted in (change, dict.fromkeys(change)):
        await go.suite.patch(go.machine, {"spec": {"template": {"spec": wanted}}}, MERGE_PATCH)
        await go.work(40)
        spec = (await go.suite.get(go.path))["spec"]
        assert {key: spec.get(key) for key in wanted} == wanted


async def test_volumes_of_its_own(go: Machines) -> None:
    """A template's DataVolume is made and filled before the instance comes, and goes with the machine."""
    vm = machine()
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}}
    template = {"metadata": {"name": "data"}, "spec": {"source": {"blank": {}}, "storage": storage}}
    vm["spec"]["dataVolumeTemplates"] = [template]
    spec = vm["spec"]["template"]["spec"]
    spec["volumes"] = [*spec["volumes"], {"name": "data", "dataVolume": {"name": "data"}}]
    await running(go, vm)
    (volume,) = await go.suite.items(VOLUMES)
    assert volume["status"]["phase"] == "Succeeded"
    await go.suite.delete(go.machine)
    await go.work(40)
    assert not await go.suite.items(VOLUMES)
    assert not await go.suite.items(CLAIMS)


async def test_a_queued_volume(suite_of: Make) -> None:
    """With the gate HotplugVolumes a request waits in the machine's status; the controller asks for it at the instance."""
    suite = await suite_of(without=WITHOUT, service_accounts=True)
    gates = {"spec": {"configuration": {"developerConfiguration": {"featureGates": ["HotplugVolumes"]}}}}
    kubevirt = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
    await suite.patch(kubevirt, gates, MERGE_PATCH)
    go = await Machines.at(suite)
    await running(go, machine())
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await suite.create(CLAIMS, {"metadata": {"name": "more"}, "spec": claim})
    source = {"persistentVolumeClaim": {"claimName": "more"}}
    disk = {"name": "more", "disk": {"bus": "scsi"}}
    await asked(go, "addvolume", {"name": "more", "disk": disk, "volumeSource": source})
    found = {one["name"]: one for one in (await go.vmi())["status"]["volumeStatus"]}
    assert found["more"]["phase"] == "Ready"
    vm = await suite.get(go.machine)
    assert "volumeRequests" not in vm["status"]
    assert [one["name"] for one in vm["spec"]["template"]["spec"]["volumes"]] == ["disk0", "more"]
    await asked(go, "removevolume", {"name": "more"})
    assert {one["name"] for one in (await go.vmi())["status"]["volumeStatus"]} == {"disk0"}
    assert "volumeRequests" not in (await suite.get(go.machine))["status"]


async def test_declared_volumes(go: Machines) -> None:
    """What a template says of volumes reaches the running guest: they come with their disks, become others, and go; so do those
    that are asked for of virt-api."""
    await running(go, machine())
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for name in ("one", "two"):
        await go.suite.create(CLAIMS, {"metadata": {"name": name}, "spec": claim})

    async def plugged() -> dict[str, str]:
        told = {
            one["name"]: one["phase"] for one in (await go.vmi())["status"]["volumeStatus"] if "phase" in one
        }
        claims = {one["name"]: one for one in (await go.vmi())["spec"]["volumes"]}
        return {claims[own]["persistentVolumeClaim"]["claimName"]: phase for own, phase in told.items()}

    before = (await go.suite.get(go.machine))["spec"]["template"]["spec"]
    disks = before["domain"]["devices"]["disks"]
    for source in ("one", "two", ""):
        volume = {"name": "more", "persistentVolumeClaim": {"claimName": source, "hotpluggable": True}}
        disk = {"name": "more", "disk": {"bus": "scsi"}}
        spec: Object = {"volumes": [*before["volumes"], *([volume] if source else [])]}
        spec["domain"] = {"devices": {"disks": [*disks, *([disk] if source else [])]}}
        await go.suite.patch(go.machine, {"spec": {"template": {"spec": spec}}}, MERGE_PATCH)
        await go.work(60)
        assert await plugged() == ({source: "Ready"} if source else {})
    source_of = {"persistentVolumeClaim": {"claimName": "one"}}
    asked_for = {
        "name": "by-name",
        "disk": {"name": "by-name", "disk": {"bus": "scsi"}},
        "volumeSource": source_of,
    }
    await asked(go, "addvolume", asked_for)
    assert await plugged() == {"one": "Ready"}
    await asked(go, "removevolume", {"name": "by-name"})
    assert await plugged() == {}
    assert not await go.suite.items(PODS, "kubevirt.io=hotplug-disk")


async def test_memory_is_dumped(go: Machines) -> None:
    """The node writes it once the claim is mounted, and unmounts it when the controller has taken it out of the instance."""
    await running(go, machine())
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    await go.suite.create(CLAIMS, {"metadata": {"name": "dump"}, "spec": claim})
    await asked(go, "memorydump", {"claimName": "dump"})
    request = (await go.suite.get(go.machine))["status"]["memoryDumpRequest"]
    assert request["phase"] == "Completed", request
    marks = (await go.suite.get(f"{CLAIMS}/dump"))["metadata"]["annotations"]
    assert marks["kubevirt.io/memory-dump"] == request["fileName"]
    assert {one["name"] for one in (await go.vmi())["status"]["volumeStatus"]} == {"disk0"}
    assert not await go.suite.items(PODS, "kubevirt.io=hotplug-disk")


async def test_from_another_process() -> None:
    """A server started as people start it takes a machine of a foreign controller to Running, and lets it go."""
    without = [flag for name in WITHOUT for flag in ("--without", name)]
    async with elsewhere.up(
        *without, "--nodes", "2", "--enable-admission-plugins", "ServiceAccount"
    ) as suite:
        go = await Machines.at(suite)
        await running(go, machine())
        await suite.delete(go.machine)
        await go.work(40)
        assert not await go.has_machine()
