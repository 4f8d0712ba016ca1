"""Upstream's functional specs that write on a disk at a guest's console, and read it again: after restarts and migrations, from
snapshots and clones, in another machine.

State of TPMs is played in `test_state_specs`, what pods find of a guest's disk in `test_export_download_specs`.
Origin: kubevirt: tests/storage/restore.go, tests/virtiofs/datavolume.go; the others are what users do
"""

from typing import Any

import aiohttp
import pytest

from fakekube.agents.volume_contents import volume_of
from tests.upstream import consoles, guests, launchers, storage
from tests.upstream import test_storage_migration_specs as moves
from tests.upstream import test_transfer_specs as transfers
from tests.upstream import test_two_sides_specs as two_sides
from tests.upstream.conftest import Make, Object, Suite
from tests.upstream.consoles import PROMPT, console, returned
from tests.upstream.guests import Guest, instance, migrate
from tests.upstream.storage import CLAIMS, CLONES, NS, RESTORES, SNAPSHOTS, VMS, VOLUMES, Machine

MESSAGE = "/test/data/message"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await suite_of()
    await storage.set_up(suite)
    return suite


async def says(vmi: Guest, *commands: str) -> None:
    """Each succeeds."""
    async with console(vmi) as at:
        for command in commands:
            await at.says(f"{command}\n", PROMPT)
            await at.says("echo $?\n", returned("0"))


async def holds(vmi: Guest, text: str, path: str = MESSAGE) -> None:
    async with console(vmi) as at:
        await at.says(f"cat {path}\n", f"\n{text}\r\n.*{PROMPT}")


async def created(vmi: Guest, device: str, text: str) -> None:
    """Without `device`, on the disk it has booted from."""
    if device:
        await says(vmi, f"sudo mkfs.ext4 -F {device}", "sudo mkdir -p /test", f"sudo mount {device} /test")
    await says(vmi, "sudo mkdir -p /test/data", "sudo chmod a+w /test/data", f"echo '{text}' > {MESSAGE}")
    await holds(vmi, text)
    await says(vmi, "sync", "sync")


async def verified(vmi: Guest, device: str, text: str) -> None:
    if device:
        await says(vmi, "sudo mkdir -p /test", f"sudo mount {device} /test")
    await says(vmi, "sudo mkdir -p /test/data", "sudo chmod a+w /test/data")
    await holds(vmi, text)


def imported(name: str = "dv", image: str = "cirros") -> Object:
    return storage.volume(name, source={"registry": {"url": f"docker://registry:5000/kubevirt/{image}"}})


CIRROS = {"containerDisk": {"image": "registry:5000/kubevirt/cirros:devel"}}
CLOUD = {"cloudInitNoCloud": {"userData": "#!/bin/bash\necho hi\n"}}
BLANK = {"disk0": CIRROS, "disk1": CLOUD, "blank": {"dataVolume": {"name": "dv"}}}


def booting(kind: str) -> tuple[Object, str]:
    """A machine whose data is on a disk of that kind, and the device it is."""
    boot = {"disk0": {"dataVolume": {"name": "dv"}}, "disk1": CLOUD}
    claim = {"disk0": {"persistentVolumeClaim": {"claimName": "dv"}}, "disk1": CLOUD}
    return {
        "template": (storage.machine(strategy="Always", disks=boot, templates=[imported()]), ""),
        "volume": (storage.machine(strategy="Always", disks=boot), ""),
        "claim": (storage.machine(strategy="Always", disks=claim), ""),
        "blank": (
            storage.machine(strategy="Always", disks=BLANK, templates=[storage.volume("dv")]),
            "/dev/vdc",
        ),
    }[kind]


async def running(suite: Suite, kind: str) -> tuple[Machine, Guest, str]:
    body, device = booting(kind)
    if kind in ("volume", "claim"):
        await suite.create(VOLUMES, imported())
        await storage.succeeded(suite, "dv")
    vm = await Machine.of(suite, body)
    vmi = Guest(suite, vm.name)
    await consoles.login_to_cirros(vmi)
    return vm, vmi, device


