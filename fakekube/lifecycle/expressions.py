"""Looking into an object: the part of jq that stage files need.

    .spec.nodeName                                              a member
    .metadata.annotations["example.com/delay"]                  a member whose name is no word
    .status.containerStatuses[0].ready                          an item
    .metadata.ownerReferences[].kind                            every item (kwok's `.[]` is read as well)
    .status.conditions[] | select(.type == "Ready") | .status   the items that pass a test
    .metadata.labels.tier // "none"                             or else
    [.spec.containers[] | select(.image | test("cirros"))] | length >= 1

Beside these: `,` `and` `or` `+` `-` `*` `/` `%`, comparisons, `?`, `if … then … else … end`, lists, and the functions of
`jq_functions`. Variables, definitions, `reduce` and objects are refused.

An expression gives the list of values it finds; what is absent or null is not found. Where jq would stop with an error,
nothing is found, as in kwok.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fakekube.lifecycle.jq_functions import (
    PLAIN,
    WITH_FILTER,
    WITH_VALUE,
    Filter,
    JqError,
    each,
    kind,
    member,
    order,
    plus,
    true,
)

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


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    find: Filter
    path: tuple[str, ...] = ()  # where it is nothing but members: their names, which is quicker to follow

    def values(self, obj: Any) -> list[Any]:
        """Everything the expression finds in `obj`."""
        if self.path:
            for name in self.path:
                obj = obj.get(name) if isinstance(obj, dict) else None
                if obj is None:
                    return []
            return [obj]
        try:
            return [one for one in self.find(obj) if one is not None]
        except JqError:
            return []

    def first(self, obj: Any) -> Any:
        """The first value found, or None."""
        return next(iter(self.values(obj)), None)


def parse(text: str) -> Expression:
    """Read an expression. Raises ValueError, saying where it stops making sense."""
    parser = _Parser(text)
    find = parser.pipe()
    parser.end()
    return Expression(text, find, tuple(parser.path or ()))


class _Parser:
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
            found = _piped(found, self._comma())
        self._depth -= 1
        return found

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise self._lost()

    def _comma(self) -> Filter:
        found = self._alternative()
        while self._sign(","):
            found = _both(found, self._alternative())
        return found

    def _alternative(self) -> Filter:
        found = self._either()
        return _or_else(found, self._alternative()) if self._sign("//") else found

    def _either(self) -> Filter:
        found = self._all()
        while self._word("or"):
            found = _joined(found, self._all(), stops=True)
        return found

    def _all(self) -> Filter:
        found = self._compared()
        while self._word("and"):
            found = _joined(found, self._compared(), stops=False)
        return found

    def _compared(self) -> Filter:
        found = self._sum()
        for sign, does in _COMPARISONS.items():
            if self._sign(sign):
                return _computed(found, self._sum(), does)
        return found

    def _sum(self) -> Filter:
        found = self._product()
        while (does := self._one_of(_SUMS)) is not None:
            found = _computed(found, self._product(), does)
        return found

    def _product(self) -> Filter:
        found = self._postfixed()
        while (does := self._one_of(_PRODUCTS)) is not None:
            found = _computed(found, self._postfixed(), does)
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
                found = _forgiving(found)
            else:
                return found

    def _primary(self) -> Filter:
        if (name := self._take("name")) is not None:
            return self._named(_itself, name)
        if self._sign("."):
            if (quoted := self._take("string")) is not None:
                return self._named(_itself, self._literal(quoted))
            return _itself
        if self._peek()[0] != "":
            self.path = None
        if self._sign("("):
            return self._closed(self.pipe(), ")")
        if self._sign("["):
            if self._sign("]"):
                return _constant([])
            inner = self._closed(self.pipe(), "]")
            return lambda value: iter([list(inner(value))])
        if self._sign("-"):
            inner = self._postfixed()
            return _computed(_constant(0), inner, _SUMS["-"])
        for what in ("string", "number"):
            if (literal := self._take(what)) is not None:
                return _constant(self._literal(literal))
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
            return _constant(_CONSTANTS[word])
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
            no = self.pipe() if self._word("else") else _itself
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

    def _one_of(self, signs: Mapping[str, "Computes"]) -> "Computes | None":
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


Computes = Callable[[Any, Any], Any]


def _itself(value: Any) -> Iterator[Any]:
    yield value


def _constant(constant: Any) -> Filter:
    return lambda _: iter([constant])


def _piped(first: Filter, then: Filter) -> Filter:
    return lambda value: (found for one in first(value) for found in then(one))


def _both(first: Filter, then: Filter) -> Filter:
    def both(value: Any) -> Iterator[Any]:
        yield from first(value)
        yield from then(value)

    return both


def _or_else(first: Filter, otherwise: Filter) -> Filter:
    def found(value: Any) -> Iterator[Any]:
        good = [one for one in _forgiving(first)(value) if true(one)]
        return iter(good) if good else otherwise(value)

    return found


def _joined(first: Filter, then: Filter, *, stops: bool) -> Filter:
    """`or` and `and`: what decides alone need not ask the other."""
    return lambda value: (
        stops if true(one) is stops else true(other)
        for one in first(value)
        for other in ((None,) if true(one) is stops else then(value))
    )


def _computed(left: Filter, right: Filter, does: Computes) -> Filter:
    return lambda value: (does(one, other) for other in right(value) for one in left(value))


def _forgiving(inner: Filter) -> Filter:
    def found(value: Any) -> Iterator[Any]:
        try:
            yield from inner(value)
        except JqError:
            return

    return found


def _counted(does: Computes) -> Computes:
    def counted(left: Any, right: Any) -> Any:
        if kind(left) != "number" or kind(right) != "number":
            raise JqError(f"cannot reckon with {kind(left)} and {kind(right)}")
        try:
            return does(left, right)
        except ArithmeticError as error:
            raise JqError(str(error)) from None

    return counted


_COMPARISONS: Mapping[str, Computes] = {
    "==": lambda left, right: order(left) == order(right),
    "!=": lambda left, right: order(left) != order(right),
    "<=": lambda left, right: order(left) <= order(right),
    ">=": lambda left, right: order(left) >= order(right),
    "<": lambda left, right: order(left) < order(right),
    ">": lambda left, right: order(left) > order(right),
}
_SUMS: Mapping[str, Computes] = {"+": plus, "-": _counted(lambda left, right: left - right)}
_PRODUCTS: Mapping[str, Computes] = {
    "*": _counted(lambda left, right: left * right),
    "/": _counted(lambda left, right: left / right),
    "%": _counted(lambda left, right: int(left) % int(right)),
}
