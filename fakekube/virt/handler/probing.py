"""Probes of a guest, as the kubelet of its launcher carries them out: whether they pass, and when that counts. Pure.

A port that is probed must be listened on, by what every guest has (`ports`) or by a server somebody has started at its
console. Its agent answers pings, and runs commands: they succeed, but for those that cannot (`false`, `exit 1`). Nobody is pinged
while the guest is paused, or an annotation says so.
Origin: kubevirt: pkg/virt-controller/services/template.go (the delay), pkg/virt-launcher/virtwrap (pings), k8s: pkg/kubelet/prober
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from fakekube.agents.node_server import parsing, shell
from fakekube.agents.node_server.place import Container
from fakekube.clock import parse_rfc3339, rfc3339_micro
from fakekube.machinery import digits
from fakekube.machinery.booleans import TRUE
from fakekube.machinery.objects import Obj, annotations, condition_is, dig
from fakekube.virt.handler import ports

Probe = Mapping[str, Any]

_STARTUP_DELAY = 10  # what libvirt is given, in addition to the probe's own delay
_UNPINGED = "kubevirt.io/pause-guest-agent-probes"
_TELLING = ("exit", "false", "test", "[")  # commands whose outcome follows from themselves


def probes(vmi: Obj) -> bool:
    """Whether there are any."""
    spec = vmi.get("spec") or {}
    return "readinessProbe" in spec or "livenessProbe" in spec


def passes(vmi: Obj, probe: Probe, listening: Collection[int]) -> bool:
    """Whether it would now."""
    if "guestAgentPing" in probe or "exec" in probe:
        if "guestAgentPing" in probe and _is_spared(vmi):
            return True
        return condition_is(vmi, "AgentConnected") and _succeeds(dig(probe, "exec", "command", default=()))
    action = probe.get("httpGet") or probe.get("tcpSocket") or {}
    port = digits.number(str(action.get("port")))
    if port is None or ports.service(vmi, "", port, "tcp", dict.fromkeys(listening, "")) is None:
        return False
    return port in listening or "httpGet" not in probe or port in ports.WEB


def _is_spared(vmi: Obj) -> bool:
    return condition_is(vmi, "Paused") or annotations(vmi).get(_UNPINGED) in TRUE


def unanswered(vmi: Obj, pod: Obj, now: datetime) -> float | None:
    """Seconds until a ping fails, if one will."""
    if not probes(vmi):
        return None
    for kind in ("readinessProbe", "livenessProbe"):
        probe = dig(vmi, "spec", kind, default={})
        if "guestAgentPing" in probe and not passes(vmi, probe, ()):
            first = begins(pod, probe) or now
            return max((first - now).total_seconds(), float(probe.get("periodSeconds") or 10))
    return None


def _succeeds(command: Collection[str]) -> bool:
    words = list(command)
    if not words or words[0] not in (*_TELLING, *parsing.SHELLS):
        return True
    return shell.line(Container("guest"), " ".join(words)).code == 0


def begins(pod: Obj, probe: Probe) -> datetime | None:
    """When a container is probed for the first time."""
    for one in dig(pod, "status", "containerStatuses", default=()):
        if one.get("name") == "compute" and (since := dig(one, "state", "running", "startedAt")):
            delay = int(probe.get("initialDelaySeconds") or 0) + _STARTUP_DELAY
            return parse_rfc3339(since) + timedelta(seconds=delay)
    return None


def succeeds_at(pod: Obj, probe: Probe) -> str | None:
    first = begins(pod, probe)
    return rfc3339_micro(first) if first else None


def fails_in(pod: Obj, probe: Probe, now: datetime) -> float:
    """Seconds after which so many failures in a row have come together that it counts."""
    first = begins(pod, probe) or now
    period, times = int(probe.get("periodSeconds") or 10), int(probe.get("failureThreshold") or 3)
    return max(0.0, (first - now).total_seconds()) + period * (times - 1)
