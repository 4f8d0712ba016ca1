"""`x-kubernetes-validations`: CEL rules compiled beside the schema and run where an object has values.

Rules that read `oldSelf` run only on updates, and only where the old value can be found; other rules are not held against
values that did not change.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct, field

from fakekube.api.schema import declarations
from fakekube.api.schema.cel import CelError, CompileError, CostExceeded, Program, compile, types  # noqa: A004
from fakekube.api.schema.cel.values import NONE, Optional
from fakekube.api.schema.declarations import Convert
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import NOWHERE, MapKey, Step, path_text
from fakekube.machinery import field_errors
from fakekube.machinery.field_errors import OMITTED, FieldError
from fakekube.machinery.wire import Object

BUDGET = 10_000_000  # of all rules for one object; k8s: staging/src/k8s.io/apiserver/pkg/apis/cel/config.go
_LONGEST_MESSAGE = 5 * 1024
_KEY = "x-kubernetes-validations"
_ABSENT = object()
_BRACKETED = re.compile(
    r"\['((?:[^'\\]|\\.)*)'\]"
)  # in a fieldPath: `.spec['x-y']` names the field `.spec.x-y`


class Rule(Struct, frozen=True):
    """One compiled rule; `error` says why it is none."""

    raw: Mapping[str, Any]
    program: Program | None = None
    message: Program | None = None
    error: str = ""
    message_error: str = ""

    @property
    def is_transition(self) -> bool:
        return self.program is not None and "oldSelf" in self.program.uses

    @property
    def text(self) -> str:
        """The rule in errors about running it."""
        return str(self.raw.get("message") or self.raw.get("rule") or "").strip()

    @property
    def default_message(self) -> str:
        said = str(self.raw.get("message") or "").strip()
        return said or f"failed rule: {self.text}"


def compile_rules(node: Schema, *, root: bool = False) -> list[Rule]:
    """The rules of one node."""
    raws = node.raw.get(_KEY) or ()
    self_type = declarations.type_of(node, root=root) or types.DYN
    return [_compiled(raw, self_type) for raw in raws]


def _compiled(raw: Mapping[str, Any], self_type: types.Type) -> Rule:
    old_type = types.optional_of(self_type) if raw.get("optionalOldSelf") else self_type
    variables = {"self": self_type, "oldSelf": old_type}
    program = message = None
    error = message_error = ""
    try:
        program = compile(str(raw.get("rule") or ""), variables)
        if program.result not in (types.BOOL, types.DYN):
            program, error = None, "cel expression must evaluate to a bool"
    except CompileError as failed:
        error = f"compilation failed: {failed}"
    if raw.get("messageExpression"):
        try:
            message = compile(str(raw["messageExpression"]), variables)
            if message.result not in (types.STRING, types.DYN):
                message, message_error = None, "messageExpression must evaluate to a string"
        except CompileError as failed:
            message_error = f"messageExpression compilation failed: {failed}"
    return Rule(raw, program, message, error, message_error)


class _Node(Struct):
    """A node that has rules, or leads to some."""

    schema: Schema
    rules: list[Rule]
    convert: Convert | None
    members: "dict[str, _Node]" = field(default_factory=dict)
    rest: "_Node | None" = None
    items: "_Node | None" = None
    compares: bool = False  # whether a rule here or below reads oldSelf


def _build(node: Schema, *, root: bool = False) -> _Node | None:
    built = _Node(
        node, compile_rules(node, root=root or node.embedded_resource), declarations.converter(node)
    )
    for name, child in node.properties.items():
        below = _build(child)
        if below is not None:
            built.members[name] = below
    built.rest = _build(node.additional) if node.additional is not None else None
    built.items = _build(node.items) if node.items is not None else None
    children = filter(None, (*built.members.values(), built.rest, built.items))
    built.compares = any(rule.is_transition for rule in built.rules) or any(one.compares for one in children)
    return built if built.rules or built.members or built.rest or built.items else None


class Rules:
    """All rules of a schema."""

    def __init__(self, root: _Node) -> None:
        self._root = root

    @classmethod
    def of(cls, schema: Schema) -> "Rules | None":
        """None when the schema has no rules anywhere."""
        if not _mentioned(schema.raw):
            return None
        root = _build(schema, root=True)
        return cls(root) if root is not None else None

    def validate(self, new: Object, old: Object | None = None) -> list[FieldError]:
        """The failed rules of a new object, or of a change from `old`."""
        run = _Run()
        with suppress(_OutOfBudget):
            run.node(self._root, new, _ABSENT if old is None else old, (), None)
        return run.found


def _mentioned(raw: Any) -> bool:
    if isinstance(raw, Mapping):
        return _KEY in raw or any(map(_mentioned, raw.values()))
    return isinstance(raw, list) and any(map(_mentioned, raw))


class _OutOfBudget(Exception):
    pass


Pair = tuple[Any, Any]


class _Run:
    """One validation: the errors so far, and the work that may still be done."""

    def __init__(self) -> None:
        self.found: list[FieldError] = []
        self.budget = BUDGET

    def node(self, node: _Node, value: Any, old: Any, path: tuple[Step, ...], parent: Pair | None) -> None:
        """`parent` is the nearest node above that has a counterpart in the old object, with it."""
        if value is None:
            return
        matched = (value, old) if old is not _ABSENT else parent
        if node.rules:
            self.rules(node, value, old, path, matched)
        if isinstance(value, dict):
            for name, child in value.items():
                below = node.members.get(name)
                step: Step = name
                if below is None:
                    below, step = node.rest, MapKey(name)
                if below is not None:
                    before = old.get(name, _ABSENT) if isinstance(old, dict) else _ABSENT
                    if before is child and type(child) in (dict, list) and not below.compares:
                        continue  # shared with what is stored: judged then
                    self.node(below, child, before, (*path, step), matched)
        elif isinstance(value, list) and node.items is not None:
            for index, (item, before) in enumerate(_matched_items(value, old, node.schema)):
                self.node(node.items, item, before, (*path, index), matched)

    def rules(self, node: _Node, value: Any, old: Any, path: tuple[Step, ...], matched: Pair | None) -> None:
        convert = node.convert or _same
        now = convert(value)
        has_old = old is not _ABSENT and old is not None
        before = convert(old) if has_old else None
        shown = OMITTED if node.schema.type in ("object", "array") else value
        for rule in node.rules:
            if rule.program is None:
                self.fail(path, node.schema.type, f"rule compile error: {rule.error}")
                continue
            optional = bool(rule.raw.get("optionalOldSelf"))
            if rule.is_transition and not has_old and not optional:
                continue
            bindings = {"self": now, "oldSelf": before}
            if optional:
                bindings["oldSelf"] = Optional(present=True, content=before) if has_old else NONE
            if self.holds(rule, rule.program, bindings, path, node.schema.type):
                continue
            if not rule.is_transition and matched is not None and matched[0] == matched[1]:
                continue
            detail = self.message(rule, bindings) or rule.default_message
            self.found.append(_error(rule, path, shown, detail))

    def holds(
        self, rule: Rule, program: Program, bindings: Mapping[str, Any], path: tuple[Step, ...], type_: str
    ) -> bool:
        """Whether the rule is satisfied, or failed in a way that has been reported."""
        try:
            verdict = program(bindings)
        except CostExceeded as error:
            self.fail(
                path,
                type_,
                f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {rule.text}",
            )
            raise _OutOfBudget from None
        except CelError as error:
            if str(error).startswith("no such overload"):
                why = (
                    "call arguments did not match a supported operator, function or macro signature for rule"
                )
                self.fail(path, type_, f"'{error}': {why}: {rule.text}")
            else:
                self.fail(path, type_, f"{error} evaluating rule: {rule.text}")
            return True
        finally:
            self.budget -= program.spent
        if self.budget < 0:
            text = (
                "validation failed due to running out of cost budget, no further validation rules will be run"
            )
            self.fail(path, type_, text)
            raise _OutOfBudget
        return verdict is True

    def message(self, rule: Rule, bindings: Mapping[str, Any]) -> str:
        """What the message expression says, if it says something usable."""
        if rule.message is None:
            return ""
        try:
            said = rule.message(bindings)
        except CelError:
            return ""
        said = said.strip() if isinstance(said, str) else ""
        return "" if "\n" in said or len(said.encode()) > _LONGEST_MESSAGE else said

    def fail(self, path: tuple[Step, ...], type_: str, detail: str) -> None:
        self.found.append(field_errors.invalid(path_text(path) or NOWHERE, type_, detail))


def _same(value: Any) -> Any:
    return value


def _error(rule: Rule, path: tuple[Step, ...], value: Any, detail: str) -> FieldError:
    where = path_text(path)
    within = _BRACKETED.sub(r".\1", str(rule.raw.get("fieldPath") or "").strip())
    if within:
        where = f"{where}{within}" if where else within.lstrip(".")
    where = where or NOWHERE
    reason = rule.raw.get("reason") or field_errors.INVALID
    if reason == field_errors.DUPLICATE:
        return FieldError(reason, where, "", value)
    return FieldError(reason, where, detail, value)


def _matched_items(values: list[Any], olds: Any, schema: Schema) -> Iterator[Pair]:
    """Items with their old selves, where the list is a map and they can be told."""
    if schema.list_type != "map" or not isinstance(olds, list):
        for value in values:
            yield value, _ABSENT
        return
    names = schema.list_map_keys
    known = {_key(item, names): item for item in olds}
    for value in values:
        yield value, known.get(_key(value, names), _ABSENT)


def _key(item: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(repr(item.get(name)) for name in names) if isinstance(item, dict) else (repr(item),)
