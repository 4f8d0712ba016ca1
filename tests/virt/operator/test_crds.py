"""The generated CRDs: in step with the models, structural, and named, versioned and printed as the real ones are."""

from collections.abc import Iterator
from typing import Any

import pytest

from fakekube.api.schema.model import Schema
from fakekube.api.schema.structural import Structural
from fakekube.virt.operator import crds, generate

ALL = {crd["metadata"]["name"]: crd for crd in crds.crds()}
VALID_KEYS = {
    *("type", "properties", "items", "additionalProperties", "required", "description", "format", "minimum"),
    *("maximum", "enum", "pattern", "anyOf", "nullable", "default", "maxItems", "minItems", "minLength"),
    "maxLength",
}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def version(crd: str, name: str) -> dict[str, Any]:
    return next(one for one in ALL[crd]["spec"]["versions"] if one["name"] == name)


def schema(crd: str) -> dict[str, Any]:
    return ALL[crd]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def at(crd: str, path: str) -> dict[str, Any]:
    return next(node for where, node in nodes(schema(crd)) if where == path)


def columns(crd: str, version_name: str) -> list[str]:
    return [one["name"] for one in version(crd, version_name)["additionalPrinterColumns"]]


def causes(crd: str, obj: dict[str, Any]) -> list[str]:
    structural = Structural(Schema(schema(crd)))
    return [f"{error.field}: {error.type}" for error in structural.validate(obj) if error.field != "<nil>"]


def test_manifests_are_in_step_with_the_models():
    """What is committed is what the models say: run `python -m fakekube.virt.operator.generate` after a change."""
    committed = {path.name: path.read_bytes() for path in generate.MANIFESTS.glob("*.json")}
    assert committed == generate.files()


@pytest.mark.parametrize("name", sorted(ALL))
def test_schema_is_structural(name):
    """Every node has a type, unless it is int-or-string; nothing but OpenAPI v3 and Kubernetes' extensions occurs."""
    for one in ALL[name]["spec"]["versions"]:
        for path, node in nodes(one["schema"]["openAPIV3Schema"]):
            either = node.get("x-kubernetes-int-or-string", False)
            assert either or node.get("type"), path
            assert either or "anyOf" not in node, path
            assert {key for key in node if not key.startswith("x-kubernetes-")} <= VALID_KEYS, path
            assert node.get("type") != "array" or "items" in node, path
            assert set(node.get("required", ())) <= set(node.get("properties", ())), path


@pytest.mark.parametrize("name", sorted(ALL))
def test_exactly_one_version_is_stored(name):
    """Every CRD stores one of its versions, and serves all of them."""
    versions = ALL[name]["spec"]["versions"]
    assert sum(one["storage"] for one in versions) == 1
    assert all(one["served"] for one in versions)


def test_v001_core_group_short_names():
    """V-001: the kubevirt.io resources carry their short names."""
    names = {
        crd["spec"]["names"]["plural"]: crd["spec"]["names"].get("shortNames")
        for crd in ALL.values()
        if crd["spec"]["group"] == "kubevirt.io"
    }
    assert names == {
        "virtualmachines": ["vm", "vms"],
        "virtualmachineinstances": ["vmi", "vmis"],
        "virtualmachineinstancepresets": ["vmipreset", "vmipresets"],
        "virtualmachineinstancereplicasets": ["vmirs", "vmirss"],
        "virtualmachineinstancemigrations": ["vmim", "vmims"],
        "kubevirts": ["kv", "kvs"],
    }


def test_v002_v003_core_group_versions():
    """V-002, V-003: v1 is stored, v1alpha3 is served with a deprecation warning."""
    assert [one["name"] for one in ALL["virtualmachines.kubevirt.io"]["spec"]["versions"]] == [
        "v1",
        "v1alpha3",
    ]
    assert version("virtualmachines.kubevirt.io", "v1")["storage"] is True
    old = version("virtualmachines.kubevirt.io", "v1alpha3")
    assert old["deprecationWarning"] == (
        "kubevirt.io/v1alpha3 is now deprecated and will be removed in a future release."
    )


