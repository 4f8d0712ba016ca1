"""PersistentVolumes and their claims: phases, modes, and specs that stay as they were made.

Origin: k8s: pkg/apis/core/v1/defaults.go, pkg/apis/core/validation/validation.go, pkg/registry/core/{persistentvolume,persistentvolumeclaim}/strategy.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.clock import Clock, RealClock, rfc3339
from fakekube.machinery import field_checks, quantities
from fakekube.machinery.field_errors import forbidden, invalid, not_supported, required
from fakekube.machinery.wire import Object

Spec = dict[str, Any]

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")
_RECLAIM = ("Delete", "Recycle", "Retain")
# Where a volume may lie, in the order of Go's struct.
_SOURCES = (
    "gcePersistentDisk", "awsElasticBlockStore", "hostPath", "glusterfs", "nfs", "rbd", "quobyte", "iscsi",
    "flexVolume", "cinder", "cephfs", "fc", "flocker", "azureFile", "vsphereVolume", "azureDisk",
    "photonPersistentDisk", "portworxVolume", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_CLAIM_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_OLD_SOURCES = (
    ("", "PersistentVolumeClaim"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
)  # of `dataSource`
_MAPS = frozenset({"requests", "limits", "matchLabels", "volumeAttributes", "options"})


class PersistentVolumeStrategy(BuiltinStrategy):
    """Volumes of the cluster. The phase's last change carries a time: hence the clock."""

    metadata_rechecks = 1
    status_metadata = checks.STATUS_METADATA

    clock: Clock = RealClock()

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", "Filesystem")
        obj["status"].setdefault("phase", "Pending")
        if isinstance(spec.get("hostPath"), dict):
            spec["hostPath"].setdefault("type", "")
        if isinstance(spec.get("iscsi"), dict):
            spec["iscsi"].setdefault("iscsiInterface", "default")

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": rfc3339(self.clock.now())}

    def prepare_status_update(self, new: Object, old: Object) -> None:
        status, before = new.setdefault("status", {}), old.get("status") or {}
        if status.get("phase") == before.get("phase"):
            if "lastPhaseTransitionTime" not in status and "lastPhaseTransitionTime" in before:
                status["lastPhaseTransitionTime"] = before["lastPhaseTransitionTime"]
        elif status.get("lastPhaseTransitionTime") == before.get("lastPhaseTransitionTime"):
            status["lastPhaseTransitionTime"] = rfc3339(self.clock.now())

    def validate_create(self, obj: Object) -> Causes:
        spec: Spec = obj["spec"]
        capacity = spec.get("capacity") or {}
        found = _access_modes(spec, "")
        if not capacity:
            found.append(required("spec.capacity"))
        elif set(capacity) != {"storage"}:
            found.append(not_supported("spec.capacity", capacity, ["storage"]))
        for name, amount in capacity.items():
            found += _positive(amount, f"spec.capacity[{name}]")
        found += field_checks.one_of(
            spec.get("persistentVolumeReclaimPolicy"), "spec.persistentVolumeReclaimPolicy", _RECLAIM
        )
        return found + _sources(spec) + _common(spec)

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = self.validate_create(new)
        spec, before = new["spec"], old["spec"]
        if _source(spec) != _source(before):
            from fakekube.api.builtins.strategies import go_diff  # noqa: PLC0415 - only refusals need it

            shown = [
                {go_diff.go_name(name): go_diff.go_shape(one.get(name), maps=_MAPS) for name in _SOURCES}
                for one in (before, spec)
            ]
            said = f"spec.persistentvolumesource is immutable after creation\n{go_diff.diff(*shown)}"
            found.append(forbidden("spec.persistentvolumesource", said))
        found += checks.immutable(spec.get("volumeMode"), before.get("volumeMode"), "spec.volumeMode")
        if before.get("nodeAffinity"):
            found += checks.immutable(spec.get("nodeAffinity"), before["nodeAffinity"], "spec.nodeAffinity")
        return found


class PersistentVolumeClaimStrategy(BuiltinStrategy):
    """What a pod asks for. Once made, only size (of a bound claim) and volume may still change."""

    metadata_rechecks = 1
    status_metadata = checks.STATUS_METADATA

    def default(self, obj: Object) -> None:
        super().default(obj)
        default_claim(obj)

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending"}
        old = obj["spec"].get("dataSource")
        if old and (old.get("apiGroup") or "", old.get("kind")) not in _OLD_SOURCES:
            del obj["spec"]["dataSource"]
        _both_data_sources(obj["spec"])

    def prepare_update(self, new: Object, old: Object) -> None:
        _both_data_sources(new["spec"])

    def validate_create(self, obj: Object) -> Causes:
        return claim_spec(obj["spec"], "spec")

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = self.validate_create(new)
        spec, before = new["spec"], old["spec"]
        bound = (old.get("status") or {}).get("phase") == "Bound"
        was, now = _fixed(before, bound=bound), _fixed(spec, bound=bound)
        if not before.get("volumeName"):
            was["VolumeName"] = now["VolumeName"]
        if was != now:
            from fakekube.api.builtins.strategies import go_diff  # noqa: PLC0415 - only refusals need it

            found.append(forbidden("spec", f"{_CLAIM_FIXED}\n{go_diff.diff(was, now)}"))
        size, smaller_than = _storage(spec), _storage(before)
        held = quantities.parse(((old.get("status") or {}).get("capacity") or {}).get("storage") or "0")[0]
        if size < smaller_than and size <= held:
            said = "field can not be less than status.capacity"
            found.append(forbidden("spec.resources.requests.storage", said))
        return found

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        found: Causes = []
        for name, amount in (new["status"].get("capacity") or {}).items():
            found += checks.quantity_not_negative(amount, f"status.capacity[{name}]")
        return found


