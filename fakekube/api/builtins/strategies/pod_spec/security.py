"""Security contexts of pods and of containers.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateSecurityContext, validatePodSpecSecurityContext)
"""

import re
from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategies.pod_spec.paths import descending
from fakekube.machinery.field_checks import one_of
from fakekube.machinery.field_errors import (
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)

Member = Mapping[str, Any]

_ID = "must be between 0 and 2147483647, inclusive"
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_is_sysctl = re.compile(_SYSCTL).fullmatch
_OF_NETWORK = ("net.",)
_OF_IPC = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_LONGEST_PROFILE = 4095


def _ids(context: Member, members: tuple[str, ...], path: str) -> Causes:
    return [
        invalid(f"{path}.{member}", context[member], _ID)
        for member in members
        if member in context and not 0 <= context[member] <= 2**31 - 1
    ]


def of_container(context: Member, path: str, *, host_users: bool) -> Causes:
    """`securityContext` of a container."""
    found = _ids(context, ("runAsUser", "runAsGroup"), path)
    mount = context.get("procMount")
    if mount is not None:
        found += one_of(mount, f"{path}.procMount", ("Default", "Unmasked"))
        if mount == "Unmasked" and host_users:
            found.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    if "seccompProfile" in context:
        found += _seccomp(context["seccompProfile"], f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        what = "cannot set `allowPrivilegeEscalation` to false and"
        if context.get("privileged"):
            found.append(invalid(path, context, f"{what} `privileged` to true"))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            found.append(invalid(path, context, f"{what} `capabilities.Add` CAP_SYS_ADMIN"))
    if "appArmorProfile" in context:
        found += _app_armor(context["appArmorProfile"], f"{path}.appArmorProfile")
    return found


def of_pod(spec: Member, path: str) -> Causes:
    """`securityContext` of the pod."""
    context: Member = spec.get("securityContext") or {}
    if not context:
        return []
    found = _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), path)
    found += [
        invalid(f"{path}.supplementalGroups[{index}]", group, _ID)
        for index, group in enumerate(context.get("supplementalGroups") or ())
        if not 0 <= group <= 2**31 - 1
    ]
    if "sysctls" in context:
        found += _sysctls(spec, f"{path}.sysctls")
    for member, allowed in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("MountOption", "Recursive")),
    ):
        if member in context:
            found += one_of(context[member], f"{path}.{member}", allowed)
    if "seccompProfile" in context:
        found += _seccomp(context["seccompProfile"], f"{path}.seccompProfile")
    if "appArmorProfile" in context:
        found += _app_armor(context["appArmorProfile"], f"{path}.appArmorProfile")
    return found


def _sysctls(spec: Member, path: str) -> Causes:
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(spec["securityContext"]["sysctls"]):
        at, name = f"{path}[{index}].name", one.get("name") or ""
        if not name:
            found.append(required(at))
        elif len(name) > 253 or not _is_sysctl(name):
            found.append(invalid(at, name, f"must have at most 253 characters and match regex ^{_SYSCTL}$"))
        elif name in seen:
            found.append(duplicate(at, name))
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith(_OF_NETWORK):
            found.append(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and dotted.startswith(_OF_IPC):
            found.append(invalid(at, name, "may not be specified when 'hostIPC' is true"))
        seen.add(name)
    return found


def _seccomp(profile: Member, path: str) -> Causes:
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    found: Causes = []
    if kind not in _PROFILES:
        missing = required(f"{path}.type", "type is required when seccompProfile is set")
        found.append(not_supported(f"{path}.type", kind, list(_PROFILES)) if kind else missing)
    if kind == "Localhost":
        if local is None:
            found.append(required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
        else:
            found += descending(local, f"{path}.localhostProfile")
    elif local is not None:
        said = "can only be set when seccomp type is Localhost"
        found.append(invalid(f"{path}.localhostProfile", profile, said))
    return found


def _app_armor(profile: Member, path: str) -> Causes:
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    at = f"{path}.localhostProfile"
    if not kind:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if kind not in _PROFILES:
        return [not_supported(f"{path}.type", kind, list(_PROFILES))]
    if kind != "Localhost":
        said = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [invalid(at, local, said)]
    if not local:
        return [required(at, "must be set when AppArmor type is Localhost")]
    found = [] if local == local.strip() else [invalid(at, local, "must not be padded with whitespace")]
    return [*found, too_long(at, _LONGEST_PROFILE)] if len(local) > _LONGEST_PROFILE else found


def host_users(spec: Member, path: str) -> Causes:
    """A pod with users of its own shares no other namespace with the host."""
    if spec.get("hostUsers") is not False:
        return []
    said = "when `hostUsers` is false"
    shared = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    found = [forbidden(f"{path}.{shown}", said) for member, shown in shared if spec.get(member)]
    for name in ("initContainers", "containers", "ephemeralContainers"):
        found += [
            forbidden(f"{path}.{name}[{index}].volumeDevices", said)
            for index, one in enumerate(spec.get(name) or ())
            if one.get("volumeDevices")
        ]
    return found
