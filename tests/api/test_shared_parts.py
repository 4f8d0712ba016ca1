"""What the server keeps of objects that are alike: one copy of what is equal, and to each object its own."""

from typing import Any

import pytest

from fakekube.api.apiserver import ApiServer
from tests.api.conftest import Ask, json_of

PODS = "/api/v1/namespaces/default/pods"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def _pod(name: str) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": f"uid-of-{name}"}
    return {
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "c", "image": "registry/image:1"}]},
    }


async def test_alike_objects_share_what_is_equal(api: ApiServer, ask: Ask) -> None:
    """Two pods made alike are of the same containers and sets of fields; owners' uids, in those too, are each one's own."""
    kept = []
    for name in ("a", "b"):
        answer = json_of(await ask("POST", PODS, _pod(name)))
        assert list(
            answer["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:ownerReferences"]
        ) == [
            ".",
            f'k:{{"uid":"uid-of-{name}"}}',
        ]
        entry = await api.store.get(f"/registry/pods/default/{name}")
        assert entry is not None
        kept.append(entry.memo.written)  # type: ignore[attr-defined]
    one, other = kept
    mine, theirs = (pod["metadata"]["managedFields"][0]["fieldsV1"] for pod in kept)
    assert one["spec"]["containers"] is other["spec"]["containers"]
    assert mine["f:spec"] is theirs["f:spec"]
    assert mine["f:metadata"]["f:ownerReferences"] != theirs["f:metadata"]["f:ownerReferences"]


async def test_alike_metadata_and_statuses_share_what_is_equal(api: ApiServer, ask: Ask) -> None:
    """So are labels, finalizers and annotations; of the fields of a status, a pod's addresses alone are its own."""
    kept = []
    for number, name in enumerate(("a", "b")):
        pod = _pod(name)
        pod["metadata"] |= {"labels": {"app": "x-y-z-12"}, "finalizers": ["example.com/hold"]}
        await ask("POST", PODS, pod)
        addresses = [{"ip": f"10.244.0.{number}"}]
        status = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "podIPs": addresses,
        }
        await ask(
            "PATCH", f"{PODS}/{name}/status", {"status": status}, "application/strategic-merge-patch+json"
        )
        entry = await api.store.get(f"/registry/pods/default/{name}")
        assert entry is not None
        kept.append((entry.memo.written["metadata"], entry.memo))  # type: ignore[attr-defined]
    (one, memo), (other, _) = kept
    for member in ("labels", "finalizers"):
        assert one[member] is other[member]
    assert memo.labels is one["labels"]
    mine, theirs = (meta["managedFields"][-1]["fieldsV1"]["f:status"] for meta, _ in kept)
    assert mine["f:conditions"] is theirs["f:conditions"]
    assert mine["f:podIPs"] != theirs["f:podIPs"]


async def test_what_was_deleted_is_let_go_of(api: ApiServer, ask: Ask) -> None:
    """A deleted object is kept decoded only until its watchers have had the time to see its end."""
    await ask("POST", PODS, _pod("gone"))
    entry = await api.store.get("/registry/pods/default/gone")
    assert entry is not None
    await ask("DELETE", f"{PODS}/gone", {"gracePeriodSeconds": 0})
    assert await api.store.get("/registry/pods/default/gone") is None
    assert entry.memo.written["metadata"]["name"] == "gone"  # type: ignore[attr-defined]
    for number in range(129):
        await ask("POST", PODS, _pod(f"another-{number}"))
        await ask("DELETE", f"{PODS}/another-{number}", {"gracePeriodSeconds": 0})
    assert entry.memo.written is None  # type: ignore[attr-defined]


async def test_what_goes_with_its_last_finalizer_is_let_go_of(api: ApiServer, ask: Ask) -> None:
    """So is an object that a finalizer held back."""
    pod = _pod("held")
    pod["metadata"]["finalizers"] = ["example.com/hold"]
    await ask("POST", PODS, pod)
    await ask("DELETE", f"{PODS}/held", {"gracePeriodSeconds": 0})
    entry = await api.store.get("/registry/pods/default/held")
    assert entry is not None
    await ask("PATCH", f"{PODS}/held", {"metadata": {"finalizers": None}}, "application/merge-patch+json")
    assert await api.store.get("/registry/pods/default/held") is None
    for number in range(129):
        await ask("POST", PODS, _pod(f"another-{number}"))
        await ask("DELETE", f"{PODS}/another-{number}", {"gracePeriodSeconds": 0})
    assert entry.memo.written is None  # type: ignore[attr-defined]


