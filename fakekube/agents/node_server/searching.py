"""`grep` and `find`: lines, and parts of lines, that patterns are found in, and files by their names. Pure.

Left out of grep: lines around those that are found, files that hold patterns, colours; whoever asks for such things is refused.
Upstream: GNU grep 3.8
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise, takewhile

from msgspec import Struct

from fakekube.agents.node_server import globs, patterns
from fakekube.agents.node_server.brackets import PatternError
from fakekube.agents.node_server.place import FOLDER, FOLDERS, Container, Done, failed, number, options
from fakekube.machinery.regexes.automaton import Automaton

_LONG = {
    "basic-regexp": "G",
    "count": "c",
    "extended-regexp": "E",
    "files-with-matches": "l",
    "fixed-strings": "F",
    "ignore-case": "i",
    "invert-match": "v",
    "line-number": "n",
    "line-regexp": "x",
    "max-count": "m",
    "no-filename": "h",
    "no-messages": "s",
    "only-matching": "o",
    "quiet": "q",
    "recursive": "r",
    "regexp": "e",
    "silent": "q",
    "with-filename": "H",
    "word-regexp": "w",
}
_IGNORED = {"a", "color", "colour", "U", "text", "line-buffered"}
_TESTS = ("-name", "-regex", "-type", "-maxdepth", "-print")
_USAGE = "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information."
_LINE = 48  # steps for one
_DEEPEST = 4096  # folders in each other: paths are no longer
_IN, _TROUBLE = "(standard input)", 2


def grep(at: Container, words: list[str], stdin: str) -> Done:
    given, named = options(words, "em", ("max-count", "regexp"))
    asked = {_LONG.get(own, own): value for own, value in given.items() if own not in _IGNORED}
    if "R" in asked:
        asked["r"] = ""
    if unknown := sorted(asked.keys() - {*_LONG.values(), "R"}):
        return failed(f"grep: invalid option -- '{unknown[0]}'\n{_USAGE}", _TROUBLE)
    if "e" in asked:
        named = [asked["e"], *named]
    if not named:
        return failed(_USAGE, _TROUBLE)
    most = number(asked["m"]) if "m" in asked else -1
    if most is None:
        return failed("grep: invalid max count", _TROUBLE)
    try:
        search = _Search(at, _automaton(at, named[0], asked.keys()), frozenset(asked), most)
    except RecursionError:
        return failed("grep: stack overflow", _TROUBLE)
    except PatternError as error:
        return failed(f"grep: {error}", _TROUBLE)
    return search.told(list(_inputs(at, named[1:], stdin, deep="r" in asked)))


def _automaton(at: Container, text: str, asked: Iterable[str]) -> Automaton:
    """Of lines that are a pattern each."""
    at.spend(8 * len(text))
    read = patterns.literal if "F" in asked else patterns.extended if "E" in asked else patterns.basic
    nodes = [read(one, ignore_case="i" in asked) for one in text.split("\n")]
    node = patterns.any_of(nodes)
    if "x" in asked:
        node = patterns.whole(node)
    elif "w" in asked:
        node = patterns.as_word(node)
    return Automaton(node, at.spend)


def _inputs(at: Container, names: list[str], stdin: str, *, deep: bool) -> Iterator[tuple[str, str | None]]:
    """What is searched, by its names; what is not there has no text."""
    for name in names or (["."] if deep else ["-"]):
        path = at.path(name)
        if name == "-":
            at.spend(len(stdin))
            yield _IN, stdin
        elif path in at.files:
            yield name, at.read(path)
        elif deep and at.is_folder(path):
            for one, _ in at.below(path):
                if one.rpartition("/")[2] != FOLDER:
                    at.spend(len(name) + len(one))
                    own = one.removeprefix(path).lstrip("/")
                    yield own if not names else f"{name.rstrip('/')}/{own}", at.read(one)
        else:
            yield name, None


class _Search(Struct, frozen=True):
    """What is looked for, and what is to be told of it."""

    at: Container
    automaton: Automaton
    asked: frozenset[str]
    most: int  # lines of each file; fewer than none: all

    def told(self, inputs: list[tuple[str, str | None]]) -> Done:
        several = (len(inputs) > 1 or self.asked & {"r", "H"}) and "h" not in self.asked
        out, err, found = list[str](), "", False
        for name, text in inputs:
            if text is None:
                why = (
                    "Is a directory" if self.at.is_folder(self.at.path(name)) else "No such file or directory"
                )
                err += "" if "s" in self.asked else f"grep: {name}: {why}\n"
                continue
            before = f"{name}:" if several else ""
            lines = list(self._lines(text, before))
            found = found or bool(lines)
            if "l" in self.asked:
                out += [name] if lines else []
            elif "c" in self.asked:
                out.append(f"{before}{len(lines)}")
            else:
                out += [one for parts in lines for one in parts]
        missing = any(text is None for _, text in inputs)
        if "q" in self.asked:
            return Done(err=err, code=0 if found else _TROUBLE if missing else 1)
        code = _TROUBLE if missing else 0 if found else 1
        return Done("".join(f"{one}\n" for one in out), err, code)

    def _lines(self, text: str, before: str) -> Iterator[list[str]]:
        """For each line that is meant what is told of it."""
        left = self.most
        for own, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
            self.at.spend(_LINE)
            if not left:
                return
            if self.automaton.search(line) == ("v" in self.asked):
                continue
            left -= 1
            begin = f"{before}{own}:" if "n" in self.asked else before
            self.at.spend(len(begin))
            if "o" not in self.asked or self.asked & {"c", "l", "q"}:
                yield [begin + line]
            else:
                yield [] if "v" in self.asked else list(self._parts(line, begin))

    def _parts(self, line: str, begin: str) -> Iterator[str]:
        """The longest ones from the left that are found, but for empty ones."""
        start = 0
        while start < len(line):
            end = self.automaton.longest(line, start)
            if end is not None and end > start:
                self.at.spend(len(begin))
                yield begin + line[start:end]
                start = end
            else:
                start += 1


def find(at: Container, words: list[str], _stdin: str) -> Done:
    """Files and folders by their names, paths, kinds and depths."""
    places = list(takewhile(lambda word: not word.startswith("-"), words)) or ["."]
    wanted = dict(pairwise([*words, ""]))
    unknown = [word for word in words if word.startswith("-") and word not in _TESTS]
    if unknown:
        return failed(f"find: unrecognized: {unknown[0]}")
    deepest = number(wanted.get("-maxdepth", str(_DEEPEST)))
    kind = wanted.get("-type", "")
    if deepest is None or deepest < 0:
        return failed(f"find: invalid number '{wanted['-maxdepth']}'")
    if kind not in ("", "f", "d"):
        return failed(f"find: -type {kind} is not emulated")
    named = globs.matching(wanted.get("-name", "*"), at.spend)
    try:
        like = Automaton(patterns.whole(patterns.basic(wanted.get("-regex", ".*"))), at.spend)
    except RecursionError:
        return failed("find: stack overflow")
    except PatternError as error:
        return failed(f"find: failed to compile regular expression '{wanted['-regex']}': {error}")
    found, err = list[str](), ""
    for place in places:
        there = _there(at, place)
        err += "" if there else f"find: {place}: No such file or directory\n"
        found += [
            path
            for path, is_folder in there.items()
            if path.count("/", len(place.rstrip("/"))) <= deepest
            and kind in ("", "d" if is_folder else "f")
            and named(path.rstrip("/").rpartition("/")[2])
            and like.search(path)
        ]
    return Done("".join(f"{path}\n" for path in found), err, 1 if err else 0)


def _there(at: Container, place: str) -> dict[str, bool]:
    """What is at a place and below it, by its paths, the place's own first; and whether it is a folder."""
    path, base = at.path(place), place.rstrip("/")
    if path in at.files:
        return {place: False}
    if not at.is_folder(path):
        return {}
    inside = f"{path.rstrip('/')}/"
    there = {place: True}
    for one in sorted({*(one for one, _ in at.below(path)), *(f"{folder}/{FOLDER}" for folder in FOLDERS)}):
        if not one.startswith(inside):
            continue
        steps = one.removeprefix(inside).split("/")
        told = base
        at.spend(len(steps) * (len(base) + len(one)))
        for number_of, step in enumerate(steps, 1):
            told = f"{told}/{step}"
            if step != FOLDER:
                there[told] = number_of < len(steps)
    return there
