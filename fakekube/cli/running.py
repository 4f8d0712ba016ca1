"""A server for as long as a command lasts: cluster, socket, kubeconfig, signals."""

import asyncio
import contextlib
import gc
import importlib
import secrets
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakekube.cli.mistakes import Mistake
from fakekube.cli.open_files import allow_many
from fakekube.cli.options import Options

if TYPE_CHECKING:
    from fakekube.clock import Clock
    from fakekube.cluster import Cluster

# Objects and caches are trees: cycles are few, and looking for them as often as Python does by default takes longer than
# all the work of a large pool. This process is ours alone, so it is ours to say.
_GARBAGE = (200_000, 20, 50)


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[tuple[str, Path]]:
    """Cluster, server and kubeconfig: in that order up, in the other down. Imports here so that `--help` is quick."""
    # aiohttp reads the machine's certificates when it is imported; the rest can be imported meanwhile.
    threading.Thread(target=importlib.import_module, args=("aiohttp.web",), daemon=True).start()
    from fakekube import apply_files, dumps, snapshot  # noqa: PLC0415
    from fakekube.actors import UnknownActor  # noqa: PLC0415
    from fakekube.api.access.authentication import ADMIN, OPEN_TOKEN, Authentication  # noqa: PLC0415
    from fakekube.client.kubeconfig import KubeconfigError  # noqa: PLC0415
    from fakekube.clock import RealClock  # noqa: PLC0415
    from fakekube.cluster import Cluster  # noqa: PLC0415
    from fakekube.lifecycle.stage import StageError  # noqa: PLC0415
    from fakekube.machinery.versions import BadVersion, Versions  # noqa: PLC0415
    from fakekube.server import CannotListen, Server  # noqa: PLC0415
    from fakekube.tls import TlsUnavailable, identity, trust, user_of  # noqa: PLC0415

    _check(options)
    try:
        manifests = apply_files.read(options.manifests)
        tls = identity([options.host, *options.allowed_hosts]) if options.tls else None
        if tls and options.client_ca:
            trust(tls.context, options.client_ca)
        tokens = _tokens(options)
        members: dict[str, Any] = {
            "only": options.only,
            "without": options.without,
            "pace": options.pace,
            "nodes": options.nodes,
            "stages": options.stages,
            "seed": options.seed,
            "retention": options.retention,
            "authentication": Authentication(
                dict.fromkeys(tokens, ADMIN), anonymous=options.authorization == "rbac"
            ),
            "rbac": options.authorization == "rbac",
            "service_accounts": "ServiceAccount" in options.plugins,
            "versions": Versions(options.kubernetes, options.kubevirt),
            "services": dict(_service(text) for text in options.services),
        }
        clock = partial(_clock, options.clock)
        if options.snapshot and snapshot.is_one(options.snapshot):
            dump, cluster = [], Cluster.load(options.snapshot, clock=clock, **members)
        else:
            dump = dumps.read(options.snapshot) if options.snapshot else []
            cluster = Cluster(clock=clock(RealClock().now()), **members)
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
            await cluster.take_over(dump)
            await cluster.apply(manifests)
            stack.callback(asyncio.create_task(cluster.keep()).cancel)
            if options.guest_ports:
                await stack.enter_async_context(_guest_ports(cluster))
            ca_data = tls.ca_data if tls else None
            file = stack.enter_context(_kubeconfig(options, server.url, ca_data, (*tokens, OPEN_TOKEN)[0]))
            gc.freeze()
            gc.set_threshold(*_GARBAGE)
            gc.enable()
            yield server.url, file
    except (
        apply_files.ManifestError,
        BadVersion,
        CannotListen,
        KubeconfigError,
        snapshot.BadSnapshot,
        StageError,
        TlsUnavailable,
        UnknownActor,
    ) as error:
        raise Mistake(str(error)) from error


