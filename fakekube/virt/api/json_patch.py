"""The JSON patch from one object to another: members are compared one by one, lists as a whole. Pure."""

from typing import Any

Operation = dict[str, Any]


def changes(old: Any, new: Any, path: str = "") -> list[Operation]:
    """Operations that turn `old` into `new`."""
    if old is new or old == new:
        return []
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [{"op": "replace", "path": path, "value": new}]
    found: list[Operation] = [
        {"op": "remove", "path": f"{path}/{escaped(name)}"} for name in old if name not in new
    ]
    for name, value in new.items():
        where = f"{path}/{escaped(name)}"
        if name in old:
            found += changes(old[name], value, where)
        else:
            found.append({"op": "add", "path": where, "value": value})
    return found


def escaped(name: str) -> str:
    """A member's name inside a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")
