"""YAML as Kubernetes reads it: into JSON's types, with Go's idea of what a bare word means.

PyYAML alone would turn unquoted times into dates, `22:22` into 1342 and `1e3` into a string, leave `y` a word, and refuse
a second document. Origin: sigs.k8s.io/yaml, which is YAML 1.1 as go-yaml resolves it, then JSON. Import it where it is needed:
servers that are only sent JSON do without.
"""

import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

YamlError = yaml.YAMLError


class _Loader(_Base):  # type: ignore[misc]  # the C loader where it is built, and it is untyped
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - replaces the base's table

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[int, str]] = []  # keys that a mapping sets twice, and on which line

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        explicit = {id(key) for key, _ in node.value}
        self.flatten_mapping(node)
        mapping: dict[Hashable, Any] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = _text(self.construct_object(key_node, deep=True), key_node)
            if id(key_node) in explicit:
                if key in seen:
                    self.repeated.append((key_node.start_mark.line + 1, f'key "{key}" already set in map'))
                seen.add(key)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


def _text(key: Any, node: yaml.Node) -> str:
    """A key as JSON has it."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise yaml.constructor.ConstructorError(None, None, "keys must be strings", node.start_mark)


def _int(loader: Any, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    digits = text.lstrip("+-")
    old_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    return int(text, 8) if old_octal else int(text, 0)


def _float(loader: Any, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).replace("_", ""))


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node).lower() in ("y", "yes", "true", "on")


_Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
for _tag, _pattern, _first in (  # _first: what such a word can begin with
    (
        "bool",
        r"y|Y|n|N|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        [*"yYnNtTfFoO"],
    ),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", [*"-+0123456789"]),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", [*"-+0123456789."]),
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def load(text: str | bytes) -> Any:
    """The first document in `text`, the last of equal keys. Raises YamlError."""
    return _document(text)[0]


def repeated_keys(text: str | bytes) -> str:
    """What Go's strict reader says of keys that the first document sets twice; empty when there are none."""
    found = _document(text)[1]
    return (
        "\n".join(["yaml: unmarshal errors:", *(f"  line {line}: {said}" for line, said in found)])
        if found
        else ""
    )


def _document(text: str | bytes) -> tuple[Any, list[tuple[int, str]]]:
    loader = _Loader(text)
    try:
        return (loader.get_data() if loader.check_data() else None), loader.repeated
    finally:
        loader.dispose()


def load_all(text: str | bytes) -> Iterator[tuple[int, Any]]:
    """Each document with the line it starts at. Raises YamlError, for repeated keys too."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if loader.repeated:
                line, said = loader.repeated[0]
                mark = yaml.Mark("", 0, line - 1, 0, "", 0)
                raise yaml.constructor.ConstructorError(None, None, said, mark)
            yield node.start_mark.line + 1, value
    finally:
        loader.dispose()
