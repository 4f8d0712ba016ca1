"""The expressions of one MutatingAdmissionPolicy, compiled, and what they make of an object.

An apply configuration is merged as server-side apply merges, without regard to owners; lists and maps that could only be
replaced whole are refused, lest more goes than was meant. A JSON patch whose test does not hold changes nothing.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/mutating/{compilation.go,patch}
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.api.admission import patches
from fakekube.api.admission.composition import Variables
from fakekube.api.admission.expressions import Bindings, Conditions, Expression, Failed, expression, variables
from fakekube.api.admission.mutation_types import JSON_PATCH, MUTATING, OBJECT, ObjectValue, misplaced, plain
from fakekube.api.admission.patches import PatchFailed
from fakekube.api.patching.merge import merged
from fakekube.api.patching.typed import ElementError, Type, root_type
from fakekube.api.patching.validate import faults
from fakekube.api.schema.cel.types import list_of
from fakekube.api.schema.cel.values import CelError
from fakekube.api.schema.model import Schema
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object

APPLY, PATCH = "ApplyConfiguration", "JSONPatch"
MEMBERS = {APPLY: "applyConfiguration", PATCH: "jsonPatch"}
RESULTS = {APPLY: OBJECT, PATCH: list_of(JSON_PATCH)}


class Mutations:
    """Conditions, variables and mutations of one policy."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        declared = variables(params=spec.get("paramKind") is not None)
        self.conditions = Conditions(spec.get("matchConditions") or (), declared)
        self._variables = Variables(spec.get("variables") or (), declared, MUTATING)
        self._mutations = [
            (kind, compiled(raw, kind, self._variables))
            for raw in spec.get("mutations") or ()
            for kind in (str(raw.get("patchType") or ""),)
        ]

    def __len__(self) -> int:
        return len(self._mutations)

    def mutated(self, index: int, values: Bindings, schema: Schema | None) -> Object:
        """`object` after one of the mutations; the same object where a test says so. Raises Failed."""
        kind, one = self._mutations[index]
        said = one(self._variables.bind(values))
        obj: Object = values["object"]
        try:
            return _applied(obj, said, schema) if kind == APPLY else _patched(obj, said)
        except CelError as error:
            raise Failed(str(error)) from None


def compiled(raw: Mapping[str, Any], kind: str, known: Variables) -> Expression:
    """The expression of one mutation."""
    source = str((raw.get(MEMBERS.get(kind, "")) or {}).get("expression") or "")
    wanted = (RESULTS[kind],) if kind in RESULTS else ()
    return expression(source, known.declared, wanted, MUTATING)


def _applied(obj: Object, configuration: ObjectValue, schema: Schema | None) -> Object:
    _check_places(configuration)
    patch = {**plain(configuration), "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    shape = root_type(schema)
    wrong = faults(patch, shape)
    if wrong:
        raise Failed(f"error applying patch: failed to convert patch object to typed object: {wrong}")
    atomic = list(_atomic(patch, shape, ""))
    if atomic:
        said = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise Failed(f"error applying patch: invalid ApplyConfiguration: {said}")
    try:
        result: Object = copy_of(merged(obj, patch, shape))
    except ElementError as error:
        raise Failed(f"error applying patch: failed to merge patch: {error}") from None
    return result


def _atomic(value: Any, kind: Type, path: str) -> Iterator[str]:
    """Where a configuration would replace something whole."""
    if isinstance(value, dict) and kind.map:
        if kind.map == "atomic":
            yield path
        for name, content in value.items():
            if (declared := kind.fields[name]) is not None:
                yield from _atomic(content, declared, f"{path}.{name}")
    elif isinstance(value, list) and kind.list:
        if kind.list == "atomic":
            yield path
        for index, content in enumerate(value):
            yield from _atomic(content, kind.item, f"{path}[{index}]")


def _patched(obj: Object, said: list[dict[str, Any]]) -> Object:
    operations = []
    for one in said:
        operation = {name: one[name] for name in ("op", "path", "from") if one.get(name)}
        if "value" in one:
            _check_places(one["value"])
            operation["value"] = _json(one["value"])
        operations.append({"op": "", "path": "", **operation})
    try:
        return patches.patched(obj, operations)
    except PatchFailed as failed:
        if failed.tested:
            return obj
        raise Failed(f"JSON Patch: {failed}") from None


def _json(value: Any) -> Any:
    try:
        return plain(value, as_json=True)
    except CelError as error:
        said = "JSONPath valueExpression evaluated to a type that could not marshal to JSON"
        raise Failed(f"{said}: {error}") from None


def _check_places(value: Any) -> None:
    wrong = list(misplaced(value))
    if wrong:
        raise Failed("type mismatch: " + "\n".join(wrong))
