"""Fills Secrets of type `kubernetes.io/service-account-token` with a token of the account they name.

The token is bound to its Secret, so it ends with it; without its account a Secret goes.

Upstream: k8s: pkg/controller/serviceaccount/tokens_controller.go
"""

import base64

from fakekube.agents.identities import as_controller
from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import SECRETS, SERVICE_ACCOUNTS
from fakekube.machinery.wire import Object

_TYPE = "kubernetes.io/service-account-token"
_NAME, _UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
_TEN_YEARS = 315_360_000


class TokenSecrets:
    """One controller over these Secrets, to run within an actor. `root_ca` is the PEM text beside the token."""

    def __init__(self, client: Client, *, clock: Clock, root_ca: str | None = None) -> None:
        self._client = as_controller(client, "tokens-controller")
        self._root_ca = root_ca
        self._secrets = Informer(self._client, SECRETS, clock=clock, field_selector=f"type={_TYPE}")
        self.controller = Controller("tokens-controller", self._fill, clock=clock)
        self.controller.source(self._secrets)

    async def _fill(self, key: str) -> Result | None:
        secret = self._secrets.get(key)
        if secret is None or objects.is_terminating(secret) or (secret.get("data") or {}).get("token"):
            return None
        namespace, name = objects.namespace(secret), objects.annotations(secret).get(_NAME, "")
        try:
            account = await self._client.get(SERVICE_ACCOUNTS, name, namespace)
            token = await self._token(secret, account)
            await self._client.update(SECRETS, self._filled(secret, account, token))
        except NotFound:
            await self._client.delete_if_present(SECRETS, objects.name(secret), objects.namespace(secret))
        return None

    async def _token(self, secret: Object, account: Object) -> str:
        bound = {
            "apiVersion": "v1",
            "kind": "Secret",
            "name": objects.name(secret),
            "uid": objects.uid(secret),
        }
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TEN_YEARS, "boundObjectRef": bound},
        }
        made = await self._client.create(
            SERVICE_ACCOUNTS,
            asked,
            objects.namespace(account),
            name=objects.name(account),
            subresource="token",
        )
        return str(made["status"]["token"])

    def _filled(self, secret: Object, account: Object, token: str) -> Object:
        filled = copy_of(secret)
        filled["metadata"].setdefault("annotations", {})[_UID] = objects.uid(account)
        texts = {"namespace": objects.namespace(secret), "token": token}
        if self._root_ca is not None:
            texts["ca.crt"] = self._root_ca
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        filled["data"] = (filled.get("data") or {}) | encoded
        return filled
