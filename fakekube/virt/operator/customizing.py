"""Patches and flags the KubeVirt object has for what virt-operator installs. Pure.

Of strategic patches only what workloads need: lists of things with names are merged by name, others are replaced.
Origin: kubevirt: pkg/virt-operator/resource/apply/customize.go
"""

import hashlib
import json
from typing import Any

import orjson

from fakekube.machinery.objects import Obj, name
from fakekube.machinery.wire import Object
from fakekube.virt import json_patch

MARK = "kubevirt.io/customizer-identifier"


class Misfit(ValueError):
    """A patch that does not fit what it is for: nothing is installed with it."""


def identifier(spec: Obj) -> str:
    """What tells one set of customizations from another."""
    given = orjson.dumps(spec.get("customizeComponents") or {}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha1(given, usedforsecurity=False).hexdigest()


def applied(obj: Object, spec: Obj) -> Object:
    """An object with the flags and patches that are meant for it. Raises Misfit."""
    obj = _flagged(obj, spec)
    for one in (spec.get("customizeComponents") or {}).get("patches") or ():
        if not _means(one["resourceType"], obj["kind"]) or not _means(one["resourceName"], name(obj)):
            continue
        try:
            obj = _patched(obj, json.loads(one["patch"]), one.get("type", ""))
        except (ValueError, LookupError, TypeError) as error:
            raise Misfit(str(error)) from error
    return obj


def _means(given: str, own: str) -> bool:
    return given == "*" or given.lower() == own.lower()


def _flagged(workload: Object, spec: Obj) -> Object:
    """Flags become the command of a component, beside its arguments; their names are written small."""
    own = name(workload)
    flags = ((spec.get("customizeComponents") or {}).get("flags") or {}).get(own.removeprefix("virt-"))
    if not flags or own not in ("virt-api", "virt-controller", "virt-handler"):
        return workload
    words = [part for key, value in sorted(flags.items()) for part in (f"--{key.lower()}", value) if part]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": own, "command": [own, *words]}]}}}}
    merged: Object = _merged(workload, patch, by_name=True)
    return merged


def _patched(target: Object, patch: Any, type_: str) -> Object:
    if type_ == "json":
        return json_patch.applied(target, patch)
    merged: Object = _merged(target, patch, by_name=type_ == "strategic")
    return merged


def _merged(target: Any, patch: Any, *, by_name: bool) -> Any:
    if isinstance(patch, dict):
        made = dict(target) if isinstance(target, dict) else {}
        for key, value in patch.items():
            if value is None:
                made.pop(key, None)
            else:
                made[key] = _merged(made.get(key), value, by_name=by_name)
        return made
    if by_name and isinstance(target, list) and _named(target) and _named(patch):
        new = {one["name"]: one for one in patch}
        known = [_merged(one, new.pop(one["name"], {}), by_name=True) for one in target]
        return [*known, *new.values()]
    return patch


def _named(listed: Any) -> bool:
    return isinstance(listed, list) and all(isinstance(one, dict) and "name" in one for one in listed)
