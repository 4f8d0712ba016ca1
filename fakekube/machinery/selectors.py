"""Label selectors: parse the query text and the object form, match, print canonically. Field selectors live next door.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/labels/selector.go, and apis/meta/v1/helpers.go.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from fakekube.machinery import digits, names
from fakekube.machinery.field_errors import show


class SelectorError(ValueError):
    """A selector that cannot be read; the text is the real parser's."""


IN, NOT_IN, EXISTS, DOES_NOT_EXIST, GT, LT = "in", "notin", "exists", "!", "gt", "lt"


class Requirement(Struct, frozen=True, dict=True):
    """One term: a key, an operator and the values it looks for."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    bare: bool = False  # written `k=v` rather than `k in (v)`

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == IN:
            return value is not None and value in self.values
        if self.operator == NOT_IN:
            return value is None or value not in self.values
        if self.operator == EXISTS:
            return value is not None
        if self.operator == DOES_NOT_EXIST:
            return value is None
        number, bound = digits.integer(value or ""), digits.integer(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator == GT else number < bound

    def __str__(self) -> str:
        if self.operator == EXISTS:
            return self.key
        if self.operator == DOES_NOT_EXIST:
            return f"!{self.key}"
        if self.operator in (GT, LT):
            return f"{self.key}{'>' if self.operator == GT else '<'}{self.values[0]}"
        if self.bare:
            return f"{self.key}{'=' if self.operator == IN else '!='}{self.values[0]}"
        return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"


class Selector(Struct, frozen=True, dict=True):
    """All requirements together. Without any it matches everything, unless it is NOTHING."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.nothing and all(one.matches(labels) for one in self.requirements)

    @property
    def everything(self) -> bool:
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        """The canonical text: requirements sorted by key, as `status.labelSelector` holds it."""
        return ",".join(str(one) for one in sorted(self.requirements, key=lambda one: one.key))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)

_OBJECT_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}


def from_object(selector: Mapping[str, Any] | None) -> Selector:
    """A `metav1.LabelSelector`. Null matches nothing, `{}` everything. Raises SelectorError, for misspelled labels too."""
    if selector is None:
        return NOTHING
    found = [
        Requirement(key, IN, (value,), bare=True)
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = _OBJECT_OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(requirement(expression.get("key", ""), operator, tuple(expression.get("values") or ())))
    for one in found:
        check_spelling(one)
    return Selector(tuple(found))


@lru_cache(maxsize=4096)  # the same selectors are read again and again
def check_spelling(term: Requirement) -> None:
    """Whether labels may have this key and these values. Raises SelectorError."""
    if wrong := names.qualified_name(term.key):
        raise SelectorError(f"<nil>: Invalid value: {show(term.key)}: {'; '.join(wrong)}")
    found = [
        f"values[{index}][{term.key}]: Invalid value: {show(value)}: {'; '.join(wrong)}"
        for index, value in enumerate(term.values)
        if (wrong := names.label_value(value))
    ]
    if found:
        raise SelectorError(found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def requirement(key: str, operator: str, values: tuple[str, ...]) -> Requirement:
    """A term whose operator has as many values as it needs, of the kind it needs. Raises SelectorError."""
    wrong = ""
    if operator in (IN, NOT_IN) and not values:
        wrong = "for 'in', 'notin' operators, values set can't be empty"
    elif operator in (EXISTS, DOES_NOT_EXIST) and values:
        wrong = "values set must be empty for exists and does not exist"
    elif operator in (GT, LT) and len(values) != 1:
        wrong = "for 'Gt', 'Lt' operators, exactly one value is required"
    if wrong:
        raise SelectorError(f"values: Invalid value: {_go_list(values)}: {wrong}")
    if operator in (GT, LT):
        _check_integer(values[0])
    return Requirement(key, operator, values)


def _check_integer(value: str) -> None:
    if digits.integer(value) is None:
        raise SelectorError(
            f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
        )


def _go_list(values: tuple[str, ...]) -> str:
    return "[" + ",".join(f'"{value}"' for value in values) + "]"


def parse(text: str) -> Selector:
    """A label selector as it stands in a query: `a=b,c!=d,e in (f,g),!h,i`. Raises SelectorError."""
    return _Parser(text).parse()


_SYMBOLS = "()!=<>,"
_OPERATORS = {"in": IN, "notin": NOT_IN, "=": IN, "==": IN, "!=": NOT_IN, ">": GT, "<": LT}
_END = ""


class _Parser:
    """One look ahead over tokens; an empty token is the end. The error texts are upstream's."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def parse(self) -> Selector:
        found: list[Requirement] = []
        while self._peek() != _END:
            if self._peek() != "!" and not _is_word(self._peek()):
                raise SelectorError(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            token = self._next()
            if token == _END:
                break
            if token != ",":
                raise SelectorError(f"found '{token}', expected: ',' or 'end of string'")
            if self._peek() != "!" and not _is_word(self._peek()):
                raise SelectorError(f"found '{self._peek()}', expected: identifier after ','")
        return Selector(tuple(found))

    def _requirement(self) -> Requirement:
        token = self._next()
        absent = token == "!"
        if absent:
            token = self._next()
        if not _is_word(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        key = token
        if absent:
            return Requirement(key, DOES_NOT_EXIST)
        if self._peek() in (_END, ","):
            return Requirement(key, EXISTS)
        token = self._next()
        operator = _OPERATORS.get(token)
        if operator is None:
            raise SelectorError(f"found '{token}', expected: in, notin, =, ==, !=, gt, lt")
        if token in ("in", "notin"):
            return Requirement(key, operator, tuple(self._values()))
        value = self._exact()
        if operator in (GT, LT):
            _check_integer(value)
        return Requirement(key, operator, (value,), bare=True)

    def _exact(self) -> str:
        if self._peek() in (_END, ","):
            return ""
        token = self._next()
        if not _is_word(token):
            raise SelectorError(f"found '{token}', expected: identifier")
        return token

    def _values(self) -> list[str]:
        token = self._next()
        if token != "(":
            raise SelectorError(f"found '{token}' expected: '('")
        found: list[str] = []
        token = self._peek()
        if token == ")":
            self._next()
            return found
        if token != "," and not _is_word(token):
            raise SelectorError(f"found '{token}', expected: ',', ')' or identifier")
        while True:
            token = self._next()
            if _is_word(token):
                found.append(token)
                if self._peek() == ")":
                    break
                if self._peek() != ",":
                    raise SelectorError(f"found '{self._peek()}', expected: ',' or ')'")
            elif token == ",":
                if not found:
                    found.append("")
                if self._peek() == ")":
                    found.append("")
                    break
                if self._peek() == ",":
                    self._next()
                    found.append("")
            else:
                raise SelectorError(f"found '{token}', expected: ',', or identifier")
        self._next()
        return found

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token


def _is_word(token: str) -> bool:
    return token != _END and token not in ("(", ")", ",", "!", "=", "==", "!=", ">", "<")


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in " \t\r\n":
            at += 1
        elif text[at] in _SYMBOLS:
            size = 2 if text[at : at + 2] in ("==", "!=") else 1
            found.append(text[at : at + size])
            at += size
        else:
            end = at
            while end < len(text) and text[end] not in _SYMBOLS and text[end] not in " \t\r\n":
                end += 1
            found.append(text[at:end])
            at = end
    return [*found, _END]
