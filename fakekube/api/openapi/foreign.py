"""Documents of aggregated APIs: what their servers say in version 2, cut to one group version, merged into ours, and told
in version 3. Pure.

What cannot be understood is nobody's operation: such a document counts as empty. Version 3 is always made from version 2,
as upstream does for servers that tell no other.
Upstream: k8s: staging/src/k8s.io/kube-aggregator/pkg/controllers/openapi{,v3}, kube-openapi/pkg/{aggregator,openapiconv}
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fakekube.api.openapi import gnostic
from fakekube.machinery.wire import Object

_DEFINITION, _SCHEMA = "#/definitions/", "#/components/schemas/"
_PARAMETER = "#/parameters/"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_MARKS = ("description", "summary", "tags", "operationId", "deprecated")


def of_version(document: Any, group: str, version: str) -> Object:
    """The paths of a group version and the definitions they need."""
    try:
        found = _cut(document, f"/apis/{group}/{version}/")
        gnostic.encode({"info": {"title": "", "version": ""}, "swagger": "2.0", **found})  # it can be told
        as_v3(found)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return {"paths": {}, "definitions": {}}
    return found


def merged(own: Object, others: Iterable[Object]) -> Object:
    """One document of all. Whoever is first has the path; a definition that says something else gets another name."""
    paths, definitions = dict(own["paths"]), dict(own["definitions"])
    for other in others:
        names = {
            name: _free(name, schema, definitions, other["definitions"])
            for name, schema in other["definitions"].items()
        }

        def renamed(ref: str, names: dict[str, str] = names) -> str:
            return _DEFINITION + names.get(ref.removeprefix(_DEFINITION), ref.removeprefix(_DEFINITION))

        for name, schema in other["definitions"].items():
            definitions.setdefault(names[name], _referring(schema, renamed))
        for path, item in other["paths"].items():
            paths.setdefault(path, _referring(item, renamed))
    return {**own, "paths": dict(sorted(paths.items())), "definitions": dict(sorted(definitions.items()))}


def as_v3(document: Object) -> Object:
    """Paths and components of version 3."""
    told = _referring(document, lambda ref: ref.replace(_DEFINITION, _SCHEMA, 1))
    return {
        "paths": {path: _item(item) for path, item in told["paths"].items()},
        "components": {"schemas": told["definitions"]},
    }


def _cut(document: Any, prefix: str) -> Object:
    shared = document.get("parameters") or {}
    paths = {
        path: _inlined(item, shared)
        for path, item in document["paths"].items()
        if f"{path}/".startswith(prefix)
    }
    known = document.get("definitions") or {}
    wanted, left = set(), list(_definitions(paths))
    while left:
        name = left.pop()
        if name not in wanted and name in known:
            wanted.add(name)
            left += _definitions(known[name])
    return {"paths": paths, "definitions": {name: known[name] for name in known if name in wanted}}


def _inlined(item: Object, shared: Object) -> Object:
    """A path whose parameters are written out where it only refers to them."""

    def written_out(place: Object) -> Object:
        given = place.get("parameters", ())
        found = [shared[one["$ref"].removeprefix(_PARAMETER)] if "$ref" in one else one for one in given]
        return {**place, "parameters": found} if found else place

    whole = {key: written_out(value) if key in _METHODS else value for key, value in item.items()}
    return written_out(whole)


def _definitions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        ref = value.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(_DEFINITION)
        for one in value.values():
            yield from _definitions(one)
    elif isinstance(value, list):
        for one in value:
            yield from _definitions(one)


def _referring(value: Any, to: Callable[[str], str]) -> Any:
    """The same with every reference replaced."""
    if isinstance(value, dict):
        return {
            key: to(one) if key == "$ref" and isinstance(one, str) else _referring(one, to)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_referring(one, to) for one in value]
    return value


def _free(name: str, schema: Any, taken: Object, own: Object) -> str:
    found, number = name, 1
    while taken.get(found, schema) != schema or (number > 1 and found in own):
        number += 1
        found = f"{name}_v{number}"
    return found


def _item(item: Object) -> Object:
    found: Object = {key: value for key, value in item.items() if key.startswith("x-")}
    for method in _METHODS:
        if method in item:
            found[method] = _operation(item[method])
    if plain := [_parameter(one) for one in item.get("parameters", ())]:
        found["parameters"] = plain
    return found


def _operation(raw: Object) -> Object:
    found: Object = {key: value for key, value in raw.items() if key in _MARKS or key.startswith("x-")}
    given = raw.get("parameters", ())
    if plain := [_parameter(one) for one in given if one["in"] != "body"]:
        found["parameters"] = plain
    for one in given:
        if one["in"] == "body":
            content = {media: {"schema": one.get("schema", {})} for media in raw.get("consumes") or ("*/*",)}
            found["requestBody"] = {"content": content} | ({"required": True} if one.get("required") else {})
    found["responses"] = {code: _response(one, raw) for code, one in raw.get("responses", {}).items()}
    return found


def _response(raw: Object, operation: Object) -> Object:
    found: Object = {"description": raw.get("description", "")}
    if "schema" in raw:
        found["content"] = {
            media: {"schema": raw["schema"]} for media in operation.get("produces") or ("application/json",)
        }
    return found


def _parameter(raw: Object) -> Object:
    said = ("name", "in", "description", "required")
    schema = {key: value for key, value in raw.items() if key not in said and not key.startswith("x-")}
    return {**{key: raw[key] for key in said if key in raw}, "schema": schema}
