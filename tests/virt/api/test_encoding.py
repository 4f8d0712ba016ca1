"""Specs as virt-api's encoder writes them."""

import copy
from typing import Any

import pytest

from fakekube.virt.api.encoding import encode_instance, encode_machine


def encoded(spec: dict[str, Any]) -> dict[str, Any]:
    spec = copy.deepcopy(spec)
    encode_instance(spec)
    return spec


@pytest.mark.parametrize(
    ("said", "stored"), [("1024Mi", "1Gi"), (1073741824, "1073741824"), ("0.5Gi", "512Mi"), ("1G", "1G")]
)
def test_quantities(said: object, stored: str) -> None:
    """Every quantity of a spec is in its canonical spelling, numbers among them."""
    memory = {"guest": said, "maxGuest": said, "reservedOverhead": {"addedOverhead": said}}
    field = {"path": "p", "resourceFieldRef": {"resource": "limits.cpu", "divisor": said}}
    volumes = [
        {"name": "a", "emptyDisk": {"capacity": said}},
        {"name": "b", "hostDisk": {"path": "/d", "capacity": said}},
        {"name": "c", "downwardAPI": {"fields": [field]}},
    ]
    resources = {"requests": {"memory": said}, "limits": {"memory": said}}
    found = encoded({"domain": {"memory": memory, "resources": resources}, "volumes": volumes})
    domain = found["domain"]
    assert domain["memory"] == {
        "guest": stored,
        "maxGuest": stored,
        "reservedOverhead": {"addedOverhead": stored},
    }
    assert domain["resources"] == {"requests": {"memory": stored}, "limits": {"memory": stored}}
    empty, host, downward = found["volumes"]
    assert empty["emptyDisk"]["capacity"] == host["hostDisk"]["capacity"] == stored
    assert downward["downwardAPI"]["fields"][0]["resourceFieldRef"]["divisor"] == stored


def test_a_machine_s_volumes() -> None:
    """Claims in templates of DataVolumes are no exception."""
    requests = {"resources": {"requests": {"storage": "2048Mi"}}}
    templates = [{"spec": {"storage": requests}}, {"spec": {"pvc": copy.deepcopy(requests)}}, {}]
    spec = {"template": {"spec": {"domain": {}}}, "dataVolumeTemplates": templates}
    encode_machine(spec)
    for kind, template in zip(("storage", "pvc"), templates, strict=False):
        assert template["spec"][kind]["resources"]["requests"]["storage"] == "2Gi"


@pytest.mark.parametrize(
    "spec",
    [
        {"domain": {"devices": "x", "resources": [], "memory": "1Gi"}, "volumes": "x"},
        {"domain": {"memory": {"guest": "much"}, "resources": {"requests": "x"}}, "volumes": [1, {}]},
        {"domain": {"devices": {"disks": ["x", {"disk": "x"}]}}, "volumes": [{"emptyDisk": "x"}]},
    ],
)
def test_what_is_of_a_wrong_type_stays(spec: dict[str, Any]) -> None:
    """It is the definition's to refuse it."""
    assert encoded(spec) == {**spec, "domain": {"devices": {}, "resources": {}, **spec["domain"]}}
