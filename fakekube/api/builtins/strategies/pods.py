"""Pods: phase Pending and a QoS class to begin with, little that may change, and a grace period after DELETE.

What a spec may say stands in `pod_spec/`; it applies to templates too.
Origin: k8s: pkg/registry/core/pod/strategy.go
"""

from collections.abc import Sequence
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, metadata_again
from fakekube.api.builtins.strategies.pod_spec import defaults, spec, updates, warnings
from fakekube.api.builtins.strategies.pod_spec.resources import qos_class
from fakekube.api.builtins.strategies.pod_spec.scheduling import resolve_label_keys
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import names
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import is_final
from fakekube.machinery.wire import Object

_PARTS = ("ephemeralcontainers", "resize")
_SAY_NAME = (
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
    "recommended: "
)


class PodStrategy(BuiltinStrategy):
    """What the server adds to a pod, and when DELETE removes one at once: unbound, finished, or asked for with 0."""

    status_metadata = ("labels", "annotations", "finalizers")
    shares_parts = True

    def prune_update(self, new: Object, old: Object) -> Sequence[str]:
        """The stored pod's own conditions bear times that are null: decoding would take those from it."""
        status, before = new.get("status"), old.get("status")
        if not status or not before:
            return self.prune(new)
        if status is before:
            new["status"] = {}
            complaints = self.prune(new)
            new["status"] = status
            return complaints
        conditions = status.get("conditions") if type(status) is dict else None
        known = set(map(id, before.get("conditions") or ()))
        if type(conditions) is not list or known.isdisjoint(map(id, conditions)):
            return self.prune(new)
        status["conditions"] = decoded = [{} if id(one) in known else one for one in conditions]
        complaints = self.prune(new)
        status["conditions"] = [
            one if id(one) in known else decoded[index] for index, one in enumerate(conditions)
        ]
        return complaints

    def default(self, obj: Object) -> None:
        self.default_update(obj, {})

    def default_update(self, new: Object, old: Object) -> None:
        super().default(new)
        spec, status = new["spec"], new.get("status")
        if spec is not old.get("spec"):
            if old:  # some of it may be the stored pod's own
                spec = new["spec"] = copy_of(spec)
            defaults.pod(spec)
        if status and status is not old.get("status"):
            _normalize_status(status)

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
        if "affinity" in obj["spec"] or "topologySpreadConstraints" in obj["spec"]:
            resolve_label_keys(obj["spec"], obj["metadata"].get("labels") or {})

    def complete_create(self, obj: Object) -> None:
        if obj["spec"].get("schedulingGates"):
            waiting = {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": obj["metadata"]["creationTimestamp"],
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
            obj["status"]["conditions"] = [waiting]

    def prepare_status_update(self, new: Object, old: Object) -> None:
        now, before = new.setdefault("status", {}), old.get("status") or {}
        if not now.get("qosClass") and "qosClass" in before:
            now["qosClass"] = before["qosClass"]
        if not now.get("observedGeneration") and "observedGeneration" in before:
            now["observedGeneration"] = before["observedGeneration"]

    def prepare_subresource_update(self, subresource: str, new: Object, old: Object) -> None:
        """`ephemeralcontainers` and `resize` change what they are named after and nothing else."""
        if subresource in _PARTS:
            for member in ("labels", "annotations", "finalizers", "ownerReferences"):
                new["metadata"].pop(member, None)
                if member in old["metadata"]:
                    new["metadata"][member] = old["metadata"][member]
        if subresource == "ephemeralcontainers":
            kept = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
            if new["spec"].get("ephemeralContainers"):
                kept["ephemeralContainers"] = new["spec"]["ephemeralContainers"]
            new["spec"] = kept
        elif subresource == "resize":
            _keep_but_resources(new, old)

    def validate_create(self, obj: Object) -> Causes:
        return spec.new_pod(obj)

    def validate_update(self, new: Object, old: Object) -> Causes:
        meta, before = new["metadata"], old["metadata"]
        notes, noted = meta.get("annotations") or {}, before.get("annotations") or {}
        found: Causes = []
        if new["spec"] != old["spec"]:
            found = metadata_again(new, self.name_rule) + spec.pod(new)
            found += updates.annotations(notes, noted) + updates.spec(new["spec"], old["spec"])
        elif notes != noted:
            found = spec.annotations(notes, new["spec"], "metadata.annotations")
            found += updates.annotations(notes, noted)
        return found

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return updates.status(new, old)

    def validate_subresource_update(self, subresource: str, new: Object, old: Object) -> Causes:
        if subresource == "ephemeralcontainers":
            return spec.pod(new) + updates.ephemeral(new, old)
        return spec.pod(new) + updates.resize(new, old) if subresource == "resize" else []

    def warnings(self, obj: Object, old: Object | None) -> list[str]:
        if old is not None:
            return []
        said = names.label(obj["metadata"]["name"])
        named = [f"{_SAY_NAME}[{' '.join(said)}]"] if said else []
        return named + warnings.of_spec(obj["spec"], obj["metadata"])

    def grace_period(self, obj: Object, asked: int | None) -> int:
        pod = obj.get("spec") or {}
        if not pod.get("nodeName") or is_final(obj):
            return 0
        if asked is None:
            asked = pod.get("terminationGracePeriodSeconds")
        grace = defaults.GRACE_SECONDS if asked is None else int(asked)
        return 1 if grace < 0 else grace


def _normalize_status(status: dict[str, Any]) -> None:
    """One address is the first of many, and conditions show their times even where they have none. In place."""
    ip, ips = status.get("podIP"), status.get("podIPs")
    if ip and (not ips or ips[0].get("ip") != ip):
        status["podIPs"] = [{"ip": ip}]
    elif ips and not ip:
        status["podIP"] = ips[0].get("ip")
    for condition in status.get("conditions") or ():
        condition.setdefault("lastProbeTime", None)
        condition.setdefault("lastTransitionTime", None)


def _keep_but_resources(new: Object, old: Object) -> None:
    """The old spec with the new resources and resize policies. Where containers came, went or moved, validation speaks."""
    kept = dict(old["spec"])
    for name in ("containers", "initContainers"):
        wanted, had = new["spec"].get(name) or [], old["spec"].get(name) or []
        if [one.get("name") for one in wanted] != [one.get("name") for one in had]:
            return
        if had:
            kept[name] = [_resized(one, before) for one, before in zip(wanted, had, strict=True)]
    new["spec"] = kept


def _resized(one: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    members = ("resources", "resizePolicy")
    merged = {key: value for key, value in before.items() if key not in members}
    return merged | {key: one[key] for key in members if key in one}
