"""Containers of a pod: regular, init and ephemeral.

Origin: k8s: pkg/apis/core/validation/validation.go (validateContainers and its neighbours)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from fakekube.api.builtins.strategies.checks import Causes, dns_label, port_name, port_number, valid_ip
from fakekube.api.builtins.strategies.pod_spec import environment, mounts, probes, resources, security
from fakekube.machinery.field_checks import one_of, texts
from fakekube.machinery.field_errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)

Member = Mapping[str, Any]

_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGES = ("File", "FallbackToLogsOnError")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_RESTARTS = ("Always", "Never", "OnFailure")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_EPHEMERAL = (
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
)
_ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
_SAY_EPHEMERAL = "cannot be set for an Ephemeral Container"


class Surroundings(Struct, frozen=True):
    """What a container's rules need to know of its pod."""

    volumes: Mapping[str, Member]
    claims: frozenset[str]
    grace: int | None
    restart_policy: str
    system: str | None  # spec.os.name
    host_users: bool


def regular(items: Sequence[Member], around: Surroundings, path: str) -> Causes:
    """`containers`: at least one."""
    if not items:
        return [required(path)]
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(items):
        at, name = f"{path}[{index}]", one.get("name") or ""
        found += _common(one, around, at)
        if name in seen:
            found.append(duplicate(f"{at}.name", name))
        seen.add(name)
        found += _life(one, around, at) + _restart(one, at)
    return found + _host_ports(items, path)


def init(items: Sequence[Member], others: Sequence[Member], around: Surroundings, path: str) -> Causes:
    """`initContainers`; their names differ from the regular ones' too. Those that never end are sidecars."""
    found: Causes = []
    seen = {one.get("name") or "" for one in others}
    for index, one in enumerate(items):
        at, name = f"{path}[{index}]", one.get("name") or ""
        found += _common(one, around, at) + _restart(one, at)
        if name in seen:
            found.append(duplicate(f"{at}.name", name))
        elif name:
            seen.add(name)
        found += _host_ports([one], path)
        if one.get("restartPolicy") == "Always":
            found += _life(one, around, at)
        else:
            found += [
                forbidden(f"{at}.{name}", _ONLY_SIDECARS) for name in ("lifecycle", *_PROBES) if name in one
            ]
    return found


def ephemeral(items: Sequence[Member], others: Sequence[Member], around: Surroundings, path: str) -> Causes:
    """`ephemeralContainers`: for looking, so without ports, probes and resources of their own."""
    found: Causes = []
    targets = {one.get("name") or "" for one in others}
    seen = set(targets)
    for index, one in enumerate(items):
        at, name = f"{path}[{index}]", one.get("name") or ""
        found += _common(one, around, at) + image_spaces(one, at)
        if name in seen:
            found.append(duplicate(f"{at}.name", name))
        seen.add(name)
        target = one.get("targetContainerName")
        if target and target not in targets:
            found.append(FieldError("FieldValueNotFound", f"{at}.targetContainerName", "", target))
        found += [forbidden(f"{at}.{member}", _SAY_EPHEMERAL) for member in _NOT_EPHEMERAL if one.get(member)]
        for position, mount in enumerate(one.get("volumeMounts") or ()):
            found += [
                forbidden(f"{at}.volumeMounts[{position}].{member}", _SAY_EPHEMERAL)
                for member in ("subPath", "subPathExpr")
                if mount.get(member)
            ]
    return found


def image_spaces(one: Member, path: str) -> Causes:
    """Checked in pods only: templates have long been allowed to hold a blank image."""
    image = one.get("image") or ""
    said = "must not have leading or trailing whitespace"
    return [] if image == image.strip() else [invalid(f"{path}.image", image, said)]


