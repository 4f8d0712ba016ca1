"""What every controller of virt-controller is made from, and how it is hung up: caches that wake it, caches it only reads."""

from collections.abc import Iterable

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.pods.networks import RESOURCE_NAME
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Keys, Reconcile
from fakekube.client.informer import Informer
from fakekube.client.recorder import Recorder
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery.errors import InternalError, NotFound
from fakekube.machinery.objects import Obj, annotations, dig, namespace
from fakekube.machinery.resources import NETWORK_ATTACHMENT_DEFINITIONS
from fakekube.virt.controller import instance, launcher_networks, launcher_sidecars
from fakekube.virt.controller.informers import Informers
from fakekube.virt.controller.launcher_facts import Settings
from fakekube.virt.controller.writer import Writer


class Wiring(Struct, frozen=True):
    """See the module text. One recorder for each component that speaks."""

    client: Client
    informers: Informers
    recorder: Recorder
    clock: Clock
    ids: Ids
    settings: Settings = field(default_factory=Settings)

    def launcher_settings(self, vmi: Obj) -> Settings:
        """What decides about launcher pods of an instance now."""
        informers, space = self.informers, namespace(vmi)
        config = informers.config()
        own = [instance.claim_name(one) for one in instance.volumes(vmi)]
        claims = {claim: informers.claims.get(f"{space}/{claim}") for claim in own if claim}
        return replace(
            self.settings,
            launcher_image=self.launcher_image(),
            image_volumes=self.settings.image_volumes and config.gate("ImageVolume"),
            config=config,
            limits=informers.limited(space),
            limit_ratio=informers.limit_ratio(space),
            claims={claim: found for claim, found in claims.items() if found is not None},
        )

    async def settings_for(self, vmi: Obj) -> Settings:
        """What decides about a VMI's launcher pods now. Raises InternalError where it can have none."""
        settings, cards = self.launcher_settings(vmi), await self._cards(vmi)
        config = settings.config
        said = (
            launcher_sidecars.mistake(vmi)
            or " ".join(config.forbidden_devices(vmi["spec"]))
            or launcher_networks.unknown_binding(vmi, config)
        )
        if said:
            raise InternalError(f"failed to render launch manifest: {said}")
        return replace(settings, cards=cards)

    async def _cards(self, vmi: Obj) -> tuple[str, ...]:
        """The resources a VMI's networks say they are served by. Where the type of their definitions is not installed, they
        need none; while somebody else's webhook is to put these resources in, one that is missing is Multus' affair."""
        found = []
        for network in dig(vmi, "spec", "networks", default=()):
            if "multus" not in network:
                continue
            space, own = launcher_networks.definition(vmi, str(network["multus"].get("networkName", "")))
            try:
                made = await self.client.get(NETWORK_ATTACHMENT_DEFINITIONS, own, space)
            except NotFound as error:
                outside = self.informers.config().gate("ExternalNetResourceInjection")
                if outside or not (error.details or {}).get("name"):
                    continue
                text = f"failed to locate network attachment definition {space}/{own}"
                raise InternalError(f"failed to render launch manifest: {text}") from None
            if resource := annotations(made).get(RESOURCE_NAME):
                found.append(resource)
        return tuple(found)

    def launcher_image(self) -> str:
        """What launchers run from now."""
        return self.informers.config().launcher_image or self.settings.launcher_image

    def speaking(self, component: str) -> "Wiring":
        """The same, for a component of another name."""
        recorder = Recorder(self.client, component, clock=self.clock, ids=self.ids)
        return replace(self, recorder=recorder)

    def writer(self, informer: Informer) -> Writer:
        return Writer(self.client, informer, self.clock)

    def controller(
        self,
        name: str,
        reconcile: Reconcile,
        *woken_by: Informer | tuple[Informer, Keys],
        reads: Iterable[Informer] = (),
        workers: int = 1,
    ) -> Controller:
        """A controller that `woken_by` wakes, with the object's own key or with the keys given."""
        made = Controller(name, reconcile, clock=self.clock, workers=workers)
        for one in woken_by:
            informer, keys = one if isinstance(one, tuple) else (one, None)
            made.source(informer, keys)
        for informer in reads:
            made.reads(informer)
        return made

    def now(self) -> str:
        return rfc3339(self.clock.now())