async def restored(suite: Suite, target: str) -> None:
    mac = '{"op": "replace", "path": "/spec/template/spec/domain/devices/interfaces/0/macAddress", "value": "DE-AD-00-00-BE-AF"}'
    spec = {"target": storage.reference(target), "virtualMachineSnapshotName": "snapshot-vm"}
    body = storage.body_of("VirtualMachineRestore", "restore-vm", **spec)
    if target != "vm":
        body["spec"]["patches"] = [mac]
    await suite.create(RESTORES, body)

    async def complete() -> bool:
        return bool((await suite.get(f"{RESTORES}/restore-vm")).get("status", {}).get("complete"))

    await suite.eventually(complete, 180)


@pytest.mark.parametrize("target", ["vm", "new-vm"])
@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("kind", ["template", "volume", "claim", "blank"])
async def test_restores(suite: Suite, kind: str, online: bool, target: str) -> None:
    """[5260] [5261] [5262] [5263] [6766] [6836] What a snapshot has seen is there again, in the machine or a new one."""
    vm, vmi, device = await running(suite, kind)
    await created(vmi, device, vm.uid)
    if not online:
        await vm.stop()
    snapshot = await storage.snapshotted(suite, vm)
    if not online:
        await vm.start()
        await consoles.login_to_cirros(vmi)
    if target == "vm":
        if not online:
            await verified(vmi, device, vm.uid)
        await says(vmi, f"echo '{snapshot['metadata']['uid']}' > {MESSAGE}")
        await holds(vmi, snapshot["metadata"]["uid"])
    await vm.stop()
    await restored(suite, target)
    again = Machine(suite, await suite.get(f"{VMS}/{target}"))
    await again.start()
    there = Guest(suite, target)
    await consoles.login_to_cirros(there)
    await verified(there, device, vm.uid)


async def test_clones_of_machines(suite: Suite) -> None:
    """A clone has what its source had written, and each goes its own way from then on."""
    vm, vmi, _ = await running(suite, "template")
    await created(vmi, "", vm.uid)
    await vm.stop()
    spec = {"source": storage.reference("vm"), "target": storage.reference("twin")}
    await suite.create(CLONES, storage.body_of("VirtualMachineClone", "c", "clone.kubevirt.io", **spec))

    async def succeeded() -> bool:
        return (await suite.get(f"{CLONES}/c")).get("status", {}).get("phase") == "Succeeded"

    await suite.eventually(succeeded, 180)
    twin = Machine(suite, await suite.get(f"{VMS}/twin"))
    await twin.start()
    there = Guest(suite, "twin")
    await consoles.login_to_cirros(there)
    await holds(there, vm.uid)
    await says(there, f"echo twin > {MESSAGE}")
    await vm.start()
    await consoles.login_to_cirros(vmi)
    await holds(vmi, vm.uid)


@pytest.mark.parametrize("kind", ["pvc", "snapshot"])
async def test_clones_of_volumes(suite: Suite, kind: str) -> None:
    """A DataVolume that clones a claim or a snapshot holds what that held; the source may go."""
    vm, vmi, device = await running(suite, "blank")
    await created(vmi, device, vm.uid)
    await vm.stop()
    await storage.snapshotted(suite, vm)
    (taken,) = await suite.items(storage.TAKEN)
    named = {"pvc": "dv", "snapshot": taken["metadata"]["name"]}[kind]
    await suite.create(VOLUMES, storage.volume("twin", source={kind: {"name": named, "namespace": NS}}))
    await storage.succeeded(suite, "twin")
    await suite.gone(f"{SNAPSHOTS}/snapshot-vm")
    await suite.gone(vm.path)
    other = storage.machine("other", "Always", disks={**BLANK, "blank": {"dataVolume": {"name": "twin"}}})
    await Machine.of(suite, other)
    there = Guest(suite, "other")
    await consoles.login_to_cirros(there)
    await verified(there, device, vm.uid)


