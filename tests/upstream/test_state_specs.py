"""Upstream's functional specs of persistent TPMs and EFIs: their claim, over restarts, moves, snapshots, restores and exports.

Origin: kubevirt: tests/vm_state_test.go, tests/storage/{restore,export}.go, tests/migration/recovery.go,
pkg/virt-controller/watch/vmi/vmi_test.go
"""

from typing import Any

import pytest

from fakekube.agents.volume_contents import volume_of
from tests.upstream import consoles, guests, storage
from tests.upstream.conftest import Object, Suite, conditions
from tests.upstream.guests import Guest
from tests.upstream.storage import CLAIMS, CLASS, NS, RESTORES, Machine, snapshotted
from tests.upstream.test_contents_specs import says
from tests.upstream.test_restore_specs import restored

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
EXPORTS = f"/apis/export.kubevirt.io/v1/namespaces/{NS}/virtualmachineexports"
TPM = {"tpm": {"persistent": True}}
EFI = {"bootloader": {"efi": {"secureBoot": False, "persistent": True}}}
PRIVATE = "/var/run/kubevirt-private"
NAME = "testvmi-abcde"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


def fedora(*, tpm: bool = True, efi: bool = False) -> Object:
    """A guest with an agent whose TPM, or whose variables, outlive it."""
    spec = guests.guest("fedora")
    spec["domain"]["devices"] |= TPM if tpm else {}
    if efi:
        spec["domain"]["firmware"] = EFI
    return spec


async def state_claims(suite: Suite, name: str = NAME) -> list[Object]:
    return await suite.items(CLAIMS, f"persistent-state-for={name}")


async def stays_with(guest: Guest, mode: str) -> Object:
    """The one claim of the guest: bound, mounted by its launcher, told in its status."""
    (claim,) = await state_claims(guest.suite, guest.name)
    own = claim["metadata"]["name"]
    assert (claim["status"]["phase"], claim["status"]["accessModes"]) == ("Bound", [mode])
    (told,) = [one for one in (await guest.vmi())["status"]["volumeStatus"] if one["name"] != "disk0"]
    info = {"claimName": own, "accessModes": [mode]}
    assert told == {"name": own, "target": "", "persistentVolumeClaimInfo": info}
    (volume,) = [one for one in (await guest.pod())["spec"]["volumes"] if one["name"] == "vm-state"]
    assert volume["persistentVolumeClaim"] == {"claimName": own}
    return claim


VARIABLE = "/sys/firmware/efi/efivars/kvtest-12345678-1234-1234-1234-123456789abc"


async def remember(guest: Guest, *, tpm: bool, efi: bool) -> None:
    """A secret sealed by the TPM, and a variable of the firmware."""
    await consoles.login_to_fedora(guest)
    if tpm:
        create = "tpm2_create --hash-algorithm=sha256 --public=seal.pub --private=seal.priv --sealing-input=- --parent-context=prim.ctx"
        load = "tpm2_load -Q --parent-context=prim.ctx --public=seal.pub --private=seal.priv --name=seal.name --key-context=seal.ctx"
        await says(
            guest,
            "tpm2_createprimary -Q --hierarchy=o --key-context=prim.ctx",
            f"echo MYSECRET | {create}",
            load,
            "tpm2_evictcontrol --hierarchy=o --object-context=seal.ctx 0x81010002",
        )
    if efi:
        await says(guest, rf'printf "\x07\x00\x00\x00\x42" > {VARIABLE}')


async def remembers(guest: Guest, *, tpm: bool, efi: bool) -> None:
    await consoles.login_to_fedora(guest)
    async with consoles.console(guest) as at:
        if tpm:
            await at.says("tpm2_unseal -Q --object-context=0x81010002\n", "\nMYSECRET")
        if efi:
            await at.says(f"hexdump {VARIABLE}\n", "0042")


async def restart(guest: Guest) -> None:
    assert await guest.act("stop", kind="virtualmachines") == ""
    await guest.gone()
    assert await guest.act("start", kind="virtualmachines") == ""
    await guest.ready()


