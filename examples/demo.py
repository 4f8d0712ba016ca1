"""The demonstration `make demo` plays: a pool of virtual machines comes up, grows, lets one VM go and heals another.

Starts a cluster in this process and talks to it over HTTP as any client would. In a terminal the state is shown live,
elsewhere (a log, a pipe) as lines. Ends with 0 when everything came about in time. DEMO_HOLD=1 keeps it running.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fakekube import apply_files
from fakekube.client import own_kubeconfig
from fakekube.client.client import Client
from fakekube.client.http import HttpTransport
from fakekube.client.informer import Informer
from fakekube.clock import RealClock
from fakekube.cluster import Cluster
from fakekube.machinery import objects
from fakekube.machinery.paces import PaceName
from fakekube.machinery.resources import (
    EVENTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from fakekube.machinery.wire import Object
from fakekube.server import Server

MANIFEST = Path(__file__).with_name("vm-pool-cirros.yaml")
POOL, NAMESPACE = "vm-pool-cirros", "default"
PATIENCE = 60.0  # seconds for each step
EVENTS_SHOWN = 8
COLOURS = {
    "Running": "green",
    "Ready": "green",
    "Starting": "yellow",
    "Provisioning": "yellow",
    "Terminating": "red",
}

CLOCK = RealClock()


class View:
    """What is known of the cluster, from four informers, and how it is shown."""

    def __init__(self, client: Client) -> None:
        self.pools = Informer(client, VIRTUAL_MACHINE_POOLS, clock=CLOCK)
        self.vms = Informer(client, VIRTUAL_MACHINES, clock=CLOCK)
        self.vmis = Informer(client, VIRTUAL_MACHINE_INSTANCES, clock=CLOCK)
        self.events = Informer(client, EVENTS, clock=CLOCK, namespace=NAMESPACE)
        self.informers = (self.pools, self.vms, self.vmis, self.events)
        self.step = "starting"
        self.changed = asyncio.Event()
        self.told: list[str] = []
        for informer in self.informers:
            informer.on_change(lambda _old, _new: self.changed.set())
        self.events.on_change(self._tell)

    @property
    def pool(self) -> Object:
        return self.pools.get(f"{NAMESPACE}/{POOL}") or {}

    def owned(self) -> list[Object]:
        """The VMs that belong to the pool."""
        return [vm for vm in self.machines() if objects.controller_of(vm) and not objects.is_terminating(vm)]

    def machines(self) -> list[Object]:
        return sorted(self.vms.in_namespace(NAMESPACE), key=objects.name)

    def ready(self, wanted: int) -> bool:
        """Whether the pool says that so many replicas are ready, and its VMs agree."""
        status = self.pool.get("status") or {}
        running = [vm for vm in self.owned() if objects.dig(vm, "status", "ready")]
        return status.get("readyReplicas") == status.get("replicas") == len(running) == wanted

    def _tell(self, _old: Object | None, event: Object | None) -> None:
        about = (event or {}).get("involvedObject") or {}
        if event is not None and about.get("kind") != "Pod":
            kind = str(about.get("kind") or "").replace("VirtualMachine", "VM").replace("VMInstance", "VMI")
            self.told.append(f"{kind:<7} {event.get('reason', ''):<17} {event.get('message', '')}")

    def __rich__(self) -> Panel:
        """The live view."""
        spec, status = self.pool.get("spec") or {}, self.pool.get("status") or {}
        head = Text.assemble(
            (POOL, "bold"),
            f"   desired {spec.get('replicas', '-')}   current {status.get('replicas', '-')}   ",
            (
                f"ready {status.get('readyReplicas', '-')}",
                "green" if self.ready(spec.get("replicas", -1)) else "yellow",
            ),
        )
        table = Table(box=None, expand=True, header_style="dim")
        for column in ("VM", "STATUS", "PHASE", "IP", "NODE", "OWNER"):
            table.add_column(column)
        for vm in self.machines():
            table.add_row(*self._row(vm))
        told = Text("\n".join(self.told[-EVENTS_SHOWN:]), style="dim", no_wrap=True, overflow="ellipsis")
        return Panel(Group(head, table, Text(""), told), title=f"fakekube: {self.step}", title_align="left")

    def _row(self, vm: Object) -> list[Text | str]:
        vmi = self.vmis.get(objects.key(vm)) or {}
        said = str(objects.dig(vm, "status", "printableStatus", default="-"))
        owner = objects.controller_of(vm)
        return [
            objects.name(vm),
            Text(said, COLOURS.get(said, "")),
            str(objects.dig(vmi, "status", "phase", default="-")),
            str(objects.dig(vmi, "status", "interfaces", 0, "ipAddress", default="-")),
            str(objects.dig(vmi, "status", "nodeName", default="-")),
            owner["name"] if owner else Text("none: on its own", "magenta"),
        ]


class Demo:
    """The steps, and how they are announced."""

    def __init__(self, client: Client, view: View, console: Console) -> None:
        self.client, self.view, self.console = client, view, console
        self.pause = 2.0 if console.is_terminal else 0.0  # between steps, for the eye
        self.live: Live | None = None
        self.lines = 0

    async def play(self) -> None:
        await self.do("a pool of 3 VMs comes up", self.create, lambda: self.view.ready(3))
        await self.do("the pool is scaled to 5", self.scale, lambda: self.view.ready(5))
        await self.do(f"{POOL}-0 is detached; the pool makes a replacement", self.detach, self.detached)
        uid = objects.uid(self.view.vms.get(f"{NAMESPACE}/{POOL}-1") or {})
        await self.do(f"{POOL}-1 is deleted; the pool heals", self.delete, lambda: self.healed(uid))

    async def do(self, step: str, act: Callable[[], Awaitable[None]], done: Callable[[], bool]) -> None:
        """One step: say it, do it, watch until it has come about. Raises TimeoutError."""
        self.view.step = step
        self.say(f"\n* {step}")
        await act()
        async with asyncio.timeout(PATIENCE):
            while not done():
                self.view.changed.clear()
                self.show()
                await self.view.changed.wait()
        self.show()
        await CLOCK.sleep(self.pause)

    async def create(self) -> None:
        await apply_files.apply(self.client, apply_files.read([str(MANIFEST)]), CLOCK)

    async def scale(self) -> None:
        patch = {"spec": {"replicas": 5}}
        await self.client.patch(
            VIRTUAL_MACHINE_POOLS, POOL, NAMESPACE, patch, type="merge", subresource="scale"
        )

    async def detach(self) -> None:
        patch = {"metadata": {"ownerReferences": None}}
        await self.client.patch(VIRTUAL_MACHINES, f"{POOL}-0", NAMESPACE, patch, type="merge")

    def detached(self) -> bool:
        free = self.view.vms.get(f"{NAMESPACE}/{POOL}-0")
        return free is not None and objects.controller_of(free) is None and self.view.ready(5)

    async def delete(self) -> None:
        await self.client.delete(VIRTUAL_MACHINES, f"{POOL}-1", NAMESPACE)

    def healed(self, before: str) -> bool:
        uids = {objects.uid(vm) for vm in self.view.owned()}
        return before not in uids and self.view.ready(5)

    def show(self) -> None:
        """Bring what is seen up to date: the live view, or the events that are new."""
        if self.live is not None:
            self.live.update(self.view, refresh=True)
            return
        for line in self.view.told[self.lines :]:
            self.say(f"    {line}")
        self.lines = len(self.view.told)

    def say(self, line: str) -> None:
        if self.live is None:
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextlib.asynccontextmanager
async def running(pace: PaceName) -> AsyncIterator[tuple[str, Client, View]]:
    """A cluster on a port, a client that talks to it over HTTP, and a view that follows it."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster(pace=pace, nodes=3))
        server = await stack.enter_async_context(Server(cluster))
        client = Client(await stack.enter_async_context(HttpTransport(server.url)))
        view = View(client)
        tasks = [asyncio.create_task(informer.run()) for informer in view.informers]
        stack.callback(lambda: [task.cancel() for task in tasks])
        for informer in view.informers:
            await informer.wait_synced()
        yield server.url, client, view


