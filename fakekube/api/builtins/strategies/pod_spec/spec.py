"""A whole pod spec, in the order upstream looks at it; and what is asked of pods but not of templates.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidatePodSpec, validatePodMetadataAndSpec, ValidatePodCreate)
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, dns_label, valid_ip
from fakekube.api.builtins.strategies.pod_spec import containers, resources, scheduling, security
from fakekube.api.builtins.strategies.pod_spec.volumes import volumes
from fakekube.machinery import digits, names, placing
from fakekube.machinery.field_checks import dns_subdomain, one_of, qualified
from fakekube.machinery.field_errors import (
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from fakekube.machinery.wire import Object

Member = Mapping[str, Any]

MIRROR = "kubernetes.io/config.mirror"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_RESTARTS = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_DEADLINE = "must be between 1 and 2147483647, inclusive"


def pod_spec(spec: Member, path: str, *, pod_name: str = "", of_pod: bool = False) -> Causes:
    """Everything a spec is held to. `of_pod`: the spec is a pod's own, not a template's."""
    sound, found = volumes(spec.get("volumes") or (), pod_name, f"{path}.volumes")
    claims: frozenset[str] = frozenset()
    if "resourceClaims" in spec:
        claims = frozenset(one["name"] for one in spec["resourceClaims"] if one.get("name"))
        found += _claims(spec["resourceClaims"], f"{path}.resourceClaims")
    around = containers.Surroundings(
        sound,
        claims,
        spec.get("terminationGracePeriodSeconds"),
        spec.get("restartPolicy") or "",
        (spec.get("os") or {}).get("name"),
        spec.get("hostUsers") is not False,
    )
    found += _containers(spec, around, path)
    if spec.get("resources"):
        found += _whole(spec, f"{path}.resources")
    if spec.get("hostNetwork"):
        found += _host_network(spec, path, of_pod=of_pod)
    if spec.get("restartPolicy") not in _RESTARTS:
        found += one_of(spec.get("restartPolicy"), f"{path}.restartPolicy", _RESTARTS)
    if spec.get("dnsPolicy") not in _DNS:
        found += one_of(spec.get("dnsPolicy"), f"{path}.dnsPolicy", _DNS)
    if "nodeSelector" in spec:
        found += names.check_labels(spec["nodeSelector"], f"{path}.nodeSelector")
    if spec.get("securityContext"):
        found += security.of_pod(spec, f"{path}.securityContext")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        said = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(invalid(f"{path}.securityContext.shareProcessNamespace", True, said))
    if "affinity" in spec:
        found += placing.affinity(spec["affinity"], f"{path}.affinity")
    if "dnsConfig" in spec or spec.get("dnsPolicy") == "None":
        found += _dns_config(spec, f"{path}.dnsConfig")
    for index, one in enumerate(spec.get("readinessGates") or ()):
        found += qualified(one.get("conditionType") or "", f"{path}.readinessGates[{index}].conditionType")
    if "schedulingGates" in spec:
        found += scheduling.gates(spec["schedulingGates"], f"{path}.schedulingGates")
    if "topologySpreadConstraints" in spec:
        found += placing.spread(spec["topologySpreadConstraints"], f"{path}.topologySpreadConstraints")
    found += security.host_users(spec, path)
    return found + _identity(spec, path) + _classes(spec, path)


def _containers(spec: Member, around: containers.Surroundings, path: str) -> Causes:
    regular, init = spec.get("containers") or (), spec.get("initContainers") or ()
    found = containers.regular(regular, around, f"{path}.containers")
    if init:
        found += containers.init(init, regular, around, f"{path}.initContainers")
    if "ephemeralContainers" in spec:
        others = [*regular, *init]
        found += containers.ephemeral(
            spec["ephemeralContainers"], others, around, f"{path}.ephemeralContainers"
        )
    return found


def _identity(spec: Member, path: str) -> Causes:
    """Names the spec mentions, and for how long it may run."""
    found: Causes = []
    if "hostnameOverride" in spec:
        found += _hostname_override(spec, f"{path}.hostnameOverride")
    for member in ("serviceAccountName", "nodeName"):
        if spec.get(member):
            found += dns_subdomain(spec[member], f"{path}.{member}")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        found.append(invalid(f"{path}.activeDeadlineSeconds", deadline, _DEADLINE))
    for member in ("hostname", "subdomain"):
        if spec.get(member):
            found += dns_label(spec[member], f"{path}.{member}")
    if spec.get("tolerations"):
        found += scheduling.tolerations(spec["tolerations"], f"{path}.tolerations")
    for index, one in enumerate(spec.get("hostAliases") or ()):
        at = f"{path}.hostAliases[{index}]"
        found += valid_ip(one.get("ip") or "", f"{at}.ip")
        for position, name in enumerate(one.get("hostnames") or ()):
            found += dns_subdomain(name, f"{at}.hostnames[{position}]")
    return found


def _classes(spec: Member, path: str) -> Causes:
    found: Causes = []
    for member in ("priorityClassName", "runtimeClassName"):
        if spec.get(member):
            found += dns_subdomain(spec[member], f"{path}.{member}")
    if "preemptionPolicy" in spec:
        allowed = ("PreemptLowerPriority", "Never")
        found += one_of(spec["preemptionPolicy"], f"{path}.preemptionPolicy", allowed)
    if "overhead" in spec:
        found += resources.requirements({"limits": spec["overhead"]}, f"{path}.overhead")
    system = spec.get("os")
    if system is not None:
        if not system.get("name"):
            found.append(required(f"{path}.os.name"))
        elif system["name"] not in ("linux", "windows"):
            found.append(not_supported(f"{path}.os", system["name"], ["linux", "windows"]))
    return found


def _hostname_override(spec: Member, path: str) -> Causes:
    value, said = spec["hostnameOverride"], "may not be specified when"
    members = ("setHostnameAsFQDN", "hostNetwork")
    found = [forbidden(path, f"{said} {member} is true") for member in members if spec.get(member)]
    if len(value) > 64:
        found.append(too_long(path, 64))
    return found + dns_subdomain(value, path)


def _claims(items: list[Member], path: str) -> Causes:
    found: Causes = []
    seen: set[str] = set()
    for index, one in enumerate(items):
        at, name = f"{path}[{index}]", one.get("name") or ""
        if not name:
            found.append(required(f"{at}.name"))
        elif name in seen:
            found.append(duplicate(f"{at}.name", name))
        else:
            found += dns_label(name, f"{at}.name")
            seen.add(name)
        given = [member for member in ("resourceClaimName", "resourceClaimTemplateName") if member in one]
        if len(given) > 1:
            said = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            found.append(invalid(at, one, said))
        elif not given:
            said = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            found.append(invalid(at, one, said))
        for member in given:
            found += dns_subdomain(one[member], f"{at}.{member}")
    return found


def _whole(spec: Member, path: str) -> Causes:
    """Resources of the pod as a whole bound those of its containers."""
    whole = spec["resources"]
    found = resources.requirements({key: whole[key] for key in whole if key != "claims"}, path)
    if whole.get("claims"):
        found.insert(0, forbidden(f"{path}.claims", "claims may not be set for Resources at pod-level"))
    limits = whole.get("limits") or {}
    for index, one in enumerate(spec.get("containers") or ()):
        for name, limit in ((one.get("resources") or {}).get("limits") or {}).items():
            if name in limits and resources.amount(limit) > resources.amount(limits[name]):
                said = f"must be less than or equal to pod limits of {limits[name]}"
                found.append(invalid(f"{path}.containers[{index}][{name}].limits", limit, said))
    return found


def _host_network(spec: Member, path: str, *, of_pod: bool) -> Causes:
    said = "must match `containerPort` when `hostNetwork` is true"
    return [
        invalid(f"{path}.containers[{index}].ports[{position}].hostPort", port.get("hostPort") or 0, said)
        for index, one in enumerate(spec.get("containers") or ())
        for position, port in enumerate(one.get("ports") or ())
        if (of_pod or port.get("hostPort")) and port.get("hostPort") != port.get("containerPort")
    ]


def _dns_config(spec: Member, path: str) -> Causes:
    config = spec.get("dnsConfig")
    servers = (config or {}).get("nameservers") or ()
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not servers:
            said = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", said)]
    found: Causes = []
    if len(servers) > 3:
        found.append(invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        found += valid_ip(server, f"{path}.nameservers[{index}]")
    searches = (config or {}).get("searches") or ()
    if len(searches) > 32:
        found.append(invalid(f"{path}.searches", searches, "must not have more than 32 search paths"))
    if len(" ".join(searches)) > 2048:
        said = "must not have more than 2048 characters (including spaces) in the search list"
        found.append(invalid(f"{path}.searches", searches, said))
    for index, search in enumerate(searches):
        if search != ".":
            # Underscores are let through here, unlike in other names.
            found += dns_subdomain(search.removesuffix(".").replace("_", "x"), f"{path}.searches[{index}]")
    for index, option in enumerate((config or {}).get("options") or ()):
        if not option.get("name"):
            found.append(required(f"{path}.options[{index}]", "must not be empty"))
    return found


def annotations(given: Mapping[str, str], spec: Member, path: str) -> Causes:
    """Annotations that mean something to pods."""
    found: Causes = []
    if MIRROR in given and not spec.get("nodeName"):
        said = "must set spec.nodeName if mirror pod annotation is set"
        found.append(invalid(f"{path}[{MIRROR}]", given[MIRROR], said))
    cost = given.get(_DELETION_COST)
    if cost is not None and not _is_int32(cost):
        found.append(invalid(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer"))
    for key in given:
        if key.startswith(_APP_ARMOR):
            name = key.removeprefix(_APP_ARMOR)
            lists = ("initContainers", "containers", "ephemeralContainers")
            if not any(one.get("name") == name for members in lists for one in spec.get(members) or ()):
                found.append(invalid(f"{path}[{key}]", name, "container not found"))
    return found


def _is_int32(text: str) -> bool:
    """Without a plus, and without zeros in front unless behind a minus."""
    plain = text == "0" or not text.startswith(("+", "0"))
    return plain and digits.integer(text, bits=32) is not None


def pod(obj: Object) -> Causes:
    """A pod, on create and on every update of its spec; its metadata is the registry's business."""
    meta, spec = obj["metadata"], obj.get("spec") or {}
    found = annotations(meta["annotations"], spec, "metadata.annotations") if "annotations" in meta else []
    found += pod_spec(spec, "spec", pod_name=meta.get("name") or "", of_pod=True)
    if not spec.get("serviceAccountName"):
        found += _tokens_without_account(spec)
    for member in ("containers", "initContainers"):
        for index, one in enumerate(spec.get(member) or ()):
            image = one.get("image") or ""
            if image != image.strip():
                found += containers.image_spaces(one, f"spec.{member}[{index}]")
    return found


def _tokens_without_account(spec: Member) -> Causes:
    said = "must not be specified when serviceAccountName is not set"
    return [
        forbidden(f"spec.volumes[{index}].projected.sources[{position}].serviceAccountToken", said)
        for index, volume in enumerate(spec.get("volumes") or ())
        if "projected" in volume
        for position, source in enumerate(volume["projected"].get("sources") or ())
        if "serviceAccountToken" in source
    ]


def new_pod(obj: Object) -> Causes:
    """What is asked of a pod on create alone."""
    spec = obj.get("spec") or {}
    found = pod(obj)
    if spec.get("ephemeralContainers"):
        found.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        said = "cannot be set until all schedulingGates have been cleared"
        found.append(forbidden("spec.nodeName", said))
    return found
