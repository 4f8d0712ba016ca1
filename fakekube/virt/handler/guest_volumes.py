"""The claims behind a guest's disks and shared file systems: which volume holds what is written on them, and what is copied when a
guest's disks come to other claims. Read when somebody sits down at its console, and not kept.
"""

from collections.abc import Callable, Iterator, Mapping

from fakekube.agents.volume_contents import Files, Part, VolumeContents, volume_of
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object
from fakekube.virt import claims
from fakekube.virt.handler import guest_tpm
from fakekube.virt.handler.guest_devices import Backing

_OUTLIVES = "persistent-state-for-"


async def backings(client: Client, vmi: Obj) -> dict[str, Backing]:
    """By device, or by the tag of a shared file system; of ephemeral volumes a claim only tells what is there at first."""
    shared = {one.get("name") for one in dig(vmi, "spec", "domain", "devices", "filesystems", default=())}
    targets = {one.get("name"): one.get("target") for one in dig(vmi, "status", "volumeStatus", default=())}
    leaving = {one["volumeName"]: source for one, source, _ in _on_their_way(vmi)}
    made = {}
    for volume in dig(vmi, "spec", "volumes", default=()):
        own = volume.get("name", "")
        lent = dig(volume, "ephemeral", "persistentVolumeClaim", "claimName", default="")
        claim, device = (
            leaving.get(own) or claims.behind(volume) or lent,
            own if own in shared else targets.get(own),
        )
        found = await _find(client, f"{namespace(vmi)}/{claim}") if claim and device else None
        if device and found is not None:
            part: Part = "files" if own in shared else "disk"
            made[device] = Backing(volume_of(found), part, kept=not lent)
    return {**made, **await _outliving(client, vmi)}


async def _outliving(client: Client, vmi: Obj) -> dict[str, Backing]:
    """What it has that remembers is on a claim of its own, if that is asked for."""
    devices, own = guest_tpm.persistent(vmi), _state(vmi)
    found = await _find(client, f"{namespace(vmi)}/{own}") if devices and own else None
    if found is None:
        return {}
    return {one: Backing(volume_of(found), "files", below=f"{one}/") for one in devices}


def read(contents: VolumeContents, backing: Backing) -> Files:
    """What a volume holds of it."""
    below, held = backing.below, contents.read(backing.volume, backing.part)
    if not below:
        return held
    return {path.removeprefix(below): text for path, text in held.items() if path.startswith(below)}


def write(contents: VolumeContents, backing: Backing, files: Files) -> None:
    below, held = backing.below, contents.read(backing.volume, backing.part)
    others = {path: text for path, text in held.items() if below and not path.startswith(below)}
    made = {**others, **{f"{below}{path}": text for path, text in files.items()}} if below else files
    contents.write(backing.volume, backing.part, made)


def copied(old: Obj, new: Obj) -> Iterator[tuple[str, str]]:
    """The claims, by their keys, from which and to which the disks of a guest have been copied by its migration."""
    space = namespace(new)
    if (left := _state(old)) and (has := _state(new)) and left != has:
        yield f"{space}/{left}", f"{space}/{has}"
    if not dig(old, "status", "migratedVolumes") or dig(new, "status", "migratedVolumes"):
        return
    present = {one.get("name"): claims.behind(one) for one in dig(new, "spec", "volumes", default=())}
    for one, source, target in _on_their_way(old):
        if present.get(one["volumeName"]) == target:
            yield f"{space}/{source}", f"{space}/{target}"


def brought(source: Obj, target: Obj) -> Iterator[tuple[str, str]]:
    """The same of a guest that has come from another instance."""
    before = {one.get("name"): claims.behind(one) for one in dig(source, "spec", "volumes", default=())}
    for volume in dig(target, "spec", "volumes", default=()):
        left, has = before.get(volume.get("name")), claims.behind(volume)
        pair = f"{namespace(source)}/{left}", f"{namespace(target)}/{has}"
        if left and has and pair[0] != pair[1]:
            yield pair
    if (left := _told(source)) and (has := _told(target)):
        yield f"{namespace(source)}/{left}", f"{namespace(target)}/{has}"


async def copy(
    client: Client, contents: VolumeContents, source: str, target: str, *, if_: Callable[[], bool]
) -> None:
    """Have a claim hold what another one does, if both are there, and that is to be done still."""
    left, has = await _find(client, source), await _find(client, target)
    if if_() and left is not None and has is not None:
        contents.copy(volume_of(left), volume_of(has))


def _state(vmi: Obj) -> str:
    """The claim that keeps what outlives the guest: the target's as soon as it runs there."""
    move = dig(vmi, "status", "migrationState", default={})
    arrived = move.get("targetNodeDomainReadyTimestamp") and not move.get("failed")
    return str((arrived and move.get("targetPersistentStatePVCName")) or _told(vmi))


def _told(vmi: Obj) -> str:
    """The one its status tells of."""
    for entry in dig(vmi, "status", "volumeStatus", default=()):
        if str(entry.get("name")).startswith(f"{_OUTLIVES}{name(vmi)}"):
            return str(dig(entry, "persistentVolumeClaimInfo", "claimName", default=""))
    return ""


def _on_their_way(vmi: Obj) -> Iterator[tuple[Mapping[str, str], str, str]]:
    for one in dig(vmi, "status", "migratedVolumes", default=()):
        ends = (dig(one, end, "claimName", default="") for end in ("sourcePVCInfo", "destinationPVCInfo"))
        yield one, *ends


async def _find(client: Client, own: str) -> Object | None:
    space, _, claim = own.partition("/")
    return await client.find(PERSISTENT_VOLUME_CLAIMS, claim, space)
