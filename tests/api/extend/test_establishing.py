"""Definitions at work in a server: served when created, held by their instances when deleted."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from fakekube.machinery.wire import Response

Ask = Callable[..., Awaitable[Response]]

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ITEMS = "/apis/life.example.com/v1/namespaces/default/items"
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "items.life.example.com"},
    "spec": {
        "group": "life.example.com",
        "scope": "Namespaced",
        "names": {"plural": "items", "kind": "Item"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}


def item(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "life.example.com/v1", "kind": "Item", "metadata": {"name": name, **metadata}}


async def condition(ask: Ask, type_: str) -> dict[str, Any]:
    crd = orjson.loads((await ask("GET", f"{CRDS}/items.life.example.com")).body)
    return next((one for one in crd["status"]["conditions"] if one["type"] == type_), {})


async def test_a_definition_is_served_at_once(ask: Ask) -> None:
    """The answer to the create of a definition is not out before its resource is served."""
    assert (await ask("GET", ITEMS)).status == 404
    assert (await ask("POST", CRDS, CRD)).status == 201
    assert (await condition(ask, "Established"))["status"] == "True"
    assert (await ask("POST", ITEMS, item("a"))).status == 201


async def test_a_deleted_definition_waits_for_its_instances(ask: Ask) -> None:
    """While an instance holds out, it can be read and freed, but no new one can be made; then all is gone."""
    await ask("POST", CRDS, CRD)
    await ask("POST", ITEMS, item("held", finalizers=["example.com/x"]))
    await ask("POST", ITEMS, item("free"))
    await ask("DELETE", f"{CRDS}/items.life.example.com")
    assert (await condition(ask, "Terminating"))["reason"] == "InstanceDeletionInProgress"
    assert (await ask("GET", f"{ITEMS}/free")).status == 404
    refused = await ask("POST", ITEMS, item("new"))
    assert refused.status == 403
    assert orjson.loads(refused.body)["message"] == (
        'items.life.example.com "new" is forbidden: create not allowed while custom resource definition is terminating'
    )
    patch = {"metadata": {"finalizers": None}}
    freed = await ask("PATCH", f"{ITEMS}/held", patch, media="application/merge-patch+json")
    assert freed.status == 200
    assert (await ask("GET", f"{CRDS}/items.life.example.com")).status == 404
    assert (await ask("GET", ITEMS)).status == 404
