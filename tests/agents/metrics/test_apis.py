"""The metrics APIs as clients see them, and who has the say about what is used."""

import json

import pytest

from fakekube.agents.autoscaling.controller import AUTOSCALERS
from fakekube.client.discovery import discover
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.resources import (
    API_SERVICES,
    CONFIG_MAPS,
    NAMESPACES,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)

NS = "default"
ROOT = "/apis/metrics.k8s.io/v1beta1"
LABELS = {"pool": "p"}


def pool(replicas=2, **annotations):
    template = {
        "metadata": {"labels": LABELS, "annotations": annotations},
        "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}, "terminationGracePeriodSeconds": 0},
    }
    spec = {"runStrategy": "Always", "template": template}
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": "p", "namespace": NS},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "virtualMachineTemplate": {"metadata": {"labels": LABELS}, "spec": spec},
        },
    }


async def bare_pod(cluster, name="a", *, labels=None, **annotations):
    containers = [
        {"name": "main", "image": "x", "resources": {"requests": {"cpu": "200m", "memory": "100Mi"}}},
        {"name": "side", "image": "x"},
    ]
    marks = {key.replace("_", "/"): value for key, value in annotations.items()}
    meta = {"name": name, "namespace": NS, "labels": labels or {}, "annotations": marks}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": containers}}
    await cluster.client().create(PODS, made)
    await cluster.settle()


async def get(cluster, path, query="", **headers):
    return json.loads((await cluster.client().request("GET", path, query=query, headers=headers)).body)


async def cores(cluster):
    """CPU of every pod's main container, in the order of their names."""
    found = await get(cluster, f"{ROOT}/namespaces/{NS}/pods")
    return [one["containers"][0]["usage"]["cpu"] for one in found["items"]]


async def annotate(cluster, resource, name, key, value):
    body = {"metadata": {"annotations": {key: value}}}
    await cluster.client().patch(resource, name, NS if resource.namespaced else None, body, type="merge")
    await cluster.settle()


@pytest.fixture
async def cluster():
    """Nodes, scheduler, kubelet and metrics."""
    async with Cluster(without=["kubevirt"], clock=ManualClock(), seed=1) as running:
        await running.settle()
        yield running
        assert not running.failures


@pytest.fixture
async def machines():
    """All of it."""
    async with Cluster(clock=ManualClock(), seed=1) as running:
        await running.settle()
        yield running
        assert not running.failures


async def test_pods(cluster):
    """A pod's containers, each with what it uses, as metrics-server shows them."""
    await bare_pod(cluster, labels={"app": "web"})
    await annotate(cluster, PODS, "a", "fakekube.io/cpu", "150m")
    found = await get(cluster, f"{ROOT}/namespaces/{NS}/pods/a")
    assert found == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {
            "name": "a",
            "namespace": NS,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": "web"},
        },
        "timestamp": "2026-01-01T00:00:00Z",
        "window": "15s",
        "containers": [
            {"name": "main", "usage": {"cpu": "150m", "memory": "61440Ki"}},
            {"name": "side", "usage": {"cpu": "0", "memory": "39322Ki"}},
        ],
    }
    listed = await get(cluster, f"{ROOT}/pods")
    assert (listed["kind"], listed["items"]) == (
        "PodMetricsList",
        [{key: value for key, value in found.items() if key not in ("kind", "apiVersion")}],
    )


async def test_selectors(cluster):
    """Label and field selectors choose; pods that do not run have no metrics."""
    for name in ("a", "b", "c"):
        await bare_pod(cluster, name, labels={"app": name})
    await cluster.client().patch(
        PODS, "c", NS, {"status": {"phase": "Succeeded"}}, type="merge", subresource="status"
    )
    await cluster.settle()

    async def names(query):
        listed = await get(cluster, f"{ROOT}/namespaces/{NS}/pods", query)
        return [one["metadata"]["name"] for one in listed["items"]]

    assert await names("") == ["a", "b"]
    assert await names("labelSelector=app%20in%20(b,c)") == ["b"]
    assert await names("labelSelector=app!%3Da") == ["b"]
    assert await names("fieldSelector=metadata.name%3Da") == ["a"]
    assert (await get(cluster, f"{ROOT}/namespaces/kube-system/pods"))["items"] == []


