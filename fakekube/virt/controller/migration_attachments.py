"""What is plugged into a guest is brought to the node it moves to as well, before the guest is handed over.

The pod that does it belongs to the target; once the guest has arrived, it is found there as any other.
Origin: kubevirt: pkg/virt-controller/watch/migration/migration.go (createAttachmentPod)
"""

from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import is_terminating, name, namespace, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import hotplug, instance, names, pods
from fakekube.virt.controller.informers import BY_OWNER
from fakekube.virt.controller.wiring import Wiring
from fakekube.virt.controller.writer import Awaited


class TargetAttachments:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._claims = wiring.informers.claims
        self._known = wiring.informers.attachments
        self._recorder = wiring.recorder
        self._settings = wiring.launcher_settings
        self._writer = wiring.writer(wiring.informers.attachments)
        self._awaited = Awaited(self._writer)  # attachment pods, by the keys of the migrations

    def forget(self, own: str) -> None:
        self._awaited.forget(own)

    def awaited(self, own: str) -> bool:
        """Whether the cache does not show the target's attachment pod yet."""
        return bool(self._awaited.get(own))

    def volumes(self, vmi: Object | None) -> list[Object]:
        """What has to be brought there; most guests have nothing plugged in."""
        if vmi is None or not (plugged := instance.plugged(vmi)):
            return []
        claims = (instance.claim_name(one) for one in plugged)
        found = {own: self._claims.get(f"{namespace(vmi)}/{own}") for own in claims}
        return hotplug.wanted(vmi, {own: claim for own, claim in found.items() if claim is not None})

    def of(self, target: Object | None) -> Object | None:
        """The attachment pod of a target."""
        known = self._known.by_index(BY_OWNER, uid(target)) if target is not None else ()
        return next((one for one in known if not is_terminating(one) and not pods.is_temporary(one)), None)

    async def create(self, own: str, migration: Object, vmi: Object, target: Object) -> None:
        wanted = hotplug.attachment_pod(vmi, target, self.volumes(vmi), self._settings(vmi))
        wanted["metadata"]["labels"][names.MIGRATION_JOB_UID] = uid(migration)
        wanted["metadata"]["annotations"][names.MIGRATION_JOB_NAME] = name(migration)
        try:
            made = await self._writer.create(wanted)
        except ApiError as error:
            self._recorder.event(vmi, WARNING, "FailedCreate", f"Error creating attachment pod: {error}")
            raise
        self._awaited.put(own, made)
        self._recorder.event(migration, NORMAL, "SuccessfulCreate", f"Created attachment pod {name(made)}")
