"""Objects inside objects (`x-kubernetes-embedded-resource`): their kind, apiVersion and metadata.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.schema import names
from fakekube.api.schema.problems import EMBEDDED, Problem, Problems, missing
from fakekube.machinery import field_errors


def check(obj: Mapping[str, Any]) -> Problems:
    """Problems of an embedded object, seen from it."""
    found = [
        missing(name, "must not be empty", EMBEDDED) for name in ("apiVersion", "kind") if name not in obj
    ]
    if "apiVersion" in obj:
        found += _api_version(obj["apiVersion"])
    if "kind" in obj:
        found += _kind(obj["kind"])
    metadata = obj.get("metadata")
    if isinstance(metadata, Mapping):
        name = metadata.get("name")
        if isinstance(name, str):
            found += [_bad(("metadata", "name"), name, text) for text in names.path_segment(name)]
    return found or None


def _api_version(value: Any) -> list[Problem]:
    if not isinstance(value, str):
        return [_bad(("apiVersion",), value, "must be a string")]
    if not value:
        return [_bad(("apiVersion",), value, "must not be empty")]
    if value.count("/") > 1:
        return [_bad(("apiVersion",), value, f"unexpected GroupVersion string: {value}")]
    return []


def _kind(value: Any) -> list[Problem]:
    if not isinstance(value, str):
        return [_bad(("kind",), value, "must be a string")]
    if not value:
        return [_bad(("kind",), value, "must not be empty")]
    complaints = names.dns1035_label(value.lower())
    if not complaints:
        return []
    return [
        _bad(("kind",), value, "may have mixed case, but should otherwise match: " + ",".join(complaints))
    ]


def _bad(path: tuple[str, ...], value: Any, text: str) -> Problem:
    problem = Problem(field_errors.INVALID, text, value, rank=EMBEDDED)
    problem.path, problem.tail = path, len(path)
    return problem
