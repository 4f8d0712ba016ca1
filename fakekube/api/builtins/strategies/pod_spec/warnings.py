"""What the server remarks about a pod spec it accepts.

Origin: k8s: pkg/api/pod/warnings.go, pkg/api/node/util.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.api.builtins.strategies.pod_spec.resources import amount

Member = Mapping[str, Any]

_UNIT = 10**9
_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_SHOWN = {"storageos": "storageOS"}  # upstream's own spelling in these texts
_LISTS = ("initContainers", "containers", "ephemeralContainers")


def of_spec(spec: Member, meta: Member, prefix: str = "") -> list[str]:
    """Texts about a spec and its metadata, which stand at `<prefix>spec` and `<prefix>metadata`."""
    at = f"{prefix}spec"
    found = list(_deprecated_labels(spec, at))
    for key, said in _ANNOTATIONS.items():
        if key in (meta.get("annotations") or ()):
            found.append(f"{prefix}metadata.annotations[{key}]: {said}")
    for index, volume in enumerate(spec.get("volumes") or ()):
        where = f"{at}.volumes[{index}]"
        found += [
            f"{where}.{_SHOWN.get(kind, kind)}: {_VOLUMES[kind]}" for kind in volume if kind in _VOLUMES
        ]
    found += _doubles(spec, at)
    ports: dict[tuple[Any, Any], list[tuple[str, Member]]] = {}
    for name in _LISTS:
        for index, one in enumerate(spec.get(name) or ()):
            where = f"{at}.{name}[{index}]"
            if one.get("resources"):
                found += _fractions(one["resources"], f"{where}.resources")
            if len(one.get("env") or ()) > 1:
                found += _hidden(one["env"], f"{where}.env")
            if "ports" in one:
                found += _ports(one["ports"], f"{where}.ports", ports)
    return found


def _deprecated_labels(spec: Member, at: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in _LABELS:
            yield f"{at}.nodeSelector[{key}]: {_LABELS[key]}"
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    member = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = (node.get(member) or {}).get("nodeSelectorTerms") or ()
    placed = [(term, f"{member}.nodeSelectorTerms[{index}]") for index, term in enumerate(terms)]
    member = "preferredDuringSchedulingIgnoredDuringExecution"
    placed += [
        (term.get("preference") or {}, f"{member}[{index}].preference")
        for index, term in enumerate(node.get(member) or ())
    ]
    for term, where in placed:
        for index, one in enumerate(term.get("matchExpressions") or ()):
            key = one.get("key")
            if key in _LABELS:
                yield f"{at}.affinity.nodeAffinity.{where}.matchExpressions[{index}].key: {key} is {_LABELS[key]}"
    for index, one in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, key = f"{at}.topologySpreadConstraints[{index}]", one.get("topologyKey")
        if key in _LABELS:
            yield f"{where}.topologyKey: {key} is {_LABELS[key]}"
        if one.get("labelSelector") is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"


def _doubles(spec: Member, at: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        ip = alias.get("ip") or ""
        if ip in seen:
            yield f'{at}.hostAliases[{index}].ip: duplicate ip "{ip}"'
        seen.add(ip)
    seen = set()
    secrets = [one.get("name") or "" for one in spec.get("imagePullSecrets") or ()]
    for index, name in enumerate(secrets):
        if name in seen:
            yield f'{at}.imagePullSecrets[{index}].name: duplicate name "{name}"'
        seen.add(name)
    for index, name in enumerate(secrets):
        if not name:
            yield f'{at}.imagePullSecrets[{index}].name: invalid empty name ""'
    if "overhead" in spec:
        yield from _fractions({"overhead": spec["overhead"]}, at)


def _fractions(lists: Member, at: str) -> Iterator[str]:
    """Bytes come in whole numbers."""
    for name in ("memory", "ephemeral-storage"):
        for kind in ("limits", "requests", "overhead"):
            text = (lists.get(kind) or {}).get(name)
            if text is not None and amount(text) % _UNIT:
                yield f'{at}.{kind}[{name}]: fractional byte value "{text}" is invalid, must be an integer'


def _hidden(variables: list[Member], at: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, one in enumerate(variables):
        name = one.get("name") or ""
        if name in seen:
            reference, value = f"$({name})", one.get("value") or ""
            if "valueFrom" in one or value == reference or reference not in value:
                said = f'hides previous definition of "{name}", which may be dropped when using apply'
                yield f"{at}[{index}]: {said}"
        seen.add(name)


def _ports(
    items: list[Member], at: str, seen: dict[tuple[Any, Any], list[tuple[str, Member]]]
) -> Iterator[str]:
    for index, port in enumerate(items):
        where = f"{at}[{index}]"
        others = seen.setdefault((port.get("containerPort"), port.get("protocol")), [])
        for place, other in others:
            if (port.get("hostIP"), port.get("hostPort")) == (other.get("hostIP"), other.get("hostPort")):
                yield f"{where}: duplicate port definition with {place}"
            elif not port.get("hostPort") or not other.get("hostPort"):
                yield f"{where}: overlapping port definition with {place}"
        others.append((where, port))
