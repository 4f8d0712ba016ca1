"""What makes a Service valid, in the real server's order and words.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateService, ValidateServiceUpdate)
"""

from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.machinery import field_checks, names, objects
from fakekube.machinery.field_errors import duplicate, forbidden, invalid, not_supported, required
from fakekube.machinery.wire import Object

Spec = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_WITH_IP = ("ClusterIP", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_POLICIES = ("Cluster", "Local")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_DAY = 86400
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"


def needs_node_ports(spec: Spec) -> bool:
    kind = spec.get("type")
    return kind == "NodePort" or (
        kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False
    )


def needs_health_port(spec: Spec) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def externally_accessible(spec: Spec) -> bool:
    kind = spec.get("type")
    return kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def service(obj: Object) -> Causes:
    """All rules but those of metadata."""
    spec: Spec = obj["spec"]
    kind = spec.get("type") or ""
    headless = (spec.get("clusterIPs") or [""])[0] == "None"
    ports = spec.get("ports") or []
    found: Causes = []
    if not ports and not headless and kind != "ExternalName":
        found.append(required("spec.ports"))
    found += _of_type(spec, kind, ports, headless=headless)
    found += _ports(ports)
    found += names.check_labels(spec.get("selector") or {}, "spec.selector")
    found += _affinity(spec)
    found += cluster_ips(spec)
    for index, ip in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{index}]"
        found += checks.valid_ip(ip, at) or checks.ordinary_ip(ip, at)
    found += field_checks.one_of(kind, "spec.type", _TYPES)
    if kind == "ClusterIP":
        found += [
            forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
            for index, port in enumerate(ports)
            if port.get("nodePort")
        ]
    found += _repeated_ports(ports)
    found += _sources(obj, spec, kind)
    if "allocateLoadBalancerNodePorts" in spec and kind != "LoadBalancer":
        found.append(forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_BALANCERS))
    if "loadBalancerClass" in spec:
        at, value = "spec.loadBalancerClass", spec["loadBalancerClass"]
        found += (
            [forbidden(at, _ONLY_BALANCERS)] if kind != "LoadBalancer" else field_checks.qualified(value, at)
        )
    found += _traffic(spec, kind)
    found += field_checks.one_of(
        spec.get("trafficDistribution"), "spec.trafficDistribution", _DISTRIBUTIONS, missing=None
    )
    return found


def _sources(obj: Object, spec: Spec, kind: str) -> Causes:
    """The ranges, or what the older annotation says; blanks around them do not matter."""
    at, annotated = "spec.LoadBalancerSourceRanges", objects.annotations(obj).get(_RANGES)
    places = [(f"{at}[{index}]", one) for index, one in enumerate(spec.get("loadBalancerSourceRanges") or ())]
    if not places:
        if annotated is None:
            return []
        at = f"metadata.annotations[{_RANGES}]"
        places = [(at, one) for one in annotated.split(",")] if annotated.strip() else []
    found = [] if kind == "LoadBalancer" else [forbidden(at, _ONLY_BALANCERS)]
    return found + [cause for place, one in places for cause in checks.valid_cidr(one.strip(), place)]


def _of_type(spec: Spec, kind: str, ports: list[Any], *, headless: bool) -> Causes:
    found: Causes = []
    if kind == "LoadBalancer":
        found += [
            invalid(
                f"spec.ports[{index}]",
                10250,
                "may not expose port 10250 externally since it is used by kubelet",
            )
            for index, port in enumerate(ports)
            if port.get("port") == 10250
        ]
    if kind in ("LoadBalancer", "NodePort") and headless:
        found.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        found += [
            forbidden(f"spec.{member}", "may not be set for ExternalName services")
            for member in ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
            if spec.get(member)
        ]
        name = (spec.get("externalName") or "").removesuffix(".")
        found += (
            field_checks.dns_subdomain(name, "spec.externalName") if name else [required("spec.externalName")]
        )
    return found


def _ports(ports: list[Any]) -> Causes:
    found: Causes = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"spec.ports[{index}]", port.get("name") or ""
        if name:
            found += checks.dns_label(name, f"{at}.name")
            if name in seen:
                found.append(duplicate(f"{at}.name", name))
            seen.add(name)
        elif len(ports) > 1:
            found.append(required(f"{at}.name"))
        found += checks.port_number(port.get("port"), f"{at}.port")
        found += field_checks.one_of(port.get("protocol"), f"{at}.protocol", _PROTOCOLS)
        found += checks.port_number_or_name(port.get("targetPort"), f"{at}.targetPort")
        if port.get("appProtocol"):
            found += field_checks.qualified(port["appProtocol"], f"{at}.appProtocol")
    return found


