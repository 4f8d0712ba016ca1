"""What a guest boots from, beside its disks: ACPI tables, a boot loader, a kernel. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.api import disks
from fakekube.virt.causes import Cause, required

Spec = Mapping[str, Any]


def acpi(path: str, spec: Spec) -> Iterator[Cause]:
    tables = (spec["domain"].get("firmware") or {}).get("acpi")
    field = f"{path}.acpi"
    if tables is None:
        return
    if not tables.get("slicNameRef") and not tables.get("msdmNameRef"):
        yield Cause("ACPI was set but no SLIC nor MSDM volume reference was set", field)
    for member in ("slicNameRef", "msdmNameRef"):
        wanted = tables.get(member)
        if not wanted:
            continue
        found = next((one for one in spec.get("volumes") or () if one["name"] == wanted), None)
        if found is None:
            yield Cause(f"{field} does not have a matching Volume.", f"{field}.{member}")
        elif found.get("secret") is None:
            yield Cause(f"{field} refers to Volume of unsupported type.", f"{field}.{member}")


def has_efi(spec: Spec) -> bool:
    return _loader(spec).get("efi") is not None


def boots_securely(spec: Spec) -> bool:
    efi = _loader(spec).get("efi")
    return efi is not None and efi.get("secureBoot") is not False


def has_smm(spec: Spec) -> bool:
    smm = (spec["domain"].get("features") or {}).get("smm")
    return smm is not None and smm.get("enabled") is not False


def alone(path: str, spec: Spec) -> Iterator[Cause]:
    """The firmware, whatever else there is. `path` is the domain's."""
    given = spec["domain"].get("firmware") or {}
    if has_efi(spec) and _loader(spec).get("bios") is not None:
        where = f"{path}.firmware.bootloader"
        yield Cause(f"{where} has both EFI and BIOS configured, but they are mutually exclusive.", where)
    yield from _kernel_boot(f"{path}.firmware.kernelBoot", given.get("kernelBoot"))


def firmware(path: str, spec: Spec) -> Iterator[Cause]:
    """And what it needs of the domain."""
    yield from alone(path, spec)
    sealed = (spec["domain"].get("launchSecurity") or {}).get("tdx") is not None  # which does without SMM
    if boots_securely(spec) and not has_smm(spec) and not sealed:
        yield Cause(
            f"{path} has EFI SecureBoot enabled. SecureBoot requires SMM, which is currently disabled.", path
        )


def _loader(spec: Spec) -> Spec:
    return (spec["domain"].get("firmware") or {}).get("bootloader") or {}


def _kernel_boot(path: str, boot: Spec | None) -> Iterator[Cause]:
    if boot is None:
        return
    container = boot.get("container")
    if container is None:
        if boot.get("kernelArgs"):
            text = "kernel arguments cannot be provided without an external kernel"
            yield Cause(text, f"{path}.kernelArgs")
        return
    here = f"{path}.container"
    if not container.get("image"):
        yield required(f"{here} must be defined with an image", f"{here}.image")
    paths = {member: container.get(member) for member in ("kernelPath", "initrdPath")}
    if not any(paths.values()):
        yield required(
            f"{here} must be defined with at least one of the following: kernelPath, initrdPath", here
        )
    for member, given in paths.items():
        if given:
            yield from disks.file_path(f"{here}.{member}", given)
