"""Block devices of a guest, as its kernel tells of them and programs use them. Pure.

What is on each is told by paths. Files of the one the guest has booted from are where their paths say, those of one that is mounted
below its folder, and of others beside them all: programs find them there (`found`), and what they write goes back (`settled`).
Who keeps it, and how long, is not said here.
"""

from collections.abc import Iterator, Mapping

from fakekube.agents.node_server.place import FOLDER, Container, Done, Files, Program, failed
from fakekube.machinery.objects import Obj, dig
from fakekube.virt import quantities
from fakekube.virt.handler.guest_devices import Contents, Disk

Disks = Mapping[str, Files]  # what is on devices, and in file systems that are shared by a tag

_VOLATILE = ("/dev/", "/proc/", "/run/", "/sys/", "/tmp/")  # noqa: S108 - on no disk, and none of this machine
_KEPT = "/run/disks/"  # what is on devices that are not mounted
_MOUNTED = "/run/mounts/"  # by the folder, with colons for its slashes: the device
_MIB, _SECTOR = 1 << 20, 512
_UNKNOWN = 1 << 30  # of images nobody looks into
_BY_ID = {"virtio": "virtio-", "scsi": "scsi-0QEMU_QEMU_HARDDISK_", "sata": "ata-QEMU_HARDDISK_"}
_LONGEST_SERIAL = 20  # on virtio
_SOURCES = ("/dev/zero", "/dev/urandom", "/dev/random", "/dev/null")
_MEMORY = "/dev/shm/"  # noqa: S108 - of a guest, not of this machine
_MAKERS = ("mkfs", "mke2fs", *(f"mkfs.{one}" for one in ("ext2", "ext3", "ext4", "xfs", "vfat", "fat")))


def files(vmi: Obj) -> dict[str, str]:
    """Their sizes and serial numbers, and other names of them: those hold the first one."""
    told = {one.get("name"): one for one in dig(vmi, "status", "volumeStatus", default=())}
    volumes = {one["name"]: one for one in dig(vmi, "spec", "volumes", default=())}
    made, drives = dict[str, str](), 0
    for disk in dig(vmi, "spec", "domain", "devices", "disks", default=()):
        own = disk.get("name", "")
        device = told.get(own, {}).get("target", "")
        kind = next((one for one in ("cdrom", "lun") if one in disk), "disk")
        if kind == "cdrom":
            made[f"/dev/sr{drives}"] = device  # nothing, if there is no medium
            drives += 1
        if not device:
            continue
        made[f"/sys/block/{device}/size"] = f"{_size(volumes.get(own, {}), told[own]) // _SECTOR}\n"
        if place := dig(disk, kind, "pciAddress"):
            made[f"/sys/bus/pci/devices/{place}/virtio0/block/{device}/uevent"] = f"DEVNAME={device}\n"
        if serial := disk.get("serial"):
            bus = dig(disk, kind, "bus") or ("sata" if kind == "cdrom" else "virtio")
            made[f"/sys/block/{device}/serial"] = f"{serial}\n"
            spelled = serial[:_LONGEST_SERIAL] if bus == "virtio" else serial
            made[f"/dev/disk/by-id/{_BY_ID.get(bus, f'{bus}-')}{spelled}"] = device
    return made


def _size(volume: Obj, told: Obj) -> int:
    if capacity := dig(volume, "emptyDisk", "capacity"):
        return quantities.whole(capacity) // _MIB * _MIB
    claim = told.get("persistentVolumeClaimInfo") or {}
    whole = dig(claim, "capacity", "storage")
    if whole is None:
        return int(told.get("size") or _UNKNOWN)
    overhead = float(claim.get("filesystemOverhead") or 0) if claim.get("volumeMode") != "Block" else 0.0
    return int(quantities.whole(whole) * (1 - overhead)) // _MIB * _MIB


