"""Keeps KubeVirt's definitions as they were installed: a changed one is put back, a deleted one comes back, empty. Unlike
upstream's, one that was given other versions or schemas is left alone: so somebody brings those of another release.

Which generation of each is the installed one the KubeVirt object remembers, as it does of workloads; so their texts, which are
long, are read only when one is to be put back. CDI's are nobody's business here.
Origin: kubevirt: pkg/virt-operator/resource/apply/crds.go
"""

from collections.abc import Mapping

from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, annotations, dig, generation, labels, name
from fakekube.machinery.resources import CRDS
from fakekube.machinery.wire import Object
from fakekube.virt.operator import crds, marking


def remembered(kubevirt: Obj) -> dict[str, int]:
    """The generations in which definitions were left, by name."""
    listed = dig(kubevirt, "status", "generations", default=())
    return {one["name"]: one["lastGeneration"] for one in listed if one["resource"] == CRDS.plural}


def is_astray(found: Obj | None, last: int, kubevirt: Obj) -> bool:
    """Whether a definition is another than was left, or says it comes from another installation."""
    if found is None or generation(found) != last:
        return True
    version, observed = (
        annotations(found).get(marking.VERSION),
        dig(kubevirt, "status", "observedKubeVirtVersion"),
    )
    return bool(version and observed and version != observed)


def is_marked(found: Obj, kubevirt: Obj) -> bool:
    """Whether a definition says whose it is, and the product KubeVirt is part of."""
    return marking.covers(labels(found), marking.product(kubevirt["spec"]))


def is_replaced(found: Obj, wanted: Obj) -> bool:
    """Whether somebody has brought versions or schemas of his own."""
    return not marking.covers(found["spec"]["versions"], wanted["spec"]["versions"])


class Definitions:
    """Works through one client."""

    def __init__(self, client: Client, *, namespace: str, release: str) -> None:
        self._client = client
        self._namespace = namespace
        self._release = release

    async def carry_out(self, kubevirt: Object) -> list[Object]:
        """All of KubeVirt's definitions as they are afterwards; of those left alone no more than their metadata."""
        listed = (await self._client.metadata_only().list(CRDS)).items
        known: Mapping[str, Object] = {name(one): one for one in listed}
        last = remembered(kubevirt)
        return [
            {**found, "apiVersion": CRDS.api_version, "kind": CRDS.kind}
            if (found := known.get(own))
            and not is_astray(found, last.get(own, generation(found)), kubevirt)
            and is_marked(found, kubevirt)
            else await self._put_back(own, kubevirt["spec"], known=found is not None)
            for own in crds.names()
        ]

    async def _put_back(self, own: str, spec: Obj, *, known: bool) -> Object:
        wanted = marking.marked(crds.named(own), self._namespace, self._release, spec)
        if not known:
            return await self._client.create(CRDS, wanted)
        found = await self._client.get(CRDS, own)
        if is_replaced(found, wanted):
            del wanted["spec"]
        as_it_was = marking.restored(found, wanted)
        return found if as_it_was is found else await self._client.update(CRDS, as_it_was)
