"""What a guest boots from, as upstream's vmi-create-admitter judges it: each text, and the field it is about."""

from typing import Any

import pytest

from fakekube.virt.api import firmware
from fakekube.virt.causes import INVALID, REQUIRED, Cause

Object = dict[str, Any]

NO_TABLE = "ACPI was set but no SLIC nor MSDM volume reference was set"
NO_VOLUME = "spec.acpi does not have a matching Volume."
WRONG_VOLUME = "spec.acpi refers to Volume of unsupported type."
BOTH_LOADERS = "d.firmware.bootloader has both EFI and BIOS configured, but they are mutually exclusive."
NO_SMM = "d has EFI SecureBoot enabled. SecureBoot requires SMM, which is currently disabled."
CONTAINER = "d.firmware.kernelBoot.container"


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        (None, []),
        ({}, [(NO_TABLE, "spec.acpi")]),
        ({"slicNameRef": "", "msdmNameRef": ""}, [(NO_TABLE, "spec.acpi")]),
        ({"slicNameRef": "secret"}, []),
        ({"slicNameRef": "secret", "msdmNameRef": "secret"}, []),
        ({"slicNameRef": "gone"}, [(NO_VOLUME, "spec.acpi.slicNameRef")]),
        ({"msdmNameRef": "config"}, [(WRONG_VOLUME, "spec.acpi.msdmNameRef")]),
        (
            {"slicNameRef": "config", "msdmNameRef": "gone"},
            [(WRONG_VOLUME, "spec.acpi.slicNameRef"), (NO_VOLUME, "spec.acpi.msdmNameRef")],
        ),
    ],
)
def test_acpi(tables: Object | None, found: list[tuple[str, str]]) -> None:
    """Tables of ACPI are of secrets that are volumes; SLIC is looked at before MSDM."""
    volumes = [
        {"name": "config", "configMap": {"name": "a"}},
        {"name": "secret", "secret": {"secretName": "a"}},
    ]
    spec = {"domain": {"firmware": {} if tables is None else {"acpi": tables}}, "volumes": volumes}
    assert list(firmware.acpi("spec", spec)) == [Cause(*one) for one in found]


@pytest.mark.parametrize(
    ("loader", "features", "found"),
    [
        (None, None, []),
        ({"bios": {}}, None, []),
        ({"efi": {"secureBoot": False}}, None, []),
        ({"efi": {}}, None, [(NO_SMM, "d")]),
        ({"efi": {"secureBoot": True}}, {"smm": {"enabled": False}}, [(NO_SMM, "d")]),
        ({"efi": {"secureBoot": True}}, {"smm": {}}, []),
        ({"efi": {}}, {"smm": {"enabled": True}}, []),
        ({"efi": {"secureBoot": False}, "bios": {}}, None, [(BOTH_LOADERS, "d.firmware.bootloader")]),
        ({"efi": {}, "bios": {}}, {}, [(BOTH_LOADERS, "d.firmware.bootloader"), (NO_SMM, "d")]),
    ],
)
def test_boot_loaders(loader: Object | None, features: Object | None, found: list[tuple[str, str]]) -> None:
    """EFI and BIOS exclude each other; secure boot, which EFI has unless it says otherwise, needs SMM."""
    domain = {"firmware": {"bootloader": loader}, "features": features}
    assert list(firmware.firmware("d", {"domain": domain})) == [Cause(*one) for one in found]


@pytest.mark.parametrize(
    ("wanted", "found"), [({"tdx": {}}, []), ({"sev": {}}, [(NO_SMM, "d")]), (None, [(NO_SMM, "d")])]
)
def test_secure_boot_of_sealed_guests(wanted: Object | None, found: list[tuple[str, str]]) -> None:
    """Guests sealed by TDX boot securely without SMM, which they cannot have."""
    domain = {"firmware": {"bootloader": {"efi": {}}}, "launchSecurity": wanted}
    assert list(firmware.firmware("d", {"domain": domain})) == [Cause(*one) for one in found]


@pytest.mark.parametrize(
    ("boot", "found"),
    [
        (None, []),
        ({}, []),
        (
            {"kernelArgs": "quiet"},
            [
                (
                    "kernel arguments cannot be provided without an external kernel",
                    "d.firmware.kernelBoot.kernelArgs",
                    INVALID,
                )
            ],
        ),
        ({"container": {"image": "a", "kernelPath": "/boot/vmlinuz"}, "kernelArgs": "quiet"}, []),
        ({"container": {"image": "a", "initrdPath": "/boot/initrd/"}}, []),
        (
            {"container": {}},
            [
                (f"{CONTAINER} must be defined with an image", f"{CONTAINER}.image", REQUIRED),
                (
                    f"{CONTAINER} must be defined with at least one of the following: kernelPath, initrdPath",
                    CONTAINER,
                    REQUIRED,
                ),
            ],
        ),
        (
            {"container": {"image": "a", "kernelPath": "/", "initrdPath": "boot/initrd"}},
            [
                (f"{CONTAINER}.kernelPath must not point to root", f"{CONTAINER}.kernelPath", INVALID),
                (
                    f"{CONTAINER}.initrdPath must be an absolute path to a file without relative components",
                    f"{CONTAINER}.initrdPath",
                    INVALID,
                ),
            ],
        ),
    ],
)
def test_kernels(boot: Object | None, found: list[tuple[str, str, str]]) -> None:
    """A kernel, or what is loaded first, comes from an image, by a path in it; arguments need a kernel."""
    spec = {"domain": {"firmware": {"kernelBoot": boot}}}
    assert list(firmware.firmware("d", spec)) == [Cause(*one) for one in found]


@pytest.mark.parametrize("path", ["/a/../b", "/a/./b", "//a", "/a//b", "../a", "/..", "/a/.."])
def test_paths_with_detours(path: str) -> None:
    """A path is said without detours."""
    container = {"image": "a", "kernelPath": path}
    (found,) = firmware.firmware("d", {"domain": {"firmware": {"kernelBoot": {"container": container}}}})
    text = f"{CONTAINER}.kernelPath must be an absolute path to a file without relative components"
    assert found == Cause(text, f"{CONTAINER}.kernelPath")
