"""Probes and life cycle hooks of containers.

Origin: k8s: pkg/apis/core/validation/validation.go (validateProbe, validateHandler, validateLifecycle)
"""

import re
from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, not_negative, port_number, port_number_or_name
from fakekube.machinery.field_checks import one_of
from fakekube.machinery.field_errors import forbidden, invalid, not_supported, required

Member = Mapping[str, Any]

_is_header = re.compile(r"[-A-Za-z0-9]+").fullmatch
_SAY_HEADER = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation "
    "is '[-A-Za-z0-9]+')"
)
_SCHEMES = ("HTTP", "HTTPS")
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_OF_PROBES = ("exec", "httpGet", "tcpSocket", "grpc")
_OF_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")
_WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
_PLAIN_SIGNALS = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP "
    "TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
_LINUX_SIGNALS = sorted(
    [f"SIG{name}" for name in _PLAIN_SIGNALS.split()]
    + [f"SIGRTMIN+{number}" for number in range(1, 16)]
    + [f"SIGRTMAX-{number}" for number in range(1, 15)]
)


def probe(kind: str, one: Member, path: str) -> Causes:
    """A liveness, readiness or startup probe; `kind` is its member's name."""
    found = _handler(one, _OF_PROBES, path, None)
    for member in _NUMBERS:
        if (one.get(member) or 0) < 0:
            found += not_negative(one[member], f"{path}.{member}")
    grace = one.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    if kind == "readinessProbe":
        if grace is not None:
            said = "must not be set for readinessProbes"
            found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, said))
    elif one.get("successThreshold") != 1:
        found.append(invalid(f"{path}.successThreshold", one.get("successThreshold"), "must be 1"))
    return found


def lifecycle(hooks: Member, path: str, grace: int | None, system: str | None) -> Causes:
    """`lifecycle`; a pause may not outlast the pod's grace period, a stop signal needs to know the operating system."""
    found: Causes = []
    for name in ("postStart", "preStop"):
        if name in hooks:
            found += _handler(hooks[name], _OF_HOOKS, f"{path}.{name}", grace)
    if "stopSignal" in hooks:
        at, signal = f"{path}.stopSignal", hooks["stopSignal"]
        known = {"windows": list(_WINDOWS_SIGNALS), "linux": _LINUX_SIGNALS}.get(system or "")
        if system is None:
            found.append(forbidden(at, "may not be set for containers with empty `spec.os.name`"))
        elif known is not None and signal not in known:
            found.append(not_supported(at, signal, known))
    return found


def _handler(one: Member, kinds: tuple[str, ...], path: str, grace: int | None) -> Causes:
    given = [kind for kind in kinds if kind in one]
    if not given:
        return [required(path, "must specify a handler type")]
    found = _action(given[0], one[given[0]], f"{path}.{given[0]}", grace)
    return found + [
        forbidden(f"{path}.{kind}", "may not specify more than 1 handler type") for kind in given[1:]
    ]


def _action(kind: str, action: Member, path: str, grace: int | None) -> Causes:
    if kind == "exec":
        return [] if action.get("command") else [required(f"{path}.command")]
    if kind == "httpGet":
        found = port_number_or_name(action.get("port") or 0, f"{path}.port")
        found += one_of(action.get("scheme"), f"{path}.scheme", _SCHEMES)
        names = [header.get("name") or "" for header in action.get("httpHeaders") or ()]
        return found + [
            invalid(f"{path}.httpHeaders", name, _SAY_HEADER) for name in names if not _is_header(name)
        ]
    if kind == "tcpSocket":
        return port_number_or_name(action.get("port") or 0, f"{path}.port")
    if kind == "grpc":
        return port_number(action.get("port"), f"{path}.port")
    seconds = action.get("seconds") or 0
    if grace is None or 0 <= seconds <= grace:
        return []
    said = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
    return [invalid(path, seconds, said)]