async def move(guest: Guest) -> None:
    migration = await guests.migrate(guest)
    await migration.succeeds()
    await guests.migrated(guest, migration)


@pytest.mark.parametrize(
    ("tpm", "efi", "steps"),
    [
        (True, False, (move, restart)),
        (True, False, (restart, move)),
        (False, True, (move, restart)),
        (True, True, (move, restart)),
    ],
)
@pytest.mark.parametrize("mode", ["ReadWriteMany", "ReadWriteOnce"])
async def test_keeps_state_over_moves_and_restarts(
    suite: Suite, mode: str, tpm: bool, efi: bool, steps: tuple[Any, ...]
) -> None:
    """[10818-10821] What the TPM and the firmware remember is there again. A shared claim stays the same one; one of a single node is
    another after a move, and still the only one."""
    if mode == "ReadWriteMany":
        await suite.create(CLASSES, storage_class("shared", "nfs.csi.k8s.io"))
        await guests.configure(suite, vmStateStorageClass="shared")
    guest = await guests.machine(suite, fedora(tpm=tpm, efi=efi))
    await guest.has("AgentConnected")
    before = await stays_with(guest, mode)
    await remember(guest, tpm=tpm, efi=efi)
    for step in steps:
        await step(guest)
        await remembers(guest, tpm=tpm, efi=efi)
        claim = await stays_with(guest, mode)
        same = mode == "ReadWriteMany" or step is restart
        assert (claim["metadata"]["uid"] == before["metadata"]["uid"]) is same
        before = claim
    await suite.delete(guest.vm_path)

    async def gone() -> bool:
        return not await state_claims(suite)

    await suite.eventually(gone, 300)


async def test_what_outlives_nothing(suite: Suite) -> None:
    """What is not persistent is there again when the guest boots anew, and gone with it."""
    spec = fedora(tpm=False)
    spec["domain"]["devices"]["tpm"] = {}
    spec["domain"]["firmware"] = {"bootloader": {"efi": {"secureBoot": False}}}
    guest = await guests.machine(suite, spec)
    await remember(guest, tpm=True, efi=True)
    assert await guest.act("reset") == ""
    await remembers(guest, tpm=True, efi=True)
    await restart(guest)
    await consoles.login_to_fedora(guest)
    assert not await consoles.run(guest, "tpm2_unseal -Q --object-context=0x81010002")
    assert not await consoles.run(guest, f"hexdump {VARIABLE}")


async def test_what_the_claim_is(suite: Suite) -> None:
    """It is small, of the default class, the machine's own; the launcher has a place in it for each thing kept."""
    guest = await guests.machine(suite, fedora(efi=True))
    claim = await stays_with(guest, "ReadWriteOnce")
    meta, spec = claim["metadata"], claim["spec"]
    assert meta["name"].startswith(f"persistent-state-for-{NAME}-")
    assert meta["labels"] == {
        "persistent-state-for": NAME,
        "cdi.kubevirt.io/applyStorageProfile": "true",
    }
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("VirtualMachine", NAME, True)
    assert spec["resources"] == {"requests": {"storage": "10Mi"}}
    assert (spec["storageClassName"], spec["volumeMode"]) == (CLASS, "Filesystem")
    (compute,) = [one for one in (await guest.pod())["spec"]["containers"] if one["name"] == "compute"]
    assert {
        one["subPath"]: one["mountPath"] for one in compute["volumeMounts"] if one["name"] == "vm-state"
    } == {
        "swtpm": f"{PRIVATE}/libvirt/qemu/swtpm",
        "swtpm-localca": f"{PRIVATE}/var/lib/swtpm-localca",
        "nvram": f"{PRIVATE}/libvirt/qemu/nvram",
    }


