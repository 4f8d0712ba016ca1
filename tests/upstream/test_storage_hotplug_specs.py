"""Upstream's functional specs of volumes that are plugged in and out, by request and by the template, and of failing disks.

Origin: kubevirt: tests/storage/{hotplug,declarative-hotplug,events}.go
"""

from typing import Any

import pytest

from fakekube.virt import quantities
from tests.upstream import guests
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import NS, PODS, Guest, guest, migrate, migrated

VOLUMES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datavolumes"
CLAIMS = f"/api/v1/namespaces/{NS}/persistentvolumeclaims"
KINDS = {"dataVolume": "name", "persistentVolumeClaim": "claimName"}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


LATE = {"metadata": {"name": "late"}, "provisioner": "x", "volumeBindingMode": "WaitForFirstConsumer"}


async def blank(suite: Suite, name: str, mode: str = "Filesystem", *, late: bool = False) -> str:
    """A blank DataVolume that has succeeded; with `late`, one that waits for its consumer."""
    access = "ReadWriteMany" if mode == "Block" else "ReadWriteOnce"
    storage = {"accessModes": [access], "volumeMode": mode, "resources": {"requests": {"storage": "1Gi"}}}
    body = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name},
        "spec": {"source": {"blank": {}}, "storage": storage},
    }
    if late:
        storage["storageClassName"] = "late"
    await suite.create(VOLUMES, body)
    if late:
        return name

    async def succeeded() -> bool:
        return (await suite.get(f"{VOLUMES}/{name}")).get("status", {}).get("phase") == "Succeeded"

    await suite.eventually(succeeded, 240)
    return name


class Plug:
    """A guest, and how the specs plug into it: by its machine or at the instance."""

    def __init__(self, guest: Guest, kind: str = "virtualmachines") -> None:
        self.guest, self.kind, self.suite = guest, kind, guest.suite

    async def add(self, volume: str, claim: str, source: str = "dataVolume", **more: Any) -> str:
        disk = {"disk": {"bus": more.pop("bus", "scsi")}, "serial": volume}
        source_of = {source: {KINDS[source]: claim}}
        return await self.guest.act(
            "addvolume", {"name": volume, "disk": disk, "volumeSource": source_of, **more}, self.kind
        )

    async def remove(self, volume: str) -> str:
        return await self.guest.act("removevolume", {"name": volume}, self.kind)

    async def template(self) -> Object:
        return (await self.guest.vm())["spec"]["template"]["spec"]

    async def in_template(self, *volumes: str, there: bool = True) -> None:
        async def look() -> bool:
            vm = await self.guest.vm()
            if vm.get("status", {}).get("volumeRequests"):
                return False
            return _has(vm["spec"]["template"]["spec"], volumes, there)

        await self.suite.eventually(look, 90)

    async def in_instance(self, *volumes: str, there: bool = True) -> None:
        async def look() -> bool:
            return _has((await self.guest.vmi())["spec"], volumes, there)

        await self.suite.eventually(look, 90)

    async def entry(self, volume: str) -> Object:
        listed = (await self.guest.vmi())["status"].get("volumeStatus", ())
        return next((one for one in listed if one["name"] == volume), {})

    async def ready(self, *volumes: str) -> None:
        async def look() -> bool:
            found = [await self.entry(one) for one in volumes]
            return all(
                one.get("phase") == "Ready" and one["target"] and one["hotplugVolume"] for one in found
            )

        await self.suite.eventually(look, 180)

    async def attachments(self) -> list[Object]:
        launcher = (await self.guest.pod())["metadata"]["uid"]
        return [
            one
            for one in await self.suite.items(PODS)
            if one["metadata"]["name"].startswith("hp-volume-")
            and one["metadata"]["ownerReferences"][0]["uid"] == launcher
            and "deletionTimestamp" not in one["metadata"]
        ]

    async def one_attachment(self) -> None:
        async def look() -> bool:
            return len(await self.attachments()) == 1

        await self.suite.eventually(look, 60)

    async def gone(self, *volumes: str) -> None:
        async def look() -> bool:
            return not any([await self.entry(one) for one in volumes])

        await self.suite.eventually(look, 120)