def found(files: Files, disks: Disks, root: str) -> dict[str, str | None]:
    """Files that have been written, as programs find them. `files`: those that are on no disk; `root`: what it has booted from."""
    mounts = _mounts(files)
    there = {f"/{path}": text for path, text in disks.get(root, {}).items()}
    for folder in mounts:
        there = {path: text for path, text in there.items() if not path.startswith(f"{folder}/")}
    for device, held in disks.items():
        if device not in mounts.values() and device != root:
            there |= {f"{_KEPT}{device}/{path}": text for path, text in held.items()}
    for folder, device in mounts.items():
        there |= {f"{folder}/{path}": text for path, text in disks.get(device, {}).items()}
    return {**there, **files}


def settled(wrote: Files, files: Files, disks: Disks, root: str) -> tuple[Files, Disks]:
    """The same once programs have written: what is on no disk, and what is on those. A file of an image may be no more."""
    made = {device: dict(held) for device, held in disks.items()}
    rest = {**files, **{path: text for path, text in wrote.items() if path.startswith(_MOUNTED)}}
    gone = [path for path, device in rest.items() if path.startswith(_MOUNTED) and not device]
    left, mounts = tuple(f"{_read(path)}/" for path in gone), _mounts(rest)
    for path, text in sorted(wrote.items(), key=lambda one: not one[0].startswith(_KEPT)):
        device, own = _place(path, mounts, root)
        if path.startswith((_MOUNTED, *left)) and text is None:
            continue  # it is there, but not seen any more
        if not device:
            rest[path] = text
        elif text is None and device != root:
            made.get(device, {}).pop(own, None)
        else:
            made.setdefault(device, {})[own] = text
    same = {device: held for device, held in disks.items() if made[device] == held}
    return {path: text for path, text in rest.items() if path not in gone}, {**made, **same}


def _place(path: str, mounts: Mapping[str, str], root: str) -> tuple[str, str]:
    """The device a path is on, and what it is called there; on none, it is called as it is."""
    if path.startswith(_KEPT):
        device, _, own = path.removeprefix(_KEPT).partition("/")
        return device, own
    inside = [folder for folder in mounts if path.startswith(f"{folder}/")]
    if inside:
        folder = max(inside, key=len)
        return mounts[folder], path.removeprefix(f"{folder}/")
    return ("", path) if path.startswith(_VOLATILE) else (root, path.removeprefix("/"))


def _mounts(files: Files) -> dict[str, str]:
    """The device that is mounted, by folders; those in others come last."""
    there = {path: device for path, device in files.items() if path.startswith(_MOUNTED) and device}
    return {_read(path): there[path] for path in sorted(there, key=len)}


def mounted(devices: Mapping[str, str]) -> dict[str, str]:
    """What says that devices are, by folders."""
    return {_spelled(folder): device for folder, device in devices.items()}


def programs(contents: Contents) -> Mapping[str, Program]:
    def mount(at: Container, words: list[str], _stdin: str) -> Done:
        named = [word for word in words if not word.startswith("-")]
        if len(named) < 2:
            return Done("" if named else "/dev/vda1 on / type ext4 (rw)\n")
        folder = at.path(named[-1])
        device = named[-2] if "virtiofs" in named[:-2] else _device(at, named[-2])
        disk = contents.disks.get(device, Disk("", {}))
        if device.startswith("sr") and f"/dev/{device}" in at.files:
            return failed(f"mount: mounting {named[-2]} on {named[-1]} failed: No medium found", 255)
        if f"/dev/{device}" not in at.files and device not in contents.disks:
            return failed(f"mount: {named[-1]}: special device {named[-2]} does not exist.", 32)
        aside = dict(_below(at, f"{_KEPT}{device}/"))
        gone = [f"{folder}/{path}" for path, _ in _below(at, f"{folder}/") if path != FOLDER]
        gone += [f"{_KEPT}{device}/{path}" for path in aside]
        below = {f"{folder}/{path}": text for path, text in {**disk.files, **aside}.items()}
        return Done(wrote={_spelled(folder): device, **dict.fromkeys(gone), **below})

    def blkid(_at: Container, words: list[str], _stdin: str) -> Done:
        labels = {device: disk.label for device, disk in contents.disks.items()}
        if words[:1] != ["-L"]:
            told = (f'/dev/{device}: LABEL="{label}" TYPE="iso9660"\n' for device, label in labels.items())
            return Done("".join(told))
        found = [device for device, label in labels.items() if label == words[-1]]
        return Done(f"/dev/{found[0]}\n") if found else Done(code=2)

    return {
        **dict.fromkeys(_MAKERS, _formatted),
        "blkid": blkid,
        "blockdev": _blockdev,
        "dd": _copied,
        "mount": mount,
        "umount": _unmounted,
    }