async def test_restarts(suite: Suite) -> None:
    """Disks on claims are as they were after a restart; those of images, empty and ephemeral ones begin anew."""
    await suite.create(VOLUMES, storage.volume("dv"))
    await suite.create(CLAIMS, storage.claim("lent"))
    disks = {
        "disk0": CIRROS,
        "kept": {"dataVolume": {"name": "dv"}},
        "empty": {"emptyDisk": {"capacity": "1Gi"}},
        "lent": {"ephemeral": {"persistentVolumeClaim": {"claimName": "lent"}}},
    }
    vm = await Machine.of(suite, storage.machine(strategy="Always", disks=disks))
    vmi = Guest(suite, "vm")
    await consoles.login_to_cirros(vmi)
    await says(vmi, "echo 1 > /here", *(f"mkdir /{one}" for one in "bcd"))
    for one in "bcd":
        await says(vmi, f"sudo mount /dev/vd{one} /{one}", f"echo {one} > /{one}/data")
    before = (await vm.vmi())["metadata"]["uid"]
    assert await vm.act("restart") == {}

    async def another() -> bool:
        status, found = await suite.call("GET", vm.instance)
        return status == 200 and found["metadata"]["uid"] != before

    await suite.eventually(another, 240)
    await vm.runs()
    await consoles.login_to_cirros(vmi)
    await says(vmi, *(f"sudo mount /dev/vd{one} /{one}" for one in "bcd"))
    await holds(vmi, "b", "/b/data")
    for lost in ("/here", "/c/data", "/d/data"):
        assert not await consoles.run(vmi, f"cat {lost}")


async def plug(suite: Suite, vmi: Guest, verb: str = "addvolume") -> None:
    """In or out."""
    plugged = {"disk": {"bus": "scsi"}, "serial": "blank"}
    options: Object = {"name": "plugged"}
    if verb == "addvolume":
        options |= {"disk": plugged, "volumeSource": {"dataVolume": {"name": "blank"}}}
    assert await vmi.act(verb, options) == ""

    async def done() -> bool:
        told = {one["name"]: one for one in (await vmi.vmi())["status"]["volumeStatus"]}
        if verb == "addvolume":
            return bool(told.get("plugged", {}).get("phase") == "Ready")
        return "plugged" not in told

    await suite.eventually(done, 120)


def alpine(**spec: Any) -> Object:
    body = storage.machine(
        disks={"disk0": {"containerDisk": {"image": "registry:5000/kubevirt/alpine:devel"}}}
    )
    found: Object = {**body["spec"]["template"]["spec"], **spec}
    return found


async def test_plugged_into_another(suite: Suite) -> None:
    """What is written on a disk that is plugged in is found by the next guest that has it."""
    await suite.create(VOLUMES, storage.volume("blank", modes=["ReadWriteMany"]))
    await storage.succeeded(suite, "blank")
    one, other = await instance(suite, alpine(), "one"), await instance(suite, alpine(), "other")
    for vmi in (one, other):
        await consoles.login_to_alpine(vmi)
    await plug(suite, one)
    device = "$(find /dev/disk/by-id/ -name '*blank')"
    await says(one, f"mkfs.ext4 -F {device}", f"mount {device} /mnt", "echo plugged > /mnt/a", "umount /mnt")
    await plug(suite, one, "removevolume")
    await plug(suite, other)
    await says(other, f"mount {device} /mnt")
    await holds(other, "plugged", "/mnt/a")


async def test_two_guests_on_one_claim(suite: Suite) -> None:
    """Two guests on a claim that both may write see what the other one writes."""
    await suite.create(VOLUMES, storage.volume("dv", modes=["ReadWriteMany"]))
    await storage.succeeded(suite, "dv")
    guests = []
    for name in ("one", "other"):
        await Machine.of(suite, storage.machine(name, "Always", disks=BLANK))
        guests.append(Guest(suite, name))
        await consoles.login_to_cirros(guests[-1])
        await says(guests[-1], "sudo mkdir /test", "sudo mount /dev/vdc /test")
    one, other = guests
    await says(one, "echo first > /test/a")
    await holds(other, "first", "/test/a")
    await says(other, "echo second > /test/a")
    await holds(one, "second", "/test/a")