def _has(spec: Object, volumes: tuple[str, ...], there: bool) -> bool:
    disks = {one["name"] for one in spec["domain"]["devices"].get("disks", ())}
    names = {one["name"] for one in spec.get("volumes", ())}
    if there:
        return names.issuperset(volumes) and disks.issuperset(volumes)
    return names.isdisjoint(volumes) and disks.isdisjoint(volumes)


async def plugged(suite: Suite, kind: str = "virtualmachines") -> Plug:
    if kind == "virtualmachines":
        return Plug(await guests.machine(suite, guest()), kind)
    return Plug(await guests.instance(suite, guest()), kind)


@pytest.mark.parametrize("source", KINDS)
async def test_a_machine_that_is_off(suite: Suite, source: str) -> None:
    """Its template takes volumes that need not exist, and gives them back."""
    plug = Plug(await guests.machine(suite, guest(), runStrategy="Halted"))
    for volume, claim in (("new1", "madeup"), ("new2", "madeup2")):
        assert await plug.add(volume, claim, source) == ""
    await plug.in_template("new1", "new2")
    for volume in ("new1", "new2"):
        assert await plug.remove(volume) == ""
    await plug.in_template("new1", "new2", there=False)


@pytest.mark.parametrize(
    ("gates", "source", "mode", "bus"),
    [
        ([], "dataVolume", "Filesystem", "scsi"),
        ([], "persistentVolumeClaim", "Filesystem", "virtio"),
        ([], "dataVolume", "Block", "scsi"),
        (["HotplugVolumes"], "dataVolume", "Filesystem", "scsi"),
        (["HotplugVolumes"], "persistentVolumeClaim", "Block", "scsi"),
    ],
)
async def test_in_and_out(suite: Suite, gates: list[str], source: str, mode: str, bus: str) -> None:
    """By the machine, declaratively and by queued requests: template, instance, status, one pod; and back."""
    await guests.configure(suite, developerConfiguration={"featureGates": gates})
    plug = await plugged(suite)
    claim = await blank(suite, "blank", mode)
    assert await plug.add("testvolume", claim, source, bus=bus) == ""
    await plug.in_template("testvolume")
    await plug.in_instance("testvolume")
    await plug.ready("testvolume")
    assert (await plug.entry("testvolume"))["target"] == ("vdb" if bus == "virtio" else "sda")
    await plug.one_attachment()
    assert await plug.remove("testvolume") == ""
    await plug.in_template("testvolume", there=False)
    await plug.in_instance("testvolume", there=False)
    await plug.gone("testvolume")
    assert "SyncFailed" not in await plug.guest.events()


@pytest.mark.parametrize("kind", ["virtualmachines", "virtualmachineinstances"])
async def test_out_and_in_again(suite: Suite, kind: str) -> None:
    """Devices stay what they are; a new volume takes the first that is free. Dry runs change nothing."""
    plug = await plugged(suite, kind)
    names = [f"volume{number}" for number in range(5)]
    for volume in names:
        await blank(suite, f"dv-{volume}")
    assert await plug.add(names[0], f"dv-{names[0]}", dryRun=["All"]) == ""

    async def nothing() -> bool:
        return await plug.entry(names[0]) == {}

    await suite.consistently(nothing, 20, every=5)
    for volume in names[:4]:
        assert await plug.add(volume, f"dv-{volume}") == ""
    await plug.in_instance(*names[:4])
    await plug.ready(*names[:4])
    await plug.one_attachment()
    assert [(await plug.entry(one))["target"] for one in names[:4]] == ["sda", "sdb", "sdc", "sdd"]
    assert await plug.remove(names[2]) == ""
    await plug.gone(names[2])
    assert (await plug.entry(names[3]))["target"] == "sdd"
    for volume, target in ((names[4], "sdc"), (names[2], "sde")):
        assert await plug.add(volume, f"dv-{volume}") == ""
        await plug.ready(volume)
        assert (await plug.entry(volume))["target"] == target
    await plug.one_attachment()
    for volume in names:
        assert await plug.remove(volume) == ""
        await plug.in_instance(volume, there=False)
    await plug.gone(*names)