async def test_goes_with_an_instance_of_its_own(suite: Suite) -> None:
    """The claim of an instance without a machine goes with it."""
    guest = await guests.instance(suite, fedora())
    await stays_with(guest, "ReadWriteOnce")
    await suite.delete(guest.path)

    async def gone() -> bool:
        return (await suite.call("GET", guest.path))[0] == 404 and not await state_claims(suite)

    await suite.eventually(gone, 300)


async def created(suite: Suite) -> Guest:
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": NAME}}
    await suite.create(guests.VMIS, {**body, "spec": fedora()})
    return Guest(suite, NAME)


async def said(guest: Guest, reason: str) -> str:
    """What keeps the instance from getting a launcher."""

    async def look() -> str:
        listed = (await guest.vmi()).get("status", {}).get("conditions", ())
        found = [one for one in listed if one["type"] == "Synchronized" and one["status"] == "False"]
        return found[0]["message"] if found and found[0]["reason"] == reason else ""

    message = await guest.suite.eventually(look, 60)
    assert (await guest.vmi())["status"]["phase"] == "Pending"
    assert not await guest.pods()
    return str(message)


def storage_class(name: str, provisioner: str, mode: str = "Immediate") -> Object:
    return {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}


async def test_waits_for_its_claim(suite: Suite) -> None:
    """No launcher before the claim is bound, or would be bound by one; what is missing is told, and waited for."""
    await guests.configure(suite, vmStateStorageClass="testsc123")
    guest = await created(suite)
    assert await said(guest, "FailedBackendStorageProbe") == "storage class testsc123 not found"
    await suite.create(CLASSES, storage_class("testsc123", "kubernetes.io/no-provisioner"))
    assert await said(guest, "BackendStorageNotReady") == "PVC pending"
    (claim,) = await state_claims(suite)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    volume = {
        "metadata": {"name": "by-hand"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "10Mi"},
            "storageClassName": "testsc123",
            "hostPath": {"path": "/tmp"},
        },
    }
    await suite.create("/api/v1/persistentvolumes", volume)
    await guest.is_in("Running")
    assert "Synchronized" not in conditions(await guest.vmi())


async def test_without_any_class(suite: Suite) -> None:
    """Where there is no default class, and none is chosen, no claim is made; as soon as there is one, it is."""
    await suite.delete(f"{CLASSES}/{CLASS}")
    guest = await created(suite)
    assert await said(guest, "FailedBackendStorageCreate") == "no default storage class found"
    marks = {"storageclass.kubevirt.io/is-default-virt-class": "true"}
    late = storage_class("late", "csi.fakekube.io", "WaitForFirstConsumer")
    late["metadata"]["annotations"] = marks
    await suite.create(CLASSES, late)
    await guest.is_in("Running", 600)
    await stays_with(guest, "ReadWriteOnce")


