"""Server-side apply at the door: what is refused in which order, and what becomes of what is merged."""

from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
APPLY = "application/apply-patch+yaml"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.com/v1/namespaces/default/things"
MERGE = "application/merge-patch+json"
UID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"apiVersion: v1\nmetadata: {name: a}", "invalid object type: /v1, Kind="),
        (b"kind: ConfigMap\nmetadata: {name: a}", "invalid object type: /, Kind=ConfigMap"),
        (b"# nothing", "invalid object type: /, Kind="),
        (b"apiVersion: apps/v1\nkind: Deployment", "invalid object type: apps/v1, Kind=Deployment"),
    ],
    ids=["no kind", "no version", "nothing", "another"],
)
async def test_the_type(ask: Ask, body: bytes, message: str) -> None:
    """A configuration says what it is a configuration of."""
    response = await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY)
    assert (response.status, json_of(response)["message"]) == (400, message)


async def test_a_name_that_is_a_truth_value(ask: Ask) -> None:
    """An unquoted `y` is true, as YAML had it, and so no name."""
    response = await ask(
        "PATCH", f"{CM}/y?fieldManager=m", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}", APPLY
    )
    assert (response.status, json_of(response)["message"]) == (
        500,
        (
            "failed to create typed patch object (/; /v1, Kind=ConfigMap): .metadata.name: expected string, got "
            "&value.valueUnstructured{Value:true}"
        ),
    )


async def test_uids(ask: Ask) -> None:
    """A uid is that of the object that is there; where none is, nobody can have it."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": UID}}
    missing = json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))
    assert (missing["code"], missing["message"]) == (
        409,
        (
            f'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid {UID}, and no '
            "existing object was found"
        ),
    )
    await ask("POST", CM, {"metadata": {"name": "a"}})
    other = json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))
    assert (other["code"], other["details"]["causes"][0]["field"]) == (422, "metadata.uid")


async def test_no_name_on_what_exists(ask: Ask) -> None:
    """What is there has its name from before; what is new has to be named."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}}
    assert (await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY)).status == 400
    await ask("POST", CM, {"metadata": {"name": "a"}})
    assert json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))["data"] == {"k": "v"}


async def test_equal_keys(ask: Ask) -> None:
    """Equal keys are refused by those who ask for strictness, and overwrite each other for the rest."""
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v, k: w}"
    assert (await ask("PATCH", f"{CM}/a?fieldManager=m&fieldValidation=Strict", body, APPLY)).status == 400
    assert json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))["data"] == {"k": "w"}


async def test_quantities(ask: Ask) -> None:
    """Quantities are stored in their canonical spelling, so that another spelling of the same changes nothing."""

    def pod(cpu: str) -> dict[str, object]:
        container = {"name": "c", "image": "x", "resources": {"limits": {"cpu": cpu}}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [container]},
        }

    first = json_of(await ask("PATCH", f"{PODS}/p?fieldManager=m", pod("1"), APPLY))
    assert json_of(await ask("PATCH", f"{PODS}/p?fieldManager=m", pod("1000m"), APPLY)) == first
    wrong = json_of(await ask("PATCH", f"{PODS}/p?fieldManager=m", pod("lots"), APPLY))
    assert (wrong["code"], wrong["message"][:60]) == (
        500,
        "failed to convert new object (default/p; /v1, Kind=Pod) to p",
    )


async def test_json_is_yaml(ask: Ask) -> None:
    """A configuration in JSON is read as the YAML it is too: what YAML does not take is refused, equal keys are found."""
    body = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "%s"}}'

    async def applied(value: bytes, path: str = f"{CM}/a?fieldManager=m") -> dict[str, object]:
        return json_of(await ask("PATCH", path, body % value, APPLY))

    assert (await applied(b"plain"))["data"] == {"k": "plain"}
    assert (await applied("größer".encode()))["data"] == {"k": "größer"}
    assert (await applied(b'1", "k": "2'))["data"] == {"k": "2"}
    assert (await applied(b'1", "k": "2', f"{CM}/a?fieldManager=m&fieldValidation=Strict"))["code"] == 400
    assert (await applied(b"\x7f"))["code"] == 400
    assert (await applied(b"\\ud83d\\ude00"))["code"] == 400