async def test_what_stays_after_a_restart(suite: Suite) -> None:
    """A volume of the machine is plugged in again at the next start, and can still be plugged out."""
    plug = await plugged(suite)
    await blank(suite, "blank", "Block")
    assert await plug.add("testvolume", "blank") == ""
    await plug.ready("testvolume")
    assert await plug.guest.act("stop", {"gracePeriod": 0}, "virtualmachines") == ""
    await plug.guest.gone()
    assert await plug.guest.act("start", kind="virtualmachines") == ""
    await plug.guest.ready()
    await plug.ready("testvolume")
    assert await plug.remove("testvolume") == ""
    await plug.in_template("testvolume", there=False)
    await plug.gone("testvolume")


async def test_what_is_refused(suite: Suite) -> None:
    """Names and sources that are taken, volumes that are fixed or unknown; in the specs' words."""
    plug = await plugged(suite)
    await blank(suite, "blank")
    taken = "Unable to add volume [disk0] because volume with that name already exists"
    assert (await plug.add("disk0", "blank")).endswith(taken)
    assert await plug.add("testvolume", "blank", "persistentVolumeClaim") == ""
    await plug.ready("testvolume")
    twice = "Unable to add volume source [blank] because it already exists"
    assert (await plug.add("blank", "blank")).endswith(twice)
    assert "Unable to remove volume [disk0] because it is not hotpluggable" in await plug.remove("disk0")
    assert "Unable to remove volume [unknown] because it does not exist" in await plug.remove("unknown")


async def test_many_at_once(suite: Suite) -> None:
    """Seventy-five volumes."""
    plug = await plugged(suite)
    names = [f"volume{number}" for number in range(75)]
    for volume in names:
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await suite.create(CLAIMS, {"metadata": {"name": volume}, "spec": claim})
        assert await plug.add(volume, volume, "persistentVolumeClaim") == ""
    await plug.ready(*names)
    assert len({(await plug.guest.vmi())["status"]["volumeStatus"][one]["target"] for one in range(76)}) == 76
    await plug.one_attachment()


async def test_migration(suite: Suite) -> None:
    """A guest moves with its volumes: other pods bring them, the old ones go; out and in works as before."""
    plug = await plugged(suite, "virtualmachineinstances")
    await blank(suite, "blank", "Block")
    assert await plug.add("testvolume", "blank") == ""
    await plug.ready("testvolume")
    assert conditions(await plug.guest.vmi())["LiveMigratable"] == "True"
    source = (await plug.entry("testvolume"))["hotplugVolume"]["attachPodName"]
    migration = await migrate(plug.guest)
    await migration.succeeds()
    moved = await migrated(plug.guest, migration)
    (pod,) = await plug.attachments()
    assert moved["status"]["migrationState"]["targetAttachmentPodUID"] == pod["metadata"]["uid"]
    assert pod["metadata"]["labels"]["kubevirt.io/migrationJobUID"] == migration.uid
    told = await suite.items(
        guests.EVENTS, fieldSelector=f"involvedObject.name={migration.path.rpartition('/')[2]}"
    )
    assert f"Created attachment pod {pod['metadata']['name']}" in [one["message"] for one in told]

    async def gone() -> bool:
        return (await suite.call("GET", f"{PODS}/{source}"))[0] == 404

    await suite.eventually(gone, 60)
    await plug.ready("testvolume")

    async def another() -> bool:
        return (await plug.entry("testvolume"))["hotplugVolume"]["attachPodName"] != source

    await suite.eventually(another, 60)
    assert await plug.remove("testvolume") == ""
    await plug.gone("testvolume")
    assert await plug.add("testvolume", "blank") == ""
    await plug.ready("testvolume")


async def test_deleted_attachment_pods(suite: Suite) -> None:
    """However often its pod is deleted, the volume stays ready, and another pod comes."""
    plug = await plugged(suite)
    await blank(suite, "blank", "Block")
    assert await plug.add("testvolume", "blank") == ""
    await plug.ready("testvolume")
    for _ in range(3):
        (pod,) = await plug.attachments()
        await suite.delete(f"{PODS}/{pod['metadata']['name']}", {})

        async def another(old: str = pod["metadata"]["uid"]) -> bool:
            assert (await plug.entry("testvolume"))["phase"] == "Ready"
            found = await plug.attachments()
            return bool(found) and found[0]["metadata"]["uid"] != old

        await suite.eventually(another, 60)


