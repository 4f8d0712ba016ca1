"""Keeps in every namespace what every namespace has: ServiceAccount `default` and ConfigMap `kube-root-ca.crt`; and fills
the Secrets that ask for a token of an account.

Upstream: k8s: pkg/controller/serviceaccount/serviceaccounts_controller.go, pkg/controller/certificates/rootcacertpublisher
"""

import asyncio
from collections.abc import Iterable, Sequence

from fakekube.agents.identities import as_controller
from fakekube.agents.token_secrets import TokenSecrets
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import Forbidden, NotFound
from fakekube.machinery.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from fakekube.machinery.wire import Object

ACCOUNT, ROOT_CA = "default", "kube-root-ca.crt"

_DESCRIPTION = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal "
    "endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across "
    "distributions of Kubernetes clusters."
}


class ServiceAccounts:
    """An actor. `root_ca` is the PEM text to publish; with None no ConfigMap is kept."""

    name = "service-account-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, root_ca: str | None = None) -> None:
        del ids
        self._accounts_client = as_controller(client, "service-account-controller")
        self._publisher_client = as_controller(client, "root-ca-cert-publisher")
        self._root_ca = root_ca
        self._namespaces = Informer(self._accounts_client, NAMESPACES, clock=clock)
        self._accounts = Informer(
            self._accounts_client, SERVICE_ACCOUNTS, clock=clock, field_selector=f"metadata.name={ACCOUNT}"
        )
        self._bundles = Informer(
            self._publisher_client, CONFIG_MAPS, clock=clock, field_selector=f"metadata.name={ROOT_CA}"
        )
        self._tokens = TokenSecrets(client, clock=clock, root_ca=root_ca).controller
        self._controller = Controller(self.name, self._ensure, clock=clock)
        self._controller.source(self._namespaces)
        self._controller.source(self._accounts, _namespace_of_lost)
        if root_ca is not None:
            self._controller.source(self._bundles, _namespace)

    @property
    def idle(self) -> bool:
        return self._controller.idle and self._tokens.idle

    @property
    def informers(self) -> Sequence[Informer]:
        return [*self._controller.informers, *self._tokens.informers]

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._controller.run())
            tasks.create_task(self._tokens.run())

    async def _ensure(self, key: str) -> Result | None:
        namespace = self._namespaces.get(key)
        if namespace is None or objects.is_terminating(namespace):
            return None
        try:
            if self._accounts.get(f"{key}/{ACCOUNT}") is None:
                meta = {"name": ACCOUNT, "namespace": key}
                account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
                await self._accounts_client.create_if_absent(SERVICE_ACCOUNTS, account)
            if self._root_ca is not None:
                await self._publish(key, {"ca.crt": self._root_ca})
        except NotFound:
            return None  # the namespace has gone
        except Forbidden as error:
            if any(
                one.get("reason") == "NamespaceTerminating"
                for one in (error.details or {}).get("causes") or ()
            ):
                return None
            raise
        return None

    async def _publish(self, namespace: str, data: dict[str, str]) -> None:
        present = self._bundles.get(f"{namespace}/{ROOT_CA}")
        if present is None:
            meta = {"name": ROOT_CA, "namespace": namespace, "annotations": _DESCRIPTION}
            bundle = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
            await self._publisher_client.create_if_absent(CONFIG_MAPS, bundle)
        elif present.get("data") != data:
            await self._publisher_client.update(CONFIG_MAPS, copy_of(present) | {"data": data})


def _namespace(old: Object | None, new: Object | None) -> Iterable[str]:
    return (objects.namespace(new or old or {}),)


def _namespace_of_lost(old: Object | None, new: Object | None) -> Iterable[str]:
    return _namespace(old, new) if new is None else ()
