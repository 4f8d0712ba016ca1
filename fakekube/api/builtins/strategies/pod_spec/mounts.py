"""Where containers mount volumes, and which they use as raw devices.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateVolumeMounts, ValidateVolumeDevices)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategies.pod_spec.paths import descending, no_backsteps
from fakekube.machinery.field_errors import FieldError, forbidden, invalid, not_supported, required

Member = Mapping[str, Any]

_PROPAGATION = ("Bidirectional", "HostToContainer", "None")
_READ_ONLY = ("Disabled", "Enabled", "IfPossible")


def mounts(container: Member, volumes: Mapping[str, Member], path: str) -> Causes:
    """`volumeMounts` of a container. Upstream leaves the index out of the paths of what follows the mount path."""
    found: Causes = []
    seen: set[str] = set()
    devices = {one.get("name"): one.get("devicePath") for one in container.get("volumeDevices") or ()}
    for index, one in enumerate(container.get("volumeMounts") or ()):
        name, where = one.get("name") or "", one.get("mountPath") or ""
        if name not in volumes:
            if not name:
                found.append(required(f"{path}[{index}].name"))
            found.append(FieldError("FieldValueNotFound", f"{path}[{index}].name", "", name))
        if not where:
            found.append(required(f"{path}[{index}].mountPath"))
        if where in seen:
            found.append(invalid(f"{path}[{index}].mountPath", where, "must be unique"))
        seen.add(where)
        if devices:
            if name in devices:
                said = "must not already exist in volumeDevices"
                found.append(invalid(f"{path}[{index}].name", name, said))
            if where in devices.values():
                said = "must not already exist as a path in volumeDevices"
                found.append(invalid(f"{path}[{index}].mountPath", where, said))
        if len(one) > 2:
            found += _details(one, container, path, index)
    return found


def _details(one: Member, container: Member, path: str, index: int) -> Causes:
    found: Causes = []
    if one.get("subPath"):
        found += descending(one["subPath"], f"{path}.subPath")
    if one.get("subPathExpr"):
        if one.get("subPath"):
            said = "subPathExpr and subPath are mutually exclusive"
            found.append(invalid(f"{path}[{index}].subPathExpr", one["subPathExpr"], said))
        found += descending(one["subPathExpr"], f"{path}.subPathExpr")
    propagation = one.get("mountPropagation")
    if propagation is not None:
        if propagation not in _PROPAGATION:
            found.append(not_supported(f"{path}.mountPropagation", propagation, list(_PROPAGATION)))
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            said = "Bidirectional mount propagation is available only to privileged containers"
            found.append(forbidden(f"{path}.mountPropagation", said))
    recursive = one.get("recursiveReadOnly")
    if recursive is None or recursive == "Disabled":
        return found
    at = f"{path}.recursiveReadOnly"
    if recursive not in _READ_ONLY:
        return [*found, not_supported(at, recursive, list(_READ_ONLY))]
    if not one.get("readOnly"):
        found.append(forbidden(at, "may only be specified when readOnly is true"))
    if propagation not in (None, "None"):
        found.append(forbidden(at, "may only be specified when mountPropagation is None or not specified"))
    return found


def devices(container: Member, volumes: Mapping[str, Member], path: str) -> Causes:
    """`volumeDevices` of a container: claims used as raw block devices."""
    found: Causes = []
    names: set[str] = set()
    paths: set[str] = set()
    given: Sequence[Member] = container.get("volumeMounts") or ()
    mounted, mount_paths = {one.get("name") for one in given}, {one.get("mountPath") for one in given}
    for index, one in enumerate(container["volumeDevices"]):
        at, name, where = f"{path}[{index}]", one.get("name") or "", one.get("devicePath") or ""
        volume = volumes.get(name)
        if not name:
            found.append(required(f"{at}.name"))
        if name in names:
            found.append(invalid(f"{at}.name", name, "must be unique"))
        if volume is None:
            found.append(FieldError("FieldValueNotFound", f"{at}.name", "", name))
        elif "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            said = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            found.append(invalid(f"{at}.name", name, said))
        if not where:
            found.append(required(f"{at}.devicePath"))
        if where in paths:
            found.append(invalid(f"{at}.devicePath", where, "must be unique"))
        if no_backsteps(where, ""):
            found.append(invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')"))
        else:
            paths.add(where)
        if name in mounted:
            found.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        if where in mount_paths:
            said = "must not already exist as a path in volumeMounts"
            found.append(invalid(f"{at}.devicePath", where, said))
        if name:
            names.add(name)
    return found