async def test_nodes(cluster):
    """A node uses what its pods use and something itself, or what its annotation says."""
    await bare_pod(cluster)
    await annotate(cluster, PODS, "a", "fakekube.io/cpu", "2")
    listed = await get(cluster, f"{ROOT}/nodes")
    assert listed["kind"] == "NodeMetricsList"
    assert [one["metadata"]["name"] for one in listed["items"]] == ["node01"]
    assert listed["items"][0]["usage"]["cpu"] == "2100m"
    await annotate(cluster, NODES, "node01", "fakekube.io/cpu", "50%")
    node = await get(cluster, f"{ROOT}/nodes/node01")
    assert (node["kind"], node["usage"]["cpu"]) == ("NodeMetrics", "514")


async def test_openapi(cluster):
    """The kinds are in the cluster's OpenAPI, with every definition they need."""
    told = await get(cluster, "/openapi/v3/apis/metrics.k8s.io/v1beta1")
    schemas = told["components"]["schemas"]
    package = "io.k8s.metrics.pkg.apis.metrics.v1beta1."
    assert schemas[f"{package}PodMetrics"]["x-kubernetes-group-version-kind"][0]["kind"] == "PodMetrics"
    items = schemas[f"{package}PodMetrics"]["properties"]["containers"]["items"]
    assert items["$ref"].removeprefix("#/components/schemas/") in schemas
    assert f"{ROOT}/namespaces/{{namespace}}/pods/{{name}}" in told["paths"]
    assert f"{ROOT}/nodes" in (await get(cluster, "/openapi/v2"))["paths"]


async def test_tables(cluster):
    """`kubectl get podmetrics` has columns for CPU, memory and window."""
    await bare_pod(cluster)
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    for path, name in ((f"{ROOT}/namespaces/{NS}/pods", "a"), (f"{ROOT}/nodes", "node01")):
        table = await get(cluster, path, accept=accept)
        assert [column["name"] for column in table["columnDefinitions"]] == [
            "Name",
            "cpu",
            "memory",
            "Window",
        ]
        assert [row["cells"][0] for row in table["rows"]] == [name]
        assert table["rows"][0]["cells"][3] == "15s"


@pytest.mark.parametrize(
    ("method", "path", "code", "said"),
    [
        ("GET", "/namespaces/default/pods/no", 404, 'pods "default/no" not found'),
        ("GET", "/nodes/no", 404, 'nodes "no" not found'),
        ("GET", "/ponds", 404, "the server could not find the requested resource"),
        ("POST", "/nodes", 405, "the server does not allow this method on the requested resource"),
        ("GET", "/nodes?labelSelector=a%3D%3D%3Db", 400, "found '=', expected: identifier"),
        ("GET", "/nodes?fieldSelector=a%3Db", 400, '"a" is not a known field selector: only "metadata.name"'),
        ("GET", "/nodes?watch=true", 405, "the server does not allow this method on the requested resource"),
    ],
)
async def test_refusals(cluster, method, path, code, said):
    """What is not there or cannot be done is refused with a Status."""
    path, _, query = path.partition("?")
    with pytest.raises(ApiError) as raised:
        await cluster.client().request(method, ROOT + path, query=query)
    assert raised.value.code == code
    assert said in raised.value.message


async def test_a_pod_that_does_not_run_has_no_metrics(cluster):
    """One that is there and waits is refused by the name of the metrics."""
    await cluster.client().create(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "w", "namespace": NS},
            "spec": {"containers": [{"name": "c", "image": "x"}], "nodeSelector": {"no": "where"}},
        },
    )
    await cluster.settle()
    with pytest.raises(NotFound, match=r'podmetrics.metrics.k8s.io "default/w" not found'):
        await get(cluster, f"{ROOT}/namespaces/{NS}/pods/w")


