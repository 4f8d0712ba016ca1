"""Failures made by the API itself: it asks a webhook that nobody serves, about one operation in one namespace."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from conformance import manifests
from conformance.following import Follower
from conformance.kube import MERGE, VM, WEBHOOK, Kind, Object, Refusal

_NOBODY = "nobody.conformance.example"


@contextlib.asynccontextmanager
async def refusing(
    follower: Follower, operation: str, kind: Kind, labels: dict[str, str] | None = None
) -> AsyncIterator[None]:
    """Have the API refuse an operation on objects of a kind, or on those with labels."""
    kube, namespace = follower.kube, follower.namespace
    group, _, version = kind.api.rpartition("/")
    hook = {
        "name": _NOBODY,
        "clientConfig": {"service": {"namespace": namespace, "name": "nobody"}},
        "rules": [
            {
                "operations": [operation],
                "apiGroups": [group],
                "apiVersions": [version],
                "resources": [kind.plural],
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "objectSelector": {"matchLabels": labels or {}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "timeoutSeconds": 1,
    }
    name = f"{namespace}-{operation.lower()}"
    await kube.create(WEBHOOK, {"metadata": {"name": name}, "webhooks": [hook]})
    try:
        async with asyncio.timeout(follower.patience):
            while not await _is_refused(follower, operation, kind, labels or {}):
                await a_moment()
        yield
    finally:
        await kube.delete(WEBHOOK, "", name)


async def _is_refused(follower: Follower, operation: str, kind: Kind, labels: dict[str, str]) -> bool:
    """Whether the API refuses by now, tried without effect: a server hears of a webhook a moment after it was written."""
    kube, namespace, dry = follower.kube, follower.namespace, {"dryRun": "All"}
    try:
        if operation == "CREATE":
            revision = {"metadata": {"name": "probe"}, "revision": 1, "data": {}}
            await kube.create(kind, manifests.vm("probe") if kind is VM else revision, namespace, **dry)
        else:
            path = kind.path(namespace, next(iter(follower.now[kind])))
            patch: Object = {"metadata": {"labels": labels}}
            method, body = ("PATCH", patch) if operation == "UPDATE" else ("DELETE", None)
            await kube.ask(method, path, body, query=dry, content=MERGE)
    except Refusal as refusal:
        if _NOBODY not in refusal.message:
            raise
        return True
    return False


async def a_moment() -> None:
    """Between two looks at something that no watch tells of."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.Event().wait()
