"""A request as people speak of it (who does what to which object), and patterns of such requests."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct

from fakekube.api import request_info
from fakekube.api.options import boolean, parse_query
from fakekube.machinery.wire import Request

WRITES = ("create", "update", "patch", "delete", "deletecollection")
READS = ("get", "list", "watch")
VERBS = (*READS, *WRITES)
GROUPS_OF_VERBS = {"read": frozenset(READS), "write": frozenset(WRITES)}

# (group, plural) → everything that kind may be called, in lower case
Names = Callable[[str, str], frozenset[str]]


class BadPattern(ValueError):
    """A pattern that cannot match anything; the text says what was meant, probably."""


class Seen(Struct, frozen=True):
    """One request. `user` and `agent` are who sent it."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str
    user: str
    agent: str

    @property
    def client(self) -> str:
        """The name people know it by: `kubectl` of `kubectl/v1.36.0 (linux/amd64)`."""
        return self.agent.partition("/")[0] or self.user

    @property
    def target(self) -> str:
        """`virtualmachines/status default/a`."""
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{what} {where}" if where else what


def seen(request: Request) -> Seen:
    """Read a request; what is no resource path (discovery, health) has no `resource`."""
    info = request_info.parse(request.method, request.path)
    verb = info.verb
    if verb == "list" and (info.watch or ("watch" in request.query and _watches(request.query))):
        verb = "watch"
    return Seen(
        verb,
        info.group,
        info.resource,
        info.namespace,
        info.name,
        info.subresource,
        request.user.name if request.user else request.headers.get("impersonate-user") or "",
        request.headers.get("user-agent") or "",
    )


@lru_cache(maxsize=1024)
def _watches(query: str) -> bool:
    return boolean(parse_query(query), "watch")


class Pattern(Struct, frozen=True, kw_only=True):
    """Requests by what is said about them; what is left empty matches everything. `name`, `namespace` and `client` may
    hold `*`. `verb` may be `read` or `write`; `client` is a user or a user agent; `kind` also a plural or a short name. As
    in RBAC, a kind alone does not mean its subresources: `subresource="status"`, or `"*"` for everything, does."""

    verb: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    subresource: str = ""
    client: str = ""

    def check(self, kinds: frozenset[str]) -> None:
        """Raises BadPattern for verbs and kinds that nobody knows."""
        if self.verb and self.verb not in VERBS and self.verb not in GROUPS_OF_VERBS:
            raise BadPattern(
                f"there is no verb {self.verb!r}; {meant(self.verb, [*VERBS, *GROUPS_OF_VERBS])}"
            )
        if self.kind and self.kind.lower() not in kinds:
            raise BadPattern(
                f"the cluster serves no kind {self.kind!r}; {meant(self.kind.lower(), sorted(kinds))}"
            )

    def matches(self, one: Seen, names: Names) -> bool:
        return (
            (not self.verb or self.verb == one.verb or one.verb in GROUPS_OF_VERBS.get(self.verb, ()))
            and (not self.namespace or fnmatchcase(one.namespace, self.namespace))
            and (not self.name or fnmatchcase(one.name, self.name))
            and (fnmatchcase(one.subresource, self.subresource) if self.subresource or self.kind else True)
            and (not self.client or is_client(self.client, one))
            and (not self.kind or self.kind.lower() in names(one.group, one.resource))
        )

    def __str__(self) -> str:
        said = [f"{one}={getattr(self, one)}" for one in Pattern.__struct_fields__ if getattr(self, one)]
        return " ".join(said) or "anything"


def is_client(pattern: str, one: Seen) -> bool:
    """Whether a request is from the client called `pattern`."""
    return any(
        fnmatchcase(known, pattern)
        for known in (one.client, one.agent, one.user, one.user.rpartition(":")[2])
        if known
    )


def meant(word: str, known: Sequence[str], shown: Sequence[str] = ()) -> str:
    """The end of a sentence about a misspelt word. `shown` is what to list where listing all that is known were too much."""
    near = get_close_matches(word, known, n=2)
    return (
        f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(shown or known)}"
    )
