"""How much an object counts against quotas, and which objects a quota is about. Pure; amounts are billionths.

Origin: k8s: pkg/quota/v1/evaluator/core/{pods,services,persistent_volume_claims}.go
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakekube.machinery import quantities
from fakekube.machinery.objects import is_final
from fakekube.machinery.wire import Object

Usage = dict[str, int]

_ONE = 10**9
_PLAIN = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
    }
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
# What every container has to tell once a quota limits it.
_TOLD = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})


def value(text: str) -> int:
    return quantities.parse(text)[0]


def text(amount: int, like: str) -> str:
    """An amount, spelled as `like` is: in powers of two or of ten."""
    return quantities.render(amount, quantities.parse(like)[1])


def usage_of(group: str, plural: str, obj: Object) -> Usage:
    """What one object counts for, by the names quotas use."""
    used: Usage = {f"count/{plural}.{group}" if group else f"count/{plural}": _ONE}
    if group:
        return used
    if plural == "pods":
        if not is_final(obj):
            used |= {"pods": _ONE, **_pod(obj["spec"])}
        return used
    if plural in _PLAIN:
        used[plural] = _ONE
    if plural == "services":
        spec = obj["spec"]
        ports = sum(1 for port in spec.get("ports") or () if port.get("nodePort"))
        used |= {"services.nodeports": ports * _ONE} if ports else {}
        used |= {"services.loadbalancers": _ONE} if spec.get("type") == "LoadBalancer" else {}
    if plural == "persistentvolumeclaims":
        spec = obj["spec"]
        asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        used |= {"requests.storage": value(asked)} if asked else {}
        if spec.get("storageClassName"):
            of_class = f"{spec['storageClassName']}.storageclass.storage.k8s.io"
            used[f"{of_class}/persistentvolumeclaims"] = _ONE
            used |= {f"{of_class}/requests.storage": value(asked)} if asked else {}
    return used


def _pod(spec: Mapping[str, Any]) -> Usage:
    """Containers together, or the init container that needs more."""
    used: Usage = {}
    for member in ("requests", "limits"):
        total: Usage = {}
        for container in spec.get("containers") or ():
            for name, amount in _amounts(container, member):
                total[name] = total.get(name, 0) + amount
        for container in spec.get("initContainers") or ():
            for name, amount in _amounts(container, member):
                total[name] = max(total.get(name, 0), amount)
        used |= {f"{member}.{name}": amount for name, amount in total.items()}
    return used | {name: used[f"requests.{name}"] for name in _COMPUTE if f"requests.{name}" in used}


def _amounts(container: Mapping[str, Any], member: str) -> Iterable[tuple[str, int]]:
    resources = (container.get("resources") or {}).get(member) or {}
    return [(name, value(amount)) for name, amount in resources.items()]


def untold(spec: Mapping[str, Any], limited: Iterable[str]) -> str:
    """What containers have to tell and do not: `cpu for: a,b; memory for: a`."""
    containers: Sequence[Mapping[str, Any]] = [
        *(spec.get("containers") or ()),
        *(spec.get("initContainers") or ()),
    ]
    said = []
    for name in sorted(_TOLD.intersection(limited)):
        member, _, plain = name.rpartition(".")
        silent = [
            str(one.get("name"))
            for one in containers
            if plain not in ((one.get("resources") or {}).get(member or "requests") or {})
        ]
        if silent:
            said.append(f"{name} for: {','.join(silent)}")
    return "; ".join(said)


def concerns(quota: Object, plural: str, obj: Object) -> bool:
    """Whether the quota's scopes let it count this object. Scopes are about pods."""
    spec = quota["spec"]
    demands = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    demands += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return not demands or (plural == "pods" and all(_in_scope(obj["spec"], one) for one in demands))


def _in_scope(spec: Mapping[str, Any], demand: Mapping[str, Any]) -> bool:
    match demand.get("scopeName"):
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return not _pod(spec)
        case "NotBestEffort":
            return bool(_pod(spec))
        case "PriorityClass":
            name, values = spec.get("priorityClassName") or "", demand.get("values") or ()
            match demand.get("operator"):
                case "In":
                    return name in values
                case "NotIn":
                    return name not in values
                case "DoesNotExist":
                    return not name
                case _:
                    return bool(name)
        case _:
            return False
