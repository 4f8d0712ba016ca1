"""Deploys the common instance types and preferences once the KubeVirt object says so (`commonInstancetypesDeployment.enabled`),
keeps them as they are, and takes them away when it says no. Unlike upstream's, one that says nothing leaves them alone.

Ours is what bears virt-operator's labels: whoever has a name of theirs already is adopted, and what is not among them goes.
Origin: kubevirt: pkg/virt-operator/resource/apply/instancetypes.go
"""

from collections.abc import Iterable, Mapping

from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, annotations, dig, labels, name
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator import common_types, marking
from fakekube.virt.operator.late import Late

_GROUP = "instancetype.kubevirt.io"
TYPES = Resource(
    _GROUP,
    "v1beta1",
    "virtualmachineclusterinstancetypes",
    "VirtualMachineClusterInstancetype",
    namespaced=False,
)
PREFERENCES = Resource(
    _GROUP, "v1beta1", "virtualmachineclusterpreferences", "VirtualMachineClusterPreference", namespaced=False
)


def wanted(kubevirt: Obj) -> bool | None:
    """Whether they are to be there; None where nothing is said."""
    said: bool | None = dig(kubevirt, "spec", "configuration", "commonInstancetypesDeployment", "enabled")
    return said


class Commons(Late):
    """See the module text."""

    concern = "common types"

    def _follow(self, client: Client, clock: Clock) -> None:
        self._known = {one: Informer(client, one, clock=clock) for one in (TYPES, PREFERENCES)}
        for informer in self._known.values():
            self.controller.source(informer, lambda _old, _new: (self._namespace,))

    async def _reconcile(self, _space: str) -> Result | None:
        kubevirt = self._kubevirt()
        said = wanted(kubevirt)
        if said is None or self._resting():
            return None
        spec = kubevirt["spec"]
        for resource, made in ((TYPES, common_types.instancetypes), (PREFERENCES, common_types.preferences)):
            marked = marking.all_marked(made() if said else (), self._namespace, self._release, spec)
            await self._bring(resource, {name(one): one for one in marked}, marking.product(spec))
        return None

    async def _bring(self, resource: Resource, made: Mapping[str, Object], ours: Mapping[str, str]) -> None:
        """That those, and no others of ours, are there as they were made."""
        known = {name(one): one for one in self._known[resource].objects()}
        for own in _superfluous(known.values(), made, ours):
            await self._client.delete_if_present(resource, own)
        for own, one in made.items():
            found = known.get(own)
            if found is None:
                await self._client.create_if_absent(resource, one)
            elif not _is_same(found, one):
                meta = {**found["metadata"], **one["metadata"]}
                await self._client.update(resource, {**found, "metadata": meta, "spec": one["spec"]})


def _superfluous(known: Iterable[Object], made: Mapping[str, Object], ours: Mapping[str, str]) -> list[str]:
    marks = {key: ours[key] for key in (marking.COMPONENT, marking.MANAGED_BY)}
    return [name(one) for one in known if name(one) not in made and marks.items() <= labels(one).items()]


def _is_same(found: Object, made: Object) -> bool:
    return (
        dict(labels(found)) == dict(labels(made))
        and dict(annotations(found)) == dict(annotations(made))
        and found["spec"] == made["spec"]
    )
