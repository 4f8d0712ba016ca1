"""The configuration in force, followed by a cache while `run` runs and asked for otherwise."""

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import resource_version
from fakekube.machinery.resources import KUBEVIRTS
from fakekube.machinery.wire import Object
from fakekube.virt.config import ClusterConfig, from_object


class Settings:
    """Reads the KubeVirt object of the install namespace, whatever its name."""

    def __init__(self, client: Client, *, clock: Clock, namespace: str) -> None:
        self._client = client
        self.namespace = namespace  # of the installation
        self._informer = Informer(client, KUBEVIRTS, clock=clock, namespace=namespace)
        self._known: tuple[str, ClusterConfig] = ("", ClusterConfig())

    async def run(self) -> None:
        """Keep the cache; until cancelled."""
        await self._informer.run()

    async def current(self) -> ClusterConfig:
        kubevirt = next(iter(self._informer.objects()), None) if self._informer.synced else await self._ask()
        version = resource_version(kubevirt) if kubevirt else ""
        if version != self._known[0] or not version:
            self._known = (version, from_object(kubevirt))
        return self._known[1]

    async def _ask(self) -> Object | None:
        try:
            found = await self._client.list(KUBEVIRTS, self.namespace, limit=1)
        except NotFound:  # KubeVirt's definitions are not installed
            return None
        return found.items[0] if found.items else None