def default_claim(obj: Object) -> None:
    """Defaults of a claim, also of one in a StatefulSet's templates. In place."""
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def claim_spec(spec: Spec, at: str) -> Causes:
    """The spec of a claim, also of one in a pod's ephemeral volume."""
    found = _access_modes(spec, "at least 1 access mode is required", at)
    if spec.get("selector"):
        found += field_checks.label_selector(spec["selector"], f"{at}.selector")
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if amount is None:
        found.append(required(f"{at}.resources[storage]"))
    else:
        found += _positive(amount, f"{at}.resources[storage]")
    return found + _common(spec, at)


def _access_modes(spec: Spec, missing: str, at: str = "spec") -> Causes:
    modes = spec.get("accessModes") or ()
    found: Causes = [] if modes else [required(f"{at}.accessModes", missing)]
    found += [not_supported(f"{at}.accessModes", mode, list(_MODES)) for mode in modes if mode not in _MODES]
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        said = "may not use ReadWriteOncePod with other access modes"
        found.append(forbidden(f"{at}.accessModes", said))
    return found


def _common(spec: Spec, at: str = "spec") -> Causes:
    found: Causes = []
    if spec.get("storageClassName"):
        found += field_checks.dns_subdomain(spec["storageClassName"], f"{at}.storageClassName")
    found += field_checks.one_of(spec.get("volumeMode"), f"{at}.volumeMode", _VOLUME_MODES, missing=None)
    for member in ("dataSource", "dataSourceRef"):
        if spec.get(member) is not None:
            found += _data_source(spec[member], f"{at}.{member}")
    if spec.get("volumeAttributesClassName"):
        found += field_checks.dns_subdomain(
            spec["volumeAttributesClassName"], f"{at}.volumeAttributesClassName"
        )
    return found


def _data_source(source: dict[str, Any], at: str) -> Causes:
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    found = [required(f"{at}.{member}") for member in ("name", "kind") if not source.get(member)]
    if not group and kind != "PersistentVolumeClaim":
        said = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        found.append(invalid(at, kind, said))
    return found + (field_checks.dns_subdomain(group, f"{at}.apiGroup") if group else [])


def _positive(amount: str, at: str) -> Causes:
    value = quantities.parse(amount)[0]
    return [] if value > 0 else [invalid(at, amount, "must be greater than zero")]


def _source(spec: Spec) -> Mapping[str, Any]:
    return {name: spec[name] for name in _SOURCES if name in spec}


def _sources(spec: Spec) -> Causes:
    given = [name for name in _SOURCES if name in spec]
    if not given:
        return [required("spec", "must specify a volume type")]
    found: Causes = [
        forbidden(f"spec.{name}", "may not specify more than 1 volume type") for name in given[1:]
    ]
    first = spec[given[0]]
    if given[0] in ("hostPath", "local"):
        path = first.get("path") or ""
        if not path:
            found.append(required(f"spec.{given[0]}.path"))
        elif ".." in path.split("/"):
            found.append(invalid(f"spec.{given[0]}.path", path, "must not contain '..'"))
        if given[0] == "local" and not spec.get("nodeAffinity"):
            found.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
        if path == "/" and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
            said = "may not be 'recycle' for a hostPath mount of '/'"
            found.append(forbidden("spec.persistentVolumeReclaimPolicy", said))
    wanted = {"nfs": ("server", "path"), "csi": ("driver", "volumeHandle")}.get(given[0], ())
    found += [required(f"spec.{given[0]}.{member}") for member in wanted if not first.get(member)]
    return found


def _storage(spec: Spec) -> int:
    requests = (spec.get("resources") or {}).get("requests") or {}
    return quantities.parse(requests.get("storage") or "0")[0]


def _fixed(spec: Spec, *, bound: bool) -> dict[str, Any]:
    """What of a claim may not change, in the shape of Go's internal struct."""
    from fakekube.api.builtins.strategies.go_diff import go_shape  # noqa: PLC0415 - claims rarely change

    resources = spec.get("resources") or {}
    shape = {
        "accessModes": spec.get("accessModes"),
        "selector": None,
        "resources": {
            "limits": resources.get("limits"),
            "requests": None if bound else resources.get("requests"),
        },
        "volumeName": spec.get("volumeName") or "",
        "storageClassName": spec.get("storageClassName"),
        "volumeMode": spec.get("volumeMode"),
        "dataSource": spec.get("dataSource"),
        "dataSourceRef": spec.get("dataSourceRef"),
        "volumeAttributesClassName": None if bound else spec.get("volumeAttributesClassName"),
    }
    shaped: dict[str, Any] = go_shape(shape, maps=_MAPS)
    shaped["Selector"] = spec.get("selector")  # an API type: it keeps its JSON names
    return shaped


def _both_data_sources(spec: Spec) -> None:
    """The two ways to name a source say the same, unless one reaches into another namespace."""
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    if old and not new:
        spec["dataSourceRef"] = dict(old)
    elif new and not old and not new.get("namespace"):
        spec["dataSource"] = dict(new)
