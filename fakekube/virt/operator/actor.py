"""virt-operator as an actor: creates what an installation consists of, then follows the KubeVirt object and keeps its status.

Workloads, their budgets and definitions that somebody changes or deletes come back as they were; what else is kept,
`keeping` tells, of certificates `certifying`. `contents` tells what there is to be.

A virt-operator that is scaled to nothing rests: whoever wants to try something out does that first.

Origin: kubevirt: pkg/virt-operator/kubevirt.go, pkg/virt-operator/resource/apply
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import condition, dig, finalizers, is_terminating, key, name
from fakekube.machinery.resources import CONFIG_MAPS, KUBEVIRTS
from fakekube.machinery.wire import Object
from fakekube.virt.operator import certificates, contents, installation, phases, pods, workloads
from fakekube.virt.operator.certifying import Certifier
from fakekube.virt.operator.contents import NAMESPACE, RELEASE, RESOURCES
from fakekube.virt.operator.customizing import Misfit
from fakekube.virt.operator.defining import Definitions
from fakekube.virt.operator.installing import Installer
from fakekube.virt.operator.keeping import Keeper
from fakekube.virt.operator.late import Late, Parts
from fakekube.virt.operator.leading import LEADING, Leases, candidates
from fakekube.virt.operator.observing import View, is_behind
from fakekube.virt.operator.rollout import Rollout
from fakekube.virt.operator.synchronizing import Addresses

_OF_CERTIFICATES = ("certificateRotateStrategy", "productComponent", "productName", "productVersion")
_MONITORED = ".monitoring.coreos.com"
_MONITORING, _COMMONS = "monitoring", "commons"
_LOOKS_AGAIN = 5.0  # seconds after a component has stopped working


class VirtOperator:
    """See the module text. `installed` tells when everything is there, `begun` is set by then, or when the server refuses some
    of it for the time being."""

    name = "virt-operator"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        webhook: bool = True,
        release: str = RELEASE,
        leading: Iterable[str] = LEADING,
        signed: bool = True,
        rolls: bool = True,
    ) -> None:
        self._release = release
        self._recorder = Recorder(client, self.name, clock=clock, ids=ids)
        self._rollout = Rollout(client, self._recorder, namespace=NAMESPACE, release=release, has_pods=rolls)
        self._client = client
        self._clock = clock
        self._webhook = webhook
        self._kubevirts = Informer(client, KUBEVIRTS, clock=clock)
        self._controller = Controller(self.name, self._reconcile, clock=clock)
        self._controller.source(self._kubevirts)
        self._view = View(client, clock=clock, namespace=NAMESPACE, release=release, has_pods=rolls)
        for informer in self._view.made.values():
            self._controller.source(informer, self._strayed)
            self._controller.source(informer, self._turned, delay=_LOOKS_AGAIN)
        self._definitions = Definitions(client, namespace=NAMESPACE, release=release)
        self._signed = signed
        self._bundle = certificates.bundle() if signed else ""
        self._keeper = Keeper(
            client,
            contents.kept(webhook=webhook, release=release, signed=signed),
            RESOURCES,
            clock=clock,
            namespace=NAMESPACE,
            resting=lambda: self._view.rests,
        )
        self._certifier = Certifier(
            client,
            contents.certified(release),
            clock=clock,
            ids=ids,
            namespace=NAMESPACE,
            kubevirt=self._in_force,
            resting=lambda: self._view.rests,
            told=self._trusting,
        )
        self._kubevirts.on_change(self._lasting)
        leaders = candidates(client, clock=clock, namespace=NAMESPACE)
        self._leases = Leases(client, leaders, leading, clock=clock, namespace=NAMESPACE)
        self._late = Parts(
            {_MONITORING: _monitoring, _COMMONS: _commons},
            client,
            clock=clock,
            namespace=NAMESPACE,
            release=release,
            kubevirt=self._in_force,
            resting=lambda: self._view.rests,
        )
        self._view.definitions.on_change(self._defined)
        self._addresses = Addresses(client, self._kubevirts, leaders, clock=clock)
        self.installed = False
        self.begun = asyncio.Event()
        self._installer = Installer(client, clock=clock, refused=self.begun)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        watching = (self._leases.controller, self._addresses.controller, self._certifier.controller)
        return self.installed and all(
            one.idle for one in (self._keeper, self._recorder, self._controller, *watching, self._late)
        )

    async def run(self) -> None:
        """Install, then look after the KubeVirt objects; until cancelled."""
        try:
            await self.install()
        finally:
            self.begun.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run(), name="virt-operator: events")
            tasks.create_task(self._keeper.run(), name="virt-operator: keeping")
            tasks.create_task(self._leases.controller.run(), name="virt-operator: leases")
            tasks.create_task(self._certifier.controller.run(), name="virt-operator: certificates")
            tasks.create_task(self._late.run(), name="virt-operator: what few clusters need")
            tasks.create_task(self._addresses.controller.run(), name="virt-operator: addresses")
            tasks.create_task(self._controller.run(), name="virt-operator")

    async def install(self) -> None:
        """Create what is missing. After a restart nothing is: an installation that says it is whole, is."""
        insist = self._installer.insist
        if (found := await insist(self._deployed)) is not None:
            await insist(self._trust_as_before)
            with suppress(Misfit):  # which has been told
                self._keep(found)
        else:
            await self._installer.install(webhook=self._webhook, release=self._release, signed=self._signed)
            await insist(self._settle_first)
        self.installed = self._view.complete = True

    async def _settle_first(self) -> None:
        await self._settle(await self._client.get(KUBEVIRTS, "kubevirt", NAMESPACE))

    async def _deployed(self) -> Object | None:
        found = await self._client.find(KUBEVIRTS, "kubevirt", NAMESPACE)
        return found if dig(found, "status", "phase") == "Deployed" else None

    async def _trust_as_before(self) -> None:
        """Authorities may have been renewed before this restart."""
        found = await self._client.find(CONFIG_MAPS, certificates.AUTHORITIES[0], NAMESPACE)
        if text := str(dig(found, "data", certificates.BUNDLE, default="")):
            self._trusting(b64encode(text.encode()).decode())

    async def _reconcile(self, pointer: str) -> Result | None:
        obj = self._kubevirts.get(pointer)
        if obj is not None and not self._view.rests:
            await self._settle(obj)
        return None

    async def _settle(self, obj: Object) -> None:
        """Bring one KubeVirt object's status up to date."""
        now = rfc3339(self._clock.now())
        if is_terminating(obj):
            await self._let_go(obj, now)
        elif key(obj) != f"{NAMESPACE}/kubevirt" and self._kubevirts.get(f"{NAMESPACE}/kubevirt") is not None:
            if condition(obj, "Synchronized") is None:
                await self._write(obj, phases.superfluous(obj, now))
        elif (held := installation.held(finalizers(obj))) != finalizers(obj):
            await self._client.update(KUBEVIRTS, _keeping(obj, held))
        elif self._view.is_retargeted(obj):
            await self._write(obj, phases.updating(obj, now, self._view.source(obj)))
        elif is_behind(obj) or phases.is_updating(obj) or self._view.astray(obj):
            try:
                made = await self._carry_out(obj, now)
            except Misfit as error:
                await self._write(obj, phases.failed(obj, now, str(error)))
            else:
                await self._write(obj, self._standing(obj, made, now))
        elif self._view.has_turned(obj):
            await self._write(obj, self._standing(obj, self._view.workloads, now, carried_out=False))

    def _standing(self, obj: Object, made: list[Object], now: str, *, carried_out: bool = True) -> Object:
        """What is to be said of an installation that consists of this now."""
        source, operator = self._view.source(obj), self._view.operator.version
        listed = installation.generations(made) if carried_out else obj["status"]["generations"]
        if phases.is_updating(obj) and not self._view.has_rolled_out(made):
            return {**obj["status"], "generations": listed}
        if self._view.is_ready(made):
            return phases.deployed(obj, listed, now, source, operator)
        created = any(name(one) == pods.API and workloads.is_ready(one) for one in made)
        status = phases.deploying(obj, now, source, operator, created=created)
        return {**status, "generations": listed}

    async def _carry_out(self, obj: Object, now: str) -> list[Object]:
        """Everything as the KubeVirt object wants it. Raises Misfit."""
        self._keep(obj)
        definitions = await self._definitions.carry_out(obj)
        return [*await self._rollout.carry_out(obj, now, self._view.source(obj)), *definitions]

    def _keep(self, obj: Object) -> None:
        """From now on what is kept is to be as the KubeVirt object wants it. Raises Misfit."""
        self._keeper.want(
            contents.kept(
                webhook=self._webhook,
                release=self._release,
                signed=self._signed,
                bundle=self._bundle,
                kubevirt=obj,
            )
        )

    def _defined(self, _old: Object | None, new: Object | None) -> None:
        """Whether somebody has defined what prometheus-operator reads."""
        if new is not None and name(new).endswith(_MONITORED):
            self._late.want(_MONITORING)

    def _in_force(self) -> Object:
        return next(iter(self._kubevirts.objects()), {})

    def _lasting(self, old: Object | None, new: Object | None) -> None:
        """How long certificates last may have changed, how they are marked, and what is wanted beside components."""
        before, now = (one["spec"] if one else {} for one in (old, new))
        if any(before.get(one) != now.get(one) for one in _OF_CERTIFICATES):
            self._certifier.look()
        if dig(new, "spec", "configuration", "commonInstancetypesDeployment", "enabled"):
            self._late.want(_COMMONS)
        self._late.look()

    def _trusting(self, bundle: str) -> None:
        """Webhooks and aggregated APIs are to be signed by one of these authorities."""
        if self._webhook and self._signed and bundle != self._bundle:
            self._bundle = bundle
            kubevirt = self._in_force() or contents.NO_SPEC
            with suppress(Misfit):  # which is told elsewhere
                self._keeper.want(
                    contents.hooks(self._release, signed=True, bundle=bundle, kubevirt=kubevirt)
                )

    def _strayed(self, old: Object | None, new: Object | None) -> list[str]:
        """The KubeVirt objects for whom something is to be done; all of them when virt-operator has rested."""
        woken = old is not None and new is not None and name(new) == pods.OPERATOR
        if woken and dig(old, "spec", "replicas") == 0 != dig(new, "spec", "replicas"):
            self._keeper.look_again()
            self._certifier.look()
            self._late.look()
            return [key(one) for one in self._kubevirts.objects()]
        return [key(one) for one in self._kubevirts.objects() if self._view.is_to_be_looked_at(one)]

    def _turned(self, _old: Object | None, _new: Object | None) -> list[str]:
        """The KubeVirt objects whose components are not what is said of them."""
        return [key(one) for one in self._kubevirts.objects() if self._view.has_turned(one)]

    async def _let_go(self, obj: Object, now: str) -> None:
        """Let a KubeVirt object be deleted, after its workloads. What else it installed stays."""
        if dig(obj, "status", "phase") != "Deleting":
            obj = await self._write(obj, phases.deleting(obj, now))
            await self._rollout.take_back(now)
        if (left := installation.released(finalizers(obj))) != finalizers(obj):
            with suppress(NotFound):
                await self._client.update(KUBEVIRTS, _keeping(obj, left))

    async def _write(self, obj: Object, status: Object) -> Object:
        if status == obj.get("status"):
            return obj
        return await self._client.update(KUBEVIRTS, {**obj, "status": status}, subresource="status")


def _keeping(obj: Object, finalizers: list[str]) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "finalizers": finalizers}}


def _monitoring() -> type[Late]:
    from fakekube.virt.operator.monitoring import Monitoring  # noqa: PLC0415 - few have a Prometheus

    return Monitoring


def _commons() -> type[Late]:
    from fakekube.virt.operator.commons import Commons  # noqa: PLC0415 - few want them

    return Commons