def _unmounted(at: Container, words: list[str], _stdin: str) -> Done:
    wanted = words[-1].rstrip("/") if words else ""
    mounted = {path: at.files[path] for path in at.files if path.startswith(_MOUNTED)}
    found = [
        one
        for one, device in mounted.items()
        if wanted and (one == _spelled(at.path(wanted)) or device == _device(at, wanted))
    ]
    if not found:
        return failed(f"umount: {wanted}: not mounted.", 32)
    wrote: dict[str, str | None] = {}
    for one in found:
        folder, device = _read(one), mounted[one]
        for path, text in _below(at, f"{folder}/"):
            if path == FOLDER:
                continue
            wrote |= {f"{folder}/{path}": None, f"{_KEPT}{device}/{path}": text}
        wrote[one] = None
    return Done(wrote=wrote)


def _formatted(at: Container, words: list[str], _stdin: str) -> Done:
    device = _device(at, words[-1] if words else "")
    if f"/dev/{device}" not in at.files:
        return failed(f"The file {words[-1] if words else ''} does not exist and no size was specified.")
    if device in _mounts(at.files).values():
        return failed(f"{words[-1]} is mounted; will not make a filesystem here!")
    gone: Files = {f"{_KEPT}{device}/{path}": None for path, _ in _below(at, f"{_KEPT}{device}/")}
    return Done("Writing superblocks and filesystem accounting information: done\n", wrote=gone)


def _blockdev(at: Container, words: list[str], _stdin: str) -> Done:
    own = words[-1] if words else ""
    sectors = at.files.get(f"/sys/block/{_device(at, own)}/size", "").strip()
    if not sectors:
        return failed(f"blockdev: cannot open {own}: No such file or directory")
    sizes = {"--getsize64": int(sectors) * _SECTOR, "--getsz": int(sectors), "--getss": _SECTOR}
    return Done("".join(f"{sizes[word]}\n" for word in words if word in sizes))


def _copied(at: Container, words: list[str], _stdin: str) -> Done:
    """Nothing is: there are no bytes."""
    named = dict(word.split("=", 1) for word in words if "=" in word)
    source, target = (at.path(named[one]) if one in named else "" for one in ("if", "of"))
    if source and source not in at.files and source not in _SOURCES:
        return failed(f"dd: can't open '{source}': No such file or directory")
    is_device = target.startswith("/dev/") and not target.startswith(_MEMORY)
    if is_device and target not in at.files and target not in _SOURCES:
        return failed(f"dd: can't open '{target}': No such file or directory")
    blocks = named.get("count", "1")
    wrote = {target: at.files.get(source, "")} if target and not is_device else {}
    told = "" if named.get("status") == "none" else f"{blocks}+0 records in\n{blocks}+0 records out\n"
    return Done(err=told, wrote=wrote)


def _device(at: Container, path: str) -> str:
    """The first name of a device that has several."""
    return at.files.get(path, "").strip() or path.removeprefix("/dev/")


def _below(at: Container, folder: str) -> Iterator[tuple[str, str]]:
    for path, text in at.files.items():
        if path.startswith(folder):
            yield path.removeprefix(folder), text


def _read(path: str) -> str:
    return path.removeprefix(_MOUNTED).replace(":", "/")


def _spelled(folder: str) -> str:
    return f"{_MOUNTED}{folder.replace('/', ':')}"
