"""Protobuf bodies: against what kubectl sends and says the same object is in JSON, and against broken bytes.

`kubectl_bodies.json` pairs request bodies of kubectl 1.33 with its own JSON of the same objects (`--dry-run=client`).
"""

import base64
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.api.protobuf import tables
from fakekube.api.protobuf.decoder import MAGIC, decode
from fakekube.machinery.errors import BadRequest
from tests.api.protobuf.encoding import blob, varint, whole

BODIES = orjson.loads((Path(__file__).parent / "kubectl_bodies.json").read_bytes())


def body(api_version, kind, message):
    return MAGIC + blob(1, blob(1, api_version) + blob(2, kind)) + blob(2, message)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_what_kubectl_sends(name):
    """The object is the one kubectl writes as JSON, member for member."""
    assert decode(base64.b64decode(BODIES[name]["body"])) == BODIES[name]["object"]


def test_an_event_with_its_times():
    """Times are seconds, micro times keep six decimals, empty ones are left out, embedded objects are read."""
    subject = blob(1, "Pod") + blob(3, "p")
    message = (
        blob(1, blob(1, "e") + blob(8, b"")) + blob(2, subject) + blob(6, b"") + blob(7, whole(1, 1577836805))
    )
    message += whole(8, 3) + blob(10, whole(1, 1577836800) + whole(2, 500_000)) + blob(14, "") + blob(15, "")
    assert decode(body("v1", "Event", message)) == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "p"},
        "lastTimestamp": "2020-01-01T00:00:05Z",
        "count": 3,
        "eventTime": "2020-01-01T00:00:00.000500Z",
        "reportingComponent": "",
        "reportingInstance": "",
    }


def test_ports_by_name_and_by_number():
    """An IntOrString says which of its two fields counts; negative numbers are ten bytes long."""
    port = whole(3, 80) + blob(4, whole(1, 1) + whole(2, 0) + blob(3, "http"))
    other = whole(3, 81) + blob(4, whole(1, 0) + whole(2, -7) + blob(3, ""))
    service = decode(body("v1", "Service", blob(2, blob(1, port) + blob(1, other))))
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": -7}]


def test_maps_quantities_and_bytes():
    """Maps become objects, quantities text, bytes base64."""
    hard = blob(1, blob(1, "pods") + blob(2, blob(1, "3"))) + blob(
        1, blob(1, "cpu") + blob(2, blob(1, "500m"))
    )
    assert decode(body("v1", "ResourceQuota", blob(2, hard)))["spec"] == {
        "hard": {"pods": "3", "cpu": "500m"}
    }
    secret = blob(2, blob(1, "k") + blob(2, b"\x00\xff")) + blob(2, blob(1, "empty"))
    assert decode(body("v1", "Secret", secret))["data"] == {"k": "AP8=", "empty": ""}


def test_embedded_structs_and_free_form_data():
    """Volume sources are members of the volume itself; a revision's data is JSON inside bytes."""
    volume = blob(1, "v") + blob(2, blob(19, blob(1, blob(1, "cm")) + whole(3, 420)))
    pod = decode(body("v1", "Pod", blob(2, blob(1, volume))))
    assert pod["spec"]["volumes"] == [{"name": "v", "configMap": {"name": "cm", "defaultMode": 420}}]
    revision = decode(body("apps/v1", "ControllerRevision", blob(2, blob(1, b'{"any":[1]}')) + whole(3, 4)))
    assert (revision["data"], revision["revision"]) == ({"any": [1]}, 4)


def test_lists_with_a_name_of_their_own():
    """The extra of a review is a map to lists."""
    extra = blob(5, blob(1, "scopes") + blob(2, blob(1, "a") + blob(1, "b")))
    review = decode(body("authorization.k8s.io/v1", "SubjectAccessReview", blob(2, extra)))
    assert review["spec"]["extra"] == {"scopes": ["a", "b"]}


def test_zero_replicas_are_not_forgotten():
    """What is a pointer in Go counts when it is zero; what is none is left out, as JSON leaves it out."""
    spec = whole(1, 0) + whole(5, 0) + whole(7, 0)
    assert decode(body("apps/v1", "Deployment", blob(2, spec)))["spec"] == {"replicas": 0}


