"""Versions of built-in kinds: what was stored through one comes out right through the other."""

import orjson

from fakekube.api.builtins.conversion import (
    autoscaler_from_v2,
    autoscaler_to_v2,
    event_from_core,
    event_to_core,
)

PREFIX = "autoscaling.alpha.kubernetes.io/"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}


def scaler(spec, status=None, **annotations):
    meta = {"name": "a", **({"annotations": annotations} if annotations else {})}
    return {
        "metadata": meta,
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec},
        "status": status or {},
    }


def cpu(side, value):
    return {"type": "Resource", "resource": {"name": "cpu", side: value}}


def test_a_cpu_target_is_a_metric():
    """v1's percentage becomes v2's first metric, and back; counts v1 prints v2 leaves out."""
    old = scaler({"targetCPUUtilizationPercentage": 70}, {"currentReplicas": 0, "desiredReplicas": 0})
    new = autoscaler_to_v2(old)
    assert new["spec"]["metrics"] == [cpu("target", {"type": "Utilization", "averageUtilization": 70})]
    assert new["status"] == {"currentMetrics": None, "desiredReplicas": 0}
    assert autoscaler_from_v2(new) == old


def test_what_v1_cannot_say_hides_in_annotations():
    """Other metrics in the words of v1, the behavior in those of the internal type; all of it comes back."""
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "500Mi"}},
    }
    behavior = {
        "scaleDown": {
            "stabilizationWindowSeconds": 5,
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}],
        }
    }
    metrics = [memory, cpu("target", {"type": "Utilization", "averageUtilization": 50})]
    new = scaler({"metrics": metrics, "behavior": behavior}, {"desiredReplicas": 0, "currentMetrics": None})
    old = autoscaler_from_v2(new)
    hidden = old["metadata"]["annotations"]
    assert old["spec"]["targetCPUUtilizationPercentage"] == 50
    assert hidden[f"{PREFIX}metrics"] == (
        '[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"500Mi"}}]'
    )
    assert orjson.loads(hidden[f"{PREFIX}behavior"]) == {
        "ScaleUp": None,
        "ScaleDown": {
            "StabilizationWindowSeconds": 5,
            "SelectPolicy": None,
            "Policies": [{"Type": "Pods", "Value": 4, "PeriodSeconds": 15}],
            "Tolerance": None,
        },
    }
    back = autoscaler_to_v2(old)
    assert back["spec"]["behavior"] == behavior
    assert sorted(back["spec"]["metrics"], key=str) == sorted(metrics, key=str)
    assert "annotations" not in back["metadata"]


def test_metrics_of_every_source_survive():
    """Pods, objects and external ones keep their names, selectors and values through v1."""
    metrics = [
        {
            "type": "Pods",
            "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "5"}},
        },
        {
            "type": "Object",
            "object": {
                "metric": {"name": "r", "selector": {"matchLabels": {"a": "b"}}},
                "describedObject": {"kind": "Ingress", "name": "i"},
                "target": {"type": "Value", "value": "10"},
            },
        },
        {
            "type": "External",
            "external": {
                "metric": {"name": "s", "selector": {"matchLabels": {"c": "d"}}},
                "target": {"type": "AverageValue", "averageValue": "1"},
            },
        },
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "cpu",
                "container": "c",
                "target": {"type": "Utilization", "averageUtilization": 9},
            },
        },
    ]
    new = scaler({"metrics": metrics})
    assert autoscaler_to_v2(autoscaler_from_v2(new))["spec"]["metrics"] == metrics


def test_other_annotations_stay_and_broken_ones_are_ignored():
    """Only the group's own annotations are taken for fields, and only when they can be read; without any it is 80% CPU."""
    old = scaler({}, **{"mine": "x", f"{PREFIX}metrics": "{"})
    new = autoscaler_to_v2(old)
    assert new["metadata"]["annotations"] == {"mine": "x"}
    target = {"type": "Utilization", "averageUtilization": 80}
    assert new["spec"]["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def test_events_change_their_words():
    """The members of the new group are core's under other names; core prints its reporter even when there is none."""
    new = {"metadata": {}, "note": "well", "regarding": {"kind": "Pod"}, "deprecatedCount": 2, "reason": "R"}
    core = event_to_core(new)
    assert core == {
        "metadata": {},
        "message": "well",
        "involvedObject": {"kind": "Pod"},
        "count": 2,
        "reason": "R",
        "reportingComponent": "",
        "reportingInstance": "",
    }
    assert event_from_core(core) == new


def test_events_keep_their_reporter():
    """A controller that says who it is stays known in both groups."""
    new = {"metadata": {}, "reportingController": "example.com/c", "reportingInstance": "i"}
    core = event_to_core(new)
    assert (core["reportingComponent"], core["reportingInstance"]) == ("example.com/c", "i")
    assert event_from_core(core) == new


async def test_what_changes_nothing_stored_is_no_write(ask):
    """A version whose defaults are filled in on the way to the stored one: what is put again as it was leaves no new version."""
    url = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    obj = {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5}}
    made = orjson.loads((await ask("POST", url, obj)).body)
    assert made["spec"]["targetCPUUtilizationPercentage"] == 80
    again = orjson.loads((await ask("PUT", f"{url}/a", obj)).body)
    assert again == made
    dry = orjson.loads(
        (await ask("PUT", f"{url}/a?dryRun=All", {**obj, "spec": {**obj["spec"], "maxReplicas": 6}})).body
    )
    assert dry["spec"] == {**made["spec"], "maxReplicas": 6}