async def test_a_refused_patch_takes_no_times_from_conditions(ask: Ask) -> None:
    """What a refused patch of one pod leaves alone stays as it is in others that are of the same parts, nulls included."""
    condition = {"type": "A", "status": "True"}
    strategic = "application/strategic-merge-patch+json"
    for name in ("a", "b"):
        await ask("POST", PODS, _pod(name))
        await ask("PATCH", f"{PODS}/{name}/status", {"status": {"conditions": [condition]}}, strategic)
    change = {
        "spec": {"containers": [{"name": "c", "workingDir": "/elsewhere"}]},
        "status": {"conditions": [{"type": "B", "status": "True"}]},
    }
    assert (await ask("PATCH", f"{PODS}/b", change, strategic)).status == 422
    for name in ("a", "b"):
        labelled = json_of(
            await ask("PATCH", f"{PODS}/{name}", {"metadata": {"labels": {"x": "y"}}}, strategic)
        )
        assert labelled["status"]["conditions"] == [
            {**condition, "lastProbeTime": None, "lastTransitionTime": None}
        ]


def _definition(**specs: dict[str, Any]) -> dict[str, Any]:
    """A CRD with these versions, by the schemas of their specs; the first is stored."""
    versions = [
        {
            "name": version,
            "served": True,
            "storage": not index,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        }
        for index, (version, spec) in enumerate(specs.items())
    ]
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": versions,
        },
    }


def _object(*members: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "integer"} for name in members}}


async def test_a_refused_move_leaves_what_is_kept(ask: Ask) -> None:
    """What a JSON patch moves is pruned where it comes to lie, not where it was: a refused one changes nothing."""
    spec = {"type": "object", "properties": {"a": _object("x"), "b": _object("y")}, "required": ["a"]}
    await ask("POST", CRDS, _definition(v1=spec))
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"a": {"x": 1}},
    }
    assert (await ask("POST", WIDGETS, widget)).status == 201
    move = [{"op": "move", "from": "/spec/a", "path": "/spec/b"}]
    assert (await ask("PATCH", f"{WIDGETS}/w", move, "application/json-patch+json")).status == 422
    labelled = {"metadata": {"labels": {"a": "b"}}}
    after = json_of(await ask("PATCH", f"{WIDGETS}/w", labelled, "application/merge-patch+json"))
    assert after["spec"] == {"a": {"x": 1}}


@pytest.mark.parametrize("way", ["PUT", "PATCH"])
async def test_a_version_defaults_what_another_stored(ask: Ask, way: str) -> None:
    """A write in a version that is not stored defaults all of the object by that version's schema, also what it leaves alone."""
    item = _object("x", "y")
    more = {"type": "object", "properties": {**item["properties"], "y": {"type": "integer", "default": 5}}}
    listed = [
        {"type": "object", "properties": {"one": one, "many": {"type": "array", "items": one}}}
        for one in (item, more)
    ]
    await ask("POST", CRDS, _definition(v1=listed[0], v2=listed[1]))
    widget: dict[str, Any] = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    widget["spec"] = {"one": {"x": 1}, "many": [{"x": 2}]}
    assert (await ask("POST", WIDGETS, widget)).status == 201
    place = f"{WIDGETS.replace('v1', 'v2')}/w"
    change: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}}
    media = "application/merge-patch+json"
    if way == "PUT":
        shown = json_of(await ask("GET", place))
        assert shown["spec"] == widget["spec"]
        change, media = {**shown, "metadata": {**shown["metadata"], **change["metadata"]}}, "application/json"
    answer = json_of(await ask(way, place, change, media))
    assert answer["spec"] == {"one": {"x": 1, "y": 5}, "many": [{"x": 2, "y": 5}]}
    assert json_of(await ask("GET", f"{WIDGETS}/w"))["spec"] == answer["spec"]
