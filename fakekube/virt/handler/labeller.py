"""What nodes can run, told by labels and devices, and what the KubeVirt object's configuration changes in that. Pure.

Nothing is found on a node: what is told is the same everywhere, and what somebody says of a node otherwise stays until the
configuration changes. Then, as upstream every few minutes, the labels are made anew, but for nodes that are to be skipped.
Origin: kubevirt: pkg/virt-handler/node-labeller/{node_labeller,model}.go, pkg/virt-handler/node-labeller/util/util.go,
pkg/virt-handler/ksm/ksm.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery import selectors
from fakekube.machinery.objects import Obj, annotations, dig, labels
from fakekube.virt.config import ClusterConfig

SCHEDULABLE = "kubevirt.io/schedulable"
MERGES, MERGED_BY_US = "kubevirt.io/ksm-enabled", "kubevirt.io/ksm-handler-managed"
SKIP = "node-labeller.kubevirt.io/skip-node"
OBSOLETE = "node-labeller.kubevirt.io/obsolete-host-model"

_FREE = "kubevirt.io/ksm-free-percent-override"
_HOST = "host-model-cpu.node.kubevirt.io/"
_MODEL, _MIGRATION = "cpu-model.node.kubevirt.io/", "cpu-model-migration.node.kubevirt.io/"
_OURS = (
    *(_MODEL, _MIGRATION, _HOST, OBSOLETE, "cpu-feature.node.kubevirt.io/", "cpu-timer.node.kubevirt.io/"),
    *("hyperv.node.kubevirt.io/", "host-model-required-features.node.kubevirt.io/"),
    *("kubevirt.io/realtime", "kubevirt.io/sev"),
)
_OLD = frozenset(
    (
        *("486", "pentium", "pentium2", "pentium3", "pentiumpro", "coreduo", "n270", "core2duo", "Conroe"),
        *("athlon", "phenom", "qemu64", "qemu32", "kvm64", "kvm32", "Opteron_G1", "Opteron_G2"),
    )
)
_HOST_MODEL = "Cascadelake-Server"
_MODELS = (
    _HOST_MODEL,
    "Haswell",
    "Broadwell",
    "Skylake-Server",
    "Nehalem",
    "Westmere",
    "SandyBridge",
    "IvyBridge",
)
_FEATURES = ("aes", "avx", "avx2", "sse4.1", "sse4.2", "vmx", "apic", "pcid", "xsave")
_MACHINES = (
    "pc",
    "pc-i440fx-rhel7.6.0",
    "q35",
    "pc-q35-rhel9.6.0",
    "pc-q35-rhel9.4.0",
    "pc-q35-rhel9.2.0",
    "pc-q35-rhel8.6.0",
)
_DEVICES = ("kvm", "tun", "vhost-net")
_GATED = {"VSOCK": "vhost-vsock", "IOMMUFD": "iommufd"}
_ENCRYPTING = ("sev", "tdx")
_HYPERV = (
    *("base", "frequencies", "ipi", "reenlightenment", "reset", "runtime"),
    *("synic", "synic2", "synictimer", "time", "tlbflush", "vpindex"),
)
_MANY = "16k"  # a virt-handler says 1k unless told otherwise; here as many as a node of this size takes pods

CAPABILITIES: dict[str, str] = {
    SCHEDULABLE: "true",
    **dict.fromkeys(("cpumanager", "kubevirt.io/cpumanager"), "true"),  # kubelets with the static policy
    **{f"machine-type.node.kubevirt.io/{machine}": "true" for machine in _MACHINES},
    **{f"{_MODEL}{model}": "true" for model in _MODELS},
    **{f"{_MIGRATION}{model}": "true" for model in _MODELS},
    **{f"cpu-feature.node.kubevirt.io/{feature}": "true" for feature in _FEATURES},
    **{f"host-model-required-features.node.kubevirt.io/{feature}": "true" for feature in ("vmx", "pcid")},
    **{f"hyperv.node.kubevirt.io/{feature}": "true" for feature in _HYPERV},
    f"{_HOST}{_HOST_MODEL}": "true",
    "cpu-vendor.node.kubevirt.io/Intel": "true",
    "cpu-timer.node.kubevirt.io/tsc-frequency": "2400000000",
    "scheduling.node.kubevirt.io/tsc-frequency-2400000000": "true",
    "cpu-timer.node.kubevirt.io/tsc-scalable": "false",
}

Configuration = Mapping[str, Any]


def capabilities(configuration: Configuration) -> dict[str, str]:
    """What a node is labelled with; models that count as obsolete are kept back, and a host of such a model says so."""
    obsolete = _obsolete(configuration)
    told = {
        key: value
        for key, value in CAPABILITIES.items()
        if not (key.startswith((_MODEL, _MIGRATION)) and key.partition("/")[2] in obsolete)
    }
    return {**told, OBSOLETE: "true"} if _HOST_MODEL in obsolete else told


def missing(node: Obj, configuration: Configuration) -> dict[str, str]:
    """What the node's labels lack. Labels somebody has set otherwise are left alone, but for schedulability."""
    own, skipped = labels(node), SKIP in annotations(node)
    lacking = {
        key: value
        for key, value in capabilities(configuration).items()
        if key not in own and not (skipped and key.startswith(_OURS))
    }
    if own.get(SCHEDULABLE) != "true":
        lacking[SCHEDULABLE] = "true"
    return lacking


