"""Where in a process a text stands: everything that can be reached from a cluster, its tasks and the modules it consists of."""

import asyncio
import functools
import logging
import sys
import types
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

from fakekube.cluster import Cluster

_PACKAGES = ("fakekube", "controller")
_PLAIN = (bytes, int, float, type(None), type, types.ModuleType, types.BuiltinFunctionType, logging.Logger)
_LISTS = (list, tuple, set, frozenset, deque)
_RUNNING: dict[type, str] = {
    types.CoroutineType: "cr",
    types.GeneratorType: "gi",
    types.AsyncGeneratorType: "ag",
}

Found = tuple[Any, str]  # something, and the attribute or variable it is kept in


def found(cluster: Cluster, wanted: Callable[[str], bool], besides: Collection[str]) -> dict[str, str]:
    """The attributes, as `Class.attribute`, and variables under which a wanted text stands, each with one of the texts.

    What is under those of `besides` is not looked at.
    """
    mentioned: dict[str, str] = {}
    seen: dict[int, Any] = {}  # what was looked at is kept: another object might get its id
    waiting = deque(_roots(cluster))
    while waiting:
        one, place = waiting.popleft()
        if isinstance(one, str):
            if place not in mentioned and wanted(one):
                mentioned[place] = one
        elif not isinstance(one, _PLAIN) and id(one) not in seen:
            seen[id(one)] = one
            waiting.extend(part for part in _parts(one, place) if part[1] not in besides)
    return mentioned


def _roots(cluster: Cluster) -> Iterator[Found]:
    yield cluster, "cluster"
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _PACKAGES:
            own = [(one, value) for one, value in vars(module).items() if not one.startswith("__")]
            yield from ((value, f"{name}:{one}") for one, value in own)
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task():
            yield task, "task"


def _parts(one: Any, place: str) -> Iterator[Found]:
    if isinstance(one, dict | types.MappingProxyType):
        yield from ((part, place) for pair in list(one.items()) for part in pair)
    elif isinstance(one, _LISTS):
        yield from ((part, place) for part in list(one))
    elif isinstance(one, types.FunctionType):
        for own, cell in zip(one.__code__.co_freevars, one.__closure__ or (), strict=True):
            yield from ((value, f"{one.__qualname__}~{own}") for value in _content(cell))
    elif isinstance(one, types.MethodType):
        yield from ((one.__self__, place), (one.__func__, place))
    elif isinstance(one, functools.partial):
        yield from ((part, place) for part in (one.func, *one.args, *one.keywords.values()))
    elif isinstance(one, asyncio.Task):
        yield one.get_coro(), place
    elif (prefix := _RUNNING.get(type(one))) is not None:
        if (frame := getattr(one, f"{prefix}_frame")) is not None:
            yield from ((value, f"{one.__qualname__}~{own}") for own, value in frame.f_locals.items())
        awaited = "gi_yieldfrom" if prefix == "gi" else f"{prefix}_await"
        yield getattr(one, awaited), place
    yield from ((value, f"{type(one).__qualname__}.{own}") for own, value in _attributes(one))


def _content(cell: types.CellType) -> Iterator[Any]:
    try:
        yield cell.cell_contents
    except ValueError:  # it is empty yet
        return


def _attributes(one: Any) -> Iterator[tuple[str, Any]]:
    own = getattr(one, "__dict__", None)
    if isinstance(own, dict):
        yield from list(own.items())
    for kind in type(one).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(one, name):
                yield name, getattr(one, name)
