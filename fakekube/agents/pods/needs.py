"""What has to be there before a pod starts. Before a pod needs any of it, nobody watches it."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from fakekube.client.informer import Informer
from fakekube.machinery.objects import key
from fakekube.machinery.wire import Object


class Needs:
    """`there`: what there is, by kind. `wake` is told the keys of pods for which something has changed."""

    def __init__(self, there: Mapping[str, Informer], *, wake: Callable[[str], None]) -> None:
        self._there = there
        self._wake = wake
        self._wanted = asyncio.Event()
        self._known = False
        self._undecided: set[str] = set()  # pods that were asked about before anything was known
        self._waiting: dict[tuple[str, str], set[str]] = {}  # kind and key of what is missing → pods
        for kind, informer in there.items():
            informer.on_change(partial(self._appeared, kind))

    def undecided(self, pod: Object) -> bool:
        """Whether it is not known yet what there is; a pod that needs some will be woken."""
        if not self._known:
            self._wanted.set()
            self._undecided.add(key(pod))
        return not self._known

    def find(self, kind: str, where: str) -> Object | None:
        return self._there[kind].get(where)

    def wait(self, pod: Object, kind: str, where: str) -> None:
        """Wake the pod when this object comes, or changes."""
        self._waiting.setdefault((kind, where), set()).add(key(pod))

    def forget(self, pod: Object) -> None:
        """It has gone."""
        own = key(pod)
        self._undecided.discard(own)
        for where, pods in list(self._waiting.items()):
            pods.discard(own)
            if not pods:
                del self._waiting[where]

    async def run(self) -> None:
        """Watch, from the first time on that somebody asks."""
        await self._wanted.wait()
        async with asyncio.TaskGroup() as tasks:
            for informer in self._there.values():
                tasks.create_task(informer.run())
            for informer in self._there.values():
                await informer.wait_synced()
            self._known = True
            for pod in sorted(self._undecided):
                self._wake(pod)
            self._undecided.clear()

    def _appeared(self, kind: str, _old: Object | None, new: Object | None) -> None:
        if new is not None and self._waiting:
            for pod in sorted(self._waiting.pop((kind, key(new)), ())):
                self._wake(pod)
