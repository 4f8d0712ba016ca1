"""Programs that read lines and let some of them, or parts of them, pass. Pure."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from fakekube.agents.node_server import searching
from fakekube.agents.node_server.place import Container, Done, Program, failed, flags, number, options


def _input(at: Container, names: list[str], stdin: str) -> list[str]:
    """The lines of files, or of what comes in."""
    return _text(at, names, stdin).splitlines()


def _text(at: Container, names: list[str], stdin: str) -> str:
    if not names:
        at.spend(len(stdin))
        return stdin
    return "".join(at.read(at.path(one)) for one in names)


def listed(lines: Iterable[str], code: int = 0) -> Done:
    return Done("".join(f"{one}\n" for one in lines), code=code)


def _wc(at: Container, words: list[str], stdin: str) -> Done:
    asked, names = flags(words)
    text = _text(at, names, stdin)
    size = len(text.encode(errors="surrogateescape"))
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": size}
    told = " ".join(str(count) for letter, count in counts.items() if letter in (asked or counts))
    return Done(f"{' '.join([told, *names])}\n")


def _ends(*, first: bool) -> Program:
    def run(at: Container, words: list[str], stdin: str) -> Done:
        given, names = options([_SHORT.sub("-n\\1", word) for word in words], "nc")
        count = given.get("c", given.get("n", "10"))
        size = abs(number(count) or 0)
        begin = size if first else -size if size else None
        if not first and count.startswith("+"):
            begin = max(size - 1, 0)
        if "c" in given:
            data = _text(at, names, stdin).encode(errors="surrogateescape")
            part = data[:begin] if first else data[begin:] if begin is not None else b""
            return Done(part.decode(errors="surrogateescape"))
        lines = _input(at, names, stdin)
        return listed(lines[:begin] if first else lines[begin:] if begin is not None else [])

    return run


def _cut(at: Container, words: list[str], stdin: str) -> Done:
    given, names = {"d": "\t", "f": ""}, list[str]()
    rest = iter(words)
    for word in rest:
        if word[:2] in ("-d", "-f"):
            given[word[1]] = word[2:] or next(rest, "")
        elif not word.startswith("-"):
            names.append(word)
    field = number(given["f"]) if given["f"].isdecimal() else None
    if field is None:
        return failed("cut: only one field is emulated")
    if field == 0 or len(given["d"]) != 1:
        return failed(
            "cut: fields are numbered from 1"
            if given["d"]
            else "cut: the delimiter must be a single character"
        )
    fields = (line.split(given["d"]) for line in _input(at, names, stdin))
    return listed(one[field - 1] if field <= len(one) else "" if len(one) > 1 else one[0] for one in fields)


def _uniq(at: Container, words: list[str], stdin: str) -> Done:
    lines = _input(at, flags(words)[1], stdin)
    return listed(one for one, _ in groupby(lines))


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

        out, err = "", ""
        for word in [word for word in words if not word.startswith("-")] or ["-"]:
            text = stdin if word == "-" else at.files.get(at.path(word))
            at.spend(len(text or ""))
            if text is None:
                err += f"{kind}sum: can't open '{word}': No such file or directory\n"
                continue
            data = text.encode(errors="surrogateescape")
            out += f"{new(kind, data, usedforsecurity=False).hexdigest()}  {word}\n"
        return Done(out, err, 1 if err else 0)

    return run


def _hexdump(at: Container, words: list[str], stdin: str) -> Done:
    """Words of two bytes, the lower one first."""
    named = [word for word in words if not word.startswith("-")]
    if missing := [word for word in named if at.path(word) not in at.files]:
        return failed(f"hexdump: {missing[0]}: No such file or directory")
    data = _text(at, named, stdin).encode(errors="surrogateescape")
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
    return listed([*told, *([f"{len(data):07x}"] if data else [])])


_SHORT = re.compile(r"^-(\d+)$")
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
    lines = _input(at, words[1:], stdin)
    split = [line.split(separator) for line in lines]
    told = [
        line if field == 0 else parts[field - 1] if field is not None and field <= len(parts) else ""
        for line, parts in zip(lines, split, strict=True)
    ]
    return Done("".join(told)) if script[1] == "printf" else listed(told)


FILTERS: Mapping[str, Program] = {
    "awk": _awk,
    "cut": _cut,
    "grep": searching.grep,
    "head": _ends(first=True),
    "hexdump": _hexdump,
    "md5sum": _summed("md5"),
    "sha256sum": _summed("sha256"),
    "sort": lambda at, words, stdin: listed(sorted(_input(at, flags(words)[1], stdin))),
    "tail": _ends(first=False),
    "tr": _tr,
    "uniq": _uniq,
    "wc": _wc,
}
