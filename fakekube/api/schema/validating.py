"""Validation: each schema node becomes one closure that answers None for a valid value, else the problems.

The rules, their order and their texts are those of the OpenAPI validator behind custom resources; the checks that come
after it there (embedded resources, sets and maps) run in the same walk and are sorted behind the others at the end.
kube-openapi: pkg/validation/validate; k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/{objectmeta,listtype}
"""

from collections.abc import Callable, Mapping
from typing import Any

from fakekube.api.schema import embedded, junctors
from fakekube.api.schema.leaves import (
    Check,
    enum_check,
    expected_types,
    number_check,
    same,
    string_check,
    wrong_type,
)
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import LISTS, PATH, MapKey, Problem, Problems, below, missing
from fakekube.machinery import field_errors

ObjectCheck = Callable[..., Problems]  # (object[, those of its members that need to be looked at])


def checker(node: Schema) -> Check | None:
    """The closure of a node; None where every value is valid."""
    if "check" not in node.compiled:
        node.compiled["check"] = None  # a schema that refers to itself terminates here
        node.compiled["check"] = _compile(node)
    compiled: Check | None = node.compiled["check"]
    return compiled


def _compile(node: Schema) -> Check | None:
    by_type = _by_type(node)
    extra = [*junctors.checks(node, checker), *_enum(node)]
    if not extra:
        return by_type
    parts = [*([by_type] if by_type else []), *extra]

    def check(value: Any) -> Problems:
        found: list[Problem] | None = None
        for part in parts:
            problems = part(value)
            if problems:
                found = found + problems if found else problems
        return found

    return check


def _enum(node: Schema) -> list[Check]:
    allowed = node.raw.get("enum")
    return [enum_check(allowed)] if allowed else []


def _by_type(node: Schema) -> Check | None:
    """The type check and the rules of the value's own type."""
    raw = dict(node.raw)
    expected, types = expected_types(node)
    rules: dict[type, Check | None] = {
        str: string_check(raw),
        int: (number := number_check(raw)),
        float: number,
        dict: object_check(node),
        list: array_check(node),
        bool: None,
        type(None): None,
    }
    if not types:
        if not any(rules.values()):
            return None
        return lambda value: rule(value) if (rule := rules[type(value)]) is not None else None
    wrong = wrong_type(expected)
    allowed = {*types, type(None)} if node.nullable else set(types)
    handlers: dict[type, Check | None] = {
        kind: rule if kind in allowed else wrong for kind, rule in rules.items()
    }
    if int in allowed and float not in allowed:
        handlers[float] = _whole(number, wrong)
    if len(types) == 1 and not node.nullable and float not in allowed and int not in allowed:
        return _one_type(types[0], rules[types[0]], wrong)

    def check(value: Any) -> Problems:
        rule = handlers[type(value)]
        return None if rule is None else rule(value)

    return check


def _one_type(only: type, rule: Check | None, wrong: Check) -> Check:
    if rule is None:
        return lambda value: None if type(value) is only else wrong(value)
    return lambda value: rule(value) if type(value) is only else wrong(value)


def _whole(number: Check | None, wrong: Check) -> Check:
    """2.0 is an integer in JSON."""

    def check(value: float) -> Problems:
        if not value.is_integer():
            return wrong(value)
        return number(value) if number else None

    return check


def judges_wholes(node: Schema) -> bool:
    """Whether rules about a value as a whole stand beside those of its members."""
    return bool(node.embedded_resource or _enum(node) or junctors.checks(node, checker))


