"""What the core refuses, in the real server's words."""

import pytest

from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
THINGS = "/apis/example.com/v1/namespaces/default/things"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"


@pytest.fixture(autouse=True)
async def _definitions(ask: Ask) -> None:
    spec = {"type": "object", "properties": {"replicas": {"type": "integer", "maximum": 9}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        "subresources": {
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        },
    }
    names = {"plural": "things", "kind": "Thing"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    assert (await ask("POST", CRDS, crd)).status == 201


def thing(name: str = "a", **more):
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, **more}


@pytest.mark.parametrize(
    ("body", "code", "message", "kind"),
    [
        (
            {"apiVersion": "example.com/v1", "metadata": {"name": "a"}},
            400,
            (
                "the object provided is unrecognized (must be of type Thing): Object 'Kind' is missing in "
                '\'{"apiVersion":"example.com/v1","metadata":{"name":"a"}}\' ({"apiVersion":"example.com/v1" ...)'
            ),
            None,
        ),
        (
            {"kind": "Thing", "metadata": {"name": "a"}},
            400,
            "the API version in the data () does not match the expected API version (example.com/v1)",
            None,
        ),
        (
            {"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "a"}},
            422,
            'Other.example.com "a" is invalid: kind: Invalid value: "Other": must be Thing',
            "Other",
        ),
    ],
    ids=["no-kind", "no-api-version", "wrong-kind"],
)
async def test_type_of_custom_resources(ask: Ask, body, code: int, message: str, kind: str | None) -> None:
    """A custom resource has to say its apiVersion and kind, and the refusal names what it said."""
    response = await ask("POST", THINGS, body)
    status = json_of(response)
    assert (response.status, status["message"]) == (code, message)
    assert (status.get("details") or {}).get("kind") == kind


async def test_a_patch_may_not_change_the_kind(ask: Ask) -> None:
    """The refusal is about the kind that the patch made of the object."""
    assert (await ask("POST", THINGS, thing())).status == 201
    status = json_of(await ask("PATCH", f"{THINGS}/a", {"kind": "Other"}, MERGE))
    assert (
        status["message"] == 'Other.example.com "a" is invalid: kind: Invalid value: "Other": must be Thing'
    )
    assert status["details"]["kind"] == "Other"


async def test_strict_names_the_type_of_custom_resources_too(ask: Ask) -> None:
    """Unknown fields are refused in the same words for built-in and custom types."""
    response = await ask("POST", f"{THINGS}?fieldValidation=Strict", thing(spec={"x": 1}))
    assert json_of(response)["message"] == (
        'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.x"'
    )


@pytest.mark.parametrize("subresource", ["status", "nonsense"])
async def test_subresource_a_definition_does_not_have(ask: Ask, subresource: str) -> None:
    """Asking for one is like asking for an object that is not there."""
    await ask("POST", THINGS, thing())
    response = await ask("GET", f"{THINGS}/a/{subresource}")
    assert response.status == 404
    assert json_of(response)["details"] == {"name": "a", "group": "example.com", "kind": "things"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/apis/example.com/v1/things", 404),
        ("GET", "/apis/example.com/v1/things/a", 404),
        ("GET", "/api/v1/configmaps/a", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/nodes/n", 404),
    ],
)
async def test_address_with_a_namespace_too_many_or_too_few(
    ask: Ask, method: str, path: str, status: int
) -> None:
    """Such addresses do not exist; only collections of all namespaces do, and those know few methods."""
    assert (await ask(method, path, {} if method == "POST" else None)).status == status


async def test_scale_of_custom_resources(ask: Ask) -> None:
    """Replicas are checked by the definition's schema; an absent count cannot be shown, but it can be set."""
    await ask("POST", THINGS, thing())
    absent = json_of(await ask("GET", f"{THINGS}/a/scale"))
    assert (
        absent["message"]
        == 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    )
    assert (await ask("PATCH", f"{THINGS}/a/scale", {"spec": {"replicas": 3}}, MERGE)).status == 200
    strategic = await ask("PATCH", f"{THINGS}/a/scale", {}, "application/strategic-merge-patch+json")
    assert strategic.status == 415
    negative = json_of(await ask("PATCH", f"{THINGS}/a/scale", {"spec": {"replicas": -1}}, MERGE))
    assert negative["message"] == (
        'Thing.example.com "a" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer'
    )
    entries = json_of(await ask("GET", f"{THINGS}/a"))["metadata"].get("managedFields", [])
    assert "scale" not in [entry.get("subresource") for entry in entries], "nobody owns what a scale wrote"


async def test_defaults_do_not_hide_who_made_a_struct(ask: Ask) -> None:
    """Custom resources hold no struct by value: who creates one owns it together with what is in it."""
    created = json_of(await ask("POST", THINGS, thing(spec={"replicas": 1})))
    assert created["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {".": {}, "f:replicas": {}}}


async def test_version_of_a_new_object_is_the_last_complaint(ask: Ask) -> None:
    """Only the storage minds a resourceVersion on a new object: whatever else is wrong comes first."""
    bad = {"metadata": {"name": "Bad", "resourceVersion": "1"}}
    assert (await ask("POST", CM, bad)).status == 422
    response = await ask("POST", CM, {"metadata": {"name": "a", "resourceVersion": "1"}})
    assert response.status == 500
    assert json_of(response)["message"] == "resourceVersion should not be set on objects to be created"
    assert (await ask("GET", f"{CM}/a")).status == 404


async def test_wrong_patches_show_the_object_as_go_prints_it(ask: Ask) -> None:
    """Untouched metadata keeps the order of its struct, everything else is sorted."""
    await ask("POST", CM, {"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}})
    message = json_of(await ask("PATCH", f"{CM}/a", {"data": "no"}, MERGE))["message"]
    places = [message.index(f'\\"{name}\\"') for name in ("apiVersion", "data", "kind", "metadata")]
    assert places == sorted(places)
    places = [
        message.index(f'\\"{name}\\"')
        for name in ("name", "namespace", "uid", "creationTimestamp", "labels", "managedFields", "manager")
    ]
    assert places == sorted(places)


async def test_patch_to_nothing_has_no_name(ask: Ask) -> None:
    """A JSON patch may replace the whole object; what comes out must still be this one."""
    await ask("POST", CM, {"metadata": {"name": "a"}})
    operation = [{"op": "replace", "path": "", "value": {}}]
    response = await ask("PATCH", f"{CM}/a", operation, "application/json-patch+json")
    assert json_of(response)["message"] == (
        "the name of the object (a based on URL) was undeterminable: name must be provided"
    )


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("rubbish", "invalid character '®' looking for beginning of value"),
        ("a b", "illegal base64 data at input byte 1"),
        ("e30", "incorrect encoded start resourceVersion or key"),
        ("eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ", "incompatible encoded version"),
    ],
)
async def test_continue_tokens_that_are_none(ask: Ask, token: str, why: str) -> None:
    """The answer tells what is wrong with a token."""
    response = await ask("GET", f"{CM}?limit=1&continue={token.replace(' ', '%20')}")
    assert response.status == 400
    assert json_of(response)["message"] == f"invalid continue token: continue key is not valid: {why}"


async def test_status_write_may_change_some_metadata(ask: Ask) -> None:
    """PUT of a Deployment's status keeps new annotations and drops new labels; a namespace takes both."""
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await ask("POST", deployments, {"metadata": {"name": "d"}, "spec": spec})
    change = {"metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}}}
    written = json_of(await ask("PATCH", f"{deployments}/d/status", change, MERGE))
    assert "labels" not in written["metadata"]
    assert written["metadata"]["annotations"] == {"x": "y"}
    written = json_of(await ask("PATCH", "/api/v1/namespaces/default/status", change, MERGE))
    assert written["metadata"]["labels"]["x"] == "y"
