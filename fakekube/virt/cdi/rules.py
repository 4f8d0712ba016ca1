"""What cdi-apiserver finds wrong with DataVolumes: the first thing, as upstream stops there. Pure.

Origin: cdi: pkg/apiserver/webhooks/{datavolume-validate,util}.go, pkg/controller/common/util.go (ValidateClone)
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.machinery.booleans import TRUE
from fakekube.machinery.objects import Obj, annotations, controller_of, dig, key, name
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.causes import NOT_FOUND, Cause, duplicate
from fakekube.virt.cdi import source_rules

Spec = Mapping[str, Any]

ADOPTION = "DataVolumeClaimAdoption"  # a feature gate
CONTENT = "cdi.kubevirt.io/storage.contentType"
_ADOPT = "cdi.kubevirt.io/allowClaimAdoption"
POPULATED_FOR = "cdi.kubevirt.io/storage.populatedFor"
UNFIT = "The clone doesn't meet the validation requirements"
_LONGEST = 253
_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_IN_STAGES = ("vddk", "imageio")  # sources that may be imported checkpoint by checkpoint
_STAGES = ("checkpoints", "finalCheckpoint")


def status(cause: Cause) -> dict[str, Any]:
    """The Status that refuses: the message begins with a space, as upstream's do."""
    listed = {"reason": cause.reason, "message": cause.message}
    if cause.field:
        listed["field"] = cause.field
    return {
        "metadata": {},
        "message": f" {cause.message}",
        "reason": "Invalid",
        "code": 422,
        "details": {"causes": [listed]},
    }


def named(text: str, longest: int = _LONGEST) -> Cause | None:
    """A name, wherever it is said."""
    return Cause(f"Name cannot be longer than {longest} characters") if len(text) > longest else None


def is_in_stages(spec: Spec) -> bool:
    """Whether it is imported checkpoint by checkpoint."""
    source = spec.get("source") or {}
    return bool(spec.get("checkpoints")) and any(source.get(one) is not None for one in _IN_STAGES)


def stays(new: Spec, old: Spec) -> bool:
    """Specs do, but for the checkpoints of an import in stages."""
    if is_in_stages(new):
        new, old = (
            {member: value for member, value in spec.items() if member not in _STAGES} for spec in (new, old)
        )
    return new == old


def changed(new: Spec, old: Spec) -> Cause | None:
    """A DataVolume whose spec does not stay."""
    return None if stays(new, old) else duplicate("Cannot update DataVolume Spec", "DataVolume.Spec")


def may_adopt(claim: Obj, volume: Obj, *, gate: bool) -> bool:
    """Whether a claim that is there already is to be the DataVolume's; `gate`: where the DataVolume does not say so itself."""
    if annotations(claim).get(POPULATED_FOR) == name(volume):
        return True
    said = annotations(volume).get(_ADOPT)
    return gate if said is None else said in TRUE


def destination(claim: Obj, volume: Obj, *, gate: bool = False) -> Cause | None:
    """A claim of the DataVolume's name that is there before it."""
    owned = (controller_of(claim) or {}).get("kind") == "DataVolume"
    if owned or may_adopt(claim, volume, gate=gate):
        return None
    return duplicate(f"Destination PVC {key(claim)} already exists", "DataVolume.Name")


def spec(wanted: Spec, path: str = "spec") -> Cause | None:
    """What can be seen without the cluster."""
    for found in (
        _storage(wanted, path),
        _populated_elsewhere(wanted, path) if _data_sources(wanted) else _source(wanted, path),
    ):
        if found is not None:
            return found
    return None


def clone(kind: str, source: Obj, wanted: Spec) -> str:
    """Why a `pvc` or a `snapshot` cannot be cloned like that; empty where it can."""
    return (clone_of_claim if kind == "pvc" else clone_of_snapshot)(source, wanted)


def clone_of_claim(source: Obj, wanted: Spec) -> str:
    """The same for a claim."""
    theirs = annotations(source).get(CONTENT)
    theirs = theirs if theirs == "archive" else "kubevirt"
    ours = wanted.get("contentType") or "kubevirt"
    if theirs != ours:
        return f"Source contentType ({theirs}) and target contentType ({ours}) do not match"
    block = dig(source, "spec", "volumeMode") == "Block"
    if wanted.get("pvc") is not None or (block and _size(wanted) is not None):
        return smaller(_size(wanted), dig(source, "spec", "resources", "requests", "storage"))
    return ""


def clone_of_snapshot(source: Obj, wanted: Spec) -> str:
    """The same for a snapshot."""
    if source.get("status") is None:
        return "no status on source snapshot, not possible to proceed"
    theirs, ours = dig(source, "status", "restoreSize"), _size(wanted)
    known = theirs is not None and quantities.exact(theirs) > 0
    if known and ours is not None:
        return smaller(ours, theirs)
    if not known and ours is None:
        return "size not specified by user/provider, can't tell how much needed for restore"
    return ""


