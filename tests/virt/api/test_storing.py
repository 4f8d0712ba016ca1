"""How machines and instances are stored, and what their patches may do: what the controllers of KubeVirt rely on."""

import pytest

from fakekube.machinery.errors import Invalid
from fakekube.machinery.resources import (
    CONFIG_MAPS,
    PODS,
    SECRETS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)

NS = "default"


async def test_a_status_does_not_come_with_the_object(cluster):
    """V-010: a PUT of the machine itself leaves its status alone."""
    made = await cluster.vm(status={"printableStatus": "Stopped"})
    kept = await cluster.client.update(
        VIRTUAL_MACHINES, {**made, "status": {"printableStatus": "Running", "ready": True}}
    )
    assert kept["status"] == {"printableStatus": "Stopped"}


async def test_a_spec_does_not_come_with_the_status(cluster):
    """V-011: a PATCH of /status changes neither spec nor generation."""
    made = await cluster.vm()
    patch = {"spec": {"runStrategy": "Always"}, "status": {"created": True}}
    kept = await cluster.client.patch(VIRTUAL_MACHINES, "x", NS, patch, type="merge", subresource="status")
    assert (kept["spec"], kept["status"]["created"]) == (made["spec"], True)
    assert kept["metadata"]["generation"] == made["metadata"]["generation"]


async def test_generations_count_specs(cluster):
    """V-012: a changed spec is a new generation, changed labels are none."""
    await cluster.vm()
    seen = []
    for patch in ({"spec": {"runStrategy": "Manual"}}, {"metadata": {"labels": {"a": "b"}}}):
        changed = await cluster.client.patch(VIRTUAL_MACHINES, "x", NS, patch, type="merge")
        seen.append(changed["metadata"]["generation"])
    assert seen == [2, 2]


async def test_generations_of_instances_count_everything(cluster):
    """V-013: an instance has no status of its own: a component that changes its status makes a new generation."""
    made = await cluster.vmi()
    made["status"]["nodeName"] = "n"
    changed = await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, made)
    assert changed["metadata"]["generation"] == made["metadata"]["generation"] + 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/runStrategy", "value": "Always"},
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/nothing/deeper", "value": 1},
    ],
)
async def test_patches_that_do_not_fit(cluster, operation):
    """V-196, V-198: a test that fails, a removal of nothing and a replacement in nothing are refused in the server's words."""
    await cluster.vm()
    with pytest.raises(Invalid) as caught:
        await cluster.client.patch(VIRTUAL_MACHINES, "x", NS, [operation], type="json")
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == "the server rejected our request due to an error in our request"


async def test_what_is_missing_is_null(cluster):
    """V-197, V-198: a test for null of a missing leaf passes, and so does a replacement of a missing member."""
    await cluster.vm()
    patch = [
        {"op": "test", "path": "/metadata/labels", "value": None},
        {"op": "replace", "path": "/metadata/labels", "value": {"a": "b"}},
    ]
    changed = await cluster.client.patch(VIRTUAL_MACHINES, "x", NS, patch, type="json")
    assert changed["metadata"]["labels"] == {"a": "b"}


async def test_conditions_of_pods_are_merged_by_type(cluster):
    """V-247: a strategic merge patch of a pod's conditions keeps the others."""
    meta = {"name": "p", "namespace": NS}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await cluster.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    for kind in ("ContainersReady", "kubevirt.io/virtual-machine-unpaused"):
        patch = {"status": {"conditions": [{"type": kind, "status": "True"}]}}
        pod = await cluster.client.patch(PODS, "p", NS, patch, type="strategic", subresource="status")
    assert [one["type"] for one in pod["status"]["conditions"]] == [
        "kubevirt.io/virtual-machine-unpaused",
        "ContainersReady",
    ]


async def test_selectors_of_the_controllers(cluster):
    """V-248: config maps by name and secrets by a set of labels, in lists and in watches."""
    client = cluster.client
    for own in ("kubevirt-export-ca", "other"):
        await client.create(CONFIG_MAPS, _object("ConfigMap", own))
    for own, by in (("mine", "me"), ("theirs", "virt-operator"), ("nobodys", "")):
        labels = {"app.kubernetes.io/managed-by": by} if by else {}
        await client.create(SECRETS, _object("Secret", own, labels))
    fields = "metadata.name=kubevirt-export-ca"
    chosen = "app.kubernetes.io/managed-by notin (kubevirt-operator,virt-operator)"
    assert await _both(client, CONFIG_MAPS, field_selector=fields) == ["kubevirt-export-ca"]
    assert await _both(client, SECRETS, label_selector=chosen) == ["mine", "nobodys"]


def _object(kind, own, labels=None):
    meta = {"name": own, "namespace": NS, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta}


async def _both(client, resource, **selectors):
    """What a list shows; a watch of everything there is shows the same."""
    listed = [one["metadata"]["name"] for one in (await client.list(resource, NS, **selectors)).items]
    watched = []
    events = client.watch(resource, NS, send_initial_events=True, **selectors)
    async for event in events:
        if event[0] == "BOOKMARK":
            break
        watched.append(event[1]["metadata"]["name"])
    await events.aclose()
    assert sorted(watched) == sorted(listed)
    return listed
