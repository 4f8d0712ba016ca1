"""A guest's disk as others find it: an image, which on a volume with a file system is the file `disk.img` there. Pure.

Disks have no format here. In an image stands what has been written on the disk, as an archive like a layer of a container's image (what
was removed is told by files called `.wh.…`), and zeros after that; of a disk nobody has written on there are only zeros.
Containers do not keep the zeros at the end of large files.
"""

from msgspec import Struct

from fakekube.agents.node_server import sparse
from fakekube.agents.node_server.place import Container, bytes_of, text_of
from fakekube.agents.volume_contents import Files, Held
from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.machinery.quantities import parse

FILE = "disk.img"
_CONTENT = "cdi.kubevirt.io/storage.contentType"
_BILLIONTHS = 10**9
_GONE = ".wh."
_TOP = ("/", "/.")  # the volume itself, as files


class Claimed(Struct, frozen=True):
    """A volume that is claimed, as whoever mounts it has to know it: how large an image on it is, and whether there is one before
    anybody writes."""

    volume: str
    size: int = 0
    filled: bool = False


def claimed(claim: Obj, volume: str) -> Claimed:
    size = parse(str(dig(claim, "spec", "resources", "requests", "storage", default="0")))[0] // _BILLIONTHS
    return Claimed(volume, size, is_disk(claim))


def is_disk(claim: Obj) -> bool:
    """Whether it is a device, or CDI has put an image on it."""
    block = dig(claim, "spec", "volumeMode") == "Block"
    return block or annotations(claim).get(_CONTENT) in ("kubevirt", "")


def image(held: Held) -> bytes:
    """What is on the disk of a volume, without the zeros after it."""
    return packed(held.disk) if held.disk else bytes_of(held.files.get(FILE) or "")


def files(held: Held, on: Claimed) -> Files:
    """What is on a volume as pods find it."""
    if held.disk:
        return {**held.files, FILE: text(packed(held.disk), on.size)}
    return {FILE: text(b"", on.size), **held.files} if on.filled else held.files


def held(found: Files, before: Held, on: Claimed) -> Held:
    """What is on it once pods have left these files there. An image nobody here can read stays a file."""
    image = found.get(FILE)
    rest = {path: one for path, one in found.items() if path != FILE}
    if before.disk and image == text(packed(before.disk), on.size):
        return Held(rest, before.disk)
    if image is None:
        return Held({**rest, FILE: None} if on.filled else rest)
    if on.filled and image == text(b"", on.size):
        return Held(rest)
    disk = unpacked(bytes_of(image))
    return Held(rest, disk) if disk else Held(found)


def text(image: bytes, size: int) -> str:
    """An image on a disk of that size, as a file in a container."""
    return text_of(sparse.kept(image, max(size, len(image))))


def packed(disk: Files, *, compressed: bool = False) -> bytes:
    """Files as an archive; folders come before what is in them."""
    from fakekube.agents.node_server import archives  # noqa: PLC0415 - few look into volumes, and Python's own takes its time

    there = {f"/{path}": one for path, one in disk.items() if one is not None}
    for path, one in disk.items():
        if one is None:
            folder, slash, own = path.rpartition("/")
            there[f"/{folder}{slash}{_GONE}{own}"] = ""
    kind = "-cz" if compressed else "-c"
    return bytes_of(archives.tar(Container("", files=there), [kind, "."], "").out)


def unpacked(image: bytes) -> Files | None:
    """What an archive holds; None: it is none."""
    from fakekube.agents.node_server import archives  # noqa: PLC0415 - see above

    if not image.strip(b"\0"):
        return {}
    done = archives.tar(Container(""), ["-x"], text_of(image))
    if done.code:
        return None
    found = dict[str, str | None]()
    for path, one in done.wrote.items():
        folder, slash, own = path.removeprefix("/").rpartition("/")
        if own.startswith(_GONE):
            found[f"{folder}{slash}{own.removeprefix(_GONE)}"] = None
        elif path not in _TOP:
            found[f"{folder}{slash}{own}"] = one
    return found


def archived(archive: bytes) -> Files | None:
    """The files an archive brings to a volume, without links; None: it is none, or is packed: it would grow beyond all room."""
    from fakekube.agents.node_server import archives  # noqa: PLC0415 - see above

    if not archive.strip(b"\0"):
        return {}
    if archive.startswith(sparse.GZIP):
        return None
    done = archives.tar(Container(""), ["-x"], text_of(archive))
    if done.code and not done.wrote:
        return None
    return {path.removeprefix("/"): one for path, one in done.wrote.items() if path not in _TOP}
