"""The leases by which the pods of virt-controller and virt-operator say which of them works.

Whoever asks which pod leads reads them; the work is done by actors, so nobody has to be kept from it. The oldest running pod
holds the lease until it goes, then the next takes it. They are written when the holder changes, and not renewed.
Origin: kubevirt: pkg/virt-controller/leaderelectionconfig; k8s: staging/src/k8s.io/client-go/tools/leaderelection
"""

from collections.abc import Iterable

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock, rfc3339_micro
from fakekube.machinery.objects import dig, is_terminating, labels, name
from fakekube.machinery.resources import LEASES, PODS
from fakekube.machinery.wire import Object

COMPONENT = "kubevirt.io"
SYNCHRONIZATION = "virt-synchronization-controller"
LEADING = ("virt-operator", "virt-controller", SYNCHRONIZATION)  # whose pods elect a leader
_SECONDS = 15


def candidates(client: Client, *, clock: Clock, namespace: str) -> Informer:
    """A cache of the pods that may lead, for all who ask."""
    chosen = f"{COMPONENT} in ({','.join(LEADING)})"
    return Informer(client, PODS, clock=clock, namespace=namespace, label_selector=chosen)


class Leases:
    """See the module text; `pods` are the candidates, `components` those who have a lease."""

    def __init__(
        self, client: Client, pods: Informer, components: Iterable[str], *, clock: Clock, namespace: str
    ) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._pods = pods
        self._components = frozenset(components)
        self.controller = Controller("virt-operator: leases", self._reconcile, clock=clock)
        self.controller.source(pods, self._component)

    async def _reconcile(self, component: str) -> Result | None:
        candidates = candidates_of(self._pods.objects(), component)
        if not candidates:
            return None
        known = await self._client.find(LEASES, component, self._namespace)
        if known is None:
            await self._client.create(LEASES, self._lease(component, candidates[0]))
            return None
        if dig(known, "spec", "holderIdentity") not in candidates:
            transitions = 1 + int(dig(known, "spec", "leaseTransitions") or 0)
            taken = {**known, "spec": self._lease(component, candidates[0], transitions)["spec"]}
            await self._client.update(LEASES, taken)
        return None

    def _component(self, old: Object | None, new: Object | None) -> Iterable[str]:
        own = labels(new or old or {}).get(COMPONENT, "")
        return (own,) if own in self._components else ()

    def _lease(self, component: str, holder: str, transitions: int = 0) -> Object:
        now = rfc3339_micro(self._clock.now())
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": component, "namespace": self._namespace},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": _SECONDS,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }


def candidates_of(pods: Iterable[Object], component: str) -> list[str]:
    """The names of a component's pods that run, oldest first."""
    running = [
        (dig(pod, "metadata", "creationTimestamp", default=""), name(pod))
        for pod in pods
        if labels(pod).get(COMPONENT) == component
        and dig(pod, "status", "phase") == "Running"
        and not is_terminating(pod)
    ]
    return [own for _, own in sorted(running)]
