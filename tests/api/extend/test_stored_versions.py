"""Definitions of two versions with defaults of their own: which of them an object has when it is read, however it was written."""

from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.machinery.wire import Request, Response
from tests.api.conftest import Ask, json_of

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


async def _rename(request: Request) -> Response:
    """A conversion that changes the version and nothing else, as none at all does."""
    review = orjson.loads(request.body)
    asked = review["request"]
    converted = [{**one, "apiVersion": asked["desiredAPIVersion"]} for one in asked["objects"]]
    response = {"uid": asked["uid"], "convertedObjects": converted, "result": {"status": "Success"}}
    return Response(200, orjson.dumps({**review, "request": None, "response": response}))


def _version(name: str, *, storage: bool, **defaults: str) -> dict[str, Any]:
    members = {member: {"type": "string", "default": text} for member, text in defaults.items()}
    spec = {"type": "object", "properties": {"n": {"type": "integer"}, "late": {"type": "string"}, **members}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema}


VERSIONS = [
    _version("v1", storage=True, both="one", first="1"),
    _version("v2", storage=False, both="two", second="2"),
]
HOOK = {
    "strategy": "Webhook",
    "webhook": {
        "clientConfig": {"service": {"namespace": "hooks", "name": "rename"}},
        "conversionReviewVersions": ["v1"],
    },
}


@pytest.fixture(params=["None", "Webhook"], autouse=True)
async def definition(api: ApiServer, ask: Ask, request: pytest.FixtureRequest) -> dict[str, Any]:
    api.services.set("hooks", "rename", _rename)
    made = await ask(
        "POST",
        CRDS,
        {
            "metadata": {"name": "cars.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "cars", "kind": "Car"},
                "versions": VERSIONS,
                "conversion": HOOK if request.param == "Webhook" else {"strategy": "None"},
            },
        },
    )
    assert made.status == 201, made.body
    crd: dict[str, Any] = json_of(made)
    return crd


def _url(version: str, name: str = "") -> str:
    return f"/apis/example.com/{version}/namespaces/default/cars{name and f'/{name}'}"


def _car(version: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "Car",
        "metadata": {"name": "a"},
        "spec": {"n": 1, **spec},
    }


async def _spec(ask: Ask, version: str) -> Any:
    return json_of(await ask("GET", _url(version, "a")))["spec"]


async def test_the_version_that_is_written_fills_in_first_then_the_stored_one(ask: Ask) -> None:
    """An object written in another version has that version's defaults, then those of the stored one; what the stored one does
    not know is lost. The answer says what every later one will."""
    made = json_of(await ask("POST", _url("v2"), _car("v2")))
    assert made["spec"] == {"n": 1, "both": "two"}
    assert await _spec(ask, "v2") == {"n": 1, "both": "two"}
    assert await _spec(ask, "v1") == {"n": 1, "both": "two", "first": "1"}


async def test_reading_in_another_version_fills_in_nothing(ask: Ask) -> None:
    """An object written in the stored version has that one's defaults in every version that knows the fields, and no others."""
    await ask("POST", _url("v1"), _car("v1"))
    assert await _spec(ask, "v1") == {"n": 1, "both": "one", "first": "1"}
    assert await _spec(ask, "v2") == {"n": 1, "both": "one"}
    (listed,) = json_of(await ask("GET", _url("v2")))["items"]
    assert listed["spec"] == {"n": 1, "both": "one"}


@pytest.mark.parametrize("media", [MERGE, APPLY])
async def test_patches_fill_in_by_both_versions(ask: Ask, media: str) -> None:
    """A patch in another version, server-side apply, too, brings that version's defaults, which last where the stored one
    knows the fields."""
    await ask("POST", _url("v1"), _car("v1"))
    query = "?fieldManager=m&force=true" if media == APPLY else ""
    patched = await ask("PATCH", _url("v2", "a") + query, {**_car("v2"), "spec": {"n": 2}}, media)
    assert patched.status == 200, patched.body
    assert json_of(patched)["spec"] == {"n": 2, "both": "one"}
    assert await _spec(ask, "v1") == {"n": 2, "both": "one", "first": "1"}


async def test_a_dry_run_answers_what_would_be_read(ask: Ask, definition: dict[str, Any]) -> None:
    """A dry run of a create tells what would be read, but that webhooks are not asked to convert there and back."""
    lost = {"second": "2"} if definition["spec"]["conversion"]["strategy"] == "Webhook" else {}
    made = await ask("POST", f"{_url('v2')}?dryRun=All", _car("v2"))
    assert json_of(made)["spec"] == {"n": 1, "both": "two", **lost}
    assert "resourceVersion" not in json_of(made)["metadata"]
    assert (await ask("GET", _url("v2", "a"))).status == 404


async def test_a_later_default_is_that_of_the_version_an_object_lies_in(
    ask: Ask, definition: dict[str, Any]
) -> None:
    """A definition that gets another stored version and another default: an object that lies there in the earlier version has
    that one's defaults of today, until it is written again."""
    await ask("POST", _url("v1"), _car("v1"))
    spec = definition["spec"] | {
        "versions": [
            _version("v1", storage=False, both="one", first="1", late="v1's"),
            _version("v2", storage=True, both="two", second="2", late="v2's", later="v2's"),
        ]
    }
    edited = await ask("PATCH", f"{CRDS}/{definition['metadata']['name']}", {"spec": spec}, MERGE)
    assert edited.status == 200, edited.body
    assert await _spec(ask, "v1") == {"n": 1, "both": "one", "first": "1", "late": "v1's"}
    assert await _spec(ask, "v2") == {"n": 1, "both": "one", "late": "v1's"}
    written = json_of(await ask("PATCH", _url("v2", "a"), {"spec": {"n": 2}}, MERGE))
    assert written["spec"] == {"n": 2, "both": "one", "late": "v1's", "second": "2", "later": "v2's"}
    assert await _spec(ask, "v1") == {"n": 2, "both": "one", "late": "v1's"}
