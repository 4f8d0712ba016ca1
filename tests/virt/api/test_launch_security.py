"""Guests whose memory their host cannot read, as upstream's webhooks for amd64 and s390x judge them."""

from typing import Any

import pytest

from fakekube.virt.api.launch_security import launch_security
from fakekube.virt.causes import FORBIDDEN, Cause
from fakekube.virt.config import ClusterConfig

Object = dict[str, Any]

WHERE = "spec.launchSecurity"
EFI = {"firmware": {"bootloader": {"efi": {"secureBoot": False}}}}
OPEN = ("WorkloadEncryptionSEV", "WorkloadEncryptionTDX", "SecureExecution")
TOGETHER = "AuthorKey, IdBlock, and IdAuth must all be set together for guest identity attestation"
HASHES = "KernelHashes requires direct kernel boot configuration (spec.domain.firmware.kernelBoot)"


def config(*gates: str, shut: tuple[str, ...] = (), architecture: str = "amd64") -> ClusterConfig:
    developer = {"featureGates": list(gates), "disabledFeatureGates": list(shut)}
    return ClusterConfig(architecture, {"developerConfiguration": developer})


def judged(
    wanted: Object | None, given: ClusterConfig, domain: Object | None = None, **spec: Any
) -> list[Cause]:
    made = {"domain": {**(domain or {}), "launchSecurity": wanted}, **spec}
    return list(launch_security("spec", made, given))


def test_nothing_is_asked_for() -> None:
    """Where memory need not be encrypted there is nothing to judge."""
    assert judged(None, config()) == []


@pytest.mark.parametrize("wanted", [{}, {"sev": {}, "tdx": {}}, {"sev": {}, "snp": {}}])
def test_one_of_them(wanted: Object) -> None:
    """There is one kind of it, and not more."""
    text = "One and only one launchSecurity type can be set"
    assert judged(wanted, config(*OPEN), EFI) == [Cause(text, WHERE, FORBIDDEN)]


@pytest.mark.parametrize(
    ("kind", "gate"),
    [("sev", "WorkloadEncryptionSEV"), ("snp", "WorkloadEncryptionSEV"), ("tdx", "WorkloadEncryptionTDX")],
)
def test_gates(kind: str, gate: str) -> None:
    """Each kind has a gate, and nothing else is said while it is shut; SEV's is open unless somebody shuts it."""
    shut = config(shut=(gate,))
    assert judged({kind: {}}, shut) == [
        Cause(f"{gate} feature gate is not enabled in kubevirt-config", WHERE)
    ]
    assert judged({kind: {}}, config(gate), EFI) == []
    assert (judged({kind: {}}, config(), EFI) == []) is (gate == "WorkloadEncryptionSEV")


def test_mainframes() -> None:
    """On s390x there is one way of it, which has its own gate, whatever kind is named."""
    text = "SecureExecution feature gate is not enabled in kubevirt-config"
    for spec, given in (({"architecture": "s390x"}, "amd64"), ({}, "s390x")):
        assert judged({}, config(architecture=given), **spec) == [Cause(text, WHERE)]
        assert judged({}, config("SecureExecution", architecture=given), **spec) == []


@pytest.mark.parametrize(
    ("kind", "efi", "texts"),
    [
        ("sev", None, ["SEV requires OVMF (UEFI)"]),
        ("snp", None, ["SNP requires OVMF (UEFI)"]),
        ("tdx", None, ["TDX requires OVMF (UEFI)"]),
        ("sev", {}, ["SEV does not work along with SecureBoot"]),
        ("snp", {"secureBoot": True}, ["SNP does not work along with SecureBoot"]),
        ("tdx", {"secureBoot": True}, []),
        ("sev", {"secureBoot": False, "persistent": True}, []),
        (
            "snp",
            {"persistent": True},
            [
                "SNP does not work along with SecureBoot",
                "SNP does not work along with Persistent EFI variables",
            ],
        ),
        ("tdx", {"persistent": True}, ["TDX does not work along with Persistent EFI variables"]),
        ("tdx", {"persistent": False}, []),
    ],
)
def test_what_it_boots_with(kind: str, efi: Object | None, texts: list[str]) -> None:
    """It boots by EFI: SEV not securely, TDX without what is kept, SNP neither."""
    loader = {"bios": {}} if efi is None else {"efi": efi}
    found = judged({kind: {}}, config(*OPEN), {"firmware": {"bootloader": loader}})
    assert found == [Cause(text, WHERE) for text in texts]


