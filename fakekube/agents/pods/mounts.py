"""The Secrets and ConfigMaps that pods mount: which of them are not there yet. Before a pod mounts one, nobody watches them.

Left out: keys that are not in them, what environments take from them, projected volumes, image pull secrets.
Upstream: k8s: pkg/volume/{secret,configmap}
"""

import asyncio
from collections.abc import Callable
from functools import partial

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, dig, key, namespace
from fakekube.machinery.resources import CONFIG_MAPS, SECRETS
from fakekube.machinery.wire import Object

_NAMED = {"secret": "secretName", "configMap": "name"}


class Mounts:
    """`wake` is told the keys of pods for which something has changed."""

    def __init__(self, client: Client, *, clock: Clock, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._wanted = asyncio.Event()
        self._known = False
        self._undecided: set[str] = set()  # pods that were asked about before anything was known
        self._waiting: dict[tuple[str, str], set[str]] = {}  # kind and key of what is missing → pods
        names = client.metadata_only()
        self._there = {
            kind: Informer(names, resource, clock=clock)
            for kind, resource in (("secret", SECRETS), ("configMap", CONFIG_MAPS))
        }
        for kind, informer in self._there.items():
            informer.on_change(partial(self._appeared, kind))

    def unmounted(self, pod: Object) -> list[dict[str, str]] | None:
        """What the kubelet says of each volume that cannot be mounted; None: that is not known yet, the pod will be woken."""
        wanted = _mounted(pod)
        if wanted and not self._known:
            self._wanted.set()
            self._undecided.add(key(pod))
            return None
        told = []
        for volume, kind, own in wanted:
            where = f"{namespace(pod)}/{own}"
            if where in self._there[kind]:
                continue
            self._waiting.setdefault((kind, where), set()).add(key(pod))
            text = f'MountVolume.SetUp failed for volume "{volume}" : {kind.lower()} "{own}" not found'
            told.append({"message": text})
        return told

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


def _mounted(pod: Obj) -> list[tuple[str, str, str]]:
    """(volume, kind, name) of what has to be there."""
    return [
        (volume["name"], kind, source.get(member) or "")
        for volume in dig(pod, "spec", "volumes", default=())
        for kind, member in _NAMED.items()
        if (source := volume.get(kind)) is not None and not source.get("optional")
    ]
