"""Claims of pods, from beginning to end: made from templates, told by the pod, reserved for it when it has a node, and let go.

The scheduler has this made when it meets the first pod that claims something, tells it of such pods, and asks `reservations` where
they fit. What a claim was given stays until nobody has it reserved any more; claims made for a pod go with it.
Upstream: k8s: pkg/controller/resourceclaim/controller.go
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fakekube.agents.devices.allocation import Select
from fakekube.agents.devices.reservations import PROTECTION, Reservations
from fakekube.agents.identities import as_controller
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import (
    DEVICE_CLASSES,
    PODS,
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
)
from fakekube.machinery.wire import Object

_POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
_POD, _CLAIM = "pod ", "claim "


class Claims:
    """See the module text. `wake` has the scheduler look again at pods that wait."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        recorder: Recorder,
        pods: Informer,
        select: Select,
        wake: Callable[[], None],
    ) -> None:
        self._client = as_controller(client, "resource-claim-controller")
        self._recorder = recorder
        self._pods = pods
        self._claims = Informer(client, RESOURCE_CLAIMS, clock=clock)
        self._templates = Informer(client, RESOURCE_CLAIM_TEMPLATES, clock=clock)
        self._classes = Informer(client, DEVICE_CLASSES, clock=clock)
        self._slices = Informer(client, RESOURCE_SLICES, clock=clock)
        self.reservations = Reservations(client, self._claims, self._classes, self._slices, select)
        self._controller = Controller("resource-claims", self._reconcile, clock=clock)
        self._controller.source(self._claims, self._of_claim)
        self._controller.source(self._templates, self._of_template)
        for informer in (self._claims, self._classes, self._slices):
            informer.on_change(lambda _old, _new: wake())
            self._controller.reads(informer)

    @property
    def idle(self) -> bool:
        return self._controller.idle

    async def run(self) -> None:
        await self._controller.run()

    def note(self, pod: Object) -> None:
        """A pod that claims something is there, has changed, or has gone."""
        self._controller.queue.add(_POD + objects.key(pod))

    async def synced(self) -> None:
        for informer in self._controller.informers:
            await informer.wait_synced()

    # --- from beginning to end -----------------------------------------------------------------------------

    def _of_claim(self, old: Object | None, new: Object | None) -> Iterable[str]:
        claim = new or old or {}
        if new is None:
            self.reservations.forget(objects.key(claim))
        else:
            yield _CLAIM + objects.key(claim)
        if owner := objects.controller_of(claim):
            yield f"{_POD}{objects.namespace(claim)}/{owner['name']}"

    def _of_template(self, _old: Object | None, new: Object | None) -> Iterable[str]:
        """Pods that may have waited for it."""
        if new is not None:
            for pod in self._pods.objects():
                if pod["spec"].get("resourceClaims") and objects.namespace(pod) == objects.namespace(new):
                    yield _POD + objects.key(pod)

    async def _reconcile(self, key: str) -> Result | None:
        if key.startswith(_CLAIM):
            claim = self.reservations.current(key.removeprefix(_CLAIM))
            if claim is not None:
                await self._let_go(claim)
            return None
        pod = self._pods.get(key.removeprefix(_POD))
        if pod is None or objects.is_final(pod):
            for claim in list(self._claims.objects()):
                if objects.namespace(claim) == key.removeprefix(_POD).partition("/")[0]:
                    await self._let_go(claim)
        elif not objects.is_terminating(pod):
            await self._make_for(pod)
        return None

    async def _make_for(self, pod: Object) -> None:
        """Claims from templates, and the pod's word for them."""
        told = {one["name"]: one for one in objects.dig(pod, "status", "resourceClaimStatuses", default=())}
        added = []
        for one in pod["spec"].get("resourceClaims") or ():
            own, template = one["name"], one.get("resourceClaimTemplateName")
            if not template or own in told:
                continue
            claim = self._made_for(pod, own) or await self._make(pod, own, template)
            if claim is None:
                return
            added.append({"name": own, "resourceClaimName": objects.name(claim)})
        if added:
            change = {"status": {"resourceClaimStatuses": [*told.values(), *added]}}
            await self._client.patch(
                PODS,
                objects.name(pod),
                objects.namespace(pod),
                change,
                type="strategic",
                subresource="status",
            )

    def _made_for(self, pod: Object, own: str) -> Object | None:
        for claim in self._claims.objects():
            owner = objects.controller_of(claim)
            if (
                owner
                and owner["uid"] == objects.uid(pod)
                and objects.annotations(claim).get(_POD_CLAIM) == own
            ):
                return claim
        return None

    async def _make(self, pod: Object, own: str, template: str) -> Object | None:
        found = self._templates.get(f"{objects.namespace(pod)}/{template}")
        if found is None:
            text = (
                f'PodResourceClaim {own}: resource claim template "{template}": '
                f'resourceclaimtemplate.resource.k8s.io "{template}" not found'
            )
            self._recorder.event(pod, WARNING, "FailedResourceClaimCreation", text)
            return None
        within = copy_of(found["spec"])
        metadata: dict[str, Any] = within.get("metadata") or {}
        claim = {
            "metadata": {
                **metadata,
                "generateName": f"{objects.name(pod)}-{own}-",
                "annotations": {**(metadata.get("annotations") or {}), _POD_CLAIM: own},
                "ownerReferences": [objects.owner_reference(pod)],
            },
            "spec": within["spec"],
        }
        return await self._client.create(RESOURCE_CLAIMS, claim, objects.namespace(pod))

    async def _let_go(self, claim: Object) -> None:
        """What pods have reserved that are over is free; a claim that nobody uses has nothing, and goes if it was made for one."""
        namespace, own = objects.namespace(claim), objects.name(claim)
        reserved = objects.dig(claim, "status", "reservedFor", default=())
        users = [one for one in reserved if self._uses(namespace, one)]
        try:
            if len(users) < len(reserved) or (not users and objects.dig(claim, "status", "allocation")):
                change = {"reservedFor": users or None, **({} if users else {"allocation": None})}
                claim = await self._client.patch(
                    RESOURCE_CLAIMS, own, namespace, {"status": change}, type="merge", subresource="status"
                )
                self.reservations.note(claim)
            if not users and PROTECTION in objects.finalizers(claim):
                left = [one for one in objects.finalizers(claim) if one != PROTECTION]
                unmarked = {"metadata": {"finalizers": left or None}}
                await self._client.patch(RESOURCE_CLAIMS, own, namespace, unmarked, type="merge")
            if not users and not objects.is_terminating(claim) and self._served(claim):
                await self._client.delete(RESOURCE_CLAIMS, own, namespace, uid=objects.uid(claim))
        except NotFound:
            return

    def _uses(self, namespace: str, consumer: Mapping[str, Any]) -> bool:
        if consumer.get("resource") != "pods":
            return True
        pod = self._pods.get(f"{namespace}/{consumer['name']}")
        return pod is not None and objects.uid(pod) == consumer.get("uid") and not objects.is_final(pod)

    def _served(self, claim: Object) -> bool:
        """Whether it was made for a pod that is over."""
        owner = objects.controller_of(claim)
        if owner is None or _POD_CLAIM not in objects.annotations(claim):
            return False
        pod = self._pods.get(f"{objects.namespace(claim)}/{owner['name']}")
        return pod is None or objects.uid(pod) != owner["uid"] or objects.is_final(pod)