async def test_discovery(cluster):
    """The groups are aggregated: in discovery, with available APIServices, and nobody tries to delete metrics."""
    served = {one.resource.qualified: one for one in (await discover(cluster.client())).served}
    assert served["pods.metrics.k8s.io"].verbs == {"get", "list"}
    assert served["nodes.metrics.k8s.io"].resource.kind == "NodeMetrics"
    for name in (
        "v1beta1.metrics.k8s.io",
        "v1beta1.custom.metrics.k8s.io",
        "v1beta2.custom.metrics.k8s.io",
        "v1beta1.external.metrics.k8s.io",
    ):
        one = await cluster.client().get(API_SERVICES, name)
        assert one["status"]["conditions"][0]["reason"] == "Passed", name


async def test_time_alone_changes_what_is_used(machines):
    """A ramp on the template runs from the instance's beginning, without anybody doing anything."""
    await machines.apply([pool(1, **{"fakekube.io/cpu": "ramp 100m 500m 10m"})])
    await machines.advance("1m")
    assert await cores(machines) == ["140m"]
    await machines.advance("4m")
    assert await cores(machines) == ["300m"]
    await machines.advance("1h")
    assert await cores(machines) == ["500m"]
    assert machines.requests.find(verb="write", client="metrics-server") == []


async def test_who_has_the_say(machines):
    """The VM before its instance, before the pod, before the pool: each can be told while it runs."""
    await machines.apply([pool()])
    await machines.advance("5s")
    assert await cores(machines) == ["10m", "10m"], "a tenth of the request"
    await annotate(machines, VIRTUAL_MACHINE_POOLS, "p", "fakekube.io/cpu", "20m")
    assert await cores(machines) == ["20m", "20m"]
    (pod, _) = sorted(one["metadata"]["name"] for one in (await machines.client().list(PODS, NS)).items)
    await annotate(machines, PODS, pod, "fakekube.io/cpu", "30m")
    assert await cores(machines) == ["30m", "20m"]
    await annotate(machines, VIRTUAL_MACHINE_INSTANCES, "p-0", "fakekube.io/cpu", "40m")
    assert await cores(machines) == ["40m", "20m"]
    await annotate(machines, VIRTUAL_MACHINES, "p-0", "fakekube.io/cpu", "50m")
    assert await cores(machines) == ["50m", "20m"]
    await annotate(machines, VIRTUAL_MACHINES, "p-0", "fakekube.io/cpu", "nonsense")
    assert await cores(machines) == ["10m", "20m"], "what is no profile counts as the default"


async def test_a_shared_load_spreads_over_the_members(machines):
    """`shared`: each ready pod of the pool takes its part, the more there are the less."""
    await machines.apply([pool()])
    await machines.advance("5s")
    await annotate(machines, VIRTUAL_MACHINE_POOLS, "p", "fakekube.io/cpu", "shared 600m")
    assert await cores(machines) == ["300m", "300m"]
    await machines.client().patch(VIRTUAL_MACHINE_POOLS, "p", NS, {"spec": {"replicas": 3}}, type="merge")
    await machines.advance("5s")
    assert await cores(machines) == ["200m", "200m", "200m"]