async def main(console: Console) -> int:
    async with running("fast" if console.is_terminal else "instant") as (url, client, view):
        demo = Demo(client, view, console)
        try:
            if console.is_terminal:
                with Live(view, console=console, auto_refresh=False) as demo.live:
                    await demo.play()
            else:
                await demo.play()
        except TimeoutError:
            console.print(f"this did not come about in {PATIENCE:.0f} seconds: {view.step}")
            return 1
        demo.live = None
        demo.say("\nAll of it came about: 5 VMs ready in the pool, one on its own.")
        if os.environ.get("DEMO_HOLD", "") not in ("", "0"):
            await hold(url, demo)
    return 0


async def hold(url: str, demo: Demo) -> None:
    """Stay up until Ctrl-C, for the visitor to try things."""
    with tempfile.TemporaryDirectory(prefix="fakekube-demo-") as folder:
        path = Path(folder, "kubeconfig")
        own_kubeconfig.write(path, url)
        demo.say("It stays up; in another terminal:\n")
        for line in (
            f"export KUBECONFIG={path}",
            "kubectl get vmpool,vm,vmi,pods",
            f"kubectl describe vmpool {POOL}",
            f"kubectl scale vmpool {POOL} --replicas 7",
            f"kubectl delete vmpool {POOL}",
        ):
            demo.say(f"  {line}")
        demo.say("\nCtrl-C ends it.")
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
        await ended.wait()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(Console())))
    except KeyboardInterrupt:
        sys.exit(130)
