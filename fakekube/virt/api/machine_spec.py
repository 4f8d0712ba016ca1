"""Checks on a machine's spec; a pool's template is judged by the same ones. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vms-admitter.go,
pkg/storage/admitters/data-volume-template.go
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.machinery.objects import dig
from fakekube.virt import memory_growth
from fakekube.virt.api import instance_spec, resources
from fakekube.virt.api.reserved import template_metadata
from fakekube.virt.causes import Cause, required
from fakekube.virt.config import ClusterConfig

RUN_STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once", "WaitAsReceiver")
MISSING_TEMPLATE = "missing virtual machine template."
_POPULATED = ("dataSource", "dataSourceRef")

Spec = Mapping[str, Any]


def validate(path: str, spec: Spec, config: ClusterConfig) -> list[Cause]:
    """What is wrong with a machine's spec."""
    template = spec.get("template")
    if template is None:
        return [required(MISSING_TEMPLATE, f"{path}.template")]
    found = instance_spec.validate(f"{path}.template.spec", template["spec"], config)
    return [
        *with_surroundings(path, spec, config, found),
        *live_update(path, template["spec"], config),
    ]


def with_surroundings(path: str, spec: Spec, config: ClusterConfig, found: list[Cause]) -> list[Cause]:
    """What is wrong with a machine's spec, given what is wrong with the instance's spec in it."""
    return [
        *template_metadata(f"{path}.template.metadata", spec["template"].get("metadata") or {}, config),
        *found,
        *_data_volume_templates(path, spec),
        *_run_strategy(path, spec, config),
    ]


def live_update(path: str, instance: Spec, config: ClusterConfig) -> Iterator[Cause]:
    """What the guest's CPUs and memory may grow to, where changes reach it while it runs. `instance`: the template's spec."""
    if not config.live_update:
        return
    at = f"{path}.template.spec"
    yield from resources.cpu_hotplug(at, instance)  # a second time, as upstream
    most = dig(instance, "domain", "memory", "maxGuest")
    if most is not None and (text := memory_growth.obstacle(instance, most)):
        yield Cause(text, f"{at}.domain.memory.guest")


def _run_strategy(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    running, strategy = spec.get("running"), spec.get("runStrategy")
    if running is not None and strategy is not None:
        yield Cause(
            "Running and RunStrategy are mutually exclusive. Note that Running is deprecated, please use "
            "RunStrategy instead",
            f"{path}.running",
        )
    if running is None and strategy is None:
        yield Cause("RunStrategy must be specified", f"{path}.running")
    if strategy is None:
        return
    if strategy not in RUN_STRATEGIES:
        yield Cause(f"Invalid RunStrategy ({strategy})", f"{path}.runStrategy")
    elif strategy == "WaitAsReceiver" and not config.gate("DecentralizedLiveMigration"):
        yield Cause(
            f"Invalid RunStrategy ({strategy}), DecentralizedLiveMigration feature gate is not enabled in "
            "kubevirt resource",
            f"{path}.runStrategy",
        )


def _data_volume_templates(path: str, spec: Spec) -> Iterator[Cause]:
    used = {
        name
        for volume in dig(spec, "template", "spec", "volumes") or ()
        for name in (
            dig(volume, "persistentVolumeClaim", "claimName"),
            dig(volume, "dataVolume", "name"),
        )
        if name
    }
    for index, one in enumerate(spec.get("dataVolumeTemplates") or ()):
        here = f"{path}.dataVolumeTemplate[{index}]"  # singular, as upstream writes it
        name = dig(one, "metadata", "name") or ""
        wrong = _data_volume(here, name, one.get("spec") or {})
        if wrong is not None:
            yield wrong
        elif name not in used:
            yield required(
                f"DataVolumeTemplate entry {here} must be referenced in the VMI template's 'volumes' list",
                here,
            )


def _data_volume(here: str, name: str, spec: Spec) -> Cause | None:
    """The first thing wrong with one template."""
    if not name:
        return required(
            f"'name' field must not be empty for DataVolumeTemplate entry {here}.", f"{here}.name"
        )
    pvc, storage = spec.get("pvc"), spec.get("storage")
    if pvc is None and storage is None:
        return Cause("Missing Data volume PVC or Storage", f"{here}.PVC.Storage")
    if pvc is not None and storage is not None:
        return Cause(
            "Duplicate storage definition, both target storage and target pvc defined", f"{here}.PVC.Storage"
        )
    if any((pvc or storage or {}).get(member) is not None for member in _POPULATED):
        return None
    source = spec.get("source")
    if source is None:
        if spec.get("sourceRef") is not None:
            return None
        return Cause(
            "Data volume should have either Source, SourceRef, or be externally populated",
            f"{here}.source.sourceRef",
        )
    kinds = sum(value is not None for value in source.values())
    if not kinds:
        return Cause("Missing dataVolume valid source", f"{here}.source")
    if kinds > 1:
        return Cause("Multiple dataVolume sources", f"{here}.source")
    return None
