"""The caches all of virt-controller's parts share, with the indexes that keep every pass free of scans."""

import re
from collections.abc import Iterable
from decimal import Decimal

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.client.late import LateInformer
from fakekube.clock import Clock
from fakekube.machinery import selectors
from fakekube.machinery.objects import (
    Obj,
    annotations,
    controller_of,
    dig,
    is_terminating,
    key,
    labels,
    name,
    namespace,
)
from fakekube.machinery.resources import (
    CDI_CONFIGS,
    CONTROLLER_REVISIONS,
    DATA_VOLUMES,
    KUBEVIRTS,
    MIGRATIONS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESOURCE_QUOTAS,
    STORAGE_CLASSES,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
    VOLUME_SNAPSHOT_CLASSES,
    VOLUME_SNAPSHOTS,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt import config
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import data_volumes, hotplug, instance, names, persistent_state

MIGRATION_POLICIES = Resource(
    "migrations.kubevirt.io", "v1alpha1", "migrationpolicies", "MigrationPolicy", namespaced=False
)


_LIMITS_RATIO = "alpha.kubevirt.io/auto-memory-limits-ratio"
_RATIO, _NUMBER = Decimal(2), re.compile(r"\d+(\.\d+)?")
_DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"

BY_OWNER = "owner"  # uid of the controlling owner
BY_CLAIM = "claim"  # namespace/name of claims a template's or an instance's volumes name
BY_VMI = "vmi"  # namespace/name of the VMI a migration is about
BY_NODE = "node"  # node a VMI runs on
BY_STATE = "state"  # namespace/name of the machine whose persistent state a claim keeps
BY_MIGRATION = "migration"  # namespace/name of the migration a claim was made for


class Informers:
    """One informer per resource, for one client."""

    def __init__(self, client: Client, clock: Clock) -> None:
        launchers = f"{names.APP}=virt-launcher"
        self.vms = Informer(client, VIRTUAL_MACHINES, clock=clock)
        self.vmis = Informer(client, VIRTUAL_MACHINE_INSTANCES, clock=clock)
        self.pods = Informer(client, PODS, clock=clock, label_selector=launchers)
        self.attachments = Informer(
            client, PODS, clock=clock, label_selector=f"{names.APP}={hotplug.ATTACHMENT}"
        )
        self.claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self.data_volumes = LateInformer(client, DATA_VOLUMES, clock=clock)
        self.revisions = Informer(client.metadata_only(), CONTROLLER_REVISIONS, clock=clock)
        self.migrations = Informer(client, MIGRATIONS, clock=clock)
        self.replica_sets = Informer(client, VMI_REPLICA_SETS, clock=clock)
        self.nodes = Informer(client, NODES, clock=clock)
        self.kubevirts = Informer(client, KUBEVIRTS, clock=clock)
        self.storage_classes = Informer(client, STORAGE_CLASSES, clock=clock)
        self.volume_snapshots = LateInformer(client, VOLUME_SNAPSHOTS, clock=clock)
        self.volume_snapshot_classes = LateInformer(client, VOLUME_SNAPSHOT_CLASSES, clock=clock)
        self.namespaces = Informer(client.metadata_only(), NAMESPACES, clock=clock)
        self.quotas = Informer(client, RESOURCE_QUOTAS, clock=clock)
        self.cdi_configs = LateInformer(client, CDI_CONFIGS, clock=clock, like=self.data_volumes)
        for informer in (self.vmis, self.pods, self.attachments, self.revisions, self.data_volumes):
            informer.add_index(BY_OWNER, owner_uid)
        self.vms.add_index(BY_CLAIM, _claims_of_vm)
        self.vmis.add_index(BY_CLAIM, _claims_of_vmi)
        self.vmis.add_index(BY_NODE, _node_of)
        self.migrations.add_index(BY_VMI, lambda migration: (vmi_of(migration),))
        self.claims.add_index(BY_STATE, lambda claim: _labelled(claim, persistent_state.LABEL))
        self.claims.add_index(BY_MIGRATION, lambda claim: _labelled(claim, names.MIGRATION_NAME))
        self._configured: tuple[Object | None, ClusterConfig] = None, config.from_object(None)

    @property
    def kubevirt(self) -> Object | None:
        """The KubeVirt object, if there is one."""
        return next(iter(self.kubevirts.objects()), None)

    def config(self) -> ClusterConfig:
        """What the KubeVirt object says; the defaults where there is none."""
        kubevirt = self.kubevirt
        if kubevirt is not self._configured[0]:
            self._configured = kubevirt, config.from_object(kubevirt)
        return self._configured[1]

    def state_of(self, machine: Obj) -> Object | None:
        """The claim that keeps what a machine's, or an instance's, TPM and firmware write; the newest of several."""
        found = [one for one in self.claims.by_index(BY_STATE, key(machine)) if not is_terminating(one)]
        return max(found, key=lambda one: str(one["metadata"]["creationTimestamp"]), default=None)

    def volumes_of(self, machine: Obj) -> list[Object]:
        """All volumes of a machine, with the one of its persistent state, which no spec names."""
        spec = dig(machine, "spec", "template", "spec", default={})
        listed = list(spec.get("volumes") or ())
        claim = self.state_of(machine) if persistent_state.is_needed(machine) else None
        if claim is not None:
            source = {"claimName": name(claim)}
            listed.append(
                {"name": persistent_state.volume_name(name(machine)), "persistentVolumeClaim": source}
            )
        return listed

    def limited(self, space: str) -> frozenset[str]:
        """The resources launchers of a namespace need a limit for: a quota counts limits, or CPU limits are asked for there."""
        hard = {
            name
            for one in self.quotas.objects()
            if namespace(one) == space
            for name in dig(one, "spec", "hard", default={})
        }
        found = {name for name in ("cpu", "memory") if f"limits.{name}" in hard}
        selector = self.config().raw.get("autoCPULimitNamespaceLabelSelector")
        if selector is not None and (own := self.namespaces.get(space)) is not None:
            found |= {"cpu"} if selectors.from_object(selector).matches(labels(own)) else set()
        return frozenset(found)

    def limit_ratio(self, space: str) -> Decimal:
        """How much more memory launchers of a namespace may take than they request: as it says, where that is a number."""
        said = labels(self.namespaces.get(space) or {}).get(_LIMITS_RATIO, "")
        ratio = Decimal(said) if _NUMBER.fullmatch(said) else _RATIO
        return ratio if ratio >= 1 else _RATIO

    def snapshot_classes(self) -> dict[str, str]:
        """By storage class the class its volumes are snapshotted by: that of its driver, or the default one of several."""
        if not self.volume_snapshot_classes.established:
            return {}
        by_driver: dict[str, Object] = {}
        for one in sorted(
            self.volume_snapshot_classes.objects(), key=lambda one: _DEFAULT in annotations(one)
        ):
            by_driver[one.get("driver") or ""] = one
        chosen = {
            name(one): by_driver.get(one.get("provisioner") or "") for one in self.storage_classes.objects()
        }
        return {own: name(found) for own, found in chosen.items() if found is not None}


def owner_uid(obj: Object) -> Iterable[str]:
    """The controlling owner's uid; empty for orphans, so that these can be found, too."""
    owner = controller_of(obj)
    return (owner["uid"] if owner else "",)


def _claims_of_vm(vm: Object) -> Iterable[str]:
    return _keys(vm, instance.template_volumes(vm))


def _claims_of_vmi(vmi: Object) -> Iterable[str]:
    return _keys(vmi, instance.all_volumes(vmi))


def _keys(obj: Object, volumes: Iterable[Object]) -> Iterable[str]:
    return [f"{namespace(obj)}/{claim}" for claim in data_volumes.claims_of(volumes)]


def _labelled(obj: Object, label: str) -> Iterable[str]:
    value = labels(obj).get(label)
    return (f"{namespace(obj)}/{value}",) if value else ()


def _node_of(vmi: Object) -> Iterable[str]:
    node = labels(vmi).get(names.NODE_NAME)
    return (node,) if node else ()


def vmi_of(migration: Object) -> str:
    """The key of the VMI a migration is about."""
    return f"{namespace(migration)}/{dig(migration, 'spec', 'vmiName', default='')}"
