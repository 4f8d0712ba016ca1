"""Devices beside disks and cards, and what needs an open feature gate, as upstream's vmi-create-admitter judges them."""

from typing import Any

import pytest

from fakekube.virt.api import devices
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig

Object = dict[str, Any]

DEVICES = "spec.domain.devices"
PLAIN = ClusterConfig("amd64")
MODELS = "configuring multiple displays with ramfb is not valid "


def opened(*gates: str) -> ClusterConfig:
    return ClusterConfig("amd64", {"developerConfiguration": {"featureGates": list(gates)}})


def gated(given: Object | None = None, config: ClusterConfig = PLAIN, **spec: Any) -> list[Cause]:
    return list(devices.gated("spec", {"domain": {"devices": given or {}}, **spec}, config))


def test_reboots() -> None:
    """What a reboot does is said while its gate is open, as it is unless somebody shuts it."""
    spec = {"domain": {"rebootPolicy": "Terminate"}}
    shut = ClusterConfig("amd64", {"developerConfiguration": {"disabledFeatureGates": ["RebootPolicy"]}})
    text = "RebootPolicy is specified but the RebootPolicy feature gate is not enabled"
    assert list(devices.gated("spec", spec, PLAIN)) == []
    assert list(devices.gated("spec", spec, shut)) == [Cause(text, "spec.domain.rebootPolicy")]


@pytest.mark.parametrize(
    ("one", "found"),
    [
        ({"type": "tablet"}, []),
        ({"type": "tablet", "bus": "usb"}, []),
        ({"type": "tablet", "bus": ""}, []),
        ({"type": "tablet", "bus": "ps2"}, [("Input device can have only virtio or usb bus.", "bus")]),
        ({"type": "keyboard", "bus": "virtio"}, [("Input device can have only tablet type.", "type")]),
        (
            {"type": "mouse", "bus": "ps2"},
            [
                ("Input device can have only virtio or usb bus.", "bus"),
                ("Input device can have only tablet type.", "type"),
            ],
        ),
    ],
)
def test_inputs(one: Object, found: list[tuple[str, str]]) -> None:
    """Input devices are tablets, on virtio or USB; the bus is looked at first."""
    spec = {"domain": {"devices": {"inputs": [{"type": "tablet"}, one]}}}
    wrong = [Cause(text, f"{DEVICES}.inputs[1].{member}") for text, member in found]
    assert list(devices.inputs("spec", spec)) == wrong


@pytest.mark.parametrize("strategy", ["LiveMigrate", "LiveMigrateIfPossible", "None", "External", None])
def test_eviction_strategies(strategy: str | None) -> None:
    """There are four, and whoever names none has the cluster's."""
    assert gated(evictionStrategy=strategy) == []


@pytest.mark.parametrize("strategy", ["Sometimes", ""])
def test_unknown_eviction_strategies(strategy: str) -> None:
    """Another one is told, and so is an empty one."""
    text = f"spec.evictionStrategy is set with an unrecognized option: {strategy}"
    assert gated(evictionStrategy=strategy) == [Cause(text, "spec.evictionStrategy")]


@pytest.mark.parametrize(
    ("display", "counts"),
    [
        ({}, True),
        ({"enabled": True}, True),
        ({"enabled": False}, False),
        ({"ramFB": {"enabled": True}}, True),
        ({"ramFB": {"enabled": False}}, False),
        ({"ramFB": {}}, False),
        (None, False),
    ],
)
def test_frame_buffers(display: Object | None, counts: bool) -> None:
    """Only one virtual GPU has a display to boot with, which it has unless it says otherwise."""
    first = {"name": "a", "virtualGPUOptions": {"display": {}}}
    second = {"name": "b", "virtualGPUOptions": {"display": display}}
    assert gated({"gpus": [first, second]}) == ([Cause(MODELS, "spec.GPUs")] if counts else [])
    assert gated({"gpus": [first]}) == []


