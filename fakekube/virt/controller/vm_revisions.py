"""The spec a VMI was started from, kept as a ControllerRevision so that what has changed since can be told.

Origin: kubevirt: pkg/virt-controller/watch/vm/vm.go (createVMRevision, getLastVMRevisionSpec)
"""

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery.objects import dig, key, name, namespace, uid
from fakekube.machinery.resources import CONTROLLER_REVISIONS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import vmi_template
from fakekube.virt.controller.informers import BY_OWNER


class Revisions:
    """See the module text."""

    def __init__(self, client: Client, known: Informer) -> None:
        self._client = client
        self._known = known
        self._started: dict[str, tuple[str, Object]] = {}  # VM key → revision name and the VM spec it holds

    def forget(self, key: str) -> None:
        self._started.pop(key, None)

    def started(self, vm: Object) -> None:
        """A VMI has been made from this VM."""
        self._started[key(vm)] = (vmi_template.revision_name(vm), vm["spec"])

    async def remember(self, vm: Object) -> None:
        """Store the spec this start is made from; older ones are of no use any more."""
        wanted = vmi_template.revision_name(vm)
        kept = [name(one) for one in self._known.by_index(BY_OWNER, uid(vm))]
        for old in kept:
            if old != wanted and old.startswith("revision-start-vm-"):
                await self._client.delete_if_present(CONTROLLER_REVISIONS, old, namespace(vm))
        if wanted not in kept:
            await self._client.create_if_absent(CONTROLLER_REVISIONS, vmi_template.revision(vm))

    async def started_from(self, key: str, vmi: Object) -> Object | None:
        """The VM spec a VMI was made from, read once per start."""
        revision = dig(vmi, "status", "virtualMachineRevisionName", default="")
        known = self._started.get(key)
        if known is not None and known[0] == revision:
            return known[1]
        stored = await self._client.find(CONTROLLER_REVISIONS, revision, namespace(vmi))
        if stored is None:
            return None
        spec: Object = dig(stored, "data", "spec", default={})
        self._started[key] = (revision, spec)
        return spec
