"""Creates what an installation of KubeVirt and CDI consists of, however often the server refuses some of it.

What exists already is left as it is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import name
from fakekube.machinery.resources import CRDS, KUBEVIRTS, NODES
from fakekube.machinery.wire import Object
from fakekube.virt.operator import contents
from fakekube.virt.operator.contents import RESOURCES
from fakekube.virt.operator.observing import WITH_PODS

T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 30.0  # seconds

_log = logging.getLogger(__name__)


class Installer:
    """See the module text. `refused` is set when the server refuses something for the time being."""

    def __init__(self, client: Client, *, clock: Clock, refused: asyncio.Event | None = None) -> None:
        self._client = client
        self._clock = clock
        self._refused = refused or asyncio.Event()

    async def insist(self, act: Callable[[], Awaitable[T]]) -> T:
        """What comes of `act`, which is tried again after each refusal, and after waits that double."""
        wait = _FIRST_WAIT
        while True:
            try:
                return await act()
            except ApiError as error:
                _log.warning("installing KubeVirt: %s; again in %g s", error, wait)
                self._refused.set()
                await self._clock.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    async def install(self, *, webhook: bool, release: str, signed: bool) -> None:
        """All that is missing."""
        names = self._client.metadata_only()
        nodes = len((await self.insist(partial(names.list, NODES))).items)
        # Definitions are large: not even read where whoever started the cluster has brought them.
        defined = {name(one) for one in (await self.insist(partial(names.list, CRDS))).items}
        await self.install_all(
            contents.manifests(
                self._clock.now(),
                nodes=nodes,
                webhook=webhook,
                release=release,
                signed=signed,
                present=defined,
            )
        )

    async def install_all(self, objs: Iterable[Object]) -> None:
        """Those of these that are missing."""
        for obj in objs:
            await self.insist(partial(self._ensure, obj))

    async def _ensure(self, obj: Object) -> None:
        resource = RESOURCES[obj["kind"]]
        if obj["kind"] == KUBEVIRTS.kind and (await self._client.metadata_only().list(KUBEVIRTS)).items:
            return  # our own webhook would refuse another
        made = await self._client.create_if_absent(resource, obj)
        if made is None:
            return
        if obj["kind"] in WITH_PODS:  # their status has to be written apart
            await self._client.update(resource, {**made, "status": obj["status"]}, subresource="status")
