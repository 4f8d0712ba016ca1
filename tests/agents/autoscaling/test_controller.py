"""The autoscaler against a real API and real metrics: what it writes, says, and refuses to do."""

import pytest

from fakekube.agents.autoscaling.controller import AUTOSCALERS
from fakekube.machinery.resources import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    NODES,
    PODS,
    SERVICES,
    VIRTUAL_MACHINE_POOLS,
    Resource,
)

from .conftest import NS, resource_metric

HALF = resource_metric(averageUtilization=50)
OLD = Resource("autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
GOT = ("True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")


async def test_it_grows_under_load_and_says_so(world):
    """Twice the load gives twice the replicas, through the scale; status, conditions and event are the real ones."""
    await world.deployment(cpu="100m")
    await world.autoscaler("web", HALF)
    await world.looks()
    assert await world.replicas() == 4
    status = await world.read()
    at = world.now()
    resource = "cpu resource utilization (percentage of request)"
    assert status == {
        "currentReplicas": 2,
        "desiredReplicas": 4,
        "lastScaleTime": at,
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": 100, "averageValue": "100m"}},
            }
        ],
        "conditions": [
            {
                "type": "AbleToScale",
                "status": "True",
                "lastTransitionTime": at,
                "reason": "SucceededRescale",
                "message": "the HPA controller was able to update the target scale to 4",
            },
            {
                "type": "ScalingActive",
                "status": "True",
                "lastTransitionTime": at,
                "reason": "ValidMetricFound",
                "message": f"the HPA was able to successfully calculate a replica count from {resource}",
            },
            {
                "type": "ScalingLimited",
                "status": "False",
                "lastTransitionTime": at,
                "reason": "DesiredWithinRange",
                "message": "the desired count is within the acceptable range",
            },
        ],
    }
    said = f"New size: 4; reason: {resource} above target"
    assert await world.events() == [("Normal", "SuccessfulRescale", said)]


async def test_it_looks_every_fifteen_seconds(world):
    """The first look comes 15 s after the autoscaler, the next 15 s later, and none when it has gone."""
    await world.deployment(cpu="100m")
    await world.autoscaler("web", HALF, most=4)
    await world.cluster.advance("14s")
    assert "conditions" not in await world.read()
    await world.cluster.advance("1s")
    assert await world.replicas() == 4
    await world.client.patch(DEPLOYMENTS, "web", NS, {"spec": {"replicas": 9}}, type="merge")
    await world.cluster.advance("14s")
    assert await world.replicas() == 9
    await world.cluster.advance("1s")
    assert await world.replicas() == 4
    await world.client.delete(AUTOSCALERS, "web", NS)
    await world.client.patch(DEPLOYMENTS, "web", NS, {"spec": {"replicas": 9}}, type="merge")
    await world.cluster.advance("1h")
    assert await world.replicas() == 9


async def test_what_changes_nothing_is_not_written(world):
    """A status that says the same is not written again."""
    await world.deployment(cpu="50m")
    await world.autoscaler("web", HALF)
    await world.looks(2)
    before = await world.client.get(AUTOSCALERS, "web", NS)
    await world.looks(20)
    assert await world.client.get(AUTOSCALERS, "web", NS) == before


async def test_version_1_is_obeyed(world):
    """An autoscaling/v1 object, as `kubectl autoscale` of old makes it, scales like its v2 counterpart."""
    await world.deployment(cpu="100m")
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
    }
    meta = {"name": "web", "namespace": NS}
    made = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
    await world.client.create(OLD, made)
    await world.looks()
    assert await world.replicas() == 3
    seen = await world.client.get(OLD, "web", NS)
    assert (seen["status"]["desiredReplicas"], seen["status"]["currentCPUUtilizationPercentage"]) == (3, 100)


async def test_version_1_without_a_target_means_80_percent(world):
    """`kubectl autoscale` without a percentage: the default policy, as both versions show it."""
    await world.deployment(cpu="100m")
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 9,
    }
    meta = {"name": "web", "namespace": NS}
    made = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}
    created = await world.client.create(OLD, made)
    assert created["spec"]["targetCPUUtilizationPercentage"] == 80
    assert (await world.client.get(AUTOSCALERS, "web", NS))["spec"]["metrics"] == [
        resource_metric(averageUtilization=80)
    ]
    await world.looks()
    assert await world.replicas() == 3


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"apiVersion": "apps/v1", "kind": "Deployment", "name": "no"}, 'deployments.apps "no" not found'),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "no"},
            "the server could not find the requested resource",
        ),
        (
            {"apiVersion": "example.com/v1", "kind": "Pond", "name": "no"},
            'no matches for kind "Pond" in group "example.com"',
        ),
        ({"apiVersion": "a/b/c", "kind": "Pond", "name": "no"}, "unexpected GroupVersion string: a/b/c"),
    ],
)
async def test_targets_that_cannot_be_scaled(world, target, said):
    """No such object, no scale, no such kind, no such group: AbleToScale is False and tells, and so does an event."""
    await world.autoscaler("web", HALF, target=target)
    await world.looks()
    why = f"the HPA controller was unable to get the target's current scale: {said}"
    assert await world.said() == {"AbleToScale": ("False", "FailedGetScale", why)}
    assert await world.events() == [("Warning", "FailedGetScale", said)]


