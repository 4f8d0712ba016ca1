"""What claims say of what they are imported from."""

import pytest

from fakekube.virt.cdi import claim_sources

KEYS = {"secretRef": "keys", "certConfigMap": "certs"}


@pytest.mark.parametrize(
    "source",
    [
        {"blank": {}},
        {
            "http": {
                "url": "http://x/y",
                **KEYS,
                "extraHeaders": ["A: 1", "B: 2"],
                "secretExtraHeaders": ["c"],
            }
        },
        {"s3": {"url": "http://x/y", **KEYS}},
        {"gcs": {"url": "gs://x/y", "secretRef": "keys"}},
        {"registry": {"url": "docker://x/y", "pullMethod": "node", **KEYS}},
        {"registry": {"imageStream": "y", "pullMethod": "node"}},
        {"imageio": {"url": "http://x/y", "diskId": "1", **KEYS}},
        {
            "vddk": {
                "url": "http://x/y",
                "uuid": "u",
                "backingFile": "f",
                "thumbprint": "t",
                "initImageURL": "i",
                "secretRef": "keys",
            }
        },
    ],
)
def test_there_and_back(source):
    """A populator writes down all of a source that an importer needs."""
    claim = {"metadata": {"name": "c", "namespace": "ns", "annotations": claim_sources.notes(source)}}
    assert claim_sources.is_asked(claim)
    assert claim_sources.source(claim) == source


@pytest.mark.parametrize("kind", ["", "glance", "http"])
def test_unknown_sources(kind):
    """They are taken for HTTP, as CDI does."""
    notes = {
        "cdi.kubevirt.io/storage.import.endpoint": "http://x/y",
        "cdi.kubevirt.io/storage.import.source": kind,
    }
    assert claim_sources.source({"metadata": {"annotations": notes}}) == {"http": {"url": "http://x/y"}}


@pytest.mark.parametrize(
    ("claim", "wanted"),
    [
        ({"metadata": {}, "spec": {}}, False),
        ({"metadata": {}, "spec": {"dataSourceRef": {"apiGroup": "cdi.kubevirt.io"}}}, True),
        ({"metadata": {}, "spec": {"dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io"}}}, False),
        ({"metadata": {"annotations": {"cdi.kubevirt.io/storage.import.source": "none"}}, "spec": {}}, True),
    ],
)
def test_claims_that_need_somebody(claim, wanted):
    """Populators and importers are made when there is a claim for them."""
    assert claim_sources.is_waited_for(claim) is wanted
