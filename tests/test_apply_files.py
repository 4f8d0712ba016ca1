"""Loading manifests: what is read, what is said about what cannot be, and how it is applied."""

import json
from pathlib import Path
from typing import Any

import pytest

from fakekube.apply_files import Manifest, ManifestError, apply, read
from fakekube.client.client import Client
from fakekube.clock import ManualClock, RealClock
from fakekube.machinery.errors import Forbidden, NotFound
from fakekube.machinery.wire import Request, Response

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"


def names(found: list[Manifest]) -> list[str]:
    return [one.object["metadata"]["name"] for one in found]


def test_several_documents(tmp_path: Path) -> None:
    """A file holds several documents, empty ones and Lists among them; each object knows its line."""
    listed = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: c}}]\n"
    file = tmp_path / "all.yaml"
    file.write_text(f"# comment\n{POD % 'a'}---\n---\n{POD % 'b'}---\n{listed}")
    found = read([str(file)])
    assert names(found) == ["a", "b", "c"]
    assert [one.where.removeprefix(f"{file}:") for one in found] == ["2", "7", "11"]
    assert str(found[0]) == "pod/a"


def test_places(tmp_path: Path) -> None:
    """Folders are read in order of names, JSON as well as YAML, and `-` is standard input."""
    (tmp_path / "2.yml").write_text(POD % "b")
    (tmp_path / "1.json").write_text(
        json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    )
    (tmp_path / "notes.txt").write_text("not for us")
    assert names(read([str(tmp_path), "-"], lambda: POD % "c")) == ["a", "b", "c"]


def test_flow_style_stream(tmp_path: Path) -> None:
    """A YAML stream may begin with a brace."""
    (tmp_path / "x.yaml").write_text("{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n" + POD % "b")
    with pytest.raises(ManifestError):
        read([str(tmp_path / "missing")])
    assert names(read([str(tmp_path / "x.yaml")])) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: [", "x:3: "),
        ("a: 1\n\tb: 2", "x:2: "),
        ("kind: Pod\nkind: Pod", 'x:2: key "kind" already set in map'),
        ('{"a": 1,\n "b": }', "x:2: "),
        ("", "x: no object in it"),
        ("---\n# nothing\n---\n", "x: no object in it"),
        ("- 1", "x:1: an object is expected here"),
        ("just words", "x:1: an object is expected here"),
        ("kind: Pod", "x:1: the object has no apiVersion"),
        (POD % "a" + "---\napiVersion: v1\nkind: 3", "x:5: the object has no kind"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}", "x:1: the Pod has no metadata.name"),
        ("apiVersion: v1\nkind: Pod\nmetadata: a", "x:1: the Pod has no metadata.name"),
    ],
)
def test_bad_manifests(tmp_path: Path, text: str, complaint: str) -> None:
    """Whatever is wrong is told with its file and line, in one line."""
    (tmp_path / "x").write_text(text)
    with pytest.raises(ManifestError) as refused:
        read([str(tmp_path / "x")])
    assert str(refused.value).startswith(f"{tmp_path}/{complaint}")
    assert "\n" not in str(refused.value)


def test_bad_files(tmp_path: Path) -> None:
    """Missing files, binary ones and folders without manifests have a sentence each."""
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    for name, complaint in [("missing", "No such file"), ("b", "not text"), ("empty", "no .yaml")]:
        with pytest.raises(ManifestError, match=complaint):
            read([str(tmp_path / name)])


class Api:
    """Discovery and apply of a few kinds; `Thing` is served only some requests after its definition was applied."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, dict[str, Any]]] = []
        self.thing_after = 3

    async def __call__(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(body=json.dumps({"resources": self._resources(request.path)}).encode())
        body = json.loads(request.body)
        if request.path.endswith("/forbidden"):
            raise Forbidden("pods are not welcome")
        self.applied.append((f"{request.method} {request.path}", body))
        return Response(body=request.body)

    def _resources(self, path: str) -> list[dict[str, Any]]:
        if path == "/api/v1":
            pods = {"name": "pods", "kind": "Pod", "namespaced": True}
            return [pods, pods | {"name": "pods/log"}, {"name": "nodes", "kind": "Node", "namespaced": False}]
        if path == "/apis/apiextensions.k8s.io/v1":
            kind = "CustomResourceDefinition"
            return [{"name": "customresourcedefinitions", "kind": kind, "namespaced": False}]
        if path == "/apis/example.com/v1":
            self.thing_after -= 1
            if self.thing_after < 0:
                return [{"name": "things", "kind": "Thing", "namespaced": True}]
        raise NotFound("the server could not find the requested resource")


def manifest(kind: str, api_version: str = "v1", **meta: Any) -> Manifest:
    return Manifest({"apiVersion": api_version, "kind": kind, "metadata": meta}, "x:1")


async def test_apply() -> None:
    """Objects are applied in order, namespaced ones to `default` where they name none; generated names are created."""
    api = Api()
    found = [
        manifest("Node", name="n"),
        manifest("Pod", name="a"),
        manifest("Pod", name="b", namespace="s"),
        manifest("Pod", generateName="g-"),
    ]
    applied = await apply(Client(api), found, ManualClock())
    assert [one["metadata"] for one in applied] == [one.object["metadata"] for one in found]
    assert [address for address, _ in api.applied] == [
        "PATCH /api/v1/nodes/n",
        "PATCH /api/v1/namespaces/default/pods/a",
        "PATCH /api/v1/namespaces/s/pods/b",
        "POST /api/v1/namespaces/default/pods",
    ]


async def test_definition_then_object() -> None:
    """An object whose definition stands further up waits until its kind is served."""
    api = Api()
    crd = manifest("CustomResourceDefinition", "apiextensions.k8s.io/v1", name="things.example.com")
    crd.object["spec"] = {"group": "example.com", "names": {"kind": "Thing"}}
    await apply(Client(api), [crd, manifest("Thing", "example.com/v1", name="t")], RealClock())
    assert api.applied[-1][0] == "PATCH /apis/example.com/v1/namespaces/default/things/t"


async def test_refusals() -> None:
    """Unknown kinds and the server's refusals are told with the place in the file."""
    for one, complaint in [
        (
            manifest("Thing", "example.com/v1", name="t"),
            r'^x:1: thing/t was refused: no matches for kind "Thing"',
        ),
        (manifest("Nonsense", name="t"), 'no matches for kind "Nonsense" in version "v1"$'),
        (
            manifest("Stage", "kwok.x-k8s.io/v1alpha1", name="t"),
            'no matches for kind "Stage" in version "kwok.x-k8s.io/v1alpha1"; stages are given with --stages$',
        ),
        (manifest("Pod", name="forbidden"), "^x:1: pod/forbidden was refused: pods are not welcome"),
    ]:
        with pytest.raises(ManifestError, match=complaint):
            await apply(Client(Api()), [one], ManualClock())
