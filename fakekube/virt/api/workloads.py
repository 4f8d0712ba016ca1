"""Validating webhooks of instances, sizes, replica sets and migrations. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery.objects import condition, dig, is_final
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.api import (
    architectures,
    disks,
    firmware,
    instance_spec,
    networks,
    pool,
    utility_volumes,
)
from fakekube.virt.api.in_order import InOrder
from fakekube.virt.api.machine_spec import MISSING_TEMPLATE
from fakekube.virt.api.reserved import reserved_labels, template_metadata
from fakekube.virt.causes import Cause, not_supported, required
from fakekube.virt.config import ClusterConfig
from fakekube.virt.instancetypes import applying

RESTRICTED_SPEC = "update of VMI object is restricted"
RESTRICTED_LABELS = "modification of the following reserved kubevirt.io/ labels on a VMI object is prohibited"
RESTRICTED_MIGRATION = "update of Migration object's spec is restricted"
_LABEL = "kubevirt.io/vmi-name"
_THREADS = 2  # of a core


def instance(
    vmi: Object, config: ClusterConfig, *, component: bool, known: InOrder | None = None
) -> list[Cause]:
    """What is wrong with a new instance, defaults applied; `known` is what needs no second look."""
    spec: Mapping[str, Any] = vmi.get("spec") or {}

    def judge() -> list[Cause]:
        return [
            *networks.discontinued(spec, config),
            *networks.creation("spec", spec),
            *utility_volumes.creation(spec),
            *instance_spec.validate("spec", spec, config),
            *instance_spec.validate_instance("spec", spec),
        ]

    return [
        *(known or InOrder()).causes(config, "spec", spec, None, judge),
        *template_metadata("metadata", vmi.get("metadata") or {}, config, component=component),
        *architectures.hyperv(spec),
        *architectures.settings("spec", spec),
    ]


def instance_update(vmi: Object, old: Object, *, component: bool) -> list[Cause]:
    """What is wrong with a change of an instance: only KubeVirt changes its spec and its own labels."""
    if component:
        return list(_hotplug(vmi, old))
    found = []
    if vmi.get("spec") != old.get("spec"):
        found.append(not_supported(RESTRICTED_SPEC))
    before, after = (reserved_labels(dig(one, "metadata", "labels") or {}) for one in (old, vmi))
    if before != after:
        found.append(not_supported(RESTRICTED_LABELS, "metadata.labels"))
    return found[:1]


def _hotplug(vmi: Object, old: Object) -> Iterator[Cause]:
    if vmi.get("spec") is old.get("spec"):
        return
    for path, text in (
        (("cpu", "maxSockets"), "CPU topology maxSockets changed"),
        (("memory", "maxGuest"), "Memory maxGuest changed"),
    ):
        before, after = (dig(one, "spec", "domain", *path) for one in (old, vmi))
        if before is not None and before != after:
            yield Cause(text, f"spec.domain.{'.'.join(path)}")


def replica_set(obj: Object, config: ClusterConfig) -> list[Cause]:
    """What is wrong with a replica set of instances."""
    spec: Mapping[str, Any] = obj.get("spec") or {}
    template = spec.get("template")
    if template is None or dig(template, "spec", "domain") is None:
        return [required(MISSING_TEMPLATE, "spec.template")]
    return [
        *instance_spec.validate("spec.template.spec", template["spec"], config),
        *pool.selector_fits(spec.get("selector"), template),
    ]


def preset(obj: Object) -> list[Cause]:
    """A preset changes something, and could be right by its disks and firmware."""
    domain = dig(obj, "spec", "domain")
    if domain is None:
        return [required("missing domain.", "spec.domain")]
    listed = dig(domain, "devices", "disks", default=[])
    return [
        *disks.disks("spec.domain.devices.disks", listed),
        *firmware.alone("spec.domain", obj["spec"]),
    ]


def migration_update(obj: Object, old: Object) -> list[Cause]:
    """A migration's spec never changes, its label not while it is under way."""
    if obj.get("spec") != old.get("spec"):
        return [Cause(RESTRICTED_MIGRATION, "spec")]
    if is_final(old):
        return []
    before, after = (dig(one, "metadata", "labels", _LABEL) for one in (old, obj))
    if before and not after:
        return [Cause("selector label can't be removed from an in-flight migration", "metadata.labels")]
    if before and before != after:
        return [Cause("selector label can't be modified on an in-flight migration", "metadata.labels")]
    return []


def migration_policy(obj: Object) -> list[Cause]:
    """What a policy limits is not less than nothing."""
    spec: Mapping[str, Any] = obj.get("spec") or {}
    return [
        Cause("must not be negative", f"spec.{member}")
        for member in ("completionTimeoutPerGiB", "bandwidthPerMigration")
        if quantities.exact(spec.get(member) or 0) < 0
    ]


def migration_refusal(vmi: Object, *, volumes: bool = False) -> str:
    """Why an instance cannot be migrated; empty when it can. `volumes`: its disks are moved along."""
    if is_final(vmi):
        return "Cannot migrate VMI in finalized state."
    found = condition(vmi, "LiveMigratable")
    if volumes and found is not None and found.get("reason") == "DisksNotLiveMigratable":
        found = condition(vmi, "StorageLiveMigratable")
    if found is not None and found.get("status") == "False":
        return (
            f"Cannot migrate VMI, Reason: {found.get('reason') or ''}, Message: {found.get('message') or ''}"
        )
    return ""


def size(obj: Object) -> list[Cause]:
    """What a size says of memory fits together; what is a percentage, its definition says."""
    memory = dig(obj, "spec", "memory", default={})
    if not memory.get("overcommitPercent") or memory.get("hugepages") is None:
        return []
    own, other = (f"spec.memory.{member}" for member in ("overcommitPercent", "hugepages"))
    return [Cause(f"{own} and {other} should not be requested together.", own)]


def preference(obj: Object) -> list[Cause]:
    """CPUs that are spread over cores and threads are so two by two."""
    spec = obj.get("spec") or {}
    if dig(spec, "cpu", "spreadOptions") is None or applying.preferred_topology(spec) != "spread":
        return []
    ratio, across = applying.spread(spec)
    if across != "CoresThreads" or ratio == _THREADS:
        return []
    text = "only a ratio of 2 (1 core 2 threads) is allowed when spreading vCPUs over cores and threads"
    return [Cause(text, "spec.cpu.spreadOptions.ratio")]
