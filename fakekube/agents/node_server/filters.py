"""Programs that read lines and let some of them, or parts of them, pass. Pure."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby

from fakekube.agents.node_server.place import Container, Done, Program, failed, is_below, number, options


def _input(at: Container, names: list[str], stdin: str) -> list[str]:
    """The lines of files, or of what comes in."""
    return _text(at, names, stdin).splitlines()


def _text(at: Container, names: list[str], stdin: str) -> str:
    return "".join(at.files.get(at.path(one), "") for one in names) if names else stdin


def listed(lines: Iterable[str], code: int = 0) -> Done:
    return Done("".join(f"{one}\n" for one in lines), code=code)


def _grep(at: Container, words: list[str], stdin: str) -> Done:
    flags = {letter for word in words if word.startswith("-") for letter in word[1:]}
    pattern, *names = [word for word in words if not word.startswith("-")] or [""]
    if "F" in flags:
        pattern = re.escape(pattern)
    try:
        wanted = re.compile(pattern.replace("[[:space:]]", r"\s"), re.IGNORECASE if "i" in flags else 0)
    except re.error:
        return failed(f"grep: bad regex '{pattern}'", 2)
    if "r" in flags:  # told with the files they are in
        below = [path for path in sorted(at.files) for one in names if is_below(path, at.path(one))]
        found = [
            f"{path}:{one}" for path in below for one in at.files[path].splitlines() if wanted.search(one)
        ]
        return listed(found, 0 if found else 1)
    lines = _input(at, names, stdin)
    found = [one for one in lines if bool(wanted.search(one)) != ("v" in flags)]
    if most := next((word[2:] for word in words if word.startswith("-m") and word[2:].isdecimal()), ""):
        found = found[: int(most)]
    code = 0 if found else 1
    if "q" in flags:
        return Done(code=code)
    if "c" in flags:
        return Done(f"{len(found)}\n", code=code)
    if "o" in flags:
        found = [match[0] for one in found for match in wanted.finditer(one)]
    return listed(found, code)


def _wc(at: Container, words: list[str], stdin: str) -> Done:
    flags = {letter for word in words if word.startswith("-") for letter in word[1:]} or set("lwc")
    names = [word for word in words if not word.startswith("-")]
    text = _text(at, names, stdin)
    size = len(text.encode(errors="surrogateescape"))
    counts = {"l": text.count("\n"), "w": len(text.split()), "c": size}
    told = " ".join(str(count) for letter, count in counts.items() if letter in flags)
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
    if not given["f"].isdecimal():
        return failed("cut: only one field is emulated")
    number = int(given["f"]) - 1
    fields = (line.split(given["d"]) for line in _input(at, names, stdin))
    return listed(one[number] if number < len(one) else "" if len(one) > 1 else one[0] for one in fields)


def _uniq(at: Container, words: list[str], stdin: str) -> Done:
    lines = _input(at, [one for one in words if not one.startswith("-")], stdin)
    return listed(one for one, _ in groupby(lines))


def _tr(_at: Container, words: list[str], stdin: str) -> Done:
    flags = {letter for word in words if word.startswith("-") for letter in word[1:]}
    sets = [word.replace("\\n", "\n") for word in words if not word.startswith("-")]
    if not sets:
        return failed("tr: missing operand")
    if "d" in flags:
        return Done(stdin.translate(dict.fromkeys(map(ord, sets[0]))))
    if len(sets) > 1:
        last = sets[1][-1:]
        stdin = stdin.translate(
            str.maketrans(sets[0], sets[1][: len(sets[0])].ljust(len(sets[0]), last or " "))
        )
    if "s" in flags:
        stdin = "".join(one if one in sets[-1] else "".join(run) for one, run in groupby(stdin))
    return Done(stdin)


_SHORT = re.compile(r"^-(\d+)$")
_PRINT = re.compile(r"\s*\{\s*(printf?)\s+\$(\d+);?\s*\}\s*")


def _awk(at: Container, words: list[str], stdin: str) -> Done:
    separator = None
    if words[:1] and words[0].startswith("-F"):
        separator, words = (words[0][2:], words[1:]) if words[0] != "-F" else (words[1], words[2:])
    script = _PRINT.fullmatch(words[0]) if words else None
    if script is None:
        return failed("awk: only {print $N} is emulated", 2)
    number = int(script[2])
    lines = _input(at, words[1:], stdin)
    split = [line.split(separator) for line in lines]
    told = [
        line if number == 0 else parts[number - 1] if number <= len(parts) else ""
        for line, parts in zip(lines, split, strict=True)
    ]
    return Done("".join(told)) if script[1] == "printf" else listed(told)


FILTERS: Mapping[str, Program] = {
    "awk": _awk,
    "cut": _cut,
    "grep": _grep,
    "head": _ends(first=True),
    "sort": lambda at, words, stdin: listed(
        sorted(_input(at, [one for one in words if not one.startswith("-")], stdin))
    ),
    "tail": _ends(first=False),
    "tr": _tr,
    "uniq": _uniq,
    "wc": _wc,
}
