"""Environment variables and the references they, and files of volumes, are filled from.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateEnv and what it calls), pkg/apis/core/pods/helpers.go
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, config_key, dns_label
from fakekube.api.builtins.strategies.pod_spec.paths import no_backsteps
from fakekube.machinery import quantities
from fakekube.machinery.field_checks import dns_subdomain, qualified, texts
from fakekube.machinery.field_errors import invalid, not_supported, required

_is_plain_name = re.compile(r"[ -<>-~]+").fullmatch  # printable ASCII without `=`
_SAY_NAME = "a valid environment variable name must consist only of printable ASCII characters other than '='"

IN_VARIABLES = frozenset(
    {
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
        "status.hostIPs", "status.podIP", "status.podIPs",
    }
)  # fmt: skip
IN_FILES = frozenset(
    {"metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"}
)
_KNOWN = IN_VARIABLES | IN_FILES | {"spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"}
_SUBSCRIPTED = re.compile(r"(.*)\['(.*)'\]").fullmatch
_RESOURCES = frozenset(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "cpu": (("1m", "1"), "values 1m and 1 are supported with the cpu resource"),
    "memory": (_SIZES, f"values {', '.join(_SIZES)} are supported with the memory resource"),
    "ephemeral-storage": (
        _SIZES,
        f"values {', '.join(_SIZES)} are supported with the local ephemeral storage resource",
    ),
    "hugepages": (_SIZES, f"values {', '.join(_SIZES)} are supported with the hugepages resource"),
}

Member = Mapping[str, Any]


def variable_name(name: str) -> list[str]:
    return [] if _is_plain_name(name) else [_SAY_NAME]


def variables(items: Sequence[Member], path: str) -> Causes:
    """`env`."""
    found: Causes = []
    for index, one in enumerate(items):
        name = one.get("name") or ""
        if not name:
            found.append(required(f"{path}[{index}].name"))
        elif not _is_plain_name(name):
            found.append(invalid(f"{path}[{index}].name", name, _SAY_NAME))
        if "valueFrom" in one:
            found += _value_from(one, f"{path}[{index}].valueFrom")
    return found


def _value_from(variable: Member, path: str) -> Causes:
    source: Member = variable["valueFrom"]
    found: Causes = []
    if "fieldRef" in source:
        found += field_reference(source["fieldRef"], IN_VARIABLES, f"{path}.fieldRef")
    if "resourceFieldRef" in source:
        found += resource_reference(source["resourceFieldRef"], f"{path}.resourceFieldRef")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            found += _key(source[kind], f"{path}.{kind}")
    if "fileKeyRef" in source:
        found += _file_key(source["fileKeyRef"], f"{path}.fileKeyRef")
    if not source:
        one_of = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        found.append(invalid(path, "", f"must specify one of: {one_of}"))
    elif variable.get("value"):
        found.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(source) > 1:
        found.append(invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _key(reference: Member, path: str) -> Causes:
    found = dns_subdomain(reference.get("name") or "", f"{path}.name")
    key = reference.get("key") or ""
    return found + (texts(f"{path}.key", key, config_key(key)) if key else [required(f"{path}.key")])


def _file_key(reference: Member, path: str) -> Causes:
    key, volume, file = (reference.get(member) or "" for member in ("key", "volumeName", "path"))
    found = texts(f"{path}.key", key, variable_name(key)) if key else [required(f"{path}.key")]
    found += dns_label(volume, f"{path}.volumeName") if volume else [required(f"{path}.volumeName")]
    return found + (no_backsteps(file, f"{path}.path") if file else [required(f"{path}.path")])


def field_reference(reference: Member, allowed: frozenset[str], path: str) -> Causes:
    """A member of the pod, such as `metadata.labels['app']`."""
    version, field = reference.get("apiVersion") or "", reference.get("fieldPath") or ""
    if not version:
        return [required(f"{path}.apiVersion")]
    if not field:
        return [required(f"{path}.fieldPath")]
    if version != "v1":
        return [
            invalid(
                f"{path}.fieldPath", field, f"error converting fieldPath: unsupported pod version: {version}"
            )
        ]
    match = _SUBSCRIPTED(field)
    if match is None:
        if field not in _KNOWN:
            return [
                invalid(
                    f"{path}.fieldPath",
                    field,
                    f"error converting fieldPath: field label not supported: {field}",
                )
            ]
        field = "spec.nodeName" if field == "spec.host" else field
        return [] if field in allowed else [not_supported(f"{path}.fieldPath", field, sorted(allowed))]
    member, key = match[1], match[2]
    if member == "metadata.labels":
        return qualified(key, path)
    if member == "metadata.annotations":
        return qualified(key.lower(), path)
    said = f"error converting fieldPath: field label does not support subscript: {field}"
    return [invalid(f"{path}.fieldPath", field, said)]


def resource_reference(reference: Member, path: str, *, of_file: bool = False) -> Causes:
    """A request or limit of a container; a file has to say of which."""
    resource = reference.get("resource") or ""
    found: Causes = []
    if of_file and not reference.get("containerName"):
        found.append(required(f"{path}.containerName"))
    elif not resource:
        found.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE):
        found.append(not_supported(f"{path}.resource", resource, sorted(_RESOURCES)))
    divisor = str(reference.get("divisor") or "0")
    known = _DIVISORS.get("hugepages" if resource.startswith(_HUGE) else resource.partition(".")[2])
    if quantities.parse(divisor)[0] and known is not None and quantities.canonical(divisor) not in known[0]:
        found.append(invalid(f"{path}.divisor", resource, f"only divisor's {known[1]}"))
    return found


def sources(items: Sequence[Member], path: str) -> Causes:
    """`envFrom`."""
    found: Causes = []
    for index, one in enumerate(items):
        at = f"{path}[{index}]"
        prefix = one.get("prefix") or ""
        if prefix:
            found += texts(f"{at}.prefix", prefix, variable_name(prefix))
        given = [kind for kind in ("configMapRef", "secretRef") if kind in one]
        for kind in given:
            name = one[kind].get("name") or ""
            # A prefix of a name would do here, so a trailing dash is let through.
            checked = f"{name[:-1]}a" if name.endswith("-") else name
            found += dns_subdomain(checked, f"{at}.{kind}.name") if name else [required(f"{at}.{kind}.name")]
        if not given:
            found.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(invalid(path, "", "may not have more than one field specified at a time"))
    return found
