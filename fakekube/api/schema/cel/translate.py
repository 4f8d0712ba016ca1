"""Syntax tree → closures, checking types on the way: what cel-go's checker refuses is refused here, in its words.

A closure takes the frame: slot 0 holds the work that is left, the others variables. `&&` and `||` forgive an error on one
side when the other side decides.
cel-go: checker/checker.go, interpreter/{planner,interpretable}.go
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fakekube.api.schema.cel import folds, making, operators, selecting, times
from fakekube.api.schema.cel.library import PLAIN, TYPE_VALUES, Environment
from fakekube.api.schema.cel.overloads import dispatcher, matching
from fakekube.api.schema.cel.parser import failure
from fakekube.api.schema.cel.syntax import (
    Bind,
    Call,
    Fold,
    Ident,
    Index,
    ListOf,
    Literal,
    MapOf,
    Node,
    Select,
    StructOf,
    dotted,
    size,
)
from fakekube.api.schema.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    UINT,
    Type,
    common,
    fits,
    list_of,
    map_of,
    optional_of,
    shown,
    type_of,
)
from fakekube.api.schema.cel.values import (
    NONE,
    CelError,
    CompileError,
    CostExceeded,
    Optional,
    TypeValue,
    UInt,
    no_such_overload,
)
from fakekube.machinery.regexes import re2

Frame = list[Any]
Closure = Callable[[Frame], Any]
Checked = tuple[Type, Closure]

_LITERALS: dict[type, Type] = {
    bool: BOOL, int: INT, UInt: UINT, float: DOUBLE, str: STRING, bytes: BYTES, type(None): NULL
}  # fmt: skip
_LOGIC = {"_&&_": False, "_||_": True}
_LITERAL_CHECKS: dict[str, Callable[[str], Any]] = {
    "duration": times.parse_duration,
    "timestamp": times.parse_timestamp,
    "matches": re2.parse,
}


class Translator:
    """One expression. `slots` counts what the frame must hold."""

    def __init__(self, source: str, variables: Mapping[str, Type], environment: Environment = PLAIN) -> None:
        self.source = source
        self._library, self._structs = environment.library, environment.structs
        self.scope: dict[str, tuple[int, Type]] = {
            name: (index, type_) for index, (name, type_) in enumerate(variables.items(), start=1)
        }
        self.slots = len(self.scope) + 1
        self.used: set[str] = set()
        self.types: dict[int, Type] = {}  # of each node, by its identity
        self._errors: list[CompileError] = []
        self._late: list[CompileError] = []  # told only where the types are in order

    def refuse(self, node: Node, text: str) -> Checked:
        """Note an error and go on, so that one answer tells all of them."""
        self._errors.append(failure(self.source, node.at, text))
        return DYN, lambda _: None

    def raise_errors(self) -> None:
        if self._errors or self._late:
            raise CompileError("\n".join(map(str, self._errors or self._late)))

    def translate(self, node: Node) -> Checked:
        checked = self._translate(node)
        self.types[id(node)] = checked[0]
        return checked

    def _translate(self, node: Node) -> Checked:
        match node:
            case Literal(value=value):
                return _LITERALS[type(value)], lambda _: value
            case Ident():
                return self.ident(node)
            case Select():
                return self.select(node)
            case Index():
                return self.index(node)
            case Call():
                return self.call(node)
            case ListOf():
                return self.list_of(node)
            case MapOf():
                return self.map_of(node)
            case StructOf():
                return self.struct_of(node)
            case Fold():
                return self.fold(node)
            case Bind():
                return self.bind(node)

    def ident(self, node: Ident) -> Checked:
        known = self.scope.get(node.name)
        if known is not None:
            slot, type_ = known
            self.used.add(node.name)
            return type_, lambda frame: frame[slot]
        if node.name in TYPE_VALUES:
            value = TypeValue(node.name)
            return type_of(TYPE_VALUES[node.name]), lambda _: value
        return self.refuse(node, f"undeclared reference to '{node.name}' (in container '')")

    def select(self, node: Select) -> Checked:
        path = dotted(node)
        if path in self.scope:  # variables may have dotted names: `authorizer.requestResource`
            return self.ident(Ident(node.at, path))
        if path in TYPE_VALUES and path.split(".")[0] not in self.scope:
            value = TypeValue(path)
            return type_of(TYPE_VALUES[path]), lambda _: value
        type_, operand = self.translate(node.operand)
        chosen = selecting.field(type_, node.field)
        if isinstance(chosen, str):
            return self.refuse(node, chosen)
        if node.test:
            return BOOL, selecting.tester(operand, chosen.key)
        if node.optional or type_.name == "optional_type":
            return optional_of(chosen.type), selecting.optional_selector(operand, chosen.key)
        return chosen.type, selecting.selector(operand, chosen.key)

    def index(self, node: Index) -> Checked:
        type_, operand = self.translate(node.operand)
        index_type, index = self.translate(node.index)
        optional = node.optional or type_.name == "optional_type"
        inner = type_.params[0] if type_.name == "optional_type" and type_.params else type_
        result = selecting.element(inner, index_type)
        if result is None:
            name = "_[?_]" if node.optional else "_[_]"
            return self.refuse(
                node,
                f"found no matching overload for '{name}' applied to '{shown([type_, index_type], None)}'",
            )
        if optional:
            return optional_of(result), selecting.optional_indexer(operand, index)
        return result, selecting.indexer(operand, index)

    def call(self, node: Call) -> Checked:
        name, target = node.name, node.target
        if target is not None:
            path = dotted(target)
            if path and path.split(".")[0] not in self.scope and f"{path}.{name}" in self._library.functions:
                name, target = f"{path}.{name}", None
        if name in _LOGIC:
            return self.logic(node)
        target_checked = self.translate(target) if target is not None else None
        checked = [self.translate(arg) for arg in node.args]
        given = [type_ for type_, _ in checked]
        members = [target_checked, *checked] if target_checked is not None else checked
        if name not in self._library.functions:
            return self.refuse(node, f"undeclared reference to '{name}' (in container '')")
        candidates = self._library.candidates(name, len(members), member=target_checked is not None)
        found, result = matching(candidates, [type_ for type_, _ in members])
        self.check_literal(node, name)
        if not found:
            where = shown(given, target_checked[0] if target_checked else None)
            return self.refuse(node, f"found no matching overload for '{name}' applied to '{where}'")
        closures = [closure for _, closure in members]
        if name == "_?_:_":
            return result, _conditional(closures)
        return result, _apply(operators.OPERATORS.get(name) or _guarded(dispatcher(found)), closures)

    def check_literal(self, node: Call, name: str) -> None:
        """Texts that could never become what the function makes of them are told from the start."""
        check = _LITERAL_CHECKS.get(name)
        first = node.args[0] if node.args else None
        if check is None or not isinstance(first, Literal) or not isinstance(first.value, str):
            return
        try:
            check(first.value)
        except (CelError, re2.RegexError):
            self._late.append(failure(self.source, first.at, f"invalid {name} argument"))

    def logic(self, node: Call) -> Checked:
        sides = [self.translate(arg) for arg in node.args]
        if not all(fits(type_, BOOL, {}) for type_, _ in sides):
            where = shown([type_ for type_, _ in sides], None)
            return self.refuse(node, f"found no matching overload for '{node.name}' applied to '{where}'")
        return BOOL, _junction(sides[0][1], sides[1][1], decisive=_LOGIC[node.name])

    def list_of(self, node: ListOf) -> Checked:
        checked = [self.translate(item) for item in node.items]
        types = [_unwrapped(type_, opt) for (type_, _), opt in zip(checked, node.optional, strict=True)]
        return list_of(self.alike(node.items, types)), making.list_maker(
            [item for _, item in checked], node.optional
        )

    def map_of(self, node: MapOf) -> Checked:
        keys = [self.translate(key) for key, _ in node.entries]
        values = [self.translate(value) for _, value in node.entries]
        types = [_unwrapped(type_, opt) for (type_, _), opt in zip(values, node.optional, strict=True)]
        build = making.map_maker([key for _, key in keys], [value for _, value in values], node.optional)
        key_type = self.alike([key for key, _ in node.entries], [type_ for type_, _ in keys])
        return map_of(key_type, self.alike([value for _, value in node.entries], types)), build

    def alike(self, nodes: Iterable[Node], types: Sequence[Type]) -> Type:
        """The one type of a literal's members; refused where they are of several."""
        known = types[0] if types else DYN
        for node, type_ in zip(nodes, types, strict=True):
            if not fits(type_, known, {}) and not fits(known, type_, {}):
                self.refuse(node, f"expected type '{known}' but found '{type_}'")
                return DYN
            known = common([known, type_])
        return known

    def struct_of(self, node: StructOf) -> Checked:
        struct = self._structs(node.name)
        if struct is None:
            return self.refuse(node, f"undeclared reference to '{node.name}' (in container '')")
        values: list[Closure] = []
        for (name, value), optional in zip(node.fields, node.optional, strict=True):
            type_, closure = self.translate(value)
            assert struct.type.fields is not None
            wanted = struct.type.fields.get(name)
            if wanted is None:
                self.refuse(node, f"undefined field '{name}'")
            elif not fits(_unwrapped(type_, optional), wanted, {}):
                text = f"expected type of field '{name}' is '{wanted}' but provided type is '{type_}'"
                self.refuse(value, text)
            values.append(closure)
        names = [name for name, _ in node.fields]
        return struct.type, making.struct_maker(names, values, node.optional, struct)

    def fold(self, node: Fold) -> Checked:
        type_, over = self.translate(node.over)
        items = folds.element_types(type_, len(node.names))
        if items is None:
            text = f"expression of type '{type_}' cannot be range of a comprehension (must be list, map, or dynamic)"
            return self.refuse(node.over, text)
        outer = self.scope
        slots = tuple(range(self.slots, self.slots + len(node.names)))
        self.slots += len(node.names)
        self.scope = outer | {
            name: (slot, item) for name, slot, item in zip(node.names, slots, items, strict=True)
        }
        predicate = self.translate(node.predicate) if node.predicate is not None else None
        transform = self.translate(node.transform) if node.transform is not None else None
        self.scope = outer
        if predicate is not None and not fits(predicate[0], BOOL, {}):
            assert node.predicate is not None
            return self.refuse(node.predicate, f"expected type 'bool' but found '{predicate[0]}'")
        cost = sum(size(part) for part in (node.predicate, node.transform) if part is not None)
        plan = folds.Plan(
            _spending(over, cost),
            slots,
            predicate[1] if predicate else None,
            transform[1] if transform else None,
            whole_key=len(node.names) == 1,
        )
        return folds.result_type(node.kind, type_, transform[0] if transform else DYN), folds.MAKERS[
            node.kind
        ](plan)

    def bind(self, node: Bind) -> Checked:
        type_, value = self.translate(node.value)
        inner = type_.params[0] if node.optional and type_.params else type_
        slot = self.slots
        self.slots += 1
        outer = self.scope
        self.scope = outer | {node.name: (slot, inner)}
        body_type, body = self.translate(node.body)
        self.scope = outer

        def plain(frame: Frame) -> Any:
            frame[slot] = value(frame)
            return body(frame)

        def mapped(frame: Frame) -> Any:
            given = value(frame)
            if not given.present:
                return NONE
            frame[slot] = given.content
            answer = body(frame)
            return Optional(present=True, content=answer) if node.optional == "optMap" else answer

        if not node.optional:
            return body_type, plain
        return (optional_of(body_type) if node.optional == "optMap" else body_type), mapped


