"""The Secrets and ConfigMaps that pods mount, by themselves or projected with others: which of them, or which keys in them, are
not there yet. Before a pod mounts one, nobody watches them; contents are never kept.

Left out: what environments take from them, image pull secrets. The cluster's own authority, which every pod has projected, counts
as there.
Upstream: k8s: pkg/volume/{secret,configmap,projected}
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fakekube.agents.pods.needs import Needs
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, dig, namespace
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
        there = {
            kind: Informer(client, resource, clock=clock, transform=_without_contents)
            for kind, resource in (("secret", SECRETS), ("configMap", CONFIG_MAPS))
        }
        self._needs = Needs(there, wake=wake)

    def unmounted(self, pod: Object) -> list[dict[str, str]] | None:
        """What the kubelet says of each volume that cannot be mounted; None: that is not known yet, the pod will be woken."""
        volumes = _mounted(pod)
        if volumes and self._needs.undecided(pod):
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
        found = self._needs.find(wanted.kind, where)
        if found is None:
            error = f'{wanted.kind.lower()} "{wanted.name}" not found'
        else:
            lacking = next((one for one in wanted.keys if one not in found["keys"]), None)
            error = _NO_KEY[wanted.kind].format(lacking) if lacking is not None else ""
        if error:
            self._needs.wait(pod, wanted.kind, where)
        return error

    def note(self, old: Object | None, new: Object | None) -> None:
        """A pod has come, changed or gone."""
        if new is None and old is not None:
            self._needs.forget(old)

    async def run(self) -> None:
        await self._needs.run()


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
