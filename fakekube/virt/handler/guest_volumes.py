"""The claims behind a guest's disks and shared file systems: which volume holds what is written on them, and what is copied when a
guest's disks come to other claims. Read when somebody sits down at its console, and not kept.
"""

from collections.abc import Callable, Iterator, Mapping

from fakekube.agents.volume_contents import Part, VolumeContents, volume_of
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object
from fakekube.virt import claims
from fakekube.virt.handler.guest_devices import Backing


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
    return made


def copied(old: Obj, new: Obj) -> Iterator[tuple[str, str]]:
    """The claims, by their keys, from which and to which the disks of a guest have been copied by its migration."""
    if dig(new, "status", "migratedVolumes"):
        return
    present = {one.get("name"): claims.behind(one) for one in dig(new, "spec", "volumes", default=())}
    for one, source, target in _on_their_way(old):
        if present.get(one["volumeName"]) == target:
            yield f"{namespace(new)}/{source}", f"{namespace(new)}/{target}"


def brought(source: Obj, target: Obj) -> Iterator[tuple[str, str]]:
    """The same of a guest that has come from another instance."""
    before = {one.get("name"): claims.behind(one) for one in dig(source, "spec", "volumes", default=())}
    for volume in dig(target, "spec", "volumes", default=()):
        left, has = before.get(volume.get("name")), claims.behind(volume)
        pair = f"{namespace(source)}/{left}", f"{namespace(target)}/{has}"
        if left and has and pair[0] != pair[1]:
            yield pair


async def copy(
    client: Client, contents: VolumeContents, source: str, target: str, *, if_: Callable[[], bool]
) -> None:
    """Have a claim hold what another one does, if both are there, and that is to be done still."""
    left, has = await _find(client, source), await _find(client, target)
    if if_() and left is not None and has is not None:
        contents.copy(volume_of(left), volume_of(has))


def _on_their_way(vmi: Obj) -> Iterator[tuple[Mapping[str, str], str, str]]:
    for one in dig(vmi, "status", "migratedVolumes", default=()):
        ends = (dig(one, end, "claimName", default="") for end in ("sourcePVCInfo", "destinationPVCInfo"))
        yield one, *ends


async def _find(client: Client, own: str) -> Object | None:
    space, _, claim = own.partition("/")
    return await client.find(PERSISTENT_VOLUME_CLAIMS, claim, space)