def _spending(over: Closure, cost: int) -> Closure:
    """Pay for a loop before it runs: its body once per item."""

    def paid(frame: Frame) -> Any:
        values = over(frame)
        frame[0] -= (len(values) + 1) * cost if isinstance(values, (list, dict)) else cost
        if frame[0] < 0:
            raise CostExceeded("operation cancelled: actual cost limit exceeded")
        return values

    return paid


def _unwrapped(type_: Type, optional: bool) -> Type:
    return type_.params[0] if optional and type_.name == "optional_type" and type_.params else type_


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Containers hold values of any type, so a function may meet one its signature could not exclude."""

    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except (TypeError, ValueError, AttributeError, ArithmeticError, OSError):
            raise no_such_overload() from None

    return call


def _apply(function: Callable[..., Any], closures: list[Closure]) -> Closure:
    if len(closures) == 1:
        (only,) = closures
        return lambda frame: function(only(frame))
    if len(closures) == 2:
        first, second = closures
        return lambda frame: function(first(frame), second(frame))
    return lambda frame: function(*[closure(frame) for closure in closures])


def _conditional(closures: list[Closure]) -> Closure:
    test, yes, no = closures

    def choose(frame: Frame) -> Any:
        verdict = test(frame)
        if verdict is True:
            return yes(frame)
        if verdict is False:
            return no(frame)
        raise no_such_overload()

    return choose


def _junction(left: Closure, right: Closure, *, decisive: bool) -> Closure:
    def decide(frame: Frame) -> Any:
        try:
            first = left(frame)
        except CostExceeded:
            raise
        except CelError:
            if right(frame) is decisive:
                return decisive
            raise
        if first is decisive:
            return decisive
        second = right(frame)
        if second is decisive:
            return decisive
        if type(first) is not bool or type(second) is not bool:
            raise no_such_overload()
        return not decisive

    return decide
