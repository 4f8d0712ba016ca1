"""Conversion webhooks: what they are asked, when, and what happens when they do not answer as they should."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.machinery.wire import Request, Response

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "shapes.example.com"
MERGE = "application/merge-patch+json"


class Converter:
    """v1 has spec.size, v2 has spec.width: the same number. `change` may spoil a converted object."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.change: Callable[[dict[str, Any]], None] = lambda obj: None
        self.raw: Response | None = None
        self.answer: dict[str, Any] = {"result": {"status": "Success"}}

    async def __call__(self, request: Request) -> Response:
        review = orjson.loads(request.body)
        asked = review["request"]
        wanted = asked["desiredAPIVersion"]
        self.asked.append((wanted.rpartition("/")[2], [one["metadata"]["name"] for one in asked["objects"]]))
        if self.raw is not None:
            return self.raw
        converted = []
        for one in asked["objects"]:
            spec = one["spec"]
            number = spec.get("size", spec.get("width"))
            new = {
                **one,
                "apiVersion": wanted,
                "spec": {"size" if wanted.endswith("v1") else "width": number},
            }
            self.change(new)
            converted.append(new)
        response = {"uid": asked["uid"], "convertedObjects": converted, **self.answer}
        return Response(200, orjson.dumps({**review, "request": None, "response": response}))


def url(version: str, name: str = "") -> str:
    return f"/apis/{GROUP}/{version}/namespaces/default/shapes" + (f"/{name}" if name else "")


def shape(version: str, name: str, **spec: int) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/{version}", "kind": "Shape", "metadata": {"name": name}, "spec": spec}


def version(name: str, member: str, *, storage: bool, default: bool = False) -> dict[str, Any]:
    spec: dict[str, Any] = {member: {"type": "integer"}}
    if default:
        spec["colour"] = {"type": "string", "default": "red"}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }


CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"shapes.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "shapes", "kind": "Shape"},
        "versions": [version("v1", "size", storage=True), version("v2", "width", storage=False)],
        "conversion": {
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {"service": {"namespace": "hooks", "name": "shapes", "path": "/convert"}},
                "conversionReviewVersions": ["v1"],
            },
        },
    },
}


def said(response: Response) -> Any:
    return orjson.loads(response.body)


@pytest.fixture
async def converter(api: ApiServer, ask: Any) -> Converter:
    one = Converter()
    api.services.set("hooks", "shapes", one)
    answer = await ask("POST", CRDS, CRD)
    assert answer.status == 201, answer.body
    return one


async def test_the_stored_version_needs_nobody(ask, converter: Converter):
    """Objects written and read in the stored version pass no webhook."""
    await ask("POST", url("v1"), shape("v1", "a", size=1))
    assert said(await ask("GET", url("v1", "a")))["spec"] == {"size": 1}
    assert converter.asked == []


async def test_reading_in_another_version_asks_once(ask, converter: Converter):
    """A GET in another version is converted, and remembered until the object changes."""
    await ask("POST", url("v1"), shape("v1", "a", size=1))
    for _ in range(2):
        shown = said(await ask("GET", url("v2", "a")))
        assert (shown["apiVersion"], shown["spec"]) == (f"{GROUP}/v2", {"width": 1})
    assert converter.asked == [("v2", ["a"])]
    await ask("PATCH", url("v1", "a"), {"spec": {"size": 2}}, MERGE)
    assert said(await ask("GET", url("v2", "a")))["spec"] == {"width": 2}
    assert len(converter.asked) == 2


async def test_writing_in_another_version_stores_the_stored_one(ask, converter: Converter):
    """What is created as v2 is stored as v1, and answered as v2 with its version, as it can be read from then on."""
    made = said(await ask("POST", url("v2"), shape("v2", "a", width=3)))
    assert (made["apiVersion"], made["spec"]) == (f"{GROUP}/v2", {"width": 3})
    assert converter.asked == [("v1", ["a"]), ("v2", ["a"])]
    stored = said(await ask("GET", url("v1", "a")))
    assert (stored["spec"], stored["metadata"]["resourceVersion"]) == (
        {"size": 3},
        made["metadata"]["resourceVersion"],
    )


async def test_updates_patches_status_and_deletes_go_both_ways(ask, converter: Converter):
    """Every write in v2 sees the object as v2 and leaves it as v1."""
    made = said(await ask("POST", url("v2"), shape("v2", "a", width=3)))
    put = {**made, "spec": {"width": 4}}
    assert said(await ask("PUT", url("v2", "a"), put))["metadata"]["generation"] == 2
    assert said(await ask("PATCH", url("v2", "a"), {"spec": {"width": 5}}, MERGE))["spec"] == {"width": 5}
    same = said(await ask("PATCH", url("v2", "a"), {"spec": {"width": 5}}, MERGE))
    assert same["metadata"]["generation"] == 3
    assert said(await ask("GET", url("v1", "a")))["spec"] == {"size": 5}
    assert (await ask("DELETE", url("v2", "a"))).status == 200
    assert (await ask("GET", url("v1", "a"))).status == 404


async def test_a_list_is_one_review(ask, converter: Converter):
    """All objects of a list that are not in its version go into one ConversionReview."""
    for name in ("a", "b", "c"):
        await ask("POST", url("v1"), shape("v1", name, size=1))
    listed = said(await ask("GET", url("v2")))
    assert [one["spec"] for one in listed["items"]] == [{"width": 1}] * 3
    assert converter.asked == [("v2", ["a", "b", "c"])]


