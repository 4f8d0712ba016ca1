"""Manifests from files into a cluster: what `--apply` does. Reading is apart from applying.

Accepts what `kubectl apply -f` accepts: files of several YAML documents or JSON, folders of such files, `-` for standard
input, and Lists. Objects are applied in the order they stand; one whose kind comes with a definition further up waits
for that to be served.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import orjson
from msgspec import Struct

from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.machinery import objects
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import CRDS, Resource, split_api_version
from fakekube.machinery.wire import Object

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_MANAGER = "fakekube"
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 10.0
_STAGES = ("kwok.x-k8s.io", "Stage")  # kwok has them as objects, too; here they are an option of the server


class ManifestError(Exception):
    """A manifest that cannot be used; the text is one sentence that begins with file and line."""


class Manifest(Struct, frozen=True):
    """One object, and where it was written."""

    object: Object
    where: str

    def __str__(self) -> str:
        one = self.object
        return f"{str(one.get('kind', '')).lower()}/{objects.name(one) or objects.dig(one, 'metadata', 'generateName')}"


def read(sources: Iterable[str], stdin: Callable[[], str] = sys.stdin.read) -> list[Manifest]:
    """All objects of all sources, in order. Raises ManifestError, before anything is applied."""
    return [one for source in sources for file in _files(source) for one in _documents(file, stdin)]


def read_tree(folder: str) -> list[Manifest]:
    """All objects of a folder and the folders in it; documents that are no objects are passed over. Raises ManifestError."""
    files = sorted(str(one) for one in Path(folder).rglob("*") if one.suffix in _SUFFIXES and one.is_file())
    found = [one for file in files for one in _documents(file, str, strict=False)]
    if not found:
        raise ManifestError(f"{folder}: no object in this folder")
    return found


def _files(source: str) -> list[str]:
    path = Path(source)
    if source == "-" or not path.is_dir():
        return [source]
    found = sorted(str(one) for one in path.iterdir() if one.suffix in _SUFFIXES)
    if not found:
        raise ManifestError(f"{source}: no .yaml, .yml or .json file in this folder")
    return found


def _documents(file: str, stdin: Callable[[], str], *, strict: bool = True) -> Iterator[Manifest]:
    label = "standard input" if file == "-" else file
    try:
        text = stdin() if file == "-" else Path(file).read_text()
    except OSError as error:
        raise ManifestError(f"{label}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{label}: this is not text in UTF-8") from error
    documents = _json(label, text) if text.lstrip().startswith("{") else _yaml(label, text)
    count = 0
    for line, document in documents:
        if not strict and not _is_object(document):
            continue
        for one in objects_in(f"{label}:{line}", document):
            count += 1
            yield one
    if strict and not count:
        raise ManifestError(f"{label}: no object in it")


def _yaml(label: str, text: str) -> Iterator[tuple[int, object]]:
    from fakekube.machinery import yaml_text  # noqa: PLC0415 - the server starts without it

    try:
        yield from yaml_text.load_all(text)
    except (yaml_text.YamlError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ManifestError(f"{label}{line}: {getattr(error, 'problem', None) or error}") from error


def _json(label: str, text: str) -> Iterator[tuple[int, object]]:
    try:
        yield 1, orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith("unexpected content after document") or "\n---" in text:
            yield from _yaml(label, text)  # several flow mappings, or a YAML stream that begins with one
            return
        raise ManifestError(f"{label}:{error.lineno}: {error.msg}") from error


def _is_object(document: object) -> bool:
    return isinstance(document, dict) and all(
        isinstance(document.get(one), str) for one in ("apiVersion", "kind")
    )


def objects_in(where: str, document: object) -> Iterator[Manifest]:
    """The object, or the objects of a List. Raises ManifestError."""
    if document is None:
        return
    if not isinstance(document, dict):
        raise ManifestError(f"{where}: an object is expected here, with apiVersion and kind")
    for member in ("apiVersion", "kind"):
        if not isinstance(document.get(member), str) or not document[member]:
            raise ManifestError(f"{where}: the object has no {member}")
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        typed = document["kind"].removesuffix(
            "List"
        )  # the items of a PodList need not say that they are pods
        for item in document["items"]:
            if typed and isinstance(item, dict):
                item = {"apiVersion": document["apiVersion"], "kind": typed} | item  # noqa: PLW2901
            yield from objects_in(where, item)
        return
    meta = document.get("metadata")
    if not isinstance(meta, dict) or not (meta.get("name") or meta.get("generateName")):
        raise ManifestError(f"{where}: the {document['kind']} has no metadata.name")
    yield Manifest(document, where)


async def apply(client: Client, manifests: Iterable[Manifest], clock: Clock) -> list[Object]:
    """Server-side apply of each, in order. Raises ManifestError with the server's words."""
    types = _Types(client, clock)
    applied: list[Object] = []
    for one in manifests:
        try:
            applied.append(await _apply(client, await types.find(one.object), one.object))
        except ApiError as error:
            raise ManifestError(f"{one.where}: {one} was refused: {error.message}") from error
    return applied


async def _apply(client: Client, resource: Resource, obj: Object) -> Object:
    namespace = (objects.namespace(obj) or "default") if resource.namespaced else None
    name = objects.name(obj)
    if not name:
        return await client.create(resource, obj, namespace, field_manager=_MANAGER)
    body = orjson.dumps(obj)
    return await client.patch(
        resource, name, namespace, body, type="apply", field_manager=_MANAGER, force=True
    )


class _Types:
    """Kinds → resources, from the server's own discovery."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._found: dict[tuple[str, str], Resource] = {}
        self._promised: set[tuple[str, str]] = set()  # (group, kind) of definitions applied on the way

    async def find(self, obj: Object) -> Resource:
        api_version, kind = obj["apiVersion"], obj["kind"]
        group, _ = split_api_version(api_version)
        deadline = self._clock.monotonic() + _PATIENCE_SECONDS
        while (api_version, kind) not in self._found:
            await self._discover(api_version)
            if (api_version, kind) in self._found:
                break
            if (group, kind) not in self._promised or self._clock.monotonic() > deadline:
                hint = "; stages are given with --stages" if (group, kind) == _STAGES else ""
                raise NotFound(f'no matches for kind "{kind}" in version "{api_version}"{hint}')
            await self._clock.sleep(_POLL_SECONDS)
        if kind == CRDS.kind:
            self._promised.add(
                (str(objects.dig(obj, "spec", "group")), str(objects.dig(obj, "spec", "names", "kind")))
            )
        return self._found[api_version, kind]

    async def _discover(self, api_version: str) -> None:
        group, version = split_api_version(api_version)
        try:
            answer = await self._client.request("GET", f"/apis/{api_version}" if group else f"/api/{version}")
        except NotFound:
            return
        for one in orjson.loads(answer.body)["resources"]:
            if "/" not in one["name"]:
                found = Resource(group, version, one["name"], one["kind"], namespaced=one["namespaced"])
                self._found[api_version, one["kind"]] = found