async def test_a_target_that_comes_later_is_found(world):
    """A kind nobody served at the first look is found at a later one."""
    await world.autoscaler("web", HALF)
    await world.looks()
    await world.deployment(cpu="100m")
    await world.looks()
    assert await world.replicas() == 4
    assert (await world.said())["AbleToScale"][0] == "True"


def pond(plural):
    """A CustomResourceDefinition with a scale."""
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"scale": scale},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": "pond", "kind": "Pond"},
            "versions": [version],
        },
    }


async def test_any_resource_with_a_scale(world):
    """A custom resource is scaled like a Deployment, and found again when its kind is served by another name."""
    target = {"apiVersion": "example.com/v1", "kind": "Pond", "name": "web"}
    for plural in ("ponds", "lakes"):
        await world.client.create(CRDS, pond(plural))
        await world.cluster.settle()
        resource = Resource("example.com", "v1", plural, "Pond")
        body = {"spec": {"replicas": 9}, "status": {"replicas": 9, "selector": "app=web"}}
        meta = {"name": "web", "namespace": NS}
        await world.client.create(
            resource, {"apiVersion": "example.com/v1", "kind": "Pond", "metadata": meta, **body}
        )
        if plural == "ponds":
            await world.autoscaler("web", HALF, target=target, most=5)
        await world.looks(4)
        assert (await world.client.get(resource, "web", NS))["spec"]["replicas"] == 5, plural
        await world.client.delete(resource, "web", NS)
        await world.client.delete(CRDS, f"{plural}.example.com")
        await world.looks()
        assert (await world.said())["AbleToScale"][1] == "FailedGetScale"


async def test_zero_replicas_switch_it_off(world):
    """A target at zero is left alone, whatever the metrics say."""
    await world.deployment(replicas=0)
    await world.autoscaler("web", HALF)
    await world.looks()
    off = "scaling is disabled since the replica count of the target is zero"
    assert await world.said() == {"AbleToScale": GOT, "ScalingActive": ("False", "ScalingDisabled", off)}
    assert await world.replicas() == 0
    assert await world.events() == []


@pytest.mark.parametrize(
    ("replicas", "wanted", "said"),
    [
        (12, 5, "Current number of replicas above Spec.MaxReplicas"),
        (1, 3, "Current number of replicas below Spec.MinReplicas"),
    ],
)
async def test_bounds_come_before_metrics(unmeasured, replicas, wanted, said):
    """A target outside of its bounds is brought inside though nobody tells any metrics."""
    await unmeasured.deployment(replicas=replicas, pods=0)
    await unmeasured.autoscaler("web", HALF, least=3, most=5)
    await unmeasured.looks()
    assert await unmeasured.replicas() == wanted
    assert await unmeasured.events() == [
        ("Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {said}")
    ]


async def test_without_a_metrics_api(unmeasured):
    """Nobody serves metrics: ScalingActive is False, with the words of the real controller."""
    await unmeasured.deployment()
    await unmeasured.autoscaler("web", HALF)
    await unmeasured.looks()
    text = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
        "metrics API: the server could not find the requested resource"
    )
    assert (await unmeasured.said())["ScalingActive"] == (
        "False",
        "FailedGetResourceMetric",
        f"the HPA was unable to compute the replica count: {text}",
    )
    outer = f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {text}"
    assert await unmeasured.events() == [
        ("Warning", "FailedGetResourceMetric", text),
        ("Warning", "FailedComputeMetricsReplicas", outer),
    ]
    assert (await unmeasured.read())["currentMetrics"] == [{"type": ""}]


