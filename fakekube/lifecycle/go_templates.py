"""Texts of kwok's stage files, which are Go templates for YAML, in the place of templates that are data.

    {{ $now := Now }}
    startTime: {{ $now | Quote }}
    containerStatuses:
    {{ range .spec.containers }}
    - name: {{ .name | Quote }}
    {{ end }}

What `gotext` does not understand is refused when the file is loaded; so is a text that is no YAML for an object in which
there is nothing. What goes wrong with a real object is an error when the stage plays.
"""

from functools import partial
from typing import Any

from fakekube.lifecycle import gotext
from fakekube.lifecycle.templates import Context, look_up
from fakekube.machinery import yaml_text

_NOBODY = gotext.Surroundings("2000-01-01T00:00:00Z", {}, lambda _name: None)


class GoText:
    """A template for text, with the manners of a `Template`."""

    data: Any = None
    names: frozenset[str] = frozenset()
    is_one_name = False

    def __init__(self, text: str) -> None:
        self._text = gotext.Text(text)

    def render(self, context: Context) -> Any:
        around = gotext.Surroundings(context["now"], context["object"], partial(look_up, context))
        return self._text.render(around)


class GoYaml(GoText):
    """A template for data: the YAML it comes to. `wanted`: what that is to be."""

    def __init__(self, text: str, wanted: type = dict) -> None:
        super().__init__(text)
        self._wanted = wanted
        try:
            said = self._text.render(_NOBODY)
        except gotext.TemplateError:
            return  # there has to be something in the object
        self._read(said)

    def render(self, context: Context) -> Any:
        return self._read(super().render(context))

    def _read(self, said: str) -> Any:
        try:
            found = yaml_text.load(said)
        except yaml_text.YamlError as error:
            raise gotext.TemplateError(f"the template is no YAML: {error}") from None
        if found is None:
            return self._wanted()
        if not isinstance(found, self._wanted):
            form = "mapping" if self._wanted is dict else "list"
            raise gotext.TemplateError(f"must be a {form}, or one name, not {said.strip()!r}")
        return found
