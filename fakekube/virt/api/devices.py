"""Devices beside disks and interfaces, and what needs an open feature gate. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.api.launch_security import launch_security
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig

Spec = Mapping[str, Any]
_EVICTION = ("LiveMigrate", "LiveMigrateIfPossible", "None", "External")
_PANIC_MODELS = (None, "hyperv", "isa", "pvpanic")


def inputs(path: str, spec: Spec) -> Iterator[Cause]:
    """Input devices are tablets on virtio or USB."""
    for index, one in enumerate(_devices(spec).get("inputs") or ()):
        here = f"{path}.domain.devices.inputs[{index}]"
        if one.get("bus") not in (None, "", "virtio", "usb"):
            yield Cause("Input device can have only virtio or usb bus.", f"{here}.bus")
        if one.get("type") != "tablet":
            yield Cause("Input device can have only tablet type.", f"{here}.type")


def gated(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    """What needs an open feature gate, and the eviction strategy, which the cluster may preset."""
    strategy = spec.get("evictionStrategy")
    if strategy is None:
        strategy = config.eviction_strategy
    if strategy not in _EVICTION:
        where = f"{path}.evictionStrategy"
        yield Cause(f"{where} is set with an unrecognized option: {strategy}", where)
    devices, at = _devices(spec), f"{path}.domain.devices"
    if sum(_has_frame_buffer(one) for one in devices.get("gpus") or ()) > 1:
        yield Cause("configuring multiple displays with ramfb is not valid ", f"{path}.GPUs")
    if devices.get("hostDevices") is not None and not config.gate("HostDevices"):
        yield Cause("Host Devices feature gate is not enabled in kubevirt-config", f"{path}.HostDevices")
    yield from _sound(path, devices.get("sound"))
    yield from launch_security(path, spec, config)
    if devices.get("autoattachVSOCK") and not config.gate("VSOCK"):
        yield Cause("VSOCK feature gate is not enabled in kubevirt-config", f"{at}.autoattachVSOCK")
    if devices.get("downwardMetrics") is not None and not config.gate("DownwardMetrics"):
        text = "downwardMetrics virtio serial is not allowed: DownwardMetrics feature gate is not enabled"
        yield Cause(text, f"{at}.downwardMetrics")
    if (spec["domain"].get("memory") or {}).get("reservedOverhead") and not config.gate(
        "ReservedOverheadMemlock"
    ):
        text = "Reserved overhead memlock feature gate is not enabled in kubevirt-config"
        yield Cause(text, f"{path}.domain.memory.reservedOverhead")
    storage = {
        volume["name"]
        for volume in spec.get("volumes") or ()
        if volume.keys() & {"persistentVolumeClaim", "dataVolume"}
    }
    for filesystem in devices.get("filesystems") or ():
        if filesystem["name"] in storage and not config.gate("EnableVirtioFsStorageVolumes"):
            text = "virtiofs is not allowed: virtiofs feature gate is not enabled for PVC"
            yield Cause(text, f"{at}.filesystems")
    if devices.get("video") is not None and devices.get("autoattachGraphicsDevice") is False:
        text = "Video configuration is not allowed when autoattachGraphicsDevice is set to false"
        yield Cause(text, f"{path}.video")
    if spec["domain"].get("rebootPolicy") is not None and not config.gate("RebootPolicy"):
        text = "RebootPolicy is specified but the RebootPolicy feature gate is not enabled"
        yield Cause(text, f"{path}.domain.rebootPolicy")
    yield from _panic(f"{at}.panicDevices", spec, config)


def _devices(spec: Spec) -> Spec:
    return spec["domain"].get("devices") or {}


def _has_frame_buffer(gpu: Spec) -> bool:
    display = (gpu.get("virtualGPUOptions") or {}).get("display")
    if display is None or display.get("enabled") is False:
        return False
    return display.get("ramFB") is None or display["ramFB"].get("enabled") is True


def _sound(path: str, sound: Spec | None) -> Iterator[Cause]:
    if sound is None:
        return
    if sound.get("model") not in (None, "", "ich9", "ac97"):
        yield Cause("Sound device type is not supported. Options: 'ich9' or 'ac97'", f"{path}.Sound")
    if not sound.get("name"):
        yield Cause("Sound device requires a name field.", f"{path}.Sound")


def _panic(field: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    listed = _devices(spec).get("panicDevices") or ()
    architecture = spec.get("architecture") or config.default_architecture
    if listed and architecture == "s390x":
        yield Cause(f"custom panic devices are not supported on {architecture} architecture", field)
    for index, one in enumerate(listed):
        if one.get("model") not in _PANIC_MODELS:
            yield Cause(f"invalid PanicDeviceModel({one['model']})", f"{field}[{index}].model")