def _repeated_ports(ports: list[Any]) -> Causes:
    found: Causes = []
    on_nodes: set[tuple[Any, Any]] = set()
    inside: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        number, key = port.get("nodePort"), (port.get("protocol"), port.get("port"))
        if number:
            if (port.get("protocol"), number) in on_nodes:
                found.append(duplicate(f"spec.ports[{index}].nodePort", number))
            on_nodes.add((port.get("protocol"), number))
        if key in inside:
            shown = {
                "Name": "",
                "Protocol": key[0],
                "AppProtocol": None,
                "Port": key[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            found.append(duplicate(f"spec.ports[{index}]", shown))
        inside.add(key)
    return found


def _affinity(spec: Spec) -> Causes:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    found = field_checks.one_of(affinity, "spec.sessionAffinity", _AFFINITIES)
    if affinity == "ClientIP":
        seconds = ((config or {}).get("clientIP") or {}).get("timeoutSeconds") or 0
        if not 0 < seconds <= _DAY:
            said = f"must be greater than 0 and less than {_DAY}"
            found.append(invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, said))
    elif affinity == "None" and config:
        said = "must not be set when session affinity is None"
        found.append(forbidden("spec.sessionAffinityConfig", said))
    return found


def cluster_ips(spec: Spec) -> Causes:
    """`clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` taken together."""
    if spec.get("type") == "ExternalName":
        return []
    at, one, ips = "spec.clusterIPs", spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    found: Causes = []
    if one:
        if not ips:
            found.append(required(at))
        elif ips[0] != one:
            found.append(invalid(at, ips, "first value must match `clusterIP`"))
    elif ips:
        found.append(invalid(at, ips, "must be empty when `clusterIP` is not specified"))
    policy, families = spec.get("ipFamilyPolicy"), spec.get("ipFamilies") or []
    found += field_checks.one_of(policy, "spec.ipFamilyPolicy", _FAMILY_POLICIES, missing=None)
    if len(families) > 2:
        found.append(invalid("spec.ipFamilies", families, "may only hold up to 2 values"))
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            found.append(not_supported(f"spec.ipFamilies[{index}]", family, list(_FAMILIES)))
        elif family in families[:index]:
            found.append(duplicate(f"spec.ipFamilies[{index}]", family))
    if ips[:1] == ["None"]:
        return found + ([invalid(at, ips, "'None' must be the first and only value")] if len(ips) > 1 else [])
    for index, ip in enumerate(ips):
        address = checks.parse_ip(ip)
        if ip == "None":
            found.append(invalid(f"{at}[{index}]", ip, "'None' must be the first and only value"))
        elif address is None:
            found += checks.valid_ip(ip, f"{at}[{index}]")
        elif index < len(families) and families[index] != f"IPv{address.version}":
            said = f"expected an {families[index]} value as indicated by `ipFamilies[{index}]`"
            found.append(invalid(f"{at}[{index}]", ip, said))
    if len(ips) > 2:
        found.append(invalid(at, ips, "may only hold up to 2 values"))
    return found


def _traffic(spec: Spec, kind: str) -> Causes:
    found: Causes = []
    outside, needs = spec.get("externalTrafficPolicy"), externally_accessible(spec)
    if needs:
        found += field_checks.one_of(outside, "spec.externalTrafficPolicy", _POLICIES)
    elif outside:
        said = "may only be set for externally-accessible services"
        found.append(invalid("spec.externalTrafficPolicy", outside, said))
    health = spec.get("healthCheckNodePort") or 0
    if health and not needs_health_port(spec):
        said = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        found.append(invalid("spec.healthCheckNodePort", health, said))
    elif health:
        found += checks.port_number(health, "spec.healthCheckNodePort")
    inside = spec.get("internalTrafficPolicy")
    if kind in _WITH_IP or inside:
        found += field_checks.one_of(inside, "spec.internalTrafficPolicy", _POLICIES)
    return found


def change(new: Object, old: Object) -> Causes:
    """What of an existing Service may not change."""
    spec, before = new["spec"], old["spec"]
    found: Causes = []
    if "ExternalName" not in (spec["type"], before["type"]):
        ips, had = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
        if had and not ips:
            found.append(invalid("spec.clusterIPs[0]", ips, "primary clusterIP can not be unset"))
        elif had and ips[0] != had[0]:
            found.append(invalid("spec.clusterIPs[0]", ips, "may not change once set"))
        families, known = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
        if known and not families:
            found.append(invalid("spec.ipFamilies[0]", families, "primary ipFamily can not be unset"))
        elif known and families[0] != known[0]:
            found.append(invalid("spec.ipFamilies[0]", families, "may not change once set"))
    both_balance = spec["type"] == before["type"] == "LoadBalancer"
    if both_balance and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        at = "spec.loadBalancerClass"
        found.append(invalid(at, spec.get("loadBalancerClass"), "may not change once set"))
    return found
