"""Nobody grants what they do not hold themselves: roles and bindings are measured by the rules of who writes them. Pure.

Origin: k8s: pkg/registry/rbac/validation/{rule,policy_compact}.go, component-helpers/auth/rbac/validation/policy_comparator.go
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from fakekube.api.access.authorizer import Deed
from fakekube.api.access.rbac import allows
from fakekube.machinery.wire import User

Rule = Mapping[str, Any]
FULL_AUTHORITY: list[Rule] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]


def refusal(user: User, held: Iterable[Rule], wanted: Iterable[Rule]) -> str:
    """Why `user`, who holds these rules, must not grant those; empty where all of them are held."""
    rules = list(held)
    missing = [
        deed for rule in wanted for deed in _deeds(rule) if not any(allows(one, deed) for one in rules)
    ]
    if not missing:
        return ""
    groups = " ".join(map(_quoted, user.groups))
    return (
        f"user {_quoted(user.name)} (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n"
        + "\n".join(sorted(_compact(missing)))
    )


def _deeds(rule: Rule) -> Iterator[Deed]:
    """A rule as the single things it allows."""
    verbs = rule.get("verbs") or ()
    for path in rule.get("nonResourceURLs") or ():
        yield from (Deed(verb, path=path) for verb in verbs)
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            plural, _, subresource = resource.partition("/")
            for verb in verbs:
                for name in rule.get("resourceNames") or ("",):
                    yield Deed(verb, group, plural, subresource, name=name)


def _compact(deeds: Iterable[Deed]) -> list[str]:
    """One text for each thing, with all that is to be done to it."""
    verbs: dict[tuple[str, ...], list[str]] = {}
    for deed in deeds:
        if deed.path:
            key: tuple[str, ...] = (_member("NonResourceURLs", deed.path),)
        else:
            key = (_member("APIGroups", deed.group), _member("Resources", deed.full_resource))
            key += (_member("ResourceNames", deed.name),) if deed.name else ()
        verbs.setdefault(key, []).append(deed.verb)
    return ["{" + ", ".join([*key, _member("Verbs", *found)]) + "}" for key, found in verbs.items()]


def _member(name: str, *values: str) -> str:
    return f"{name}:[{' '.join(map(_quoted, values))}]"


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
