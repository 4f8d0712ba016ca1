"""`fakekube up | run | actors | snapshot | conformance`: what people type.

Here are the commands; `options` says what they take, `running` is the server behind them, `mistakes` what people are told.
"""

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import sys
from typing import Any

import click

import fakekube
from fakekube.cli.conformance import conformance
from fakekube.cli.mistakes import ENDED_BY_SIGNAL, Group, Mistake
from fakekube.cli.options import Options, common
from fakekube.cli.running import play, running, signals
from fakekube.cli.snapshot import snapshot


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fakekube.__version__, prog_name="fakekube", message="%(prog)s %(version)s")
def main() -> None:
    """A Kubernetes API server with KubeVirt that is not a cluster."""


@main.command()
@common
def up(**flags: Any) -> None:
    """Start, print how to connect, and run until Ctrl-C."""
    play(_up(_options(flags)))


@main.command(context_settings={"allow_interspersed_args": False})
@common
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(command: tuple[str, ...], **flags: Any) -> None:
    """Start, run COMMAND with KUBECONFIG set, stop, and return its exit code.

    What follows COMMAND is for it, options too; a -- before it is only needed where it begins with a dash.
    """
    sys.exit(play(_run(_options(flags), command)))


@main.command()
def actors() -> None:
    """List the actors, as --only and --without name them."""
    from fakekube.actors import ACTORS, API  # noqa: PLC0415 - see running

    rows = [(spec.name, spec.group, spec.about) for spec in ACTORS.values()]
    wide = max(map(len, ACTORS)) + 2
    for name, group, about in [
        ("NAME", "GROUP", "DOES"),
        (API, "", "the API server itself, always there"),
        *rows,
    ]:
        click.echo(f"{name:<{wide}}{group:<12}{about}")


def _options(flags: dict[str, Any]) -> Options:
    options = Options(**flags)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.ERROR,
        format="fakekube: %(message)s",
        stream=sys.stderr,
    )
    return options


async def _up(options: Options) -> int:
    ended = asyncio.Event()
    with signals(lambda _: ended.set()):
        async with running(options) as (url, kubeconfig):
            _say(
                f"# fakekube {fakekube.__version__} at {url}; Ctrl-C ends it",
                f"export KUBECONFIG={shlex.quote(str(kubeconfig))}",
            )
            await ended.wait()
    return 0


def _say(*lines: str) -> None:
    """Raises Mistake where nobody can be told."""
    try:
        for line in lines:
            click.echo(line)
        sys.stdout.flush()
    except OSError as error:
        # What is left of it is not tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Mistake(f"cannot write to standard output: {error.strerror}") from error


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

    with signals(forward):
        async with running(options) as (_, kubeconfig):
            if early:
                return ENDED_BY_SIGNAL + early[0]
            environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
            try:
                process = await asyncio.create_subprocess_exec(*command, env=environment)
            except OSError as error:
                raise Mistake(f"cannot run {command[0]}: {error.strerror or error}") from error
            for number in early:
                forward(number)
            code = await process.wait()
    return code if code >= 0 else ENDED_BY_SIGNAL - code


main.add_command(conformance)
main.add_command(snapshot)

if __name__ == "__main__":
    main()
