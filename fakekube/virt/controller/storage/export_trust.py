"""Whom to trust where exports are fetched: inside the cluster, and at the host that leads to their proxy from outside, if one does."""

from base64 import b64decode
from collections.abc import Callable

from fakekube.client.client import Client
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import dig, namespace
from fakekube.machinery.resources import CONFIG_MAPS, SECRETS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import export_links

_INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
_ROUTES = Resource("route.openshift.io", "v1", "routes", "Route")


class Trust:
    """See the module text. `kubevirt`: the KubeVirt object, in whose namespace all of it is."""

    def __init__(self, client: Client, kubevirt: Callable[[], Object | None]) -> None:
        self._client = client
        self._kubevirt = kubevirt

    async def inside(self) -> str:
        """Whom to trust inside the cluster."""
        kubevirt = self._kubevirt()
        if kubevirt is None:
            return ""
        trusted = await self._client.find(CONFIG_MAPS, "kubevirt-export-ca", namespace(kubevirt))
        return str(dig(trusted, "data", "ca-bundle", default=""))

    async def outside(self) -> tuple[str, str]:
        """The host that leads to the proxy of exports, and whom to trust there; empty if there is none."""
        kubevirt = self._kubevirt()
        if kubevirt is None:
            return "", ""
        space = namespace(kubevirt)
        host, secret = export_links.external_host((await self._client.list(_INGRESSES, space)).items)
        if not host:
            return await self._routed(space)
        shown = await self._client.find(SECRETS, secret, space) if secret else None
        return host, b64decode(dig(shown, "data", "tls.crt", default="")).decode().strip()

    async def _routed(self, space: str) -> tuple[str, str]:
        """The same by a route, where there are any."""
        try:
            routes = (await self._client.list(_ROUTES, space)).items
        except NotFound:
            return "", ""
        if not (host := export_links.routed_host(routes)):
            return "", ""
        trusted = await self._client.find(CONFIG_MAPS, "kube-root-ca.crt", space)
        return host, str(dig(trusted, "data", "ca.crt", default="")).strip()
