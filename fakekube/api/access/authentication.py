"""Bearer tokens → users. Pure. Certificates have been checked before, by the server that terminates TLS.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/authentication
"""

import base64
import contextlib
from collections.abc import Mapping

from msgspec import Struct, field

from fakekube.machinery.errors import Unauthorized
from fakekube.machinery.wire import BEARER_PROTOCOL, User

ADMIN = User("kubernetes-admin", ("kubeadm:cluster-admins", "system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
# What our kubeconfigs show where nobody has to prove anything: without a token kubectl asks for a password over TLS, and
# clients that have one ask by a TokenReview whose it is.
OPEN_TOKEN = "fakekube"


def bearer(authorization: str) -> str:
    """The token in an Authorization header, if there is one."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bearer_of_protocols(offered: str) -> str:
    """The token among the protocols of a websocket: pages in browsers cannot set an Authorization header.

    Origin: k8s: staging/src/k8s.io/apiserver/pkg/authentication/request/websocket/protocol.go
    """
    for one in offered.split(","):
        name, prefix, coded = one.strip().partition(BEARER_PROTOCOL)
        if prefix and not name:
            with contextlib.suppress(ValueError):
                return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    return ""


class Authentication(Struct, frozen=True):
    """Which tokens are known. Where nobody has to prove anything, everybody who can reach the server is its admin."""

    tokens: Mapping[str, User] = field(default_factory=dict)
    anonymous: bool = True  # whether who proves nothing is let in, as system:anonymous; RBAC then decides

    @property
    def open(self) -> bool:
        return not self.tokens

    def known(self, token: str) -> User | None:
        """The user whom this token names by itself."""
        return ADMIN if self.open and token == OPEN_TOKEN else self.tokens.get(token)

    def user(self, token: str) -> User:
        """The user who shows this token, which is of no service account. Raises Unauthorized for one nobody knows."""
        if token and token in self.tokens:
            return self.tokens[token]
        if self.open:
            return ADMIN
        if token or not self.anonymous:
            raise Unauthorized("Unauthorized")
        return ANONYMOUS
