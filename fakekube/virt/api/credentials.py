"""Credentials an instance hands to its guest: one source, one way. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.causes import Cause

Spec = Mapping[str, Any]


def access_credentials(path: str, spec: Spec) -> Iterator[Cause]:
    listed = spec.get("volumes") or ()
    drives = {
        "noCloud": any(volume.get("cloudInitNoCloud") is not None for volume in listed),
        "configDrive": any(volume.get("cloudInitConfigDrive") is not None for volume in listed),
    }
    for index, credential in enumerate(spec.get("accessCredentials") or ()):
        here = f"{path}.accessCredentials[{index}]"
        key, password = credential.get("sshPublicKey"), credential.get("userPassword")
        if key is not None:
            yield from _ssh_key(here, key, drives)
        if password is not None:
            yield from _one_way(here, f"{here}.userPassword", password, ("qemuGuestAgent",))
        if (key is None) == (password is None):
            yield Cause(f"{here} must have exactly one access credential type set", here)


def _ssh_key(here: str, key: Mapping[str, Any], drives: Mapping[str, bool]) -> Iterator[Cause]:
    method = key.get("propagationMethod") or {}
    field = f"{here}.sshPublicKey.propagationMethod"
    for way, present in drives.items():
        if method.get(way) is not None and not present:
            yield Cause(
                f"{here} requires a {way} volume to exist when the {way} propagationMethod is in use.", field
            )
    agent = method.get("qemuGuestAgent")
    if agent is not None and not agent.get("users"):
        yield Cause(
            f"{here} requires at least one user to be present in the users list",
            f"{field}.qemuGuestAgent.users",
        )
    yield from _one_way(here, f"{here}.sshPublicKey", key, ("noCloud", "configDrive", "qemuGuestAgent"))


def _one_way(here: str, field: str, credential: Mapping[str, Any], ways: tuple[str, ...]) -> Iterator[Cause]:
    if (credential.get("source") or {}).get("secret") is None:
        yield Cause(f"{here} must have exactly one source set", f"{field}.source")
    method = credential.get("propagationMethod") or {}
    if sum(method.get(way) is not None for way in ways) != 1:
        yield Cause(f"{here} must have exactly one propagationMethod set", f"{field}.propagationMethod")