async def test_migrations(suite: Suite) -> None:
    """A guest that goes to another node has all its disks there as they were, and so has the next one what is on claims."""
    await suite.create(VOLUMES, storage.volume("dv", modes=["ReadWriteMany"]))
    vm = await Machine.of(suite, storage.machine(strategy="Always", disks=BLANK))
    vmi = Guest(suite, "vm")
    await consoles.login_to_cirros(vmi)
    await created(vmi, "/dev/vdc", vm.uid)
    await says(vmi, "echo here > /here")
    await (await migrate(vmi)).succeeds()
    await consoles.login_to_cirros(vmi)
    await holds(vmi, vm.uid)
    await holds(vmi, "here", "/here")
    await vm.stop()
    await vm.start()
    await consoles.login_to_cirros(vmi)
    await verified(vmi, "/dev/vdc", vm.uid)
    assert not await consoles.run(vmi, "cat /here")


async def test_a_claim_that_is_made_anew(suite: Suite) -> None:
    """Of a claim that is deleted nothing is left for the next one of its name."""
    vm, vmi, device = await running(suite, "blank")
    await created(vmi, device, vm.uid)
    await suite.gone(vm.path)

    async def gone() -> bool:
        return not await suite.items(CLAIMS)

    await suite.eventually(gone, 120)
    await suite.cluster.settle()
    assert suite.cluster.contents.state() == {}
    vm, vmi, device = await running(suite, "blank")
    await says(vmi, "sudo mkdir /test", f"sudo mount {device} /test")
    assert not await consoles.run(vmi, f"cat {MESSAGE}")


async def test_migrations_of_volumes(suite_of: Make) -> None:
    """What is written until a volume is copied to another claim comes with it, as the guest finds it; what is written later is only there."""
    suite = await guests.live_updated(await guests.a_namespace(await suite_of(pace="realistic")))
    vm = await moves.on_volume(suite)
    await consoles.login_to_fedora(vm)
    await says(vm, "mkdir /test", "echo before > /test/data")
    await moves.update(vm, 0, moves.from_claim(await moves.claim(suite, "dest")))
    await moves.moving(vm)
    await says(vm, "echo meanwhile > /test/data")
    await moves.uses(vm, "dest")
    await moves.succeeded(vm)
    await holds(vm, "meanwhile", "/test/data")
    await says(vm, "echo after > /test/data")
    held = suite.cluster.contents.read
    src, dest = [volume_of(await suite.get(f"{CLAIMS}/{one}")) for one in ("src", "dest")]
    assert held(src, "disk")["test/data"] == "meanwhile\n"
    assert held(dest, "disk")["test/data"] == "after\n"


async def test_to_another_namespace(suite: Suite) -> None:
    """A guest that goes to another instance has on the claims there what it had on its own."""
    await suite.create("/api/v1/namespaces", {"metadata": {"name": two_sides.OTHER}})
    spec = alpine()
    spec["domain"]["devices"]["disks"].append({"name": "more", "disk": {"bus": "virtio"}})
    spec["volumes"].append({"name": "more", "persistentVolumeClaim": {"claimName": "more"}})
    there = CLAIMS.replace(NS, two_sides.OTHER)
    for path in (CLAIMS, there):
        body = storage.claim("more")
        await suite.create(path, {**body, "spec": {**body["spec"], "accessModes": ["ReadWriteMany"]}})
    source = await guests.machine(suite, spec)
    await consoles.login_to_alpine(source)
    await says(source, "mkdir /test", "mount /dev/vdb /test", "echo brought > /test/data", "echo own > /own")
    target = await two_sides.receiver(suite, spec)
    sends, receives = await two_sides.sent(source, target, "mig")
    await receives.succeeds()
    await two_sides.has_left(sends)
    await consoles.login_to_alpine(target)
    await holds(target, "brought", "/test/data")
    await holds(target, "own", "/own")
    there_now = volume_of(await suite.get(f"{there}/more"))
    assert suite.cluster.contents.read(there_now, "disk") == {"data": "brought\n"}


