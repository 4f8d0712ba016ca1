"""What templates can call: Go's own, kwok's, and of sprig's what has to do with texts, numbers, lists and mappings.

Upstream: go: text/template/funcs.go, kwok: pkg/utils/gotpl/funcs.go, github.com/Masterminds/sprig
"""

import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object

_CONDITIONS = (
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("NetworkUnavailable", "False", "RouteCreated", "RouteController created a route"),
)
_KUBELET_PORT = 10250
_NODE_IP = "192.168.66.99"  # of nodes that tell none, as kwok's --node-ip
_MOST = 100_000
_VERSION = "v0.7.0"  # kwok's, of which this is the form


class Surroundings(Struct, frozen=True):
    """What a template is rendered in. `names` are computed names, as in other templates."""

    now: str
    obj: Object
    names: Callable[[str], Any]

    def node_ip(self, *_node: Any) -> str:
        """A node's own address, or that of a pod's node; the one of all nodes where it has none."""
        if found := self.names("pod.host"):
            return str(found)
        listed = dig(self.obj, "status", "addresses", default=())
        return next((str(one.get("address")) for one in listed if one.get("type") == "InternalIP"), _NODE_IP)

    def pod_ip(self, *_pod: Any) -> str:
        """A pod's own address: what it has, or is to have; its node's in the host network."""
        if found := self.names("pod.address") or dig(self.obj, "status", "podIP"):
            return str(found)
        return self.node_ip()

    def node_name(self) -> str:
        return str(dig(self.obj, "metadata", "name", default=""))


def true(value: Any) -> bool:
    """What counts as true: whatever is not empty."""
    return bool(value)


