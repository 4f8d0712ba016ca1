"""Names for stages that are computed when somebody asks for them: most stages ask for few of what could be said."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar


class View(Mapping[str, Any]):
    """What a context says of one object. A name whose value is None says nothing."""

    computed: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __getitem__(self, name: str) -> Any:
        return self.computed[name](self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.computed)

    def __len__(self) -> int:
        return len(self.computed)
