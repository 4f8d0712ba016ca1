"""The launcher pod, compared with one the real virt-controller made."""

import pytest

from fakekube.virt.controller import launcher_pod
from fakekube.virt.controller.launcher_pod import Settings, Target

DISK = {"name": "containerdisk", "containerDisk": {"image": "registry.example/cirros:devel"}}


def vmi(name="vm", *, labels=None, annotations=None, volumes=(DISK,), domain=None, **spec):
    meta = {
        "name": name,
        "namespace": "ns",
        "uid": "vmi-uid",
        "labels": labels or {},
        "annotations": annotations or {},
    }
    memory = {"memory": {"guest": "128Mi"}, "resources": {}}
    return {
        "metadata": meta,
        "spec": {"domain": {**memory, **(domain or {})}, "volumes": list(volumes), **spec},
    }


def build(*args, settings=None, temporary=False, target=None, **kwargs):
    return launcher_pod.build(
        vmi(*args, **kwargs), settings or Settings(), temporary=temporary, target=target
    )


def test_name_and_owner():
    """V-140: the name is generated from virt-launcher-<vmi>-, the owner is the VMI."""
    meta = build()["metadata"]
    assert meta["generateName"] == "virt-launcher-vm-"
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm", "uid": "vmi-uid"}
    assert meta["ownerReferences"] == [{**owner, "controller": True, "blockOwnerDeletion": True}]


def test_labels():
    """V-141: the VMI's labels, and the launcher's own."""
    assert build(labels={"a": "b"})["metadata"]["labels"] == {
        "a": "b",
        "kubevirt.io": "virt-launcher",
        "kubevirt.io/created-by": "vmi-uid",
        "vm.kubevirt.io/name": "vm",
        "vmi.kubevirt.io/id": "vm",
    }


def test_service_selector():
    """V-150: a Service selecting vmi.kubevirt.io/id=<vm> finds the launcher."""
    assert build("web")["metadata"]["labels"]["vmi.kubevirt.io/id"] == "web"


def test_annotations():
    """V-142: exactly what upstream puts there for an ordinary VMI."""
    freezer = '"--name", "vm", "--namespace", "ns"]'
    assert build(annotations={"kubevirt.io/vm-generation": "1"})["metadata"]["annotations"] == {
        "descheduler.alpha.kubernetes.io/request-evict-only": "",
        "kubectl.kubernetes.io/default-container": "compute",
        "kubevirt.io/domain": "vm",
        "kubevirt.io/memory-overhead-bytes": "301989888",
        "kubevirt.io/migrationTransportUnix": "true",
        "kubevirt.io/vm-generation": "1",
        "post.hook.backup.velero.io/command": f'["/usr/bin/virt-freezer", "--unfreeze", {freezer}',
        "post.hook.backup.velero.io/container": "compute",
        "pre.hook.backup.velero.io/command": f'["/usr/bin/virt-freezer", "--freeze", {freezer}',
        "pre.hook.backup.velero.io/container": "compute",
        "pre.hook.backup.velero.io/timeout": "60s",
    }


def test_annotations_left_behind():
    """V-151: kubectl's annotations and the observed versions stay on the VMI."""
    marks = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "kubevirt.io/latest-observed-api-version": "v1",
    }
    assert not marks.keys() & build(annotations=marks)["metadata"]["annotations"].keys()


def test_gate_and_restarts():
    """V-143: readiness waits for the guest not to be paused, and nothing is ever restarted."""
    spec = build()["spec"]
    assert spec["readinessGates"] == [{"conditionType": "kubevirt.io/virtual-machine-unpaused"}]
    assert spec["restartPolicy"] == "Never"
    assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)


def test_container_disks_are_image_volumes():
    """V-144: one container; the disk is an image volume resolved by an init container."""
    spec = build()["spec"]
    assert [one["name"] for one in spec["containers"]] == ["compute"]
    assert [one["name"] for one in spec["initContainers"]] == ["guest-console-log", "volumecontainerdisk"]
    image = {"reference": "registry.example/cirros:devel", "pullPolicy": "IfNotPresent"}
    assert {"name": "containerdisk", "image": image} in spec["volumes"]


