"""KubeVirt's own virt-controller on the node side played here: what it writes, as it writes it, and what it waits for.

Origin: kubevirt: pkg/virt-controller/watch/{vmi,migration}
"""

from typing import Any

from tests.upstream import elsewhere
from tests.upstream.conftest import JSON_PATCH, STRATEGIC, Make, Object, Suite, conditions
from tests.upstream.foreign import go_objects
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.foreign.go_controller import CLAIMS, FOREGROUND, MIGRATIONS, NS, OWN, PODS
from tests.upstream.foreign.go_migrations import VirtController
from tests.upstream.foreign.go_objects import FINAL
from tests.upstream.foreign.subjects import SPEC, phases, running

SUBRESOURCES = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances/vm"


async def migrate(go: VirtController, name: str = "m") -> str:
    body = {
        "kind": "VirtualMachineInstanceMigration",
        "apiVersion": "kubevirt.io/v1",
        "metadata": {"name": name, "namespace": NS, "creationTimestamp": None},
        "spec": {"vmiName": "vm"},
        "status": {},
    }
    await go.suite.create(MIGRATIONS, body)
    return f"{MIGRATIONS}/{name}"


async def test_v242_an_instance_runs_and_goes(go: VirtController) -> None:
    """V-242: created as Go encodes it, an instance gets its defaults, runs, is ready, and goes when it is deleted."""
    made = await go.create(SPEC, grace=30)
    assert made["metadata"]["finalizers"] == [OWN, FOREGROUND]
    assert (made["status"]["phase"], made["status"]["runtimeUser"]) == ("Pending", 107)
    await go.work()
    vmi = await go.vmi()
    assert phases(vmi) == ["Pending", "Scheduling", "Scheduled", "Running"]
    assert conditions(vmi)["Ready"] == "True"
    assert conditions(vmi)["LiveMigratable"] == "True"
    assert vmi["status"]["interfaces"][0]["podInterfaceName"] == "eth0"
    (pod,) = await go.pods(vmi)
    assert conditions(pod)["Ready"] == "True"
    await go.suite.delete(go.path, {"kind": "DeleteOptions", "apiVersion": "kubevirt.io/v1"})
    await go.work()
    assert not await go.there()
    assert not await go.suite.items(PODS)


async def test_what_is_read_can_be_tested(go: VirtController) -> None:
    """Whatever the node side writes into an instance comes out of Go's types as it went in, all its life long."""
    await running(go)
    await go.suite.call("PUT", f"{SUBRESOURCES}/pause", {})
    await go.work()
    await go.suite.call("PUT", f"{SUBRESOURCES}/unpause", {})
    await migrate(go)
    await go.work()
    stored = await go.suite.get(go.path)
    assert stored["status"] == (await go.vmi())["status"]
    assert stored["status"]["migrationState"]["completed"]


async def test_a_guest_is_paused(suite: Suite, go: VirtController) -> None:
    """The gate of the pod follows the guest, and with it readiness."""
    await running(go)
    for verb, ready in (("pause", "False"), ("unpause", "True")):
        status, said = await suite.call("PUT", f"{SUBRESOURCES}/{verb}", {})
        assert status == 200, said
        await go.work()
        vmi = await go.vmi()
        assert conditions(vmi)["Ready"] == ready
        assert ("Paused" in conditions(vmi)) == (verb == "pause")


async def plug(go: VirtController, *names: str) -> None:
    for name in names:
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await go.suite.create(CLAIMS, {"metadata": {"name": name}, "spec": claim})
        await plugged(go, name)


async def plugged(go: VirtController, name: str, *, to: bool = True) -> None:
    """With a volume and its disk, or without, as the controller of machines patches both."""
    spec = (await go.suite.get(go.path))["spec"]
    source = {"claimName": name, "hotpluggable": True}
    made = {"volumes": {"name": name, "persistentVolumeClaim": source}}
    made["domain/devices/disks"] = {"name": name, "disk": {"bus": "scsi"}}
    operations = []
    for path, more in made.items():
        found: Any = spec
        for part in path.split("/"):
            found = found[part]
        left = [one for one in found if one["name"] != name]
        operations += go_objects.tested(f"/spec/{path}", found, [*left, more] if to else left)
    await go.suite.patch(go.path, operations, JSON_PATCH)


async def entry(go: VirtController, name: str) -> Object | None:
    listed = (await go.vmi())["status"]["volumeStatus"]
    return next((one for one in listed if one["name"] == name), None)


