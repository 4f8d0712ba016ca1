"""Selectors against entries: label and field selectors of a list or watch as one function."""

from collections.abc import Callable, Iterable
from functools import lru_cache

from fakekube.api import options as queries
from fakekube.api.options import ListOptions
from fakekube.api.registry import codec
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery import selectors
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.field_selectors import FieldTerm
from fakekube.machinery.selectors import IN, NOT_IN, Selector, SelectorError
from fakekube.store.interface import Entry

Match = Callable[[Entry], bool]
_UNIVERSAL = ("metadata.name", "metadata.namespace")


def selected(entries: Iterable[Entry], match: Match) -> list[Entry]:
    """Those that match, in order."""
    if isinstance(match, _LabelIs):
        return match.among(entries)
    return [entry for entry in entries if match(entry)]


def matcher(resource: ServedResource, options: ListOptions, name: str = "") -> Match | None:
    """A predicate over entries, or None when everything matches. Raises BadRequest for unknown fields."""
    for term in options.fields:
        if term.path not in _UNIVERSAL and term.path not in resource.strategy.selectable:
            raise BadRequest(_unknown(resource, term.path))
    checks: list[Match] = []
    if name:
        checks.append(lambda entry: entry.key.rpartition("/")[2] == name)
    checks += [_by_field(resource, term) for term in options.fields]
    if not options.labels.everything:
        checks.append(_by_labels(resource, options.labels))
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]
    return lambda entry: all(check(entry) for check in checks)


def _by_labels(resource: ServedResource, labels: Selector) -> Match:
    terms = labels.requirements
    if len(terms) == 1 and terms[0].operator == IN and len(terms[0].values) == 1 and not labels.nothing:
        return _LabelIs(resource, terms[0].key, terms[0].values[0])
    return lambda entry: labels.matches(codec.memo(resource, entry).labels)


class _LabelIs:
    """One label has one value: the commonest selector by far, and lists of thousands run it."""

    def __init__(self, resource: ServedResource, key: str, value: str) -> None:
        self._resource = resource
        self._key = key
        self._value = value

    def __call__(self, entry: Entry) -> bool:
        return bool((entry.memo or codec.memo(self._resource, entry)).labels.get(self._key) == self._value)

    def among(self, entries: Iterable[Entry]) -> list[Entry]:
        """`__call__` for many, without a call for each."""
        resource, key, value = self._resource, self._key, self._value
        return [
            entry for entry in entries if (entry.memo or codec.memo(resource, entry)).labels.get(key) == value
        ]


def _by_field(resource: ServedResource, term: FieldTerm) -> Match:
    path, value, equal = term.path, term.value, term.equal
    if path == "metadata.name":
        return lambda entry: (entry.key.rpartition("/")[2] == value) == equal
    if path == "metadata.namespace":
        if not resource.namespaced:
            return lambda _entry: (value == "") == equal
        return lambda entry: (entry.key.rsplit("/", 2)[1] == value) == equal
    return lambda entry: (codec.fields(resource, entry).get(path, "") == value) == equal


def _unknown(resource: ServedResource, path: str) -> str:
    if resource.custom or resource.strategy.selectable:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


@lru_cache(maxsize=1024)
def list_options(text: str) -> ListOptions:
    """The options of a list or watch from the query text, selectors for labels that can be. Raises BadRequest, Invalid."""
    found = queries.list_options(text)
    try:
        _check_labels(found.labels)
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    return found


def _check_labels(selector: Selector) -> None:
    """Keys and values that no label can have, and sets without values. Raises SelectorError."""
    for one in selector.requirements:
        try:
            selectors.check_spelling(one)
            if one.operator in (IN, NOT_IN):
                selectors.requirement(one.key, one.operator, one.values)
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from None
