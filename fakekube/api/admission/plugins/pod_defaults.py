"""Three small plugins that complete a new pod: Priority, RuntimeClass, DefaultTolerationSeconds.

Origin: k8s: plugin/pkg/admission/{priority,runtimeclass,defaulttolerationseconds}/admission.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.admission.plugins.concerned import Concern
from fakekube.api.admission.plugins.following import Followed, refused

PODS = frozenset({("", "pods")})
_PREEMPT = "PreemptLowerPriority"
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_SECONDS = 300


class Priority(Concern):
    """The number behind a pod's priority class; without a class, that of the default class or 0."""

    concerns = PODS

    def __init__(self, classes: Followed) -> None:
        self._classes = classes

    async def mutate(self, attributes: Attributes) -> None:
        spec = _new_pod(attributes)
        if spec is None:
            return
        name, given = spec.get("priorityClassName"), spec.get("priority")
        chosen: Mapping[str, Any] | None = None
        if name:
            chosen = self._classes.named(name)
            if chosen is None:
                raise refused(attributes, f"no PriorityClass with name {name} was found")
        else:
            defaults = [one for one in self._classes.of() if one.get("globalDefault")]
            if defaults:
                chosen = min(defaults, key=lambda one: one["value"])
                spec["priorityClassName"] = chosen["metadata"]["name"]
        value = 0 if chosen is None else chosen["value"]
        if given is not None and given != value:
            why = (
                f"the integer value of priority ({given}) must not be provided in pod spec; priority admission "
                f"controller computed {value} from the given PriorityClass name"
            )
            raise refused(attributes, why)
        spec["priority"] = value
        policy = (chosen or {}).get("preemptionPolicy") or _PREEMPT
        if spec.setdefault("preemptionPolicy", policy) != policy:
            why = (
                "the string value of PreemptionPolicy "
                f"({spec['preemptionPolicy']}) must not be provided in pod spec; priority admission controller computed "
                f"{policy} from the given PriorityClass name"
            )
            raise refused(attributes, why)


class RuntimeClass(Concern):
    """The overhead and the nodes of a pod's runtime class."""

    concerns = PODS

    def __init__(self, classes: Followed) -> None:
        self._classes = classes

    async def mutate(self, attributes: Attributes) -> None:
        spec = _new_pod(attributes)
        name = spec.get("runtimeClassName") if spec is not None else None
        if not name or spec is None:
            return
        chosen: Mapping[str, Any] | None = self._classes.named(name)
        if chosen is None:
            raise refused(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        overhead = (chosen.get("overhead") or {}).get("podFixed")
        if overhead:
            if spec.setdefault("overhead", dict(overhead)) != overhead:
                why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
                raise refused(attributes, why)
        elif spec.get("overhead"):
            why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise refused(attributes, why)
        scheduling = chosen.get("scheduling") or {}
        wanted = scheduling.get("nodeSelector") or {}
        selector = spec.get("nodeSelector") or {}
        for key, value in wanted.items():
            if selector.get(key, value) != value:
                why = (
                    "pod rejected: conflict: runtimeClass.scheduling.nodeSelector and pod.spec.nodeSelector differ on "
                    f"{key}"
                )
                raise refused(attributes, why)
        if wanted:
            spec["nodeSelector"] = {**selector, **wanted}
        has = spec.get("tolerations") or []
        more = [dict(one) for one in scheduling.get("tolerations") or () if one not in has]
        if more:
            spec["tolerations"] = [*has, *more]


class DefaultTolerationSeconds(Concern):
    """A pod stays five minutes on a node that is not ready or cannot be reached, unless it says otherwise."""

    concerns = PODS

    async def mutate(self, attributes: Attributes) -> None:
        spec = _new_pod(attributes)
        if spec is None:
            return
        has = spec.get("tolerations") or []
        more = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _SECONDS}
            for key in _TOLERATED
            if not any(_tolerates(one, key) for one in has)
        ]
        if more:
            spec["tolerations"] = [*has, *more]


def _tolerates(toleration: Mapping[str, Any], key: str) -> bool:
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")


def _new_pod(attributes: Attributes) -> dict[str, Any] | None:
    """The spec of a pod that is being made."""
    if attributes.operation != CREATE or attributes.subresource or attributes.obj is None:
        return None
    spec: dict[str, Any] = attributes.obj["spec"]
    return spec
