"""`/scale` is written as any object is: names, kinds, unknown fields, and who owns the replicas."""

from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SCALE = f"{DEPLOYMENTS}/d/scale"
MERGE, JSON_PATCH, APPLY = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)


def _deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def _scale(replicas: Any = 3, **members: Any) -> dict[str, Any]:
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}}
    return {**scale, "spec": {"replicas": replicas}, **members}


async def _owners(ask: Ask) -> list[tuple[str, str, str, str]]:
    """Who owns the replicas."""
    entries = json_of(await ask("GET", f"{DEPLOYMENTS}/d"))["metadata"]["managedFields"]
    return [
        (one["manager"], one["operation"], one["apiVersion"], one.get("subresource") or "")
        for one in entries
        if "f:replicas" in one["fieldsV1"]["f:spec"]
    ]


async def test_applied_replicas_have_an_owner(ask: Ask) -> None:
    """Who applies a Scale owns the replicas of the object behind it, and hears of others who do, in terms of Scales."""
    await ask("PATCH", f"{DEPLOYMENTS}/d?fieldManager=one", _deployment(replicas=1), APPLY)
    refused = json_of(await ask("PATCH", f"{SCALE}?fieldManager=two", _scale(), APPLY))
    assert (refused["code"], refused["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    )
    forced = json_of(await ask("PATCH", f"{SCALE}?fieldManager=two&force=true", _scale(), APPLY))
    assert forced["spec"] == {"replicas": 3}
    assert await _owners(ask) == [("two", "Apply", "apps/v1", "scale")]
    await ask("PUT", f"{SCALE}?fieldManager=three", _scale(4))
    assert await _owners(ask) == [("three", "Update", "apps/v1", "scale")]
    refused = json_of(await ask("PATCH", f"{SCALE}?fieldManager=two", _scale(), APPLY))
    assert refused["message"] == (
        'Apply failed with 1 conflict: conflict with "three" with subresource "scale" using autoscaling/v1: .spec.replicas'
    )
    assert [one["message"] for one in refused["details"]["causes"]] == [
        'conflict with "three" with subresource "scale" using autoscaling/v1'
    ]
    shared = await ask("PATCH", f"{SCALE}?fieldManager=two", _scale(4), APPLY)
    assert shared.status == 200
    assert await _owners(ask) == [
        ("two", "Apply", "apps/v1", "scale"),
        ("three", "Update", "apps/v1", "scale"),
    ]


@pytest.mark.parametrize(
    ("query", "media", "body", "code", "why"),
    [
        ("", APPLY, _scale(), 422, "fieldManager: Required value: is required for apply patch"),
        ("?fieldManager=m", APPLY, _scale(kind="X"), 400, "invalid object type: autoscaling/v1, Kind=X"),
        (
            "?fieldManager=m",
            APPLY,
            _scale("many"),
            500,
            "failed to create typed patch object (/d; autoscaling/v1, Kind=Scale): .spec.replicas: expected numeric",
        ),
        ("?fieldManager=m", APPLY, _scale(metadata={"name": "e"}), 400, "does not match the name on the URL (d)"),
        ("?force=true", MERGE, {}, 422, "force: Forbidden: may not be specified for non-apply patch"),
        ("?fieldValidation=Strict", MERGE, {"spec": {"x": 1}}, 422, 'strict decoding error: unknown field "spec.x"'),
        (
            "",
            JSON_PATCH,
            [{"op": "replace", "path": "/metadata/name", "value": "e"}],
            400,
            "the name of the object (e) does not match the name on the URL (d)",
        ),
        ("?fieldValidation=Strict", "PUT", _scale(x=1), 400, 'strict decoding error: unknown field "x"'),
        ("", "PUT", _scale(metadata={}), 400, "was undeterminable: name must be provided"),
        (
            "",
            "PUT",
            _scale(metadata={"name": "d", "namespace": "e"}),
            400,
            "the namespace of the provided object does not match",
        ),
    ],
)  # fmt: skip
async def test_refusals(ask: Ask, query: str, media: str, body: Any, code: int, why: str) -> None:  # noqa: PLR0917
    """What is wrong with a Scale is refused as it is of any object, and changes nothing."""
    made = json_of(await ask("POST", DEPLOYMENTS, _deployment(replicas=1)))
    method, media = ("PUT", "application/json") if media == "PUT" else ("PATCH", media)
    answer = json_of(await ask(method, SCALE + query, body, media))
    assert (answer["code"], why in answer["message"]) == (code, True), answer["message"]
    assert json_of(await ask("GET", f"{DEPLOYMENTS}/d")) == made
