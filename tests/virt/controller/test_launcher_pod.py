"""The launcher pod, compared with one the real virt-controller made."""

import pytest

from fakekube.virt.config import ClusterConfig
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


@pytest.mark.parametrize(
    ("user", "marks", "root"), [(0, {}, True), (0, {"kubevirt.io/nonroot": "true"}, False), (107, {}, False)]
)
def test_who_runs_it(user, marks, root):
    """Launchers run as root where their instance does, unless it is marked; then they may place the guest's threads."""
    made = launcher_pod.build({**vmi(annotations=marks), "status": {"runtimeUser": user}}, Settings())["spec"]
    (compute,) = made["containers"]
    assert ("--run-as-nonroot" in compute["args"]) is not root
    assert ("XDG_CACHE_HOME" in {one["name"] for one in compute["env"]}) is not root
    if root:
        assert made["securityContext"] == {"runAsUser": 0, "fsGroup": 107}
        added = {"capabilities": {"add": ["NET_BIND_SERVICE", "SYS_NICE"]}}
        assert compute["securityContext"] == {**added, "runAsUser": 0, "runAsNonRoot": False}
    else:
        assert made["securityContext"]["runAsNonRoot"]
        assert (compute["securityContext"]["runAsUser"], compute["securityContext"]["runAsNonRoot"]) == (
            107,
            True,
        )


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


def compute(**kwargs):
    return build(**kwargs)["spec"]["containers"][0]


def test_words_of_launchers():
    """Labels and the cluster make a launcher say more; annotations filter what libvirt says."""

    def told(labels=None, **raw):
        found = compute(labels=labels or {}, settings=Settings(config=ClusterConfig(raw=raw)))["env"]
        plain = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "POD_NAME")
        return {one["name"]: one["value"] for one in found if one["name"] not in plain}

    assert told() == told({"logVerbosity": "2"}) == {}
    assert told({"debugLogs": "true"}) == {"LIBVIRT_DEBUG_LOGS": "1"}
    assert told({"virtiofsdDebugLogs": "true"}) == {"VIRTIOFSD_DEBUG_LOGS": "1"}
    much = {"VIRT_LAUNCHER_LOG_VERBOSITY": "10", "LIBVIRT_DEBUG_LOGS": "1"}
    assert told({"logVerbosity": "10"}) == much
    assert told(developerConfiguration={"logVerbosity": {"virtLauncher": 10}}) == much
    arguments = compute(annotations={"kubevirt.io/libvirt-log-filters": "1:*"})["args"]
    assert arguments[arguments.index("--libvirt-log-filters") + 1] == "1:*"
    assert "--allow-emulation" in compute(settings=Settings(use_emulation=True))["args"]


def test_claims():
    """A claim's filesystem is mounted, its block device is given; what several nodes write is named."""

    def claim(mode, access):
        return {"spec": {"volumeMode": mode, "accessModes": [access]}}

    claims = {"raw": claim("Block", "ReadWriteMany"), "files": claim("Filesystem", "ReadWriteMany")}
    listed = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "raw"}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "files", "readOnly": True}},
    ]
    pod = build(volumes=listed, settings=Settings(claims=claims))["spec"]
    found = pod["containers"][0]
    assert found["volumeDevices"] == [{"name": "a", "devicePath": "/dev/a"}]
    paths = {one["name"]: one["mountPath"] for one in found["volumeMounts"]}
    assert "a" not in paths
    assert {"name": "SHARED_FILESYSTEM_PATHS", "value": paths["b"]} in found["env"]
    source = {"claimName": "files", "readOnly": True}
    assert {"name": "b", "persistentVolumeClaim": source} in pod["volumes"]


@pytest.mark.parametrize(
    ("volume", "source", "path"),
    [
        ({"configMap": {"name": "c"}}, {"configMap": {"name": "c"}}, "config-map/v"),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s"}}, "secret/v"),
        (
            {"downwardAPI": {"fields": [{"path": "p"}]}},
            {"downwardAPI": {"items": [{"path": "p"}]}},
            "downwardapi/v",
        ),
        (
            {"downwardMetrics": {}},
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            "downwardapi-disks",
        ),
        (
            {"hostDisk": {"path": "/data/d.img", "type": "Disk"}},
            {"hostPath": {"path": "/data", "type": "Directory"}},
            "vmi-disks/v",
        ),
    ],
)
def test_sources(volume, source, path):
    """What disks are made from is a volume of the pod, mounted where virt-launcher looks for it."""
    pod = build(volumes=[{"name": "v", **volume}])["spec"]
    assert {"name": "v", **source} in pod["volumes"]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounts["v"] == f"/var/run/kubevirt-private/{path}"


def test_kernels():
    """A kernel comes from an image as disks do, with a secret of its own to pull it."""
    container = {"image": "registry:5000/kernel:1", "kernelPath": "/boot/vmlinuz", "imagePullSecret": "s"}
    domain = {"firmware": {"kernelBoot": {"container": container}}}
    pod = build(domain=domain, volumes=())["spec"]
    image = {"reference": "registry:5000/kernel:1", "pullPolicy": "IfNotPresent"}
    assert {"name": "kernel-boot-volume", "image": image} in pod["volumes"]
    assert pod["imagePullSecrets"] == [{"name": "s"}]
    assert "volumekernel-boot-volume" in [one["name"] for one in pod["initContainers"]]
    old = build(domain=domain, volumes=(), settings=Settings(image_volumes=False))["spec"]
    assert old["containers"][1]["name"] == "volumekernel-boot-volume"
    assert old["containers"][1]["args"] == ["--copy-path", "/var/run/kubevirt/container-disks/vmi-uid/disk_0"]
    assert {"name": "container-disks", "emptyDir": {}} in old["volumes"]


def test_ports_of_interfaces():
    """Ports an interface opens are the container's."""
    ports = [{"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}]
    found = compute(domain={"devices": {"interfaces": [{"name": "default", "ports": ports}]}})["ports"]
    assert found == [
        {"protocol": "TCP", "containerPort": 80, "name": "http"},
        {"protocol": "UDP", "containerPort": 53},
    ]


def test_no_disks_later():
    """A guest that takes no disks later has no directory for them."""
    pod = build(domain={"devices": {"disableHotplug": True}})["spec"]
    assert "hotplug-disks" not in [one["name"] for one in pod["volumes"]]
    assert "hotplug-disks" not in [one["name"] for one in pod["containers"][0]["volumeMounts"]]


def test_service_meshes():
    """Istio finds its mark as a label, too, and a token to identify itself with."""
    pod = build(annotations={"sidecar.istio.io/inject": "true"})
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
    assert pod["spec"]["automountServiceAccountToken"] is True


def test_huge_pages():
    """A guest on huge pages has their filesystem."""
    pod = build(domain={"memory": {"guest": "64Mi", "hugepages": {"pageSize": "2Mi"}}})["spec"]
    assert {"name": "hugepages", "emptyDir": {"medium": "HugePages"}} in pod["volumes"]
    assert {"name": "hugepages", "mountPath": "/dev/hugepages"} in pod["containers"][0]["volumeMounts"]
