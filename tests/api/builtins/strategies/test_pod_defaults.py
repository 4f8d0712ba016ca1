"""Defaults of pod specs: what pods get, what templates get, and what stays as it was given."""

from typing import Any

import pytest

from fakekube.api.builtins.strategies.pod_spec import defaults
from fakekube.api.builtins.strategies.pod_spec.resources import qos_class


def spec(container: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "x:1", **(container or {})}], **more}


def test_a_bare_pod_is_completed() -> None:
    """Policies, grace period, scheduler and the container's own defaults are filled in."""
    pod = spec()
    defaults.pod(pod)
    assert pod == {
        "containers": [
            {
                "name": "c",
                "image": "x:1",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }
        ],
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "enableServiceLinks": True,
    }


def test_what_is_given_stays() -> None:
    """A grace period of 0 is a grace period."""
    pod = spec(
        terminationGracePeriodSeconds=0, restartPolicy="Never", schedulerName="mine", enableServiceLinks=False
    )
    defaults.pod(pod)
    assert (pod["terminationGracePeriodSeconds"], pod["restartPolicy"], pod["schedulerName"]) == (
        0,
        "Never",
        "mine",
    )
    assert pod["enableServiceLinks"] is False


def test_defaults_settle() -> None:
    """Defaulting twice changes nothing more."""
    pod = spec(
        {"ports": [{"containerPort": 80}], "livenessProbe": {"grpc": {"port": 1}}}, volumes=[{"name": "v"}]
    )
    defaults.pod(pod)
    once = repr(pod)
    defaults.pod(pod)
    assert repr(pod) == once


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("localhost:5000/x", "Always"),
        ("localhost:5000/x:2", "IfNotPresent"),
        ("x@sha256:0123", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    """What may change behind its name is pulled always; the port of a registry is not a tag."""
    assert defaults.pull_policy(image) == policy


def test_limits_are_requested_in_pods_only() -> None:
    """A limit without a request is requested too; a template keeps it as it is until a pod is made of it."""
    limits = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}
    pod, template = spec(limits), spec({"resources": {"limits": {"cpu": "1"}}})
    defaults.pod(pod)
    defaults.pod_spec(template)
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    assert "requests" not in template["containers"][0]["resources"]
    assert "enableServiceLinks" not in template


def test_ports_on_the_hosts_network() -> None:
    """With hostNetwork a container's port is the host's, in pods; templates leave it open."""
    pod, template = (spec({"ports": [{"containerPort": 80}]}, hostNetwork=True) for _ in range(2))
    defaults.pod(pod)
    defaults.pod_spec(template)
    assert pod["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]
    assert template["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_probes_hooks_and_references() -> None:
    """Numbers and schemes of probes, paths of hooks, versions and divisors of references."""
    pod = spec(
        {
            "readinessProbe": {"httpGet": {"port": 80}},
            "livenessProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 3},
            "startupProbe": {"grpc": {"port": 7}},
            "lifecycle": {"preStop": {"httpGet": {"port": 1}}},
            "env": [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
        }
    )
    defaults.pod(pod)
    container = pod["containers"][0]
    assert container["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert container["livenessProbe"]["periodSeconds"] == 3
    assert container["startupProbe"]["grpc"] == {"port": 7, "service": ""}
    assert container["lifecycle"]["preStop"]["httpGet"] == {"port": 1, "path": "/", "scheme": "HTTP"}
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert container["env"][1]["valueFrom"]["resourceFieldRef"]["divisor"] == "0"


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ({}, {"emptyDir": {}}),
        ({"emptyDir": {}}, {"emptyDir": {}}),
        ({"hostPath": {"path": "/x"}}, {"hostPath": {"path": "/x", "type": ""}}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}),
        ({"configMap": {"name": "s", "defaultMode": 256}}, {"configMap": {"name": "s", "defaultMode": 256}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                }
            },
        ),
        (
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {
                "downwardAPI": {
                    "defaultMode": 420,
                    "items": [
                        {"path": "l", "fieldRef": {"fieldPath": "metadata.labels", "apiVersion": "v1"}}
                    ],
                }
            },
        ),
        (
            {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            {"ephemeral": {"volumeClaimTemplate": {"spec": {"volumeMode": "Filesystem"}}}},
        ),
        ({"image": {"reference": "r:1"}}, {"image": {"reference": "r:1", "pullPolicy": "IfNotPresent"}}),
    ],
)
def test_volumes(given: dict[str, Any], whole: dict[str, Any]) -> None:
    """A volume without a source is an empty directory; sources have modes and types."""
    pod = spec(volumes=[{"name": "v", **given}])
    defaults.pod(pod)
    assert pod["volumes"] == [{"name": "v", **whole}]


def test_both_spellings_of_the_account() -> None:
    """`serviceAccount` is the old name of `serviceAccountName`; the new one wins."""
    old, both = spec(serviceAccount="a"), spec(serviceAccount="a", serviceAccountName="b")
    defaults.pod(old)
    defaults.pod(both)
    assert (old["serviceAccountName"], old["serviceAccount"]) == ("a", "a")
    assert (both["serviceAccountName"], both["serviceAccount"]) == ("b", "b")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "0"}}, "BestEffort"),
        ({"requests": {"ephemeral-storage": "1Gi"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        (
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}},
            "Guaranteed",
        ),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"memory": "1Gi"}}, "Burstable"),
    ],
)
def test_qos_class(resources: dict[str, Any], expected: str) -> None:
    """Guaranteed: CPU and memory limited and requested alike. BestEffort: neither asked for. Else Burstable."""
    assert qos_class(spec({"resources": resources})) == expected


def test_qos_class_of_the_whole_pod() -> None:
    """Resources at pod level decide alone; without them one careless container is enough."""
    sound = {"limits": {"cpu": "1", "memory": "1Gi"}}
    pod = {"containers": [{"name": "a", "resources": sound}, {"name": "b", "resources": {}}]}
    assert qos_class(pod) == "Burstable"
    assert qos_class(pod | {"resources": sound}) == "Guaranteed"
