"""What a command from virt-api changes in a VMI, and what the guest's agent answers. Pure.

Origin: kubevirt: pkg/virt-handler/rest/lifecycle.go, pkg/virt-launcher/virtwrap/agent-poller
"""

from collections.abc import Callable, Mapping
from typing import Any

from fakekube.machinery.errors import BadRequest, InternalError
from fakekube.machinery.objects import Obj, condition_is, conditions, dig, name
from fakekube.machinery.wire import Object
from fakekube.virt.handler import agent, systems

BY_USER = ("PausedByUser", "VMI was paused by user")


def paused(reason: str, message: str, now: str) -> Object:
    """The condition of a guest that stands still."""
    return {
        "type": "Paused",
        "status": "True",
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def with_condition(vmi: Object, new: Object) -> Object:
    listed = [one for one in conditions(vmi) if one["type"] != new["type"]]
    return {**vmi, "status": {**vmi["status"], "conditions": [*listed, new]}}


def without_condition(vmi: Object, kind: str) -> Object:
    listed = [one for one in conditions(vmi) if one["type"] != kind]
    return {**vmi, "status": {**vmi["status"], "conditions": listed}}


def applied(vmi: Object, verb: str, now: str) -> Object:
    """The VMI after a command that acts. Raises BadRequest for a command nobody knows."""
    change = _CHANGES.get(verb)
    if change is None:
        raise BadRequest(f"virt-handler does not know the command {verb!r}")
    return change(vmi, now)


def _pause(vmi: Object, now: str) -> Object:
    if condition_is(vmi, "Paused"):
        return vmi
    return with_condition(vmi, paused(*BY_USER, now))


def _freeze(vmi: Object, _now: str) -> Object:
    _reach_agent(vmi, "FreezeVMI")
    return {**vmi, "status": {**vmi["status"], "fsFreezeStatus": "frozen"}}


def _unfreeze(vmi: Object, _now: str) -> Object:
    _reach_agent(vmi, "UnfreezeVMI")
    return {**vmi, "status": {key: value for key, value in vmi["status"].items() if key != "fsFreezeStatus"}}


def _reach_agent(vmi: Obj, command: str) -> None:
    """Raises InternalError where there is no agent."""
    if not condition_is(vmi, "AgentConnected"):
        said = "LibvirtError(Code=86, Domain=10, Message='Guest agent is not responding: QEMU guest agent is not connected')"
        raise InternalError(
            "Internal error occurred: unexpected return code 400 (400 Bad Request), message: "
            f'server error. command {command} failed: "{said}"'
        )


def _inside_the_guest(vmi: Object, _now: str) -> Object:
    """A reboot happens inside the domain: neither phase nor uid nor anything else of the VMI changes."""
    return vmi


_CHANGES: Mapping[str, Callable[[Object, str], Object]] = {
    "pause": _pause,
    "unpause": lambda vmi, _now: without_condition(vmi, "Paused"),
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "softreboot": _inside_the_guest,
    "reset": _inside_the_guest,
}


def answer(vmi: Obj, verb: str) -> Object | None:
    """What the agent tells, for the commands that ask; None for those that act."""
    tell = _ANSWERS.get(verb)
    if tell is None:
        return None
    if not condition_is(vmi, "AgentConnected"):
        raise InternalError("Guest agent is not responding: QEMU guest agent is not connected")
    return tell(vmi)


def _users(_vmi: Obj) -> list[dict[str, Any]]:
    return [{"userName": "fedora", "loginTime": 1767225600.0}]


def _filesystems(vmi: Obj) -> list[dict[str, Any]]:
    targets = [
        entry.get("target") for entry in dig(vmi, "status", "volumeStatus", default=()) if entry.get("target")
    ]
    device = targets[0] if targets else "vda"
    disk = {"busType": "virtio" if device.startswith("vd") else "sata"}
    used, total = 1_400_000_000, 5_300_000_000
    found = {"diskName": f"{device}1", "mountPoint": "/", "fileSystemType": "ext4"}
    return [{**found, "usedBytes": used, "totalBytes": total, "disk": [disk]}]


def _guest_os_info(vmi: Obj) -> Object:
    return {
        "kind": "VirtualMachineInstanceGuestAgentInfo",
        "apiVersion": "kubevirt.io/v1",
        "guestAgentVersion": "9.2.0",
        "supportedCommands": agent.commands(vmi),
        "hostname": dig(vmi, "spec", "hostname") or name(vmi),
        "os": dict(dig(vmi, "status", "guestOSInfo", default={})) or systems.guest_os(vmi),
        "timezone": "UTC, 0",
        "userList": _users(vmi),
        "fsInfo": {"disks": _filesystems(vmi)},
        "fsFreezeStatus": dig(vmi, "status", "fsFreezeStatus", default=""),
    }


_ANSWERS: Mapping[str, Callable[[Obj], Object]] = {
    "guestosinfo": _guest_os_info,
    "userlist": lambda vmi: {
        "kind": "VirtualMachineInstanceGuestOSUserList",
        "apiVersion": "kubevirt.io/v1",
        "metadata": {},
        "items": _users(vmi),
    },
    "filesystemlist": lambda vmi: {
        "kind": "VirtualMachineInstanceFileSystemList",
        "apiVersion": "kubevirt.io/v1",
        "metadata": {},
        "items": _filesystems(vmi),
    },
}
