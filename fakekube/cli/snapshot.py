"""`fakekube snapshot save | load`: the state of a running server into a file, and back.

The server is the one the kubeconfig leads to. To begin with a snapshot, start with `up --snapshot FILE`.
"""

import asyncio

import click

from fakekube.cli.mistakes import Mistake

_PATH = "/fakekube/snapshot"
_KUBECONFIG = click.option(
    "--kubeconfig", metavar="PATH", default=None, help="The server to ask; without, the one kubectl would."
)


@click.group()
def snapshot() -> None:
    """Save the state of a running server, or lead it to a saved one."""


@snapshot.command()
@_KUBECONFIG
@click.argument("file", type=click.Path(dir_okay=False))
def save(file: str, kubeconfig: str | None) -> None:
    """Write all there is to FILE; a name that ends in .gz is packed."""
    from fakekube.snapshot import write  # noqa: PLC0415 - `--help` is quick

    lines = asyncio.run(_ask("GET", kubeconfig))
    try:
        write(file, lines)
    except OSError as error:
        raise Mistake(f"{file}: {error.strerror}") from error
    click.echo(f"{file}: {len(lines.splitlines()) - 1} objects")


@snapshot.command()
@_KUBECONFIG
@click.argument("file", type=click.Path(dir_okay=False))
def load(file: str, kubeconfig: str | None) -> None:
    """Have the server hold what FILE says; watches see the difference."""
    from fakekube.snapshot import BadSnapshot, entries, packed, read, unpacked  # noqa: PLC0415

    try:
        data = unpacked(read(file), file)
        count = len(entries(data, file))  # mistakes are told here, with the file's name
    except BadSnapshot as error:
        raise Mistake(str(error)) from error
    asyncio.run(_ask("PUT", kubeconfig, packed(data)))
    click.echo(f"{file}: {count} objects")


async def _ask(method: str, kubeconfig: str | None, body: bytes | None = None) -> bytes:
    from fakekube.client.client import Client  # noqa: PLC0415
    from fakekube.client.http import HttpTransport  # noqa: PLC0415
    from fakekube.client.kubeconfig import KubeconfigError  # noqa: PLC0415
    from fakekube.client.kubeconfig import load as access  # noqa: PLC0415
    from fakekube.machinery.errors import ApiError, NotFound  # noqa: PLC0415

    try:
        async with HttpTransport.to(access(kubeconfig)) as server:
            return (await Client(server).request(method, _PATH, body=body)).body
    except NotFound as error:
        raise Mistake(
            "this is no fakekube server; a real cluster is saved with `kubectl get -o yaml`"
        ) from error
    except (ApiError, KubeconfigError) as error:
        raise Mistake(str(error)) from error
