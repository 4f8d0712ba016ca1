"""The claims behind a guest's disks."""

import pytest

from fakekube.agents.volume_contents import Held, VolumeContents
from fakekube.clock import ManualClock
from fakekube.virt.handler import guest_volumes, shell
from fakekube.virt.handler.guest_devices import Backing, Contents, Disk
from fakekube.virt.handler.guest_programs import Machine
from fakekube.virt.handler.streams import Streams


class Claims:
    """A client's answers."""

    async def find(self, _resource, name, namespace):
        return None if name == "gone" else {"metadata": {"uid": f"{namespace}-{name}"}, "spec": {}}


VOLUMES = [
    {"name": "a", "containerDisk": {"image": "x"}},
    {"name": "b", "persistentVolumeClaim": {"claimName": "b"}},
    {"name": "c", "dataVolume": {"name": "c"}},
    {"name": "d", "ephemeral": {"persistentVolumeClaim": {"claimName": "d"}}},
    {"name": "e", "persistentVolumeClaim": {"claimName": "gone"}},
    {"name": "f", "persistentVolumeClaim": {"claimName": "f"}},
    {"name": "g", "persistentVolumeClaim": {"claimName": "unplugged"}},
]


def vmi(volumes=VOLUMES, space="ns", **status):
    told = [{"name": one["name"], "target": f"vd{one['name']}"} for one in volumes if one["name"] not in "fg"]
    return {
        "metadata": {"name": "vm", "namespace": space, "uid": f"vm-{space}"},
        "spec": {"domain": {"devices": {"filesystems": [{"name": "f"}]}}, "volumes": volumes},
        "status": {"phase": "Running", "volumeStatus": told, **status},
    }


def moved(source, target, volume="b"):
    ends = {"sourcePVCInfo": {"claimName": source}, "destinationPVCInfo": {"claimName": target}}
    return [{"volumeName": volume, **ends}]


async def test_backings():
    """Claims by device, or by the tag they are shared by; of ephemeral ones only what they hold at first; what comes from another claim is there until it has come."""
    found = await guest_volumes.backings(Claims(), vmi())
    assert found == {
        "vdb": Backing("pvc-ns-b", "disk"),
        "vdc": Backing("pvc-ns-c", "disk"),
        "vdd": Backing("pvc-ns-d", "disk", kept=False),
        "f": Backing("pvc-ns-f", "files"),
    }
    found = await guest_volumes.backings(Claims(), vmi(migratedVolumes=moved("before", "b")))
    assert found["vdb"].volume == "pvc-ns-before"


def remembering(claim="s", **status):
    told = [{"name": claim, "persistentVolumeClaimInfo": {"claimName": claim}}]
    made = vmi([], volumeStatus=told, **status)
    made["spec"]["domain"]["devices"] |= {"tpm": {"persistent": True}}
    return made


async def test_what_outlives_a_guest():
    """It is in a folder of the claim for that; others there stay as they are."""
    own = "persistent-state-for-vm-a"
    found = await guest_volumes.backings(Claims(), remembering(own))
    assert found == {"swtpm": Backing(f"pvc-ns-{own}", "files", below="swtpm/")}
    assert await guest_volumes.backings(Claims(), remembering("other")) == {}
    contents, backing = VolumeContents(), found["swtpm"]
    contents.write(backing.volume, "files", {"nvram/a": "1", "swtpm/b": "2"})
    assert guest_volumes.read(contents, backing) == {"b": "2"}
    guest_volumes.write(contents, backing, {"c": "3"})
    assert contents.read(backing.volume, "files") == {"nvram/a": "1", "swtpm/c": "3"}


async def test_it_moves_along():
    """As soon as the guest runs at the target it is on the claim there, and has been copied to it; not if the move failed."""
    own, there = "persistent-state-for-vm-a", "persistent-state-for-vm-b"
    before = remembering(own)
    ready = {"targetPersistentStatePVCName": there, "targetNodeDomainReadyTimestamp": "now"}
    after = remembering(own, migrationState=ready)
    assert list(guest_volumes.copied(before, after)) == [(f"ns/{own}", f"ns/{there}")]
    assert list(guest_volumes.copied(after, remembering(there, migrationState=ready))) == []
    found = await guest_volumes.backings(Claims(), after)
    assert found["swtpm"].volume == f"pvc-ns-{there}"
    assert (
        list(guest_volumes.copied(before, remembering(own, migrationState={**ready, "failed": True}))) == []
    )


@pytest.mark.parametrize(
    ("target", "after", "pairs"),
    [
        ("b", {}, [("ns/before", "ns/b")]),
        ("other", {}, []),  # they have gone back
        ("b", {"migratedVolumes": moved("before", "b")}, []),  # they are still on their way
    ],
)
def test_what_a_migration_has_copied(target, after, pairs):
    """The volumes that were on their way and are there now."""
    old = vmi(migratedVolumes=moved("before", target))
    assert list(guest_volumes.copied(old, vmi(**after))) == pairs


