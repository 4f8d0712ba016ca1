"""Services: defaults, addresses and ports, and what a change of type lets go. Validation stands in `service_rules`.

Upstream allocates before it validates; so a refused address is the only thing its answer talks about.
Origin: k8s: pkg/apis/core/v1/defaults.go (SetDefaults_Service), pkg/registry/core/service/{strategy.go,storage/alloc.go}
"""

import random
from typing import Any

from fakekube.api.builtins.strategies import load_balancers, service_rules
from fakekube.api.builtins.strategies.checks import STATUS_METADATA, Causes, parse_ip
from fakekube.api.builtins.strategies.service_addresses import Addresses, node_ports
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import errors
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.field_errors import FieldError, invalid
from fakekube.machinery.wire import Object

NONE = "None"
_AFFINITY_SECONDS = 10800
_WITH_IP = ("ClusterIP", "NodePort", "LoadBalancer")

Spec = dict[str, Any]


class ServiceStrategy(BuiltinStrategy):
    """`addresses` is this server's allocator; the composition of the server replaces it by one with its own seed."""

    metadata_rechecks = 1
    status_metadata = STATUS_METADATA

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.addresses = Addresses(random.Random(0))  # noqa: S311 - addresses are no secret

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        _default_spec(spec)
        if spec["type"] == "LoadBalancer":
            for one in (obj["status"].get("loadBalancer") or {}).get("ingress") or ():
                if one.get("ip"):
                    one.setdefault("ipMode", "VIP")

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"loadBalancer": {}}
        spec = obj["spec"]
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        self._allocate(obj, None)

    def prepare_update(self, new: Object, old: Object) -> None:
        spec, before = new["spec"], old["spec"]
        _keep_allocated(spec, before)
        _follow_cluster_ip(spec, before)
        _drop_what_the_type_has_no_use_for(spec, before)
        self._allocate(new, old)

    def validate_create(self, obj: Object) -> Causes:
        return service_rules.service(obj)

    def validate_update(self, new: Object, old: Object) -> Causes:
        return service_rules.change(new, old) + service_rules.service(new)

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return load_balancers.of_service(new)

    def _allocate(self, obj: Object, old: Object | None) -> None:
        """Families, addresses, ports. Raises Invalid for what is asked for and cannot be had."""
        spec = obj["spec"]
        if spec["type"] == "ExternalName":
            return
        before: Spec = old["spec"] if old is not None else {}
        found = _init_families(spec, before)
        if found:
            raise self._invalid(obj, found)
        if not old or before.get("type") == "ExternalName":
            self._allocate_ips(obj)
        if spec["type"] in ("NodePort", "LoadBalancer"):
            self._allocate_ports(obj)
        if service_rules.needs_health_port(spec) and not spec.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = self._next_port(set(node_ports(obj)))

    def _allocate_ips(self, obj: Object) -> None:
        spec = obj["spec"]
        ips: list[str] = spec.get("clusterIPs") or []
        if ips[:1] == [NONE]:
            return
        if ips:
            for ip in ips:
                refused = self.addresses.refuses_ip(ip, obj["metadata"].get("uid") or "")
                if refused:
                    said = f"failed to allocate IP {ip}: {refused}"
                    raise self._invalid(obj, [invalid("spec.clusterIPs", ips, said)])
        else:
            free = self.addresses.next_ip()
            if free is None:
                raise InternalError("Internal error occurred: failed to allocate a serviceIP: range is full")
            ips = [free]
        spec["clusterIP"], spec["clusterIPs"] = ips[0], ips

    def _allocate_ports(self, obj: Object) -> None:
        """A port number that serves two protocols gets one node port for both."""
        spec, uid = obj["spec"], obj["metadata"].get("uid") or ""
        ports = spec.get("ports") or ()
        by_port: dict[int, int] = {}
        for index, port in enumerate(ports):
            asked = port.get("nodePort")
            if asked:
                refused = self.addresses.refuses_port(asked, uid)
                if refused:
                    raise self._invalid(obj, [invalid(f"spec.ports[{index}].nodePort", asked, refused)])
                by_port.setdefault(port["port"], asked)
        if not service_rules.needs_node_ports(spec):
            return
        taken = set(node_ports(obj))
        for port in ports:
            if not port.get("nodePort"):
                shared = by_port.get(port["port"])
                port["nodePort"] = shared or self._next_port(taken)
                by_port[port["port"]] = port["nodePort"]
                taken.add(port["nodePort"])

    def _next_port(self, besides: set[int]) -> int:
        port = self.addresses.next_port(besides)
        if port is None:
            raise InternalError("Internal error occurred: failed to allocate a nodePort: range is full")
        return port

    def _invalid(self, obj: Object, causes: list[FieldError]) -> ApiError:
        return errors.invalid(self.kind, self.group, obj["metadata"].get("name") or "", causes)


