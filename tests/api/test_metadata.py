"""Metadata of built-in and custom objects alike: what it must be to be read, whose fields it is, and what is put right."""

from typing import Any

import pytest

from tests.api.admission.conftest import Hook, Install, install, rule  # noqa: F401 - `install` is a fixture
from tests.api.conftest import Ask, json_of

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/example.com/v1/namespaces/default/things"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}


@pytest.fixture(params=["ConfigMap", "Thing"])
async def kind(ask: Ask, request: pytest.FixtureRequest) -> str:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    spec = {"group": "example.com", "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}}
    crd = {"metadata": {"name": "things.example.com"}, "spec": {**spec, "versions": [version]}}
    assert (await ask("POST", CRDS, crd)).status == 201
    return str(request.param)


@pytest.fixture
def url(kind: str) -> str:
    return THINGS if kind == "Thing" else CONFIGMAPS


@pytest.fixture
def obj(kind: str) -> Any:
    version = "example.com/v1" if kind == "Thing" else "v1"
    return lambda **meta: {"apiVersion": version, "kind": kind, "metadata": {"name": "a", **meta}}


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"finalizers": [1]}, "number into Go struct field {}finalizers of type string"),
        ({"finalizers": [["x"]]}, "array into Go struct field {}finalizers of type string"),
        ({"labels": {"a": 1}}, "number into Go struct field {}labels of type string"),
        ({"ownerReferences": [1]}, "number into Go struct field {}ownerReferences of type v1.OwnerReference"),
        ({"ownerReferences": [{"uid": 1}]}, "number into Go struct field {}ownerReferences.uid of type string"),
        ({"managedFields": [{"manager": 1}]}, "number into Go struct field {}managedFields.manager of type string"),
        ({"generation": 1.5}, "number 1.5 into Go struct field {}generation of type int64"),
        ({"uid": 7, "annotations": 7}, "number into Go struct field {}annotations of type map[string]string"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read(ask: Ask, kind: str, obj: Any, meta: dict[str, Any], why: str):
    """Metadata of the wrong types is refused in the words of Go's decoder, down to items and their members; of several faults
    of a custom resource the first by name is told."""
    if kind == "ConfigMap":  # built-in objects are read in the order in which they are written
        meta = dict(sorted(meta.items()))
    answer = json_of(await ask("POST", THINGS if kind == "Thing" else CONFIGMAPS, obj(**meta)))
    struct = {"ownerReferences": "OwnerReference.", "managedFields": "ManagedFieldsEntry."}.get(
        next(iter(meta)) if "." in why.partition("{}")[2].partition(" ")[0] else "", "ObjectMeta."
    )
    place = why.format(struct + ("" if kind == "Thing" else "metadata."))
    said = f'{kind} in version "v1" cannot be handled as a {kind}: json: cannot unmarshal {place}'
    assert (answer["code"], answer["message"]) == (400, said)


@pytest.mark.parametrize("member", ["creationTimestamp", "deletionTimestamp"])
async def test_moments_must_be_some(ask: Ask, kind: str, url: str, obj: Any, member: str):
    """A time that is none is refused, though the server sets these itself."""
    answer = json_of(await ask("POST", url, obj(**{member: "soon"})))
    assert answer["message"] == (
        f'{kind} in version "v1" cannot be handled as a {kind}: parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot '
        'parse "soon" as "2006"'
    )


async def test_nothing_is_nobody_s(ask: Ask, url: str, obj: Any):
    """Empty labels and the like are not stored, and nobody owns them; nulls are read as Go reads them."""
    made = json_of(await ask("POST", url, obj(labels={}, annotations={"k": None}, finalizers=[])))
    assert "labels" not in made["metadata"]
    assert "finalizers" not in made["metadata"]
    assert made["metadata"]["annotations"] == {"k": ""}
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {
        "f:metadata": {"f:annotations": {".": {}, "f:k": {}}}
    }


async def test_what_is_the_server_s_is_not_heard(ask: Ask, url: str, obj: Any, install: Install):  # noqa: F811
    """What only the server sets is taken off a new object before admission sees it, and nobody owns it."""
    hook = await install("a", Hook(), rules=[rule("things", group="*", versions=("*",)), rule("configmaps")])
    given = {"uid": "mine", "deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}
    made = json_of(await ask("POST", url, obj(**given, creationTimestamp="2020-01-01T00:00:00Z")))
    assert "deletionTimestamp" not in made["metadata"]
    assert "managedFields" not in made["metadata"]
    assert set(hook.asked[0]["object"]["metadata"]) == {"name", "namespace"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_empty_list_of_owners_of_fields(ask: Ask, kind: str, url: str, obj: Any, method: str):
    """`managedFields: []` stops tracking of built-in objects; of custom ones it says nothing, as `[{}]` alone does."""
    await ask("POST", url, obj(labels={"a": "b"}))
    for reset, tracked in (([], kind == "Thing"), ([{}], False)):
        meta = {"managedFields": reset}
        if method == "PUT":
            live = json_of(await ask("GET", f"{url}/a"))
            changed = json_of(
                await ask("PUT", f"{url}/a", {**live, "metadata": {**live["metadata"], **meta}})
            )
        else:
            changed = json_of(await ask("PATCH", f"{url}/a", {"metadata": meta}, MERGE))
        assert ("managedFields" in changed["metadata"]) is tracked


async def test_owners_are_named_once(ask: Ask, url: str, obj: Any):
    """Owner references that say the same twice are stored once, and the client is warned; the same uid with another name
    is another reference."""
    said = (
        '299 - ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may '
        'reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: 1"'
    )
    other = {**OWNER, "name": "q"}
    made = await ask("POST", url, obj(ownerReferences=[OWNER, OWNER, other]))
    assert json_of(made)["metadata"]["ownerReferences"] == [OWNER, other]
    assert made.headers == [("Warning", said.format(""))]
    version = json_of(made)["metadata"]["resourceVersion"]
    put = await ask("PUT", f"{url}/a", obj(ownerReferences=[OWNER, OWNER], resourceVersion=version))
    assert json_of(put)["metadata"]["ownerReferences"] == [OWNER]
    assert put.headers == [("Warning", said.format(""))]
    change = [{"op": "add", "path": "/metadata/ownerReferences", "value": [other, other]}]
    patched = await ask("PATCH", f"{url}/a", change, JSON_PATCH)
    assert json_of(patched)["metadata"]["ownerReferences"] == [other]
    assert patched.headers == [("Warning", said.format(" after mutating admission happens"))]