def _check(options: Options) -> None:
    """What can be told from the options alone. An empty one is a variable that was not set."""
    if not options.host:
        raise Mistake("--host is empty; name an address, or 0.0.0.0 for all of them")
    if any(token.split() != [token] for token in options.tokens):
        raise Mistake("--token must be a word: without blanks, and not empty")
    if options.client_ca and not options.tls:
        raise Mistake("--tls-client-ca needs --tls: certificates are shown in its handshake")


@contextlib.asynccontextmanager
async def _guest_ports(cluster: "Cluster") -> AsyncIterator[None]:
    """Services' ports on the loopback, for as long as this lasts."""
    from fakekube.actors import KUBELET  # noqa: PLC0415 - few ask for it
    from fakekube.agents.node_server.server import NodeServer  # noqa: PLC0415
    from fakekube.guest_ports import GuestPorts  # noqa: PLC0415

    kubelet = cluster.services.find(*KUBELET)
    if not isinstance(kubelet, NodeServer):
        raise Mistake("--guest-ports needs the actor kubelet, which answers on the ports of pods")
    ports = GuestPorts(cluster.client(user_agent="fakekube-guest-ports"), cluster.clock, kubelet.dial)
    task = asyncio.create_task(ports.run(), name=ports.name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _service(text: str) -> tuple[tuple[str, str], str]:
    """(namespace, name) and address out of NAMESPACE/NAME=URL."""
    who, _, url = text.partition("=")
    space, _, name = who.partition("/")
    if not (space and name and "/" not in name and url.startswith(("http://", "https://"))):
        example = "kubevirt/virt-api=https://127.0.0.1:8443"
        raise Mistake(f"--service {text}: expected NAMESPACE/NAME=URL, as in {example}")
    return (space, name), url.rstrip("/")


def _clock(kind: str, start: datetime) -> "Clock":
    """A clock of this kind; one that runs does not begin in the past, for clients outside go by the machine's."""
    from fakekube.clock import FlowingClock, ManualClock, RealClock  # noqa: PLC0415

    if kind == "flowing":
        return FlowingClock(max(start, RealClock().now()))
    return ManualClock(start) if kind == "manual" else RealClock()


def _tokens(options: Options) -> tuple[str, ...]:
    """The tokens that count; where only certificates were asked for, one for our own kubeconfig."""
    return options.tokens or ((secrets.token_urlsafe(),) if options.client_ca else ())


@contextlib.contextmanager
def _kubeconfig(options: Options, url: str, ca_data: bytes | None, token: str) -> Iterator[Path]:
    """The file that leads to the server: our own, removed at the end; the one asked for; or a context in the user's."""
    from fakekube.client import own_kubeconfig  # noqa: PLC0415

    if options.merge:
        path = Path(options.kubeconfig) if options.kubeconfig else own_kubeconfig.default_file()
        before = own_kubeconfig.merge(path, url, ca_data=ca_data, token=token)
        try:
            yield path.absolute()
        finally:
            own_kubeconfig.unmerge(path, before, url)
    elif options.kubeconfig:
        path = Path(options.kubeconfig)
        own_kubeconfig.write(path, url, ca_data=ca_data, token=token)
        yield path.absolute()
    else:
        try:
            folder = tempfile.TemporaryDirectory(prefix="fakekube-")
        except OSError as error:
            raise Mistake(
                f"cannot write a kubeconfig: {error.strerror}; --kubeconfig says where to"
            ) from error
        with folder:
            path = Path(folder.name, "kubeconfig")
            own_kubeconfig.write(path, url, ca_data=ca_data, token=token)
            yield path


@contextlib.contextmanager
def signals(handle: Callable[[int], None]) -> Iterator[None]:
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


def play(work: Coroutine[Any, Any, int]) -> int:
    """Run to the end, on uvloop where it is installed."""
    try:
        allow_many()
        gc.disable()  # nothing made while starting is garbage; looking for it would take a third of the start
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(work)
    finally:
        work.close()  # if Ctrl-C came before it has begun


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - the extra `fast`
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
