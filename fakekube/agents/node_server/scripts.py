"""What comes of the work of a Job's pod, or of one on its own, where the small shell knows all of it: what nothing depends on but the
pod itself. Pure.

Whatever asks for files or the network, or for a program that only an image might bring, is not known.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from fakekube.agents import fates
from fakekube.agents.node_server import commands, lexing, mounted, parsing, shell
from fakekube.agents.node_server.budgets import Budget, Exhausted
from fakekube.agents.node_server.expansion import VARIABLE
from fakekube.agents.node_server.place import EPOCH, Done
from fakekube.machinery.objects import Obj, dig

_TOKENS = "/var/run/secrets/kubernetes.io/"
_LONGEST = 8192  # characters of a script somebody waits for
_MOST = 1 << 20  # steps, some hundred commands: it is asked each time a pod is looked at
_BUILT_IN = (":", "exit", "export", "set")
_PROGRAMS = frozenset(
    [
        "[",
        "[[",
        "date",
        "echo",
        "false",
        "hostname",
        "id",
        "printenv",
        "printf",
        "sleep",
        "test",
        "true",
        "uname",
        "whoami",
    ]
)
# Images that run what they are given as arguments: they have no entrypoint. `kubectl run x --image=busybox -- echo hi` counts on it.
_BARE_IMAGES = frozenset(["alpine", "busybox", "centos", "debian", "fedora", "rockylinux", "ubuntu"])
_OF_PIPES = frozenset(["cat", "grep", "head", "sort", "tail", "tr", "uniq", "wc"])
_OF_FILES = re.compile(r"-[a-mo-yA-Z]")  # what `test` asks for but -n and -z
_NOT_PRINTED = re.compile(r"%(?![sd%])")
_NAMES = re.compile(r"([A-Za-z_]\w*)=")
_GIVEN = re.compile(r"\$\((\w+)\)")  # a variable, as kubelets put it into commands


def ends(pod: Obj) -> bool:
    """Whether a pod on its own, which nobody starts again, has work that is known to end at once."""
    if dig(pod, "spec", "restartPolicy") != "Never" or dig(pod, "metadata", "ownerReferences", default=()):
        return False
    found = done(pod, EPOCH)
    return found is not None and not found.sleep


def done(pod: Obj, now: datetime) -> Done | None:
    """What the pod's work said, and its exit code; None: nobody knows."""
    main = dig(pod, "spec", "containers", default=())
    own = main[0] if len(main) == 1 else {}
    given = _given(own)
    if not given or fates.of(pod).exit is not None or not _is_alone(pod, own):
        return None
    at = commands.container_of(pod, own["name"], now, mounted.environment(pod, own, {}), {})
    words = [_GIVEN.sub(lambda found: at.environment.get(found[1], found[0]), word) for word in given]
    known = words[0] not in _BUILT_IN and is_known(words, frozenset(at.environment))
    try:
        return shell.program(replace(at, budget=Budget(_MOST)), words) if known else None
    except (Exhausted, RecursionError):
        return None


def _given(container: Obj) -> Sequence[str]:
    """What is run, if the container says it: its command, or its arguments where the image puts nothing before them."""
    command, arguments = container.get("command") or (), container.get("args") or ()
    image = str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    return (*command, *arguments) if command or image in _BARE_IMAGES else ()


def _is_alone(pod: Obj, container: Obj) -> bool:
    """Whether it is given nothing that is kept elsewhere."""
    volumes = {one["name"]: one for one in dig(pod, "spec", "volumes", default=())}
    mounts = [one for one in container.get("volumeMounts") or () if not one["mountPath"].startswith(_TOKENS)]
    sources = [one["valueFrom"] for one in container.get("env") or () if one.get("valueFrom")]
    return (
        not container.get("envFrom")
        and all("fieldRef" in one for one in sources)
        and all("emptyDir" in volumes.get(one["name"], {}) for one in mounts)
    )


def is_known(words: Sequence[str], names: frozenset[str], *, piped: bool = False) -> bool:
    """Whether what a command says and returns follows from its words, variables of these names, and what comes in where it is piped."""
    own, given = words[0], words[1:]
    if own in parsing.SHELLS:
        text = parsing.given(words)
        return text is not None and len(text) <= _LONGEST and _script_is_known(text, names)
    if own in _OF_PIPES:
        return piped and parsing.reads(words)
    if own in ("[", "[[", "test"):
        return not any(_OF_FILES.fullmatch(word) for word in given)
    if own == "printf":
        return bool(given) and not _NOT_PRINTED.search(given[0])
    if own == "date":
        return all(word.startswith("+") or word == "-u" for word in given)
    return own in _PROGRAMS or own in _BUILT_IN


def _script_is_known(text: str, names: frozenset[str]) -> bool:
    names |= {"?", *_NAMES.findall(text)}
    try:
        return all(
            _words_are_known(words, names, piped=number > 0)
            for pipeline in parsing.pipelines(text)
            for number, words in enumerate(pipeline)
        )
    except (ValueError, lexing.NotEmulated):
        return False


def _words_are_known(words: list[str], names: frozenset[str], *, piped: bool) -> bool:
    """Of a command whose words are as `lexing` leaves them."""
    for word in words:
        inner = [lexing.command(found) for found in lexing.COMMANDS.finditer(word)]
        outer = lexing.COMMANDS.sub("", word)
        used = {found.strip("{}") for found in VARIABLE.findall(outer)}
        if not used <= names or any(one in VARIABLE.sub("", outer) for one in "$*`~"):
            return False
        if not all(_script_is_known(one, names) for one in inner):
            return False
    own = parsing.assigned([one for one in words if one not in lexing.MARKS])[1]
    if own and (lexing.COMMANDS.search(own[0]) or VARIABLE.search(own[0])):
        return False
    return not own or is_known([one.translate(lexing.PLAIN) for one in own], names, piped=piped)
