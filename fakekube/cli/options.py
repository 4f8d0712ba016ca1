"""The options of `up` and `run`: how a server is to be."""

from collections.abc import Callable
from typing import Any

import click
from msgspec import Struct, field

from fakekube.machinery.paces import PACE_NAMES


class Options(Struct, frozen=True):
    """What `up` and `run` have in common."""

    host: str = "127.0.0.1"
    port: int = 0
    manifests: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    tls: bool = False
    pace: str = "instant"
    clock: str = "flowing"
    snapshot: str = ""
    kubernetes: str = "1.36.2"
    kubevirt: str = "1.9.0"
    kubeconfig: str = ""
    merge: bool = False
    nodes: int = 1
    seed: int | None = None
    allowed_hosts: tuple[str, ...] = field(default=())
    retention: int = 50_000
    tokens: tuple[str, ...] = ()
    authorization: str = "open"
    plugins: tuple[str, ...] = ()
    client_ca: str = ""
    services: tuple[str, ...] = ()
    guest_ports: bool = False
    verbose: bool = False


def common(command: Callable[..., Any]) -> Callable[..., Any]:
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
                type=click.Choice(PACE_NAMES),
                default="instant",
                show_default=True,
                help="How long life cycles take.",
            ),
            click.option(
                "--stages",
                multiple=True,
                metavar="PATH",
                help="Stages of life cycles, beside and in place of the standard ones: a file or a folder. "
                "May be repeated.",
            ),
            click.option(
                "--clock",
                type=click.Choice(["flowing", "manual", "real"]),
                default="flowing",
                show_default=True,
                help="The cluster's time: runs and can be pushed ahead, stands still until moved "
                "(POST /fakekube/clock/advance), or is the machine's.",
            ),
            click.option(
                "--snapshot",
                metavar="PATH",
                default="",
                help="Begin with a cluster: a snapshot, the output of `kubectl get -o yaml`, or a must-gather "
                "folder.",
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
            click.option(
                "--kubernetes-version",
                "kubernetes",
                metavar="VERSION",
                default="1.36.2",
                show_default=True,
                help="The release to be shown; the API stays that of 1.36.",
            ),
            click.option(
                "--kubevirt-version",
                "kubevirt",
                metavar="VERSION",
                default="1.9.0",
                show_default=True,
                help="The release KubeVirt is shown as.",
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
            click.option(
                "--enable-admission-plugins",
                "plugins",
                type=click.Choice(["ServiceAccount"]),
                multiple=True,
                help="What pods go through besides: ServiceAccount gives them an account and its token.",
            ),
            click.option(
                "--service",
                "services",
                multiple=True,
                metavar="NAMESPACE/NAME=URL",
                help="Where a Service really listens: for webhooks, aggregated APIs and the Service's proxy. "
                "May be repeated.",
            ),
            click.option(
                "--guest-ports",
                is_flag=True,
                help="Listen on the loopback for the ports of Services, and connect to the pods behind them; the "
                "annotation fakekube.io/guest-ports tells where.",
            ),
            click.option("--verbose", "-v", is_flag=True, help="Tell what the actors do."),
        )
    ):
        command = option(command)
    return command