@pytest.mark.parametrize(
    ("given", "gate", "text", "field"),
    [
        (
            {"hostDevices": []},
            "HostDevices",
            "Host Devices feature gate is not enabled in kubevirt-config",
            "spec.HostDevices",
        ),
        (
            {"autoattachVSOCK": True},
            "VSOCK",
            "VSOCK feature gate is not enabled in kubevirt-config",
            f"{DEVICES}.autoattachVSOCK",
        ),
        (
            {"downwardMetrics": {}},
            "DownwardMetrics",
            "downwardMetrics virtio serial is not allowed: DownwardMetrics feature gate is not enabled",
            f"{DEVICES}.downwardMetrics",
        ),
    ],
)
def test_gates(given: Object, gate: str, text: str, field: str) -> None:
    """What needs a gate is refused while it is shut."""
    assert gated(given) == [Cause(text, field)]
    assert gated(given, opened(gate)) == []
    assert gated(dict.fromkeys(given)) == []


def test_reserved_overhead() -> None:
    """Memory is reserved beside the guest's through a gate."""
    spec = {"domain": {"memory": {"reservedOverhead": {"addedOverhead": "1Mi"}}}, "evictionStrategy": "None"}
    text = "Reserved overhead memlock feature gate is not enabled in kubevirt-config"
    field = "spec.domain.memory.reservedOverhead"
    assert list(devices.gated("spec", spec, ClusterConfig("amd64"))) == [Cause(text, field)]
    assert list(devices.gated("spec", spec, opened("ReservedOverheadMemlock"))) == []


def test_filesystems() -> None:
    """Storage is shared with a guest through a gate; what configures it needs none."""
    shared = {"filesystems": [{"name": one} for one in ("claim", "data", "config", "gone")]}
    volumes = [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "a"}},
        {"name": "data", "dataVolume": {"name": "a"}},
        {"name": "config", "configMap": {"name": "a"}},
    ]
    text = "virtiofs is not allowed: virtiofs feature gate is not enabled for PVC"
    assert gated(shared, volumes=volumes) == [Cause(text, f"{DEVICES}.filesystems")] * 2
    assert gated(shared, opened("EnableVirtioFsStorageVolumes"), volumes=volumes) == []


@pytest.mark.parametrize(
    ("sound", "texts"),
    [
        ({"name": "a"}, []),
        ({"name": "a", "model": "ac97"}, []),
        ({"name": "a", "model": "ich9"}, []),
        ({"name": "a", "model": "hda"}, ["Sound device type is not supported. Options: 'ich9' or 'ac97'"]),
        ({"name": ""}, ["Sound device requires a name field."]),
    ],
)
def test_sound(sound: Object, texts: list[str]) -> None:
    """A sound card has a name, and one of two models."""
    assert gated({"sound": sound}) == [Cause(text, "spec.Sound") for text in texts]


def test_video() -> None:
    """A graphics card is of no use to a guest that is to have none."""
    text = "Video configuration is not allowed when autoattachGraphicsDevice is set to false"
    given = {"video": {"type": "virtio"}}
    assert gated({**given, "autoattachGraphicsDevice": False}) == [Cause(text, "spec.video")]
    assert gated({**given, "autoattachGraphicsDevice": True}) == gated(given) == []


def test_panic_devices() -> None:
    """What tells of a guest's panic is of one of three models, which s390x lacks."""
    models = ("hyperv", "isa", "pvpanic", "other")
    given = {"panicDevices": [{"model": one} for one in models] + [{}]}
    at = f"{DEVICES}.panicDevices"
    wrong = Cause("invalid PanicDeviceModel(other)", f"{at}[3].model")
    lacking = Cause("custom panic devices are not supported on s390x architecture", at)
    assert gated(given) == [wrong]
    assert gated(given, architecture="s390x") == gated(given, ClusterConfig("s390x")) == [lacking, wrong]
    assert gated({"panicDevices": []}, architecture="s390x") == []


def test_all_at_once() -> None:
    """What is wrong is told in upstream's order."""
    display = {"virtualGPUOptions": {"display": {}}}
    given = {
        "panicDevices": [{"model": "other"}],
        "video": {},
        "autoattachGraphicsDevice": False,
        "downwardMetrics": {},
        "autoattachVSOCK": True,
        "sound": {"name": ""},
        "hostDevices": [],
        "gpus": [display, display],
    }
    assert [one.message.split()[0] for one in gated(given, evictionStrategy="x")] == [
        *("spec.evictionStrategy", "configuring", "Host", "Sound", "VSOCK"),
        *("downwardMetrics", "Video", "invalid"),
    ]
