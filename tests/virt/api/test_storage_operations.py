"""Snapshots, restores and the like, as upstream's admitters judge them: each text, and the field it is about."""

from typing import Any

import orjson
import pytest

from fakekube.machinery.errors import BadRequest, Invalid
from fakekube.machinery.resources import RESTORES, SNAPSHOTS
from fakekube.virt import json_patch
from fakekube.virt.api import storage_operations
from fakekube.virt.causes import INVALID, REQUIRED, Cause
from fakekube.virt.controller.storage import clone_plan
from fakekube.virt.controller.storage.common import CLONES

Object = dict[str, Any]
MACHINE = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}
NO_PAIR = 'patch format is not valid - one ":" expected in a single key-value json patch: '
NO_PATH = "patching is valid only for elements under /spec/ only: "


def judged(**spec: Any) -> list[Cause]:
    made = {"spec": {"target": MACHINE, "virtualMachineSnapshotName": "s", **spec}}
    return storage_operations.restore(made, None)


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ('{"op": "replace", "path": "/spec/template/spec/domain/x", "value": "y"}', []),
        ('{"op": "remove", "path": "/metadata/labels/x"}', []),
        ('{"op":"add","path":"/metadata/annotations/x","value":"y"}', []),
        ('{"op":"add","path":"/spec/template/spec/domain/firmware","value":{}}', []),
        (
            '{"op": "replace", "path": "/metadata/name", "value": "y"}',
            [f'{NO_PATH} "path": "/metadata/name"'],
        ),
        ('{"op": "remove", "path": "/status/x"}', [f'{NO_PATH} "path": "/status/x"']),
        (
            '{"op": "add", "path": "/spec/x", "value": "02:00:00:00:00:01"}',
            [f'{NO_PAIR} "value": "02:00:00:00:00:01"'],
        ),
        ("", [NO_PAIR]),
    ],
)
def test_patches(patch: str, said: list[str]) -> None:
    """A restore changes a machine's labels, annotations and spec, in patches without a colon more than needed."""
    assert judged(patches=[patch]) == [Cause(text, "spec.patches") for text in said]


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ({"volumeName": "a", "restoreName": "b"}, []),
        ({"volumeName": "a", "labels": {}}, []),
        ({"volumeName": "a", "annotations": {"b": "c"}}, []),
        ({"volumeName": "a"}, [("must provide at least one overriden field", "")]),
        ({"restoreName": "b"}, [("must provide a volume name", ".volumeName")]),
        (
            {},
            [
                ("must provide a volume name", ".volumeName"),
                ("must provide at least one overriden field", ""),
            ],
        ),
    ],
)
def test_overrides(override: Object, found: list[tuple[str, str]]) -> None:
    """What is different about a volume says which it is about, and what is different."""
    right = {"volumeName": "a", "restoreName": "b"}
    at = "spec.volumeRestoreOverrides[1]"
    assert judged(volumeRestoreOverrides=[right, override]) == [
        Cause(text, f"{at}{member}", REQUIRED) for text, member in found
    ]


@pytest.mark.parametrize(
    ("member", "policy", "text"),
    [
        *(("volumeRestorePolicy", one, "") for one in ("InPlace", "RandomizeNames", "PrefixTargetName")),
        *(("volumeOwnershipPolicy", one, "") for one in ("Vm", "None")),
        ("volumeRestorePolicy", "Best", 'volume restore policy "Best" doesn\'t exist'),
        ("volumeOwnershipPolicy", "vm", 'volume ownership policy "vm" doesn\'t exist'),
    ],
)
def test_policies(member: str, policy: str, text: str) -> None:
    """Policies are among those there are."""
    assert judged(**{member: policy}) == ([Cause(text, f"spec.{member}", INVALID)] if text else [])


