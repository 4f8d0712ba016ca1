"""Ingresses, their classes, and NetworkPolicies.

Origin: k8s: pkg/apis/networking/{v1/defaults.go,validation/validation.go}, pkg/registry/networking/*/strategy.go
"""

from typing import Any

from fakekube.api.builtins.strategies import checks, load_balancers
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import forbidden, invalid, required
from fakekube.machinery.wire import Object

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_POLICY_TYPES = ("Egress", "Ingress")
_CLASS = "kubernetes.io/ingress.class"
_BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDINGS = ("/..", "/.")


class IngressStrategy(BuiltinStrategy):
    """HTTP rules."""

    metadata_rechecks = 1
    status_metadata = checks.STATUS_METADATA

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"loadBalancer": {}}

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        annotation = (obj["metadata"].get("annotations") or {}).get(_CLASS)
        found: Causes = []
        if annotation and spec.get("ingressClassName"):
            said = "can not be set when the class field is also set"
            found.append(invalid("annotations." + _CLASS, annotation, said))
        return found + self._spec(spec)

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self._spec(new["spec"])

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        return load_balancers.of_ingress(new)

    def _spec(self, spec: dict[str, Any]) -> Causes:
        found: Causes = []
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            found.append(invalid("spec", [], "either `defaultBackend` or `rules` must be specified"))
        if spec.get("defaultBackend") is not None:
            found += _backend(spec["defaultBackend"], "spec.defaultBackend")
        found += checks.each(spec.get("rules"), "spec.rules", _rule)
        for index, tls in enumerate(spec.get("tls") or ()):
            for position, host in enumerate(tls.get("hosts") or ()):
                found += _host(host, f"spec.tls[{index}].hosts[{position}]")
        if spec.get("ingressClassName"):
            found += field_checks.dns_subdomain(spec["ingressClassName"], "spec.ingressClassName")
        return found


