"""How a migration is to go: what the cluster says, and the policy that fits the VMI best. Pure.

Origin: kubevirt: pkg/virt-controller/watch/migration/migrationpolicy.go, pkg/virt-config/configuration.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.machinery.objects import Obj, dig, labels, name
from fakekube.machinery.wire import Object

# What KubeVirt decides about migrations unless its configuration or a policy says otherwise.
CONFIGURATION: dict[str, Any] = {
    "allowAutoConverge": False,
    "allowPostCopy": False,
    "allowWorkloadDisruption": False,
    "bandwidthPerMigration": "0",
    "completionTimeoutPerGiB": 150,
    "maxDowntimeMs": 900,
    "nodeDrainTaintKey": "kubevirt.io/drain",
    "parallelMigrationsPerCluster": 5,
    "parallelOutboundMigrationsPerNode": 2,
    "progressTimeout": 150,
    "unsafeMigrationOverride": False,
    "utilityVolumesTimeout": 150,
}
_BY_POLICY = (
    "allowAutoConverge",
    "allowPostCopy",
    "allowWorkloadDisruption",
    "bandwidthPerMigration",
    "completionTimeoutPerGiB",
    "maxDowntimeMs",
)


def of_cluster(kubevirt: Obj | None) -> dict[str, Any]:
    """What a KubeVirt object says about migrations, over the defaults."""
    return {**CONFIGURATION, **dig(kubevirt, "spec", "configuration", "migrations", default={})}


def chosen(
    policies: Iterable[Object], vmi: Obj, namespace_labels: Mapping[str, str]
) -> tuple[str, dict[str, Any]]:
    """Name and settings of the policy with the most matching labels; an empty name when none has a say.

    Of equally detailed ones those of the instance count more than its namespace's, then the first by name wins.
    """
    fitting = []
    for policy in policies:
        score = _score(dig(policy, "spec", "selectors"), labels(vmi), namespace_labels)
        if score is not None:
            of_instance, of_namespace = score
            fitting.append((-(of_instance + of_namespace), -of_instance, name(policy), policy))
    if not fitting:
        return "", {}
    *_, own, policy = min(fitting, key=lambda one: one[:3])
    spec = dig(policy, "spec", default={})
    settings = {member: spec[member] for member in _BY_POLICY if spec.get(member) is not None}
    if "allowPostCopy" in settings:
        settings.setdefault("allowWorkloadDisruption", settings["allowPostCopy"])
    return (own, settings) if settings else ("", {})


def _score(
    selectors: Obj | None, of_instance: Mapping[str, str], of_namespace: Mapping[str, str]
) -> tuple[int, int] | None:
    """How many labels match, of the instance and of its namespace; None when one does not. No selectors match nothing."""
    if selectors is None:
        return None
    wanted = selectors.get("virtualMachineInstanceSelector") or {}
    around = selectors.get("namespaceSelector") or {}
    if wanted.items() <= of_instance.items() and around.items() <= of_namespace.items():
        return len(wanted), len(around)
    return None
