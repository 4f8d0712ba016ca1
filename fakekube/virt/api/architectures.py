"""What goes with an architecture, and with Hyper-V's features; judged of instances alone, when their defaults are applied. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/{amd64,arm64,s390x,hyperv}.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.causes import Cause, not_supported, required

Spec = Mapping[str, Any]
_VIDEO = {
    "amd64": ("vga", "cirrus", "virtio", "ramfb", "bochs"),
    "arm64": ("virtio", "ramfb"),
    "s390x": ("virtio",),
}
_WATCHDOGS = {"amd64": ("i6300esb", "diag288", "I6300ESB"), "s390x": ("diag288", "i6300esb", "Diag288")}
# Leaves first, as upstream looks at them.
HYPERV_NEEDS = (
    ("evmcs", "vapic"),
    ("ipi", "vpindex"),
    ("tlbflush", "vpindex"),
    ("synictimer", "synic"),
    ("synic", "vpindex"),
)
_FEATURES = "spec.domain.features.hyperv"


def hyperv(spec: Spec) -> Iterator[Cause]:
    """Features that need others have them, which is seen to by default: who refuses them is told."""
    features = spec["domain"].get("features") or {}
    wanted = features.get("hyperv")
    if wanted is None:
        return
    for own, needed in HYPERV_NEEDS:
        if is_on(wanted, own) and not is_on(wanted, needed):
            # Upstream appends the way to the features to itself.
            at = f"{_FEATURES}.domain.features.hyperv"
            yield Cause(f"'{at}.{own}' requires '{at}.{needed}', which was disabled.", f"{at}.{own}")
    if wanted.get("evmcs") is not None and wanted["evmcs"].get("enabled") is not False:
        yield from _vmx((spec["domain"].get("cpu") or {}).get("features") or ())
    if features.get("hypervPassthrough") is not None:
        yield Cause(
            "Cannot explicitly set hyperV features if HypervPassthrough is being used. "
            "Please use either HyperV or HypervPassthrough.",
            _FEATURES,
        )


def is_on(features: Spec, own: str) -> bool:
    """Whether a feature is on explicitly."""
    return (features.get(own) or {}).get("enabled") is True


def _vmx(features: Any) -> Iterator[Cause]:
    if not features:
        yield required("vmx cpu feature is required when evmcs is set", "spec.domain.cpu.features")
    for index, one in enumerate(features):
        if one["name"] == "vmx" and one.get("policy") != "require":
            text = "vmx cpu feature has to be set to require policy"
            yield Cause(text, f"spec.domain.cpu.features[{index}].policy")


def settings(path: str, spec: Spec) -> Iterator[Cause]:
    """What an architecture lacks."""
    architecture = spec.get("architecture") or ""
    if architecture not in _VIDEO:
        yield Cause(f"unsupported architecture: {architecture}", f"{path}.architecture")
        return
    devices, at = spec["domain"].get("devices") or {}, f"{path}.domain.devices"
    if architecture == "arm64":
        yield from _arm64(path, spec)
    watchdog = devices.get("watchdog")
    if watchdog is not None and architecture in _WATCHDOGS:
        own, other, word = _WATCHDOGS[architecture]
        if watchdog.get(own) is None or watchdog.get(other) is not None:
            yield not_supported(f"{architecture} only supports {word} watchdog device", f"{at}.watchdog")
    video = devices.get("video")
    if video is not None and video.get("type") not in _VIDEO[architecture]:
        text = f"video model '{video.get('type') or ''}' is not supported on {architecture} architecture"
        yield not_supported(text, f"{at}.video.type")


def _arm64(path: str, spec: Spec) -> Iterator[Cause]:
    domain = spec["domain"]
    loader, at = (domain.get("firmware") or {}).get("bootloader") or {}, f"{path}.domain"
    if loader.get("bios") is not None:
        text = "Arm64 does not support bios boot, please change to uefi boot"
        yield not_supported(text, f"{at}.firmware.bootloader.bios")
    if (domain.get("cpu") or {}).get("model") not in (None, "", "host-passthrough"):
        text = "currently, host-passthrough is the only model supported on Arm64"
        yield not_supported(text, f"{at}.cpu.model")
    devices = domain.get("devices") or {}
    for index, disk in enumerate(devices.get("disks") or ()):
        for target in ("disk", "cdrom", "lun"):
            if (disk.get(target) or {}).get("bus") not in (None, "", "virtio", "scsi"):
                text = "Arm64 not support this disk bus type, please use virtio or scsi"
                yield not_supported(text, f"{at}.devices.disks[{index}].{target}.bus")
    for member, text in (
        ("watchdog", "Arm64 not support Watchdog device"),
        ("sound", "Arm64 not support sound device"),
    ):
        if devices.get(member) is not None:
            yield not_supported(text, f"{at}.devices.{member}")
