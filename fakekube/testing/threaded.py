"""A cluster behind a socket, in a thread with a loop of its own: safe with every client that blocks.

    with fakekube.Server() as server:
        server.apply("vm.yaml")
        server.wait("vm/a")

Its helpers are those of `Fakekube`, as blocking calls. Everything that touches the cluster happens in the cluster's thread.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from fakekube.client.client import Client
from fakekube.lookup import Condition, Ref
from fakekube.machinery.wire import Object
from fakekube.passage import Span
from fakekube.testing import templates
from fakekube.testing.kit import Fakekube, History, Objects, Requests, What
from fakekube.testing.options import Options
from fakekube.traffic.faults import Armed, Fault
from fakekube.traffic.injector import Hold

T = TypeVar("T")


class Thread:
    """An event loop in a thread, and the way to have things done there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fakekube", daemon=True)
        self._thread.start()

    def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, waited for. An interrupted wait cancels it."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking helper was called in the cluster's own loop; use afakekube there")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def do(self, work: Callable[[], T]) -> T:
        """The result of a function, called there."""

        async def call() -> T:
            return work()

        return self(call())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


class BlockingHold:
    """A hold, released from any thread."""

    def __init__(self, thread: Thread, hold: Hold) -> None:
        self._thread = thread
        self._hold = hold

    @property
    def fired(self) -> int:
        return self._hold.fired

    def release(self) -> None:
        self._thread.do(self._hold.release)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class BlockingFaults:
    """`Faults`, from any thread."""

    def __init__(self, thread: Thread, kit: Fakekube) -> None:
        self._thread = thread
        self._kit = kit

    def add(self, fault: Fault | None = None, **members: Any) -> Armed:
        return self._thread.do(lambda: self._kit.faults.add(fault, **members))

    def hold(self, **pattern: Any) -> BlockingHold:
        return BlockingHold(self._thread, self._thread.do(lambda: self._kit.faults.hold(**pattern)))

    def stale(self, **pattern: Any) -> BlockingHold:
        return BlockingHold(self._thread, self._thread.do(lambda: self._kit.faults.stale(**pattern)))

    def remove(self, number: int) -> None:
        self._thread.do(lambda: self._kit.faults.remove(number))

    def clear(self) -> None:
        self._thread.do(self._kit.faults.clear)

    @property
    def unfired(self) -> list[str]:
        return self._thread.do(lambda: self._kit.faults.unfired)


class Server:
    """See the module text. Options are those of the marker: only, without, pace, nodes, seed, clock, manifests, stages, snapshot."""

    url: str
    kubeconfig: Path

    def __init__(
        self,
        *,
        options: Options | None = None,
        fork: templates.Fork | None = None,
        **members: Any,
    ) -> None:
        self.options = (options or Options()).with_(**members)
        self._fork = fork
        self._make: Callable[[], Awaitable[Fakekube]] = self._made
        self._began: tuple[Thread, Fakekube] | None = None

    @classmethod
    def around(cls, kit: Callable[[], Awaitable[Fakekube]]) -> "Server":
        """The blocking helpers around another kit: one on a real cluster."""
        server = cls()
        server._make = kit
        return server

    # --- beginning and end -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Be there. Called by `with`."""
        thread = Thread()
        try:
            kit = thread(_of(self._make()))
            self._began = thread, kit
            self.kubeconfig = thread(kit.serve())
            self.url = kit.url
        except BaseException:
            self._began = None
            thread.stop()
            raise

    def stop(self) -> None:
        """End everything; safe to call twice."""
        if self._began is not None:
            (thread, kit), self._began = self._began, None
            try:
                thread(kit.close())
            finally:
                thread.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _made(self) -> Fakekube:
        cluster = await templates.cluster(self.options, self.options.clock or "flowing", self._fork)
        return await Fakekube.started(cluster, self.options)

    # --- the helpers of Fakekube, blocking -------------------------------------------------------------------

    @property
    def thread(self) -> Thread:
        return self._running()[0]

    @property
    def kit(self) -> Fakekube:
        """The helpers as they are in the cluster's own loop."""
        return self._running()[1]

    @property
    def namespace(self) -> str:
        return self.kit.namespace

    @property
    def faults(self) -> BlockingFaults:
        return BlockingFaults(*self._running())

    @property
    def client(self) -> Client:
        return self.kit.client

    def apply(self, what: What) -> Any:
        return self.thread(self.kit.apply(what))

    def get(self, what: Ref, name: str = "", *, namespace: str = "") -> Object:
        return self.thread(self.kit.get(what, name, namespace=namespace))

    def list(self, kind: str, *, namespace: str = "", selector: str = "") -> Objects:
        return self.thread(self.kit.list(kind, namespace=namespace, selector=selector))

    def delete(self, what: Ref, name: str = "", *, namespace: str = "") -> Object:
        return self.thread(self.kit.delete(what, name, namespace=namespace))

    def wait(
        self,
        what: Ref,
        until: str | Condition = "condition=Ready",
        *,
        namespace: str = "",
        timeout: Span = "10m",
    ) -> Object | None:
        return self.thread(self.kit.wait(what, until, namespace=namespace, timeout=timeout))

    def events(self, about: Ref) -> Objects:
        return self.thread(self.kit.events(about))

    def kubectl(self, arguments: str | Iterable[str], *, stdin: str = "", check: bool = True) -> str:
        return self.thread(self.kit.kubectl(arguments, stdin=stdin, check=check))

    def settle(self) -> None:
        self.thread(self.kit.settle())

    def advance(self, span: Span) -> None:
        self.thread(self.kit.advance(span))

    def reset(self) -> None:
        self.thread(self.kit.reset())

    def run_until(self, holds: Callable[[], Any], *, timeout: Span = "10m") -> Any:
        """`holds` is called in the cluster's thread: it must not use blocking helpers."""
        return self.thread(self.kit.run_until(holds, timeout=timeout))

    def requests(self, *, status: int | None = None, body: Any = None, **pattern: Any) -> Requests:
        return self.thread.do(lambda: self.kit.requests(status=status, body=body, **pattern))

    def history(self, what: Ref, name: str = "", *, namespace: str = "") -> History:
        return self.thread(self.kit.history(what, name, namespace=namespace))

    def _running(self) -> tuple[Thread, Fakekube]:
        if self._began is None:
            raise RuntimeError(
                "this server is not running; use it inside `with fakekube.Server() as server:`"
            )
        return self._began


async def _of(made: Awaitable[T]) -> T:
    return await made
