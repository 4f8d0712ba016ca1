"""What a guest's agent can be asked for: everything, but what the guest's cloud-init forbids it; and whether that is enough. Pure.

Origin: kubevirt: pkg/virt-handler/agent_commands.go; qemu: qga (BLACKLIST_RPC, block-rpcs)
"""

import base64
import re
from binascii import Error as NotBase64Error
from collections.abc import Iterable

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object

_BASIC = frozenset(
    {
        *(
            "guest-get-fsinfo",
            "guest-get-host-name",
            "guest-get-osinfo",
            "guest-get-time",
            "guest-get-timezone",
        ),
        *("guest-get-users", "guest-info", "guest-network-get-interfaces", "guest-ping", "guest-shutdown"),
    }
)
_OF_CREDENTIAL = {  # kind of credential → what brings it in, and what is said if that cannot be done
    "sshPublicKey": (
        {
            *("guest-ssh-add-authorized-keys", "guest-ssh-get-authorized-keys"),
            "guest-ssh-remove-authorized-keys",
        },
        "public key",
    ),
    "userPassword": ({"guest-set-user-password"}, "password"),
}
_COMMANDS = sorted(
    {
        *_BASIC,
        *(command for needed, _ in _OF_CREDENTIAL.values() for command in needed),
        *("guest-exec", "guest-exec-status", "guest-sync"),
        *("guest-fsfreeze-freeze", "guest-fsfreeze-status", "guest-fsfreeze-thaw"),
    }
)
_FORBIDDEN = re.compile(r"(?:BLACKLIST_RPC|BLOCK_RPCS|block-rpcs)\s*=\s*([\w,-]+)")


def commands(vmi: Obj) -> list[Object]:
    """`supportedCommands` of what the agent tells of itself."""
    denied = {
        one for text in _user_data(vmi) for found in _FORBIDDEN.findall(text) for one in found.split(",")
    }
    return [{"name": one, "enabled": one not in denied} for one in _COMMANDS]


def shortcoming(vmi: Obj) -> str:
    """Why the agent is not one KubeVirt can work with; or empty."""
    enabled = {one["name"] for one in commands(vmi) if one["enabled"]}
    if not enabled >= _BASIC:
        return "This guest agent doesn't support required basic commands"
    for kind, (needed, word) in _OF_CREDENTIAL.items():
        if brings(vmi, kind) and not enabled >= needed:
            return f"This guest agent doesn't support required {word} commands"
    return ""


def brings(vmi: Obj, *kinds: str) -> bool:
    """Whether the agent is to bring credentials of these kinds into the guest; of any kind, if none is named."""
    return any(
        "qemuGuestAgent" in dig(one, kind, "propagationMethod", default={})
        for one in dig(vmi, "spec", "accessCredentials", default=())
        for kind in kinds or _OF_CREDENTIAL
    )


def _user_data(vmi: Obj) -> Iterable[str]:
    """What cloud-init does in the guest, as far as the instance says it itself."""
    for volume in dig(vmi, "spec", "volumes", default=()):
        source = volume.get("cloudInitNoCloud") or volume.get("cloudInitConfigDrive") or {}
        yield source.get("userData") or ""
        try:
            yield base64.b64decode(source.get("userDataBase64") or "").decode(errors="replace")
        except NotBase64Error:  # which cloud-init would not understand, either
            continue
