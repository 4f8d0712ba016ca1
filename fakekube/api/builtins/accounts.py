"""Service account tokens → users, as long as the account lives, and the object the token is bound to.

Origin: k8s: pkg/serviceaccount/claims.go, pkg/controller/serviceaccount/tokengetter.go
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fakekube.api.access import tokens
from fakekube.api.openid import ISSUER
from fakekube.api.registry import codec
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Registry
from fakekube.machinery.errors import NotFound
from fakekube.machinery.wire import Object, User

_PRIVATE = "kubernetes.io"
_BOUND = {"pod": "pods", "secret": "secrets", "node": "nodes"}  # member of the claims → resource
_SAID = "authentication.kubernetes.io"


class TokenError(Exception):
    """A token that counts no more, or not here."""


def claims(
    account: Object,
    bound: Mapping[str, Object],
    audiences: Sequence[str],
    *,
    begin: datetime,
    end: datetime,
    jti: str,
) -> Object:
    """What a token says; `bound` has the object that it is bound to, under its kind in lower case."""
    meta = account["metadata"]
    private: Object = {"namespace": meta["namespace"], "serviceaccount": _reference(account)}
    private |= {kind: _reference(obj) for kind, obj in bound.items()}
    moment = int(begin.timestamp())
    return {
        "aud": list(audiences),
        "exp": int(end.timestamp()),
        "iat": moment,
        "iss": ISSUER,
        "jti": jti,
        _PRIVATE: private,
        "nbf": moment,
        "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
    }


def _reference(obj: Object) -> Object:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}


class Accounts:
    """Looks up what tokens speak of."""

    def __init__(self, catalog: Catalog, registry: Registry) -> None:
        self._catalog = catalog
        self._registry = registry

    async def user(self, token: str, audiences: Sequence[str] = (ISSUER,)) -> User | None:
        """Whose token it is; None for no token of this server. Raises TokenError."""
        said = tokens.read(token)
        if said is None:
            return None
        parts = str(said["sub"]).split(":")
        if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
            return None
        meant = said.get("aud") or ()
        if set(meant).isdisjoint(audiences):
            shown, wanted = (" ".join(f'"{one}"' for one in many) for many in (meant, audiences))
            raise TokenError(f"token audiences [{shown}] is invalid for the target audiences [{wanted}]")
        namespace, name = parts[2:]
        private: dict[str, Any] = said.get(_PRIVATE) or {}
        await self._check("serviceaccounts", namespace, private.get("serviceaccount") or {"name": name})
        for kind, plural in _BOUND.items():
            if kind in private:
                await self._check(plural, "" if kind == "node" else namespace, private[kind])
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        uid = str((private.get("serviceaccount") or {}).get("uid") or "")
        return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, dict(_extra(said, private)))

    async def _check(self, plural: str, namespace: str, reference: Mapping[str, str]) -> None:
        resource = self._catalog.find("", "v1", plural)
        assert resource is not None
        try:
            entry = await self._registry.get(resource, namespace, reference["name"])
        except NotFound as gone:
            raise TokenError(gone.message) from None
        if codec.decode(resource, entry)["metadata"]["uid"] != reference.get("uid"):
            raise TokenError("service account token has been invalidated")


def _extra(said: Object, private: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield f"{_SAID}/credential-id", (f"JTI={said.get('jti')}",)
    for kind in ("node", "pod"):
        if kind in private:
            yield f"{_SAID}/{kind}-name", (private[kind]["name"],)
            yield f"{_SAID}/{kind}-uid", (private[kind]["uid"],)
