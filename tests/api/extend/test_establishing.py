"""Definitions at work in a server: served when created, held by their instances when deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from fakekube.machinery.wire import Response

Ask = Callable[..., Awaitable[Response]]

MERGE = "application/merge-patch+json"
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


@pytest.mark.parametrize("how", ["deleted", "not served"])
async def test_watches_end_with_what_they_watch(ask: Ask, how: str) -> None:
    """The last that a watch tells is that the instances have gone; it ends even if the definition comes back at once."""
    await ask("POST", CRDS, CRD)
    await ask("POST", ITEMS, item("a"))
    version = orjson.loads((await ask("GET", ITEMS)).body)["metadata"]["resourceVersion"]
    streams = [await ask("GET", f"{ITEMS}?watch=1&resourceVersion={version}") for _ in range(2)]
    begun = asyncio.ensure_future(whole(streams[0]))
    await asyncio.sleep(0)
    if how == "deleted":
        await ask("DELETE", f"{CRDS}/items.life.example.com")
    else:
        v1 = CRD["spec"]["versions"][0]
        versions = [v1 | {"served": False, "storage": False}, v1 | {"name": "v2"}]
        await ask("PATCH", f"{CRDS}/items.life.example.com", {"spec": {"versions": versions}}, media=MERGE)
    expected = ["DELETED"] if how == "deleted" else []
    assert await whole(streams[1]) == expected, "it was asked for before, and is read only now"
    await ask("POST", CRDS, CRD)
    assert await begun == expected


async def whole(response: Response) -> list[str]:
    assert response.stream is not None
    async with asyncio.timeout(30):
        text = b"".join([chunk async for chunk in response.stream])
    return [orjson.loads(line)["type"] for line in text.splitlines()]
