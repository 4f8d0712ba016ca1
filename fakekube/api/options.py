"""Query parameters → options, checked as the real server checks them. Pure.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/apis/meta/internalversion/{types,validation}, apis/meta/v1/validation.
"""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl

from msgspec import Struct

from fakekube.machinery import digits, field_selectors, selectors
from fakekube.machinery.errors import BadRequest, invalid
from fakekube.machinery.field_errors import FieldError, forbidden, not_supported, too_long
from fakekube.machinery.field_selectors import FieldTerm
from fakekube.machinery.selectors import EVERYTHING, Selector, SelectorError

Query = Mapping[str, list[str]]
_EMPTY: Query = {}
_LONGEST_MANAGER = 128  # bytes


@lru_cache(maxsize=2048)
def _parse(text: str) -> Query:
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found.setdefault(key, []).append(value)
    return found


def parse_query(text: str) -> Query:
    """The parameters; the result is shared, do not change it."""
    return _parse(text) if text else _EMPTY


def first(query: Query, name: str, default: str = "") -> str:
    values = query.get(name)
    return values[0] if values else default


def boolean(query: Query, name: str) -> bool:
    """Go's conversion: present and neither `false` nor `0` is true; `x=` counts as true."""
    values = query.get(name)
    return values is not None and values[0].lower() not in ("false", "0")


def integer(query: Query, name: str) -> int | None:
    text = first(query, name)
    if not text:
        return None
    try:
        return digits.parsed("ParseInt", text)
    except ValueError as error:
        raise BadRequest(str(error)) from None


class WriteOptions(Struct, frozen=True):
    """What create, update, patch and delete have in common."""

    dry_run: bool = False
    manager: str = ""
    validation: str = "Warn"  # Ignore, Warn or Strict
    force: bool = False


def write_options(kind: str, query: Query, user_agent: str) -> WriteOptions:
    """`kind` is CreateOptions, UpdateOptions, PatchOptions or DeleteOptions: error texts name it."""
    if not query:
        return _plain(user_agent)
    causes: list[FieldError] = []
    dry = query.get("dryRun", [])
    if any(value != "All" for value in dry):
        causes.append(FieldError("FieldValueNotSupported", "dryRun", 'supported values: "All"', list(dry)))
    validation = first(query, "fieldValidation") or "Warn"
    if validation not in ("Ignore", "Warn", "Strict"):
        causes.append(not_supported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"]))
    manager = first(query, "fieldManager")
    if len(manager.encode()) > _LONGEST_MANAGER:
        causes.append(too_long("fieldManager", _LONGEST_MANAGER))
    if any(not char.isprintable() for char in manager):
        causes.append(
            FieldError(
                "FieldValueInvalid", "fieldManager", "should only contain printable characters", manager
            )
        )
    if causes:
        raise invalid(kind, "meta.k8s.io", "", causes)
    return WriteOptions(bool(dry), manager or manager_of(user_agent), validation, boolean(query, "force"))


@lru_cache(maxsize=512)
def _plain(user_agent: str) -> WriteOptions:
    return WriteOptions(manager=manager_of(user_agent))


@lru_cache(maxsize=512)
def manager_of(user_agent: str) -> str:
    """The field manager of a client that names none: its user agent up to the first slash, as far as it is short enough."""
    name = "".join(char for char in user_agent.partition("/")[0] if char.isprintable())
    return name.encode()[:_LONGEST_MANAGER].decode(errors="ignore") or "unknown"


class ListOptions(Struct, frozen=True):
    """A list or watch, understood."""

    labels: Selector = EVERYTHING
    fields: tuple[FieldTerm, ...] = ()
    limit: int = 0
    continue_: str = ""
    version: str = ""
    match: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout: int | None = None

    @property
    def selective(self) -> bool:
        return bool(self.fields) or not self.labels.everything


_PLAIN = ListOptions()


@lru_cache(maxsize=1024)
def _list_options(text: str) -> ListOptions:
    query = parse_query(text)
    try:
        labels = selectors.parse(first(query, "labelSelector"))
        fields = field_selectors.parse(first(query, "fieldSelector"))
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    options = ListOptions(
        labels=labels,
        fields=fields,
        limit=integer(query, "limit") or 0,
        continue_=first(query, "continue"),
        version=first(query, "resourceVersion"),
        match=first(query, "resourceVersionMatch"),
        watch=boolean(query, "watch"),
        bookmarks=boolean(query, "allowWatchBookmarks"),
        initial_events=boolean(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
        timeout=integer(query, "timeoutSeconds"),
    )
    _check_match(options)
    return options


def list_options(text: str) -> ListOptions:
    """The options of a list or watch from the query text. Raises BadRequest, Invalid."""
    return _list_options(text) if text else _PLAIN


def _check_match(options: ListOptions) -> None:
    path = "resourceVersionMatch"
    causes: list[FieldError] = []
    if options.watch and options.initial_events is not None:
        if options.match == "":
            causes.append(
                forbidden(path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            )
        elif options.match != "NotOlderThan":
            causes.append(not_supported(path, options.match, ["NotOlderThan"]))
    elif options.match:
        if options.watch:
            causes.append(forbidden(path, "resourceVersionMatch is forbidden for watch"))
        if not options.version:
            causes.append(
                forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided")
            )
        if options.continue_:
            causes.append(forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        if options.match not in ("Exact", "NotOlderThan"):
            causes.append(not_supported(path, options.match, ["Exact", "NotOlderThan", ""]))
        elif options.match == "Exact" and options.version == "0":
            causes.append(
                forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
            )
    if not options.watch and options.initial_events is not None:
        causes.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if options.watch and options.continue_:
        causes.append(forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)


def parse_version(text: str) -> int:
    """A resourceVersion in a query. Raises ValueError with Go's words."""
    return digits.parsed("ParseUint", text)
