"""Pieces → functions that write. A word after the other, as Go's own parser does, so what it refuses is refused here.

Variables live in a stack: a block forgets those it has declared, and what it assigns to others stays.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from fakekube.lifecycle.gotext.functions import FUNCTIONS, LOCAL, Surroundings, bounded, shown, true
from fakekube.lifecycle.gotext.lexing import Action, TemplateError, Word, pieces

_DEEPEST = 100  # templates within templates
_KEYWORDS = ("if", "range", "with", "define", "block", "template", "else", "end", "break", "continue")


@dataclass(slots=True)
class _State:
    around: Surroundings
    dot: Any
    variables: list[tuple[str, Any]]
    out: list[str] = field(default_factory=list)
    depth: int = 0

    def value(self, name: str) -> Any:
        return next(value for own, value in reversed(self.variables) if own == name)

    def assign(self, name: str, value: Any) -> None:
        at = max(at for at, (own, _) in enumerate(self.variables) if own == name)
        self.variables[at] = (name, value)


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


Write = Callable[[_State], None]
Value = Callable[[_State], Any]


class Text:
    """A template. Raises TemplateError, saying what is not understood."""

    def __init__(self, text: str) -> None:
        try:
            self._write = _Parser(text).whole()
        except RecursionError:
            raise TemplateError("the template is nested too deep") from None

    def render(self, around: Surroundings) -> str:
        """The text for one object. Raises TemplateError for what cannot be carried out."""
        state = _State(around, around.obj, [("$", around.obj)])
        try:
            self._write(state)
        except RecursionError:
            raise TemplateError("templates call each other too deep") from None
        return "".join(state.out)


class _Parser:
    def __init__(self, text: str) -> None:
        self._pieces = list(pieces(text))
        self._at = 0
        self._known = ["$"]
        self._templates: dict[str, Write] = {}
        self._called: list[str] = []
        self._loops = 0

    def whole(self) -> Write:
        write, end = self._block()
        if end is not None:
            raise TemplateError(f"unexpected {{{{ {end.said} }}}}")
        for name in self._called:
            if name not in self._templates:
                raise TemplateError(f"there is no template {name!r}")
        return write

    # --- blocks --------------------------------------------------------------------------------------------------

    def _block(self) -> tuple[Write, Action | None]:
        """What stands until the next `else` or `end`, and which of them that is."""
        writes: list[Write] = []
        mark = len(self._known)
        ended = None
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if isinstance(piece, str):
                writes.append(_copying(piece))
                continue
            if piece.words and piece.words[0].text in ("else", "end"):
                ended = piece
                break
            if (write := self._action(piece)) is not None:
                writes.append(write)
        del self._known[mark:]
        return _all(writes), ended

    def _action(self, action: Action) -> Write | None:
        first = action.words[0].text if action.words else ""
        rest = _Words(action, 1)
        match first:
            case "if" | "with" | "range":
                return self._deciding(first, rest)
            case "define":
                self._define(rest)
                return None
            case "template":
                return self._template(rest)
            case "break" | "continue":
                rest.finish()
                if not self._loops:
                    raise TemplateError(f"{first} outside of range")
                return _raising(_Break if first == "break" else _Continue)
            case "block":
                raise TemplateError("{{ block }} is not understood; use define and template")
        words = _Words(action, 0)
        declared, value = self._pipeline(words, declares=1)
        words.finish()
        if declared:
            return lambda state: _ignored(value(state))

        def write(state: _State) -> None:
            state.out.append(shown(value(state)))

        return write

    def _deciding(self, kind: str, words: "_Words") -> Write:
        mark = len(self._known)
        declared, value = self._pipeline(words, declares=2 if kind == "range" else 1, sets=kind != "range")
        words.finish()
        self._loops += kind == "range"
        body, ended = self._block()
        self._loops -= kind == "range"
        otherwise: Write = _nothing
        if ended is not None and ended.words[0].text == "else":
            if len(ended.words) > 1:
                following = ended.words[1].text
                if following != kind or kind == "range":
                    raise TemplateError(f"{{{{ {ended.said} }}}} is not understood")
                otherwise = self._deciding(kind, _Words(ended, 2))
                ended = Action("end", (Word("name", "end"),))
            else:
                otherwise, ended = self._block()
        if ended is None or ended.words[0].text != "end" or len(ended.words) > 1:
            raise TemplateError(f"{{{{ {words.said} }}}} is never ended")
        del self._known[mark:]
        if kind == "range":
            return _scoped(_ranging(declared, value, body, otherwise))

        def decide(state: _State) -> None:
            found = value(state)
            before = state.dot
            if not true(found):
                otherwise(state)
                return
            state.dot = found if kind == "with" else before
            try:
                body(state)
            finally:
                state.dot = before

        return _scoped(decide)

    def _define(self, words: "_Words") -> None:
        name = words.string()
        words.finish()
        known, loops = self._known, self._loops
        self._known, self._loops = ["$"], 0
        body, ended = self._block()
        self._known, self._loops = known, loops
        if ended is None or ended.words[0].text != "end":
            raise TemplateError(f"{{{{ {words.said} }}}} is never ended")
        self._templates[name] = body

    def _template(self, words: "_Words") -> Write:
        name = words.string()
        self._called.append(name)
        given: Value = _none
        if words.left():
            given = self._pipeline(words, declares=0)[1]
        words.finish()

        def call(state: _State) -> None:
            if state.depth >= _DEEPEST:
                raise TemplateError(f"template {name!r} calls itself without end")
            dot = given(state)
            inner = _State(state.around, dot, [("$", dot)], state.out, state.depth + 1)
            self._templates[name](inner)

        return call

    # --- values --------------------------------------------------------------------------------------------------

    def _pipeline(
        self, words: "_Words", *, declares: int, sets: bool = True
    ) -> tuple[tuple[str, ...], Value]:
        """The variables that are declared or set, and the value; with `sets`, the value is put into them."""
        names, sign = words.declaration(declares)
        value = self._command(words, None)
        while words.take("|"):
            value = self._command(words, value)
        if sign == "=":
            for name in names:
                self._check(name, words)
        self._known += names if sign == ":=" else ()
        if not names or not sets:
            return names, value
        (name,) = names

        def put(state: _State) -> Any:
            found = value(state)
            if sign == ":=":
                state.variables.append((name, found))
            else:
                state.assign(name, found)
            return found

        return names, put

    def _command(self, words: "_Words", before: Value | None) -> Value:
        first = words.peek()
        if first is not None and first.kind == "name" and first.text not in ("true", "false", "nil"):
            words.next()
            arguments = list(self._operands(words))
            if before is not None:
                arguments.append(before)
            return _calling(first.text, arguments, words.said)
        operands = list(self._operands(words))
        if len(operands) != 1 or before is not None:
            raise TemplateError(f"{{{{ {words.said} }}}} is not understood: only functions take arguments")
        return operands[0]

    def _operands(self, words: "_Words") -> Iterator[Value]:
        while (word := words.peek()) is not None and word.text not in ("|", ")"):
            words.next()
            value = self._operand(word, words)
            while (more := words.peek()) is not None and more.kind == "fields" and more.touches:
                words.next()
                value = _field(value, more.text)
            yield value

    def _operand(self, word: Word, words: "_Words") -> Value:
        match word.kind:
            case "dot":
                return lambda state: state.dot
            case "fields":
                return _field(lambda state: state.dot, word.text)
            case "variable":
                self._check(word.text, words)
                return lambda state: state.value(word.text)
            case "text":
                return _constant(_string(word))
            case "number":
                return _constant(_numeral(word, words))
            case "name" if word.text in ("true", "false", "nil"):
                return _constant({"true": True, "false": False}.get(word.text))
            case "name":
                return _calling(word.text, [], words.said)
        if word.text == "(":
            _, value = self._pipeline(words, declares=0)
            if not words.take(")"):
                raise TemplateError(f"{{{{ {words.said} }}}} lacks a )")
            return value
        raise TemplateError(f"{word.text!r} is not understood in {{{{ {words.said} }}}}")

    def _check(self, name: str, words: "_Words") -> None:
        if name not in self._known:
            raise TemplateError(f"undefined variable {name!r} in {{{{ {words.said} }}}}")


class _Words:
    """The words of one action, and how far they have been read."""

    def __init__(self, action: Action, at: int) -> None:
        self.said = action.said
        self._words = action.words
        self._at = at

    def peek(self) -> Word | None:
        return self._words[self._at] if self.left() else None

    def left(self) -> bool:
        return self._at < len(self._words)

    def next(self) -> None:
        self._at += 1

    def take(self, text: str) -> bool:
        word = self.peek()
        found = word is not None and (word.kind, word.text) == ("sign", text)
        self._at += found
        return found

    def string(self) -> str:
        word = self.peek()
        if word is None or word.kind != "text":
            raise TemplateError(f"{{{{ {self.said} }}}} lacks a name in quotes")
        self.next()
        return _string(word)

    def declaration(self, most: int) -> tuple[tuple[str, ...], str]:
        """Variables before := or =, and which of the two."""
        texts = [word.text for word in self._words[self._at : self._at + 4]]
        kinds = [word.kind for word in self._words[self._at : self._at + 4]]
        for count, form in ((1, ["variable", "sign"]), (2, ["variable", "sign", "variable", "sign"])):
            sign = texts[len(form) - 1] if len(texts) >= len(form) else ""
            if kinds[: len(form)] == form and sign in (":=", "=") and (count == 1 or texts[1] == ","):
                if count > most:
                    break
                self._at += len(form)
                return tuple(texts[: len(form) : 2]), sign
        return (), ""

    def finish(self) -> None:
        if (word := self.peek()) is not None:
            raise TemplateError(f"{word.text!r} is not understood in {{{{ {self.said} }}}}")


# --- what is written -------------------------------------------------------------------------------------------------


def _nothing(_state: _State) -> None:
    return


def _none(_state: _State) -> Any:
    return None


def _ignored(_value: Any) -> None:
    return


def _copying(text: str) -> Write:
    return lambda state: state.out.append(text)


def _constant(value: Any) -> Value:
    return lambda _state: value


def _raising(kind: type[Exception]) -> Write:
    def write(_state: _State) -> None:
        raise kind

    return write


def _all(writes: Sequence[Write]) -> Write:
    def write(state: _State) -> None:
        for one in writes:
            one(state)

    return _scoped(write)


def _scoped(inner: Write) -> Write:
    """What is declared inside is gone afterwards."""

    def write(state: _State) -> None:
        mark = len(state.variables)
        try:
            inner(state)
        finally:
            del state.variables[mark:]

    return write


def _ranging(names: tuple[str, ...], value: Value, body: Write, otherwise: Write) -> Write:
    def write(state: _State) -> None:
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
                except _Continue:
                    continue
        except _Break:
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


def _field(value: Value, path: str) -> Value:
    names = path[1:].split(".")

    def found(state: _State) -> Any:
        current = value(state)
        for name in names:
            if current is None:
                return None
            if not isinstance(current, Mapping):
                raise TemplateError(f"can't evaluate field {name} in {shown(current)}")
            current = current.get(name)
        return current

    return found


def _calling(name: str, arguments: list[Value], said: str) -> Value:
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

    def call(state: _State) -> Any:
        given = [one(state) for one in arguments]
        try:
            return function(state.around, *given) if local is not None else function(*given)
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            raise TemplateError(f"{{{{ {said} }}}}: {name}: {error}") from error

    return call


def _first_that_decides(arguments: list[Value], *, wanted: bool) -> Value:
    def decide(state: _State) -> Any:
        found = None
        for one in arguments:
            found = one(state)
            if true(found) is wanted:
                return found
        return found

    return decide


def _string(word: Word) -> str:
    if word.text.startswith("`"):
        return word.text[1:-1]
    try:
        return str(orjson.loads(word.text))
    except orjson.JSONDecodeError:
        raise TemplateError(f"{word.text} is no text") from None


def _numeral(word: Word, words: _Words) -> int | float:
    for kind in (lambda text: int(text, 0), float):
        try:
            return kind(word.text)
        except ValueError:
            continue
    raise TemplateError(f"{word.text!r} is no number in {{{{ {words.said} }}}}")
