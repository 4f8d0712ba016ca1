"""Where a launcher pod may run: what its node has to have, and what it must not. Pure.

Origin: kubevirt: pkg/virt-controller/services/nodeselectorrenderer.go, pkg/virt-controller/watch/topology
"""

from fakekube.machinery.objects import Obj, dig, uid
from fakekube.machinery.wire import Object
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import names
from fakekube.virt.controller.launcher_facts import Target

_HOSTNAME = "kubernetes.io/hostname"
_HOST_MODELS = ("host-model", "host-passthrough")
_IN_HARDWARE = (
    "vpindex",
    "runtime",
    "reset",
    "synic",
    "synictimer",
    "frequencies",
    "reenlightenment",
    "tlbflush",
    "ipi",
)


def node_selector(vmi: Obj, config: ClusterConfig, target: Target | None) -> dict[str, str]:
    spec = dig(vmi, "spec", default={})
    domain = spec.get("domain") or {}
    chosen: dict[str, str] = {
        **(dig(config.raw, "developerConfiguration", "nodeSelectors") or {}),
        **(spec.get("nodeSelector") or {}),
        names.SCHEDULABLE: "true",
    }
    if architecture := spec.get("architecture"):
        chosen["kubernetes.io/arch"] = architecture
    machine = dig(vmi, "status", "machine", "type") or dig(domain, "machine", "type")
    wanted = [f"machine-type.node.kubevirt.io/{machine}"] if machine else []
    wanted += _of_cpu(domain.get("cpu") or {})
    if (security := domain.get("launchSecurity")) is not None:
        wanted += ["kubevirt.io/s390-pv"] if architecture == "s390x" else _of_security(security)
    if config.gate("HypervStrictCheck"):
        wanted += _of_hyperv(dig(domain, "features", "hyperv") or {})
    if hertz := dig(vmi, "status", "topologyHints", "tscFrequency"):
        wanted.append(f"scheduling.node.kubevirt.io/tsc-frequency-{hertz}")
    chosen |= dict.fromkeys(wanted, "true")
    if target is not None:  # a migration narrows the guest's own choice, and never widens it
        chosen = {**target.node_selector, **chosen}
    return chosen


def _of_cpu(cpu: Obj) -> list[str]:
    model = cpu.get("model")
    made = [f"cpu-model.node.kubevirt.io/{model}"] if model and model not in _HOST_MODELS else []
    made += [
        f"cpu-feature.node.kubevirt.io/{one.get('name')}"
        for one in cpu.get("features") or ()
        if one.get("policy") in (None, "", "require")
    ]
    if cpu.get("dedicatedCpuPlacement"):
        made.append("kubevirt.io/cpumanager")
    if cpu.get("realtime") is not None:
        made.append("kubevirt.io/realtime")
    return made


def _of_security(security: Obj) -> list[str]:
    made = [f"kubevirt.io/{kind}" for kind in ("sev", "tdx") if kind in security]
    if dig(security, "sev", "policy", "encryptedState"):
        made.append("kubevirt.io/sev-es")
    if "snp" in security:
        made.append("kubevirt.io/sev-snp")
    return made


def _of_hyperv(hyperv: Obj) -> list[str]:
    """What the host's KVM has to be able to; features that QEMU has by itself need nothing."""
    on = {kind for kind, given in hyperv.items() if isinstance(given, dict) and given.get("enabled") is True}
    made = [f"hyperv.node.kubevirt.io/{kind}" for kind in _IN_HARDWARE if kind in on]
    nested = (hyperv.get("evmcs") or {}).get("enabled") is not False if "evmcs" in hyperv else False
    return [*made, "cpu-vendor.node.kubevirt.io/Intel"] if nested else made


def affinity(vmi: Obj, target: Target | None) -> Object:
    made: Object = {**dig(vmi, "spec", "affinity", default={})}
    cpu = dig(vmi, "spec", "domain", "cpu", default={})
    lacking = [
        f"cpu-feature.node.kubevirt.io/{one.get('name')}"
        for one in cpu.get("features") or ()
        if one.get("policy") == "forbid"
    ]
    if (cpu.get("model") or "host-model") == "host-model":
        lacking.append("node-labeller.kubevirt.io/obsolete-host-model")
    without: list[Object] = [{"key": one, "operator": "DoesNotExist"} for one in lacking]
    if target is not None and target.away_from:
        without.append({"key": _HOSTNAME, "operator": "NotIn", "values": [target.away_from]})
    if without:
        nodes: Object = {**(made.get("nodeAffinity") or {})}
        required = dig(nodes, "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms") or [{}]
        terms = [
            {**term, "matchExpressions": [*(term.get("matchExpressions") or ()), *without]}
            for term in required
        ]
        nodes["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
        made["nodeAffinity"] = nodes
    if target is not None and not target.away_from:
        elsewhere = {
            "labelSelector": {"matchLabels": {names.CREATED_BY: uid(vmi)}},
            "topologyKey": _HOSTNAME,
        }
        apart: Object = {**(made.get("podAntiAffinity") or {})}
        required = apart.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        apart["requiredDuringSchedulingIgnoredDuringExecution"] = [*required, elsewhere]
        made["podAntiAffinity"] = apart
    return made
