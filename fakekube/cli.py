"""`fakekube up | run | actors`: flags → Cluster + Server + kubeconfig, until a signal or the command's end.

Mistakes of the user are one sentence on stderr and exit code 2; everything else is a bug and shows its traceback.
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import secrets
import signal
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

import fakekube
from fakekube.conformance_command import conformance

_ENDED_BY_SIGNAL = 128
_ANY_TOKEN = fakekube.__name__  # nobody checks it, but without one kubectl asks for a password over TLS
# Objects and caches are trees: cycles are few, and looking for them as often as Python does by default takes longer than
# all the work of a large pool. This process is ours alone, so it is ours to say.
_GARBAGE = (50_000, 20, 50)


@dataclass(frozen=True, slots=True)
class Options:
    """What `up` and `run` have in common."""

    host: str = "127.0.0.1"
    port: int = 0
    manifests: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    tls: bool = False
    pace: str = "instant"
    kubeconfig: str = ""
    merge: bool = False
    nodes: int = 1
    seed: int | None = None
    allowed_hosts: tuple[str, ...] = field(default=())
    retention: int = 50_000
    tokens: tuple[str, ...] = ()
    authorization: str = "open"
    client_ca: str = ""
    verbose: bool = False


class _Sentence(click.ClickException):
    """A mistake of the user."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        click.echo(f"fakekube: {self.format_message()}", err=True)


class _Group(click.Group):
    """Usage errors in our one-sentence form, with a pointer to the help."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs |= {"standalone_mode": False, "prog_name": "fakekube"}
        try:
            return super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.UsageError as error:
            text = error.format_message().rstrip(".")
            where = error.ctx.command_path if error.ctx else "fakekube"
            click.echo(f"fakekube: {text[:1].lower()}{text[1:]}; see '{where} --help'", err=True)
            sys.exit(2)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(_ENDED_BY_SIGNAL + signal.SIGINT)


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `up` and `run`."""
    for option in reversed(
        (
            click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
            click.option(
                "--port",
                type=click.IntRange(0, 65535),
                default=0,
                help="Port; 0 takes a free one.",
                show_default=True,
            ),
            click.option(
                "--apply",
                "manifests",
                multiple=True,
                metavar="FILE",
                help="Load manifests: a file, a folder, or - for standard input. May be repeated.",
            ),
            click.option(
                "--without",
                multiple=True,
                metavar="NAME",
                help="Leave out an actor, or a group of them. May be repeated.",
            ),
            click.option(
                "--only",
                multiple=True,
                metavar="NAME",
                help="Start just these actors; `--only api` is the bare server. May be repeated.",
            ),
            click.option("--tls", is_flag=True, help="Serve https with a certificate authority of our own."),
            click.option(
                "--pace",
                type=click.Choice(["instant", "fast", "realistic"]),
                default="instant",
                show_default=True,
                help="How long life cycles take.",
            ),
            click.option("--kubeconfig", metavar="PATH", default="", help="Where to write the kubeconfig."),
            click.option(
                "--merge",
                is_flag=True,
                help="Add the context to your own kubeconfig, and take it out again at the end.",
            ),
            click.option(
                "--nodes",
                type=click.IntRange(0, 5000),
                default=1,
                show_default=True,
                help="Number of worker nodes.",
            ),
            click.option("--seed", type=int, default=None, help="Make uids and generated names repeatable."),
            click.option(
                "--allow-host",
                "allowed_hosts",
                multiple=True,
                metavar="NAME",
                help="Answer to this Host or Origin as well. May be repeated.",
            ),
            click.option(
                "--retention",
                type=click.IntRange(1),
                default=50_000,
                show_default=True,
                help="How many writes stay readable for watches and continued lists.",
            ),
            click.option(
                "--token",
                "tokens",
                multiple=True,
                metavar="TOKEN",
                help="Let in only who shows this bearer token, as the admin. kubectl shows it only with --tls. "
                "May be repeated.",
            ),
            click.option(
                "--tls-client-ca",
                "client_ca",
                metavar="FILE",
                default="",
                help="Let in who shows a certificate of this authority, as the user it names. Needs --tls.",
            ),
            click.option(
                "--authorization",
                type=click.Choice(["open", "rbac"]),
                default="open",
                show_default=True,
                help="Who is let in may do everything, or what roles and bindings allow.",
            ),
            click.option("--verbose", "-v", is_flag=True, help="Tell what the actors do."),
        )
    ):
        command = option(command)
    return command


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fakekube.__version__, prog_name="fakekube", message="%(prog)s %(version)s")
def main() -> None:
    """A Kubernetes API server with KubeVirt that is not a cluster."""


@main.command()
@_common
def up(**flags: Any) -> None:
    """Start, print how to connect, and run until Ctrl-C."""
    _play(_up(_options(flags)))


@main.command(context_settings={"ignore_unknown_options": False})
@_common
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], **flags: Any) -> None:
    """Start, run COMMAND with KUBECONFIG set, stop, and return its exit code.

    Write -- before a COMMAND that has options of its own.
    """
    sys.exit(_play(_run(_options(flags), command)))


@main.command()
def actors() -> None:
    """List the actors, as --only and --without name them."""
    from fakekube.actors import ACTORS, API  # noqa: PLC0415 - see _running

    rows = [(spec.name, spec.group, spec.about) for spec in ACTORS.values()]
    for name, group, about in [
        ("NAME", "GROUP", "DOES"),
        (API, "", "the API server itself, always there"),
        *rows,
    ]:
        click.echo(f"{name:<18}{group:<12}{about}")


def _options(flags: dict[str, Any]) -> Options:
    options = Options(**flags)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.ERROR,
        format="fakekube: %(message)s",
        stream=sys.stderr,
    )
    return options


