"""LimitRanger: a namespace's default requests and limits for containers, and its bounds for what is asked.

Origin: k8s: plugin/pkg/admission/limitranger/admission.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.api.admission.attributes import CREATE, DELETE, Attributes
from fakekube.api.admission.plugins.concerned import Concern
from fakekube.api.admission.plugins.following import Followed, refused
from fakekube.machinery import quantities
from fakekube.machinery.wire import Object

_ANNOTATION = "kubernetes.io/limit-ranger"
Amounts = Mapping[str, str]


class LimitRanger(Concern):
    """Pods when they are made; claims whenever they are written."""

    concerns = frozenset({("", "pods"), ("", "persistentvolumeclaims")})

    def __init__(self, ranges: Followed) -> None:
        self._ranges = ranges

    async def mutate(self, attributes: Attributes) -> None:
        if not self._ranges or attributes.operation != CREATE or attributes.resource.plural != "pods":
            return
        if attributes.subresource or attributes.obj is None:
            return
        for one in self._ranges.of(attributes.namespace):
            _give_defaults(attributes.obj, one)

    async def validate(self, attributes: Attributes) -> None:
        if (
            not self._ranges
            or attributes.operation == DELETE
            or attributes.subresource
            or attributes.obj is None
        ):
            return
        pods = attributes.resource.plural == "pods"
        if pods and attributes.operation != CREATE:
            return
        found = [
            text
            for one in self._ranges.of(attributes.namespace)
            for item in one["spec"].get("limits") or ()
            for text in (_pod_refused(attributes.obj, item) if pods else _claim_refused(attributes.obj, item))
        ]
        if found:
            unique = list(dict.fromkeys(found))
            raise refused(attributes, unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")


def _containers(pod: Object) -> Iterable[tuple[str, dict[str, Any]]]:
    for container in pod["spec"].get("containers") or ():
        yield "container", container
    for container in pod["spec"].get("initContainers") or ():
        yield "init container", container


def _give_defaults(pod: Object, limit_range: Object) -> None:
    """Fill in what containers leave open, and tell so in an annotation. In place."""
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    for item in limit_range["spec"].get("limits") or ():
        if item.get("type") == "Container":
            limits |= item.get("default") or {}
            requests |= item.get("defaultRequest") or {}
    told: list[str] = []
    for what, container in _containers(pod):
        resources = container.setdefault("resources", {})
        for member, defaults in (("requests", requests), ("limits", limits)):
            has = resources.get(member) or {}
            added = sorted(name for name in defaults if name not in has)
            if added:
                resources[member] = {**has, **{name: defaults[name] for name in added}}
                told.append(f"{', '.join(added)} {member[:-1]} for {what} {container.get('name')}")
    if told:
        meta = pod["metadata"]
        said = f"LimitRanger plugin set: {'; '.join(told)}"
        meta["annotations"] = {**(meta.get("annotations") or {}), _ANNOTATION: said}


def _pod_refused(pod: Object, item: Mapping[str, Any]) -> Iterable[str]:
    kind = item.get("type")
    if kind == "Container":
        for _, container in _containers(pod):
            resources = container.get("resources") or {}
            yield from _out_of_bounds(item, resources.get("requests") or {}, resources.get("limits") or {})
    elif kind == "Pod":
        yield from _out_of_bounds(item, _sum(pod, "requests"), _sum(pod, "limits"))


def _sum(pod: Object, member: str) -> Amounts:
    """What a pod needs in all: its containers together, or one init container if that needs more."""
    total: dict[str, int] = {}
    forms: dict[str, str] = {}
    for what, container in _containers(pod):
        for name, text in ((container.get("resources") or {}).get(member) or {}).items():
            value, forms[name] = quantities.parse(text)
            present = total.get(name, 0)
            total[name] = present + value if what == "container" else max(present, value)
    return {name: quantities.render(value, forms[name]) for name, value in total.items()}


def _claim_refused(claim: Object, item: Mapping[str, Any]) -> Iterable[str]:
    if item.get("type") == "PersistentVolumeClaim":
        requests = (claim["spec"].get("resources") or {}).get("requests") or {}
        wanted = {"storage": requests["storage"]} if "storage" in requests else {}
        yield from _out_of_bounds(item, wanted, {})


def _out_of_bounds(item: Mapping[str, Any], requests: Amounts, limits: Amounts) -> Iterable[str]:
    kind = item.get("type")
    for name, bound in (item.get("min") or {}).items():
        request, limit = requests.get(name), limits.get(name)
        said = f"minimum {name} usage per {kind} is {bound}"
        if request is None:
            yield f"{said}.  No request is specified"
        elif _value(request) < _value(bound):
            yield f"{said}, but request is {request}"
        elif limit is not None and _value(limit) < _value(bound):
            yield f"{said}, but limit is {limit}"
    for name, bound in (item.get("max") or {}).items():
        request, limit = requests.get(name), limits.get(name)
        said = f"maximum {name} usage per {kind} is {bound}"
        if kind == "PersistentVolumeClaim":
            if request is not None and _value(request) > _value(bound):
                yield f"{said}, but request is {request}"
        elif limit is None:
            yield f"{said}.  No limit is specified"
        elif _value(limit) > _value(bound):
            yield f"{said}, but limit is {limit}"
        elif request is not None and _value(request) > _value(bound):
            yield f"{said}, but request is {request}"
    for name, bound in (item.get("maxLimitRequestRatio") or {}).items():
        request, limit = requests.get(name), limits.get(name)
        said = f"{name} max limit to request ratio per {kind} is {bound}"
        if request is None or not _value(request):
            yield f"{said}, but no request is specified or request is 0"
        elif limit is None or not _value(limit):
            yield f"{said}, but no limit is specified or limit is 0"
        elif _value(limit) * 10**9 > _value(bound) * _value(request):
            yield f"{said}, but provided ratio is {_value(limit) / _value(request):f}"


def _value(text: str) -> int:
    return quantities.parse(text)[0]
