"""Asking the API server whether somebody may do something: SubjectAccessReviews.

Origin: k8s: staging/src/k8s.io/api/authorization/v1/types.go
"""

from fakekube.client.client import Client
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object, User

REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)


def review(user: User, wanted: dict[str, str]) -> Object:
    """The question whether somebody may do something."""
    who = {"user": user.name, "groups": list(user.groups)}
    extra = {key: list(values) for key, values in user.extra.items()}
    return {
        "apiVersion": REVIEWS.api_version,
        "kind": REVIEWS.kind,
        "spec": {**who, **({"extra": extra} if extra else {}), "resourceAttributes": wanted},
    }


async def ask(client: Client, user: User, wanted: dict[str, str]) -> tuple[bool, str]:
    """(allowed, why). Raises what the server refuses with."""
    answered = await client.create(REVIEWS, review(user, wanted))
    return bool(dig(answered, "status", "allowed")), str(dig(answered, "status", "reason", default=""))


def service_account(space: str, name: str) -> User:
    """An account as the server knows it."""
    everybody = "system:serviceaccounts"
    groups = (everybody, f"{everybody}:{space}", "system:authenticated")
    return User(f"system:serviceaccount:{space}:{name}", groups)