# --- running ---------------------------------------------------------------------------------------------------


async def _up(options: Options) -> int:
    ended = asyncio.Event()
    with _signals(lambda _: ended.set()):
        async with _running(options) as (url, kubeconfig):
            click.echo(f"# fakekube {fakekube.__version__} at {url}; Ctrl-C ends it")
            click.echo(f"export KUBECONFIG={kubeconfig}")
            sys.stdout.flush()
            await ended.wait()
    return 0


async def _run(options: Options, command: tuple[str, ...]) -> int:
    early: list[int] = []  # signals from before there is a process to pass them to
    process: asyncio.subprocess.Process | None = None

    def forward(number: int) -> None:
        if process is None:
            early.append(number)
            return
        if number == signal.SIGINT and sys.stdin.isatty():
            return  # Ctrl-C reaches everything in the terminal's foreground, the command too
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    with _signals(forward):
        async with _running(options) as (_, kubeconfig):
            if early:
                return _ENDED_BY_SIGNAL + early[0]
            environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
            try:
                process = await asyncio.create_subprocess_exec(*command, env=environment)
            except OSError as error:
                raise _Sentence(f"cannot run {command[0]}: {error.strerror or error}") from error
            for number in early:
                forward(number)
            code = await process.wait()
    return code if code >= 0 else _ENDED_BY_SIGNAL - code


@contextlib.asynccontextmanager
async def _running(options: Options) -> AsyncIterator[tuple[str, Path]]:
    """Cluster, server and kubeconfig: in that order up, in the other down. Imports here so that `--help` is quick."""
    # aiohttp reads the machine's certificates when it is imported; the rest can be imported meanwhile.
    threading.Thread(target=importlib.import_module, args=("aiohttp.web",), daemon=True).start()
    from fakekube import apply_files  # noqa: PLC0415
    from fakekube.actors import UnknownActor  # noqa: PLC0415
    from fakekube.api.access.authentication import ADMIN, Authentication  # noqa: PLC0415
    from fakekube.client.kubeconfig import KubeconfigError  # noqa: PLC0415
    from fakekube.cluster import Cluster  # noqa: PLC0415
    from fakekube.server import CannotListen, Server  # noqa: PLC0415
    from fakekube.tls import TlsUnavailable, identity, trust, user_of  # noqa: PLC0415

    if options.client_ca and not options.tls:
        raise _Sentence("--tls-client-ca needs --tls: certificates are shown in its handshake")
    try:
        manifests = apply_files.read(options.manifests)
        tls = identity([options.host, *options.allowed_hosts]) if options.tls else None
        if tls and options.client_ca:
            trust(tls.context, options.client_ca)
        tokens = _tokens(options)
        cluster = Cluster(
            only=options.only,
            without=options.without,
            pace=options.pace,  # type: ignore[arg-type]  # click has checked it
            nodes=options.nodes,
            seed=options.seed,
            retention=options.retention,
            authentication=Authentication(
                dict.fromkeys(tokens, ADMIN), anonymous=options.authorization == "rbac"
            ),
            rbac=options.authorization == "rbac",
        )
        server = Server(
            cluster,
            options.host,
            options.port,
            tls.context if tls else None,
            allowed_hosts=options.allowed_hosts,
            certified=user_of if options.client_ca else None,
        )
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(cluster)
            await stack.enter_async_context(server)
            await cluster.apply(manifests)
            ca_data = tls.ca_data if tls else None
            file = stack.enter_context(_kubeconfig(options, server.url, ca_data, (*tokens, _ANY_TOKEN)[0]))
            gc.freeze()
            gc.set_threshold(*_GARBAGE)
            gc.enable()
            yield server.url, file
    except (apply_files.ManifestError, CannotListen, KubeconfigError, TlsUnavailable, UnknownActor) as error:
        raise _Sentence(str(error)) from error


def _tokens(options: Options) -> tuple[str, ...]:
    """The tokens that count; where only certificates were asked for, one for our own kubeconfig."""
    return options.tokens or ((secrets.token_urlsafe(),) if options.client_ca else ())


@contextlib.contextmanager
def _kubeconfig(options: Options, url: str, ca_data: bytes | None, token: str) -> Iterator[Path]:
    """The file that leads to the server: our own, removed at the end; the one asked for; or a context in the user's."""
    from fakekube.client import kubeconfig  # noqa: PLC0415

    if options.merge:
        path = Path(options.kubeconfig) if options.kubeconfig else kubeconfig.default_file()
        before = kubeconfig.merge(path, url, ca_data=ca_data, token=token)
        try:
            yield path.absolute()
        finally:
            kubeconfig.unmerge(path, before, url)
    elif options.kubeconfig:
        path = Path(options.kubeconfig)
        kubeconfig.write(path, url, ca_data=ca_data, token=token)
        yield path.absolute()
    else:
        with tempfile.TemporaryDirectory(prefix="fakekube-") as folder:
            path = Path(folder, "kubeconfig")
            kubeconfig.write(path, url, ca_data=ca_data, token=token)
            yield path


@contextlib.contextmanager
def _signals(handle: Callable[[int], None]) -> Iterator[None]:
    """Hand SIGINT and SIGTERM to `handle` for as long as this lasts."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _play(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, on uvloop where it is installed."""
    gc.disable()  # nothing made while starting is garbage; looking for it would take a third of the start
    try:
        import uvloop  # noqa: PLC0415 - the extra `fast`

        loop_factory = uvloop.new_event_loop
    except ImportError:
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(work)


main.add_command(conformance)

if __name__ == "__main__":
    main()
