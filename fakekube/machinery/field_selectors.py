"""Field selectors: `metadata.name=a,status.phase!=Running`. Which paths a kind offers is the kind's business.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/fields/selector.go
"""

from msgspec import Struct

from fakekube.machinery.selectors import SelectorError


class FieldTerm(Struct, frozen=True):
    """One term of a field selector: a path that has to equal a value, or not."""

    path: str
    value: str
    equal: bool = True


def parse(text: str) -> tuple[FieldTerm, ...]:
    """A field selector: `metadata.name=a,status.phase!=Running`. Backslash escapes comma, equals and itself."""
    found = []
    for term in sorted(
        _split_terms(text)
    ):  # upstream sorts first: it decides which bad term is complained about
        if not term:
            continue
        path, operator, value = _split_operator(term)
        if not operator:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append(FieldTerm(path, _unescape(value), operator != "!="))
    return tuple(found)


def _split_terms(text: str) -> list[str]:
    terms, current, escaped = [], "", False
    for char in text:
        if not escaped and char == ",":
            terms.append(current)
            current = ""
            continue
        escaped = not escaped and char == "\\"
        current += char
    return [*terms, current]


def _split_operator(term: str) -> tuple[str, str, str]:
    for at in range(len(term)):
        for operator in ("!=", "==", "="):
            if term.startswith(operator, at):
                return term[:at], operator, term[at + len(operator) :]
    return term, "", ""


def _unescape(value: str) -> str:
    return value.replace("\\\\", "\0").replace("\\,", ",").replace("\\=", "=").replace("\0", "\\")
