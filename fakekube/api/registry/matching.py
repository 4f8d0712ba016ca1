"""Selectors against entries: label and field selectors of a list or watch as one function."""

from collections.abc import Callable

from fakekube.api.options import ListOptions
from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.errors import BadRequest
from fakekube.store.interface import Entry

Match = Callable[[Entry], bool]
_UNIVERSAL = ("metadata.name", "metadata.namespace")


def matcher(resource: ServedResource, options: ListOptions, name: str = "") -> Match | None:
    """A predicate over entries, or None when everything matches. Raises BadRequest for unknown fields."""
    for term in options.fields:
        if term.path not in _UNIVERSAL and term.path not in resource.strategy.selectable:
            raise BadRequest(_unknown(resource, term.path))
    if not options.selective and not name:
        return None
    labels = None if options.labels.everything else options.labels
    by_field = [term for term in options.fields if term.path not in _UNIVERSAL]
    by_key = [term for term in options.fields if term.path in _UNIVERSAL]

    def matches(entry: Entry) -> bool:
        if by_key or name:
            parts = entry.key.rsplit("/", 2)
            own, space = parts[2], parts[1] if resource.namespaced else ""
            if name and own != name:
                return False
            for term in by_key:
                if ((own if term.path == "metadata.name" else space) == term.value) != term.equal:
                    return False
        if labels is None and not by_field:
            return True
        memo = codec.memo(resource, entry)
        if labels is not None and not labels.matches(memo.labels):
            return False
        return all((memo.fields.get(term.path, "") == term.value) == term.equal for term in by_field)

    return matches


def _unknown(resource: ServedResource, path: str) -> str:
    if resource.custom or resource.strategy.selectable:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
