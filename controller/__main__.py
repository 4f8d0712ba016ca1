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


def main() -> None:
    """Entry point of `vmpool-controller`."""
    chosen = settings(sys.argv[1:], os.environ)
    logging.basicConfig(
        level=chosen.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        access = kubeconfig.load(chosen.kubeconfig or None, chosen.context or None)
    except KubeconfigError as error:
        sys.exit(str(error))
    gc.freeze()
    # Caches of trees, hardly a cycle: the default looks for them far too often.
    gc.set_threshold(50_000, 20, 50)
    try:
        asyncio.run(run(chosen, access))
    except LostLeadershipError as error:
        sys.exit(str(error))  # whoever started us starts us again, without anything left from before


async def run(chosen: Settings, access: Access) -> None:
    """Work until a signal comes."""
    clock, ids = RealClock(), Ids()
    metrics = Metrics("virtualmachinepool", chosen.workers)
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(HttpTransport.to(access))
        client = Client(metrics.counted(transport, access.server), user_agent=COMPONENT)
        pools = PoolController(
            client,
            clock=clock,
            ids=ids,
            reconcile_delay=chosen.reconcile_delay,
            workers=chosen.workers,
            namespace=chosen.namespace or None,
            burst=chosen.burst,
            observer=metrics,
        )
        election = None
        if chosen.leader_elect:
            election = LeaderElection(
                client,
                clock=clock,
                namespace=chosen.lease_namespace or access.namespace,
                name=chosen.lease_name,
                identity=f"{socket.gethostname()}_{ids.uid()}",
                on_change=lambda leading: metrics.leads(leading, chosen.lease_name),
            )
            metrics.leads(leading=False, name=chosen.lease_name)
        if chosen.metrics_port >= 0:
            await stack.enter_async_context(_served(chosen, metrics, pools, election))
        await stack.enter_async_context(_until_signalled())
        log.info("looking after the pools of %s at %s", chosen.namespace or "all namespaces", access.server)
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

    async with serving(chosen.metrics_host, chosen.metrics_port, metrics=metrics.text, ready=ready):
        yield


@asynccontextmanager
async def _until_signalled() -> AsyncIterator[None]:
    """Cancel the present task at the first SIGINT or SIGTERM."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None, "runs inside a task"
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


if __name__ == "__main__":
    main()