async def test_volumes_are_plugged_in_and_out(suite: Suite, go: VirtController) -> None:
    """The pod that brings a claim is known by its number of volumes, the token of its account among them; it goes once the
    node says that the volume is unmounted, which it does unasked."""
    await running(go)
    await plug(go, "one")
    await go.work()
    found = await entry(go, "one")
    assert found is not None
    assert (found["phase"], found["target"]) == ("Ready", "sda")
    (pod,) = await go.suite.items(PODS, "kubevirt.io=hotplug-disk")
    assert found["hotplugVolume"] == {
        "attachPodName": pod["metadata"]["name"],
        "attachPodUID": pod["metadata"]["uid"],
    }
    await plug(go, "two")
    await go.work()
    (pod,) = await go.suite.items(PODS, "kubevirt.io=hotplug-disk")
    assert {one["name"] for one in pod["spec"]["volumes"]} >= {"one", "two"}
    for own in ("one", "two"):
        await plugged(go, own, to=False)
        await go.work()
        assert await entry(go, own) is None
    assert not await go.suite.items(PODS, "kubevirt.io=hotplug-disk")
    told = await suite.items(f"/api/v1/namespaces/{NS}/events", fieldSelector="reason=VolumeUnMountedFromPod")
    assert len(told) == 2


async def test_a_volume_waits_for_the_pod_that_brings_it(go: VirtController) -> None:
    """As long as the instance does not say which pod has brought it, a volume is mounted nowhere."""
    await running(go)
    status = {**(await go.suite.get(go.path))["status"]}
    text = "Created hotplug attachment pod hp-volume-x, for volume one"
    told = {"phase": "AttachedToNode", "reason": "SuccessfulCreate", "message": text}
    waits = {"name": "one", "target": "", "hotplugVolume": {"attachPodName": "hp-volume-x"}, **told}
    await plugged(go, "one")
    listed = [*status["volumeStatus"], waits]
    await go.suite.patch(go.path, [{"op": "replace", "path": "/status/volumeStatus", "value": listed}])
    await go.suite.cluster.advance(10)
    assert await entry(go, "one") == waits


async def test_a_guest_moves(go: VirtController) -> None:
    """Phase by phase: prepared, begun, arrived, over; the source ends, the instance is the other node's."""
    before = await running(go)
    path = await migrate(go)
    await go.work()
    job, vmi = await go.suite.get(path), await go.vmi()
    assert phases(job) == [
        *("Pending", "Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running", "Succeeded"),
    ]
    assert "finalizers" not in job["metadata"]
    assert vmi["status"]["nodeName"] != before["status"]["nodeName"]
    assert vmi["metadata"]["labels"] == {"kubevirt.io/nodeName": vmi["status"]["nodeName"]}
    assert conditions(vmi)["Ready"] == "True"
    ended = [one["status"]["phase"] for one in await go.pods(vmi)]
    assert sorted(ended) == ["Running", "Succeeded"]


async def test_more_cpus_and_memory(go: VirtController) -> None:
    """A migration that brings what a changed spec asks for succeeds only once the node has taken the conditions off that
    tell of it; labels that were written for the node go with them."""
    spec = {
        **SPEC,
        "domain": {**SPEC["domain"], "cpu": {"sockets": 1, "cores": 1, "threads": 1, "maxSockets": 4}},
    }
    spec["domain"]["memory"] = {"guest": "1Gi", "maxGuest": "4Gi"}
    await running(go, spec)
    changes = {"/spec/domain/cpu/sockets": (1, 2), "/spec/domain/memory/guest": ("1Gi", "2Gi")}
    for at, (old, new) in changes.items():
        test = {"op": "test", "path": at, "value": old}
        await go.suite.patch(go.path, [test, {"op": "replace", "path": at, "value": new}])
    await go.work()
    assert {"HotVCPUChange", "HotMemoryChange"} <= conditions(await go.vmi()).keys()
    path = await migrate(go)
    await go.work()
    vmi = await go.vmi()
    assert phases(await go.suite.get(path))[-1] == "Succeeded"
    assert {"HotVCPUChange", "HotMemoryChange"}.isdisjoint(conditions(vmi))
    assert vmi["status"]["currentCPUTopology"]["sockets"] == 2
    assert vmi["status"]["memory"]["guestRequested"] == "2Gi"
    assert vmi["metadata"]["labels"] == {"kubevirt.io/nodeName": vmi["status"]["nodeName"]}


