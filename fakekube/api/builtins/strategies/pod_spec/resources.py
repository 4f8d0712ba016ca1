"""Requests and limits: names, amounts, and how the two agree; what QoS class they make.

Origin: k8s: pkg/apis/core/validation/validation.go (validateResourceRequirements), pkg/apis/core/helper/{helpers.go,qos/qos.go}
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, dns_label
from fakekube.machinery import names, quantities
from fakekube.machinery.field_errors import FieldError, duplicate, forbidden, invalid, required

_COMPUTE = ("cpu", "memory")
_OF_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
        "services.nodeports", "services.loadbalancers",
    }
)  # fmt: skip
_STANDARD = (
    _OF_CONTAINERS
    | _COUNTED
    | {"storage", "requests.storage"}
    | {f"{kind}.{name}" for kind in ("requests", "limits") for name in _OF_CONTAINERS}
)
_HUGE = "hugepages-"
_NOT_NEGATIVE = "must be greater than or equal to 0"
_UNIT = 10**9  # quantities are counted in billionths


@lru_cache(maxsize=4096)
def amount(text: str) -> int:
    """Billionths: what a quantity is compared by."""
    return quantities.parse(text)[0]


def sum_of(texts: Iterable[str]) -> str:
    """The sum, spelled like the first."""
    parsed = [quantities.parse(text) for text in texts]
    return quantities.render(sum(value for value, _ in parsed), parsed[0][1])


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    return (
        not is_native(name)
        and not name.startswith("requests.")
        and not names.qualified_name(f"requests.{name}")
    )


def _may_overcommit(name: str) -> bool:
    return is_native(name) and not name.startswith(_HUGE)


@lru_cache(maxsize=1024)
def _name_texts(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a resource of a container."""
    found = names.qualified_name(name)
    if found:
        return tuple(found)
    if "/" in name:
        bad = not is_native(name) and not is_extended(name)
        return ("doesn't follow extended resource name standard",) if bad else ()
    if name not in _STANDARD and not name.startswith((_HUGE, f"requests.{_HUGE}")):
        return (
            "must be a standard resource type or fully qualified",
            "must be a standard resource for containers",
        )
    if name not in _OF_CONTAINERS and not name.startswith(_HUGE):
        return ("must be a standard resource for containers",)
    return ()


def _one(name: str, text: str, path: str) -> Causes:
    found = [invalid(path, name, said) for said in _name_texts(name)]
    value = amount(text)
    if value < 0:
        found.append(invalid(path, text, _NOT_NEGATIVE))
    if value % _UNIT and (name in _COUNTED or is_extended(name)):
        found.append(invalid(path, text, "must be an integer"))
    if name.startswith(_HUGE) and not _is_pages(name, value):
        found.append(invalid(path, text, f"{text} is not positive integer multiple of {name}"))
    return found


@lru_cache(maxsize=4096)
def _is_sound(name: str, text: str) -> bool:
    """The quick answer to whether `_one` would find anything: pods of a kind ask for the same, over and over."""
    return not _one(name, text, "")


def _is_pages(name: str, value: int) -> bool:
    try:
        size = amount(name.removeprefix(_HUGE))
    except ValueError:
        return False
    return size > 0 and value >= 0 and value % size == 0


def requirements(resources: Mapping[str, Any], path: str, claims: frozenset[str] = frozenset()) -> Causes:
    """`resources` of a container. `claims` are the names the pod has under `resourceClaims`."""
    found: Causes = []
    limits: Mapping[str, str] = resources.get("limits") or {}
    requests: Mapping[str, str] = resources.get("requests") or {}
    for name, text in limits.items():
        if not _is_sound(name, text):
            found += _one(name, text, f"{path}.limits[{name}]")
    for name, text in requests.items():
        if not _is_sound(name, text):
            found += _one(name, text, f"{path}.requests[{name}]")
        limit = limits.get(name)
        if limit != text:
            found += _order(name, text, limit, path)
    either = limits.keys() | requests.keys()
    if not either.isdisjoint(_COMPUTE):
        pass
    elif any(name.startswith(_HUGE) for name in either):
        found.append(forbidden(path, "HugePages require cpu or memory"))
    if resources.get("claims"):
        found += _claims(resources["claims"], claims, f"{path}.claims")
    return found


def _order(name: str, text: str, limit: str | None, path: str) -> Causes:
    """A request may not exceed its limit, and must equal it where nothing can be promised twice."""
    if limit is None:
        said = "Limit must be set for non overcommitable resources"
        return [] if _may_overcommit(name) else [required(f"{path}.limits", said)]
    more = amount(text) - amount(limit)
    if more and not _may_overcommit(name):
        return [invalid(f"{path}.requests", text, f"must be equal to {name} limit of {limit}")]
    if more > 0:
        return [invalid(f"{path}.requests", text, f"must be less than or equal to {name} limit of {limit}")]
    return []


def _claims(asked: Iterable[Mapping[str, Any]], known: frozenset[str], path: str) -> Causes:
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(asked):
        at, name, request = f"{path}[{index}]", one.get("name") or "", one.get("request") or ""
        if not name:
            found.append(required(at))
            continue
        key = f"{name}/{request}" if request else name
        if name in seen:
            found.append(duplicate(at, name))
        else:
            if request:
                found += dns_label(request, f"{at}.request")
            if key in seen:
                found.append(duplicate(at, key))
            elif not request and any(other.partition("/")[0] == name for other in seen):
                found.append(duplicate(at, name))
            seen.add(key)
        if name not in known:
            which = f": {', '.join(sorted(known))}" if known else " which is empty"
            said = f"must be one of the names in pod.spec.resourceClaims{which}"
            found.append(FieldError("FieldValueNotFound", at, said, name))
    return found


def qos_class(spec: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort: by the pod's own resources, else by those of all its containers."""
    whole = spec.get("resources")
    if whole and (whole.get("limits") or whole.get("requests")):
        parts: list[Mapping[str, Any]] = [whole]
    else:
        parts = [
            one.get("resources") or {}
            for one in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        ]
    best_effort = guaranteed = True
    for part in parts:
        requests, limits = part.get("requests") or {}, part.get("limits") or {}
        for name in _COMPUTE:
            asked, limit = requests.get(name), limits.get(name)
            if (asked is not None and amount(asked) > 0) or (limit is not None and amount(limit) > 0):
                best_effort = False
            if limit is None or amount(limit) == 0 or (asked is not None and amount(asked) != amount(limit)):
                guaranteed = False
    if best_effort:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
