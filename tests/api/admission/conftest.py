"""Webhooks in this process: what they were asked, and what they are told to answer."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.machinery.wire import Request, Response

HOOKS = "/apis/admissionregistration.k8s.io/v1"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class Hook:
    """A webhook that says yes, unless `answer` (the members of its response) says otherwise."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []
        self.queries: list[str] = []
        self.raw: Response | None = None

    async def __call__(self, request: Request) -> Response:
        review = orjson.loads(request.body)
        self.asked.append(review["request"])
        self.queries.append(f"{request.path}?{request.query}")
        if self.raw is not None:
            return self.raw
        response = {"uid": review["request"]["uid"], "allowed": True, **self.answer}
        return Response(200, orjson.dumps({**review, "request": None, "response": response}))

    def patching(self, *operations: dict[str, Any]) -> "Hook":
        self.answer |= {
            "patch": base64.b64encode(orjson.dumps(operations)).decode(),
            "patchType": "JSONPatch",
        }
        return self


Install = Callable[..., Awaitable[Hook]]


@pytest.fixture
def install(api: ApiServer, ask: Any) -> Install:
    """install(name, hook, mutating=True, **webhook members): a configuration with one webhook, served in this process."""

    async def put(name: str, hook: Hook, *, mutating: bool = True, **members: Any) -> Hook:
        api.services.set("hooks", name, hook)
        kind = "MutatingWebhookConfiguration" if mutating else "ValidatingWebhookConfiguration"
        webhook = {
            "name": f"{name}.example.com",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"namespace": "hooks", "name": name, "path": f"/{name}"}},
            "rules": [rule()],
            **members,
        }
        body = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "webhooks": [webhook],
        }
        answer = await ask("POST", f"{HOOKS}/{kind.lower()}s", body)
        assert answer.status == 201, answer.body
        return hook

    return put


def rule(
    *resources: str,
    operations: tuple[str, ...] = ("CREATE", "UPDATE"),
    group: str = "",
    versions: tuple[str, ...] = ("v1",),
) -> dict[str, Any]:
    return {
        "operations": list(operations),
        "apiGroups": [group],
        "apiVersions": list(versions),
        "resources": list(resources or ("configmaps",)),
    }


def configmap(name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture(name="hook")
def _hook() -> type[Hook]:
    return Hook
