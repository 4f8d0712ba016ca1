"""What admission adds to new pods and claims, and what it holds against them."""

from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

NS = "/api/v1/namespaces/default"
NOT_READY = {
    "effect": "NoExecute",
    "key": "node.kubernetes.io/not-ready",
    "operator": "Exists",
    "tolerationSeconds": 300,
}
UNREACHABLE = {**NOT_READY, "key": "node.kubernetes.io/unreachable"}


async def pod(ask: Ask, *, limits: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    resources = {"limits": limits} if limits else {}
    body = {"containers": [{"name": "a", "image": "x", "resources": resources}], **spec}
    return json_of(await ask("POST", f"{NS}/pods", {"metadata": {"name": "p"}, "spec": body}))


async def limit(ask: Ask, **item: Any) -> None:
    body = {"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", **item}]}}
    assert (await ask("POST", f"{NS}/limitranges", body)).status == 201


async def test_priority(ask: Ask) -> None:
    """Without a class the priority is 0; the system's classes are there from the start."""
    assert (await pod(ask))["spec"]["priority"] == 0
    await ask("DELETE", f"{NS}/pods/p")
    spec = (await pod(ask, priorityClassName="system-node-critical"))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (2_000_001_000, "PreemptLowerPriority")


async def test_default_priority(ask: Ask) -> None:
    """A class that is the default counts for pods that name none."""
    body = {"metadata": {"name": "usual"}, "value": 7, "globalDefault": True}
    await ask("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body)
    spec = (await pod(ask))["spec"]
    assert (spec["priority"], spec["priorityClassName"]) == (7, "usual")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"priorityClassName": "nope"}, 'pods "p" is forbidden: no PriorityClass with name nope was found'),
        ({"runtimeClassName": "nope"}, 'pods "p" is forbidden: pod rejected: RuntimeClass "nope" not found'),
        (
            {"priority": 5},
            (
                'pods "p" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority '
                "admission controller computed 0 from the given PriorityClass name"
            ),
        ),
    ],
)
async def test_refused_classes(ask: Ask, spec: dict[str, Any], message: str) -> None:
    """A pod names classes that exist, and leaves the number to them."""
    refused = await pod(ask, **spec)
    assert (refused["code"], refused["message"]) == (403, message)


async def test_runtime_class(ask: Ask) -> None:
    """A runtime class brings its overhead and its nodes along."""
    scheduling = {"nodeSelector": {"kata": "yes"}}
    body = {"metadata": {"name": "kata"}, "handler": "kata", "overhead": {"podFixed": {"memory": "64Mi"}}}
    await ask("POST", "/apis/node.k8s.io/v1/runtimeclasses", {**body, "scheduling": scheduling})
    spec = (await pod(ask, runtimeClassName="kata"))["spec"]
    assert (spec["overhead"], spec["nodeSelector"]) == ({"memory": "64Mi"}, {"kata": "yes"})


async def test_tolerations(ask: Ask) -> None:
    """Five minutes on a lost node, unless the pod has its own opinion."""
    assert (await pod(ask))["spec"]["tolerations"] == [NOT_READY, UNREACHABLE]
    await ask("DELETE", f"{NS}/pods/p")
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    assert (await pod(ask, tolerations=[own]))["spec"]["tolerations"] == [own, UNREACHABLE]


async def test_limits_are_filled_in(ask: Ask) -> None:
    """A container without limits gets the namespace's, and an annotation says so."""
    await limit(ask, default={"cpu": "500m"}, max={"memory": "1Gi"})
    made = await pod(ask)
    amounts = {"cpu": "500m", "memory": "1Gi"}
    assert made["spec"]["containers"][0]["resources"] == {"limits": amounts, "requests": amounts}
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for "
        "container a"
    }


async def test_limits_are_kept(ask: Ask) -> None:
    """More than the maximum is refused, until the LimitRange is gone."""
    await limit(ask, max={"memory": "1Gi"})
    refused = await pod(ask, limits={"memory": "2Gi"})
    assert refused["message"] == (
        'pods "p" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi'
    )
    await ask("DELETE", f"{NS}/limitranges/l")
    assert (await pod(ask, limits={"memory": "2Gi"}))["kind"] == "Pod"
