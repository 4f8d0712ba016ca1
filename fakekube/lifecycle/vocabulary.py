"""What a stage may refer to, checked where it stands in the file: names of the context, paths into the object, CEL
expressions and templates."""

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from fakekube.lifecycle.places import Place
from fakekube.lifecycle.requirements import Key, Program
from fakekube.lifecycle.stage import Compile
from fakekube.lifecycle.templates import Renders, Template, is_one_name

NamesOfKind = frozenset[str] | None  # None: any

_NAME = re.compile(r"[A-Za-z_][\w.-]*")
_GO = re.compile(r"\{\{-? ")  # with a space; ours double a brace to mean one
_FORMS: Mapping[str, type] = {"mapping": dict, "list": list, "text": str}


class Vocabulary(Struct, frozen=True):
    """`names`: what the context offers, where that is known. `cel` compiles expressions, where somebody can."""

    names: NamesOfKind = None
    cel: Compile | None = None
    roots: frozenset[str] = frozenset({"object"})

    def with_items(self) -> "Vocabulary":
        """The same where things are said of each item of a list."""
        return replace(self, roots=self.roots | {"item"})

    def check(self, place: Place, used: frozenset[str]) -> None:
        if self.names is None:
            return
        for name in sorted(used):
            if name != "now" and name.partition(".")[0] not in self.roots and name not in self.names:
                known = ", ".join(["now", "object.…", *sorted(self.names)])
                raise place.fail(f"nobody provides {{{name}}}; known here: {known}")

    def key(self, place: Place) -> Key:
        """A name, or else an expression."""
        text = place.text()
        if _NAME.fullmatch(text) is None:
            return place.expression()
        self.check(place, frozenset({text}))
        return text

    def program(self, place: Place) -> Program:
        """An expression in CEL."""
        if self.cel is None:
            raise place.fail("CEL is not understood here")
        try:
            return self.cel(place.text())
        except ValueError as error:
            raise place.fail(f"not CEL: {error}") from None

    def origin(self, place: Place | None) -> Key | None:
        """Where a delay or a weight comes from."""
        if place is None:
            return None
        parts = place.fields("expressionFrom", "jq", "cel")
        if len(parts) != 1:
            raise place.fail("must be one of expressionFrom, jq, cel")
        [(word, inner)] = parts.items()
        if word == "expressionFrom":
            return self.key(inner)
        members = inner.fields("expression")
        inner.need(members, "expression")
        found = members["expression"]
        return self.program(found) if word == "cel" else self.key(found)

    def template(self, place: Place, form: str = "mapping", *, go: bool = False) -> Renders:
        """Data to be filled in; or a text, which is a Go template where `go` says so, or where it looks like one."""
        wanted, data = _FORMS[form], place.value
        try:
            if isinstance(data, str) and (made := _go_template(data, form, go=go)) is not None:
                return made
            template = Template(data)
        except ValueError as error:
            raise place.fail(str(error)) from None
        if not isinstance(data, wanted) and not template.is_one_name:
            raise place.fail(f"must be a {form}, or one name, not {data!r}")
        self.check(place, template.names)
        return template


def _go_template(text: str, form: str, *, go: bool) -> Renders | None:
    """None where it is none of Go's."""
    if is_one_name(text) if form != "text" else not (go or _GO.search(text)):
        return None
    from fakekube.lifecycle import go_templates  # noqa: PLC0415 - stages of the package need none

    return go_templates.GoText(text) if form == "text" else go_templates.GoYaml(text, _FORMS[form])