async def test_what_a_guest_brings_to_another_instance():
    """What is on its claims goes to those of the other one, if they are others."""
    volumes = [VOLUMES[0], VOLUMES[1], {"name": "c", "dataVolume": {"name": "other"}}]
    assert list(guest_volumes.brought(vmi(), vmi(volumes))) == [("ns/c", "ns/other")]
    pairs = list(guest_volumes.brought(vmi(), vmi(volumes, "there")))
    assert pairs == [("ns/b", "there/b"), ("ns/c", "there/other")]
    contents = VolumeContents()
    contents.write("pvc-ns-c", "disk", {"a": "1"})
    await guest_volumes.copy(Claims(), contents, "ns/c", "there/other", if_=lambda: False)
    assert list(contents.state()) == ["pvc-ns-c"]
    await guest_volumes.copy(Claims(), contents, "ns/c", "there/other", if_=lambda: True)
    await guest_volumes.copy(Claims(), contents, "ns/c", "there/gone", if_=lambda: True)
    assert list(contents.state()) == ["pvc-ns-c", "pvc-there-other"]


class Typist:
    """A client's end of a console at which this is typed, by root."""

    subprotocol = "plain.kubevirt.io"

    def __init__(self, lines):
        self._lines = [b"root\rx\r", *(line.encode() + b"\r" for line in lines)]
        self.said = ""

    async def receive(self):
        return self._lines.pop(0) if self._lines else None

    async def send(self, data):
        self.said += data.decode()

    async def close(self, code=1000):
        self._lines.clear()


@pytest.fixture
def contents():
    return VolumeContents()


@pytest.fixture
def streams(contents):
    async def nothing(_vmi, _deed):
        return None

    async def look(_vmi):
        return {}

    return Streams(ManualClock(), nothing, look, contents)


async def typed(streams, guest, *lines, **more):
    given = Contents(backings=await guest_volumes.backings(Claims(), guest), **more)
    typist = Typist(lines)
    await streams.serve(guest, "console", given=given)(typist)
    return typist.said


async def test_what_is_written_on_a_claim_is_the_volumes(streams, contents):
    """It is found by another guest at once, and by the next one; disks that are the instance's own go with it."""
    await typed(
        streams, vmi(), "mount /dev/vdb /t && echo kept > /t/a", "mount /dev/vdd /d", "echo lost > /d/a"
    )
    shared = {"f": Disk("", {})}
    await typed(
        streams, vmi(), "mount -t virtiofs f /s", "echo shared > /s/a", "echo lost > /a", disks=shared
    )
    assert contents.state() == {
        "pvc-ns-b": Held(disk={"a": "kept\n"}),
        "pvc-ns-f": Held({"a": "shared\n"}),
    }
    other = vmi([VOLUMES[0], VOLUMES[1]])
    other["metadata"]["uid"] = "other"
    assert "\r\nkept\r\n" in await typed(streams, other, "mount /dev/vdb /x", "cat /x/a", "echo new > /x/a")
    assert "\r\nnew\r\n" in await typed(streams, vmi(), "cat /t/a")
    streams.rebooted("vm-ns")
    assert "\r\nlost\r\nlost\r\n" in await typed(streams, vmi(), "mount /dev/vdd /d", "cat /a /d/a")
    await streams.hang_up("vm-ns")
    assert not streams.knows("vm-ns")
    said = await typed(streams, vmi(), "mount /dev/vdd /d", "mount /dev/vdb /t", "cat /a /d/a /t/a")
    assert "'/a'" in said
    assert "'/d/a'" in said
    assert "\r\nnew\r\n" in said


async def test_an_ephemeral_volume_begins_as_its_claim(streams, contents):
    """What its claim holds is there, and what the guest makes of that is its own."""
    contents.write("pvc-ns-d", "disk", {"a": "old\n"})
    said = await typed(streams, vmi(), "mount /dev/vdd /d", "cat /d/a", "rm /d/a", "ls /d | wc -l")
    assert "\r\nold\r\n" in said
    assert "\r\n0\r\n" in said
    assert contents.read("pvc-ns-d", "disk") == {"a": "old\n"}


BOOTS = Contents(
    identity="vm.ns\n", each_time="echo always", script="echo once > /made; echo ran", files={"/f": "f"}
)


def test_once_for_each_instance():
    """What cloud-init does once is not done again by a guest whose disk says so; its disk tells for which instance."""
    machine = Machine("vm", contents=BOOTS)
    first = shell.booted(machine)
    assert b"always\r\nran\r\n" in first.output
    disk = {"var/lib/cloud/data/instance-id": "vm.ns\n", "f": "f", "made": "once\n"}
    assert first.session.disks == {"vda": disk}
    again = shell.booted(machine, {"vda": {**disk, "f": "changed"}})
    assert b"always\r\n" in again.output
    assert b"ran" not in again.output
    assert again.session.disks["vda"]["f"] == "changed"
    assert (
        b"ran" in shell.booted(machine, {"vda": {**disk, "var/lib/cloud/data/instance-id": "x.ns\n"}}).output
    )


async def test_what_is_a_guests_own_goes_back_and_along(streams, contents):
    """What is on disks that are the instance's own, and where its console stands, are as they were where contents are."""
    await typed(streams, vmi(), "cd /tmp; echo 1 > /a; echo 1 > b")
    before = contents.whole()
    await typed(streams, vmi(), "echo 2 > /a; rm b; cd /; exit")
    other = VolumeContents()
    other.become(before)
    for known, consoles in ((contents, streams), (other, Streams(ManualClock(), nothing, nothing, other))):
        known.become(before)
        assert "/tmp\r\n1\r\n1\r\n" in await typed(consoles, vmi(), "pwd; cat /a b")
    await consoles.hang_up("vm-ns")
    consoles.transcripts.forget("vm-ns")
    assert not any(other.whole().beside.values())


async def nothing(*_):
    return {}