SOURCE = "spec.Source"
EQUAL = "Target name cannot be equal to source name when both are VirtualMachines"
KEPT_OUT = "cannot contain a negation character (!); FilterRules: NegationChar can be only used at the beginning of the filter"
ENDS = (
    "cannot contain a wildcard character (*); FilterRules: WildcardChar can be only at the end of the filter"
)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        ({"target": {**MACHINE, "name": "copy"}}, []),
        ({"target": MACHINE}, [(EQUAL, "spec.target.name")]),
        ({"source": {**MACHINE, "kind": "VirtualMachineSnapshot"}, "target": MACHINE}, []),
        ({"source": {**MACHINE, "kind": "Pod"}}, [("Source kind is not supported", f"{SOURCE}.Kind")]),
        ({"target": {**MACHINE, "kind": "Pod"}}, [("Target kind is not supported", "spec.Target.Kind")]),
        (
            {"source": {}},
            [
                ("Source kind is not supported", f"{SOURCE}.Kind"),
                ("Source's APIGroup cannot be empty", f"{SOURCE}.APIGroup"),
                ("Source's Kind cannot be empty", SOURCE),
                ("Source's name cannot be empty", f"{SOURCE}.Name"),
            ],
        ),
        ({"labelFilters": ["*", "a*", "!a*", "!*"], "annotationFilters": []}, []),
        ({"labelFilters": ["!"]}, [("a negation character is not a valid filter", "spec.labels")]),
        (
            {"annotationFilters": ["a!b"]},
            [(f"spec.annotations filter a!b is invalid: {KEPT_OUT}", "spec.annotations")],
        ),
        (
            {"template": {"labelFilters": ["*a!"]}},
            [
                (f"spec.template.labels filter *a! is invalid: {KEPT_OUT}", "spec.template.labels"),
                (f"spec.template.labels filter *a! is invalid: {ENDS}", "spec.template.labels"),
            ],
        ),
        ({"newMacAddresses": {"a": "DE-AD-00-00-BE-AF", "b": "de:ad:00:00:be:af", "c": ""}}, []),
        (
            {"newMacAddresses": {"a": "DE-AD"}},
            [("interface a has malformed MAC address (DE-AD).", "spec.newMacAddresses.a")],
        ),
        ({"patches": ['{"op": "remove"}', "{"]}, [("patch is not valid JSON ({)", "spec.patches[1]")]),
        ({"volumeNamePolicy": "RandomizeNames"}, []),
        (
            {"volumeNamePolicy": "Same"},
            [('VolumeNamePolicy "Same" is not supported', "spec.volumeNamePolicy")],
        ),
    ],
)
def test_clones_are_judged(changed: Object, found: list[tuple[str, str]]) -> None:
    """A clone is of a machine or a snapshot, another machine than its source, and different in what there is."""
    causes = storage_operations.clone({"spec": {"source": MACHINE, **changed}})
    assert [(one.message, one.field) for one in causes] == found


@pytest.mark.parametrize("firmware", [None, {}, {"uuid": "u", "serial": "s"}])
def test_clones(firmware: Object | None) -> None:
    """What a clone differs in is written in patches that are admitted: addresses and numbers it is not told are emptied."""
    domain = {"devices": {"interfaces": [{"name": "a", "macAddress": "02:00:00:00:00:01"}, {"name": "b"}]}}
    kept = {
        "metadata": {"name": "vm", "labels": {"a.example/b": "c"}},
        "spec": {"template": {"spec": {"domain": domain}}},
    }
    if firmware is not None:
        domain["firmware"] = firmware
    wanted = {"newMacAddresses": {"b": "DE-AD-00-00-BE-AF"}, "newSMBiosSerial": "new", "labelFilters": ["!*"]}
    wanted |= {"target": {"kind": "VirtualMachine"}, "volumeNamePolicy": "RandomizeNames"}
    wanted["patches"] = ['{"op": "add", "path": "/spec/x", "value": 1}']
    spec = clone_plan.restore_spec({"spec": wanted}, kept, "s", "abcde")
    assert judged(**spec) == []
    assert spec["target"] == {**MACHINE, "name": "vm-clone-abcde"}
    assert spec["volumeRestorePolicy"] == "RandomizeNames"
    made = json_patch.applied(kept, [orjson.loads(one) for one in spec["patches"]])
    assert made["metadata"]["labels"] == {}
    assert made["spec"]["x"] == 1
    domain = made["spec"]["template"]["spec"]["domain"]
    assert [one["macAddress"] for one in domain["devices"]["interfaces"]] == ["", "DE-AD-00-00-BE-AF"]
    assert domain.get("firmware") == (None if firmware is None else {"uuid": "", "serial": "new"})


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (None, {"prefix1/a", "prefix1/b", "prefix2/a", "somePrefix/a", "somePrefix2/a"}),
        ([], set()),
        (["*"], {"prefix1/a", "prefix1/b", "prefix2/a", "somePrefix/a", "somePrefix2/a"}),
        (["prefix*", "!prefix1/b", "!prefix2/*", "somePrefix2/a"], {"prefix1/a", "somePrefix2/a"}),
        (["!prefix1/b"], set()),
        (["*", "!*"], {"prefix1/a", "prefix1/b", "prefix2/a", "somePrefix/a", "somePrefix2/a"}),
        (["["], set()),
    ],
)
def test_filters(filters: list[str] | None, left: set[str]) -> None:
    """Filters are expressions found anywhere in a key; nothing stays that none lets in; one that is none finds nothing."""
    present = dict.fromkeys(("prefix1/a", "prefix1/b", "prefix2/a", "somePrefix/a", "somePrefix2/a"), "v")
    kept = {"metadata": {"labels": present}, "spec": {"template": {}}}
    spec = {"labelFilters": filters} if filters is not None else {}
    made = json_patch.applied(kept, clone_plan.differences({"spec": spec}, kept))
    assert set(made["metadata"]["labels"]) == left


