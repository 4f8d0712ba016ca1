"""Names for stages that are computed when somebody asks for them: most stages ask for few of what could be said."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar


class View(Mapping[str, Any]):
    """What a context says of one object at one moment. A name whose value is None says nothing.

    Many stages ask for the same few names: each is computed once.
    """

    computed: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    _said: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        said = self._said
        if said is None:
            said = self._said = {}
        elif name in said:
            return said[name]
        value = said[name] = self.computed[name](self)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        said = self._said
        if said is not None and name in said:
            return said[name]
        return self[name] if name in self.computed else default

    def __iter__(self) -> Iterator[str]:
        return iter(self.computed)

    def __len__(self) -> int:
        return len(self.computed)
