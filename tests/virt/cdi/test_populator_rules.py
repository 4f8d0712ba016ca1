"""What claims are filled from: what is refused."""

import pytest

from fakekube.virt.cdi import populator_rules

HTTP = {"http": {"url": "http://example/x"}}
VDDK = {"vddk": {"secretRef": "s", "uuid": "u", "backingFile": "f", "thumbprint": "t", "url": "http://x"}}
STAGES = {"checkpoints": [{"current": "a", "previous": ""}]}


@pytest.mark.parametrize(
    ("given", "message", "field"),
    [
        (
            {"source": HTTP, "contentType": "x"},
            "ContentType not one of: kubevirt, archive",
            "spec.contentType",
        ),
        ({}, "Missing VolumeImport source", "spec.source"),
        ({"source": {**HTTP, "blank": {}}}, "Multiple VolumeImport sources", "spec.source"),
        (
            {"source": VDDK, **STAGES},
            "Unable to do multi-stage import without specifying a target claim",
            "spec.targetClaim",
        ),
        ({"source": {"http": {"url": ""}}}, "spec.source source URL is empty", "spec.source.HTTP.url"),
        (
            {"source": {"blank": {}}, "contentType": "archive"},
            "SourceType cannot be blank and the contentType be archive",
            "spec.contentType",
        ),
    ],
)
def test_what_is_refused_of_imports(given, message, field):
    """The first thing that is wrong is said, with upstream's field."""
    found = populator_rules.imported("x", given, None)
    assert (found.message, found.field) == (message, field)


@pytest.mark.parametrize("rule", [populator_rules.imported, populator_rules.uploaded])
def test_names(rule):
    """They are no longer than labels are."""
    given = {"source": HTTP} if rule is populator_rules.imported else {}
    assert rule("x" * 64, given, None).message == "Name cannot be longer than 63 characters"
    assert rule("x" * 63, given, None) is None


def test_specs_stay():
    """But for the checkpoints of an import in stages."""
    kept = {"source": VDDK, "targetClaim": "c"}
    assert populator_rules.imported("x", {**kept, **STAGES}, kept) is None
    found = populator_rules.imported("x", {"source": HTTP}, kept)
    assert (found.message, found.reason) == ("Cannot update VolumeImportSource Spec", "FieldValueDuplicate")
    found = populator_rules.uploaded("x", {"contentType": "archive"}, {})
    assert (found.message, found.field) == (
        "Cannot update VolumeUploadSource Spec",
        "VolumeUploadSource.Spec",
    )


def test_uploads():
    """Images, or archives."""
    assert populator_rules.uploaded("x", {"contentType": "archive"}, None) is None
    found = populator_rules.uploaded("x", {"contentType": "x"}, None)
    assert found.message == "ContentType not one of: kubevirt, archive"