@pytest.mark.parametrize(
    ("made", "metric", "said"),
    [
        (
            {"pods": 0},
            HALF,
            "failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API",
        ),
        (
            {"request": ""},
            HALF,
            "failed to get cpu utilization: missing request for cpu in container main of Pod web-0",
        ),
        (
            {},
            {
                "type": "ContainerResource",
                "containerResource": {
                    "name": "cpu",
                    "container": "side",
                    "target": {"type": "Utilization", "averageUtilization": 50},
                },
            },
            (
                "failed to get cpu utilization: unable to get metrics for resource cpu: container side not present in "
                "metrics for pod default/web-0"
            ),
        ),
        (
            {},
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "queue"},
                    "target": {"type": "AverageValue", "averageValue": "5"},
                },
            },
            (
                "unable to get metric queue: unable to fetch metrics from custom metrics API: the server could not find the "
                "metric queue for pods"
            ),
        ),
        (
            {},
            {
                "type": "Object",
                "object": {
                    "metric": {"name": "hits"},
                    "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "front"},
                    "target": {"type": "Value", "value": "5"},
                },
            },
            (
                "unable to get metric hits: Service on default front/unable to fetch metrics from custom metrics API: "
                'services "front" not found'
            ),
        ),
        (
            {},
            {
                "type": "External",
                "external": {
                    "metric": {"name": "jobs", "selector": {"matchLabels": {"queue": "a"}}},
                    "target": {"type": "Value", "value": "5"},
                },
            },
            (
                "unable to get external metric default/jobs/&LabelSelector{MatchLabels:map[string]string{queue: a,},"
                "MatchExpressions:[]LabelSelectorRequirement{},}: no metrics returned from external metrics API"
            ),
        ),
    ],
)
async def test_metrics_nobody_tells(world, made, metric, said):
    """Unknown metrics, selectors that match nothing, missing requests: the target stays, and the real text is said."""
    await world.deployment(**made)
    await world.autoscaler("web", metric)
    await world.looks()
    assert (await world.said())["ScalingActive"][
        2
    ] == f"the HPA was unable to compute the replica count: {said}"
    assert next(event[2] for event in await world.events()) == said
    assert await world.replicas() == 2


async def test_the_highest_of_several_metrics_counts(world):
    """Two metrics: the one that wants more decides and is named; both are shown."""
    await world.deployment(cpu="60m", memory="300Mi")
    await world.autoscaler("web", HALF, resource_metric("memory", averageValue="100Mi"))
    await world.looks()
    assert await world.replicas() == 4, "six are wanted, twice as many are allowed"
    assert (await world.said())["ScalingLimited"][1] == "ScaleUpLimit"
    assert (await world.events())[0][2] == "New size: 4; reason: memory resource above target"
    shown = [one["resource"]["current"] for one in (await world.read())["currentMetrics"]]
    assert shown == [{"averageUtilization": 60, "averageValue": "60m"}, {"averageValue": "314572800"}]


async def test_half_the_truth_lets_it_grow_but_not_shrink(world):
    """While one of two metrics cannot be read the other may add replicas, and may not take any."""
    unknown = {
        "type": "Pods",
        "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"}},
    }
    await world.deployment(cpu="1m")
    await world.autoscaler("web", unknown, HALF, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}})
    await world.looks(3)
    assert await world.replicas() == 2
    assert (await world.said())["ScalingActive"][1] == "FailedGetPodsMetric"
    for number in range(2):
        await world.annotate(PODS, f"web-{number}", "fakekube.io/cpu", "90m")
    await world.looks()
    assert await world.replicas() == 4
    assert (await world.said())["ScalingActive"][1] == "ValidMetricFound"


async def test_two_autoscalers_for_the_same_pods(world):
    """Both say so and leave the target alone; once one has gone the other works."""
    await world.deployment(cpu="100m")
    await world.autoscaler("web", HALF)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    await world.autoscaler("other", HALF, target=target)
    await world.looks(2)
    said = "pods by selector app=web are controlled by multiple HPAs: [default/other default/web]"
    assert (await world.said("web"))["ScalingActive"] == ("False", "AmbiguousSelector", said)
    assert ("Warning", "AmbiguousSelector", said) in await world.events("web")
    await world.client.delete(AUTOSCALERS, "other", NS)
    await world.client.patch(DEPLOYMENTS, "web", NS, {"spec": {"replicas": 2}}, type="merge")
    await world.looks()
    assert await world.replicas() == 4


async def test_a_scale_without_selector(world):
    """A pool whose controller has not yet said which pods are its: the real words, and no guess."""
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    pool = {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": "web", "namespace": NS},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "virtualMachineTemplate": template},
    }
    await world.client.create(VIRTUAL_MACHINE_POOLS, pool)
    target = {"apiVersion": "pool.kubevirt.io/v1alpha1", "kind": "VirtualMachinePool", "name": "web"}
    await world.autoscaler("web", HALF, target=target)
    await world.looks()
    assert (await world.said())["ScalingActive"] == (
        "False",
        "InvalidSelector",
        "the HPA target's scale is missing a selector",
    )
    assert await world.events() == [
        ("Warning", "SelectorRequired", "selector is required"),
        ("Warning", "FailedComputeMetricsReplicas", "selector is required"),
    ]


