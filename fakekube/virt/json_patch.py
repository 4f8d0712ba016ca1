"""The JSON patch from one object to another: members are compared one by one, lists as a whole. Pure."""

from typing import Any

Operation = dict[str, Any]


def changes(old: Any, new: Any, path: str = "") -> list[Operation]:
    """Operations that turn `old` into `new`."""
    if old is new:
        return []
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [{"op": "replace", "path": path, "value": new}]
    found: list[Operation] = [
        {"op": "remove", "path": f"{path}/{escaped(name)}"} for name in old if name not in new
    ]
    for name, value in new.items():
        if name not in old:
            found.append({"op": "add", "path": f"{path}/{escaped(name)}", "value": value})
        elif isinstance(value, dict) or value != old[name]:
            found += changes(old[name], value, f"{path}/{escaped(name)}")
    return found


def escaped(name: str) -> str:
    """A member's name inside a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