async def test_no_room_for_attachment_pods(suite: Suite) -> None:
    """What is plugged in stays while a quota keeps its pod from coming back; the guest runs on."""
    plug = await plugged(suite)
    await blank(suite, "blank", "Block")
    assert await plug.add("testvolume", "blank") == ""
    await plug.ready("testvolume")
    await suite.create(
        f"/api/v1/namespaces/{NS}/resourcequotas",
        {"metadata": {"name": "pods"}, "spec": {"hard": {"pods": "1"}}},
    )
    (pod,) = await plug.attachments()
    await suite.delete(f"{PODS}/{pod['metadata']['name']}", {"gracePeriodSeconds": 0})

    async def undisturbed() -> bool:
        assert await plug.attachments() == []
        found = await plug.guest.vm()
        return (await plug.entry("testvolume"))["phase"] == "Ready" and "Paused" not in conditions(found)

    await suite.consistently(undisturbed, 30, every=5)


@pytest.mark.parametrize(("memory", "cpu"), [(1, 1), (1, 4), (2, 4), (2.25, 5.75)])
async def test_limit_ranges(suite: Suite, memory: float, cpu: float) -> None:
    """[10002] [10003] [10004] [10005] No container's limits exceed its requests by more than the namespace allows."""
    helpers = {
        "limits": {"memory": "80M", "cpu": "100m"},
        "requests": {"memory": str(-(-80_000_000 // memory)), "cpu": f"{-(-100 // cpu):.0f}m"},
    }
    kinds = ("hotplug-disk", "container-disk", "guest-console-log")
    await guests.configure(
        suite, supportContainerResources=[{"type": kind, "resources": helpers} for kind in kinds]
    )
    ratio = {"memory": str(memory), "cpu": str(cpu)}
    limit = {"type": "Container", "maxLimitRequestRatio": ratio, "max": {"memory": "1Gi", "cpu": "1"}}
    await suite.create(
        f"/api/v1/namespaces/{NS}/limitranges",
        {"metadata": {"name": "lr"}, "spec": {"limits": [{**limit, "min": {"memory": "1Mi", "cpu": "1m"}}]}},
    )
    spec = guest()
    requests = {"memory": str(-(-134_217_728 // memory)), "cpu": f"{-(-1000 // cpu):.0f}m"}
    spec["domain"]["resources"] = {"limits": {"memory": "134217728", "cpu": "1"}, "requests": requests}
    plug = Plug(await guests.machine(suite, spec))
    await blank(suite, "blank", "Block")
    assert await plug.add("testvolume", "blank") == ""
    await plug.ready("testvolume")
    (attachment,) = await plug.attachments()
    (container,) = attachment["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "80M", "cpu": "100m"}
    launcher = await plug.guest.pod()
    for one in (container, *launcher["spec"]["containers"], *launcher["spec"]["initContainers"]):
        limits, asked = (one["resources"][part] for part in ("limits", "requests"))
        for kind, most in (("memory", memory), ("cpu", cpu)):
            has, wants = (float(quantities.exact(part[kind])) for part in (limits, asked))
            assert has <= wants * most * 1.001, (one["name"], kind)
    assert await plug.remove("testvolume") == ""
    await plug.gone("testvolume")


@pytest.mark.parametrize("dedicated", [False, True])
async def test_io_threads(suite: Suite, dedicated: bool) -> None:
    """A disk plugged in may have an I/O thread of its own."""
    plug = Plug(
        await guests.machine(suite, guest(domain={"ioThreadsPolicy": "auto" if dedicated else "shared"}))
    )
    await blank(suite, "blank")
    disk = {"disk": {"bus": "virtio" if dedicated else "scsi"}, "serial": "testvolume"}
    if dedicated:
        disk["dedicatedIOThread"] = True  # type: ignore[assignment]
    options = {"name": "testvolume", "disk": disk, "volumeSource": {"dataVolume": {"name": "blank"}}}
    assert await plug.guest.act("addvolume", options, plug.kind) == ""
    await plug.in_template("testvolume")
    await plug.ready("testvolume")
    for spec in (await plug.template(), (await plug.guest.vmi())["spec"]):
        (found,) = [one for one in spec["domain"]["devices"]["disks"] if one["name"] == "testvolume"]
        assert found.get("dedicatedIOThread", False) is dedicated
    await plug.one_attachment()
    assert await plug.remove("testvolume") == ""
    await plug.in_template("testvolume", there=False)


@pytest.mark.parametrize("running", [False, True])
async def test_luns(suite: Suite, running: bool) -> None:
    """SCSI disks are plugged in as LUNs, into machines that run and such that are off."""
    plug = Plug(await guests.machine(suite, guest(), runStrategy="Always" if running else "Halted"))
    for own in ("scsipvc", "scsipvc2")[: 1 if running else 2]:
        claim = {
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Block",
            "resources": {"requests": {"storage": "8Mi"}},
        }
        await suite.create(CLAIMS, {"metadata": {"name": own}, "spec": claim})
        source = {"persistentVolumeClaim": {"claimName": own}}
        options = {"name": own, "disk": {"lun": {"bus": "scsi"}, "serial": own}, "volumeSource": source}
        assert await plug.guest.act("addvolume", options, plug.kind) == ""
        await plug.in_template(own)
        if running:
            await plug.ready(own)
            await plug.one_attachment()
    for own in ("scsipvc", "scsipvc2")[: 1 if running else 2]:
        assert await plug.remove(own) == ""
        await plug.in_template(own, there=False)


async def test_restarting_with_host_devices(suite: Suite) -> None:
    """A machine with a device of its node and a block volume plugged in starts again."""
    device = "example.org/soundcard"
    permitted = [{"pciVendorSelector": "8086:2668", "resourceName": device}]
    gates = {"featureGates": ["HostDevices"]}
    await guests.configure(
        suite, permittedHostDevices={"pciHostDevices": permitted}, developerConfiguration=gates
    )
    for node in await suite.items(guests.NODES):
        path = f"{guests.NODES}/{node['metadata']['name']}/status"
        there = {one: {device: "1"} for one in ("capacity", "allocatable")}
        await suite.patch(path, {"status": there}, MERGE_PATCH)
    spec = guest()
    spec["domain"]["devices"]["hostDevices"] = [{"name": "sound0", "deviceName": device}]
    plug = Plug(await guests.machine(suite, spec))
    await blank(suite, "blank", "Block")
    assert await plug.add("hotplug-vol", "blank") == ""
    await plug.ready("hotplug-vol")
    assert await plug.guest.act("stop", kind="virtualmachines") == ""
    await plug.guest.gone()
    assert await plug.guest.act("start", kind="virtualmachines") == ""
    await plug.guest.ready()
    await plug.ready("hotplug-vol")


async def test_cdroms(suite: Suite) -> None:
    """Injected, swapped and ejected by changes of the template: the drive stays, its volume comes and goes."""
    spec = guest("cirros")
    spec["domain"]["devices"]["disks"].append({"name": "cdrom", "cdrom": {"bus": "sata"}})
    vm = await guests.machine(suite, spec)
    plug = Plug(vm)
    for name in ("first", "second"):
        await blank(suite, name)

    async def volumes(*extra: str) -> None:
        kept = [one for one in (await plug.template())["volumes"] if one["name"] != "cdrom"]
        added = [{"name": "cdrom", "dataVolume": {"name": one, "hotpluggable": True}} for one in extra]
        await vm.change(("replace", "/volumes", [*kept, *added]))

    async def holds(claim: str) -> None:
        async def look() -> bool:
            found = [one for one in (await vm.vmi())["spec"]["volumes"] if one["name"] == "cdrom"]
            if not claim:
                return not found and not await plug.entry("cdrom")
            return (
                bool(found)
                and found[0]["dataVolume"]["name"] == claim
                and ((await plug.entry("cdrom")).get("phase") == "Ready")
            )

        await suite.eventually(look, 240, every=2)

    await volumes("first")
    await holds("first")
    await volumes("second")
    await holds("second")
    await volumes()
    await holds("")
    assert "cdrom" in [one["name"] for one in (await vm.vmi())["spec"]["domain"]["devices"]["disks"]]
    await vm.has("RestartRequired", "", of_vm=True)


async def test_declared_disks(suite: Suite) -> None:
    """A disk and its volume added to the template, and removed from it."""
    vm = await guests.machine(suite, guest("cirros"))
    plug = Plug(vm)
    await blank(suite, "blank")
    source = {"name": "hotplug-disk", "dataVolume": {"name": "blank", "hotpluggable": True}}
    before = await plug.template()
    disks = before["domain"]["devices"]["disks"]
    disk = {"name": "hotplug-disk", "disk": {"bus": "scsi"}}
    await vm.change(
        ("replace", "/domain/devices/disks", [*disks, disk]),
        ("replace", "/volumes", [*before["volumes"], source]),
    )
    await plug.ready("hotplug-disk")
    await vm.change(("replace", "/domain/devices/disks", disks), ("replace", "/volumes", before["volumes"]))
    await plug.gone("hotplug-disk")
    await plug.in_instance("hotplug-disk", there=False)


async def test_a_faulty_disk(suite: Suite) -> None:
    """[6225] A guest that is paused by an error of its disk says so by an event; here its fate has it."""
    spec = guest("")
    spec["domain"]["devices"]["disks"] = [{"name": "disk0", "disk": {"bus": "virtio"}}]
    spec["volumes"] = [
        {"name": "disk0", "persistentVolumeClaim": {"claimName": await blank(suite, "ioerror")}}
    ]
    vm = await guests.instance(suite, spec, annotations={"fakekube.io/fate": "io-error-after=5s"})
    await vm.is_told("IOerror")
    found = await suite.items(guests.EVENTS, fieldSelector="reason=IOerror")
    assert [(one["message"], one["involvedObject"]["kind"]) for one in found] == [
        ("VM Paused due to IO error at the volume: disk0", "VirtualMachineInstance")
    ]
    paused = [one for one in (await vm.vmi())["status"]["conditions"] if one["type"] == "Paused"]
    assert [(one["status"], one["reason"]) for one in paused] == [("True", "PausedIOError")]


@pytest.mark.parametrize("source", KINDS)
async def test_plugged_before_the_start(suite: Suite, source: str) -> None:
    """A machine that is off starts with the block volume it was given."""
    plug = Plug(await guests.machine(suite, guest(), runStrategy="Halted"))
    await blank(suite, "blank", "Block")
    assert await plug.add("blank", "blank", source) == ""
    await plug.in_template("blank")
    assert await plug.guest.act("start", kind="virtualmachines") == ""
    await plug.guest.ready()
    await plug.in_instance("blank")
    await plug.ready("blank")


@pytest.mark.parametrize("late", [False, True])
async def test_booting_from_what_is_plugged(suite: Suite, late: bool) -> None:
    """The first disk may be a volume that is plugged in, on storage that waits for its consumer, too."""
    await suite.create("/apis/storage.k8s.io/v1/storageclasses", LATE)
    await blank(suite, "boot", "Block", late=late)
    spec = guest("")
    spec["domain"]["devices"]["disks"] = [{"name": "disk0", "disk": {"bus": "scsi"}}]
    spec["volumes"] = [{"name": "disk0", "dataVolume": {"name": "boot", "hotpluggable": True}}]
    plug = Plug(await guests.machine(suite, spec))
    await plug.in_instance("disk0")
    await plug.ready("disk0")
    await plug.one_attachment()


async def test_late_binding(suite: Suite) -> None:
    """Volumes of storage that waits for its consumer: being plugged in is what it waits for."""
    await suite.create("/apis/storage.k8s.io/v1/storageclasses", LATE)
    plug = await plugged(suite)
    names = [await blank(suite, f"late{number}", late=True) for number in range(3)]
    for volume in names:
        assert await plug.add(volume, volume) == ""
    await plug.in_instance(*names)
    await plug.ready(*names)
    await plug.one_attachment()
    for volume in names:
        assert await plug.remove(volume) == ""
        await plug.in_template(volume, there=False)


async def test_both_modes(suite: Suite) -> None:
    """A block volume and one with a file system in one pod, without trouble."""
    plug = await plugged(suite)
    for volume, mode in (("block", "Block"), ("fs", "Filesystem")):
        await blank(suite, volume, mode)
        assert await plug.add(volume, volume) == ""
    await plug.ready("block", "fs")
    await plug.one_attachment()
    for volume in ("block", "fs"):
        assert await plug.remove(volume) == ""
        await plug.in_template(volume, there=False)
    assert "SyncFailed" not in await plug.guest.events()
