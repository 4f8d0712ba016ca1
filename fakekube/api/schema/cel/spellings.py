"""Named formats: `format.dns1123Label().validate(name)` answers an optional list of complaints.

k8s: staging/src/k8s.io/apiserver/pkg/cel/library/format.go
"""

import re
from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct

from fakekube.api.schema import formats, names
from fakekube.api.schema.cel.networks import parse_url, parses
from fakekube.api.schema.cel.overloads import Library
from fakekube.api.schema.cel.types import FORMAT, STRING, list_of, optional_of
from fakekube.api.schema.cel.values import NONE, Optional

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"


class NamedFormat(Struct, frozen=True):
    cel_type: ClassVar[str] = "kubernetes.NamedFormat"
    name: str
    complaints: Callable[[str], list[str]]

    def validate(self, text: str) -> Optional:
        found = self.complaints(text)
        return Optional(present=True, content=found) if found else NONE


def _shaped(pattern: str, limit: int, what: str) -> Callable[[str], list[str]]:
    shape = re.compile(pattern)

    def complaints(text: str) -> list[str]:
        found = [f"must be no more than {limit} characters"] if len(text) > limit else []
        return (
            found if shape.fullmatch(text) else [*found, f"{what} (regex used for validation is '{pattern}')"]
        )

    return complaints


def _checked(test: Callable[[str], object], text: str) -> Callable[[str], list[str]]:
    return lambda value: [] if test(value) else [text]


def _prefix(complaints: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Generated names: a stem may end in a dash, since more follows."""
    return lambda text: complaints(f"{text[:-1]}a" if text.endswith("-") else text)


def _formats() -> dict[str, NamedFormat]:
    label = _shaped(
        _LABEL, 63, "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'"
    )
    subdomain = _shaped(
        _SUBDOMAIN,
        253,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
    )
    found: dict[str, Callable[[str], list[str]]] = {
        "dns1123Label": label,
        "dns1123Subdomain": subdomain,
        "dns1035Label": names.dns1035_label,
        "dns1123LabelPrefix": _prefix(label),
        "dns1123SubdomainPrefix": _prefix(subdomain),
        "dns1035LabelPrefix": _prefix(names.dns1035_label),
        "qualifiedName": _shaped(rf"({_SUBDOMAIN}/)?{_QUALIFIED}", 317, "a qualified name"),
        "labelValue": _shaped(f"({_QUALIFIED})?", 63, "a valid label"),
        "uri": _checked(parses(parse_url), "invalid URI"),
    }
    for name, kind in (("uuid", "uuid"), ("byte", "byte"), ("date", "date"), ("datetime", "date-time")):
        test = formats.checker(kind)
        assert test is not None
        found[name] = _checked(test, f"invalid {kind}")
    return {name: NamedFormat(name, complaints) for name, complaints in found.items()}


def install(library: Library) -> None:
    known = _formats()
    for name, one in known.items():
        library.add(f"format.{name}", (), FORMAT, _constant(one))
    library.add("format.named", (STRING,), optional_of(FORMAT), lambda name: _named(known, name))
    library.member("validate", (FORMAT, STRING), optional_of(list_of(STRING)), NamedFormat.validate)


def _constant(one: NamedFormat) -> Callable[[], NamedFormat]:
    return lambda: one


def _named(known: dict[str, NamedFormat], name: str) -> Optional:
    return Optional(present=True, content=known[name]) if name in known else NONE
