"""Programs that write files. Pure."""

from collections.abc import Mapping

from fakekube.agents.node_server.place import FOLDER, Container, Done, Program, failed, flags, is_below


def _touch(at: Container, words: list[str], _stdin: str) -> Done:
    paths = [at.path(word) for word in flags(words)[1]]
    return Done(wrote={path: at.files.get(path, "") for path in paths if not at.is_folder(path)})


def _tee(at: Container, words: list[str], stdin: str) -> Done:
    asked, named = flags(words)
    paths = [at.path(word) for word in named]
    at.spend(len(paths) * len(stdin))
    return Done(stdin, wrote={path: (at.read(path) if "a" in asked else "") + stdin for path in paths})


def _mkdir(at: Container, words: list[str], _stdin: str) -> Done:
    return Done(wrote={f"{at.path(word)}/{FOLDER}": "" for word in flags(words)[1]})


def _rm(at: Container, words: list[str], _stdin: str) -> Done:
    asked, named = flags(words)
    gone, err = dict[str, None](), ""
    for word in named:
        path = at.path(word)
        if path in at.files:
            gone[path] = None
        elif at.is_folder(path) and not asked & set("rR"):
            err += f"rm: '{word}' is a directory\n"
        elif at.is_folder(path):
            gone |= dict.fromkeys(one for one, _ in at.below(path))
        elif "f" not in asked:
            err += f"rm: can't remove '{word}': No such file or directory\n"
    return Done(err=err, code=1 if err else 0, wrote=gone)


def _copies(own: str, *, moves: bool) -> Program:
    """`cp` and `mv`: to a path, or into a folder."""

    def run(at: Container, words: list[str], _stdin: str) -> Done:
        asked, named = flags(words)
        if len(named) < 2:
            return failed(f"{own}: missing file operand")
        *sources, last = named
        target, wrote, err = at.path(last), dict[str, str | None](), ""
        into = at.is_folder(target)
        if len(sources) > 1 and not into:
            return failed(f"{own}: target '{last}' is not a directory")
        for source in sources:
            path = at.path(source)
            below = dict(at.below(path))
            at.spend(len(target) * len(below))
            to = f"{target.rstrip('/')}/{path.rpartition('/')[2]}" if into else target
            if not below:
                err += f"{own}: can't stat '{source}': No such file or directory\n"
            elif path not in below and not moves and not asked & set("arR"):
                err += f"{own}: omitting directory '{source}'\n"
            elif is_below(to, path):
                err += f"{own}: '{source}' and '{to}' are the same file\n"
            else:
                wrote |= dict.fromkeys(below) if moves else {}
                wrote |= {to + one.removeprefix(path): text for one, text in below.items()}
        return Done(err=err, code=1 if err else 0, wrote=wrote)

    return run


def _chmod(at: Container, words: list[str], _stdin: str) -> Done:
    """Of what is there; nothing is kept of it."""
    named = flags(words)[1][1:]
    missing = [word for word in named if at.path(word) not in at.files and not at.is_folder(at.path(word))]
    return failed(f"chmod: {missing[0]}: No such file or directory") if missing else Done()


def _tar(at: Container, words: list[str], stdin: str) -> Done:
    from fakekube.agents.node_server import archives  # noqa: PLC0415 - few are asked for it, and Python's own takes its time

    return archives.tar(at, words, stdin)


def _gzip(at: Container, words: list[str], stdin: str) -> Done:
    from fakekube.agents.node_server import archives  # noqa: PLC0415 - see above

    return archives.unzipped(at, words, stdin)


WRITING: Mapping[str, Program] = {
    "chmod": _chmod,
    "cp": _copies("cp", moves=False),
    "gzip": _gzip,
    "mkdir": _mkdir,
    "mv": _copies("mv", moves=True),
    "rm": _rm,
    "tar": _tar,
    "tee": _tee,
    "touch": _touch,
}
