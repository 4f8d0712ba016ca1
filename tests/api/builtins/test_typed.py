"""Typed decoding: what Go's decoder makes of JSON, and how it refuses."""

import pytest

from fakekube.api.builtins import zeros
from fakekube.api.builtins.tables import resources
from fakekube.machinery.errors import BadRequest

BY_KIND = {(one.group, one.version, one.kind): one for one in resources()}


def prune(group, kind, version="v1", **members):
    resource = BY_KIND[group, version, kind]
    obj = {"apiVersion": resource.api_version, "kind": kind, "metadata": {"name": "a"}, **members}
    return list(resource.strategy.prune(obj)), obj


def refusal(group, kind, **members):
    with pytest.raises(BadRequest) as caught:
        prune(group, kind, **members)
    return caught.value.message


def test_unknown_members_go_and_are_told():
    """Paths are told in order of appearance, with indexes, and the members are gone."""
    spec = {
        "template": {"spec": {"containers": [{"name": "a", "imagePolicy": "x"}, {"ports": [{"port": 1}]}]}},
    }
    unknown, obj = prune("apps", "Deployment", spec=spec)
    assert unknown == [
        "spec.template.spec.containers[0].imagePolicy",
        "spec.template.spec.containers[1].ports[0].port",
    ]
    assert obj["spec"]["template"]["spec"]["containers"] == [{"name": "a"}, {"ports": [{}]}]


def test_case_matters():
    """`Data` is not `data`."""
    unknown, obj = prune("", "ConfigMap", Data={"k": "v"})
    assert unknown == ["Data"]
    assert "Data" not in obj


def test_nulls_and_empty_optional_members_vanish():
    """Re-encoding leaves out nil and empty lists and maps, but prints structs and null strings of maps."""
    _, obj = prune("", "ConfigMap", data={"k": None}, binaryData={}, immutable=None)
    assert obj["data"] == {"k": ""}
    assert set(obj) == {"apiVersion", "kind", "metadata", "data"}
    _, policy = prune("networking.k8s.io", "NetworkPolicy", spec={"podSelector": {}, "ingress": []})
    assert policy["spec"] == {"podSelector": {}}


def test_free_form_members_stay_as_they_are():
    """Data of no type, and the sets of managed fields, are nobody's business."""
    data = {"any": [1, None, {}]}
    unknown, obj = prune("apps", "ControllerRevision", revision=1, data=data)
    assert (unknown, obj["data"]) == ([], {"any": [1, None, {}]})


@pytest.mark.parametrize(
    ("group", "kind", "members", "said"),
    [
        (
            "",
            "ConfigMap",
            {"data": {"k": 5}},
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string",
        ),
        (
            "apps",
            "Deployment",
            {"spec": {"replicas": "3"}},
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "apps",
            "Deployment",
            {"spec": {"replicas": 2.0}},
            "json: cannot unmarshal number 2.0 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "apps",
            "Deployment",
            {"spec": {"replicas": 4294967296}},
            "json: cannot unmarshal number 4294967296 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "",
            "Pod",
            {"spec": {"containers": {"name": "c"}}},
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            "",
            "Pod",
            {"spec": {"hostNetwork": "true"}},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (
            "",
            "Pod",
            {"spec": "hello"},
            "json: cannot unmarshal string into Go struct field Pod.spec of type v1.PodSpec",
        ),
        (
            "",
            "Service",
            {"spec": {"ports": [{"port": 80, "targetPort": [1]}]}},
            "json: cannot unmarshal array into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (
            "",
            "Pod",
            {"spec": {"containers": [{"resources": {"requests": {"cpu": "lots"}}}]}},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        ("", "Secret", {"data": {"k": "no!"}}, "illegal base64 data at input byte 2"),
        (
            "coordination.k8s.io",
            "Lease",
            {"spec": {"renewTime": "2020-01-01 10:00"}},
            'parsing time "2020-01-01 10:00" as "2006-01-02T15:04:05.000000Z07:00": cannot parse " 10:00" as "T"',
        ),
        (
            "coordination.k8s.io",
            "Lease",
            {"spec": {"renewTime": "2020-01-01T00:00:20Z"}},
            'parsing time "2020-01-01T00:00:20Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
        ),
    ],
)
def test_wrong_types_are_refused_in_gos_words(group, kind, members, said):
    """Each text is what the real server answered."""
    assert refusal(group, kind, **members) == f'{kind} in version "v1" cannot be handled as a {kind}: {said}'


def test_bad_times_of_metadata():
    """A creation time that is none is refused before anybody ignores it."""
    with pytest.raises(
        BadRequest, match='parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yest'
    ):
        prune("", "ConfigMap", metadata={"creationTimestamp": "yesterday"})


def test_times_are_kept_in_utc():
    """Whole seconds for Time, six decimals for MicroTime, always UTC."""
    _, event = prune(
        "", "Event", lastTimestamp="2020-01-01T02:00:00.7+02:00", eventTime="2020-01-01T02:00:00.700000+02:00"
    )
    assert event["lastTimestamp"] == "2020-01-01T00:00:00Z"
    assert event["eventTime"] == "2020-01-01T00:00:00.700000Z"


def test_amounts_are_spelled_anew():
    """Resource lists are canonical and rounded up to thousandths; numbers become text."""
    limits = {"cpu": 0.5, "memory": "1024Mi", "ephemeral-storage": "1000k", "example.com/x": "0.0001"}
    _, pod = prune("", "Pod", spec={"containers": [{"name": "c", "resources": {"limits": limits}}]})
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "500m",
        "memory": "1Gi",
        "ephemeral-storage": "1M",
        "example.com/x": "1m",
    }


def test_what_go_prints_even_when_empty():
    """A lease without spec shows an empty one; an event shows its null times."""
    lease = {"metadata": {}}
    BY_KIND["coordination.k8s.io", "v1", "Lease"].strategy.default(lease)
    assert lease == {"metadata": {}, "spec": {}}
    event = {"metadata": {}, "eventTime": "x"}
    BY_KIND["", "v1", "Event"].strategy.default(event)
    assert event["eventTime"] == "x"
    assert event["firstTimestamp"] is None
    assert event["reportingComponent"] == ""


def test_what_is_no_pointer_vanishes_when_it_is_zero():
    """`false`, zero and empty text go where Go leaves them out; pointers keep them, and structs stay."""
    spec = {
        "hostNetwork": False,
        "nodeName": "",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {"name": "c", "resources": {}, "livenessProbe": {"initialDelaySeconds": 0, "exec": {}}}
        ],
    }
    _, pod = prune("", "Pod", spec=spec)
    assert pod["spec"] == {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "c", "resources": {}, "livenessProbe": {"exec": {}}}],
    }
    _, deployment = prune("apps", "Deployment", spec={"replicas": 0, "minReadySeconds": 0, "paused": False})
    assert deployment["spec"] == {"replicas": 0}


def test_specs_get_no_nulls():
    """A bookmark shows null containers, but an object without any is left for validation to refuse."""
    strategy = BY_KIND["", "v1", "Pod"].strategy
    pod = {"metadata": {}}
    zeros.fill(pod, strategy.empty_members)
    assert strategy.empty_members["spec"] == {"containers": None}
    assert pod == {"metadata": {}, "spec": {}, "status": {}}