def anew(node: Obj, configuration: Configuration) -> dict[str, str | None]:
    """A merge patch of the node's labels: what is told of a node, and nothing else of that kind."""
    if SKIP in annotations(node):
        return {}
    told, own = capabilities(configuration), labels(node)
    made: dict[str, str | None] = {key: None for key in own if key.startswith(_OURS) and key not in told}
    return made | {
        key: value for key, value in told.items() if key.startswith(_OURS) and own.get(key) != value
    }


def merging(node: Obj, configuration: Configuration) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations to be changed: whether equal pages of memory are merged there (KSM), and whether virt-handler has
    them merged. It does so when memory is short, which it never is here, unless the node's annotation says that no memory is
    enough. Nodes that were never meant are left alone."""
    given = configuration.get("ksmConfiguration")
    told, known = labels(node), annotations(node)
    if given is None and MERGES not in told:
        return {}, {}
    try:
        meant = selectors.from_object((given or {}).get("nodeLabelSelector")).matches(told)
    except selectors.SelectorError:
        meant = False
    wanted = "true" if meant else "false"
    running = "true" if meant and _is_short(known.get(_FREE, "")) else "false"
    return (
        {MERGES: wanted} if told.get(MERGES) != wanted else {},
        {MERGED_BY_US: running} if known.get(MERGED_BY_US) != running else {},
    )


def _is_short(text: str) -> bool:
    """Whether memory counts as short when such a part of it is not free."""
    try:
        return float(text) == 1.0
    except ValueError:
        return False


def alarm(configuration: Configuration) -> str:
    """What is told of a node whose own model counts as obsolete; empty: it does not."""
    obsolete = _obsolete(configuration)
    if _HOST_MODEL not in obsolete:
        return ""
    listed = " ".join(f"{model}:true" for model in sorted(obsolete))
    return f"This node has {_HOST_MODEL} host-model cpu that is included in ObsoleteCPUModels: map[{listed}]"


def devices(node: Obj, configuration: Configuration) -> dict[str, str]:
    """How many guests a node has room for: of the kinds that are wanted in the cluster, and that it says it encrypts."""
    config, own = ClusterConfig(raw=configuration), labels(node)
    kinds = [*_DEVICES, *(kind for gate, kind in _GATED.items() if config.gate(gate))]
    kinds += ["pr-helper"] if dig(configuration, "persistentReservationConfiguration", "enabled") else []
    kinds += [kind for kind in _ENCRYPTING if own.get(f"kubevirt.io/{kind}") == "true"]
    many = str(configuration.get("virtualMachineInstancesPerNode") or _MANY)
    return {f"devices.kubevirt.io/{kind}": many for kind in kinds}


def _obsolete(configuration: Configuration) -> frozenset[str]:
    return _OLD | frozenset(configuration.get("obsoleteCPUModels") or ())
