"""Commands in containers: `exec`, and `attach` to what runs there already. `shell` knows what they say, this module when.

Upstream: k8s: staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand, containerd's CRI
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from fakekube.agents.node_server import logs, parsing, place, shell, terminal
from fakekube.agents.node_server.channels import Run, Talk
from fakekube.agents.node_server.place import ROOM, Container, Done, bytes_of, text_of
from fakekube.agents.node_server.written import Here
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.errors import InternalError
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object

_MOST = 16 * ROOM  # bytes that are kept of what comes in
_TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"


class Asked(Struct, frozen=True):
    """What is wanted of a command."""

    words: Sequence[str] = ()
    stdin: bool = False
    tty: bool = False


def container_of(
    pod: Obj, name: str, now: datetime, variables: Mapping[str, str], mounted: Mapping[str, str]
) -> Container:
    """What commands in a container can tell. `variables` and `mounted` files: what it is configured with."""
    spec = logs.spec_of(pod, name)
    host = str(dig(pod, "spec", "hostname", default="") or objects.name(pod))
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": host,
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "HOME": "/root",
        **variables,
    }
    address = dig(pod, "status", "podIP", default="")
    files = {
        "/etc/hostname": f"{host}\n",
        "/etc/hosts": f"127.0.0.1\tlocalhost\n{address}\t{host}\n",
        "/etc/resolv.conf": f"search {objects.namespace(pod)}.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n",
        f"{_TOKENS}/namespace": objects.namespace(pod),
        **mounted,
    }
    workdir = spec.get("workingDir") or "/"
    main = " ".join([*(spec.get("command") or ()), *(spec.get("args") or ())]) or name
    return Container(host, environment, files, {1: main, 2: "ps"}, workdir=workdir, now=now)


class Inside(Protocol):
    """Who knows more of a container than its pod says, what it has written, and what commands do to it."""

    async def enter(self, pod: Object, name: str, container: Container) -> Container:
        """The place commands run in."""

    async def act(self, pod: Object, act: str) -> None:
        """Carry out what a command has done (`Done.act`)."""

    async def said(self, pod: Object, name: str) -> list[logs.Line] | None:
        """What a container has written, where that does not follow from its pod."""

    def more(self, pod: Object, name: str) -> asyncio.Event | None:
        """Set when there is more of it than now."""


def executing(
    here: Here,
    asked: Asked,
    clock: Clock,
    act: Callable[[str], Awaitable[None]],
) -> Run:
    """How to run a command in a container."""

    async def tell(talk: Talk, done: Done) -> None:
        await _tell(talk, done, clock, tty=asked.tty)
        if done.act:
            await act(done.act)

    async def run(talk: Talk) -> Object:
        if parsing.reads_lines(asked.words) and (asked.tty or asked.stdin):
            if asked.tty:
                return await _at_terminal(here, asked.words, talk)
            return await _line_by_line(here, asked.words, talk, tell)
        if asked.stdin and list(asked.words) in (["cat"], ["cat", "-"]):
            return await _echoed(talk)
        stdin = await _all(talk) if asked.stdin and parsing.reads(asked.words) else ""
        if stdin is None:
            done = place.failed(f"{asked.words[0]}: No space left on device")
            await tell(talk, done)
            return verdict(done.code)
        try:
            done = await here.play(lambda at: shell.program(at, list(asked.words), stdin))
        except shell.NotFound as error:
            return _not_found(str(error))
        here.keep(done.wrote)
        await tell(talk, done)
        return verdict(done.code)

    return run


def attached(here: Here, asked: Asked, clock: Clock) -> Run:
    """How to talk to what runs there: a debugger's script, of which this is the only run, or else a shell for whoever types. With
    its end the container ends."""

    async def run(talk: Talk) -> Object:
        if asked.words and asked.words[0] in parsing.SHELLS and not parsing.reads_lines(asked.words):
            done = await here.play(lambda at: shell.program(at, list(asked.words)))
            here.keep(done.wrote)
            await _tell(talk, done, clock, tty=asked.tty)
            return verdict(done.code)
        if asked.tty:
            return await _at_terminal(here, (), talk)
        if here.now().processes[1] == "cat":
            return await _echoed(talk)
        return await _line_by_line(here, (), talk, partial(_tell, clock=clock, tty=False))

    return run


async def _at_terminal(here: Here, words: Sequence[str], talk: Talk) -> Object:
    at = terminal.Terminal(shell.begun(here.now(), words))
    await talk.write(at.prompt.encode())
    while not at.ended and (data := await talk.read()) is not None:
        for piece in terminal.pieces(data):
            variables = dict(at.container.environment)
            if talk.size is not None:
                variables["COLUMNS"], variables["LINES"] = map(str, talk.size)
            at, shown = await here.play(partial(terminal.fed, at, piece), variables)
            here.keep(at.wrote)
            if shown:
                await talk.write(bytes_of(shown))
            if at.ended:
                break
    return verdict(at.code)


async def _line_by_line(
    here: Here, words: Sequence[str], talk: Talk, tell: Callable[[Talk, Done], Awaitable[None]]
) -> Object:
    """A shell carries out what it reads as it comes."""
    variables, rest, done = shell.begun(here.now(), words).environment, b"", Done()
    data: bytes | None = b""
    while data is not None and not done.left:
        data = await talk.read()
        ends = b"\n" if rest and data is None else b""  # the last line need not be ended
        *lines, rest = (rest + (data or ends)).split(b"\n")
        for text in lines:
            run = partial(shell.line, text=text_of(text), code=done.code)
            done = await here.play(run, variables)
            variables = {**variables, **done.variables}
            here.keep(done.wrote)
            await tell(talk, done)
            if done.left:
                break
        if len(rest) > ROOM and not done.left:  # it ends here, and does not take what follows for a command
            done = replace(place.failed("sh: so long a line is not emulated", 2), left=True)
            await tell(talk, done)
    return verdict(done.code)


async def _echoed(talk: Talk) -> Object:
    """`cat`, which says what it hears as it hears it."""
    while (data := await talk.read()) is not None:
        await talk.write(data)
    return verdict(0)


async def _tell(talk: Talk, done: Done, clock: Clock, *, tty: bool) -> None:
    if done.sleep:
        await clock.sleep(done.sleep)
    for text, to_errors in ((done.out, False), (done.err, not tty)):
        if text:
            said = text.replace("\n", "\r\n") if tty else text
            await talk.write(bytes_of(said), error=to_errors)


async def _all(talk: Talk) -> str | None:
    """What comes in, to its end; None: nobody has room for it."""
    parts, left = [], _MOST
    while (data := await talk.read()) is not None:
        parts.append(data)
        left -= len(data)
        if left < 0:
            return None
    return text_of(b"".join(parts))


def verdict(code: int) -> Object:
    """The Status that tells how a command ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def exit_code(verdict: Object) -> int:
    return int(dig(verdict, "details", "causes", 0, "message", default="0"))


def _not_found(program: str) -> Object:
    return InternalError(
        "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: "
        f'OCI runtime exec failed: exec failed: unable to start container process: exec: "{program}": executable file not '
        "found in $PATH: unknown"
    ).status()