async def test_mode_of_the_profile(suite: Suite) -> None:
    """What a StorageProfile knows about a class counts more than that somebody has chosen it."""
    sets = [
        {"accessModes": ["ReadWriteMany"], "volumeMode": "Block"},
        {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem"},
    ]
    path = f"/apis/cdi.kubevirt.io/v1beta1/storageprofiles/{CLASS}"
    profile = await suite.get(path)
    await suite.call("PUT", path, {**profile, "spec": {"claimPropertySets": sets}})

    async def known() -> bool:
        return bool((await suite.get(path))["status"]["claimPropertySets"] == sets)

    await suite.eventually(known, 30)
    await guests.configure(suite, vmStateStorageClass=CLASS)
    guest = await guests.instance(suite, fedora())
    await stays_with(guest, "ReadWriteOnce")


async def test_a_move_that_fails(suite: Suite) -> None:
    """The claim made for the target of a move that fails goes; the guest keeps its own."""
    guest = await guests.machine(suite, fedora())
    before = await stays_with(guest, "ReadWriteOnce")
    here = await guest.node()
    for node in await suite.items(guests.NODES):
        if node["metadata"]["name"] != here:
            await guests.taint(suite, node["metadata"]["name"])
    migration = await guests.migrate(guest)
    await migration.is_in("Scheduling")
    state = (await suite.get(migration.path))["status"]["migrationState"]
    assert state["sourcePersistentStatePVCName"] == before["metadata"]["name"]
    made = await suite.get(f"{CLAIMS}/{state['targetPersistentStatePVCName']}")
    assert made["metadata"]["labels"]["kubevirt.io/migrationName"] == migration.path.rpartition("/")[2]
    assert "persistent-state-for" not in made["metadata"]["labels"]
    await migration.is_in("Failed", 600)

    async def gone() -> bool:
        return [one["metadata"]["uid"] for one in await suite.items(CLAIMS)] == [before["metadata"]["uid"]]

    await suite.eventually(gone, 60)
    await stays_with(guest, "ReadWriteOnce")


@pytest.mark.parametrize("beforehand", [False, True])
async def test_a_guest_lost_on_its_way(suite: Suite, beforehand: bool) -> None:
    """A guest whose launcher is killed while it moves begins again with the claim it had; that of the target goes.
    A claim somebody made before the guest ever ran is the guest's."""
    marks = {"slow": ""}
    vm = await guests.machine(suite, fedora(), runStrategy="Manual", template_meta={"labels": marks})
    if beforehand:
        meta = {"generateName": f"persistent-state-for-{NAME}-", "labels": {"persistent-state-for": NAME}}
        size = {"resources": {"requests": {"storage": "10Mi"}}}
        await suite.create(CLAIMS, {"metadata": meta, "spec": {"accessModes": ["ReadWriteOnce"], **size}})
    await guests.policy(suite, marks, bandwidthPerMigration="1Ki")
    assert await vm.act("start", kind="virtualmachines") == ""
    await vm.ready()
    before = await stays_with(vm, "ReadWriteOnce")
    launcher = (await vm.pod())["metadata"]["name"]
    migration = await guests.migrate(vm)
    await migration.is_in("Running", 60)
    state = (await suite.get(migration.path))["status"]["migrationState"]
    assert state["sourcePersistentStatePVCName"] == before["metadata"]["name"]
    await suite.delete(f"{guests.PODS}/{launcher}", {"gracePeriodSeconds": 0})

    async def lost() -> bool:
        status, found = await suite.call("GET", vm.path)
        return status == 404 or found["status"]["phase"] == "Failed"

    await suite.eventually(lost, 60)
    assert await vm.act("start", kind="virtualmachines") == ""

    async def gone() -> bool:
        return (await suite.call("GET", f"{CLAIMS}/{state['targetPersistentStatePVCName']}"))[0] == 404

    await suite.eventually(gone, 60)
    await vm.ready()
    assert (await stays_with(vm, "ReadWriteOnce"))["metadata"]["uid"] == before["metadata"]["uid"]


def with_state(name: str = "vm", strategy: str = "Always") -> Object:
    made = storage.on_template(name, strategy)
    made["spec"]["template"]["spec"]["domain"]["devices"] |= TPM
    return made


async def restore(suite: Suite, target: str = "vm", **spec: Any) -> Object:
    spec |= {"target": storage.reference(target), "virtualMachineSnapshotName": "snapshot-vm"}
    await suite.create(RESTORES, storage.body_of("VirtualMachineRestore", "restore-vm", **spec))
    return await restored(suite, f"{RESTORES}/restore-vm")


@pytest.mark.parametrize("online", [False, True])
async def test_restored_with_the_machine(suite: Suite, online: bool) -> None:
    """The state is snapshotted and restored beside the disks; what the machine had before is deleted."""
    vm = await Machine.of(suite, with_state())
    (before,) = await state_claims(suite, "vm")
    suite.cluster.contents.write(volume_of(before), "files", {"swtpm/0x81": "kept"})
    if not online:
        await vm.stop()
    snapshot = await snapshotted(suite, vm)
    own = "persistent-state-for-vm"
    content = await storage.content_of(suite, snapshot)
    assert [one["volumeName"] for one in content["spec"]["volumeBackups"]] == ["disk0", own]
    if online:
        await vm.stop()
    done = await restore(suite)
    restores = {one["volumeName"]: one["persistentVolumeClaim"] for one in done["status"]["restores"]}
    assert set(restores) == {"disk0", own}

    async def gone() -> bool:
        return (await suite.call("GET", f"{CLAIMS}/{before['metadata']['name']}"))[0] == 404

    await suite.eventually(gone, 60, 5)
    await vm.start()
    (claim,) = await state_claims(suite, "vm")
    assert claim["metadata"]["name"] == restores[own]
    assert suite.cluster.contents.read(volume_of(claim), "files") == {"swtpm/0x81": "kept"}
    assert claim["spec"]["dataSource"]["kind"] == "VolumeSnapshot"
    assert [one["name"] for one in claim["metadata"]["ownerReferences"]] == ["vm"]
    listed = (await vm.get())["spec"]["template"]["spec"]["volumes"]
    assert [one["name"] for one in listed] == ["disk0"]


async def test_restored_to_a_new_machine(suite: Suite) -> None:
    """Another machine gets the state, too; the source keeps its own."""
    vm = await Machine.of(suite, with_state())
    (before,) = await state_claims(suite, "vm")
    await snapshotted(suite, vm)
    await restore(suite, "other")
    (claim,) = await state_claims(suite, "other")
    assert claim["spec"]["dataSource"]["kind"] == "VolumeSnapshot"
    assert [one["name"] for one in claim["metadata"]["ownerReferences"]] == ["other"]
    assert [one["metadata"]["uid"] for one in await state_claims(suite, "vm")] == [before["metadata"]["uid"]]
    other = Machine(suite, await suite.get(f"{storage.VMS}/other"))
    await other.start()
    assert len(await state_claims(suite, "other")) == 1


async def test_not_snapshotted_without_its_claim(suite: Suite) -> None:
    """A machine that has never run has no state yet: a snapshot of it waits, and says no more than that."""
    vm = await Machine.of(suite, with_state(strategy="Halted"))
    path = await storage.take(suite, vm)

    async def waits() -> bool:
        return storage.reasons(await suite.get(path)).get("Progressing") == ("False", "Source not locked")

    await suite.eventually(waits, 30)
    await vm.start()
    await storage.ready(suite, path)


async def test_exported_with_the_machine(suite: Suite) -> None:
    """The claim of a machine's state is among what is exported."""
    body = with_state()
    vm = await Machine.of(suite, body)
    (claim,) = await state_claims(suite, "vm")
    await vm.stop()
    made = {
        "apiVersion": "export.kubevirt.io/v1",
        "kind": "VirtualMachineExport",
        "metadata": {"name": "export"},
        "spec": {"source": storage.reference("vm")},
    }
    await suite.create(EXPORTS, made)

    async def ready() -> Object | None:
        found = await suite.get(f"{EXPORTS}/export")
        return found if found.get("status", {}).get("phase") == "Ready" else None

    found = await suite.eventually(ready, 180)
    volumes = [one["name"] for one in found["status"]["links"]["internal"]["volumes"]]
    assert claim["metadata"]["name"] in volumes
    assert len(volumes) == 2


async def test_part_of_what_a_machine_depends_on(suite: Suite) -> None:
    """The object graphs of machine and instance name the claim, which no spec does."""
    await guests.configure(suite, developerConfiguration={"featureGates": ["ObjectGraph"]})
    await Machine.of(suite, with_state())
    (claim,) = await state_claims(suite, "vm")
    for kind in ("virtualmachines", "virtualmachineinstances"):
        tree = await suite.get(f"{storage.ACTIONS}/{kind}/vm/objectgraph")
        named = [one["objectReference"] for one in tree["children"]]
        claims = [one["name"] for one in named if one["kind"] == "PersistentVolumeClaim"]
        assert claims == [claim["metadata"]["name"]]