@pytest.mark.parametrize(
    ("smm", "wrong"), [({}, True), ({"enabled": True}, True), ({"enabled": False}, False)]
)
def test_management_mode(smm: Object, wrong: bool) -> None:
    """TDX goes without SMM; SEV does not mind."""
    domain = {**EFI, "features": {"smm": smm}}
    text = [Cause("TDX does not work along with SMM", WHERE)] if wrong else []
    assert judged({"tdx": {}}, config(*OPEN), domain) == text
    assert judged({"sev": {}}, config(*OPEN), domain) == []


def test_attestation() -> None:
    """Who attests a guest by SEV does so before it runs; SNP is attested from inside."""
    wanted = {"sev": {"attestation": {}}}
    text = "SEV attestation requires VMI StartStrategy 'Paused'"
    assert judged(wanted, config(), EFI) == [Cause(text, WHERE)]
    assert judged(wanted, config(), EFI, startStrategy="Paused") == []


@pytest.mark.parametrize(
    ("policy", "right"),
    [
        *(
            (one, True)
            for one in ("", "0", "196608", "0x30000", "0X3f", "0b11", "0o17", "017", "0x_ff", "1_000")
        ),
        *(
            (one, False)
            for one in ("high", "0x", "-1", "+1", " 1", "1 ", "08", "1__0", "_1", "0xg", "\u0663")
        ),
        (str(2**64 - 1), True),
        (str(2**64), False),
    ],
)
def test_policies(policy: str, right: bool) -> None:
    """SNP's policy is a number of 64 bits, as Go reads one."""
    text = f"{policy} is not a valid SEV-SNP Policy Config"
    assert judged({"snp": {"policy": policy}}, config(), EFI) == ([] if right else [Cause(text, WHERE)])


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ((), True),
        (("authorKey", "idBlock", "idAuth"), True),
        (("authorKey",), False),
        (("idBlock", "idAuth"), False),
    ],
)
def test_identities(given: tuple[str, ...], right: bool) -> None:
    """What identifies a guest to SNP is given as a whole, or not at all."""
    found = judged({"snp": dict.fromkeys(given, "a")}, config(), EFI)
    assert found == ([] if right else [Cause(TOGETHER, f"{WHERE}.snp")])


def test_hashes_of_kernels() -> None:
    """Hashes are of a kernel that an image brings."""
    wanted, image = {"snp": {"kernelHashes": "on"}}, {"container": {"image": "a", "kernelPath": "/a"}}
    assert judged(wanted, config(), EFI) == [Cause(HASHES, f"{WHERE}.snp.kernelHashes")]
    assert judged(wanted, config(), {"firmware": {**EFI["firmware"], "kernelBoot": image}}) == []


def test_cards_to_boot_from() -> None:
    """It boots from no network, and each card that was to be booted from is told."""
    cards = [{"name": "a", "bootOrder": 1}, {"name": "b"}, {"name": "c", "bootOrder": 2}]
    found = judged({"snp": {}}, config(), {**EFI, "devices": {"interfaces": cards}})
    assert found == [Cause(f"SNP does not work with bootable NICs: {one}", WHERE) for one in "ac"]


def test_all_at_once() -> None:
    """What is wrong is told in upstream's order."""
    cards = [{"name": "a", "bootOrder": 1}]
    wanted = {"snp": {"policy": "high", "idAuth": "a", "kernelHashes": "on"}}
    found = judged(wanted, config(), {"devices": {"interfaces": cards}})
    assert [one.message for one in found] == [
        "SNP requires OVMF (UEFI)",
        "high is not a valid SEV-SNP Policy Config",
        TOGETHER,
        HASHES,
        "SNP does not work with bootable NICs: a",
    ]
