"""What is wrong with a DataVolume, as a function of what is seen."""

import pytest

from fakekube.virt.causes import Cause
from fakekube.virt.cdi import rules

SIZED = {"resources": {"requests": {"storage": "1Gi"}}}
HTTP = {"http": {"url": "http://example/disk.img"}}


def spec(source=None, **more):
    made = {"source": source or HTTP, "storage": SIZED, **more}
    return {member: value for member, value in made.items() if value is not None}


def of_registry(**told):
    return spec({"registry": told})


@pytest.mark.parametrize(
    ("given", "message", "field"),
    [
        (spec(storage=None), "Missing Data volume PVC", "spec.PVC"),
        (
            spec(pvc={**SIZED, "accessModes": ["ReadWriteOnce"]}),
            "Duplicate storage definition, both target storage and target pvc defined",
            "spec.PVC.Storage",
        ),
        (spec(storage={}), "Storage size is missing", "spec.Storage.resources.requests.size"),
        (
            spec({"pvc": {"namespace": "a", "name": "b"}}, storage=None, pvc={}),
            "PVC size is missing",
            "spec.PVC.resources.requests.size",
        ),
        (
            spec(storage={"resources": {"requests": {"storage": "0"}}}),
            "Storage size can't be equal or less than zero",
            "spec.Storage.resources.requests.size",
        ),
        (
            spec(storage={**SIZED, "storageClassName": "c" * 254}),
            "Name cannot be longer than 253 characters",
            "",
        ),
        (
            spec(storage=None, pvc=SIZED),
            "Required value: at least 1 access mode is required",
            "spec.PVC.accessModes",
        ),
        (
            spec(storage=None, pvc={**SIZED, "accessModes": ["ReadWriteOnce", "ReadWriteMany"]}),
            "PVC multiple accessModes",
            "spec.PVC.accessModes",
        ),
        (
            spec(storage={**SIZED, "accessModes": ["ReadWriteOnce", "Never"]}),
            'Unsupported value: "ReadWriteOnce": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce"',
            "spec.PVC.accessModes",
        ),
        (
            {"storage": SIZED},
            "Data volume should have either Source or SourceRef, or be externally populated",
            "spec.source",
        ),
        ({"storage": SIZED, "source": {}}, "Missing Data volume source", "spec.source"),
        (spec({**HTTP, "blank": {}}), "Multiple Data volume sources", "spec.source"),
        (spec({"http": {"url": ""}}), "spec.source source URL is empty", "spec.source.HTTP.url"),
        (spec({"http": {"url": "a/b"}}), "spec.source Invalid source URL: a/b", "spec.source.HTTP.url"),
        (
            spec({"http": {"url": "docker://a/b"}}),
            "spec.source Invalid source URL scheme: docker://a/b",
            "spec.source.HTTP.url",
        ),
        (
            spec({"blank": {}}, contentType="archive"),
            "SourceType cannot be blank and the contentType be archive",
            "spec.contentType",
        ),
        (
            spec({"registry": {"url": "docker://a"}}, contentType="archive"),
            "ContentType must be kubevirt when Source is Registry",
            "spec.contentType",
        ),
        (
            of_registry(),
            "Source registry should have either URL or ImageStream",
            "spec.source.Registry",
        ),
        (
            of_registry(url="1.2.3.4:5000/x"),
            "Illegal registry source URL 1.2.3.4:5000/x",
            "spec.source.Registry.URL",
        ),
        (
            of_registry(url="quay.io/x"),
            "Illegal registry source URL scheme quay.io/x",
            "spec.source.Registry.URL",
        ),
        (
            of_registry(url="docker://a", pullMethod="x"),
            'ImportMethod x is neither pod, node or ""',
            "spec.source.Registry.importMethod",
        ),
        (
            of_registry(imageStream="is"),
            "Source registry ImageStream is supported only with node pull import method",
            "spec.source.Registry.importMethod",
        ),
        (
            spec({"vddk": {"url": "http://a", "uuid": "u"}}),
            "spec.source.VDDK source VDDK is not valid",
            "spec.source.VDDK",
        ),
        (
            spec({"pvc": {"name": "a", "namespace": ""}}),
            "spec.source.PVC source PVC is not valid",
            "spec.source.PVC",
        ),
        (
            spec({"snapshot": {"name": "", "namespace": "a"}}),
            "spec.source.Snapshot source snapshot is not valid",
            "spec.source.Snapshot",
        ),
        (
            {"storage": SIZED, "sourceRef": {"kind": "", "name": "a"}},
            "Missing sourceRef kind",
            "spec.sourceRef.Kind",
        ),
        (
            {"storage": SIZED, "sourceRef": {"kind": "Other", "name": "a"}},
            "Unsupported sourceRef kind Other, currently only DataSource is supported",
            "spec.sourceRef.Kind",
        ),
        (
            {"storage": SIZED, "sourceRef": {"kind": "DataSource", "name": ""}},
            "Missing sourceRef name",
            "spec.sourceRef.Name",
        ),
        (
            spec(storage={**SIZED, "dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}),
            "External population is incompatible with Source and SourceRef",
            "spec.source",
        ),
        (
            {"storage": {**SIZED, "dataSourceRef": {"kind": "Populator", "name": "a"}}},
            "Required value: DataSourceRef apiGroup when kind is not 'PersistentVolumeClaim'",
            "spec.dataSourceRef.apiGroup.",
        ),
    ],
)
def test_what_is_refused(given, message, field):
    """The first thing that is wrong, in CDI's words, and where."""
    assert rules.spec(given) == Cause(message, field)


@pytest.mark.parametrize(
    "given",
    [
        spec(),
        spec({"upload": {}}),
        spec({"blank": {}}),
        of_registry(url="docker://quay.io/x"),
        of_registry(url="oci-archive://x"),
        of_registry(imageStream="is", pullMethod="node"),
        spec({"gcs": {"url": "gs://bucket/x"}}),
        spec({"pvc": {"namespace": "a", "name": "b"}}, storage={}),
        {"storage": {}, "sourceRef": {"kind": "DataSource", "name": "a"}},
        {"storage": {**SIZED, "dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}},
        spec(storage=None, pvc={**SIZED, "accessModes": ["ReadWriteMany"]}),
    ],
)
def test_what_is_not(given):
    """Every way to fill a claim; clones need no size of their own."""
    assert rules.spec(given) is None


def test_specs_stay():
    """A spec is not changed, but for the checkpoints of an import in stages."""
    text = Cause("Cannot update DataVolume Spec", "DataVolume.Spec", "FieldValueDuplicate")
    assert rules.changed(spec(), spec()) is None
    assert rules.changed(spec({"blank": {}}), spec()) == text
    staged = spec({"vddk": {"url": "http://a"}}, checkpoints=[{"current": "1", "previous": ""}])
    further = {**staged, "finalCheckpoint": True, "checkpoints": [*staged["checkpoints"], {"current": "2"}]}
    assert rules.changed(further, staged) is None
    assert rules.changed({**further, "source": {"vddk": {"url": "http://b"}}}, staged) == text
    assert rules.changed(spec(checkpoints=further["checkpoints"]), spec()) == text


def claim(size="2Gi", mode="Filesystem", **notes):
    requests = {"requests": {"storage": size}}
    return {
        "metadata": {"name": "b", "namespace": "a", "annotations": notes},
        "spec": {"volumeMode": mode, "resources": requests},
    }


def test_sizes_of_clones():
    """Smaller than its source is no clone; by `storage` only blocks are compared, as file systems may cost something."""
    smaller = "target resources requests storage size is smaller than the source 1073741824 < 2147483648"
    by_claim = spec(storage=None, pvc=SIZED)
    assert rules.clone_of_claim(claim(), by_claim) == smaller
    assert rules.clone_of_claim(claim(mode="Block"), spec()) == smaller
    assert rules.clone_of_claim(claim(), spec()) == ""
    assert rules.clone_of_claim(claim(mode="Block"), spec(storage={})) == ""
    archived = claim("1Gi", **{rules.CONTENT: "archive"})
    text = "Source contentType (archive) and target contentType (kubevirt) do not match"
    assert rules.clone_of_claim(archived, spec()) == text

    assert rules.clone_of_snapshot({"status": {"restoreSize": "2Gi"}}, spec()) == smaller
    assert rules.clone_of_snapshot({"status": {"restoreSize": "1Gi"}}, spec()) == ""
    assert rules.clone_of_snapshot({}, spec()) == "no status on source snapshot, not possible to proceed"
    unsized = "size not specified by user/provider, can't tell how much needed for restore"
    assert rules.clone_of_snapshot({"status": {}}, spec(storage={})) == unsized


def test_claims_that_are_there():
    """A claim of its name is in the way, unless it is for the DataVolume, or that may adopt it."""
    volume = {"metadata": {"name": "b", "annotations": {}}}
    text = Cause("Destination PVC a/b already exists", "DataVolume.Name", "FieldValueDuplicate")
    assert rules.destination(claim(), volume) == text
    assert rules.destination(claim(**{"cdi.kubevirt.io/storage.populatedFor": "b"}), volume) is None
    adopting = {"metadata": {"name": "b", "annotations": {"cdi.kubevirt.io/allowClaimAdoption": "true"}}}
    assert rules.destination(claim(), adopting) is None
