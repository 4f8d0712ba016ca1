"""Pods through the server: their beginning, what may change, and what `/status` and other writers may say."""

from typing import Any

import pytest

from tests.api.builtins.strategies.conftest import Send, said
from tests.api.conftest import Ask, json_of

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC = "application/strategic-merge-patch+json"
BARE: dict[str, Any] = {"containers": [{"name": "c", "image": "x:1"}]}


async def test_a_new_pod_waits(create: Send) -> None:
    """Whatever status comes along, a pod begins Pending, with the QoS class of its resources."""
    pod = await create(PODS, "p", spec=BARE, status={"phase": "Running", "podIP": "1.2.3.4"})
    assert pod["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert pod["metadata"]["generation"] == 1


async def test_a_gated_pod_says_so(create: Send) -> None:
    """Scheduling gates make a condition, dated with the pod's creation."""
    pod = await create(PODS, "p", spec={**BARE, "schedulingGates": [{"name": "example.com/g"}]})
    (condition,) = pod["status"]["conditions"]
    assert condition == {
        "type": "PodScheduled",
        "status": "False",
        "reason": "SchedulingGated",
        "message": "Scheduling is blocked due to non-empty scheduling gates",
        "lastProbeTime": None,
        "lastTransitionTime": pod["metadata"]["creationTimestamp"],
    }


async def test_label_keys_become_expressions(create: Send) -> None:
    """`matchLabelKeys` ask for the pod's own values, `mismatchLabelKeys` for others."""
    term = {
        "topologyKey": "t",
        "labelSelector": {},
        "matchLabelKeys": ["a", "none"],
        "mismatchLabelKeys": ["b"],
    }
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    pod = await create(
        PODS, "p", metadata={"labels": {"a": "1", "b": "2"}}, spec={**BARE, "affinity": affinity}
    )
    (term,) = pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchExpressions"] == [
        {"key": "a", "operator": "In", "values": ["1"]},
        {"key": "b", "operator": "NotIn", "values": ["2"]},
    ]


async def test_images_and_deadlines_may_change(create: Send, ask: Ask) -> None:
    """Images, a first deadline and an earlier one, more tolerations: each raises the generation."""
    await create(PODS, "p", spec=BARE)
    changes: list[dict[str, Any]] = [
        {"containers": [{"name": "c", "image": "x:2"}]},
        {"activeDeadlineSeconds": 100},
        {"activeDeadlineSeconds": 50},
    ]
    for number, spec in enumerate(changes, 2):
        pod = json_of(await ask("PATCH", f"{PODS}/p", {"spec": spec}, media=STRATEGIC))
        assert pod["metadata"]["generation"] == number
    more = [{"op": "add", "path": "/spec/tolerations/-", "value": {"key": "z", "operator": "Exists"}}]
    pod = json_of(await ask("PATCH", f"{PODS}/p", more, media="application/json-patch+json"))
    assert pod["spec"]["tolerations"][-1] == {"key": "z", "operator": "Exists"}


async def test_labels_leave_the_generation_alone(create: Send, change: Send) -> None:
    """Only the spec counts."""
    await create(PODS, "p", spec=BARE)
    pod = await change(f"{PODS}/p", {"metadata": {"labels": {"b": "c"}}})
    assert pod["metadata"]["generation"] == 1


async def test_other_changes_show_their_difference(create: Send, change: Send) -> None:
    """What may not change is shown as a diff of Go's internal pod spec."""
    await create(PODS, "p", spec={**BARE, "nodeName": "one"})
    status = await change(f"{PODS}/p", {"spec": {"nodeName": "two"}})
    (text,) = said(status)
    assert text.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    )
    assert text.endswith(
        "\n@@ -42,7 +42,7 @@\n"
        '  "NodeSelector": null,\n'
        '  "ServiceAccountName": "",\n'
        '  "AutomountServiceAccountToken": null,\n'
        '- "NodeName": "one",\n'
        '+ "NodeName": "two",\n'
        '  "SecurityContext": {\n'
        '   "HostNetwork": false,\n'
        '   "HostPID": false,\n'
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"containers": [{"name": "c", "image": "x:1"}, {"name": "d", "image": "x"}]},
            "spec.containers: Forbidden: pod updates may not add or remove containers",
        ),
        (
            {"activeDeadlineSeconds": 200},
            "spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal to previous value",
        ),
        (
            {"activeDeadlineSeconds": None},
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
        ),
        (
            {"tolerations": []},
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ),
        (
            {"schedulingGates": [{"name": "a/b"}, {"name": "a/c"}]},
            "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a/c'",
        ),
        (
            {"nodeSelector": {"k": "other"}},
            'spec.nodeSelector: Invalid value: {"k":"other"}: only additions are allowed (no mutations or deletions)',
        ),
    ],
)
async def test_refused_changes(create: Send, change: Send, spec: dict[str, Any], text: str) -> None:
    """Deadlines only get nearer, tolerations only more, gates only fewer, a gated pod's node selector only narrower."""
    given = {
        **BARE,
        "activeDeadlineSeconds": 100,
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "schedulingGates": [{"name": "a/b"}],
        "nodeSelector": {"k": "v"},
    }
    await create(PODS, "p", spec=given)
    status = await change(f"{PODS}/p", {"spec": spec})
    assert text in said(status)


