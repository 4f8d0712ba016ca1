"""KubeVirt's resources as clients are served them: discovery, tables, versions and the subresources there are."""

import orjson
import pytest

from fakekube.machinery.errors import NotFound
from fakekube.machinery.resources import CRDS, VMI_REPLICA_SETS
from tests.virt.api.conftest import machine

NS = "default"
TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


async def read(cluster, path, headers=None):
    answer = await cluster.client.request("GET", path, headers=headers)
    return answer, orjson.loads(answer.body)


async def listed(cluster, group_version):
    """The resources of a version, subresources among them."""
    _, found = await read(cluster, f"/apis/{group_version}")
    return {one["name"]: one for one in found["resources"]}


def warnings(answer):
    return [value for key, value in answer.headers if key.lower() == "warning"]


async def test_short_names_are_discovered(cluster):
    """V-001: discovery lists KubeVirt's resources, each with its short names."""
    resources = await listed(cluster, "kubevirt.io/v1")
    names = {key: one.get("shortNames") for key, one in resources.items() if "/" not in key}
    assert names == {
        "virtualmachines": ["vm", "vms"],
        "virtualmachineinstances": ["vmi", "vmis"],
        "virtualmachineinstancepresets": ["vmipreset", "vmipresets"],
        "virtualmachineinstancereplicasets": ["vmirs", "vmirss"],
        "virtualmachineinstancemigrations": ["vmim", "vmims"],
        "kubevirts": ["kv", "kvs"],
    }


async def test_versions_are_discovered(cluster):
    """V-002, V-016: both versions of the core group, v1 preferred; instancetypes have one, and two of them no namespace."""
    _, group = await read(cluster, "/apis/kubevirt.io")
    assert [one["version"] for one in group["versions"]] == ["v1", "v1alpha3"]
    assert group["preferredVersion"] == {"groupVersion": "kubevirt.io/v1", "version": "v1"}
    _, group = await read(cluster, "/apis/instancetype.kubevirt.io")
    assert [one["version"] for one in group["versions"]] == ["v1beta1"]
    resources = await listed(cluster, "instancetype.kubevirt.io/v1beta1")
    assert {key: one["namespaced"] for key, one in resources.items()} == {
        "virtualmachineinstancetypes": True,
        "virtualmachineclusterinstancetypes": False,
        "virtualmachinepreferences": True,
        "virtualmachineclusterpreferences": False,
    }


async def test_the_old_version_is_the_same_machine(cluster):
    """V-003: what is created as v1alpha3 is read as v1, spec for spec, and the answer warns of the old version."""
    old = {**machine(), "apiVersion": "kubevirt.io/v1alpha3"}
    path = f"/namespaces/{NS}/virtualmachines"
    made = await cluster.client.request("POST", f"/apis/kubevirt.io/v1alpha3{path}", body=old)
    text = "kubevirt.io/v1alpha3 is now deprecated and will be removed in a future release."
    assert (made.status, any(text in one for one in warnings(made))) == (201, True)
    answer, found = await read(cluster, f"/apis/kubevirt.io/v1{path}/x")
    assert (found["apiVersion"], warnings(answer)) == ("kubevirt.io/v1", [])
    assert found["spec"] == orjson.loads(made.body)["spec"]


async def test_what_get_all_shows(cluster):
    """V-004: the category `all` has machines, instances, migrations, replica sets and DataVolumes, and nothing of the cluster's."""
    everything = set()
    for version in ("kubevirt.io/v1", "cdi.kubevirt.io/v1beta1", "instancetype.kubevirt.io/v1beta1"):
        resources = await listed(cluster, version)
        everything |= {key for key, one in resources.items() if "all" in one.get("categories", ())}
    policies = await listed(cluster, "migrations.kubevirt.io/v1alpha1")
    assert "all" not in policies["migrationpolicies"].get("categories", ())
    assert {
        "virtualmachines",
        "virtualmachineinstances",
        "virtualmachineinstancemigrations",
        "virtualmachineinstancereplicasets",
        "datavolumes",
    } <= everything
    assert not everything & {"virtualmachineclusterinstancetypes", "virtualmachineclusterpreferences"}