def _default_spec(spec: Spec) -> None:
    affinity = spec.setdefault("sessionAffinity", NONE)
    if affinity == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", _AFFINITY_SECONDS)
    elif affinity == NONE:
        spec.pop("sessionAffinityConfig", None)
    kind = spec.setdefault("type", "ClusterIP")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if service_rules.externally_accessible(spec):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in _WITH_IP:
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _keep_allocated(spec: Spec, old: Spec) -> None:
    """What a PUT leaves out of what the server once chose stays."""
    if spec["type"] in _WITH_IP and old["type"] in _WITH_IP:
        if not spec.get("clusterIP") and not spec.get("clusterIPs") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and spec.get("clusterIP") == old.get("clusterIP"):
            spec["clusterIPs"] = list(old.get("clusterIPs") or ())
    if service_rules.needs_node_ports(spec) and service_rules.needs_node_ports(old):
        known = {
            (port.get("protocol"), port.get("port")): port.get("nodePort") for port in old.get("ports") or ()
        }
        used = {port.get("nodePort") for port in spec.get("ports") or ()}
        for port in spec.get("ports") or ():
            kept = known.get((port.get("protocol"), port.get("port")))
            if not port.get("nodePort") and kept and kept not in used:
                port["nodePort"] = kept
    if service_rules.needs_health_port(spec) and service_rules.needs_health_port(old):
        spec.setdefault("healthCheckNodePort", old.get("healthCheckNodePort", 0))


def _follow_cluster_ip(spec: Spec, old: Spec) -> None:
    """A client that knows only `clusterIP` changed it: `clusterIPs` follows, where it was left as it was."""
    one, before = spec.get("clusterIP") or "", old.get("clusterIP") or ""
    if one == before or (spec.get("clusterIPs") or []) != (old.get("clusterIPs") or []):
        return
    if one:
        spec["clusterIPs"] = [one]
    else:
        spec.pop("clusterIPs", None)


def _drop_what_the_type_has_no_use_for(spec: Spec, old: Spec) -> None:
    """Members the old type needed go with it, unless the writer changed them: then validation speaks."""
    if old["type"] in _WITH_IP and spec["type"] == "ExternalName":
        members = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
        _drop_unchanged(spec, old, members)
    if service_rules.needs_node_ports(old) and not service_rules.needs_node_ports(spec):
        kept = [port.get("nodePort") for port in spec.get("ports") or ()]
        if kept == [port.get("nodePort") for port in old.get("ports") or ()]:
            for port in spec.get("ports") or ():
                port.pop("nodePort", None)
    if service_rules.needs_health_port(old) and not service_rules.needs_health_port(spec):
        _drop_unchanged(spec, old, ("healthCheckNodePort",))
    if old["type"] == "LoadBalancer" and spec["type"] != "LoadBalancer":
        _drop_unchanged(spec, old, ("allocateLoadBalancerNodePorts", "loadBalancerClass"))
    if service_rules.externally_accessible(old) and not service_rules.externally_accessible(spec):
        _drop_unchanged(spec, old, ("externalTrafficPolicy",))


def _drop_unchanged(spec: Spec, old: Spec, members: tuple[str, ...]) -> None:
    for member in members:
        if member in spec and spec[member] == old.get(member):
            del spec[member]


def _init_families(spec: Spec, old: Spec) -> Causes:
    """`ipFamilyPolicy` and `ipFamilies` of a cluster that has IPv4 only."""
    headless = spec.get("clusterIP") == NONE
    selectorless = headless and not spec.get("selector")
    if "ipFamilyPolicy" not in spec:
        inherited = old.get("ipFamilyPolicy")
        spec["ipFamilyPolicy"] = inherited or ("RequireDualStack" if selectorless else "SingleStack")
    found = service_rules.cluster_ips(spec)
    if found:
        return found
    policy = spec["ipFamilyPolicy"]
    ips, families = spec.get("clusterIPs") or [], list(spec.get("ipFamilies") or ())
    at = "spec.ipFamilyPolicy"
    if policy == "SingleStack":
        if old and len(families) > 1 and families == old.get("ipFamilies"):
            families = families[:1]
        either = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
        if len(ips) == 2:
            found.append(invalid(at, policy, f"{either} cluster IPs are specified"))
        if len(families) == 2:
            found.append(invalid(at, policy, f"{either} IP families are specified"))
    for index, ip in enumerate(ips):
        address = parse_ip(ip)
        if address is not None and index >= len(families):
            families.append(f"IPv{address.version}")
            if address.version == 6:
                said = "IPv6 is not configured on this cluster"
                found.append(invalid(f"spec.clusterIPs[{index}]", ips, said))
    families = families or ["IPv4"]
    if selectorless and len(families) < 2 and policy != "SingleStack":
        families.append("IPv6" if families[0] == "IPv4" else "IPv4")
    if not selectorless and not found:
        if policy == "RequireDualStack":
            found.append(invalid(at, policy, "this cluster is not configured for dual-stack services"))
        found += [
            invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
            for index, family in enumerate(families)
            if family != "IPv4"
        ]
    spec["ipFamilies"] = families
    return found
