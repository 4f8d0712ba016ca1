"""Bearer tokens → users. Pure. Certificates have been checked before, by the server that terminates TLS.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/authentication
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fakekube.api.access import tokens
from fakekube.machinery.errors import Unauthorized
from fakekube.machinery.wire import User

ADMIN = User("kubernetes-admin", ("kubeadm:cluster-admins", "system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class Authentication:
    """Which tokens are known. Where nobody has to prove anything, everybody who can reach the server is its admin."""

    tokens: Mapping[str, User] = field(default_factory=dict)
    anonymous: bool = True  # whether who proves nothing is let in, as system:anonymous; RBAC then decides

    @property
    def open(self) -> bool:
        return not self.tokens

    def user(self, authorization: str) -> User:
        """The user behind an Authorization header. Raises Unauthorized for nobody, and for a token nobody knows."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and token:
            known = self.tokens.get(token) or service_account(token)
            if known is not None:
                return known
            if not self.open:
                raise Unauthorized("Unauthorized")
        if self.open:
            return ADMIN
        if not self.anonymous:
            raise Unauthorized("Unauthorized")
        return ANONYMOUS


def service_account(token: str) -> User | None:
    """The service account a token of this server names."""
    claims = tokens.read(token)
    if claims is None:
        return None
    name = str(claims["sub"])
    parts = name.split(":")
    if len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
        return None
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{parts[2]}", "system:authenticated")
    return User(name, groups)
