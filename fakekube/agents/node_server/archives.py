"""`tar`, as `kubectl cp` has it started at either end, and whoever packs files by hand, and `gzip`. Python's own do the work. Pure.

Of links, owners and modes nothing is kept: files are what is there.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from fakekube.agents.node_server import sparse
from fakekube.agents.node_server.place import (
    FOLDER,
    ROOM,
    Container,
    Done,
    bytes_of,
    failed,
    is_below,
    number,
    options,
    text_of,
)

_LETTERS = frozenset("-cxtvzfCmoppPhkOSB")
_IGNORED = ("no-same-owner", "no-same-permissions", "same-permissions", "preserve-permissions", "touch")
_WORDS = {
    "create": "c",
    "extract": "x",
    "get": "x",
    "list": "t",
    "verbose": "v",
    "gzip": "z",
    "file": "f",
    "directory": "C",
}
_LARGEST = 16 * ROOM  # bytes: many small files are mostly what tells of them
_MEMBER = 512  # steps for one of them
_PIECE = 2048  # steps to unpack what there is room for
# Not all in an archive is judged: numbers may be none or too large, headers may stand before headers without end.
_UNREADABLE = (tarfile.TarError, EOFError, OSError, OverflowError, RecursionError, ValueError, zlib.error)
_EXITING = "tar: Exiting with failure status due to previous errors"


def tar(at: Container, words: list[str], stdin: str) -> Done:
    if words and not words[0].startswith("-"):
        words = [f"-{words[0]}", *words[1:]]
    given, named = options(words, "fC", ("file", "directory", "strip-components"))
    asked = {_WORDS.get(own, own): value for own, value in given.items() if own not in _IGNORED}
    stripped = number(asked.pop("strip-components", "0")) or 0
    if unknown := sorted(asked.keys() - _LETTERS):
        return failed(f"tar: unrecognized option '{unknown[0]}'", 2)
    inside = replace(at, environment={}, workdir=at.path(asked.get("C", ".")))
    if "c" in asked:
        return _packed(at, inside, asked, named)
    if not asked.keys() & {"x", "t"}:
        return failed("tar: You must specify one of the '-Acdtrux' options", 2)
    own = asked.get("f", "-")
    if own != "-" and at.path(own) not in at.files:
        return failed(f"tar: {own}: Cannot open: No such file or directory", 2)
    packed = bytes_of(stdin if own == "-" else at.read(at.path(own)))
    try:
        if packed.startswith(sparse.GZIP):
            packed = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(_LARGEST + 1)
        if len(packed) > _LARGEST:
            return failed("tar: Cannot write: No space left on device", 2)
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
            return _unpacked(archive, inside, asked, named, stripped)
    except _UNREADABLE:
        return failed(f"tar: This does not look like a tar archive\n{_EXITING}", 2)


def _unpacked(
    archive: tarfile.TarFile, at: Container, asked: Mapping[str, str], named: list[str], stripped: int
) -> Done:
    wrote, told, err, left = dict[str, str](), list[str](), "", ROOM
    for member in archive:
        at.spend(_MEMBER)
        if archive.offset <= member.offset:  # of a negative size: the same members would come again and again
            raise tarfile.ReadError
        own = member.name.removeprefix("./").rstrip("/")
        if named and not any(is_below(own, one.removeprefix("./").rstrip("/")) for one in named):
            continue
        told.append(f"{member.name}{'/' if member.isdir() else ''}\n")
        parts = member.name.rstrip("/").split("/")
        if stripped and len(parts) <= stripped:
            continue
        path = at.path("/".join(parts[stripped:]) if stripped else own.lstrip("/"))
        left -= max(member.size, 0)
        if "t" in asked:
            continue
        if ".." in own.split("/"):
            err += f"tar: {own}: Member name contains '..'\n"
        elif left < 0:
            return failed(f"tar: {own}: Cannot write: No space left on device", 2)
        elif member.isdir():
            wrote[f"{path.rstrip('/')}/{FOLDER}"] = ""
        elif (file := archive.extractfile(member) if member.isreg() else None) is not None:
            wrote[path] = text_of(file.read())
        else:
            err += f"tar: {own}: links are not emulated\n"
    out = "".join(told) if asked.keys() & {"t", "v"} else ""
    return Done(out, f"{err}{_EXITING}\n" if err else "", 2 if err else 0, wrote=wrote)


def _packed(at: Container, inside: Container, asked: Mapping[str, str], named: list[str]) -> Done:
    if not named:
        return failed("tar: Cowardly refusing to create an empty archive", 2)
    made, told, err = io.BytesIO(), list[str](), ""
    if any(one.startswith("/") for one in named):
        err = "tar: Removing leading `/' from member names\n"
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as archive:
        missing = ""
        for word in named:
            members = list(_members(inside, word))
            if not members:
                missing += f"tar: {word}: Cannot stat: No such file or directory\n"
            for own, text in members:
                told.append(f"{own}\n")
                at.spend(_MEMBER + len(own) + len(text or ""))
                _add(archive, own, text, int(at.now.timestamp()))
    err += f"{missing}{_EXITING}\n" if missing else ""
    if missing and not told:
        return Done(err=err, code=2)  # no empty archive: whoever reads it would be content
    data = gzip.compress(made.getvalue(), mtime=0) if "z" in asked else made.getvalue()
    listed = "".join(told) if "v" in asked else ""
    target, packed = asked.get("f", "-"), text_of(data)
    if target == "-":
        return Done(packed, listed + err, 2 if missing else 0)
    return Done(listed, err, 2 if missing else 0, wrote={at.path(target): packed})


def _members(at: Container, word: str) -> Iterator[tuple[str, str | None]]:
    """What a word stands for, each with its text; folders have none, and come before what is in them."""
    path, own = at.path(word), word.lstrip("/").rstrip("/") or FOLDER
    if path in at.files:
        yield own, at.files[path]
        return
    if at.is_folder(path):
        yield f"{own}/", None
    known = {""}
    for one, text in at.below(path):
        *folders, last = one.removeprefix(path).strip("/").split("/")
        for deep in range(1, len(folders) + 1):
            at.spend(deep)
            if (folder := "/".join(folders[:deep])) not in known:
                known.add(folder)
                yield f"{own}/{folder}/", None
        if last != FOLDER:
            yield "/".join([own, *folders, last]), text


def _add(archive: tarfile.TarFile, own: str, text: str | None, now: int) -> None:
    member = tarfile.TarInfo(own.rstrip("/") if text is None else own)
    data = bytes_of(text or "")
    member.size, member.mtime, member.uname, member.gname = len(data), now, "root", "root"
    member.type, member.mode = (tarfile.DIRTYPE, 0o755) if text is None else (tarfile.REGTYPE, 0o644)
    archive.addfile(member, io.BytesIO(data))


def unzipped(at: Container, words: list[str], stdin: str) -> Done:
    """`gzip -d`: a file in place of the packed one, or of what comes in."""
    given, named = options(words, "S")
    if not given.keys() & {"d", "decompress"}:
        return failed("gzip: packing is not emulated; tar -z is")
    if not named:
        data = _unzipped(at, stdin)
        return failed("gzip: invalid magic") if data is None else Done(data)
    wrote, err = dict[str, str | None](), ""
    for word in named:
        path = at.path(word)
        data = _unzipped(at, at.read(path)) if path in at.files else None
        if path not in at.files:
            err += f"gzip: {word}: No such file or directory\n"
        elif not path.endswith(".gz"):
            err += f"gzip: {word}: unknown suffix -- ignored\n"
        elif data is None:
            err += f"gzip: {word}: not in gzip format\n"
        else:
            wrote |= {path: None, path.removesuffix(".gz"): data}
    return Done(err=err, code=1 if err else 0, wrote=wrote)


def _unzipped(at: Container, text: str) -> str | None:
    """What was packed; None: it was not, or has no room here."""
    data = sparse.Data()
    at.spend(len(text) // 4)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(bytes_of(text))) as packed:
            while piece := packed.read(ROOM):
                at.spend(_PIECE)
                data.add(piece)
    except (EOFError, OSError, zlib.error, sparse.TooLargeError):
        return None
    return text_of(data.kept())