@pytest.mark.parametrize(
    ("resource", "columns"),
    [
        ("kubevirt.io/v1/virtualmachines", ["Name", "Age", "Status", "Ready"]),
        (
            "kubevirt.io/v1/virtualmachineinstances",
            ["Name", "Age", "Phase", "IP", "NodeName", "Ready", "Live-Migratable+1", "Paused+1"],
        ),
        ("kubevirt.io/v1/virtualmachineinstancemigrations", ["Name", "Phase", "VMI"]),
        ("cdi.kubevirt.io/v1beta1/datavolumes", ["Name", "Phase", "Progress", "Restarts", "Age"]),
    ],
)
async def test_tables(cluster, resource, columns):
    """V-005, V-006, V-007, V-008: what kubectl prints of a kind, in this order, the rest only when asked for more."""
    _, table = await read(cluster, f"/apis/{resource}", TABLE)
    told = [
        one["name"] + (f"+{one['priority']}" if one["priority"] else "") for one in table["columnDefinitions"]
    ]
    assert (table["kind"], told) == ("Table", columns)


async def test_instances_have_no_status_of_their_own(cluster):
    """V-009: the status of an instance is no resource: 404, though the instance is there."""
    made = await cluster.vmi()
    with pytest.raises(NotFound) as caught:
        await read(cluster, f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances/x/status")
    assert (caught.value.code, made["status"]["phase"]) == (404, "Running")
    assert "virtualmachineinstances/status" not in await listed(cluster, "kubevirt.io/v1")


async def test_replica_sets_are_scaled(cluster):
    """V-014: a replica set is read as a Scale, with counts and selector, and written as one."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": machine()["spec"]["template"]["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceReplicaSet"}
    meta = {"name": "rs", "namespace": NS}
    made = await cluster.client.create(VMI_REPLICA_SETS, {**kind, "metadata": meta, "spec": spec})
    status = {"replicas": 1, "labelSelector": "a=b"}
    await cluster.client.update(VMI_REPLICA_SETS, {**made, "status": status}, subresource="status")
    scale = await cluster.client.get(VMI_REPLICA_SETS, "rs", NS, subresource="scale")
    assert (scale["apiVersion"], scale["kind"]) == ("autoscaling/v1", "Scale")
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "a=b"})
    await cluster.client.update(VMI_REPLICA_SETS, {**scale, "spec": {"replicas": 5}}, subresource="scale")
    assert (await cluster.client.get(VMI_REPLICA_SETS, "rs", NS))["spec"]["replicas"] == 5


async def test_exports_of_the_old_version(cluster):
    """V-015: a list of exports as v1beta1 warns; what is stored is v1."""
    answer, _ = await read(cluster, "/apis/export.kubevirt.io/v1beta1/virtualmachineexports")
    text = "export.kubevirt.io/v1beta1 VirtualMachineExport is now deprecated and will be removed in a future version."
    assert any(text in one for one in warnings(answer))
    found = await cluster.client.get(CRDS, "virtualmachineexports.export.kubevirt.io")
    assert found["status"]["storedVersions"] == ["v1"]


async def test_a_verb_that_is_not_listed_works(cluster):
    """V-018: discovery does not list addvolume, and it is served all the same."""
    await cluster.vm()
    assert "virtualmachines/addvolume" not in await listed(cluster, "subresources.kubevirt.io/v1")
    body = {
        "name": "v",
        "disk": {"disk": {"bus": "scsi"}},
        "volumeSource": {"persistentVolumeClaim": {"claimName": "v"}},
    }
    assert (await cluster.put("virtualmachines/x/addvolume", body)).status == 202
