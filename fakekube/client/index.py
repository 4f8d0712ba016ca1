"""What caches keep beside their objects: which of them say a value."""

from collections.abc import Callable, Iterable

from fakekube.machinery.interning import Parts
from fakekube.machinery.wire import Object

KEYS = Parts(4_096)  # met lately: other caches hold the object, too, and other indexes of this one


class Index:
    """Keys of objects by values a function reads from them; one object may have any number of values.

    Most values have one object, and most objects one value: a uid of its owner, a label with its name. One is kept as the
    text it is, several in a dict or a tuple: a third of the memory, with ten indexes over the objects of each machine.
    """

    def __init__(self, of: Callable[[Object], Iterable[str]]) -> None:
        self._of = of
        self._keys: dict[str, str | dict[str, None]] = {}
        self._values: dict[str, str | tuple[str, ...]] = {}

    def put(self, key: str, obj: Object) -> None:
        found = tuple(self._of(obj))
        values = found[0] if len(found) == 1 else found
        before = self._values.get(key, ())
        if values == before:  # nearly always
            return
        key = KEYS.shared(key)
        for gone in _several(before):
            if gone not in found:
                self._drop(gone, key)
        for value in found:
            self._add(value, key)
        if found:
            self._values[key] = values
        else:
            del self._values[key]

    def remove(self, key: str) -> None:
        for value in _several(self._values.pop(key, ())):
            self._drop(value, key)

    def get(self, value: str) -> Iterable[str]:
        return _several(self._keys.get(value, ()))

    def count(self, value: str) -> int:
        found = self._keys.get(value, ())
        return 1 if isinstance(found, str) else len(found)

    def _add(self, value: str, key: str) -> None:
        here = self._keys.get(value)
        if here is None:
            self._keys[value] = key
        elif isinstance(here, dict):
            here[key] = None
        elif here != key:
            self._keys[value] = {here: None, key: None}

    def _drop(self, value: str, key: str) -> None:
        here = self._keys.get(value)
        if isinstance(here, dict):
            here.pop(key, None)
            if not here:
                del self._keys[value]
        elif here == key:
            del self._keys[value]


def _several(of: str | Iterable[str]) -> Iterable[str]:
    return (of,) if isinstance(of, str) else of