def test_filters_take_no_time() -> None:
    """A filter that makes other engines try everything is only one that finds nothing, as in Go."""
    kept = {"metadata": {"labels": {"a" * 63: "v"}}, "spec": {"template": {}}}
    (removed,) = clone_plan.differences({"spec": {"labelFilters": ["(a+)+b"]}}, kept)
    assert removed["op"] == "remove"


async def test_restores(cluster) -> None:  # type: ignore[no-untyped-def]
    """One restore to a target at a time; patches are looked at where there is a snapshot to apply them to."""
    version = {"apiVersion": "snapshot.kubevirt.io/v1beta1"}
    kind = {**version, "kind": "VirtualMachineRestore"}

    def restore(name: str, *patches: str) -> Object:
        spec = {"target": MACHINE, "virtualMachineSnapshotName": "s", "patches": list(patches)}
        return {**kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}

    wrong = '{"op": "remove", "path": "/status/x"}'
    await cluster.client.create(RESTORES, restore("first", wrong))
    meta = {"name": "s", "namespace": "default"}
    snapshot = {**version, "kind": "VirtualMachineSnapshot", "metadata": meta, "spec": {"source": MACHINE}}
    await cluster.client.create(SNAPSHOTS, snapshot)
    with pytest.raises(Invalid) as refused:
        await cluster.client.create(RESTORES, restore("second", wrong))
    assert [one["message"] for one in refused.value.details["causes"]] == [
        f'{NO_PATH} "path": "/status/x"',
        'VirtualMachineRestore "first" in progress',
    ]


def test_every_restore_under_way_is_told() -> None:
    """Each restore to the same target that has not ended is a cause of its own."""
    spec = {"target": MACHINE, "virtualMachineSnapshotName": "s"}
    found = storage_operations.restore({"spec": spec}, None, others=["first", "second"])
    assert [(one.message, one.field) for one in found] == [
        ('VirtualMachineRestore "first" in progress', "spec.target"),
        ('VirtualMachineRestore "second" in progress', "spec.target"),
    ]


@pytest.mark.parametrize(
    ("judge", "more", "same"),
    [
        (storage_operations.snapshot, {"failureDeadline": None}, True),
        (storage_operations.export, {"ttlDuration": None}, True),
        (storage_operations.restore, {"patches": []}, True),
        (storage_operations.restore, {"volumeRestoreOverrides": []}, True),
        (storage_operations.restore, {"patches": [""]}, False),
        (storage_operations.restore, {"volumeRestoreOverrides": [{}]}, False),
        (storage_operations.restore, {"volumeRestorePolicy": ""}, False),
    ],
)
def test_empty_members_change_nothing(judge: Any, more: Object, same: bool) -> None:
    """A spec that is not to change may get lists and maps with nothing in them, and lose them: Go calls that equal."""
    before: Object = {"source": MACHINE, "target": MACHINE}
    for new, old in (({**before, **more}, before), (before, {**before, **more})):
        found = judge({"spec": new}, {"spec": old})
        assert [one.message for one in found] == ([] if same else ["spec in immutable after creation"])


@pytest.mark.parametrize(
    ("resource", "spec", "text"),
    [
        (SNAPSHOTS, {"source": MACHINE}, "snapshot feature gate not enabled"),
        (
            RESTORES,
            {"target": MACHINE, "virtualMachineSnapshotName": "s"},
            "Snapshot/Restore feature gate not enabled",
        ),
        (
            CLONES,
            {"source": MACHINE, "target": {**MACHINE, "name": "other"}},
            "snapshot feature gate is not enabled",
        ),
    ],
)
async def test_without_snapshots(cluster: Any, resource: Any, spec: Object, text: str) -> None:
    """While the gate of snapshots is shut nothing is made that needs one; what there is can be changed."""
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
    made = await cluster.client.create(resource, {**body, "metadata": {"name": "a", "namespace": "default"}})
    await cluster.configure(developerConfiguration={"disabledFeatureGates": ["Snapshot"]})
    with pytest.raises(BadRequest) as caught:
        await cluster.client.create(resource, {**body, "metadata": {"name": "b", "namespace": "default"}})
    assert caught.value.message.partition("denied the request: ")[2] == text
    made["metadata"]["labels"] = {"a": "b"}
    await cluster.client.update(resource, made)
