"""Claims that are to be filled from a claim or a snapshot: what is wrong with that, as a provisioner puts it. Pure.

Claims that name anything else are a populator's, and are not looked at.
Upstream: external-provisioner: pkg/controller/controller.go (getPVCSource, getSnapshotSource)
"""

from fakekube.agents import volume_binding as binding
from fakekube.machinery.objects import Obj, dig, is_terminating, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS, VOLUME_SNAPSHOTS, Resource

_NANO = 10**9
_FAILED = 'failed to provision volume with StorageClass "{}": error getting handle for DataSource Type {} by Name {}: {}'
_KINDS = {one.kind: one for one in (PERSISTENT_VOLUME_CLAIMS, VOLUME_SNAPSHOTS)}
MODES = "the source PVC and destination PVCs must have the same volume mode for cloning.  Source is {}, but new PVC requested {}"


def named(claim: Obj) -> tuple[Resource, str] | None:
    """The claim or snapshot it is to be filled from."""
    source = dig(claim, "spec", "dataSourceRef") or dig(claim, "spec", "dataSource")
    resource = _KINDS.get(dig(source, "kind", default=""))
    same = resource is not None and (source.get("apiGroup") or "") == resource.group
    return (resource, str(source.get("name"))) if resource is not None and same else None


def populated_by(claim: Obj) -> str | None:
    """The API group of what it is to be filled from, if that is none of Kubernetes' own."""
    source = dig(claim, "spec", "dataSourceRef")
    return str(source.get("apiGroup") or "") if source is not None and named(claim) is None else None


def refusal(claim: Obj, resource: Resource, own: str, found: Obj | None) -> str:
    """Why it cannot be filled from `found`, which `named` names; empty where it can."""
    why = _of_snapshot(claim, own, found) if resource is VOLUME_SNAPSHOTS else _of_claim(claim, own, found)
    return _FAILED.format(binding.class_of(claim), resource.kind, own, why) if why else ""


def _of_claim(claim: Obj, own: str, found: Obj | None) -> str:
    if found is None:
        space = namespace(claim)
        return f'error getting PVC {own} (namespace "{space}") from api server: persistentvolumeclaim "{own}" not found'
    phase = dig(found, "status", "phase", default="")
    if phase != "Bound":
        return f"the PVC DataSource {own} must have a status of Bound.  Got {{{phase} [] map[] [] map[] map[] <nil> <nil>}}"
    if is_terminating(found):
        return f"the PVC DataSource {own} is currently being deleted"
    ours, theirs = (_bytes(binding.requested(one)) for one in (claim, found))
    if ours < theirs:
        return (
            "error, new PVC request must be greater than or equal in size to the specified PVC data source, "
            f"requested {ours} but source is {theirs}"
        )
    wanted, mode = (dig(one, "spec", "volumeMode") or "Filesystem" for one in (claim, found))
    return MODES.format(mode, wanted) if wanted != mode else ""


def _of_snapshot(claim: Obj, own: str, found: Obj | None) -> str:
    if found is None:
        text = f'{VOLUME_SNAPSHOTS.plural}.{VOLUME_SNAPSHOTS.group} "{own}" not found'
        return f"error getting snapshot {own} from api server: {text}"
    if is_terminating(found):
        return f"snapshot {own} is being deleted"
    if not dig(found, "status", "boundVolumeSnapshotContentName"):
        return f"snapshot {own} not bound"
    if not dig(found, "status", "readyToUse"):
        return f"snapshot {own} is not Ready"
    ours = _bytes(binding.requested(claim))
    theirs = _bytes(binding.amount(dig(found, "status", "restoreSize", default="0")))
    if ours < theirs:
        return f"requested volume size {ours} is less than the size {theirs} for the source snapshot {own}"
    return ""


def _bytes(billionths: int) -> int:
    return -(-billionths // _NANO)