def shown(value: Any) -> str:
    """A value as Go prints it."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{shown(one)}' for key, one in sorted(value.items()))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(shown, value))}]"
    return str(value)


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return orjson.dumps(text).decode()


def _yaml(value: Any, indent: int = 0) -> str:
    lines = list(_lines(value))
    return (
        "\n".join(["", *(f"{'  ' * indent}{line}" for line in lines)]) if indent else "\n".join([*lines, ""])
    )


def _lines(value: Any) -> Iterator[str]:
    """YAML as block, its words in quotes: nobody is to take `y` for a yes."""
    if isinstance(value, Mapping) and value:
        for key, one in sorted(value.items()):
            inner = list(_lines(one))
            if isinstance(one, Mapping | list) and one:
                yield f"{_quoted(key)}:"
                yield from (f"  {line}" for line in inner)
            else:
                yield f"{_quoted(key)}: {inner[0]}"
    elif isinstance(value, list) and value:
        for one in value:
            first, *others = _lines(one)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    else:
        yield orjson.dumps(value).decode()


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None:
            return None
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list | tuple | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise IndexError(f"index out of range: {key}")
            value = value[key]
        else:
            raise TypeError(f"cannot index {shown(value)} with {shown(key)}")
    return value


def _printf(form: str, *values: Any) -> str:
    left = list(values)

    def placed(found: re.Match[str]) -> str:
        verb = found[0][-1]
        if verb == "%":
            return "%"
        flags = re.sub(r"\*", lambda _star: str(_number(left.pop(0))) if left else "", found[1])
        if not left:
            return f"%!{verb}(MISSING)"
        value = left.pop(0)
        if verb == "q":
            return _quoted(value)
        if verb in "vs":
            value, verb = shown(value), "s"
        return str(f"%{flags}{verb}" % value)

    return re.sub(r"%([-+ 0#]*(?:\d*|\*)(?:\.(?:\d+|\*))?)([vsqdxXofeg%])", placed, form)


def _mapping(*pairs: Any) -> dict[str, Any]:
    return {shown(pairs[at]): pairs[at + 1] if at + 1 < len(pairs) else "" for at in range(0, len(pairs), 2)}


def _number(value: Any) -> int:
    try:
        return int(value or 0)
    except ValueError:
        return 0


def bounded(value: Any) -> int:
    """How often something is to be: numbers come from objects, and anybody can write those."""
    count = _number(value)
    if count > _MOST:
        raise ValueError(f"{count} is more than {_MOST}")
    return count


def _default(fallback: Any, value: Any = None) -> Any:
    return value or fallback


def _coalesce(*values: Any) -> Any:
    return next((one for one in values if one), None)


def _padded(count: int, text: str) -> str:
    return "\n".join(" " * count + line for line in text.split("\n"))


def _difference(first: Any, *others: Any) -> int:
    return _number(first) - sum(map(_number, others))


def _product(*values: Any) -> int:
    found = 1
    for one in values:
        found *= _number(one)
    return found


Function = Callable[..., Any]
FUNCTIONS: Mapping[str, Function] = {
    # Go's; `and` and `or` are the parser's business, as they need not look at everything
    "not": lambda value: not true(value),
    "eq": lambda first, *others: any(first == one for one in others),
    "ne": lambda first, second: first != second,
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
    "len": len,
    "index": _index,
    "print": lambda *values: "".join(map(shown, values)),
    "println": lambda *values: " ".join(map(shown, values)) + "\n",
    "printf": _printf,
    # kwok's
    "Quote": _quoted,
    "YAML": _yaml,
    "Version": lambda: _VERSION,
    "NodeConditions": lambda: [
        dict(zip(("type", "status", "reason", "message"), one, strict=True)) for one in _CONDITIONS
    ],
    "NodePort": lambda: _KUBELET_PORT,
    # sprig's
    "quote": lambda *values: " ".join(_quoted(one) for one in values if one is not None),
    "squote": lambda *values: " ".join(f"'{shown(one)}'" for one in values if one is not None),
    "dict": _mapping,
    "list": lambda *values: list(values),
    "get": lambda mapping, key: mapping.get(key, ""),
    "hasKey": lambda mapping, key: key in mapping,
    "keys": lambda *mappings: [key for one in mappings for key in one],
    "default": _default,
    "empty": lambda value: not value,
    "coalesce": _coalesce,
    "ternary": lambda yes, no, which: yes if which else no,
    "add": lambda *values: sum(map(_number, values)),
    "add1": lambda value: _number(value) + 1,
    "sub": _difference,
    "mul": _product,
    "div": lambda first, second: int(_number(first) / _number(second)),
    "divf": lambda first, second: float(first) / float(second),
    "mod": lambda first, second: int(math.fmod(_number(first), _number(second))),
    "min": lambda *values: min(map(_number, values)),
    "max": lambda *values: max(map(_number, values)),
    "ceil": lambda value: float(math.ceil(float(value))),
    "floor": lambda value: float(math.floor(float(value))),
    "atoi": _number,
    "int": _number,
    "int64": _number,
    "toString": shown,
    "toJson": lambda value: orjson.dumps(value).decode(),
    "toYaml": lambda value: _yaml(value).removesuffix("\n"),
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "trim": lambda text: text.strip(),
    "trimPrefix": lambda part, text: text.removeprefix(part),
    "trimSuffix": lambda part, text: text.removesuffix(part),
    "hasPrefix": lambda part, text: text.startswith(part),
    "hasSuffix": lambda part, text: text.endswith(part),
    "contains": lambda part, text: part in text,
    "replace": lambda old, new, text: text.replace(old, new),
    "join": lambda between, values: between.join(map(shown, values)),
    "splitList": lambda between, text: text.split(between),
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "has": lambda value, values: value in (values or ()),
    "append": lambda values, value: [*(values or ()), value],
    "concat": lambda *lists: [one for values in lists for one in values or ()],
    "repeat": lambda count, text: text * bounded(count),
    "trunc": lambda count, text: text[:count] if count >= 0 else text[count:],
    "b64enc": lambda text: b64encode(text.encode()).decode(),
    "sha256sum": lambda text: sha256(text.encode()).hexdigest(),
    "until": lambda count: list(range(bounded(count))),
    "indent": _padded,
    "nindent": lambda count, text: "\n" + _padded(count, text),
}
LOCAL: Mapping[str, Function] = {  # these look at their surroundings
    "Now": lambda around: around.now,
    "StartTime": lambda around: around.now,
    "NodeName": Surroundings.node_name,
    "NodeIP": Surroundings.node_ip,
    "NodeIPWith": Surroundings.node_ip,
    "PodIP": Surroundings.pod_ip,
    "PodIPWith": Surroundings.pod_ip,
}