def test_without_image_volumes():
    """V-145: without the feature gate the disk is a container of its own."""
    spec = build(settings=Settings(image_volumes=False))["spec"]
    assert [one["name"] for one in spec["containers"]] == ["compute", "volumecontainerdisk"]
    names = ["guest-console-log", "container-disk-binary", "volumecontainerdisk-init"]
    assert [one["name"] for one in spec["initContainers"]] == names


def test_node_selector():
    """V-146: the node must be schedulable, of the right architecture and know the machine type."""
    chosen = build(architecture="amd64", domain={"machine": {"type": "q35"}})["spec"]["nodeSelector"]
    assert chosen == {
        "kubevirt.io/schedulable": "true",
        "kubernetes.io/arch": "amd64",
        "machine-type.node.kubevirt.io/q35": "true",
    }


@pytest.mark.parametrize(("grace", "pods"), [(None, 60), (0, 30), (3, 33), (10, 40)])
def test_grace_period(grace, pods):
    """V-148: the launcher gets thirty seconds more than the guest."""
    more = {} if grace is None else {"terminationGracePeriodSeconds": grace}
    assert build(**more)["spec"]["terminationGracePeriodSeconds"] == pods


def test_long_names():
    """V-139: a name beyond 63 characters becomes 54 characters, a dash and eight hex digits."""
    label = launcher_pod.id_label("v" * 70)
    assert len(label) == 63
    assert label.startswith("v" * 54 + "-")
    int(label[-8:], 16)


@pytest.mark.parametrize(("sockets", "memory", "overhead"), [(1, "128Mi", 288), (2, "256Mi", 296)])
def test_memory(sockets, memory, overhead):
    """The launcher asks for the guest's memory and an overhead of 280Mi and 8Mi per vCPU, as recorded."""
    made = build(domain={"memory": {"guest": memory}, "cpu": {"sockets": sockets}})
    requests = made["spec"]["containers"][0]["resources"]["requests"]
    assert requests["memory"] == f"{int(memory[:-2]) + overhead}Mi"
    assert requests["cpu"] == f"{sockets}00m"
    assert made["metadata"]["annotations"]["kubevirt.io/memory-overhead-bytes"] == str(overhead * 2**20)


def test_temporary():
    """A pod for a first consumer is marked, and only exits."""
    pod = build(temporary=True)
    assert pod["metadata"]["annotations"]["kubevirt.io/ephemeral-provisioning"] == "true"
    assert pod["spec"]["containers"][0]["command"] == ["/bin/bash"]


def test_migration_target():
    """V-201: the target is marked with its migration, stays off the source's node and takes images by digest."""
    migration = {"metadata": {"name": "mig", "uid": "mig-uid"}}
    digest = "registry.example/cirros@sha256:00"
    target = Target(migration, {"cpu-vendor.node.kubevirt.io/Intel": "true"}, {"containerdisk": digest})
    pod = build(target=target)
    assert pod["metadata"]["labels"]["kubevirt.io/migrationJobUID"] == "mig-uid"
    assert pod["metadata"]["annotations"]["kubevirt.io/migrationJobName"] == "mig"
    apart = pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    where = {
        "labelSelector": {"matchLabels": {"kubevirt.io/created-by": "vmi-uid"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    assert apart == [where]
    assert pod["spec"]["nodeSelector"]["cpu-vendor.node.kubevirt.io/Intel"] == "true"
    assert {"reference": digest, "pullPolicy": "IfNotPresent"} in [
        one.get("image") for one in pod["spec"]["volumes"]
    ]
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["guest-console-log"]


def test_arguments_that_annotations_ask_for():
    """The functional specs' annotations become the launcher's arguments, as upstream renders them."""

    def arguments(**marks):
        (compute,) = build(annotations=marks)["spec"]["containers"][:1]
        return compute["args"]

    assert "--simulate-crash" in arguments(**{"kubevirt.io/func-test-virt-launcher-fail-fast": ""})
    assert "--keep-after-failure" in arguments(**{"kubevirt.io/keep-launcher-alive-after-failure": "true"})
    assert not {"--simulate-crash", "--keep-after-failure"} & set(arguments())


def test_placement_is_the_guests():
    """What a guest says of its place holds for its launcher."""
    spread = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    found = launcher_pod.build(vmi(topologySpreadConstraints=spread), Settings())
    assert found["spec"]["topologySpreadConstraints"] == spread
