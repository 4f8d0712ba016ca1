"""Texts of kwok's stage files, which are Go templates for YAML, as far as they only fill in values → data with our names.

    {{ $now := Now }}                 a variable for a value
    startTime: {{ $now | Quote }}     a value: Now, .a.path of the object, or a variable; quoted or not
    message: pod {{ .metadata.name }} has started

What decides or repeats (`if`, `range`, `with`, functions) is no data, and refused: for that there are computed names.
"""

import re
from typing import Any

from fakekube.machinery import yaml_text

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_COMMENT = re.compile(r"/\*.*\*/", re.DOTALL)
_ASSIGNED = re.compile(r"(\$\w+)\s*:?=\s*(\S.*)")
_PATH = re.compile(r"\.(?:[A-Za-z_][\w-]*)(?:\.[A-Za-z_][\w-]*)*")
_OPEN, _CLOSE = (
    "\ue000",
    "\ue001",
)  # around a name in the text while it is YAML: private characters, so no template's own
_MARK = re.compile(f"{_OPEN}(.*?){_CLOSE}")


def translate(text: str) -> Any:
    """The data the text describes, with names in braces for its values. Raises ValueError, saying what is not understood."""
    known: dict[str, str] = {}

    def replaced(action: re.Match[str]) -> str:
        said = action[1]
        if _COMMENT.fullmatch(said):
            return ""
        if assigned := _ASSIGNED.fullmatch(said):
            known[assigned[1]] = _name(assigned[2], known)
            return ""
        pipe, *functions = (one.strip() for one in said.split("|"))
        if any(one not in ("Quote", "quote") for one in functions):
            raise ValueError(f"of functions in templates only Quote is understood, not {said!r}")
        mark = f"{_OPEN}{_name(pipe, known)}{_CLOSE}"
        return f'"{mark}"' if functions else mark

    try:
        data = yaml_text.load(_ACTION.sub(replaced, text))
    except yaml_text.YamlError as error:
        raise ValueError(f"the template is no YAML: {error}") from None
    return _braced(data)


def _name(said: str, known: dict[str, str]) -> str:
    if said in known:
        return known[said]
    if said in ("Now", "now"):
        return "now"
    if _PATH.fullmatch(said):
        return f"object{said}"
    raise ValueError(
        f"{{{{ {said} }}}} is not understood: templates here fill in Now, .a.path or a variable; "
        "what has to be decided or repeated has a computed name instead"
    )


def _braced(data: Any) -> Any:
    """Marks become names in braces, braces that were there before stay what they were."""
    if isinstance(data, str):
        doubled = data.replace("{", "{{").replace("}", "}}")
        return _MARK.sub(r"{\1}", doubled)
    if isinstance(data, dict):
        return {key: _braced(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_braced(value) for value in data]
    return data
