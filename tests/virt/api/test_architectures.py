"""What goes with an architecture, and with Hyper-V's features, as upstream's webhooks of each judge it."""

from typing import Any

import pytest

from fakekube.machinery.objects import dig
from fakekube.virt.api import architectures
from fakekube.virt.causes import Cause, not_supported, required

Object = dict[str, Any]

DEVICES = "spec.domain.devices"
HYPERV = "spec.domain.features.hyperv"
ON, OFF = {"enabled": True}, {"enabled": False}


def spec_of(architecture: str) -> Object:
    domain = {"devices": {}, "memory": {"guest": "1Gi"}}
    return {"spec": {"architecture": architecture, "domain": domain}}


def settings(architecture: str, **domain: Any) -> list[Cause]:
    return list(architectures.settings("spec", {"architecture": architecture, "domain": domain}))


@pytest.mark.parametrize("architecture", ["arm64", "s390x"])
async def test_foreign_architectures(cluster: Any, architecture: str) -> None:
    """Machines and instances may be of another architecture than the cluster's own; whether there is a node, others see."""
    for made in (
        await cluster.vmi(architecture=architecture),
        await cluster.vm(template=spec_of(architecture)),
    ):
        assert dig(made, "spec", "template", "spec", default=made["spec"])["architecture"] == architecture


@pytest.mark.parametrize("architecture", ["", "ppc64le"])
def test_unknown_architectures(architecture: str) -> None:
    """There are three, and one is told."""
    assert settings(architecture, devices={"watchdog": {}}) == [
        Cause(f"unsupported architecture: {architecture}", "spec.architecture")
    ]


@pytest.mark.parametrize(
    ("architecture", "right"),
    [
        ("amd64", ("vga", "cirrus", "virtio", "ramfb", "bochs")),
        ("arm64", ("virtio", "ramfb")),
        ("s390x", ("virtio",)),
    ],
)
def test_video(architecture: str, right: tuple[str, ...]) -> None:
    """Each has its models of graphics cards; one that is given is of one of them."""
    for model in ("vga", "cirrus", "virtio", "ramfb", "bochs", "qxl", ""):
        text = f"video model '{model}' is not supported on {architecture} architecture"
        wrong = [] if model in right else [not_supported(text, f"{DEVICES}.video.type")]
        assert settings(architecture, devices={"video": {"type": model}}) == wrong


@pytest.mark.parametrize(
    ("architecture", "right", "text"),
    [
        ("amd64", "i6300esb", "amd64 only supports I6300ESB watchdog device"),
        ("s390x", "diag288", "s390x only supports Diag288 watchdog device"),
        ("arm64", "", "Arm64 not support Watchdog device"),
    ],
)
def test_watchdogs(architecture: str, right: str, text: str) -> None:
    """Each has its watchdog, and no other beside it; one has none."""
    for kinds in (("i6300esb",), ("diag288",), ("i6300esb", "diag288"), ()):
        found = settings(architecture, devices={"watchdog": {kind: {} for kind in kinds}})
        wrong = [] if kinds == (right,) else [not_supported(text, f"{DEVICES}.watchdog")]
        assert found == wrong


@pytest.mark.parametrize(
    ("domain", "text", "field"),
    [
        (
            {"firmware": {"bootloader": {"bios": {}}}},
            "Arm64 does not support bios boot, please change to uefi boot",
            "spec.domain.firmware.bootloader.bios",
        ),
        (
            {"cpu": {"model": "host-model"}},
            "currently, host-passthrough is the only model supported on Arm64",
            "spec.domain.cpu.model",
        ),
        *(
            (
                {"devices": {"disks": [{"disk": {"bus": "virtio"}}, {target: {"bus": bus}}]}},
                "Arm64 not support this disk bus type, please use virtio or scsi",
                f"{DEVICES}.disks[1].{target}.bus",
            )
            for target, bus in (("disk", "sata"), ("cdrom", "usb"), ("lun", "sata"))
        ),
        ({"devices": {"sound": {"name": "a"}}}, "Arm64 not support sound device", f"{DEVICES}.sound"),
    ],
)
def test_arm(domain: Object, text: str, field: str) -> None:
    """What guests on Arm cannot have; elsewhere they may."""
    assert settings("arm64", **domain) == [not_supported(text, field)]
    assert settings("amd64", **domain) == []


@pytest.mark.parametrize("efi", [{}, {"secureBoot": True}, {"secureBoot": False}])
def test_right_on_arm(efi: Object) -> None:
    """EFI, the host's CPU, and disks on virtio or SCSI."""
    domain = {
        "firmware": {"bootloader": {"efi": efi}},
        "cpu": {"model": "host-passthrough"},
        "devices": {"disks": [{"cdrom": {"bus": "scsi"}}, {"disk": {"bus": ""}}, {"lun": {}}]},
    }
    assert settings("arm64", **domain) == []


@pytest.mark.parametrize(
    ("own", "needed"),
    [
        ("evmcs", "vapic"),
        ("ipi", "vpindex"),
        ("tlbflush", "vpindex"),
        ("synictimer", "synic"),
        ("synic", "vpindex"),
    ],
)
def test_what_hyperv_needs(own: str, needed: str) -> None:
    """A feature that is on needs another one; the way to both is said twice, as upstream says it."""
    at = f"{HYPERV}.domain.features.hyperv"
    cpu = {"features": [{"name": "vmx", "policy": "require"}]}
    more = {"vpindex": ON} if own == "synictimer" else {}

    def judged(**features: Object) -> list[Cause]:
        return list(architectures.hyperv({"domain": {"features": {"hyperv": features}, "cpu": cpu}}))

    wrong = Cause(f"'{at}.{own}' requires '{at}.{needed}', which was disabled.", f"{at}.{own}")
    assert judged(**{own: ON, needed: OFF, **more}) == [wrong]
    assert judged(**{own: ON, needed: ON, "vpindex": ON}) == []
    assert judged(**{own: OFF, needed: OFF}) == []


@pytest.mark.parametrize(
    ("features", "found"),
    [
        (None, [required("vmx cpu feature is required when evmcs is set", "spec.domain.cpu.features")]),
        ([{"name": "vmx", "policy": "require"}], []),
        ([{"name": "apic"}], []),
        (
            [{"name": "apic"}, {"name": "vmx", "policy": "optional"}],
            [Cause("vmx cpu feature has to be set to require policy", "spec.domain.cpu.features[1].policy")],
        ),
    ],
)
def test_nested_hyperv(features: list[Object] | None, found: list[Cause]) -> None:
    """EVMCS wants the CPU's vmx; features are looked at only if there are any."""
    for evmcs in ({}, ON):
        domain = {"features": {"hyperv": {"evmcs": evmcs, "vapic": ON}}, "cpu": {"features": features}}
        assert list(architectures.hyperv({"domain": domain})) == found
    assert list(architectures.hyperv({"domain": {"features": {"hyperv": {"evmcs": OFF}}}})) == []


def test_hyperv_passed_through() -> None:
    """Who takes all the host has chooses nothing of it."""
    text = (
        "Cannot explicitly set hyperV features if HypervPassthrough is being used. "
        "Please use either HyperV or HypervPassthrough."
    )
    both = {"features": {"hyperv": {}, "hypervPassthrough": {"enabled": True}}}
    assert list(architectures.hyperv({"domain": both})) == [Cause(text, HYPERV)]
    assert list(architectures.hyperv({"domain": {"features": {"hypervPassthrough": {}}}})) == []
