"""Objects of a cache by label selector, without looking at all of them: by one `key=value` of it, then by the rest.

What kube-controller-manager leaves to listers that do look at all; with a thousand selectors over ten thousand pods that is
most of the work.
"""

from collections.abc import Iterable, Sequence

from fakekube.client.informer import Informer
from fakekube.machinery import objects
from fakekube.machinery.selectors import IN, Selector
from fakekube.machinery.wire import Object

_INDEX = "label"


class Selecting:
    """Adds an index to the cache when somebody selects; several may."""

    def __init__(self, informer: Informer) -> None:
        self._informer = informer
        self._indexed = False

    def select(self, selector: Selector, namespace: str = "") -> Sequence[Object]:
        """In one namespace, or in all; in the order of the cache."""
        if selector.nothing:
            return ()
        labels = objects.labels
        return [one for one in self._candidates(selector, namespace) if selector.matches(labels(one))]

    def _candidates(self, selector: Selector, namespace: str) -> Iterable[Object]:
        if not namespace:
            return self._informer.objects()
        for requirement in selector.requirements:
            if requirement.operator == IN and len(requirement.values) == 1:
                if not self._indexed:  # not before: texts for all labels of all pods are large
                    self._informer.add_index(_INDEX, _pairs)
                    self._indexed = True
                pair = f"{namespace}/{requirement.key}={requirement.values[0]}"
                return self._informer.by_index(_INDEX, pair)
        return self._informer.in_namespace(namespace)


def _pairs(obj: Object) -> Iterable[str]:
    namespace = objects.namespace(obj)
    return [f"{namespace}/{key}={value}" for key, value in objects.labels(obj).items()]
