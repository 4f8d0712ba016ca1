"""Programs that read lines and let some of them, or parts of them, pass. Pure."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from msgspec import Struct

from fakekube.agents.node_server import searching
from fakekube.agents.node_server.place import (
    Container,
    Done,
    Program,
    bytes_of,
    failed,
    flags,
    number,
    options,
    text_of,
)
from fakekube.machinery import digits

_UNOPENED = "can't open '{}'"  # as some programs call what they do not find


class _Given(Struct, frozen=True):
    """What a program reads: files by their names, or what comes in, which has none; and what it says of names that are no files."""

    texts: list[tuple[str, str]]
    err: str = ""

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.texts)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def done(self, out: str) -> Done:
        return Done(out, self.err, 1 if self.err else 0)

    def listed(self, lines: Iterable[str]) -> Done:
        return self.done("".join(f"{one}\n" for one in lines))


def _given(
    at: Container, own: str, names: list[str], stdin: str, *, missing: str = "{}", folder: str = "{}"
) -> _Given:
    """`missing` and `folder` are how the program calls what is not there, and a folder."""
    texts, err = list[tuple[str, str]](), ""
    for name in names or ["-"]:
        path = at.path(name)
        if name == "-":
            at.spend(len(stdin))
            texts.append((name if names else "", stdin))
        elif path in at.files:
            texts.append((name, at.read(path)))
        elif at.is_folder(path):
            err += f"{own}: {folder.format(name)}: Is a directory\n"
        else:
            err += f"{own}: {missing.format(name)}: No such file or directory\n"
    return _Given(texts, err)


def _cat(at: Container, words: list[str], stdin: str) -> Done:
    given = _given(at, "cat", words, stdin, missing=_UNOPENED, folder="read error")
    return given.done(given.text)


def _wc(at: Container, words: list[str], stdin: str) -> Done:
    """A row for each file, and one for all if there are several."""
    asked, names = flags(words)
    given = _given(at, "wc", names, stdin)
    rows = [(name, _counted(text)) for name, text in given.texts]
    if len(names) > 1:
        rows.append(("total", {one: sum(counts[one] for _, counts in rows) for one in _counted("")}))
    return given.listed(
        " ".join([*(str(count) for one, count in counts.items() if one in (asked or counts)), name]).rstrip()
        for name, counts in rows
    )


def _counted(text: str) -> dict[str, int]:
    return {
        "l": text.count("\n"),
        "w": len(text.split()),
        "c": len(bytes_of(text)),
    }


def _ends(own: str) -> Program:
    """`head` or `tail`."""
    first = own == "head"

    def part(text: str, count: str, *, of_bytes: bool) -> str:
        size = abs(number(count) or 0)
        begin = size if first else -size if size else None
        if not first and count.startswith("+"):
            begin = max(size - 1, 0)
        if of_bytes:
            data = bytes_of(text)
            kept = data[:begin] if first else data[begin:] if begin is not None else b""
            return text_of(kept)
        lines = text.splitlines()
        return "".join(
            f"{one}\n" for one in (lines[:begin] if first else lines[begin:] if begin is not None else [])
        )

    def run(at: Container, words: list[str], stdin: str) -> Done:
        asked, names = options([_SHORT.sub("-n\\1", word) for word in words], "nc")
        given = _given(at, own, names, stdin)
        parts = [
            part(text, asked.get("c", asked.get("n", "10")), of_bytes="c" in asked) for _, text in given.texts
        ]
        if len(names) < 2 or "q" in asked:
            return given.done("".join(parts))
        return given.done(
            "\n".join(f"==> {name} <==\n{text}" for (name, _), text in zip(given.texts, parts, strict=True))
        )

    return run


def _cut(at: Container, words: list[str], stdin: str) -> Done:
    given, names = {"d": "\t", "f": ""}, list[str]()
    rest = iter(words)
    for word in rest:
        if word[:2] in ("-d", "-f"):
            given[word[1]] = word[2:] or next(rest, "")
        elif not word.startswith("-"):
            names.append(word)
    field = digits.number(given["f"])
    if field is None:
        return failed("cut: only one field is emulated")
    if field == 0 or len(given["d"]) != 1:
        return failed(
            "cut: fields are numbered from 1"
            if given["d"]
            else "cut: the delimiter must be a single character"
        )
    came = _given(at, "cut", names, stdin)
    fields = (line.split(given["d"]) for line in came.lines)
    return came.listed(
        one[field - 1] if field <= len(one) else "" if len(one) > 1 else one[0] for one in fields
    )


def _uniq(at: Container, words: list[str], stdin: str) -> Done:
    asked, names = flags(words)
    given = _given(at, "uniq", names, stdin)
    counted = [(len([*same]), one) for one, same in groupby(given.lines)]
    return given.listed(f"{count:7} {one}" if "c" in asked else one for count, one in counted)


def _sort(at: Container, words: list[str], stdin: str) -> Done:
    """Nothing if a file is missing: what is first cannot be told."""
    asked, names = flags(words)
    given = _given(at, "sort", names, stdin)
    if given.err:
        return Done(err=given.err, code=_TROUBLE)
    lines = sorted(set(given.lines) if "u" in asked else given.lines, reverse="r" in asked)
    return given.listed(sorted(lines, key=_leading, reverse="r" in asked) if "n" in asked else lines)


def _leading(line: str) -> int:
    """The whole number a line begins with."""
    found = _NUMBER.match(line)
    return number(found[0]) or 0 if found else 0


def _tr(at: Container, words: list[str], stdin: str) -> Done:
    asked, named = flags(words)
    sets = [word.replace("\\n", "\n") for word in named]
    at.spend(len(stdin))
    if not sets:
        return failed("tr: missing operand")
    if "d" in asked:
        return Done(stdin.translate(dict.fromkeys(map(ord, sets[0]))))
    if len(sets) > 1:
        last = sets[1][-1:]
        stdin = stdin.translate(
            str.maketrans(sets[0], sets[1][: len(sets[0])].ljust(len(sets[0]), last or " "))
        )
    if "s" in asked:
        squeezed = frozenset(sets[-1])
        stdin = "".join(one if one in squeezed else "".join(run) for one, run in groupby(stdin))
    return Done(stdin)


def _summed(kind: str) -> Program:
    """`md5sum` and the like."""

    def run(at: Container, words: list[str], stdin: str) -> Done:
        from hashlib import new  # noqa: PLC0415 - few ask

        def summed(text: str) -> str:
            return new(kind, bytes_of(text), usedforsecurity=False).hexdigest()

        names = [word for word in words if not word.startswith("-")]
        given = _given(at, f"{kind}sum", names, stdin, missing=_UNOPENED, folder="can't read '{}'")
        return given.listed(f"{summed(text)}  {name or '-'}" for name, text in given.texts)

    return run


def _hexdump(at: Container, words: list[str], stdin: str) -> Done:
    """Words of two bytes, the lower one first."""
    named = [word for word in words if not word.startswith("-")]
    given = _given(at, "hexdump", named, stdin)
    if given.err:
        return given.done("")
    data = bytes_of(given.text)
    rows = (data[begin : begin + 16] for begin in range(0, len(data), 16))
    told = (
        " ".join(
            [
                f"{number * 16:07x}",
                *(
                    f"{row[one + 1 : one + 2].hex() or '00'}{row[one : one + 1].hex()}"
                    for one in range(0, len(row), 2)
                ),
            ]
        )
        for number, row in enumerate(rows)
    )
    return given.listed([*told, *([f"{len(data):07x}"] if data else [])])


_TROUBLE = 2
_SHORT = re.compile(r"^-(\d+)$")
_NUMBER = re.compile(r"\s*-?[0-9]{1,18}")
_PRINT = re.compile(r"\s*\{\s*(printf?)\s+\$(\d+);?\s*\}\s*")


def _awk(at: Container, words: list[str], stdin: str) -> Done:
    separator = None
    if words[:1] and words[0].startswith("-F"):
        words = [words[0][2:], *words[1:]] if words[0] != "-F" else words[1:]
        separator, words = (*words[:1], "")[0] or None, words[1:]
    script = _PRINT.fullmatch(words[0]) if words else None
    if script is None:
        return failed("awk: only {print $N} is emulated", 2)
    field = number(script[2])
    given = _given(at, "awk", words[1:], stdin)
    split = [line.split(separator) for line in given.lines]
    told = [
        line if field == 0 else parts[field - 1] if field is not None and field <= len(parts) else ""
        for line, parts in zip(given.lines, split, strict=True)
    ]
    return given.done("".join(told)) if script[1] == "printf" else given.listed(told)


FILTERS: Mapping[str, Program] = {
    "awk": _awk,
    "cat": _cat,
    "cut": _cut,
    "grep": searching.grep,
    "head": _ends("head"),
    "hexdump": _hexdump,
    "md5sum": _summed("md5"),
    "sha256sum": _summed("sha256"),
    "sort": _sort,
    "tail": _ends("tail"),
    "tr": _tr,
    "uniq": _uniq,
    "wc": _wc,
}