def definition(spec: dict[str, Any]) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
    }
    names = {"plural": "things", "kind": "Thing"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def thing(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}


async def test_one_becomes_true(ask: Ask) -> None:
    """A write that turns a number into a boolean is a change: it is stored, counted, and owned by the writer."""
    await ask("POST", CRDS, definition({"type": "object", "x-kubernetes-preserve-unknown-fields": True}))
    await ask("PATCH", f"{THINGS}/a?fieldManager=one", thing({"on": [1]}), APPLY)
    body = {"spec": {"on": [True]}}
    changed = json_of(await ask("PATCH", f"{THINGS}/a?fieldManager=two", body, MERGE))
    assert (changed["spec"], changed["metadata"]["generation"]) == ({"on": [True]}, 2)
    assert json_of(await ask("GET", f"{THINGS}/a")) == changed
    assert [entry["manager"] for entry in changed["metadata"]["managedFields"]] == ["two"]


async def test_a_map_becomes_atomic(ask: Ask) -> None:
    """After the definition made a map atomic, its owners own all of it, and live objects have to fit."""
    values = {"type": "object", "additionalProperties": {"type": "string"}}
    await ask("POST", CRDS, definition({"type": "object", "properties": {"map": values}}))
    await ask("PATCH", f"{THINGS}/a?fieldManager=one", thing({"map": {"a": "1"}}), APPLY)
    revised = {"type": "object", "properties": {"map": {**values, "x-kubernetes-map-type": "atomic"}}}
    crd = json_of(await ask("GET", f"{CRDS}/things.example.com"))
    crd["spec"]["versions"][0]["schema"] = definition(revised)["spec"]["versions"][0]["schema"]
    assert (await ask("PUT", f"{CRDS}/things.example.com", crd)).status == 200
    other = json_of(await ask("PATCH", f"{THINGS}/a?fieldManager=two", thing({"map": {"b": "2"}}), APPLY))
    assert other["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.map'
    same = json_of(await ask("PATCH", f"{THINGS}/a?fieldManager=two", thing({"map": {"a": "1"}}), APPLY))
    assert [entry["fieldsV1"] for entry in same["metadata"]["managedFields"]] == [
        {"f:spec": {"f:map": {}}}
    ] * 2


async def test_nulls(ask: Ask) -> None:
    """An applied null reaches validation, unless a default takes its place; other writes drop what may not be null."""
    text = {"type": "string"}
    members = {"a": text, "b": {**text, "default": "x"}, "c": {**text, "nullable": True}}
    await ask("POST", CRDS, definition({"type": "object", "properties": members}))
    for _ in ("new", "there"):
        refused = json_of(await ask("PATCH", f"{THINGS}/a?fieldManager=m", thing({"a": None}), APPLY))
        assert refused["message"] == (
            'Thing.example.com "a" is invalid: spec.a: Invalid value: "null": spec.a in body must be of type string: "null"'
        )
        allowed = json_of(
            await ask("PATCH", f"{THINGS}/a?fieldManager=m", thing({"b": None, "c": None}), APPLY)
        )
        assert allowed["spec"] == {"b": "x", "c": None}
    merged = json_of(await ask("POST", THINGS, {**thing({"a": None}), "metadata": {"name": "b"}}))
    assert merged["spec"] == {"b": "x"}


@pytest.mark.parametrize("subresource", ["", "/status"])
async def test_the_last_owner_leaves(ask: Ask, subresource: str) -> None:
    """Who gives up the last field leaves an object without managedFields."""
    crd = definition({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    crd["spec"]["versions"][0]["subresources"] = {"status": {}}
    version = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    version["properties"]["status"] = version["properties"]["spec"]
    await ask("POST", CRDS, crd)
    await ask("PATCH", f"{THINGS}/a?fieldManager=m", thing({}), APPLY)
    await ask("PATCH", f"{THINGS}/a?fieldManager=m", {"metadata": {"managedFields": []}}, MERGE)
    body = {key: value for key, value in thing(None).items() if key != "spec"}
    path = f"{THINGS}/a{subresource}?fieldManager=n&force=true"
    own = {"status" if subresource else "spec": {"x": 1}}
    mine = json_of(await ask("PATCH", path, {**body, **own}, APPLY))
    mine["metadata"]["managedFields"] = [e for e in mine["metadata"]["managedFields"] if e["manager"] == "n"]
    await ask(
        "PATCH", f"{THINGS}/a", {"metadata": {"managedFields": mine["metadata"]["managedFields"]}}, MERGE
    )
    left = json_of(await ask("PATCH", path, body, APPLY))
    assert "managedFields" not in left["metadata"]
    assert own.keys().isdisjoint(left)


async def test_what_no_longer_fits(ask: Ask) -> None:
    """Nothing can be applied to an object whose list items lack the keys the definition has meanwhile."""
    items = {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}
    form: dict[str, Any] = {"type": "array", "items": items}
    await ask("POST", CRDS, definition({"type": "object", "properties": {"list": form}}))
    await ask("PATCH", f"{THINGS}/a?fieldManager=one", thing({"list": [{"v": "1"}]}), APPLY)
    form |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    form["items"] = {**items, "required": ["k"]}
    crd = json_of(await ask("GET", f"{CRDS}/things.example.com"))
    revised = definition({"type": "object", "properties": {"list": form}})
    crd["spec"]["versions"][0]["schema"] = revised["spec"]["versions"][0]["schema"]
    assert (await ask("PUT", f"{CRDS}/things.example.com", crd)).status == 200
    lacking = (
        ".spec.list: element 0: associative list with keys has an element that omits key field "
        '"k" (and doesn\'t have default value)'
    )
    who = "default/a; example.com/v1, Kind=Thing"
    refused = json_of(await ask("PATCH", f"{THINGS}/a?fieldManager=two", thing({}), APPLY))
    assert (refused["code"], refused["message"]) == (
        500,
        f"failed to create typed live object ({who}): {lacking}",
    )
    await ask("PATCH", f"{THINGS}/a", {"metadata": {"managedFields": [{}]}}, MERGE)
    refused = json_of(await ask("PATCH", f"{THINGS}/a?fieldManager=two", thing({}), APPLY))
    assert refused["message"] == (
        f"failed to create manager for existing fields: failed to convert new object ({who}) to smd typed: {lacking}"
    )
