"""KubeVirt's own workloads and their pods, as data."""

import pytest

from fakekube.virt.operator import components, pods, workloads
from fakekube.virt.operator.sources import Source

SOURCE = Source("v1.9.0")


def template(own, **spec):
    return pods.template(own, "kubevirt", SOURCE, {"spec": spec})


def container(own, **spec):
    return template(own, **spec)["spec"]["containers"][0]


@pytest.mark.parametrize(("nodes", "wanted"), [(0, 2), (1, 1), (2, 2), (29, 2), (30, 3), (100, 10)], ids=str)
def test_so_many_virt_apis(nodes, wanted):
    """One for each ten nodes, two at least, but where there is one node."""
    assert workloads.api_replicas(nodes) == wanted


def test_names_of_containers():
    """Each is called as its component, unless that is too long."""
    names = {
        own: container(own)["name"] for own in (pods.API, pods.HANDLER, pods.PROXY, pods.SYNCHRONIZATION)
    }
    assert names == {
        "virt-api": "virt-api",
        "virt-handler": "virt-handler",
        "virt-exportproxy": "exportproxy",
        "virt-synchronization-controller": "sync",
    }


def test_commands():
    """What is said on the command line follows images, ports and settings."""
    controller = container(pods.CONTROLLER)
    assert controller["command"] == ["virt-controller"]
    assert controller["args"][:2] == ["--launcher-image", "quay.io/kubevirt/virt-launcher:v1.9.0"]
    assert container(pods.PROXY)["command"] == ["virt-exportproxy", "--port", "8443", "-v", "2"]
    sync = container(pods.SYNCHRONIZATION, synchronizationPort=9000)
    assert sync["command"][-2:] == ["--port", "9000"]
    assert {"name": "sync", "containerPort": 9000, "protocol": "TCP"} in sync["ports"]


def test_virt_operator_follows_nobody():
    """Its own pods are as whoever installed it wants them."""
    assert template(pods.OPERATOR, imagePullPolicy="Always", productName="x") == template(pods.OPERATOR)


def test_places():
    """Pods of a component keep away from each other; what the KubeVirt object says of places is added."""
    term = {"weight": 5, "podAffinityTerm": {"topologyKey": "zone"}}
    own = "preferredDuringSchedulingIgnoredDuringExecution"
    more = {"podAntiAffinity": {own: [term]}, "nodeAffinity": {own: []}}
    spec = template(pods.API, infra={"nodePlacement": {"affinity": more}})["spec"]
    (first, second) = spec["affinity"]["podAntiAffinity"][own]
    assert first["podAffinityTerm"]["labelSelector"]["matchExpressions"][0]["values"] == ["virt-api"]
    assert second == term
    assert spec["affinity"]["nodeAffinity"] == {own: []}
    assert "affinity" not in template(pods.HANDLER)["spec"]


def test_a_place_of_its_own():
    """virt-synchronization-controller may run elsewhere than the others."""

    def selected(own, **spec):
        return template(own, **spec)["spec"]["nodeSelector"].get("a")

    here, there = ({"nodePlacement": {"nodeSelector": {"a": one}}} for one in ("here", "there"))
    assert selected(pods.SYNCHRONIZATION, infra=here) == "here"
    assert selected(pods.SYNCHRONIZATION, infra=here, synchronizationPlacement=there) == "there"
    assert selected(pods.API, infra=here, synchronizationPlacement=there) == "here"


def test_services_of_metrics():
    """Each pod is scraped by itself, so their service has no address; that of webhooks is found in the same way."""
    found = {one["metadata"]["name"]: one for one in components.services("kubevirt")}
    scraped, hooks = found["kubevirt-prometheus-metrics"], found["kubevirt-operator-webhook"]
    assert scraped["spec"]["clusterIP"] == "None"
    labels = {"kubevirt.io": "", "prometheus.kubevirt.io": "true"}
    assert scraped["metadata"]["labels"] == hooks["metadata"]["labels"] == labels
    assert hooks["spec"]["ports"][0]["targetPort"] == "webhooks"
