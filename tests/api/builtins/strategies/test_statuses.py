"""What `/status` refuses: counts that cannot be, addresses that are none."""

from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

MERGE = "application/merge-patch+json"
SELECTOR = {"matchLabels": {"a": "b"}}
POD = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
ONCE = {"spec": POD["spec"] | {"restartPolicy": "Never"}}
SCALED = {"maxReplicas": 1, "scaleTargetRef": {"kind": "Deployment", "name": "x", "apiVersion": "apps/v1"}}
BACKEND = {"defaultBackend": {"service": {"name": "a", "port": {"number": 1}}}}
NOT_NEGATIVE = "must be greater than or equal to 0"
NO_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_NAME = "must be a DNS name, not an IP address"
INGRESS = "status.loadBalancer.ingress"


@pytest.mark.parametrize(
    ("path", "spec", "status", "found"),
    [
        (
            "/apis/apps/v1/namespaces/default/replicasets",
            {"selector": SELECTOR, "template": POD},
            {"replicas": -1},
            {
                ("status.replicas", NOT_NEGATIVE),
                ("status.readyReplicas", "cannot be greater than status.replicas"),
            },
        ),
        (
            "/api/v1/namespaces/default/replicationcontrollers",
            {"selector": {"a": "b"}, "template": POD},
            {"replicas": -1},
            {
                ("status.replicas", NOT_NEGATIVE),
                ("status.readyReplicas", "cannot be greater than status.replicas"),
            },
        ),
        (
            "/apis/batch/v1/namespaces/default/jobs",
            {"template": ONCE},
            {"active": -1},
            {("status.active", NOT_NEGATIVE), ("status.ready", "cannot set more ready pods than active")},
        ),
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            SCALED,
            {"currentReplicas": -1, "desiredReplicas": -1},
            {("status.currentReplicas", NOT_NEGATIVE), ("status.desiredReplicas", NOT_NEGATIVE)},
        ),
        (
            "/api/v1/namespaces/default/services",
            {"type": "LoadBalancer", "ports": [{"port": 1}]},
            {
                "loadBalancer": {
                    "ingress": [{"ip": "x"}, {"hostname": "1.2.3.4"}, {"ip": "1.2.3.4", "ipMode": "Bad"}]
                }
            },
            {
                (f"{INGRESS}[0].ip", NO_IP),
                (f"{INGRESS}[1].hostname", NO_NAME),
                (f"{INGRESS}[2].ipMode", 'supported values: "Proxy", "VIP"'),
            },
        ),
        (
            "/api/v1/namespaces/default/services",
            {"ports": [{"port": 1}]},
            {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}},
            {(INGRESS, 'may only be used when `spec.type` is "LoadBalancer"')},
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            BACKEND,
            {"loadBalancer": {"ingress": [{"ip": "x"}, {"hostname": "1.2.3.4"}]}},
            {(f"{INGRESS}[0].ip", NO_IP), (f"{INGRESS}[1].hostname", NO_NAME)},
        ),
    ],
    ids=[
        "replicasets",
        "replicationcontrollers",
        "jobs",
        "autoscalers",
        "services",
        "cluster-ip",
        "ingresses",
    ],
)
async def test_refused(
    ask: Ask, path: str, spec: dict[str, Any], status: Any, found: set[tuple[str, str]]
) -> None:
    """Each fault is named, also where it only shows against members that are not there."""
    made = await ask("POST", path, {"metadata": {"name": "a"}, "spec": spec})
    assert made.status == 201, made.body
    response = await ask("PATCH", f"{path}/a/status", {"status": status}, MERGE)
    assert response.status == 422
    causes = [(one["field"], one["message"]) for one in json_of(response)["details"]["causes"]]
    for field, text in found:
        assert any(at == field and text in said for at, said in causes), (field, causes)