def test_v004_category_all():
    """V-004: `kubectl get all` shows machines and DataVolumes, not cluster instancetypes and policies."""
    everything = {name for name, crd in ALL.items() if "all" in crd["spec"]["names"].get("categories", ())}
    assert {"virtualmachines.kubevirt.io", "datavolumes.cdi.kubevirt.io"} <= everything
    assert not everything & {
        "virtualmachineclusterinstancetypes.instancetype.kubevirt.io",
        "virtualmachineclusterpreferences.instancetype.kubevirt.io",
        "migrationpolicies.migrations.kubevirt.io",
    }


def test_v005_to_v008_columns():
    """V-005, V-006, V-007, V-008: columns of machines, instances, migrations and DataVolumes."""
    assert columns("virtualmachines.kubevirt.io", "v1") == ["Age", "Status", "Ready"]
    instance = version("virtualmachineinstances.kubevirt.io", "v1")["additionalPrinterColumns"]
    assert [(one["name"], one.get("priority", 0)) for one in instance] == [
        *(("Age", 0), ("Phase", 0), ("IP", 0), ("NodeName", 0), ("Ready", 0)),
        *(("Live-Migratable", 1), ("Paused", 1)),
    ]
    assert not any("description" in one for one in instance)
    assert columns("virtualmachineinstancemigrations.kubevirt.io", "v1") == ["Phase", "VMI"]
    assert columns("datavolumes.cdi.kubevirt.io", "v1beta1") == ["Phase", "Progress", "Restarts", "Age"]


def test_v009_v014_subresources():
    """V-009, V-014: instances have no status subresource; replica sets have status and scale."""
    assert "subresources" not in version("virtualmachineinstances.kubevirt.io", "v1")
    assert version("virtualmachineinstancereplicasets.kubevirt.io", "v1")["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.labelSelector",
    }


def test_v015_v016_exports_and_instancetypes():
    """V-015, V-016: exports are stored as v1 and deprecated as v1beta1; instancetypes exist as v1beta1 only."""
    assert version("virtualmachineexports.export.kubevirt.io", "v1")["storage"] is True
    assert version("virtualmachineexports.export.kubevirt.io", "v1beta1")["deprecated"] is True
    for crd in ALL.values():
        if crd["spec"]["group"] == "instancetype.kubevirt.io":
            assert [one["name"] for one in crd["spec"]["versions"]] == ["v1beta1"]
            cluster = crd["spec"]["names"]["plural"].startswith("virtualmachinecluster")
            assert crd["spec"]["scope"] == ("Cluster" if cluster else "Namespaced")


def test_p001_p003_pool():
    """P-001, P-003: pools are served as v1alpha1 and stored as v1beta1, with described columns."""
    pool = ALL["virtualmachinepools.pool.kubevirt.io"]
    assert [(one["name"], one["storage"]) for one in pool["spec"]["versions"]] == [
        ("v1alpha1", False),
        ("v1beta1", True),
    ]
    assert pool["spec"]["names"]["shortNames"] == ["vmpool", "vmpools"]
    assert pool["spec"]["names"]["categories"] == ["all"]
    described = version("virtualmachinepools.pool.kubevirt.io", "v1beta1")["additionalPrinterColumns"]
    assert [(one["name"], one["type"], one.get("description", "")) for one in described] == [
        ("Desired", "integer", "Number of desired VirtualMachines"),
        ("Current", "integer", "Number of managed and not final or deleted VirtualMachines"),
        ("Ready", "integer", "Number of managed VirtualMachines which are ready to receive traffic"),
        ("Age", "date", ""),
    ]


