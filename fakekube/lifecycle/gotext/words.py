"""The words of one action, read one after the other."""

import orjson

from fakekube.lifecycle.gotext.lexing import Action, TemplateError, Word


class Words:
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
        return string(word)

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


def string(word: Word) -> str:
    if word.text.startswith("`"):
        return word.text[1:-1]
    try:
        return str(orjson.loads(word.text))
    except orjson.JSONDecodeError:
        raise TemplateError(f"{word.text} is no text") from None


def numeral(word: Word, words: Words) -> int | float:
    for kind in (lambda text: int(text, 0), float):
        try:
            return kind(word.text)
        except ValueError:
            continue
    raise TemplateError(f"{word.text!r} is no number in {{{{ {words.said} }}}}")
