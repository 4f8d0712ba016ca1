"""Where images come from."""

import json

import pytest

from fakekube.virt.operator import sources
from fakekube.virt.operator.sources import Source


def operator(image):
    return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}


@pytest.mark.parametrize(
    ("image", "source"),
    [
        ("quay.io/kubevirt/virt-operator:v1", Source("v1")),
        ("registry:5000/kubevirt/alt-virt-operator:devel", Source("devel", "registry:5000/kubevirt", "alt-")),
        ("quay.io/kubevirt/virt-operator@sha256:00", Source("v0")),
        ("virt-operator:v1", Source("v0")),
    ],
)
def test_of_the_operator(image, source):
    """Registry, prefix and tag; a digest tells no version, and the release counts."""
    assert sources.of_operator(operator(image), "v0") == source


def test_the_object_counts_for_more():
    """Tag and registry may be said by the KubeVirt object, each for itself."""
    given = Source("v1", "here", "alt-")
    assert sources.wanted({"spec": {}}, given) == given
    assert sources.wanted({"spec": {"imageTag": "v2"}}, given) == Source("v2", "here", "alt-")
    assert (
        sources.wanted({"spec": {"imageRegistry": "there"}}, given).image("virt-api")
        == "there/alt-virt-api:v1"
    )


def test_each_source_is_another_installation():
    marks = {
        Source(*one).identity("kubevirt")[1] for one in (("v1",), ("v2",), ("v1", "x"), ("v1", "x", "y"))
    }
    assert len(marks) == 4


@pytest.mark.parametrize(
    ("spec", "another"),
    [
        ({"imagePullPolicy": "IfNotPresent", "infra": {"replicas": 3}, "configuration": {}}, False),
        ({"imagePullPolicy": "Always"}, True),
        ({"imagePullSecrets": [{"name": "x"}]}, True),
        ({"uninstallStrategy": "BlockUninstallIfWorkloadsExist"}, True),
        ({"productVersion": "1"}, True),
        ({"configuration": {"migrations": {"network": "x"}}}, True),
        ({"configuration": {"roleAggregationStrategy": "Manual"}}, False),
        (
            {
                "configuration": {
                    "roleAggregationStrategy": "Manual",
                    "developerConfiguration": {"featureGates": ["OptOutRoleAggregation"]},
                }
            },
            True,
        ),
    ],
)
def test_what_makes_another_installation(spec, another):
    """Some settings are part of what is installed, others are not."""
    usual = Source("v1")
    made = sources.wanted({"spec": spec}, usual)
    assert (made.identity("kubevirt") != usual.identity("kubevirt")) is another
    config, identifier = made.identity("kubevirt")
    assert json.loads(config)["id"] == identifier