async def test_watches_are_converted(ask, converter: Converter):
    """Initial objects and events come in the version that is watched."""
    await ask("POST", url("v1"), shape("v1", "a", size=1))
    response = await ask("GET", f"{url('v2')}?watch=true")
    first = orjson.loads(await anext(response.stream))
    assert (first["type"], first["object"]["spec"]) == ("ADDED", {"width": 1})
    await ask("PATCH", url("v1", "a"), {"spec": {"size": 2}}, MERGE)
    second = orjson.loads(await anext(response.stream))
    assert (second["type"], second["object"]["apiVersion"]) == ("MODIFIED", f"{GROUP}/v2")
    assert second["object"]["spec"] == {"width": 2}
    await response.stream.aclose()


async def test_only_labels_and_annotations_may_change(ask, converter: Converter):
    """Of the metadata a webhook returns, labels and annotations count; the rest is restored."""

    def change(obj: dict[str, Any]) -> None:
        obj["metadata"] = {
            **obj["metadata"],
            "labels": {"converted": "yes"},
            "generation": 99,
            "finalizers": ["x/y"],
        }

    converter.change = change
    made = said(await ask("POST", url("v1"), shape("v1", "a", size=1)))
    shown = said(await ask("GET", url("v2", "a")))
    assert shown["metadata"] == {**made["metadata"], "labels": {"converted": "yes"}}


async def test_after_a_change_of_storage_old_objects_still_read(ask, converter: Converter):
    """When v2 becomes the stored version, what lies there as v1 is converted when it is read, without defaults of v2, until
    it is written again."""
    await ask("POST", url("v1"), shape("v1", "a", size=1))
    versions = [version("v1", "size", storage=False), version("v2", "width", storage=True, default=True)]
    crd = said(await ask("GET", f"{CRDS}/{CRD['metadata']['name']}"))
    assert (
        await ask(
            "PUT", f"{CRDS}/{CRD['metadata']['name']}", {**crd, "spec": {**crd["spec"], "versions": versions}}
        )
    ).status == 200
    assert said(await ask("GET", url("v1", "a")))["spec"] == {"size": 1}
    assert converter.asked == []
    assert said(await ask("GET", url("v2", "a")))["spec"] == {"width": 1}
    changed = said(await ask("PATCH", url("v2", "a"), {"spec": {"width": 2}}, MERGE))
    assert changed["spec"] == {"width": 2, "colour": "red"}
    assert said(await ask("GET", url("v1", "a")))["spec"] == {"size": 2}
    assert [wanted for wanted, _ in converter.asked] == ["v2", "v1"]


def _rename(obj: dict[str, Any]) -> None:
    obj["metadata"] = {**obj["metadata"], "name": "other"}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ({"raw": Response(404, b"no")}, " failed: the server could not find the requested resource"),
        (
            {"raw": Response(200, b"{}")},
            " failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=",
        ),
        ({"answer": {"result": {"status": "Failure", "message": "too round"}}}, " failed: too round"),
        (
            {"answer": {"result": {"status": "Failure"}}},
            " failed: response.result.status was 'Failure', not 'Success'",
        ),
        (
            {"answer": {"result": {"status": "Success"}, "convertedObjects": []}},
            " returned 0 objects, expected 1",
        ),
        (
            {"change": lambda obj: obj.update(apiVersion="x/v3")},
            f" returned invalid converted object at index 0: invalid groupVersion (expected {GROUP}/v2, received x/v3)",
        ),
        (
            {"change": lambda obj: obj.update(kind="Other")},
            " returned invalid converted object at index 0: invalid kind (expected Shape, received Other)",
        ),
        (
            {"change": _rename},
            " returned invalid converted object at index 0: must have the same name: a != other",
        ),
    ],
)
async def test_failures_are_the_server_s(ask, converter: Converter, spoil: dict[str, Any], why: str):
    """A conversion that fails is a 500 without reason, which names the object's kind and what went wrong."""
    await ask("POST", url("v1"), shape("v1", "a", size=1))
    for name, value in spoil.items():
        setattr(converter, name, value)
    for answer in (await ask("GET", url("v2", "a")), await ask("GET", url("v2"))):
        assert answer.status == 500
        assert said(answer)["message"] == f"conversion webhook for {GROUP}/v1, Kind=Shape{why}"
        assert "reason" not in said(answer)


async def test_a_write_that_cannot_be_converted_stores_nothing(api: ApiServer, ask, converter: Converter):
    """Nobody answers: the write fails and nothing has happened; the stored version goes on working."""
    api.services.set("hooks", "shapes", "https://127.0.0.1:1")  # an address, and no network to reach it by
    answer = await ask("POST", url("v2"), shape("v2", "a", width=1))
    assert answer.status == 500
    assert said(answer)["message"] == (
        f'conversion webhook for {GROUP}/v2, Kind=Shape failed: Post "https://shapes.hooks.svc:443/convert?timeout=30s": service '
        '"shapes" not found'
    )
    assert (await ask("GET", url("v1", "a"))).status == 404
    assert (await ask("POST", url("v1"), shape("v1", "a", size=1))).status == 201