async def test_shared_file_systems(suite: Suite) -> None:
    """What a guest writes in a file system of a claim that is shared with it is found in its launcher, and in every pod on the claim."""
    await guests.configure(suite, developerConfiguration={"featureGates": ["EnableVirtioFsStorageVolumes"]})
    names, script = ("pvc-1", "pvc-2"), "#!/bin/bash\n"
    for name in names:
        await suite.create(CLAIMS, storage.claim(name))
        folder = f"/mnt/virtiofs_{name}"
        script += f"mkdir {folder}\nmount -t virtiofs {name} {folder}\ntouch {folder}/virtiofs_test\n\n"
    spec = guests.guest("fedora")
    spec["domain"]["devices"]["filesystems"] = [{"name": name, "virtiofs": {}} for name in names]
    spec["volumes"] += [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    spec["domain"]["devices"]["disks"].append({"name": "cloud", "disk": {"bus": "virtio"}})
    spec["volumes"].append({"name": "cloud", "cloudInitNoCloud": {"userData": script}})
    vmi = await instance(suite, spec)
    await consoles.login_to_fedora(vmi)
    for name in names:
        test = f"test -f /var/run/kubevirt-private/vmi-disks/{name}/virtiofs_test && echo exist"
        assert await launchers.run(vmi, "/bin/bash", "-c", test) == "exist\n"
    await says(vmi, "echo told > /mnt/virtiofs_pvc-1/message")
    assert await launchers.run(vmi, "cat", "/pvc-1/message", container="virtiofs-pvc-1") == "told\n"


async def test_transfers(suite: Suite) -> None:
    """A DataVolume that goes to another namespace takes along what has been written on it."""
    await suite.create("/api/v1/namespaces", {"metadata": {"name": transfers.OTHER}})
    vm, vmi, device = await running(suite, "blank")
    await created(vmi, device, vm.uid)
    await suite.gone(vm.path, {"propagationPolicy": "Orphan"})
    await suite.gone(vm.instance)

    async def ended() -> bool:
        return (await suite.call("GET", vm.instance))[0] == 404

    await suite.eventually(ended, 60)
    await suite.create(transfers.TRANSFERS, transfers.transfer(of="dv", namespace=transfers.OTHER))
    await transfers.completes(suite)
    moved = await suite.get(f"{transfers.elsewhere(CLAIMS)}/dv")
    assert suite.cluster.contents.read(volume_of(moved), "disk")["data/message"] == f"{vm.uid}\n"


async def test_consoles_while_volumes_move(suite_of: Make) -> None:
    """Who is at a guest's console when its volumes have moved is cut off, and finds what was written; who comes before they have been
    copied waits for that, and nothing of what is written then is lost."""
    suite = await guests.live_updated(await guests.a_namespace(await suite_of(pace="realistic")))
    vm = await moves.on_volume(suite)
    await consoles.login_to_fedora(vm)
    await says(vm, "mkdir /test", "echo before > /test/data")

    async def arrived() -> bool:
        vmi = await vm.vmi()
        return "dest" in str(vmi["spec"]["volumes"]) and "migratedVolumes" not in vmi["status"]

    async with console(vm) as at:
        await at.says("echo meanwhile > /test/data\n", PROMPT)
        slow = suite.cluster.faults.add(verb="get", kind="pvc", client="virt-handler", latency="30s")
        await moves.update(vm, 0, moves.from_claim(await moves.claim(suite, "dest")))
        await moves.moving(vm)
        await suite.eventually(arrived, 300)
        while (await at.socket.receive(timeout=30)).type is aiohttp.WSMsgType.BINARY:
            pass
    assert slow.fired, "they are being copied"
    await says(vm, "echo after > /test/data")
    await suite.cluster.advance(90)
    await moves.succeeded(vm)
    await holds(vm, "after", "/test/data")
    there = volume_of(await suite.get(f"{CLAIMS}/dest"))
    assert suite.cluster.contents.read(there, "disk")["test/data"] == "after\n"
