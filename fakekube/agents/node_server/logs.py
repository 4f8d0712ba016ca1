"""What a container has written: a short log that follows from the pod alone, so that it is the same whenever it is asked for. Pure.

The annotation `log.fakekube.io/<container>` is a container's log instead, line by line. A launcher's `compute` tells of its
guest's start; `guest-console-log` shows the guest's console, as far as somebody knows what is said there, and else some boot.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from msgspec import Struct

from fakekube.agents.containers import STATUSES
from fakekube.clock import parse_rfc3339
from fakekube.machinery import digits, objects
from fakekube.machinery.objects import Obj, dig

ANNOTATION = "log.fakekube.io/"

_MUCH = 5  # the verbosity above which libvirt's own log is let through

# (seconds after the start of the container, message, where in its source)
_LIBVIRT = "libvirt"  # in place of a source: what libvirt has written itself
_LAUNCHER: tuple[tuple[float, str, str], ...] = (
    (0.02, "Collected all requested hook sidecar sockets", "manager.go:88"),
    (0.03, "Connecting to libvirt daemon: qemu+unix:///session?socket=/var/run/libvirt/virtqemud-sock", "libvirt.go:659"),
    (0.42, "libvirt version: 11.0.0, package: 1.el9", _LIBVIRT),
    (0.61, "Connected to libvirt daemon", "libvirt.go:667"),
    (0.64, "Registered libvirt event notify callback", "client.go:623"),
    (0.65, "Marked as ready", "virt-launcher.go:76"),
    (1.21, "Domain defined.", "manager.go:1186"),
    (1.52, "Domain started.", "manager.go:1215"),
    (1.52, "Found PID for default_guest: 79", "monitor.go:176"),
    (1.53, 'DomainLifecycle event Domain event="started" detail="booted" with event id 2 reason 0 received', "client.go:478"),
)  # fmt: skip
_DEBUG = (1.54, 'QEMU_MONITOR_SEND_MSG: mon=0x7f6e msg={"execute":"query-status","id":"libvirt-8"}', _LIBVIRT)
_CONSOLE: tuple[tuple[float, str], ...] = (
    (1.60, "[    0.000000] Linux version {kernel}"),
    (
        1.60,
        "[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=LABEL=rootfs console=tty1 console=ttyS0",
    ),
    (1.61, "[    0.000000] Hypervisor detected: KVM"),
    (1.90, "[    0.312894] smp: Brought up 1 node, 1 CPU"),
    (2.43, "[    0.841226] virtio_blk virtio1: [vda] attached"),
    (3.10, "[    1.502117] virtio_net virtio0 eth0: renamed"),
    (3.92, "[    2.318405] EXT4-fs (vda1): mounted filesystem"),
    (5.40, "Starting network: OK"),
    (6.02, "{host} login: "),
)


class Options(Struct, frozen=True):
    """`v1.PodLogOptions`, read and checked."""

    tail: int | None = None
    limit: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    previous: bool = False


class Line(Struct, frozen=True):
    """One line and when it was written."""

    moment: datetime
    text: str


def status_of(pod: Obj, container: str) -> Mapping[str, Any]:
    listed: Iterable[Mapping[str, Any]] = (
        one for member in STATUSES.values() for one in dig(pod, "status", member, default=())
    )
    return next((one for one in listed if one.get("name") == container), {})


def spec_of(pod: Obj, container: str) -> Mapping[str, Any]:
    return _found(pod, container)[1]


def member_of(pod: Obj, container: str) -> str:
    """The member of the spec the container stands in."""
    return _found(pod, container)[0]


def _found(pod: Obj, container: str) -> tuple[str, Mapping[str, Any]]:
    for member in STATUSES:
        for one in dig(pod, "spec", member, default=()):
            if one.get("name") == container:
                return member, one
    return "containers", {}


def run_of(
    pod: Obj, container: str, *, previous: bool = False
) -> tuple[datetime, datetime | None, int] | None:
    """(start, end, exit code) of the container's run, or of the one before; None where there was none. Who waits to run again has
    the last run for its own."""
    status = status_of(pod, container)
    before = previous or "waiting" in (status.get("state") or {})
    state = status.get("lastState" if before else "state") or {}
    ended = state.get("terminated")
    begun = (ended or state.get("running") or {}).get("startedAt")
    if not begun:
        return None
    end = parse_rfc3339(ended["finishedAt"]) if ended and ended.get("finishedAt") else None
    return parse_rfc3339(begun), end, int((ended or {}).get("exitCode") or 0)


def lines(
    pod: Obj, container: str, *, previous: bool = False, said: Sequence[Line] | None = None
) -> list[Line]:
    """The whole log of a run. `said`: what is known to have been written."""
    run = run_of(pod, container, previous=previous)
    if run is None:
        return []
    start, end, code = run
    given = objects.annotations(pod).get(f"{ANNOTATION}{container}")
    if given is not None:
        return [Line(start, text) for text in given.splitlines()]
    if said is not None:
        return [line for line in said if line.moment >= start and (end is None or line.moment <= end)]
    launcher = objects.labels(pod).get("kubevirt.io") == "virt-launcher"
    if launcher and container == "compute":
        found = _launcher(pod, start)
    elif launcher and container == "guest-console-log":
        host = dig(pod, "spec", "hostname", default=objects.name(pod))
        found = [_later(start, after, text.format(host=host, kernel="6.12.0")) for after, text in _CONSOLE]
    else:
        found = _plain(pod, container, start)
    if end is not None:
        found = [line for line in found if line.moment <= end]
        how = "finished" if code == 0 else f"failed with exit code {code}"
        found.append(Line(end, f"{container}: {how}"))
    return found


def _plain(pod: Obj, container: str, start: datetime) -> list[Line]:
    spec = spec_of(pod, container)
    found = [_later(start, 0.0, f"{container}: started {spec.get('image', '')}")]
    found += [
        _later(start, 0.01, f"{container}: listening on port {one['containerPort']}")
        for one in spec.get("ports") or ()
    ]
    return found


def _launcher(pod: Obj, start: datetime) -> list[Line]:
    domain = objects.labels(pod).get("vm.kubevirt.io/name", "")
    found = []
    for after, message, where in (*_LAUNCHER, *((_DEBUG,) if _tells_all(pod) else ())):
        moment = start + timedelta(seconds=after)
        source = {"subcomponent": "libvirt"} if where == _LIBVIRT else {"pos": where}
        entry = {
            "component": "virt-launcher",
            "level": "info",
            "msg": message.replace("default_guest", f"{objects.namespace(pod)}_{domain}"),
            **source,
            "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
        found.append(Line(moment, orjson.dumps(entry).decode()))
    return found


def _tells_all(pod: Obj) -> bool:
    """Whether libvirt is to say everything: by a label, by filters of one's own, or because KubeVirt is to say much."""
    marks = {**objects.annotations(pod), **objects.labels(pod)}
    much = (digits.number(marks.get("logVerbosity", "")) or 0) > _MUCH
    return marks.get("debugLogs") == "true" or "kubevirt.io/libvirt-log-filters" in marks or much


def _later(start: datetime, seconds: float, text: str) -> Line:
    return Line(start + timedelta(seconds=seconds), text)


def chosen(found: Sequence[Line], options: Options) -> list[Line]:
    """The lines that are asked for."""
    if options.since is not None:
        found = [line for line in found if line.moment >= options.since]
    if options.tail is not None:
        found = found[max(0, len(found) - options.tail) :]
    return list(found)


def text_of(found: Iterable[Line], options: Options) -> bytes:
    """Lines as they are sent, no longer than allowed."""
    said = "".join(
        f"{_stamp(line.moment)} {line.text}\n" if options.timestamps else f"{line.text}\n" for line in found
    )
    data = said.encode()
    return data if options.limit is None else data[: options.limit]


def _stamp(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='microseconds').replace('+00:00', '')}000Z"
