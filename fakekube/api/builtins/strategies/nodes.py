"""Nodes: taints, addresses of their pods, and a status whose allocatable follows capacity.

A new node is tainted as not ready, unless it comes ready. Upstream the node lifecycle controller takes that taint away
as soon as the kubelet reports the node ready; here the status write that does so takes it along.
Origin: k8s: pkg/registry/core/node/strategy.go, pkg/apis/core/v1/defaults.go, plugin/pkg/admission/nodetaint/admission.go
"""

from ipaddress import ip_network
from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names, quantities
from fakekube.machinery.field_errors import duplicate, forbidden, invalid, required
from fakekube.machinery.wire import Object

NOT_READY = "node.kubernetes.io/not-ready"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class NodeStrategy(BuiltinStrategy):
    """See the module text."""

    status_metadata = checks.STATUS_METADATA

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec, status = obj["spec"], obj["status"]
        if spec.get("podCIDR") and not spec.get("podCIDRs"):
            spec["podCIDRs"] = [spec["podCIDR"]]
        elif spec.get("podCIDRs") and not spec.get("podCIDR"):
            spec["podCIDR"] = spec["podCIDRs"][0]
        capacity = status.get("capacity")
        if capacity and not status.get("allocatable"):
            status["allocatable"] = dict(capacity)

    def prepare_create(self, obj: Object) -> None:
        taints = obj["spec"].get("taints") or []
        if not _is_ready(obj) and not any(taint.get("key") == NOT_READY for taint in taints):
            obj["spec"]["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]

    def prepare_status_update(self, new: Object, old: Object) -> None:
        if not _is_ready(new) or _is_ready(old):
            return
        spec = new["spec"] = dict(new["spec"])
        kept = [taint for taint in spec.get("taints") or () if not _marks_new(taint)]
        if kept:
            spec["taints"] = kept
        else:
            spec.pop("taints", None)

    def validate_create(self, obj: Object) -> Causes:
        return _spec(obj) + _status(obj)

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = _spec(new)
        had, has = old["spec"].get("podCIDRs") or [], new["spec"].get("podCIDRs") or []
        if had and had != has:
            found.append(
                forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
            )
        was, now = old["spec"].get("providerID") or "", new["spec"].get("providerID") or ""
        if was and was != now:
            said = 'node updates may not change providerID except from "" to valid'
            found.append(forbidden("spec.providerID", said))
        # Upstream looks at taints once more after the general checks.
        return found + _taints(new["spec"].get("taints") or ())

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return _status(new)


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _marks_new(taint: dict[str, Any]) -> bool:
    return taint.get("key") == NOT_READY and taint.get("effect") == "NoSchedule"


def _spec(obj: Object) -> Causes:
    spec = obj["spec"]
    found = _taints(spec.get("taints") or ())
    cidrs = spec.get("podCIDRs") or ()
    for index, cidr in enumerate(cidrs):
        try:
            ip_network(cidr)
        except ValueError:
            said = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            found.append(invalid(f"spec.podCIDRs[{index}]", cidr, said))
    return found


def _taints(taints: Any) -> Causes:
    found: Causes = []
    seen: set[tuple[Any, Any]] = set()
    for index, taint in enumerate(taints):
        at, key, value = f"metadata.taints[{index}]", taint.get("key") or "", taint.get("value") or ""
        found += field_checks.texts(f"{at}.key", key, names.qualified_name(key))
        if value:
            found += field_checks.texts(f"{at}.value", value, names.label_value(value))
        found += field_checks.one_of(taint.get("effect"), f"{at}.effect", _EFFECTS)
        unique = (key, taint.get("effect"))
        if unique in seen:
            shown = {"key": key, "value": value, "effect": unique[1], "timeAdded": None}
            found.append(duplicate(at, {name: member for name, member in shown.items() if member}))
        seen.add(unique)
    return found


def _status(obj: Object) -> Causes:
    found: Causes = []
    status = obj["status"]
    for index, address in enumerate(status.get("addresses") or ()):
        if not address.get("type"):
            found.append(required(f"status.addresses[{index}].type"))
    for member in ("capacity", "allocatable"):
        for name, amount in (status.get(member) or {}).items():
            found += checks.quantity_not_negative(amount, f"status.{member}[{name}]")
            if name == "pods" and quantities.parse(amount)[0] % 10**9:
                found.append(invalid(f"status.{member}[{name}]", amount, "must be an integer"))
    return found