async def test_a_scale_that_is_refused(world):
    """Who may not write the scale says FailedRescale with the server's words, and tries again."""
    await world.deployment(cpu="100m")
    world.cluster.faults.add(
        verb="update", kind="deployment", subresource="scale", status=403, message="not today", times=1
    )
    await world.autoscaler("web", HALF)
    await world.looks()
    error = 'deployments.apps "web" is forbidden: not today'
    why = f"the HPA controller was unable to update the target scale: {error}"
    assert (await world.said())["AbleToScale"] == ("False", "FailedUpdateScale", why)
    reason = "cpu resource utilization (percentage of request) above target"
    assert await world.events() == [
        ("Warning", "FailedRescale", f"New size: 4; reason: {reason}; error: {error}")
    ]
    await world.looks()
    assert await world.replicas() == 4


async def test_metrics_of_pods(world):
    """A custom metric of pods, told by their annotations, scales by its average."""
    await world.deployment()
    for number in range(2):
        await world.annotate(PODS, f"web-{number}", "metrics.fakekube.io/queue", "10")
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"}},
    }
    await world.autoscaler("web", metric)
    await world.looks()
    assert await world.replicas() == 4
    assert (await world.read())["currentMetrics"] == [
        {"type": "Pods", "pods": {"metric": {"name": "queue"}, "current": {"averageValue": "10"}}}
    ]
    assert (await world.events())[0][2] == "New size: 4; reason: pods metric queue above target"


@pytest.mark.parametrize(
    ("target", "current"),
    [
        ({"type": "Value", "value": "100"}, {"value": "150"}),
        ({"type": "AverageValue", "averageValue": "50"}, {"averageValue": "75"}),
    ],
)
async def test_metrics_of_an_object(world, target, current):
    """A metric of a Service scales by its value, or by its part for each pod."""
    await world.deployment()
    meta = {"name": "front", "namespace": NS, "annotations": {"metrics.fakekube.io/hits": "150"}}
    await world.client.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}]}}
    )
    described = {"apiVersion": "v1", "kind": "Service", "name": "front"}
    await world.autoscaler(
        "web",
        {
            "type": "Object",
            "object": {"metric": {"name": "hits"}, "describedObject": described, "target": target},
        },
    )
    await world.looks()
    assert await world.replicas() == 3
    shown = (await world.read())["currentMetrics"][0]["object"]
    assert (shown["current"], shown["describedObject"]) == (current, described)


@pytest.mark.parametrize(
    "target", [{"type": "Value", "value": "4"}, {"type": "AverageValue", "averageValue": "2"}]
)
async def test_metrics_of_nobody(world, target):
    """External metrics are told by marked ConfigMaps; those the selector matches are added up."""
    await world.deployment()
    for name, queue, amount in (("a", "mail", "3"), ("b", "mail", "3"), ("c", "fax", "90")):
        labels = {"fakekube.io/external-metrics": "true", "queue": queue}
        meta = {"name": name, "namespace": NS, "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"jobs": amount}}
        await world.client.create(CONFIG_MAPS, body)
    selector = {"matchLabels": {"queue": "mail"}}
    metric = {
        "type": "External",
        "external": {"metric": {"name": "jobs", "selector": selector}, "target": target},
    }
    await world.autoscaler("web", metric)
    await world.looks()
    assert await world.replicas() == 3


async def test_a_container_of_its_own(world):
    """ContainerResource looks at one container's usage and request alone."""
    await world.deployment(cpu="80m")
    source = {"name": "cpu", "container": "main", "target": {"type": "Utilization", "averageUtilization": 40}}
    await world.autoscaler("web", {"type": "ContainerResource", "containerResource": source})
    await world.looks()
    assert await world.replicas() == 4
    assert (await world.events())[0][2].endswith(
        "cpu container resource utilization (percentage of request) above target"
    )


async def test_a_tolerance_of_its_own(world):
    """`behavior.scaleUp.tolerance` replaces the usual tenth."""
    await world.deployment(cpu="70m")
    await world.autoscaler("web", HALF, behavior={"scaleUp": {"tolerance": "0.5"}})
    await world.looks()
    assert await world.replicas() == 2
    await world.client.patch(
        AUTOSCALERS, "web", NS, {"spec": {"behavior": {"scaleUp": {"tolerance": "0.3"}}}}, type="merge"
    )
    await world.looks()
    assert await world.replicas() == 3


async def test_nobody_pays_who_has_no_autoscaler(world):
    """Without autoscalers no pods are watched and nothing waits for time to pass."""
    assert world.cluster.clock.next_due() is None
    asked = world.cluster.requests.find(verb="watch", client="*horizontal-pod-autoscaler*")
    assert {one.seen.resource for one in asked} == {"horizontalpodautoscalers"}
    assert (await world.client.list(NODES)).items == []
