"""The Secrets and ConfigMaps that pods mount, by themselves or projected with others: which of them, or which keys in them, are
not there yet. Before a pod mounts one, nobody watches them; contents are never kept.

Left out: what environments take from them, image pull secrets. The cluster's own authority, which every pod has projected, counts
as there.
Upstream: k8s: pkg/volume/{secret,configmap,projected}
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, dig, key, namespace
from fakekube.machinery.resources import CONFIG_MAPS, SECRETS
from fakekube.machinery.wire import Object

_NAMED = {"secret": "secretName", "configMap": "name"}
_NO_KEY = {
    "secret": "references non-existent secret key: {}",
    "configMap": "configmap references non-existent config key: {}",
}
_ALWAYS = "kube-root-ca.crt"


class _Wanted(NamedTuple):
    """What has to be there for a volume: an object of that kind, with these keys."""

    kind: str
    name: str
    keys: tuple[str, ...]


class Mounts:
    """`wake` is told the keys of pods for which something has changed."""

    def __init__(self, client: Client, *, clock: Clock, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._wanted = asyncio.Event()
        self._known = False
        self._undecided: set[str] = set()  # pods that were asked about before anything was known
        self._waiting: dict[tuple[str, str], set[str]] = {}  # kind and key of what is missing → pods
        self._there = {
            kind: Informer(client, resource, clock=clock, transform=_without_contents)
            for kind, resource in (("secret", SECRETS), ("configMap", CONFIG_MAPS))
        }
        for kind, informer in self._there.items():
            informer.on_change(partial(self._appeared, kind))

    def unmounted(self, pod: Object) -> list[dict[str, str]] | None:
        """What the kubelet says of each volume that cannot be mounted; None: that is not known yet, the pod will be woken."""
        volumes = _mounted(pod)
        if volumes and not self._known:
            self._wanted.set()
            self._undecided.add(key(pod))
            return None
        told = []
        for volume, wanted in volumes.items():
            errors = [error for one in wanted if (error := self._error(pod, one))]
            if errors:
                why = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
                told.append({"message": f'MountVolume.SetUp failed for volume "{volume}" : {why}'})
        return told

    def _error(self, pod: Object, wanted: _Wanted) -> str:
        """Why it cannot be mounted, or empty; the pod is woken when that may have changed."""
        where = f"{namespace(pod)}/{wanted.name}"
        found = self._there[wanted.kind].get(where)
        if found is None:
            error = f'{wanted.kind.lower()} "{wanted.name}" not found'
        else:
            lacking = next((one for one in wanted.keys if one not in found["keys"]), None)
            error = _NO_KEY[wanted.kind].format(lacking) if lacking is not None else ""
        if error:
            self._waiting.setdefault((wanted.kind, where), set()).add(key(pod))
        return error

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


def _without_contents(obj: Object) -> Object:
    keys = {one for member in ("data", "binaryData") for one in obj.get(member) or ()}
    return {"metadata": obj["metadata"], "keys": frozenset(keys)}


def _mounted(pod: Obj) -> dict[str, list[_Wanted]]:
    """What has to be there, by volume."""
    found = {}
    for volume in dig(pod, "spec", "volumes", default=()):
        parts = [(volume, _NAMED)]
        if (projected := volume.get("projected")) is not None:
            parts = [(one, dict.fromkeys(_NAMED, "name")) for one in projected.get("sources") or ()]
        wanted = [one for part, named in parts for one in _of(part, named)]
        if wanted:
            found[volume["name"]] = wanted
    return found


def _of(part: Obj, named: dict[str, str]) -> Iterator[_Wanted]:
    for kind, member in named.items():
        source = part.get(kind)
        if source is None or source.get("optional") or source.get(member) == _ALWAYS:
            continue
        keys = tuple(one["key"] for one in source.get("items") or ())
        yield _Wanted(kind, source.get(member) or "", keys)