async def test_a_migration_is_called_off(suite_of: Make) -> None:
    """Deleted while it runs: the controller replaces the whole status if it is as it was, and the node gives up."""
    go = await VirtController.at(await suite_of(without=WITHOUT, pace="realistic"))
    await go.create(SPEC)
    await go.work(60, seconds=2)
    vmi = await go.vmi()
    annotations = {**vmi["metadata"]["annotations"], "fakekube.io/fate": "migration-takes=300s"}
    change = [{"op": "replace", "path": "/metadata/annotations", "value": annotations}]
    await go.suite.patch(go.path, change)
    path = await migrate(go)

    async def runs() -> bool:
        await go.step()
        return (await go.suite.get(path)).get("status", {}).get("phase") == "Running"

    await go.suite.eventually(runs, 60)
    await go.suite.delete(path)

    async def gone() -> bool:
        await go.step()
        return (await go.suite.call("GET", path))[0] == 404

    await go.suite.eventually(gone, 60)
    found = await go.vmi()
    state = found["status"]["migrationState"]
    assert (state["abortStatus"], state["failed"], state["completed"]) == ("Succeeded", True, True)
    assert found["status"]["nodeName"] == vmi["status"]["nodeName"]
    assert "kubevirt.io/migrationTargetNodeName" not in found["metadata"]["labels"]


async def test_a_guest_crashes(go: VirtController) -> None:
    """What has ended stays, with its pod, until it is deleted; then nothing is left."""
    await running(go)
    vmi = await go.vmi()
    (pod,) = await go.pods(vmi)
    await go.suite.patch(
        f"{PODS}/{pod['metadata']['name']}/status",
        {"status": {"phase": "Failed"}},
        "application/merge-patch+json",
    )
    await go.work()
    assert (await go.vmi())["status"]["phase"] in FINAL
    await go.suite.delete(go.path)
    await go.work()
    assert not await go.there()


async def begin(go: VirtController) -> None:
    """What the program does before it looks at an instance: it leads, and tells so."""
    leases = "/apis/coordination.k8s.io/v1/namespaces/kubevirt/leases"
    status, _ = await go.suite.call("GET", f"{leases}/virt-controller")
    meta = {"name": "virt-controller", "namespace": "kubevirt", "creationTimestamp": None}
    now = f"{(await go.now())[:-1]}.123456Z"
    spec = {
        "holderIdentity": "host",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": now,
        "renewTime": now,
    }
    body = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": meta, "spec": spec}
    assert status == 404, "nobody else leads"
    lease = await go.suite.create(leases, body)
    renewed = {**lease, "spec": {**spec, "renewTime": f"{(await go.now())[:-1]}.223456Z"}}
    answer = await go.suite.call("PUT", f"{leases}/virt-controller", renewed)
    assert (answer[0], answer[1]["spec"]) == (200, renewed["spec"])
    review = {
        "kind": "SubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {"creationTimestamp": None},
        "spec": {
            "resourceAttributes": {
                "namespace": "default",
                "verb": "create",
                "group": "cdi.kubevirt.io",
                "resource": "datavolumes",
                "subresource": "source",
            },
            "user": "system:serviceaccount:default:default",
        },
        "status": {"allowed": False},
    }
    made = await go.suite.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert made["status"]["allowed"]
    lead = {
        "kind": "Lease",
        "namespace": "kubevirt",
        "name": "virt-controller",
        "apiVersion": "coordination.k8s.io/v1",
    }
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "virt-controller.17f", "namespace": "kubevirt", "creationTimestamp": None},
        "involvedObject": lead,
        "reason": "LeaderElection",
        "message": "host became leader",
        "source": {"component": "virt-controller"},
        "firstTimestamp": await go.now(),
        "lastTimestamp": await go.now(),
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    }
    events = "/api/v1/namespaces/kubevirt/events"
    await go.suite.create(events, event)
    again = {"count": 2, "lastTimestamp": await go.now(), "message": "host became leader"}
    told = await go.suite.patch(f"{events}/virt-controller.17f", again, STRATEGIC)
    assert told["count"] == 2


async def test_from_another_process() -> None:
    """A server that is started as people start it knows nothing of who its virt-controller is: it leads, its instance runs,
    moves, and goes."""
    without = [flag for name in WITHOUT for flag in ("--without", name)]
    async with elsewhere.up(
        *without, "--nodes", "2", "--enable-admission-plugins", "ServiceAccount"
    ) as suite:
        go = await VirtController.at(suite)
        await begin(go)
        before = await running(go)
        await migrate(go)
        await go.work()
        vmi = await go.vmi()
        assert vmi["status"]["nodeName"] != before["status"]["nodeName"]
        await suite.delete(go.path)
        await go.work()
        assert not await go.there()