async def test_a_gated_pod_may_be_narrowed_and_released(create: Send, change: Send) -> None:
    """Node selectors grow while gates hold the pod, and gates go one by one."""
    await create(PODS, "p", spec={**BARE, "schedulingGates": [{"name": "a/b"}]})
    pod = await change(f"{PODS}/p", {"spec": {"nodeSelector": {"disk": "fast"}}})
    assert pod["spec"]["nodeSelector"] == {"disk": "fast"}
    pod = await change(f"{PODS}/p", {"spec": {"schedulingGates": None}})
    assert "schedulingGates" not in pod["spec"]


async def test_status_writes(create: Send, ask: Ask) -> None:
    """`/status` takes labels along, leaves the spec alone, fills in times and addresses, keeps the QoS class."""
    pod = await create(PODS, "p", metadata={"labels": {"a": "b"}}, spec=BARE)
    pod["metadata"]["labels"] = {"from": "status"}
    pod["spec"]["containers"][0]["image"] = "x:9"
    pod["status"] = {
        "phase": "Running",
        "podIP": "10.1.2.3",
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    after = json_of(await ask("PUT", f"{PODS}/p/status", pod))
    assert after["metadata"]["labels"] == {"from": "status"}
    assert after["spec"]["containers"][0]["image"] == "x:1"
    assert after["status"] == {
        "phase": "Running",
        "podIP": "10.1.2.3",
        "podIPs": [{"ip": "10.1.2.3"}],
        "conditions": [
            {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None}
        ],
        "qosClass": "BestEffort",
    }


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"qosClass": "Guaranteed"}, 'status.qosClass: Invalid value: "Guaranteed": field is immutable'),
        (
            {"containerStatuses": [{"name": "c", "state": {"running": {}}}]},
            "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
        ),
        (
            {"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]},
            'status.hostIPs[0].ip: Invalid value: "10.0.0.2": must be equal to `hostIP`',
        ),
        (
            {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]},
            (
                'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each '
                "IP family"
            ),
        ),
    ],
)
async def test_refused_status(create: Send, change: Send, status: dict[str, Any], text: str) -> None:
    """The QoS class is fixed, what has ended for good stays ended, addresses are one per family."""
    await create(PODS, "p", spec={**BARE, "restartPolicy": "Never"})
    ended = {
        "name": "c",
        "state": {"terminated": {"exitCode": 0}},
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
    }
    await change(f"{PODS}/p/status", {"status": {"containerStatuses": [ended]}})
    refused = await change(f"{PODS}/p/status", {"status": status})
    assert said(refused) == [text]


async def test_remarks_on_create(ask: Ask) -> None:
    """Deprecated labels, hidden variables, doubled ports, fractions of bytes: accepted, with a Warning each."""
    container = {
        "name": "c",
        "image": "x",
        "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "A", "value": "$(A)3"}],
        "ports": [{"containerPort": 80}, {"containerPort": 80}],
        "resources": {"requests": {"memory": "0.5"}},
    }
    spec = {"containers": [container], "nodeSelector": {"beta.kubernetes.io/os": "linux"}}
    answer = await ask("POST", PODS, {"metadata": {"name": "p.q"}, "spec": spec})
    texts = [value for name, value in answer.headers if name == "Warning"]
    assert answer.status == 201
    assert texts[0].startswith(
        "299 - \"metadata.name: this is used in the Pod's hostname, which can result in surprising"
    )
    assert texts[1:] == [
        '299 - "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \\"kubernetes.io/os\\" instead"',
        (
            '299 - "spec.containers[0].resources.requests[memory]: fractional byte value \\"500m\\" is invalid, must be an '
            'integer"'
        ),
        '299 - "spec.containers[0].env[1]: hides previous definition of \\"A\\", which may be dropped when using apply"',
        '299 - "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]"',
    ]


@pytest.mark.parametrize(
    ("spec", "asked", "left"),
    [
        ({"nodeName": "n"}, "", 30),
        ({"nodeName": "n", "terminationGracePeriodSeconds": 7}, "", 7),
        ({"nodeName": "n", "terminationGracePeriodSeconds": -7}, "", 1),
        ({"nodeName": "n"}, "?gracePeriodSeconds=3", 3),
        ({}, "?gracePeriodSeconds=3", 0),
    ],
)
async def test_grace_periods(create: Send, ask: Ask, spec: dict[str, Any], asked: str, left: int) -> None:
    """The pod's own grace period, unless another is asked for; a pod without a node goes at once."""
    await create(PODS, "p", spec={**BARE, **spec})
    pod = json_of(await ask("DELETE", f"{PODS}/p{asked}"))
    assert pod["metadata"]["deletionGracePeriodSeconds"] == left
    gone = (await ask("GET", f"{PODS}/p")).status == 404
    assert gone is (left == 0)
