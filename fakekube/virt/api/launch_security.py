"""Guests whose memory their host cannot read. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/{amd64,s390x}.go
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.api import firmware
from fakekube.virt.causes import FORBIDDEN, Cause
from fakekube.virt.config import ClusterConfig

Spec = Mapping[str, Any]
_GATES = {"sev": "WorkloadEncryptionSEV", "snp": "WorkloadEncryptionSEV", "tdx": "WorkloadEncryptionTDX"}
_IDENTITY = ("authorKey", "idBlock", "idAuth")
_HIGHEST_POLICY = 2**64
_NUMBER = re.compile(
    "0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]((?:_?[0-7])+)|(0(?:_?[0-7])*)|([1-9](?:_?[0-9])*)"
)
_BASES = (16, 2, 8, 8, 10)


def launch_security(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    wanted = spec["domain"].get("launchSecurity")
    where = f"{path}.launchSecurity"
    if wanted is None:
        return
    if (spec.get("architecture") or config.default_architecture) == "s390x":
        if not config.gate("SecureExecution"):
            yield Cause(_closed("SecureExecution"), where)
        return
    kinds = [one for one in _GATES if wanted.get(one) is not None]
    if len(kinds) != 1:
        yield Cause("One and only one launchSecurity type can be set", where, FORBIDDEN)
    elif not config.gate(_GATES[kinds[0]]):
        yield Cause(_closed(_GATES[kinds[0]]), where)
    else:
        yield from _fits(where, kinds[0], wanted[kinds[0]], spec)


def _closed(gate: str) -> str:
    return f"{gate} feature gate is not enabled in kubevirt-config"


def _fits(where: str, kind: str, wanted: Spec, spec: Spec) -> Iterator[Cause]:
    """What else the guest is must go with its memory being encrypted."""
    word = kind.upper()
    if kind == "tdx" and firmware.has_smm(spec):
        yield Cause("TDX does not work along with SMM", where)
    if not firmware.has_efi(spec):
        yield Cause(f"{word} requires OVMF (UEFI)", where)
    else:
        if kind != "tdx" and firmware.boots_securely(spec):
            yield Cause(f"{word} does not work along with SecureBoot", where)
        if kind != "sev" and spec["domain"]["firmware"]["bootloader"]["efi"].get("persistent"):
            yield Cause(f"{word} does not work along with Persistent EFI variables", where)
    if kind == "sev" and wanted.get("attestation") is not None and spec.get("startStrategy") != "Paused":
        yield Cause("SEV attestation requires VMI StartStrategy 'Paused'", where)
    if kind == "snp":
        yield from _nested_paging(where, wanted, spec)
    for interface in (spec["domain"].get("devices") or {}).get("interfaces") or ():
        if interface.get("bootOrder") is not None:
            yield Cause(f"{word} does not work with bootable NICs: {interface['name']}", where)


def _nested_paging(where: str, wanted: Spec, spec: Spec) -> Iterator[Cause]:
    if (policy := wanted.get("policy")) and not _is_number(policy):
        yield Cause(f"{policy} is not a valid SEV-SNP Policy Config", where)
    given = [bool(wanted.get(one)) for one in _IDENTITY]
    if any(given) and not all(given):
        text = "AuthorKey, IdBlock, and IdAuth must all be set together for guest identity attestation"
        yield Cause(text, f"{where}.snp")
    boot = (spec["domain"].get("firmware") or {}).get("kernelBoot") or {}
    if wanted.get("kernelHashes") and boot.get("container") is None:
        text = "KernelHashes requires direct kernel boot configuration (spec.domain.firmware.kernelBoot)"
        yield Cause(text, f"{where}.snp.kernelHashes")


def _is_number(text: str) -> bool:
    """Whether it is one of 64 bits, in any of Go's notations."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return False
    digits, base = next((digits, base) for digits, base in zip(found.groups(), _BASES, strict=True) if digits)
    try:
        return int(digits.replace("_", ""), base) < _HIGHEST_POLICY
    except ValueError:
        return False  # Python reads no decimal number of thousands of digits
