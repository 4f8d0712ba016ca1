"""Validating webhooks of storage operations: snapshots, restores, exports, backups, clones. Pure.

Origin: kubevirt: pkg/storage/admitters, pkg/virt-api/webhooks/validating-webhook/admitters/vmclone-admitter.go
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from fakekube.machinery.objects import condition_is, dig, name
from fakekube.machinery.wire import Object
from fakekube.virt.api import networks
from fakekube.virt.causes import Cause, not_supported, required

_EXPORTED = {  # by kind: what it is called, and its group
    "PersistentVolumeClaim": ("PVC", ""),
    "VirtualMachineSnapshot": ("VMSnapshot", "snapshot.kubevirt.io"),
    "VirtualMachine": ("VM", "kubevirt.io"),
    "VirtualMachineBackup": ("VirtualMachineBackup", "backup.kubevirt.io"),
}
_PATCHABLE = ('"/spec/', '"/metadata/labels/', '"/metadata/annotations/')
_POLICIES = {
    "Restore": ("InPlace", "RandomizeNames", "PrefixTargetName"),
    "Ownership": ("Vm", "None"),
}


def snapshot(obj: Object, old: Object | None) -> list[Cause]:
    return _unchanged(obj, old) if old is not None else list(_of_machine(obj, "source"))


def restore(
    obj: Object, old: Object | None, *, known: bool = True, others: Iterable[str] = ()
) -> list[Cause]:
    """`known`: there is the snapshot; `others`: restores to the same target that have not ended."""
    if old is not None:
        return _unchanged(obj, old)
    found = list(_of_machine(obj, "target"))
    if not found:
        spec = obj["spec"]
        found = [
            *(_patches(spec.get("patches") or ()) if known else ()),  # upstream forgets them else
            *_overrides(spec.get("volumeRestoreOverrides") or ()),
            *_policies(spec),
        ]
    found += [Cause(f'VirtualMachineRestore "{one}" in progress', "spec.target") for one in others]
    return found


def _patches(patches: Iterable[str]) -> Iterator[Cause]:
    """Only labels, annotations and specs are patched. A patch is cut at its commas, as upstream does, not read."""
    for pair in (pair for patch in patches for pair in patch.strip("{}").split(",")):
        parts = [part.strip() for part in pair.split(":")]
        if len(parts) != 2:
            text = f'patch format is not valid - one ":" expected in a single key-value json patch: {pair}'
            yield Cause(text, "spec.patches")
        elif parts[0] == '"path"' and not parts[1].startswith(_PATCHABLE):
            yield Cause(f"patching is valid only for elements under /spec/ only: {pair}", "spec.patches")


def _overrides(overrides: Iterable[Object]) -> Iterator[Cause]:
    for index, one in enumerate(overrides):
        at = f"spec.volumeRestoreOverrides[{index}]"
        if not one.get("volumeName"):
            yield required("must provide a volume name", f"{at}.volumeName")
        if not one.get("restoreName") and one.get("annotations") is None and one.get("labels") is None:
            yield required("must provide at least one overriden field", at)  # upstream's spelling


def _policies(spec: Mapping[str, Any]) -> Iterator[Cause]:
    for what, known in _POLICIES.items():
        member = f"volume{what}Policy"
        policy = spec.get(member)
        if policy is not None and policy not in known:
            yield Cause(f'volume {what.lower()} policy "{policy}" doesn\'t exist', f"spec.{member}")


def export(obj: Object, old: Object | None) -> list[Cause]:
    if old is not None:
        return _unchanged(obj, old)
    source = dig(obj, "spec", "source", default={})
    known = _EXPORTED.get(source.get("kind", ""))
    if known is None:
        return [Cause("invalid kind", "spec.source.kind")]
    called, group = known
    named = "Virtual Machine" if called == "VM" else called
    found = [] if source.get("name") else [Cause(f"{named} name must not be empty", "spec.source.name")]
    if (source.get("apiGroup") or "") != group:
        wanted = f"be {group}" if group else "be missing or blank"
        found.append(Cause(f"{called} API group must {wanted}", "spec.source.APIGroup"))
    return found


def backup(obj: Object, others: Iterable[Object]) -> list[Cause]:
    """One at a time of each source. The rest is said by the definition."""
    for one in others:
        if name(one) == name(obj):
            return [Cause(f'VirtualMachineBackup "{name(one)}" already exists', "metadata.name")]
        ended = condition_is(one, "Complete") or condition_is(one, "Failed")
        if dig(one, "spec", "source") == dig(obj, "spec", "source") and not ended:
            return [Cause(f'VirtualMachineBackup "{name(one)}" in progress for source', "spec.source")]
    return []


def clone(obj: Object) -> list[Cause]:
    """A clone that is changed is judged like a new one."""
    spec: Mapping[str, Any] = obj.get("spec") or {}
    return [*_filters(spec), *_source_and_target(spec), *_changes(spec)]


def _filters(spec: Mapping[str, Any]) -> Iterator[Cause]:
    """A `!` comes first in a filter, a `*` last."""
    for holder, at in ((spec, "spec"), (spec.get("template") or {}, "spec.template")):
        for word in ("annotation", "label"):
            field = f"{at}.{word}s"
            for one in holder.get(f"{word}Filters") or ():
                told = f"{field} filter {one} is invalid: cannot contain a"
                if one == "!":
                    yield Cause("a negation character is not a valid filter", field)
                if "!" in one[1:]:
                    rule = "NegationChar can be only used at the beginning of the filter"
                    yield Cause(f"{told} negation character (!); FilterRules: {rule}", field)
                if "*" in one[:-1]:
                    rule = "WildcardChar can be only at the end of the filter"
                    yield Cause(f"{told} wildcard character (*); FilterRules: {rule}", field)


def _source_and_target(spec: Mapping[str, Any]) -> Iterator[Cause]:
    source, target = spec.get("source") or {}, spec.get("target")
    kind, own = source.get("kind"), source.get("name")
    if kind not in ("VirtualMachine", "VirtualMachineSnapshot"):
        yield Cause("Source kind is not supported", "spec.Source.Kind")
    if target is not None and target.get("kind") != "VirtualMachine":
        yield Cause("Target kind is not supported", "spec.Target.Kind")
    if not source.get("apiGroup"):
        yield Cause("Source's APIGroup cannot be empty", "spec.Source.APIGroup")
    if not kind:
        yield Cause("Source's Kind cannot be empty", "spec.Source")
    if not own:
        yield Cause("Source's name cannot be empty", "spec.Source.Name")
    same = {"kind": "VirtualMachine", "name": own}
    if target is not None and kind == "VirtualMachine" and same.items() <= target.items():
        text = "Target name cannot be equal to source name when both are VirtualMachines"
        yield Cause(text, "spec.target.name")


def _changes(spec: Mapping[str, Any]) -> Iterator[Cause]:
    """What the copy differs in."""
    for interface, address in (spec.get("newMacAddresses") or {}).items():
        if address and not networks.mac_bytes(address):
            text = f"interface {interface} has malformed MAC address ({address})."
            yield Cause(text, f"spec.newMacAddresses.{interface}")
    for index, patch in enumerate(spec.get("patches") or ()):
        try:
            orjson.loads(patch)
        except orjson.JSONDecodeError:
            yield Cause(f"patch is not valid JSON ({patch})", f"spec.patches[{index}]")
    policy = spec.get("volumeNamePolicy")
    if policy is not None and policy != "RandomizeNames":
        yield not_supported(f'VolumeNamePolicy "{policy}" is not supported', "spec.volumeNamePolicy")


def _unchanged(obj: Object, old: Object) -> list[Cause]:
    same = _meant(obj.get("spec")) == _meant(old.get("spec"))
    return [] if same else [Cause("spec in immutable after creation", "spec")]  # upstream's spelling


def _meant(value: Any) -> Any:
    """A value as Go compares it: what is absent is the same as a list or map with nothing in it."""
    if isinstance(value, Mapping):
        members = ((key, _meant(one)) for key, one in value.items())
        return {key: one for key, one in members if one not in (None, {}, [])}
    return [_meant(one) for one in value] if isinstance(value, list) else value


def _of_machine(obj: Object, member: str) -> Iterator[Cause]:
    """What an operation works on is a machine."""
    reference = dig(obj, "spec", member) or {}
    group, field = reference.get("apiGroup"), f"spec.{member}"
    if group is None:
        yield Cause("missing apiGroup", f"{field}.apiGroup", "FieldValueNotFound")
    elif group != "kubevirt.io":
        yield Cause("invalid apiGroup", f"{field}.apiGroup")
    elif reference.get("kind") != "VirtualMachine":
        yield Cause("invalid kind", f"{field}.kind")
    elif not reference.get("name"):
        yield required("missing name", f"{field}.name")