def test_p009_p010_p011_pool_schema_refuses():
    """P-009, P-010, P-011: negative replicas, missing members and unknown policies are schema errors."""
    pool = "virtualmachinepools.pool.kubevirt.io"
    assert causes(pool, {"spec": {"replicas": 1}}) == [
        "spec.selector: FieldValueRequired",
        "spec.virtualMachineTemplate: FieldValueRequired",
    ]
    wrong = {
        "selector": {},
        "replicas": -1,
        "virtualMachineTemplate": {},
        "autohealing": {"startUpFailureThreshold": 0},
        "scaleInStrategy": {
            "proactive": {"statePreservation": "Never", "selectionPolicy": {"sortPolicy": "Fair"}}
        },
    }
    assert sorted(causes(pool, {"spec": wrong})) == [
        "spec.autohealing.startUpFailureThreshold: FieldValueInvalid",
        "spec.replicas: FieldValueInvalid",
        "spec.scaleInStrategy.proactive.selectionPolicy.sortPolicy: FieldValueNotSupported",
        "spec.scaleInStrategy.proactive.statePreservation: FieldValueNotSupported",
    ]


@pytest.mark.parametrize(
    ("crd", "spec", "expected"),
    [
        ("virtualmachines.kubevirt.io", {"runStrategy": "Halted"}, ["spec.template: FieldValueRequired"]),
        (
            "virtualmachines.kubevirt.io",
            {"template": {"spec": {"domain": {"cpu": {"cores": "two"}, "devices": {}}}}},
            ["spec.template.spec.domain.cpu.cores: FieldValueTypeInvalid"],
        ),
        (
            "virtualmachines.kubevirt.io",
            {"template": {"spec": {"domain": {"devices": {"disks": [{"disk": {"bus": "virtio"}}]}}}}},
            ["spec.template.spec.domain.devices.disks[0].name: FieldValueRequired"],
        ),
        ("virtualmachineinstances.kubevirt.io", {}, ["spec.domain: FieldValueRequired"]),
        ("virtualmachineinstances.kubevirt.io", {"domain": {}}, ["spec.domain.devices: FieldValueRequired"]),
        (
            "virtualmachineinstances.kubevirt.io",
            {"domain": {"devices": {}, "memory": {"guest": "lots"}}},
            ["spec.domain.memory.guest: FieldValueInvalid"],
        ),
        ("virtualmachineclones.clone.kubevirt.io", {}, ["spec.source: FieldValueRequired"]),
        (
            "virtualmachinepools.pool.kubevirt.io",
            {"selector": {}, "virtualMachineTemplate": {"spec": {"runStrategy": "Halted"}}},
            ["spec.virtualMachineTemplate.spec.template: FieldValueRequired"],
        ),
    ],
)
def test_schema_refuses_what_the_real_one_refuses(crd, spec, expected):
    """The recorded refusals of the real CRDs, field by field."""
    assert causes(crd, {"spec": spec}) == expected


def test_template_metadata_is_kept_and_may_be_null():
    """Metadata inside templates keeps unknown members and accepts null, as manifests of old clients have it."""
    for crd, path in (
        ("virtualmachines.kubevirt.io", ".spec.template.metadata"),
        ("virtualmachines.kubevirt.io", ".spec.dataVolumeTemplates[].metadata"),
        ("virtualmachinepools.pool.kubevirt.io", ".spec.virtualMachineTemplate.metadata"),
    ):
        node = at(crd, path)
        assert node["nullable"] is True
        assert node["x-kubernetes-preserve-unknown-fields"] is True


def test_lists_of_disks_are_atomic():
    """Disks have no list type: server-side apply treats the list as one value, as recorded."""
    disks = at("virtualmachines.kubevirt.io", ".spec.template.spec.domain.devices.disks")
    assert "x-kubernetes-list-type" not in disks
    assert disks["maxItems"] == 256


def test_condition_times_are_nullable():
    """A zero time in a condition is stored and returned as null."""
    path = ".status.conditions[].lastProbeTime"
    assert at("virtualmachineinstances.kubevirt.io", path)["nullable"] is True


def test_crds_are_fresh_on_every_call():
    """Callers may change what they get."""
    first = next(crds.crds())
    first["metadata"]["name"] = "changed"
    assert next(crds.crds())["metadata"]["name"] != "changed"