def object_check(node: Schema) -> ObjectCheck | None:
    """Members against their schemas, then required members; too few or too many members end the check at once.

    The check can be told which of the members need to be looked at.
    """
    children: dict[str, Check | None] = {}
    for name, child in node.properties.items():
        children[name] = _lazily(children, name, child)
    additional = checker(node.additional) if node.additional is not None else None
    forbidden = node.raw.get("additionalProperties") is False
    required = node.required
    is_embedded = node.embedded_resource
    counted = _count_check(node.raw, "Properties", "properties")
    if not (children or additional or forbidden or required or is_embedded or counted):
        return None
    get = children.get

    def check(obj: dict[str, Any], only: Mapping[str, Any] | None = None) -> Problems:
        found: list[Problem] | None = None
        if counted is not None and (found := counted(obj)):
            return found
        for name, value in (obj if only is None else only).items():
            child = get(name, additional)
            if child is not None and (problems := child(value)):
                step = name if name in children else MapKey(name)
                found = (found or []) + below(step, problems)
        for name in required:
            if name not in obj:
                found = found or []
                found.append(missing(name))
        if forbidden:
            for name in obj:
                if name not in children:
                    found = found or []
                    text = f"{PATH}.{name} in body is a forbidden property"
                    found.append(Problem(field_errors.INVALID, text, name))
        if is_embedded and (problems := embedded.check(obj)):
            found = (found or []) + problems
        return found

    return check


def _lazily(children: dict[str, Check | None], name: str, node: Schema) -> Check:
    """Stands in for a child until a value reaches it."""

    def first(value: Any) -> Problems:
        compiled = children[name] = checker(node)
        return compiled(value) if compiled is not None else None

    return first


def array_check(node: Schema) -> Check | None:
    """Items, then their number, then uniqueness; sets and maps by their keys."""
    item = checker(node.items) if node.items is not None else None
    counted = _count_check(node.raw, "Items", "items")
    unique = bool(node.raw.get("uniqueItems"))
    keys_of = _keys_of(node)
    if not (item or counted or unique or keys_of):
        return None

    def check(values: list[Any]) -> Problems:
        found: list[Problem] | None = None
        if item is not None:
            for index, value in enumerate(values):
                if problems := item(value):
                    found = (found or []) + below(index, problems)
        if counted is not None and (problems := counted(values)):
            found = (found or []) + problems
        if unique and any(same(one, other) for at, one in enumerate(values) for other in values[:at]):
            text = f"{PATH} in body shouldn't contain duplicates"
            found = [*(found or []), Problem(field_errors.INVALID, text, "")]
        if keys_of is not None and len(values) > 1 and (problems := _duplicates(values, keys_of)):
            found = (found or []) + problems
        return found

    return check


def _keys_of(node: Schema) -> Callable[[Any], Any] | None:
    """What identifies an item of a set (itself) or of a map (its key fields)."""
    if node.list_type == "set":
        return lambda value: value
    if node.list_type == "map":
        names = node.list_map_keys
        return lambda value: (
            {name: value.get(name) for name in names} if isinstance(value, Mapping) else value
        )
    return None


def _duplicates(values: list[Any], keys_of: Callable[[Any], Any]) -> list[Problem] | None:
    found: list[Problem] | None = None
    seen: list[Any] = []
    for index, value in enumerate(values):
        key = keys_of(value)
        if any(same(key, other) for other in seen):
            problem = Problem(field_errors.DUPLICATE, "", key, rank=LISTS)
            problem.path, problem.tail = (index,), 1
            found = [*(found or []), problem]
        else:
            seen.append(key)
    return found


def _count_check(raw: Mapping[str, Any], name: str, noun: str) -> Callable[[Any], Problems] | None:
    """`minItems`/`maxItems`, `minProperties`/`maxProperties`."""
    least, most = raw.get(f"min{name}"), raw.get(f"max{name}")
    if least is None and most is None:
        return None

    def check(value: Any) -> Problems:
        count = len(value)
        if least is not None and count < least:
            text = f"{PATH} in body should have at least {least} {noun}"
            return [Problem(field_errors.INVALID, text, count)]
        if most is not None and count > most:
            return [Problem(field_errors.TOO_MANY, f"{count}: must have at most {most} items")]
        return None

    return check
