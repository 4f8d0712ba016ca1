"""What machines and their instances are described with alike: systems, instance types, networks. Pure.

Origin: kubevirt: pkg/monitoring/metrics/virt-controller/vmistats_collector.go
"""

from collections.abc import Iterator, Mapping

from fakekube.machinery.objects import Obj, dig, labels
from fakekube.machinery.resources import Resource

Known = Mapping[tuple[str, str], Obj]  # (kind, its key) → instance type or preference

_SYSTEM = ("os", "workload", "flavor")
_VENDOR = "instancetype.kubevirt.io/vendor"
_VENDORS = ("kubevirt.io", "redhat.com")
_OTHER = "<other>"  # names that users have chosen are not told: there may be any number of them
_NO_BINDING = {"name", "model", "macAddress", "ports", "bootOrder", "pciAddress", "tag", "acpiIndex", "state"}


def system(annotations: Mapping[str, str]) -> dict[str, str]:
    """What templates say a guest is."""
    return {one: annotations.get(f"vm.kubevirt.io/{one}", "") for one in _SYSTEM}


def typed(resource: Resource, own: str, space: str, known: Known) -> str:
    """The name of an instance type or preference, where a vendor has named it."""
    found = known.get((resource.kind, f"{space}/{own}" if resource.namespaced else own))
    return own if found is not None and labels(found).get(_VENDOR) in _VENDORS else _OTHER


def cards(spec: Obj) -> Iterator[dict[str, str]]:
    """The network cards of a guest that have a network, described."""
    networks = {one["name"]: one for one in spec.get("networks") or ()}
    for nic in dig(spec, "domain", "devices", "interfaces", default=()):
        network = networks.get(nic["name"])
        if network is None:
            continue
        plugin = dig(nic, "binding", "name")
        bindings = [one for one in nic if one not in _NO_BINDING and one != "binding"]
        yield {
            "vnic_name": nic["name"],
            "binding_type": "plugin" if plugin else "core",
            "network": dig(network, "multus", "networkName") or "pod networking",
            "binding_name": plugin or (bindings[0] if bindings else ""),
            "model": nic.get("model") or "<none>",
        }
