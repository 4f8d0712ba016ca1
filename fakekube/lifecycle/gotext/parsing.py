"""Pieces → functions that write. A word after the other, as Go's own parser does, so what it refuses is refused here."""

from collections.abc import Iterator
from typing import Any

from fakekube.lifecycle.gotext import running
from fakekube.lifecycle.gotext.functions import Surroundings, shown, true
from fakekube.lifecycle.gotext.lexing import Action, TemplateError, Word, pieces
from fakekube.lifecycle.gotext.running import State, Value, Write
from fakekube.lifecycle.gotext.words import Words, numeral, string

_DEEPEST = 100  # templates within templates


class Text:
    """A template. Raises TemplateError, saying what is not understood."""

    def __init__(self, text: str) -> None:
        try:
            self._write = _Parser(text).whole()
        except RecursionError:
            raise TemplateError("the template is nested too deep") from None

    def render(self, around: Surroundings) -> str:
        """The text for one object. Raises TemplateError for what cannot be carried out."""
        state = State(around, around.obj, [("$", around.obj)])
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
                writes.append(running.copying(piece))
                continue
            if piece.words and piece.words[0].text in ("else", "end"):
                ended = piece
                break
            if (write := self._action(piece)) is not None:
                writes.append(write)
        del self._known[mark:]
        return running.sequence(writes), ended

    def _action(self, action: Action) -> Write | None:
        first = action.words[0].text if action.words else ""
        rest = Words(action, 1)
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
                return running.raising(running.Break if first == "break" else running.Continue)
            case "block":
                raise TemplateError("{{ block }} is not understood; use define and template")
        words = Words(action, 0)
        declared, value = self._pipeline(words, declares=1)
        words.finish()
        if declared:
            return lambda state: running.ignored(value(state))

        def write(state: State) -> None:
            state.out.append(shown(value(state)))

        return write

    def _deciding(self, kind: str, words: "Words") -> Write:
        mark = len(self._known)
        declared, value = self._pipeline(words, declares=2 if kind == "range" else 1, sets=kind != "range")
        words.finish()
        self._loops += kind == "range"
        body, ended = self._block()
        self._loops -= kind == "range"
        otherwise: Write = running.nothing
        if ended is not None and ended.words[0].text == "else":
            if len(ended.words) > 1:
                following = ended.words[1].text
                if following != kind or kind == "range":
                    raise TemplateError(f"{{{{ {ended.said} }}}} is not understood")
                otherwise = self._deciding(kind, Words(ended, 2))
                ended = Action("end", (Word("name", "end"),))
            else:
                otherwise, ended = self._block()
        if ended is None or ended.words[0].text != "end" or len(ended.words) > 1:
            raise TemplateError(f"{{{{ {words.said} }}}} is never ended")
        del self._known[mark:]
        if kind == "range":
            return running.scoped(running.ranging(declared, value, body, otherwise))

        def decide(state: State) -> None:
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

        return running.scoped(decide)

    def _define(self, words: "Words") -> None:
        name = words.string()
        words.finish()
        known, loops = self._known, self._loops
        self._known, self._loops = ["$"], 0
        body, ended = self._block()
        self._known, self._loops = known, loops
        if ended is None or ended.words[0].text != "end":
            raise TemplateError(f"{{{{ {words.said} }}}} is never ended")
        self._templates[name] = body

    def _template(self, words: "Words") -> Write:
        name = words.string()
        self._called.append(name)
        given: Value = running.none
        if words.left():
            given = self._pipeline(words, declares=0)[1]
        words.finish()

        def call(state: State) -> None:
            if state.depth >= _DEEPEST:
                raise TemplateError(f"template {name!r} calls itself without end")
            dot = given(state)
            inner = State(state.around, dot, [("$", dot)], state.out, state.depth + 1)
            self._templates[name](inner)

        return call

    # --- values --------------------------------------------------------------------------------------------------

    def _pipeline(self, words: "Words", *, declares: int, sets: bool = True) -> tuple[tuple[str, ...], Value]:
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

        def put(state: State) -> Any:
            found = value(state)
            if sign == ":=":
                state.variables.append((name, found))
            else:
                state.assign(name, found)
            return found

        return names, put

    def _command(self, words: "Words", before: Value | None) -> Value:
        first = words.peek()
        if first is not None and first.kind == "name" and first.text not in ("true", "false", "nil"):
            words.next()
            arguments = list(self._operands(words))
            if before is not None:
                arguments.append(before)
            return running.calling(first.text, arguments, words.said)
        operands = list(self._operands(words))
        if len(operands) != 1 or before is not None:
            raise TemplateError(f"{{{{ {words.said} }}}} is not understood: only functions take arguments")
        return operands[0]

    def _operands(self, words: "Words") -> Iterator[Value]:
        while (word := words.peek()) is not None and word.text not in ("|", ")"):
            words.next()
            value = self._operand(word, words)
            while (more := words.peek()) is not None and more.kind == "fields" and more.touches:
                words.next()
                value = running.field(value, more.text)
            yield value

    def _operand(self, word: Word, words: "Words") -> Value:
        match word.kind:
            case "dot":
                return lambda state: state.dot
            case "fields":
                return running.field(lambda state: state.dot, word.text)
            case "variable":
                self._check(word.text, words)
                return lambda state: state.value(word.text)
            case "text":
                return running.constant(string(word))
            case "number":
                return running.constant(numeral(word, words))
            case "name" if word.text in ("true", "false", "nil"):
                return running.constant({"true": True, "false": False}.get(word.text))
            case "name":
                return running.calling(word.text, [], words.said)
        if word.text == "(":
            _, value = self._pipeline(words, declares=0)
            if not words.take(")"):
                raise TemplateError(f"{{{{ {words.said} }}}} lacks a )")
            return value
        raise TemplateError(f"{word.text!r} is not understood in {{{{ {words.said} }}}}")

    def _check(self, name: str, words: "Words") -> None:
        if name not in self._known:
            raise TemplateError(f"undefined variable {name!r} in {{{{ {words.said} }}}}")
