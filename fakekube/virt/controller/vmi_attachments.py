"""Attachment pods: they bring the claims of volumes plugged in to the guest's node. What is to be there, decides `hotplug`.

Origin: kubevirt: pkg/virt-controller/watch/vmi/volume-hotplug.go
"""

from collections.abc import Iterable

from fakekube.client.recorder import NORMAL
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import annotations, dig, name, namespace, uid
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import hotplug
from fakekube.virt.controller.informers import BY_OWNER
from fakekube.virt.controller.vmi_pass import Pass
from fakekube.virt.controller.wiring import Wiring


class Attachments:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._recorder = wiring.recorder
        self._known = wiring.informers.attachments
        self._image = wiring.settings.launcher_image
        self._made: dict[str, dict[str, Object]] = {}  # launcher uid → pods not in the cache yet, by uid
        wiring.informers.pods.on_change(self._forget_launcher)

    def _forget_launcher(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._made.pop(uid(old), None)

    def of(self, launcher: Object) -> dict[str, Object]:
        """The attachment pods of a launcher, by volume."""
        known = self._known.by_index(BY_OWNER, uid(launcher))
        return hotplug.by_volume([*known, *self._not_shown_yet(uid(launcher), known)])

    def _not_shown_yet(self, own: str, known: Iterable[Object]) -> list[Object]:
        made = self._made.get(own, {})
        for seen in {uid(one) for one in known} & made.keys():
            del made[seen]
        return list(made.values())

    async def plug(self, seen: Pass, launcher: Object) -> None:
        """Bring the claims of volumes plugged in to the guest's node, and take away those plugged out."""
        vmi = seen.vmi
        for volume in hotplug.to_attach(vmi, seen.claims, seen.attached):
            wanted = hotplug.attachment_pod(vmi, launcher, volume, self._image)
            pod = await self._client.create(PODS, wanted)
            self._made.setdefault(uid(launcher), {})[uid(pod)] = pod
            seen.attached[volume["name"]] = pod
        for pod in hotplug.to_detach(vmi, seen.attached):
            try:
                await self._client.delete(PODS, name(pod), namespace(pod))
            except NotFound:
                continue
            volume_name = annotations(pod).get(hotplug.VOLUME, "")
            seen.attached.pop(volume_name, None)
            message = f"Deleted hotplug attachment pod {name(pod)}, for volume {volume_name}"
            self._recorder.event(vmi, NORMAL, "SuccessfulDelete", message)
        old = dig(vmi, "status", "volumeStatus", default=())
        for reason, message in hotplug.entries(vmi, old, seen.claims, seen.attached)[1]:
            self._recorder.event(vmi, NORMAL, reason, message)
