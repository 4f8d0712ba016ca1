"""Attachment pods: they bring the claims of volumes plugged in to the guest's node; claims that wait for a first consumer get
one before. What is to be there, decides `hotplug`.

Origin: kubevirt: pkg/virt-controller/watch/vmi/volume-hotplug.go
"""

from collections.abc import Iterable, Mapping

from fakekube.client.recorder import NORMAL
from fakekube.machinery.objects import controller_of, dig, is_final, is_terminating, key, name, namespace, uid
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import hotplug, instance
from fakekube.virt.controller.informers import BY_OWNER
from fakekube.virt.controller.pods import is_temporary
from fakekube.virt.controller.vmi_pass import Pass
from fakekube.virt.controller.wiring import Wiring

_LATE = "WaitForFirstConsumer"


class Attachments:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._recorder = wiring.recorder
        self._known = wiring.informers.attachments
        self._classes = wiring.informers.storage_classes
        self._settings = wiring.launcher_settings
        self._made: dict[str, dict[str, Object]] = {}  # launcher uid → pods not in the cache yet, by uid
        self._deleted: set[str] = set()  # uids of those the cache may still show
        wiring.informers.pods.on_change(self._forget_launcher)
        self._known.on_change(self._forget)

    def _forget_launcher(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._made.pop(uid(old), None)

    def _forget(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._deleted.discard(uid(old))
            self._made_with(old).pop(uid(old), None)

    def _made_with(self, pod: Object) -> dict[str, Object]:
        """What was made for the same launcher and is not in the cache yet."""
        launcher = controller_of(pod)
        return self._made.get(launcher["uid"], {}) if launcher else {}

    def of(self, vmi: Object, launcher: Object, claims: Mapping[str, Object]) -> dict[str, Object]:
        """The attachment pod each volume comes by."""
        pods = self._pods(launcher)
        return hotplug.by_volume(hotplug.present(hotplug.wanted(vmi, claims), pods), pods)

    def _pods(self, launcher: Object, *, triggers: bool = False) -> list[Object]:
        """A launcher's, without those on their way out; its attachment pods, or the triggers."""
        known = self._known.by_index(BY_OWNER, uid(launcher))
        pods = [*known, *self._not_shown_yet(uid(launcher), known)]
        return [
            pod
            for pod in pods
            if not is_terminating(pod) and uid(pod) not in self._deleted and is_temporary(pod) is triggers
        ]

    def _not_shown_yet(self, own: str, known: Iterable[Object]) -> list[Object]:
        made = self._made.get(own, {})
        for seen in {uid(one) for one in known} & made.keys():
            del made[seen]
        return list(made.values())

    async def plug(self, seen: Pass, launcher: Object) -> None:
        """Bring the claims of volumes plugged in to the guest's node, and take away those plugged out."""
        await self._trigger(seen, launcher)
        vmi, pods = seen.vmi, self._pods(launcher)
        volumes = hotplug.wanted(vmi, seen.claims)
        current = hotplug.present(volumes, pods)
        if volumes and current is None:
            wanted = hotplug.attachment_pod(vmi, launcher, volumes, self._settings(vmi))
            current = await self._create(launcher, wanted)
            pods.append(current)
            text = f"Created attachment pod {name(current)}"
            self._recorder.event(vmi, NORMAL, "SuccessfulCreate", text)
        for pod in hotplug.superfluous(vmi, current, pods, needed=bool(volumes)):
            if not await self._delete(pod):
                continue
            pods = [one for one in pods if one is not pod]
            text = f"Deleted attachment pod {name(pod)}"
            self._recorder.event(vmi, NORMAL, "SuccessfulDelete", text)
        seen.attached = hotplug.by_volume(current, pods)
        await self._follow(seen.owned)
        old = dig(vmi, "status", "volumeStatus", default=())
        for reason, message in hotplug.entries(vmi, old, seen.claims, seen.attached)[1]:
            self._recorder.event(vmi, NORMAL, reason, message)

    async def _create(self, launcher: Object, pod: Object) -> Object:
        made = await self._client.create(PODS, pod)
        self._made.setdefault(uid(launcher), {})[uid(made)] = made
        return made

    async def _delete(self, pod: Object) -> bool:
        """Whether it was there."""
        there = await self._client.delete_if_present(PODS, name(pod), namespace(pod))
        shown = self._known.get(key(pod))
        if uid(pod) in self._made_with(pod) or (shown is not None and uid(shown) == uid(pod)):
            self._deleted.add(uid(pod))
        return there

    async def _trigger(self, seen: Pass, launcher: Object) -> None:
        """Give claims that wait for a consumer one, and take it away when they do not any more."""
        there = {
            claim: pod
            for pod in self._pods(launcher, triggers=True)
            for claim in hotplug.brought_by(pod).values()
        }
        if not there and not instance.plugged(seen.vmi):
            return
        late = {name(one) for one in self._classes.objects() if one.get("volumeBindingMode") == _LATE}
        waiting = hotplug.unconsumed(seen.vmi, seen.claims, late)
        for claim, volume in waiting.items():
            if claim not in there:
                settings = self._settings(seen.vmi)
                await self._create(launcher, hotplug.trigger_pod(seen.vmi, launcher, volume, settings))
                text = f"Created hotplug trigger pod for volume {volume['name']}"
                self._recorder.event(seen.vmi, NORMAL, "SuccessfulCreate", text)
        for claim, pod in there.items():
            if claim not in waiting:
                await self._delete(pod)

    async def _follow(self, launchers: Iterable[Object]) -> None:
        """The attachment pods of launchers that have ended go, as where a guest has moved away from."""
        for launcher in launchers:
            for pod in self._pods(launcher) if is_final(launcher) else ():
                await self._delete(pod)