def _host(host: str, at: str) -> Causes:
    if "*" not in host:
        return field_checks.dns_subdomain(host, at)
    if host.startswith("*.") and names.subdomain(host[2:]) == []:
        return []
    said = (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
        r"regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )
    return [invalid(at, host, said)]


def _rule(rule: dict[str, Any], at: str) -> Causes:
    found: Causes = []
    host = rule.get("host") or ""
    if host:
        if checks.parse_ip(host) is not None:
            found.append(invalid(f"{at}.host", host, "must be a DNS name, not an IP address"))
        found += _host(host, f"{at}.host")
    http = rule.get("http")
    if http is not None:
        paths = http.get("paths") or ()
        if not paths:
            found.append(required(f"{at}.http.paths"))
        found += checks.each(paths, f"{at}.http.paths", _path)
    return found


def _path(path: dict[str, Any], at: str) -> Causes:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        return [required(f"{at}.pathType", "pathType must be specified")]
    found: Causes = []
    if kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            found.append(invalid(f"{at}.path", text, "must be an absolute path"))
        found += [
            invalid(f"{at}.path", text, f"must not contain '{bad}'") for bad in _BAD_SEQUENCES if bad in text
        ]
        found += [
            invalid(f"{at}.path", text, f"cannot end with '{bad}'")
            for bad in _BAD_ENDINGS
            if text.endswith(bad)
        ]
    elif kind == "ImplementationSpecific":
        if text and not text.startswith("/"):
            found.append(invalid(f"{at}.path", text, "must be an absolute path"))
    else:
        found += field_checks.one_of(
            kind, f"{at}.pathType", _PATH_TYPES, missing="pathType must be specified"
        )
    return found + _backend(path.get("backend") or {}, f"{at}.backend")


def _backend(backend: dict[str, Any], at: str) -> Causes:
    service, resource = backend.get("service"), backend.get("resource")
    if resource is not None and service is not None:
        return [invalid(at, "", "cannot set both resource and service backends")]
    if resource is not None:
        return [
            required(f"{at}.resource.{member}") for member in ("kind", "name") if not resource.get(member)
        ]
    if service is None:
        return [invalid(at, "", "resource or service backend is required")]
    found = []
    name, port = service.get("name") or "", service.get("port") or {}
    if name:
        found += field_checks.texts(f"{at}.service.name", name, names.label(name))
    else:
        found.append(required(f"{at}.service.name"))
    if port.get("name") and port.get("number"):
        found.append(invalid(at, "", "cannot set both port name & port number"))
    elif port.get("number"):
        found += checks.port_number(port["number"], f"{at}.service.port.number")
    elif port.get("name"):
        found += field_checks.texts(f"{at}.service.port.name", port["name"], checks.port_name(port["name"]))
    else:
        found.append(required(at, "port name or number is required"))
    return found


class IngressClassStrategy(BuiltinStrategy):
    """Which controller serves an Ingress."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        parameters = (obj.get("spec") or {}).get("parameters")
        if parameters:
            parameters.setdefault("scope", "Cluster")

    def validate_create(self, obj: Object) -> Causes:
        controller = obj["spec"].get("controller") or ""
        found: Causes = []
        if len(controller) > 250:
            found.append(forbidden("spec.controller", "may not be longer than 250"))
        if not controller or "/" not in controller:
            said = 'must be a domain-prefixed path (such as "acme.io/foo")'
            found.append(
                invalid("spec.controller", controller, said) if controller else required("spec.controller")
            )
        parameters = obj["spec"].get("parameters")
        if parameters:
            found += [
                required(f"spec.parameters.{member}")
                for member in ("kind", "name")
                if not parameters.get(member)
            ]
            in_namespace = parameters.get("scope") == "Namespace"
            if in_namespace and not parameters.get("namespace"):
                said = "`parameters.scope` is set to 'Namespace'"
                found.append(required("spec.parameters.namespace", said))
            if not in_namespace and parameters.get("namespace"):
                said = "`parameters.scope` is set to 'Cluster'"
                found.append(forbidden("spec.parameters.namespace", said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return checks.immutable(
            new["spec"].get("controller"), old["spec"].get("controller"), "spec.controller"
        )


class NetworkPolicyStrategy(BuiltinStrategy):
    """What may talk to what."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found = field_checks.label_selector(spec.get("podSelector"), "spec.podSelector")
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for index, rule in enumerate(spec.get(direction) or ()):
                at = f"spec.{direction}[{index}]"
                found += checks.each(rule.get("ports"), f"{at}.ports", _policy_port)
                found += checks.each(rule.get(side), f"{at}.{side}", _peer)
        types = spec.get("policyTypes") or ()
        if len(types) > 2:
            said = "may not specify more than two policyTypes"
            return [*found, invalid("spec.policyTypes", types, said)]
        for index, one in enumerate(types):
            found += field_checks.one_of(one, f"spec.policyTypes[{index}]", _POLICY_TYPES)
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def _policy_port(port: dict[str, Any], at: str) -> Causes:
    found = field_checks.one_of(port.get("protocol"), f"{at}.protocol", _PROTOCOLS, missing=None)
    number, last = port.get("port"), port.get("endPort")
    if number is None:
        if last is not None:
            found.append(required(f"{at}.port", "may not be omitted when `endPort` is specified"))
        return found
    found += checks.port_number_or_name(number, f"{at}.port")
    if last is not None:
        if isinstance(number, str):
            said = "may not be specified when `port` is non-numeric"
            found.append(forbidden(f"{at}.endPort", said))
        elif last < number:
            found.append(invalid(f"{at}.endPort", last, "must be greater than or equal to `port`"))
    return found


def _peer(peer: dict[str, Any], at: str) -> Causes:
    block = peer.get("ipBlock")
    pods, spaces = peer.get("podSelector"), peer.get("namespaceSelector")
    if block is None and pods is None and spaces is None:
        return [required(at, "must specify a peer")]
    found = field_checks.label_selector(pods, f"{at}.podSelector")
    found += field_checks.label_selector(spaces, f"{at}.namespaceSelector")
    if block is None:
        return found
    if pods is not None or spaces is not None:
        found.append(forbidden(at, "may not specify both ipBlock and another peer"))
    return found + _block(block, f"{at}.ipBlock")


def _block(block: dict[str, Any], at: str) -> Causes:
    cidr = block.get("cidr") or ""
    if not cidr:
        return [required(f"{at}.cidr")]
    whole = checks.parse_cidr(cidr)
    if whole is None:
        return checks.valid_cidr(cidr, f"{at}.cidr")
    found: Causes = []
    for index, text in enumerate(block.get("except") or ()):
        place = f"{at}.except[{index}]"
        part = checks.parse_cidr(text)
        if part is None:
            found += checks.valid_cidr(text, place)
            continue
        inside = part.version == whole.version and part.network_address in whole
        if not inside or part.prefixlen <= whole.prefixlen:
            found.append(invalid(place, text, f'must be a strict subset of `cidr`: "{cidr}"'))
    return found