def smaller(ours: Any, theirs: Any) -> str:
    """Why what asks for so much cannot be a clone of what asked for that; empty where it can."""
    if ours is None or theirs is None:
        return "source/target missing storage resource requests"
    target, source = quantities.whole(ours), quantities.whole(theirs)
    if source <= target:
        return ""
    return f"target resources requests storage size is smaller than the source {target} < {source}"


def data_source(reference: Spec, found: Obj | None, space: str, path: str = "spec") -> Cause | None:
    """What a DataVolume refers to, in that namespace: what the DataSource stands for, if there is one."""
    field = f"{path}.sourceRef"
    if found is None:
        said = f"SourceRef {reference.get('kind')}/{space}/{reference.get('name')} not found"
        return Cause(said, field, NOT_FOUND)
    if any(found.get(kind) is not None for kind in ("pvc", "snapshot")):
        return None
    text = f"Empty source field in '{reference.get('name')}'. DataSource may not be ready yet"
    return Cause(text, field, "")


# --- the parts of a spec -------------------------------------------------------------------------------------------


def _size(wanted: Spec) -> Any:
    return dig(wanted.get("pvc") or wanted.get("storage") or {}, "resources", "requests", "storage")


def _storage(wanted: Spec, path: str) -> Cause | None:
    claim, storage = wanted.get("pvc"), wanted.get("storage")
    if claim is None and storage is None:
        return Cause("Missing Data volume PVC", f"{path}.PVC")
    if claim is not None and storage is not None:
        text = "Duplicate storage definition, both target storage and target pvc defined"
        return Cause(text, f"{path}.PVC.Storage")
    kind, size = ("Storage" if claim is None else "PVC"), _size(wanted)
    source = wanted.get("source") or {}
    clones = wanted.get("sourceRef") is not None or any(
        source.get(one) is not None for one in ("pvc", "snapshot")
    )
    where = f"{path}.{kind}.resources.requests.size"
    if size is None and not (storage is not None and clones):
        return Cause(f"{kind} size is missing", where)
    if size is not None and quantities.exact(size) <= 0:
        return Cause(f"{kind} size can't be equal or less than zero", where)
    asked: Spec = claim if claim is not None else storage or {}
    if found := named(asked.get("storageClassName") or ""):
        return found
    return _access(asked.get("accessModes") or (), claim is not None, f"{path}.PVC.accessModes")


def _access(modes: Iterable[str], exact: bool, field: str) -> Cause | None:
    """`exact`: there is to be one."""
    listed = list(modes)
    if exact and not listed:
        return Cause("Required value: at least 1 access mode is required", field)
    if exact and len(listed) > 1:
        return Cause("PVC multiple accessModes", field)
    if any(one not in _MODES for one in listed):
        allowed = '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce"'
        return Cause(f'Unsupported value: "{listed[0]}": supported values: {allowed}', field)
    return None


def _data_sources(wanted: Spec) -> dict[str, Object]:
    asked = wanted.get("pvc") or wanted.get("storage") or {}
    members = ("dataSource", "dataSourceRef")
    return {one: asked[one] for one in members if asked.get(one) is not None}


def _populated_elsewhere(wanted: Spec, path: str) -> Cause | None:
    if wanted.get("source") is not None or wanted.get("sourceRef") is not None:
        return Cause("External population is incompatible with Source and SourceRef", f"{path}.source")
    for member, reference in _data_sources(wanted).items():
        word, where = member[0].upper() + member[1:], f"{path}.{member}"
        if member == "dataSourceRef" and reference.get("namespace"):
            text = "Invalid value: DataSourceRef namespace not supported"
            return Cause(text, f"{where}.namespace.")
        if not reference.get("name"):
            return Cause(f"Required value: {word} name", f"{where}.name.")
        if not reference.get("kind"):
            return Cause(f"Required value: {word} kind", f"{where}.kind")
        if not reference.get("apiGroup") and reference["kind"] != "PersistentVolumeClaim":
            text = f"Required value: {word} apiGroup when kind is not 'PersistentVolumeClaim'"
            return Cause(text, f"{where}.apiGroup.")
    return None


def _source(wanted: Spec, path: str) -> Cause | None:
    source, reference, field = wanted.get("source"), wanted.get("sourceRef"), f"{path}.source"
    if (source is None) == (reference is None):
        text = "Data volume should have either Source or SourceRef, or be externally populated"
        return Cause(text, field)
    if source is None:
        return _reference(reference or {}, path)
    kinds = [one for one, value in source.items() if value is not None]
    if len(kinds) != 1:
        return Cause(f"{'Multiple' if kinds else 'Missing'} Data volume source{'s' * bool(kinds)}", field)
    return source_rules.source(kinds[0], source[kinds[0]], wanted.get("contentType") or "kubevirt", path)


def _reference(reference: Spec, path: str) -> Cause | None:
    kind, field = reference.get("kind"), f"{path}.sourceRef"
    if not kind:
        return Cause("Missing sourceRef kind", f"{field}.Kind")
    if kind != "DataSource":
        text = f"Unsupported sourceRef kind {kind}, currently only DataSource is supported"
        return Cause(text, f"{field}.Kind")
    return None if reference.get("name") else Cause("Missing sourceRef name", f"{field}.Name")
