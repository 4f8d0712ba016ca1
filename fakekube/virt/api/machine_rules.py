"""The machine's validating webhook beyond its spec: matchers, snapshots, restores, volume requests. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vms-admitter.go,
pkg/instancetype/webhooks/vm/admitter.go, pkg/storage/admitters/vm-storage-status.go
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fakekube.machinery.copying import copy_of
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object
from fakekube.virt.api import instance_spec, machine_spec, networks
from fakekube.virt.api.in_order import InOrder
from fakekube.virt.api.instance_defaults import set_instance_defaults
from fakekube.virt.causes import NOT_FOUND, Cause, not_supported
from fakekube.virt.config import ClusterConfig
from fakekube.virt.instancetypes import applying, checking

RUNNING_WARNING = "spec.running is deprecated, please use spec.runStrategy instead."
_TEMPLATE = "spec.template.spec"
_CPUS = "instancetype.spec.cpu.guest"


def validate(
    vm: Object,
    old: Object | None,
    config: ClusterConfig,
    *,
    size: Mapping[str, Any] | None = None,
    preference: Mapping[str, Any] | None = None,
    migrating: bool = False,
    known: InOrder | None = None,
) -> list[Cause]:
    """What is wrong with a machine. `size` and `preference` are the specs its matchers name, if they exist; `known` is what
    needs no second look. Raises BadRequest where the cluster's default network is none."""
    template = dig(vm, "spec", "template", "spec")
    if dig(template, "domain") is None:
        return machine_spec.validate("spec", vm.get("spec") or {}, config)
    stages: tuple[Callable[[], list[Cause]], ...] = (
        lambda: list(matchers(vm, old)),
        lambda: [Cause(text, _CPUS)] if (text := checking.uneven(size, preference)) else [],
        lambda: [
            Cause(f"VM field(s) {field} conflicts with selected instance type", field)
            for field in checking.conflicts(_TEMPLATE, vm["spec"]["template"], size)
        ],
        lambda: _spec(vm, config, size, preference, known or InOrder(), creates=old is None),
        lambda: list(_namespaces(vm)),
        lambda: list(_volume_requests(vm, migrating=migrating)),
        lambda: list(_snapshot(vm, old)),
        lambda: list(_restore(vm, old)),
    )
    return next((found for stage in stages if (found := stage())), [])


def warnings(vm: Object) -> list[str]:
    """What is accepted, but should not be used any more."""
    return [RUNNING_WARNING] if dig(vm, "spec", "running") is not None else []


def complete(
    vm: Object, config: ClusterConfig, size: Mapping[str, Any] | None, preference: Mapping[str, Any] | None
) -> Object:
    """The machine with instancetype, preference and defaults written into its template: what would run."""
    vm = copy_of(vm)
    spec = vm["spec"]["template"]["spec"]
    applying.apply(spec, size, preference)
    set_instance_defaults(spec, config)
    return vm


def matchers(vm: Object, old: Object | None) -> Iterator[Cause]:
    """Instancetype and preference are named, or inferred, but not both."""
    for member, word in (("instancetype", "Instancetype"), ("preference", "Preference")):
        matcher = dig(vm, "spec", member)
        if matcher is None:
            continue
        field = f"spec.{member}"
        name, inferred = matcher.get("name"), matcher.get("inferFromVolume")
        if not name and not inferred:
            yield Cause(
                f"Either Name or InferFromVolume should be provided within the {word}Matcher",
                field,
                NOT_FOUND,
            )
        if inferred and name:
            yield Cause("Name already set, should be cleared before setting inferFromVolume", f"{field}.name")
        if inferred and matcher.get("kind"):
            yield Cause("Kind already set, should be cleared before setting inferFromVolume", f"{field}.kind")
        before = dig(old, "spec", member) if old else None
        revision = matcher.get("revisionName")
        if before and revision and before.get("revisionName") == revision and before.get("name") != name:
            yield Cause("the Matcher Name has been updated without updating the RevisionName", field)


def _spec(
    vm: Object,
    config: ClusterConfig,
    size: Mapping[str, Any] | None,
    preference: Mapping[str, Any] | None,
    known: InOrder,
    *,
    creates: bool,
) -> list[Cause]:
    first: list[Cause] = []
    last: list[Cause] = []

    def judge() -> list[Cause]:
        done = complete(vm, config, size, preference)["spec"]["template"]["spec"]
        if missing := checking.unmet(done, size, preference):
            text = f"failure checking preference requirements: {missing.text}"
            first.append(Cause(text, missing.fields, NOT_FOUND))
            return first
        last.extend(machine_spec.live_update("spec", done, config))
        return [*instance_spec.validate(_TEMPLATE, done, config), *last]

    spec: Mapping[str, Any] = vm["spec"]
    found = known.causes(config, _TEMPLATE, spec["template"]["spec"], (size, preference), judge)
    found = found[: len(found) - len(last)]
    if creates and not first:
        # Machines that are there may have what is gone: they are known to be in order.
        instance = spec["template"]["spec"]
        first.extend(list(networks.discontinued(instance, config)) or networks.creation("spec", instance))
    return first or [*machine_spec.with_surroundings("spec", spec, config, found), *last]


def _namespaces(vm: Object) -> Iterator[Cause]:
    own = dig(vm, "metadata", "namespace") or ""
    for index, one in enumerate(dig(vm, "spec", "dataVolumeTemplates") or ()):
        namespace = dig(one, "metadata", "namespace")
        if namespace and namespace != own:
            yield Cause(
                f"Embedded DataVolume namespace {namespace} differs from VM namespace {own}",
                f"spec.dataVolumeTemplates[{index}]",
            )


def _volume_requests(vm: Object, *, migrating: bool) -> Iterator[Cause]:
    if migrating and dig(vm, "status", "volumeRequests"):
        yield not_supported("Cannot handle volume requests while VMI migration is in progress", "spec")


def _snapshot(vm: Object, old: Object | None) -> Iterator[Cause]:
    name = dig(old, "status", "snapshotInProgress") if old else None
    if not name or old is None:
        return
    if _storage(vm) != _storage(old):
        yield Cause(f'Cannot update vm disks or volumes until snapshot "{name}" completes', "spec")
    if _run_state(vm) != _run_state(old):
        yield Cause(f'Cannot update vm running state until snapshot "{name}" completes', "spec")


def _restore(vm: Object, old: Object | None) -> Iterator[Cause]:
    name = dig(old, "status", "restoreInProgress") if old else None
    if name and old is not None and _run_state(vm) != _run_state(old) and _run_state(vm) not in _STOPPED:
        yield Cause(f'Cannot update VM runStrategy until restore "{name}" completes', "spec.runStrategy")


_STOPPED = ((None, "Halted"), (False, None))


def _storage(vm: Object) -> tuple[Any, Any]:
    template = dig(vm, "spec", "template", "spec")
    return dig(template, "domain", "devices", "disks"), dig(template, "volumes")


def _run_state(vm: Object) -> tuple[Any, Any]:
    spec = vm.get("spec") or {}
    return spec.get("running"), spec.get("runStrategy")