def _common(one: Member, around: Surroundings, path: str) -> Causes:
    name = one.get("name") or ""
    found = dns_label(name, f"{path}.name") if name else [required(f"{path}.name")]
    if not one.get("image"):
        found.append(required(f"{path}.image"))
    if one.get("terminationMessagePolicy") not in _MESSAGES:
        found += one_of(one.get("terminationMessagePolicy"), f"{path}.terminationMessagePolicy", _MESSAGES)
    if "ports" in one:
        found += _ports(one["ports"], f"{path}.ports")
    if "env" in one:
        found += environment.variables(one["env"], f"{path}.env")
    if "envFrom" in one:
        found += environment.sources(one["envFrom"], f"{path}.envFrom")
    if "volumeMounts" in one:
        found += mounts.mounts(one, around.volumes, f"{path}.volumeMounts")
    if "volumeDevices" in one:
        found += mounts.devices(one, around.volumes, f"{path}.volumeDevices")
    if one.get("imagePullPolicy") not in _POLICIES:
        found += one_of(one.get("imagePullPolicy"), f"{path}.imagePullPolicy", _POLICIES)
    if one.get("resources"):
        found += resources.requirements(one["resources"], f"{path}.resources", around.claims)
    if "resizePolicy" in one:
        found += _resize(one["resizePolicy"], around.restart_policy, f"{path}.resizePolicy")
    if "securityContext" in one:
        found += security.of_container(
            one["securityContext"], f"{path}.securityContext", host_users=around.host_users
        )
    return found


def _life(one: Member, around: Surroundings, path: str) -> Causes:
    found: Causes = []
    if "lifecycle" in one:
        found += probes.lifecycle(one["lifecycle"], f"{path}.lifecycle", around.grace, around.system)
    for kind in _PROBES:
        if kind in one:
            found += probes.probe(kind, one[kind], f"{path}.{kind}")
    return found


def _ports(items: Sequence[Member], path: str) -> Causes:
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(items):
        at, name = f"{path}[{index}]", one.get("name") or ""
        if name:
            said = port_name(name)
            found += texts(f"{at}.name", name, said)
            if name in seen:
                found.append(duplicate(f"{at}.name", name))
            elif not said:
                seen.add(name)
        number = one.get("containerPort")
        found += port_number(number, f"{at}.containerPort") if number else [required(f"{at}.containerPort")]
        if one.get("hostPort"):
            found += port_number(one["hostPort"], f"{at}.hostPort")
        found += one_of(one.get("protocol"), f"{at}.protocol", _PROTOCOLS)
        if one.get("hostIP"):
            found += valid_ip(one["hostIP"], f"{at}.hostIP")
    return found


def _host_ports(items: Sequence[Member], path: str) -> Causes:
    """A port of the host serves one container only."""
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(items):
        for position, port in enumerate(one.get("ports") or ()):
            if port.get("hostPort"):
                key = f"{port.get('protocol', '')}/{port.get('hostIP') or ''}/{port['hostPort']}"
                if key in seen:
                    found.append(duplicate(f"{path}[{index}].ports[{position}].hostPort", key))
                seen.add(key)
    return found


def _resize(items: Sequence[Member], restart_policy: str, path: str) -> Causes:
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(items):
        name, policy = one.get("resourceName") or "", one.get("restartPolicy") or ""
        if name in seen:
            found.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        found += one_of(name, path, ("cpu", "memory"))
        found += one_of(policy, path, ("NotRequired", "RestartContainer"))
        if restart_policy == "Never" and policy != "NotRequired":
            said = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            found.append(invalid(path, policy, said))
    return found


def _restart(one: Member, path: str) -> Causes:
    """A container's own restart policy and the rules by exit code that refine it."""
    policy, rules = one.get("restartPolicy"), one.get("restartPolicyRules") or ()
    if policy is None:
        said = "must specify restartPolicy when restart rules are used"
        return [required(f"{path}.restartPolicy", said)] if rules else []
    found = [] if policy in _RESTARTS else [not_supported(f"{path}.restartPolicy", policy, list(_RESTARTS))]
    if len(rules) > 20:
        found.append(
            FieldError("FieldValueTooLong", f"{path}.restartPolicyRules", "may not be more than 20 bytes")
        )
    for index, rule in enumerate(rules):
        at, codes = f"{path}.restartPolicyRules[{index}]", rule.get("exitCodes")
        if rule.get("action") not in ("Restart", "RestartAllContainers"):
            found.append(not_supported(f"{at}.action", rule.get("action") or "", ["Restart"]))
        if codes is None:
            found.append(required(f"{at}.exitCodes", "must be specified"))
        elif codes.get("operator") not in ("In", "NotIn"):
            found.append(
                not_supported(f"{at}.exitCodes.operator", codes.get("operator") or "", ["In", "NotIn"])
            )
    return found