def test_managed_fields():
    """Sets of fields are JSON inside bytes."""
    entry = blob(1, "m") + blob(2, "Update") + blob(6, "FieldsV1") + blob(7, blob(1, b'{"f:data":{}}'))
    config = decode(body("v1", "ConfigMap", blob(1, blob(17, entry))))
    assert config["metadata"]["managedFields"] == [
        {"manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}
    ]


@pytest.mark.parametrize("api_version", ["v1", "apps/v1", "meta.k8s.io/v1", "example.com/v1"])
def test_options_come_in_any_groups_name(api_version):
    """Clients send DeleteOptions in the group they delete in."""
    preconditions = blob(2, blob(1, "u"))
    options = decode(body(api_version, "DeleteOptions", whole(1, 0) + preconditions + blob(4, "Foreground")))
    assert options["gracePeriodSeconds"] == 0
    assert options["preconditions"] == {"uid": "u"}
    assert options["propagationPolicy"] == "Foreground"


def test_unknown_fields_are_passed_over():
    """A client may be newer; every wire type can be skipped."""
    junk = whole(900, 1) + blob(901, b"x") + varint(902 << 3 | 1) + bytes(8) + varint(903 << 3 | 5) + bytes(4)
    assert decode(body("v1", "Namespace", junk + blob(1, blob(1, "a"))))["metadata"] == {"name": "a"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty data (<empty>)"),
        (
            b"{}",
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] (7b7d)",
        ),
        (MAGIC + b"\x0a", "unexpected EOF (6b3873000a)"),
        (MAGIC + b"\x0f", "proto: illegal wireType 7 (6b3873000f)"),
        (MAGIC + b"\x08" + b"\xff" * 11, "proto: integer overflow (6b38730008ffffffffffffffffffffff)"),
    ],
)
def test_broken_bodies(data, said):
    """Go's words, and the beginning of what was sent."""
    with pytest.raises(BadRequest) as caught:
        decode(data, "Pod")
    assert caught.value.message == f"the object provided is unrecognized (must be of type Pod): {said}"


def test_fields_of_the_wrong_wire_type():
    """A number where a message belongs."""
    with pytest.raises(BadRequest, match="proto: wrong wireType = 0 for field Metadata"):
        decode(body("v1", "Pod", whole(1, 5)))


def test_kinds_nobody_knows():
    """The answer names kind and version."""
    with pytest.raises(BadRequest, match='no kind "Nope" is registered for version "v7"'):
        decode(body("v7", "Nope", b""))


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_happens(data):
    """Whatever comes is an object or a BadRequest."""
    for candidate in (data, MAGIC + data, body("v1", "Pod", data)):
        try:
            assert isinstance(decode(candidate), dict)
        except BadRequest:
            continue


@given(st.sampled_from(sorted(BODIES)), st.integers(0, 400))
def test_truncation_is_noticed(name, cut):
    """A body that ends too early is refused, unless only the empty words about its encoding are missing."""
    full = base64.b64decode(BODIES[name]["body"])
    assert full.endswith(blob(3, "") + blob(4, ""))
    type_meta = len(MAGIC) + 2 + full[len(MAGIC) + 1]
    short = full[: min(max(cut, type_meta + 1), len(full) - 5)]
    with pytest.raises(BadRequest):
        decode(short)


def test_the_tables_cover_what_typed_clients_send():
    """Every kind of the groups controllers write, and all they embed."""
    known = tables.by_kind()
    wanted = [
        "v1/Namespace",
        "v1/ConfigMap",
        "v1/Secret",
        "v1/ServiceAccount",
        "v1/Service",
        "v1/Pod",
        "v1/Node",
        "v1/Event",
        "v1/PersistentVolume",
        "v1/PersistentVolumeClaim",
        "v1/ResourceQuota",
        "v1/LimitRange",
        "v1/Endpoints",
        "v1/Binding",
        "v1/PodTemplate",
        "apps/v1/Deployment",
        "apps/v1/ReplicaSet",
        "apps/v1/DaemonSet",
        "apps/v1/StatefulSet",
        "apps/v1/ControllerRevision",
        "batch/v1/Job",
        "batch/v1/CronJob",
        "autoscaling/v1/Scale",
        "autoscaling/v2/HorizontalPodAutoscaler",
        "policy/v1/Eviction",
        "policy/v1/PodDisruptionBudget",
        "coordination.k8s.io/v1/Lease",
        "events.k8s.io/v1/Event",
        "discovery.k8s.io/v1/EndpointSlice",
        "networking.k8s.io/v1/Ingress",
        "authentication.k8s.io/v1/TokenReview",
        "authentication.k8s.io/v1/TokenRequest",
        "storage.k8s.io/v1/StorageClass",
        "authorization.k8s.io/v1/SelfSubjectAccessReview",
        "rbac.authorization.k8s.io/v1/ClusterRole",
        "certificates.k8s.io/v1/CertificateSigningRequest",
        "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration",
        "scheduling.k8s.io/v1/PriorityClass",
        "resource.k8s.io/v1/ResourceClaim",
    ]
    for one in wanted:
        api_version, _, kind = one.rpartition("/")
        assert (api_version, kind) in known, one
    messages = tables.messages()
    embedded = {row[2].lstrip("*%") for rows in messages.values() for row in rows}
    assert {name for name in embedded if "." in name} <= set(messages)
