"""YAML as Kubernetes reads it: into JSON's types, with Go's idea of what a bare word means.

PyYAML alone would turn unquoted times into dates, `22:22` into 1342 and `1e3` into a string, leave `y` a word, and refuse
a second document. Origin: sigs.k8s.io/yaml, which is YAML 1.1 as go-yaml resolves it, then JSON. Import it where it is needed:
servers that are only sent JSON do without.
"""

import math
import re
from collections.abc import Hashable, Iterator
from typing import Any

import yaml

from fakekube.machinery.nesting import DEEPEST, TOO_DEEP

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

YamlError = yaml.YAMLError

_MOST_DIGITS = 4000  # Python reads no longer integers
# Go's reader lets 99 in 100 nodes come out of aliases in documents of up to 400,000, and ever fewer up to 4,000,000.
_ALIASES_MAY_BE = (400_000, 4_000_000, 0.99, 0.10)
_FEW_ALIASES = 1000


class _Loader(_Base):  # type: ignore[misc]  # the C loader where it is built, and it is untyped
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - replaces the base's table

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[int, str]] = []  # keys that a mapping sets twice, and on which line

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _refusal("cannot unmarshal what is no mapping as one", node)
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
    raise _refusal("keys must be strings", node)


def _int(loader: Any, node: yaml.ScalarNode) -> int | float | str:
    text = loader.construct_scalar(node).replace("_", "")
    digits = text.lstrip("+-")
    old_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    if len(digits) > _MOST_DIGITS:
        return _float(loader, node)
    number = int(text, 8) if old_octal else int(text, 0)
    return number if -(1 << 63) <= number < 1 << 64 else _float(loader, node)


def _float(loader: Any, node: yaml.ScalarNode) -> float | str:
    """A number, or the text of one that is larger than floats are."""
    text: str = loader.construct_scalar(node)
    number = float(text.replace("_", ""))
    return text if math.isinf(number) else number


def _bool(loader: Any, node: yaml.ScalarNode) -> bool:
    return loader.construct_scalar(node).lower() in ("y", "yes", "true", "on")


def _binary(loader: Any, node: yaml.ScalarNode) -> str:
    return str(loader.construct_yaml_binary(node), "utf-8", "replace")


def _set(loader: Any, node: yaml.MappingNode) -> dict[Hashable, Any]:
    return dict.fromkeys(loader.construct_mapping(node))


_Loader.add_constructor("tag:yaml.org,2002:bool", _bool)
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.constructor.SafeConstructor.construct_yaml_str)
_Loader.add_constructor("tag:yaml.org,2002:binary", _binary)
_Loader.add_constructor("tag:yaml.org,2002:set", _set)
for _listed in ("omap", "pairs"):
    _Loader.add_constructor(
        f"tag:yaml.org,2002:{_listed}", yaml.constructor.SafeConstructor.construct_yaml_seq
    )
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
        return (loader.construct_document(_next(loader)) if loader.check_node() else None), loader.repeated
    finally:
        loader.dispose()


def _next(loader: Any) -> yaml.Node:
    node: yaml.Node = loader.get_node()
    sizes: dict[int, int] = {}
    written_out = _measure(node, sizes, [])
    least, most, allowed, fewest = _ALIASES_MAY_BE
    repeated = written_out - len(sizes)
    share = allowed - (allowed - fewest) * min(max(written_out - least, 0) / (most - least), 1)
    if repeated > _FEW_ALIASES and repeated > share * written_out:
        raise _refusal("document contains excessive aliasing", node)
    return node


def _measure(node: yaml.Node, sizes: dict[int, int], above: list[int]) -> int:
    """How many nodes there would be below this one, were every alias written out; `sizes` are of those known."""
    if (known := sizes.get(id(node))) is not None:
        return known
    if id(node) in above:
        raise _refusal("anchor value contains itself", node)
    if len(above) > DEEPEST:
        raise _refusal(TOO_DEEP, node)
    above.append(id(node))
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_measure(child, sizes, above) for child in node.value)
    elif isinstance(node, yaml.MappingNode):
        size += sum(_measure(child, sizes, above) for pair in node.value for child in pair)
    above.pop()
    sizes[id(node)] = size
    return size


def _refusal(problem: str, node: yaml.Node) -> YamlError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def load_all(text: str | bytes) -> Iterator[tuple[int, Any]]:
    """Each document with the line it starts at. Raises YamlError, for repeated keys too."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = _next(loader)
            value = loader.construct_document(node)
            if loader.repeated:
                line, said = loader.repeated[0]
                mark = yaml.Mark("", 0, line - 1, 0, "", 0)
                raise yaml.constructor.ConstructorError(None, None, said, mark)
            yield node.start_mark.line + 1, value
    finally:
        loader.dispose()
