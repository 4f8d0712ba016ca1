"""Keeps KubeVirt's authorities and certificates: what is emptied, deleted or has lived its time is made anew, signed by the
authority of the day; bundles say whom to trust, and authorities of others join them.

Who is told of a new bundle beside that decides `told`: webhooks and aggregated APIs say whom they are signed by.
Origin: kubevirt: pkg/virt-operator/resource/apply/core.go
"""

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.resources import CONFIG_MAPS, SECRETS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator import certificates, issuing, marking, rotation
from fakekube.virt.operator.issuing import Identity
from fakekube.virt.operator.rotation import Terms

_FOR_GOOD = timedelta(days=36_500)


class Certifier:
    """See the module text. `installed` are the secrets and bundles as there are to be at first; `kubevirt` tells the object in
    force, `resting` whether virt-operator rests."""

    def __init__(
        self,
        client: Client,
        installed: Iterable[Object],
        *,
        clock: Clock,
        ids: Ids,
        namespace: str,
        kubevirt: Callable[[], Object],
        resting: Callable[[], bool],
        told: Callable[[str], None],
    ) -> None:
        self._client = client
        self._clock = clock
        self._ids = ids
        self._namespace = namespace
        self._kubevirt = kubevirt
        self._resting = resting
        self._told = told
        self._wanted: Mapping[str, Object] = {f"{one['kind']} {objects.name(one)}": one for one in installed}
        self._known = {
            one.kind: Informer(client, one, clock=clock, namespace=namespace)
            for one in (SECRETS, CONFIG_MAPS)
        }
        self._terms: dict[str, Terms] | None = None
        self.controller = Controller("virt-operator: certificates", self._reconcile, clock=clock)
        for kind, informer in self._known.items():
            self.controller.source(informer, lambda old, new, kind=kind: self._ours(kind, old, new))  # type: ignore[misc]

    def look(self) -> None:
        """At everything: how long certificates last may be another matter now."""
        self.controller.queue.add(self._namespace)

    def _ours(self, kind: str, old: Object | None, new: Object | None) -> tuple[str, ...]:
        obj = new or old or {}
        return (self._namespace,) if f"{kind} {objects.name(obj)}" in self._wanted else ()

    async def _reconcile(self, _space: str) -> Result | None:
        if self._resting():
            return None
        self._terms = rotation.terms_of(self._kubevirt())
        signers: dict[str, Identity] = {}
        soonest = math.inf
        for own in certificates.SECRETS:  # authorities are the first of them
            soonest = min(soonest, await self._ensure(own, signers))
        for own in certificates.AUTHORITIES:
            soonest = min(soonest, await self._bundle(own, signers[own]))
        external = certificates.EXTERNAL
        await self._write(CONFIG_MAPS, external, {certificates.BUNDLE: self._bundle_of(external)})
        return Result(soonest) if soonest < math.inf else None

    async def _ensure(self, own: str, signers: dict[str, Identity]) -> float:
        """That a secret has a certificate that is in force; in how many seconds it has to be renewed. Authorities join `signers`."""
        authority = certificates.authority(own)
        signer = signers[authority] if authority else None
        terms = self._terms[own if own in self._terms else ""] if self._terms else None
        known = self._known[SECRETS.kind].get(f"{self._namespace}/{own}")
        identity, wait = self._judged(known, terms, signer)
        if wait <= 0:  # what is cached may be older than what has been made anew
            known = await self._client.find(SECRETS, own, self._namespace)
            identity, wait = self._judged(known, terms, signer)
        if wait > 0 and identity is not None and known is not None:
            await self._write(SECRETS, own, known["data"])
        else:
            identity = self._issued(own, terms, signer)
            data = certificates.encoded(identity.key, identity.certificate)
            await self._write(SECRETS, own, data, {rotation.DURATION: terms.written if terms else None})
            wait = terms.lasts - terms.renewed if terms else math.inf
        if not authority:
            signers[own] = identity
        return wait

    def _judged(
        self, known: Object | None, terms: Terms | None, signer: Identity | None
    ) -> tuple[Identity | None, float]:
        identity = rotation.identity_of(known)
        if identity is None or known is None:
            return None, 0.0
        return identity, rotation.left(known, identity, terms, signer, self._clock.now())

    def _issued(self, own: str, terms: Terms | None, signer: Identity | None) -> Identity:
        name, hosts = certificates.subject(own, self._namespace)
        now = self._clock.now()
        if signer is None:
            name = f"{name}@{int(now.timestamp())}-{self._ids.suffix()}"  # each is another
        lasts = timedelta(seconds=terms.lasts) if terms else _FOR_GOOD
        number = self._ids.random.getrandbits(256)
        return issuing.issued(name, hosts, now, now + lasts, number=number, signer=signer)

    async def _bundle(self, own: str, authority: Identity) -> float:
        """That a bundle says whom to trust now."""
        external = self._bundle_of(certificates.EXTERNAL) if own == certificates.AUTHORITIES[0] else ""
        text, wait = rotation.merged(
            authority.certificate,
            self._bundle_of(own),
            external,
            self._clock.now(),
            rotation.overlap(self._terms),
        )
        await self._write(CONFIG_MAPS, own, {certificates.BUNDLE: text})
        if own == certificates.AUTHORITIES[0]:
            self._told(b64encode(text.encode()).decode())
        return wait

    def _bundle_of(self, own: str) -> str:
        known = self._known[CONFIG_MAPS.kind].get(f"{self._namespace}/{own}")
        return str(objects.dig(known, "data", certificates.BUNDLE, default=""))

    async def _write(
        self, resource: Resource, own: str, data: Object, marks: Mapping[str, str | None] | None = None
    ) -> None:
        """That the object has these data and marks, and those it was installed with."""
        wanted = {**self._wanted[f"{resource.kind} {own}"], "data": data}
        meta = wanted["metadata"]
        product = marking.product(self._kubevirt().get("spec") or {})
        wanted["metadata"] = meta = {**meta, "labels": {**meta["labels"], **product}}
        if marks:
            wanted["metadata"] = {**meta, "annotations": _marked(meta.get("annotations") or {}, marks)}
        known = self._known[resource.kind].get(f"{self._namespace}/{own}")
        if known is None:
            await self._client.create_if_absent(resource, wanted)
            return
        as_it_was = marking.restored(known, {**wanted, "data": known.get("data")})
        if as_it_was is known and known.get("data") == data and not marks:
            return
        if marks:
            meta = {**as_it_was["metadata"]}
            meta["annotations"] = _marked(meta.get("annotations") or {}, marks)
            as_it_was = {**as_it_was, "metadata": meta}
        await self._client.update(resource, {**as_it_was, "data": data})


def _marked(annotations: Mapping[str, str], marks: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in {**annotations, **marks}.items() if value is not None}
