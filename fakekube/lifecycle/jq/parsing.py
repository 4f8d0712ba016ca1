"""Texts in jq → filters. What is not understood is refused, saying where."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from fakekube.lifecycle.jq import filters
from fakekube.lifecycle.jq.functions import PLAIN, WITH_FILTER, WITH_VALUE, Filter, each, member, true

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | \.(?P<name>[A-Za-z_][\w-]*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>//|==|!=|<=|>=|[.\[\]()|,<>+*/%?-])
    )""",
    re.VERBOSE,
)
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_DEEPEST = 50


class Parser:
    """By descent, from what binds least. Every method gives a filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._lexed())
        self._at = 0
        self._depth = 0
        self.path: list[str] | None = []  # while it is nothing but members

    def pipe(self) -> Filter:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"the expression {self._text!r} is nested too deep")
        found = self._comma()
        while self._sign("|"):
            found = filters.piped(found, self._comma())
        self._depth -= 1
        return found

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._lost()

    def _comma(self) -> Filter:
        found = self._alternative()
        while self._sign(","):
            found = filters.both_of(found, self._alternative())
        return found

    def _alternative(self) -> Filter:
        found = self._either()
        return filters.or_else(found, self._alternative()) if self._sign("//") else found

    def _either(self) -> Filter:
        found = self._all()
        while self._word("or"):
            found = filters.joined(found, self._all(), stops=True)
        return found

    def _all(self) -> Filter:
        found = self._compared()
        while self._word("and"):
            found = filters.joined(found, self._compared(), stops=False)
        return found

    def _compared(self) -> Filter:
        found = self._sum()
        for sign, does in filters.COMPARISONS.items():
            if self._sign(sign):
                return filters.computed(found, self._sum(), does)
        return found

    def _sum(self) -> Filter:
        found = self._product()
        while (does := self._one_of(filters.SUMS)) is not None:
            found = filters.computed(found, self._product(), does)
        return found

    def _product(self) -> Filter:
        found = self._postfixed()
        while (does := self._one_of(filters.PRODUCTS)) is not None:
            found = filters.computed(found, self._postfixed(), does)
        return found

    def _postfixed(self) -> Filter:
        found = self._primary()
        while True:
            if (name := self._take("name")) is not None:
                found = self._named(found, name)
            elif self._peek() == ("sign", ".") and self._peek(1) in (("sign", "["), ("sign", "]")):
                self._at += 1  # kwok's `.[]`
            elif self._peek() == ("sign", ".") and self._peek(1)[0] == "string":
                self._at += 1
                found = self._named(found, self._literal(str(self._take("string"))))
            elif self._sign("["):
                found = self._indexed(found)
            elif self._sign("?"):
                found = filters.forgiving(found)
            else:
                return found

    def _primary(self) -> Filter:
        if (name := self._take("name")) is not None:
            return self._named(filters.itself, name)
        if self._sign("."):
            if (quoted := self._take("string")) is not None:
                return self._named(filters.itself, self._literal(quoted))
            return filters.itself
        if self._peek()[0] != "":
            self.path = None
        if self._sign("("):
            return self._closed(self.pipe(), ")")
        if self._sign("["):
            if self._sign("]"):
                return filters.constant([])
            inner = self._closed(self.pipe(), "]")
            return lambda value: iter([list(inner(value))])
        if self._sign("-"):
            inner = self._postfixed()
            return filters.computed(filters.constant(0), inner, filters.SUMS["-"])
        for what in ("string", "number"):
            if (literal := self._take(what)) is not None:
                return filters.constant(self._literal(literal))
        if (word := self._take("word")) is not None:
            return self._called(word)
        raise self._lost()

    def _named(self, found: Filter, name: str) -> Filter:
        if self.path is not None:
            self.path.append(name)
        return lambda value: (member(one, name) for one in found(value))

    def _indexed(self, found: Filter) -> Filter:
        if self._sign("]"):
            self.path = None
            return lambda value: (item for one in found(value) for item in each(one))
        if self.path is not None and self._peek()[0] == "string" and self._peek(1) == ("sign", "]"):
            name = self._literal(str(self._take("string")))
            return self._closed(self._named(found, name), "]")
        self.path = None
        key = self._closed(self.pipe(), "]")
        return lambda value: (member(one, at) for one in found(value) for at in key(value))

    def _called(self, word: str) -> Filter:
        if word in _CONSTANTS:
            return filters.constant(_CONSTANTS[word])
        if word == "empty":
            return lambda _: iter(())
        if word == "if":
            return self._branches()
        if not self._sign("("):
            if word not in PLAIN:
                raise ValueError(f"there is no {word} in the expression {self._text!r}")
            does = PLAIN[word]
            return lambda value: iter([does(value)])
        inner = self._closed(self.pipe(), ")")
        if word in WITH_FILTER:
            sifts = WITH_FILTER[word]
            return lambda value: sifts(inner, value)
        if word not in WITH_VALUE:
            raise ValueError(f"there is no {word}(…) in the expression {self._text!r}")
        asks = WITH_VALUE[word]
        return lambda value: (asks(value, one) for one in inner(value))

    def _branches(self) -> Filter:
        test = self.pipe()
        if not self._word("then"):
            raise self._lost()
        yes = self.pipe()
        if self._word("elif"):
            no = self._branches()
        else:
            no = self.pipe() if self._word("else") else filters.itself
            if not self._word("end"):
                raise self._lost()
        return lambda value: (found for one in test(value) for found in (yes if true(one) else no)(value))

    # --- tokens --------------------------------------------------------------------------------------------------

    def _lexed(self) -> Iterator[tuple[str, str, int]]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            token = _TOKEN.match(self._text, at)
            if token is None:
                raise ValueError(f"cannot read {self._text[at:].strip()!r} in the expression {self._text!r}")
            what = str(token.lastgroup)
            yield what, token[what], at
            at = token.end()

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._at + ahead
        return self._tokens[at][:2] if at < len(self._tokens) else ("", "")

    def _take(self, what: str) -> str | None:
        found, text = self._peek()
        if found != what:
            return None
        self._at += 1
        return text

    def _sign(self, text: str) -> bool:
        return self._is("sign", text)

    def _word(self, text: str) -> bool:
        return self._is("word", text)

    def _is(self, what: str, text: str) -> bool:
        if self._peek() != (what, text):
            return False
        self._at += 1
        if text not in ("|", ".", "[", "]"):
            self.path = None
        return True

    def _one_of(self, signs: Mapping[str, "filters.Computes"]) -> "filters.Computes | None":
        return next((does for sign, does in signs.items() if self._sign(sign)), None)

    def _closed(self, found: Filter, sign: str) -> Filter:
        if not self._sign(sign):
            raise self._lost()
        return found

    def _literal(self, text: str) -> Any:
        if "\\(" in text:
            raise ValueError(
                f"texts with something put in are not read: {text} in the expression {self._text!r}"
            )
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            raise ValueError(f"cannot read {text} in the expression {self._text!r}") from None

    def _lost(self) -> ValueError:
        if self._at >= len(self._tokens):
            return ValueError(
                f"the expression {self._text!r} ends too early; begin with a dot, as in .spec.nodeName"
            )
        rest = self._text[self._tokens[self._at][2] :].strip()
        return ValueError(f"cannot read {rest!r} in the expression {self._text!r}")
