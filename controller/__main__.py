"""`python -m controller`: from settings and a kubeconfig to a running controller, until SIGINT or SIGTERM."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from controller import logs
from controller.app import COMPONENT, PoolController
from controller.config import Settings, settings
from controller.leader import LeaderElection, LostLeadershipError
from controller.metrics import Metrics
from fakekube.client import kubeconfig
from fakekube.client.client import Client
from fakekube.client.http import HttpTransport
from fakekube.client.kubeconfig import Access, KubeconfigError
from fakekube.clock import RealClock
from fakekube.ids import Ids

log = logging.getLogger("controller")

PATIENCE = 60.0  # seconds without an answer; a server gives up on a request by then, too


class CannotListenError(Exception):
    """The port for metrics and health cannot be had; the text is one sentence for people."""


def main() -> None:
    """Entry point of `vmpool-controller`."""
    chosen = settings(sys.argv[1:], os.environ)
    logs.start(chosen.log_level, chosen.log_format)
    try:
        access = kubeconfig.load(chosen.kubeconfig or None, chosen.context or None)
        transport = HttpTransport.to(access, patience=PATIENCE)
    except KubeconfigError as error:
        print(f"vmpool-controller: {error}", file=sys.stderr)  # noqa: T201 - as bad flags are told
        sys.exit(2)
    gc.freeze()
    # Caches of trees, hardly a cycle: the default looks for them far too often.
    gc.set_threshold(50_000, 20, 50)
    try:
        asyncio.run(run(chosen, access, transport))
    except CannotListenError as error:
        log.error("%s", error)  # noqa: TRY400 - foreseen, so without a trace
        sys.exit(2)
    except LostLeadershipError as error:
        log.error("%s", error)  # noqa: TRY400 - foreseen, so without a trace
        sys.exit(1)  # whoever started us starts us again, without anything left from before


async def run(chosen: Settings, access: Access, transport: HttpTransport) -> None:
    """Work until a signal comes."""
    clock, ids = RealClock(), Ids()
    metrics = Metrics("virtualmachinepool", chosen.workers, clock=clock)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(transport)
        api = metrics.counted(transport, urlsplit(access.server).netloc)
        election = None
        if chosen.leader_elect:
            election = LeaderElection(
                Client(api, user_agent=COMPONENT),
                clock=clock,
                namespace=chosen.lease_namespace or access.namespace,
                name=chosen.lease_name,
                identity=f"{socket.gethostname()}_{ids.uid()}",
                on_change=lambda leading: metrics.leads(leading, chosen.lease_name),
            )
            metrics.leads(leading=False, name=chosen.lease_name)
        pools = PoolController(
            Client(election.fenced(api) if election else api, user_agent=COMPONENT),
            clock=clock,
            ids=ids,
            reconcile_delay=chosen.reconcile_delay,
            workers=chosen.workers,
            namespace=chosen.namespace or None,
            burst=chosen.burst,
            observer=metrics,
        )
        if chosen.metrics_port >= 0:
            await stack.enter_async_context(_served(chosen, metrics, pools, election))
        await stack.enter_async_context(_until_signalled())
        log.info(
            "%s after the pools of %s at %s",
            "waiting to lead, to look" if election else "looking",
            chosen.namespace or "all namespaces",
            access.server,
        )
        with contextlib.suppress(asyncio.CancelledError):
            # The caches are filled after the lease was won, so they know all that the leader before has done.
            await (election.lead(pools.run) if election else pools.run())


@asynccontextmanager
async def _served(
    chosen: Settings, metrics: Metrics, pools: PoolController, election: LeaderElection | None
) -> AsyncIterator[None]:
    from controller.serving import serving  # noqa: PLC0415 - without a port nothing needs to be loaded

    def ready() -> bool:
        return pools.synced or (election is not None and not election.leading)

    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(
                serving(chosen.metrics_host, chosen.metrics_port, metrics=metrics.text, ready=ready)
            )
        except OSError as error:
            why = (
                os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            )
            raise CannotListenError(
                f"cannot serve metrics on {chosen.metrics_host}:{chosen.metrics_port}: {why}; "
                "choose others by --metrics-host and --metrics-port"
            ) from error
        yield


@asynccontextmanager
async def _until_signalled() -> AsyncIterator[None]:
    """Cancel the present task at the first SIGINT or SIGTERM. Others do not disturb the end that the first has begun."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "runs inside a task"
    signals: list[int] = []

    def end(number: int) -> None:
        signals.append(number)
        if len(signals) == 1:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


if __name__ == "__main__":
    main()
