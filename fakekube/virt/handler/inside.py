"""Commands in launcher pods: they find the guest that lives there, and what they do to its processes happens to it. Those in pods
of virt-handler find whether their node merges equal pages of memory. A launcher's log of its guest's console is what is said there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from fakekube.agents.node_server.logs import Line
from fakekube.agents.node_server.place import Container
from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.machinery.objects import controller_of, dig, labels, namespace, uid
from fakekube.machinery.wire import Object

_COMPUTE, _CONSOLE = "compute", "guest-console-log"
_MERGING = "/sys/kernel/mm/ksm/run"


class Inside:
    """`commands.Inside` of such pods. `crash` ends a guest, `merges` tells whether a node merges pages, `configuration` is
    KubeVirt's, `said` what has been said at a guest's console, and `more` when there is more."""

    def __init__(
        self,
        client: Client,
        vmis: Informer,
        *,
        crash: Callable[[Object], Awaitable[None]],
        merges: Callable[[str], bool],
        configuration: Callable[[], Mapping[str, Any]],
        said: Callable[[Object], Awaitable[list[Line]]],
        more: Callable[[str], asyncio.Event],
    ) -> None:
        self._client = client
        self._vmis = vmis
        self._said = said
        self._more = more
        self._merges = merges
        self._configuration = configuration
        self._crash = crash
        self._respawned: dict[str, int] = {}  # by pod uid: how often virtqemud has been killed

    async def enter(self, pod: Object, name: str, container: Container) -> Container:
        """With what such a pod has; other containers as they are."""
        if labels(pod).get("kubevirt.io") == "virt-handler":
            merges = self._merges(dig(pod, "spec", "nodeName", default=""))
            return replace(container, files={**container.files, _MERGING: "1\n" if merges else "0\n"})
        if labels(pod).get("kubevirt.io") != "virt-launcher" or name != _COMPUTE:
            return container
        from fakekube.virt.handler import launcher_programs  # noqa: PLC0415 - few servers are asked for domains' XML

        guest, claimed = self._guest(pod), []
        if guest is not None and dig(pod, "spec", "resourceClaims"):
            from fakekube.virt.handler import claimed_devices  # noqa: PLC0415 - as above

            claimed = await claimed_devices.of(self._client, pod, guest)
        return launcher_programs.compute(
            container,
            pod,
            guest,
            respawned=self._respawned.get(uid(pod), 0),
            permitted=self._configuration().get("permittedHostDevices"),
            claimed=claimed,
            smbios=self._configuration().get("smbios"),
        )

    async def said(self, pod: Object, name: str) -> list[Line] | None:
        """What a container has written, where that does not follow from its pod."""
        vmi = (
            self._instance(pod)
            if name == _CONSOLE and labels(pod).get("kubevirt.io") == "virt-launcher"
            else None
        )
        return None if vmi is None else await self._said(vmi)

    def more(self, pod: Object, name: str) -> asyncio.Event | None:
        """Set when there is more of it than now."""
        vmi = self._instance(pod) if name == _CONSOLE else None
        return None if vmi is None else self._more(uid(vmi))

    def forget(self, old: Object | None, new: Object | None) -> None:
        """Told of launchers that change: of one that has gone nothing is kept."""
        if self._respawned and new is None and old is not None:
            self._respawned.pop(uid(old), None)

    async def act(self, pod: Object, act: str) -> None:
        """Carry out what has been done in it."""
        from fakekube.virt.handler import launcher_programs  # noqa: PLC0415 - as above

        if act == launcher_programs.RESPAWN:
            self._respawned[uid(pod)] = self._respawned.get(uid(pod), 0) + 1
        guest = self._guest(pod)
        if act == launcher_programs.CRASH and guest is not None:
            await self._crash(guest)

    def _guest(self, pod: Object) -> Object | None:
        """The guest, where it runs in this launcher now."""
        vmi = self._instance(pod)
        if vmi is None:
            return None
        here = dig(vmi, "status", "nodeName") == dig(pod, "spec", "nodeName")
        return vmi if here and dig(vmi, "status", "phase") == "Running" else None

    def _instance(self, pod: Object) -> Object | None:
        owner = controller_of(pod)
        vmi = self._vmis.get(f"{namespace(pod)}/{owner['name']}") if owner else None
        return vmi if vmi is not None and owner is not None and uid(vmi) == owner["uid"] else None
