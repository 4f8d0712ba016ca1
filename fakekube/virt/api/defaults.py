"""The mutating webhooks: what machines, instances, migrations and clones look like after virt-api saw them.

Each takes the object as it came (and the stored one) and returns the object as it shall be; arguments stay as they are.

Origin: kubevirt: pkg/virt-api/webhooks/mutating-webhook/mutators
"""

from datetime import datetime

from fakekube.clock import rfc3339
from fakekube.ids import Ids
from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import dig, is_terminating
from fakekube.machinery.wire import Object
from fakekube.virt.api.encoding import encode_instance, encode_machine
from fakekube.virt.api.instance_defaults import (
    set_architecture,
    set_instance_defaults,
    set_machine_type,
)
from fakekube.virt.config import EVEN_THREADS, ClusterConfig

TOPOLOGY_ANNOTATION = "kubevirt.io/pci-topology-version"
TOPOLOGY = "v3"
INSTANCE_FINALIZER = "kubevirt.io/foregroundDeleteVirtualMachine"
MIGRATION_FINALIZER = "kubevirt.io/migrationJobFinalize"
MIGRATION_LABEL = "kubevirt.io/vmi-name"
_ROOTLESS = 107
_ROOT = 0


def machine(
    vm: Object,
    config: ClusterConfig,
    ids: Ids,
    *,
    creates: bool,
    preference: Object | None = None,
    built_for: str = "",
) -> Object:
    """A VirtualMachine: identity at creation, architecture and chipset always. `built_for`: the architecture of its disks, if
    anything tells it."""
    template = dig(vm, "spec", "template")
    if is_terminating(vm) or template is None or dig(template, "spec", "domain") is None:
        return vm
    vm = {**vm, "spec": copy_of(vm["spec"])}
    template = vm["spec"]["template"]
    spec = template["spec"]
    preferred: Object = (preference or {}).get("spec") or {}
    if not spec.get("architecture") and (wanted := preferred.get("preferredArchitecture") or built_for):
        spec["architecture"] = wanted
    architecture = set_architecture(spec, config)
    machine_type = dig(preferred, "machine", "preferredMachineType")
    if machine_type and not dig(spec, "domain", "machine", "type"):
        spec["domain"].setdefault("machine", {})["type"] = machine_type
    set_machine_type(spec, config)
    if creates:
        _firmware(spec, ids)
        if architecture in ("amd64", "arm64"):
            _annotate(template, TOPOLOGY_ANNOTATION, TOPOLOGY)
    storage_class = dig(preferred, "volumes", "preferredStorageClassName")
    if storage_class:
        for one in vm["spec"].get("dataVolumeTemplates") or ():
            for kind in ("storage", "pvc"):
                if dig(one, "spec", kind) is not None:
                    one["spec"][kind].setdefault("storageClassName", storage_class)
    encode_machine(vm["spec"])
    return vm


def instance(vmi: Object, config: ClusterConfig, ids: Ids, now: datetime) -> Object:
    """A new VirtualMachineInstance: complete spec, phase Pending, kept until its pods are gone."""
    if is_terminating(vmi):
        return vmi
    vmi = {**vmi, "metadata": dict(vmi["metadata"]), "spec": copy_of(vmi.get("spec") or {})}
    spec = vmi["spec"]
    set_instance_defaults(spec, config)
    encode_instance(spec)
    firmware = spec["domain"].setdefault("firmware", {})
    if not firmware.get("uuid"):
        firmware["uuid"] = ids.uid()
    _annotate(vmi, TOPOLOGY_ANNOTATION, TOPOLOGY, keep=True)
    alone = spec["domain"]["cpu"].get("isolateEmulatorThread")
    if alone and config.even_threads and config.gate("AlignCPUs"):
        _annotate(vmi, EVEN_THREADS, "")
    meta = vmi["metadata"]
    finalizers = meta.get("finalizers") or []
    if INSTANCE_FINALIZER not in finalizers:
        meta["finalizers"] = [*finalizers, INSTANCE_FINALIZER]
    vmi["status"] = _initial_status(spec, config, vmi.get("status") or {}, rfc3339(now))
    return vmi


def instance_update(vmi: Object, old: Object, *, component: bool) -> Object:
    """A changed VirtualMachineInstance: its status is KubeVirt's own; anybody else's change of it is undone."""
    if component or vmi.get("status") == old.get("status"):
        return vmi
    kept = {key: value for key, value in vmi.items() if key != "status"}
    return {**kept, "status": old["status"]} if "status" in old else kept


def migration(vmim: Object) -> Object:
    """A new migration: found by its instance's name, kept until its work is done."""
    vmim = copy_of(vmim)
    meta = vmim["metadata"]
    name = dig(vmim, "spec", "vmiName") or ""
    meta["labels"] = {**(meta.get("labels") or {}), MIGRATION_LABEL: name}
    finalizers = meta.get("finalizers") or []
    if MIGRATION_FINALIZER not in finalizers:
        meta["finalizers"] = [*finalizers, MIGRATION_FINALIZER]
    return vmim


def clone(vmclone: Object, ids: Ids) -> Object:
    """A new clone: what it makes has a name. One without a source is left to its definition."""
    spec = vmclone.get("spec") or {}
    target = spec.get("target") or {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"}
    if target.get("name") or spec.get("source") is None:
        return vmclone
    own = f"clone-{dig(spec, 'source', 'name') or ''}-{ids.suffix()}"
    return {**vmclone, "spec": {**spec, "target": {**target, "name": own}}}


def _firmware(spec: Object, ids: Ids) -> None:
    firmware = spec["domain"].setdefault("firmware", {})
    for member in ("uuid", "serial"):
        if not firmware.get(member):
            firmware[member] = ids.uid()


def _annotate(obj: Object, key: str, value: str, *, keep: bool = False) -> None:
    meta = obj.get("metadata") or {}
    annotations = meta.get("annotations") or {}
    if not (keep and key in annotations):
        obj["metadata"] = {**meta, "annotations": {**annotations, key: value}}


def _initial_status(spec: Object, config: ClusterConfig, given: Object, now: str) -> Object:
    cpu = spec["domain"]["cpu"]
    status = {
        **given,
        "guestOSInfo": given.get("guestOSInfo") or {},
        "runtimeUser": _ROOT if config.gate("Root") else _ROOTLESS,
        "currentCPUTopology": {part: cpu[part] for part in ("cores", "sockets", "threads") if cpu.get(part)},
        "phase": "Pending",
        "phaseTransitionTimestamps": [{"phase": "Pending", "phaseTransitionTimestamp": now}],
    }
    guest = dig(spec, "domain", "memory", "guest")
    if guest is not None:
        status["memory"] = {"guestAtBoot": guest, "guestCurrent": guest, "guestRequested": guest}
    return status
