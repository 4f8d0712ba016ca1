"""What templates are made of: functions that write, functions that have a value, and what both know while they run.

Variables live in a stack: a block forgets those it has declared, and what it assigns to others stays.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec import field as member

from fakekube.lifecycle.gotext.functions import FUNCTIONS, LOCAL, Surroundings, bounded, shown, true
from fakekube.lifecycle.gotext.lexing import TemplateError

_KEYWORDS = ("if", "range", "with", "define", "block", "template", "else", "end", "break", "continue")


class State(Struct):
    around: Surroundings
    dot: Any
    variables: list[tuple[str, Any]]
    out: list[str] = member(default_factory=list)
    depth: int = 0

    def value(self, name: str) -> Any:
        return next(value for own, value in reversed(self.variables) if own == name)

    def assign(self, name: str, value: Any) -> None:
        at = max(at for at, (own, _) in enumerate(self.variables) if own == name)
        self.variables[at] = (name, value)


class Break(Exception):
    pass


class Continue(Exception):
    pass


Write = Callable[[State], None]
Value = Callable[[State], Any]


def nothing(_state: State) -> None:
    return


def none(_state: State) -> Any:
    return None


def ignored(_value: Any) -> None:
    return


def copying(text: str) -> Write:
    return lambda state: state.out.append(text)


def constant(value: Any) -> Value:
    return lambda _state: value


def raising(kind: type[Exception]) -> Write:
    def write(_state: State) -> None:
        raise kind

    return write


def sequence(writes: Sequence[Write]) -> Write:
    def write(state: State) -> None:
        for one in writes:
            one(state)

    return scoped(write)


def scoped(inner: Write) -> Write:
    """What is declared inside is gone afterwards."""

    def write(state: State) -> None:
        mark = len(state.variables)
        try:
            inner(state)
        finally:
            del state.variables[mark:]

    return write


def ranging(names: tuple[str, ...], value: Value, body: Write, otherwise: Write) -> Write:
    def write(state: State) -> None:
        found = list(_items(value(state)))
        if not found:
            otherwise(state)
            return
        before, mark = state.dot, len(state.variables)
        try:
            for pair in found:
                del state.variables[mark:]
                state.variables += zip(names, pair if len(names) > 1 else pair[1:], strict=False)
                state.dot = pair[1]
                try:
                    body(state)
                except Continue:
                    continue
        except Break:
            pass
        finally:
            state.dot = before

    return write


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        yield from sorted(value.items())
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        try:
            yield from ((one, one) for one in range(bounded(value)))
        except ValueError as error:
            raise TemplateError(f"range: {error}") from error
    else:
        raise TemplateError(f"range can't iterate over {shown(value)}")


# What Go's json.Number can be asked for, as kwok's older files do.
_OF_NUMBERS: Mapping[str, Callable[[Any], Any]] = {"Int64": int, "Float64": float, "String": shown}


def field(value: Value, path: str) -> Value:
    names = path[1:].split(".")

    def found(state: State) -> Any:
        current = value(state)
        for name in names:
            if current is None:
                return None
            if isinstance(current, Mapping):
                current = current.get(name)
            elif name in _OF_NUMBERS and isinstance(current, int | float):
                current = _OF_NUMBERS[name](current)
            else:
                raise TemplateError(f"can't evaluate field {name} in {shown(current)}")
        return current

    return found


def calling(name: str, arguments: list[Value], said: str) -> Value:
    if name in ("and", "or"):
        if not arguments:
            raise TemplateError(f"{{{{ {said} }}}}: {name} wants values")
        return _first_that_decides(arguments, wanted=name == "or")
    local = LOCAL.get(name)
    function = local or FUNCTIONS.get(name)
    if function is None or name in _KEYWORDS:
        raise TemplateError(f"function {name!r} in {{{{ {said} }}}} is not known here")
    count = len(arguments) + (local is not None)
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError as error:
        raise TemplateError(f"{{{{ {said} }}}}: {name}: {error}") from None

    def call(state: State) -> Any:
        given = [one(state) for one in arguments]
        try:
            return function(state.around, *given) if local is not None else function(*given)
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            raise TemplateError(f"{{{{ {said} }}}}: {name}: {error}") from error

    return call


def _first_that_decides(arguments: list[Value], *, wanted: bool) -> Value:
    def decide(state: State) -> Any:
        found = None
        for one in arguments:
            found = one(state)
            if true(found) is wanted:
                return found
        return found

    return decide
