"""PersistentVolumes, claims and classes."""

import pytest

from tests.api.builtins.strategies.conftest import Obj, Send, said

PVS, SCS = "/api/v1/persistentvolumes", "/apis/storage.k8s.io/v1/storageclasses"
PVCS = "/api/v1/namespaces/default/persistentvolumeclaims"
ONE_GI = {"requests": {"storage": "1Gi"}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": ONE_GI}
VOLUME = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}, "hostPath": {"path": "/data/x"}}
FIXED = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for "
    "bound claims\n"
)


async def test_claim_defaults(create: Send) -> None:
    """A new claim is pending and wants a file system."""
    made = await create(PVCS, "a", spec=CLAIM, status={"phase": "Bound"})
    assert (made["status"], made["spec"]["volumeMode"]) == ({"phase": "Pending"}, "Filesystem")


async def test_claim_needs_modes_and_size(create: Send) -> None:
    """Without access modes and size it is no claim."""
    assert said(await create(PVCS, "a", spec={})) == [
        "spec.accessModes: Required value: at least 1 access mode is required",
        "spec.resources[storage]: Required value",
    ]


async def test_claim_is_fixed(create: Send, change: Send) -> None:
    """The refusal shows what would have changed as a diff of Go's structs."""
    await create(PVCS, "a", spec=CLAIM)
    assert said(await change(f"{PVCS}/a", {"spec": {"accessModes": ["ReadWriteMany"]}})) == [
        (
            f'{FIXED}@@ -1,6 +1,6 @@\n {{\n  "AccessModes": [\n-  "ReadWriteOnce"\n+  "ReadWriteMany"\n  ],\n  "Selector": null,\n'
            '  "Resources": {\n'
        )
    ]


async def test_claim_size(create: Send, change: Send) -> None:
    """A bound claim may grow, and may not shrink below what it has; an unbound one stays as it is."""
    await create(PVCS, "a", spec=CLAIM)
    bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    assert said(await change(f"{PVCS}/a", bigger))[0].startswith(FIXED)
    await change(f"{PVCS}/a/status", {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}})
    assert said(await change(f"{PVCS}/a", bigger)) == []
    smaller = {"spec": {"resources": {"requests": {"storage": "500Mi"}}}}
    assert said(await change(f"{PVCS}/a", smaller)) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


async def test_claim_gets_its_volume_once(create: Send, change: Send) -> None:
    """The binder may name a volume; nobody renames it."""
    await create(PVCS, "a", spec=CLAIM)
    assert said(await change(f"{PVCS}/a", {"spec": {"volumeName": "v"}})) == []
    assert said(await change(f"{PVCS}/a", {"spec": {"volumeName": "w"}}))[0].startswith(FIXED)


async def test_data_sources_agree(create: Send) -> None:
    """`dataSource` and `dataSourceRef` say the same."""
    source = {"kind": "PersistentVolumeClaim", "name": "b"}
    spec = (await create(PVCS, "a", spec={**CLAIM, "dataSource": source}))["spec"]
    assert spec["dataSourceRef"] == source


async def test_default_class(create: Send) -> None:
    """A claim without a class gets the default one; an empty class stays empty."""
    meta = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    await create(SCS, "fast", metadata=meta, provisioner="example.com/x")
    assert (await create(PVCS, "a", spec=CLAIM))["spec"]["storageClassName"] == "fast"
    assert (await create(PVCS, "b", spec={**CLAIM, "storageClassName": ""}))["spec"]["storageClassName"] == ""


async def test_volume_defaults(create: Send, change: Send) -> None:
    """A new volume is pending since now, and since later after a change of phase."""
    made = await create(PVS, "v", spec=VOLUME)
    assert made["status"] == {"phase": "Pending", "lastPhaseTransitionTime": "2026-01-01T00:00:00Z"}
    assert made["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert made["spec"]["hostPath"] == {"path": "/data/x", "type": ""}
    bound = await change(f"{PVS}/v/status", {"status": {"phase": "Bound"}})
    assert set(bound["status"]) == {"phase", "lastPhaseTransitionTime"}


async def test_volume_source_is_fixed(create: Send, change: Send) -> None:
    """Where a volume lies never changes; the diff is of Go's struct, all sources in its order."""
    await create(PVS, "v", spec=VOLUME)
    assert said(await change(f"{PVS}/v", {"spec": {"hostPath": {"path": "/data/y"}}})) == [
        (
            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation\n"
            '@@ -2,7 +2,7 @@\n  "GCEPersistentDisk": null,\n  "AWSElasticBlockStore": null,\n  "HostPath": {\n'
            '-  "Path": "/data/x",\n+  "Path": "/data/y",\n   "Type": ""\n  },\n  "Glusterfs": null,\n'
        )
    ]


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        (
            {**VOLUME, "nfs": {"server": "a", "path": "/b"}},
            ["spec.nfs: Forbidden: may not specify more than 1 volume type"],
        ),
        (
            {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}},
            ["spec: Required value: must specify a volume type"],
        ),
        ({**VOLUME, "accessModes": []}, ["spec.accessModes: Required value"]),
        ({**VOLUME, "capacity": {}}, ["spec.capacity: Required value"]),
    ],
)
async def test_volume_refusals(create: Send, spec: dict, refused: list[str]) -> None:
    """A volume lies in one place, holds something and can be mounted somehow."""
    assert said(await create(PVS, "v", spec=spec)) == refused


async def test_storage_class(create: Send, change: Send) -> None:
    """A class deletes and binds at once by default, and never changes its mind."""
    made = await create(SCS, "c", provisioner="example.com/none")
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "Immediate")
    assert said(await change(f"{SCS}/c", {"reclaimPolicy": "Retain"})) == [
        'reclaimPolicy: Invalid value: "Retain": field is immutable'
    ]
    assert said(await change(f"{SCS}/c", {"parameters": {"a": "b"}})) == [
        "parameters: Forbidden: updates to parameters are forbidden."
    ]


async def test_sources_of_claims_are_named_in_full(create: Send) -> None:
    """`dataSource` is for claims and snapshots, others are dropped; a source has a name, a kind and mostly a group."""
    spec: Obj = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    other = {"apiGroup": "x.example", "kind": "X", "name": "a"}
    assert "dataSource" not in (await create(claims, "a", spec=spec | {"dataSource": other}))["spec"]
    made = (await create(claims, "b", spec=spec | {"dataSourceRef": other}))["spec"]
    assert made["dataSource"] == made["dataSourceRef"] == other
    refused = await create(claims, "c", spec=spec | {"dataSourceRef": {"kind": "X", "name": ""}})
    text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
    assert said(refused) == [
        f"spec.{member}{rest}"
        for member in ("dataSource", "dataSourceRef")
        for rest in (".name: Required value", f': Invalid value: "X": {text}')
    ]
