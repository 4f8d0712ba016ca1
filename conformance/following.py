"""Following a namespace: what is there now, what has been, and waiting for what is to come. No polling, no sleeping."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from conformance.kube import DV, EVENT, POOL, PVC, REVISION, VM, VMI, Kind, Kube, Object, Refusal

IN_VAIN = "waited in vain"
FOLLOWED = (POOL, VM, VMI, REVISION, DV, PVC, EVENT)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """One watch event."""

    at: float  # seconds since following began
    kind: Kind
    type: str  # ADDED, MODIFIED, DELETED
    obj: Object

    @property
    def name(self) -> str:
        found: str = self.obj["metadata"]["name"]
        return found


class Follower:
    """See the module text. `now` has the objects by kind and name, `history` every watch event in order of arrival."""

    def __init__(self, kube: Kube, namespace: str, patience: float) -> None:
        self.kube, self.namespace, self.patience = kube, namespace, patience
        self.now: dict[Kind, dict[str, Object]] = {kind: {} for kind in FOLLOWED}
        self.history: list[Moment] = []
        self._versions: dict[Kind, int] = dict.fromkeys(FOLLOWED, 0)
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._broken: BaseException | None = None

    async def __aenter__(self) -> Self:
        self._begun = time.monotonic()
        begun = [asyncio.get_running_loop().create_future() for _ in FOLLOWED]
        for kind, future in zip(FOLLOWED, begun, strict=True):
            task = asyncio.create_task(self._follow(kind, future))
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        await asyncio.gather(*begun)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def clock(self) -> float:
        """Seconds since following began."""
        return time.monotonic() - self._begun

    def of(self, kind: Kind, name: str) -> list[Moment]:
        """The history of one object name."""
        return [moment for moment in self.history if moment.kind is kind and moment.name == name]

    async def until(self, holds: Callable[[], T], what: str = "", patience: float = 0) -> T:
        """Wait until `holds` returns something true, and return that. An AssertionError says how things stood."""
        try:
            async with asyncio.timeout(patience or self.patience):
                while True:
                    self._changed.clear()
                    if self._broken is not None:
                        raise self._broken
                    with contextlib.suppress(KeyError, IndexError):  # what is spoken of does not exist yet
                        if found := holds():
                            return found
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{IN_VAIN} for {what or _text(holds)}\n{self.describe()}") from None

    async def seen(self, kind: Kind, answer: Object) -> Object:
        """Return the answer to a write once it has come back by the watch: views are no older than it then."""
        version = int(answer.get("metadata", {}).get("resourceVersion") or 0)
        if kind in self._versions:
            await self.until(lambda: self._versions[kind] >= version, f"{kind.plural} at {version}")
        return answer

    async def catch_up(self) -> None:
        """Return when `now` is no older than this call."""
        for kind in FOLLOWED:
            if kind is EVENT:
                continue
            try:
                listed = await self.kube.list(kind, self.namespace)
            except Refusal as refusal:
                if refusal.code == 404:
                    continue
                raise
            names = {obj["metadata"]["name"] for obj in listed}
            newest = max((int(obj["metadata"]["resourceVersion"]) for obj in listed), default=0)
            await self.until(
                lambda kind=kind, names=names, newest=newest: (  # type: ignore[misc]
                    self._versions[kind] >= newest
                    and all(
                        name in names or _added_later(obj, newest) for name, obj in self.now[kind].items()
                    )
                ),
                f"{kind.plural} as they are",
            )

    def describe(self) -> str:
        """How things stand, in a few lines."""
        lines = []
        for kind in (POOL, VM, VMI, REVISION, DV, PVC):
            lines += [
                f"  {kind.kind} {name}: {state(kind, obj)}" for name, obj in sorted(self.now[kind].items())
            ]
        about_pools = [one for one in self.now[EVENT].values() if one["involvedObject"]["kind"] == POOL.kind]
        if self.now[POOL] and not any(
            obj.get("status") or obj["metadata"].get("finalizers") for obj in self.now[POOL].values()
        ):
            lines.append("  No pool has been touched: is the controller that is to be judged running?")
        lines += [f"  Event {one['reason']}: {one.get('message', '')}" for one in about_pools]
        return "\n".join(lines)

    async def _follow(self, kind: Kind, begun: asyncio.Future[None]) -> None:
        version = ""
        while True:
            try:
                async with self.kube.watch(kind, self.namespace, version) as events:
                    if not begun.done():
                        begun.set_result(None)
                    async for event in events:
                        version = self._note(kind, event)
            except Refusal as refusal:
                if not begun.done():
                    if refusal.code == 404:  # a cluster without this kind
                        begun.set_result(None)
                        return
                    begun.set_exception(refusal)
                raise

    def _note(self, kind: Kind, event: Object) -> str:
        obj = event["object"]
        if event["type"] == "ERROR":
            raise Refusal(obj.get("code", 500), obj)
        version: str = obj["metadata"]["resourceVersion"]
        self._versions[kind] = max(self._versions[kind], int(version))
        self._changed.set()
        if event["type"] != "BOOKMARK":
            name = obj["metadata"]["name"]
            if event["type"] == "DELETED":
                self.now[kind].pop(name, None)
            else:
                self.now[kind][name] = obj
            self.history.append(Moment(self.clock(), kind, event["type"], obj))
        return version

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._changed.set()


def _added_later(obj: Object, version: int) -> bool:
    return int(obj["metadata"]["resourceVersion"]) > version


def _text(holds: Callable[[], Any]) -> str:
    import inspect  # noqa: PLC0415 - only for a failure

    try:
        return " ".join(inspect.getsource(holds).split())
    except (OSError, TypeError):
        return repr(holds)


def state(kind: Kind, obj: Object) -> str:
    """What an object's state is, in a word or two."""
    status = obj.get("status") or {}
    ready = any(
        one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ()
    )
    words = []
    if kind is POOL:
        words.append(f"{status.get('readyReplicas', 0)}/{status.get('replicas', 0)}")
        words += [one["type"] for one in status.get("conditions") or ()]
    elif kind is VM:
        words.append(status.get("printableStatus") or "new")
    elif kind in (VMI, DV, PVC):
        words.append(status.get("phase") or "new")
    if ready and kind in (VM, VMI):
        words.append("ready")
    if obj["metadata"].get("deletionTimestamp"):
        words.append("terminating")
    return " ".join(words)
