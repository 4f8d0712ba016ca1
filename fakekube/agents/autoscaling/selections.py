"""Which autoscalers select a pod: two that do would pull their targets to and fro.

Upstream: k8s: pkg/controller/util/selectors/bimultimap.go, which the real controller asks the same question
"""

from collections.abc import Iterable

from fakekube.machinery import objects
from fakekube.machinery.objects import Obj
from fakekube.machinery.selectors import IN, Selector

_Place = tuple[
    str, str, str
]  # namespace, label, value; the latter two empty for selectors that name no value


class Selections:
    """The selectors of all autoscalers, found by one label each."""

    def __init__(self) -> None:
        self._selectors: dict[str, Selector] = {}
        self._places: dict[_Place, set[str]] = {}

    def put(self, key: str, selector: Selector) -> None:
        """The autoscaler `key` selects so."""
        if self._selectors.get(key) == selector:
            return
        self.drop(key)
        self._selectors[key] = selector
        self._places.setdefault(_place(key, selector), set()).add(key)

    def drop(self, key: str) -> None:
        """The autoscaler is gone."""
        selector = self._selectors.pop(key, None)
        if selector is not None:
            place = _place(key, selector)
            self._places[place].discard(key)
            if not self._places[place]:
                del self._places[place]

    def of(self, pods: Iterable[Obj]) -> list[str]:
        """The autoscalers that select any of these pods, in the order of their names."""
        found: set[str] = set()
        for pod in pods:
            namespace, labels = objects.namespace(pod), objects.labels(pod)
            for label, value in (("", ""), *labels.items()):
                for key in self._places.get((namespace, label, value), ()):
                    if key not in found and self._selectors[key].matches(labels):
                        found.add(key)
        return sorted(found)


def _place(key: str, selector: Selector) -> _Place:
    namespace, _ = objects.split_key(key)
    for one in selector.requirements:
        if one.operator == IN and len(one.values) == 1:
            return namespace, one.key, one.values[0]
    return namespace, "", ""
