"""From a VM to its VMI."""

from fakekube.virt.controller import vmi_template

DISKS = [{"name": "containerdisk", "disk": {"bus": "virtio"}}]
VOLUMES = [{"name": "containerdisk", "containerDisk": {"image": "registry.example/cirros:devel"}}]


def vm(name="vm", *, template_meta=None, **spec):
    domain = {"devices": {"disks": DISKS}, "memory": {"guest": "128Mi"}, "resources": {}}
    meta = {"name": name, "namespace": "ns", "uid": "vm-uid", "generation": 3, "labels": {"own": "label"}}
    template = {"metadata": template_meta or {}, "spec": {"domain": domain, "volumes": VOLUMES, **spec}}
    return {"metadata": meta, "spec": {"runStrategy": "Always", "template": template}}


def test_owner_and_finalizer():
    """V-044: one controlling owner, the VM; held by the VM controller's finalizer."""
    meta = vmi_template.build(vm())["metadata"]
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": "vm-uid"}
    assert meta["ownerReferences"] == [{**owner, "controller": True, "blockOwnerDeletion": True}]
    assert meta["finalizers"] == ["kubevirt.io/virtualMachineControllerFinalize"]


def test_labels_of_the_template_only():
    """V-047: labels come from the template, not from the VM object."""
    made = vmi_template.build(vm(template_meta={"labels": {"a": "b"}}))
    assert made["metadata"]["labels"] == {"a": "b"}
    assert "labels" not in vmi_template.build(vm())["metadata"]


def test_generation_and_revision():
    """V-048: the VMI tells which generation of the VM it is, and names the revision that holds the spec."""
    made, revision = vmi_template.build(vm()), vmi_template.revision(vm())
    assert made["metadata"]["annotations"]["kubevirt.io/vm-generation"] == "3"
    assert (
        made["status"]["virtualMachineRevisionName"]
        == "revision-start-vm-vm-uid-3"
        == revision["metadata"]["name"]
    )
    assert (revision["revision"], revision["data"]) == (3, {"spec": vm()["spec"]})


def test_firmware_from_the_name():
    """V-049: without a firmware UUID it is derived from the name; recorded values of the real controller."""
    assert (
        vmi_template.build(vm())["spec"]["domain"]["firmware"]["uuid"]
        == "d633a622-2335-5606-93ae-d432b7c7f2d2"
    )
    assert vmi_template.firmware_uuid("seed-0") == "71e72e53-c1aa-51db-a7b9-c5fc2e421ce4"


def test_default_network():
    """V-105: a guest without networks gets the pod network over a bridge."""
    spec = vmi_template.build(vm())["spec"]
    assert spec["networks"] == [{"name": "default", "pod": {}}]
    assert spec["domain"]["devices"]["interfaces"] == [{"bridge": {}, "name": "default"}]


def test_missing_disks():
    """V-031: a volume without a disk gets one in the VMI; the template stays as it is."""
    source = vm(volumes=[*VOLUMES, {"name": "extra", "emptyDisk": {"capacity": "1Gi"}}])
    disks = vmi_template.build(source)["spec"]["domain"]["devices"]["disks"]
    assert disks == [*DISKS, {"name": "extra"}]
    assert source["spec"]["template"]["spec"]["domain"]["devices"]["disks"] == DISKS


def test_memory_dumps_stay_behind():
    """A claim that holds a dump of an earlier guest is neither a volume nor a disk of the next."""
    dump = {"name": "dump", "memoryDump": {"claimName": "dump", "hotpluggable": True}}
    spec = vmi_template.build(vm(volumes=[*VOLUMES, dump]))["spec"]
    assert (spec["volumes"], spec["domain"]["devices"]["disks"]) == (VOLUMES, DISKS)


def test_paused():
    """V-059: a paused start is told by startStrategy."""
    assert vmi_template.build(vm(), paused=True)["spec"]["startStrategy"] == "Paused"