async def test_an_owner_nobody_serves_is_no_owner(cluster):
    """A pod that names an owner of a kind that does not exist here is told of all the same."""
    await bare_pod(cluster)
    owner = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "name": "v",
        "uid": "u",
        "controller": True,
    }
    body = {"metadata": {"ownerReferences": [owner]}}
    await cluster.client().patch(PODS, "a", NS, body, type="merge")
    assert (await get(cluster, f"{ROOT}/pods"))["items"][0]["containers"][0]["usage"]["cpu"] == "20m"


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
async def test_custom_metrics(cluster, version):
    """Of pods by selector, of one pod, of any object, of a namespace; in the form of either version."""
    root = f"/apis/custom.metrics.k8s.io/{version}"
    for name in ("a", "b"):
        await bare_pod(cluster, name, labels={"app": name})
        await annotate(cluster, PODS, name, "metrics.fakekube.io/queue", "7500m")
    listed = await get(cluster, f"{root}/namespaces/{NS}/pods/*/queue", "labelSelector=app%3Db")
    named = (
        {"metric": {"name": "queue", "selector": None}}
        if version == "v1beta2"
        else {"metricName": "queue", "selector": None}
    )
    assert listed["items"] == [
        {
            "describedObject": {"kind": "Pod", "namespace": NS, "name": "b", "apiVersion": "/v1"},
            "timestamp": "2026-01-01T00:00:00Z",
            "value": "7500m",
            **named,
        }
    ]
    await cluster.client().create(
        CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": NS}}
    )
    await annotate(cluster, CONFIG_MAPS, "c", "metrics.fakekube.io/hits", "3")
    await annotate(cluster, NODES, "node01", "metrics.fakekube.io/heat", "40")
    await annotate(cluster, NAMESPACES, NS, "metrics.fakekube.io/people", "12")
    for path, value in (
        (f"namespaces/{NS}/pods/a/queue", "7500m"),
        (f"namespaces/{NS}/configmaps/c/hits", "3"),
        (f"namespaces/{NS}/configmaps/*/hits", "3"),
        ("nodes/node01/heat", "40"),
        (f"namespaces/{NS}/metrics/people", "12"),
    ):
        assert [one["value"] for one in (await get(cluster, f"{root}/{path}"))["items"]] == [value], path
    for path, said in (
        (f"namespaces/{NS}/pods/*/no", "the server could not find the metric no for pods"),
        (f"namespaces/{NS}/configmaps/c/no", "the server could not find the metric no for configmaps c"),
        (f"namespaces/{NS}/ponds/c/no", "the server could not find the requested resource"),
        (f"namespaces/{NS}/configmaps/x/no", 'configmaps "x" not found'),
    ):
        with pytest.raises(NotFound) as raised:
            await get(cluster, f"{root}/{path}")
        assert raised.value.message == said


async def test_external_metrics(cluster):
    """Marked ConfigMaps tell them; their other labels are those of the series."""
    root = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{NS}"
    labels = {"fakekube.io/external-metrics": "true", "queue": "mail"}
    meta = {"name": "c", "namespace": NS, "labels": labels}
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": {"jobs": "ramp 0 60 1m", "odd": "?"},
    }
    await cluster.client().create(CONFIG_MAPS, body)
    await cluster.advance("30s")
    assert await get(cluster, f"{root}/jobs", "labelSelector=queue%3Dmail") == {
        "kind": "ExternalMetricValueList",
        "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": [
            {
                "metricName": "jobs",
                "metricLabels": {"queue": "mail"},
                "timestamp": "2026-01-01T00:00:30Z",
                "value": "30",
            }
        ],
    }
    assert (await get(cluster, f"{root}/jobs", "labelSelector=queue%3Dfax"))["items"] == []
    assert (await get(cluster, f"{root}/odd"))["items"] == []


async def test_a_fork_tells_the_same(machines):
    """Nothing is remembered: a fork of a cluster in the middle of a ramp goes on with it."""
    await machines.apply([pool(1, **{"fakekube.io/cpu": "ramp 100m 500m 10m"})])
    await machines.advance("5m")
    async with machines.fork() as twin:
        await twin.advance("5m")
        assert await cores(twin) == ["500m"]
    assert await cores(machines) == ["300m"]


async def test_ten_minutes_of_a_ramp(machines):
    """A pool under a shared load that comes and goes: it grows, stays for the window, and shrinks."""
    await machines.apply([pool(3)])
    load = "shared replay 0s=60m 2m=500m 4m=60m"
    await annotate(machines, VIRTUAL_MACHINE_POOLS, "p", "fakekube.io/cpu", load)
    target = {"apiVersion": "pool.kubevirt.io/v1beta1", "kind": "VirtualMachinePool", "name": "p"}
    half = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    spec = {
        "scaleTargetRef": target,
        "minReplicas": 3,
        "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": half}],
    }
    meta = {"name": "p", "namespace": NS}
    await machines.apply(
        [{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta, "spec": spec}]
    )
    await machines.advance("10m")
    told = [
        one
        for one in await machines.history(AUTOSCALERS, "p", NS)
        if one.get("status", {}).get("lastScaleTime")
    ]
    scaled = dict.fromkeys(
        (one["status"]["lastScaleTime"][11:19], one["status"]["desiredReplicas"]) for one in told
    )
    assert list(scaled) == [("00:02:00", 6), ("00:02:15", 10), ("00:08:45", 3)]
