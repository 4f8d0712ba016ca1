"""Guests and their launchers by configuration: of the instance, of its namespace, of the cluster.

Origin: kubevirt: tests/compute/{vmi-configuration/*,vmidefaults,credentials}.go, tests/{security_features,vmi_gpu,hostdev}_test.go, tests/compute/iommufd.go,
tests/usb/usb.go, tests/operator/config.go
"""

from typing import Any

import pytest

from fakekube.virt import quantities
from tests.upstream import launchers
from tests.upstream.conftest import MERGE_PATCH, Object, Suite, conditions
from tests.upstream.guests import (
    NODES,
    NS,
    PODS,
    VMIS,
    Guest,
    a_namespace,
    configure,
    guest,
    instance,
    machine,
)

QUOTAS = f"/api/v1/namespaces/{NS}/resourcequotas"
OTHER = "kubevirt-test-alternative1"


@pytest.fixture
async def here(suite: Suite) -> Suite:
    return await a_namespace(suite)


async def create(suite: Suite, spec: Object, name: str = "vmi") -> Guest:
    """One that need not get to run."""
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    await suite.create(VMIS, {**body, "metadata": {"name": name}})
    return Guest(suite, name)


async def compute(vmi: Guest) -> Object:
    (found,) = [one for one in (await vmi.pod())["spec"]["containers"] if one["name"] == "compute"]
    return found


async def requested(vmi: Guest) -> int:
    """The memory a launcher requests for its guest, without what it needs itself."""
    overhead = int((await vmi.pod())["metadata"]["annotations"]["kubevirt.io/memory-overhead-bytes"])
    return quantities.whole((await compute(vmi))["resources"]["requests"]["memory"]) - overhead


def resources(**given: Any) -> Object:
    spec = guest()
    spec["domain"]["resources"] = given
    return spec


async def test_cpu_requests(here: Suite) -> None:
    """[3127] [3128] [3129] From the instance, or a tenth of each CPU, or as the cluster has it; overcommitted likewise."""
    asked = resources(requests={"memory": "32Mi", "cpu": "500m"})
    assert (await compute(await instance(here, asked, "a")))["resources"]["requests"]["cpu"] == "500m"
    assert (await compute(await instance(here, guest(), "b")))["resources"]["requests"]["cpu"] == "100m"
    await configure(here, cpuRequest="800m")
    assert (await compute(await instance(here, guest(), "c")))["resources"]["requests"]["cpu"] == "800m"
    ratios = {"cpuAllocationRatio": 1, "memoryOvercommit": 200}
    await configure(here, cpuRequest=None, developerConfiguration=ratios)
    spec = guest()
    spec["domain"] |= {"cpu": {"cores": 2}, "memory": {"guest": "512Mi"}, "resources": {}}
    vmi = await instance(here, spec, "d")
    assert (await compute(vmi))["resources"]["requests"]["cpu"] == "2"
    assert await requested(vmi) == 256 * 2**20


async def test_automatic_limits(here: Suite) -> None:
    """Namespaces that are selected get CPU limits, those with quotas for limits get what these count; others get none."""
    await configure(here, autoCPULimitNamespaceLabelSelector={"matchLabels": {"autocpulimit": "true"}})
    bare = (await compute(await instance(here, guest(), "a")))["resources"]["limits"]
    assert not {"cpu", "memory"} & bare.keys()
    await here.patch(
        f"/api/v1/namespaces/{NS}", {"metadata": {"labels": {"autocpulimit": "true"}}}, MERGE_PATCH
    )
    await here.cluster.settle()
    limits = (await compute(await instance(here, guest(), "b")))["resources"]["limits"]
    assert limits["cpu"] == "1"
    assert "memory" not in limits
    await here.delete(f"{VMIS}/a")
    await here.delete(f"{VMIS}/b")
    hard = {"limits.memory": "2Gi", "limits.cpu": "1500m"}
    await here.create(QUOTAS, {"metadata": {"generateName": "test-quota"}, "spec": {"hard": hard}})
    await here.cluster.settle()
    found = (await compute(await instance(here, guest(memory="256Mi"), "c")))["resources"]
    assert found["limits"]["cpu"] == "1"
    whole = quantities.whole
    assert whole(found["limits"]["memory"]) == 2 * whole(found["requests"]["memory"])


async def test_quality_of_service(here: Suite) -> None:
    """[3110] [3111] [3112] Burstable, or guaranteed where requests are the limits; limits alone are requested."""
    both = {"cpu": "1", "memory": "64M"}
    for name, spec, wanted in (
        ("burstable", guest(), "Burstable"),
        ("equal", resources(requests=both, limits=both), "Guaranteed"),
        ("limits", resources(requests={}, limits=both), "Guaranteed"),
    ):
        vmi = await instance(here, spec, name)
        assert (await vmi.vmi())["status"]["qosClass"] == wanted
    assert (await vmi.vmi())["spec"]["domain"]["resources"]["requests"] == both


async def test_huge_pages(here: Suite) -> None:
    """[1671] [1673] They are requested in the guest's size; where no node has such pages the instance says so."""
    spec = guest(memory="66Mi", domain={"memory": {"hugepages": {"pageSize": "3Mi"}}})
    spec["domain"]["resources"] = {"requests": {"memory": "66Mi"}}
    vmi = await create(here, spec)

    async def told() -> Any:
        found = (await vmi.vmi()).get("status", {}).get("conditions", ())
        return next(
            (one for one in found if one["type"] == "PodScheduled" and one["status"] == "False"), None
        )

    why = await here.eventually(told, 30)
    assert why["reason"] == "Unschedulable"
    assert "Insufficient hugepages-3Mi" in why["message"]
    (pod,) = await vmi.pods()
    assert pod["spec"]["containers"][0]["resources"]["limits"]["hugepages-3Mi"] == "66Mi"


@pytest.mark.parametrize("type_", ["container_t", "spc_t", "virt_launcher.process"])
async def test_selinux_type(here: Suite, type_: str) -> None:
    """[2953] [3787] [4298] The launcher's type is the cluster's choice."""
    await configure(here, selinuxLauncherType=type_)
    vmi = await instance(here, guest())
    assert (await vmi.pod())["spec"]["securityContext"]["seLinuxOptions"] == {"type": type_}


async def test_privileges(here: Suite) -> None:
    """[2895] [4300] A launcher may bind low ports, and nothing else; it is not root."""
    vmi = await instance(here, guest())
    context = (await compute(vmi))["securityContext"]
    assert context["capabilities"] == {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}
    assert not context.get("privileged")
    pod = await vmi.pod()
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert "seLinuxOptions" not in pod["spec"]["securityContext"]
    assert "seccompProfile" not in pod["spec"]["securityContext"]


async def test_seccomp_and_runtime(here: Suite) -> None:
    """A profile for all launchers, and a class of runtime."""
    profile = {"customProfile": {"localhostProfile": "kubevirt/kubevirt.json"}}
    await configure(here, seccompConfiguration={"virtualMachineInstanceProfile": profile})
    await here.create(
        "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "fake-runtime"}, "handler": "runc"}
    )
    await configure(here, defaultRuntimeClass="fake-runtime")
    pod = await (await instance(here, guest())).pod()
    wanted = {"type": "Localhost", "localhostProfile": "kubevirt/kubevirt.json"}
    assert pod["spec"]["securityContext"]["seccompProfile"] == wanted
    assert pod["spec"]["runtimeClassName"] == "fake-runtime"


@pytest.mark.parametrize(
    ("kind", "word", "way"),
    [
        ("gpus", "GPU", {"pciHostDevices": [{"pciVendorSelector": "10DE:1EB8"}]}),
        ("gpus", "GPU", {"mediatedDevices": [{"mdevNameSelector": "GRID T4-1B"}]}),
        ("hostDevices", "HostDevice", {"pciHostDevices": [{"pciVendorSelector": "10DE:1EB8"}]}),
        ("hostDevices", "HostDevice", {"mediatedDevices": [{"mdevNameSelector": "GRID T4-1B"}]}),
        ("hostDevices", "HostDevice", {"usb": [{"selectors": [{"vendor": "46f4", "product": "0001"}]}]}),
    ],
)
async def test_host_devices(here: Suite, kind: str, word: str, way: dict[str, list[Object]]) -> None:
    """One that is not permitted is told in the instance; one that is goes to the launcher as a resource of the node."""
    await configure(here, developerConfiguration={"featureGates": ["HostDevices"]}, permittedHostDevices={})
    name = "vendor.com/device"
    spec = guest(domain={"resources": {"requests": {"memory": "64Mi"}}})
    devices = {"name": "one", "deviceName": name}
    spec["domain"]["devices"] = {kind: [devices], "interfaces": [{"name": "default", "masquerade": {}}]}
    vmi = await create(here, spec, "refused")

    async def told() -> Any:
        found = (await vmi.vmi()).get("status", {}).get("conditions", ())
        return next((one["message"] for one in found if one["type"] == "Synchronized"), None)

    said = await here.eventually(told, 30)
    assert said == (
        f"failed to render launch manifest: {word} {name} is not permitted in permittedHostDevices configuration"
    )
    permitted = {
        listed: [{**one, "resourceName": name} for one in devices] for listed, devices in way.items()
    }
    await configure(here, permittedHostDevices=permitted)
    for node in ("node01", "node02"):
        change = {"status": {"capacity": {name: "1"}, "allocatable": {name: "1"}}}
        await here.patch(f"/api/v1/nodes/{node}/status", change, MERGE_PATCH)
    runs = await instance(here, spec, "permitted")
    assert (await compute(runs))["resources"]["limits"][name] == "1"
    (device,) = (await launchers.domain(runs)).iter("hostdev")
    (listed,) = way
    assert device.get("type") == {"pciHostDevices": "pci", "mediatedDevices": "mdev", "usb": "usb"}[listed]
    variables = await launchers.run(runs, "printenv")
    assert len([one for one in variables.splitlines() if "RESOURCE_VENDOR_COM_DEVICE=" in one]) == 1


async def test_gpus_that_nobody_has(here: Suite) -> None:
    """[4607] A guest whose GPU no node has is not scheduled, and its launcher says what it lacks."""
    spec = guest()
    spec["domain"]["devices"]["gpus"] = [{"name": "gpu1", "deviceName": "random.com/gpu"}]
    await create(here, spec, "wanting")
    await here.cluster.settle()
    (pod,) = await here.items(PODS)
    scheduled = next(one for one in pod["status"]["conditions"] if one["type"] == "PodScheduled")
    assert (pod["status"]["phase"], scheduled["reason"]) == ("Pending", "Unschedulable")
    assert "Insufficient random.com/gpu" in scheduled["message"]


async def test_devices_by_iommufd(here: Suite) -> None:
    """Two sound cards of one resource, handed over by the newer interface: launcher and domain say so."""
    device = "example.org/soundcard-iommufd"
    permitted = [{"pciVendorSelector": one, "resourceName": device} for one in ("8086:2668", "8086:293e")]
    gates = {"featureGates": ["HostDevices", "IOMMUFD"]}
    await configure(here, developerConfiguration=gates, permittedHostDevices={"pciHostDevices": permitted})
    for node in ("node01", "node02"):
        there = {one: {device: "2"} for one in ("capacity", "allocatable")}
        await here.patch(f"/api/v1/nodes/{node}/status", {"status": there}, MERGE_PATCH)
    spec = guest("fedora")
    spec["domain"]["devices"]["hostDevices"] = [{"name": f"sound{n}", "deviceName": device} for n in (0, 1)]
    vmi = await instance(here, spec)
    limits = (await compute(vmi))["resources"]["limits"]
    assert (limits["devices.kubevirt.io/iommufd"], limits[device]) == ("1", "2")
    domain = await launchers.domain(vmi)
    iommufd = domain.find("iommufd")
    assert iommufd is not None
    assert iommufd.attrib == {"enabled": "yes", "fdgroup": "iommu"}
    aliases = [one.get("name") for one in domain.findall("devices/hostdev/alias")]
    assert aliases == ["ua-hostdevice-sound0", "ua-hostdevice-sound1"]


async def test_device_defaults(here: Suite) -> None:
    """[4115] Disks get a target and a bus, volumes a disk, inputs a bus and a type; machines an input that is attached."""
    spec = guest("", memory="8192Ki")
    spec["volumes"] = [{"name": "testdisk", "containerDisk": {"image": "dummy"}}]
    for listed in ([{"name": "testdisk"}], []):
        spec["domain"]["devices"]["disks"] = listed
        vmi = await create(here, spec, f"vmi-{len(listed)}")
        (disk,) = (await vmi.vmi())["spec"]["domain"]["devices"]["disks"]
        assert disk == {"name": "testdisk", "disk": {"bus": "sata"}}
    spec = guest()
    spec["domain"]["devices"]["inputs"] = [{"name": "foo-1"}]
    vmi = await create(here, spec, "inputs")
    tablet = {"bus": "usb", "type": "tablet"}
    assert (await vmi.vmi())["spec"]["domain"]["devices"]["inputs"] == [{"name": "foo-1", **tablet}]
    spec = guest()
    spec["domain"]["devices"]["autoattachInputDevice"] = True
    vm = await machine(here, spec, "attached")
    assert (await vm.vmi())["spec"]["domain"]["devices"]["inputs"] == [{"name": "default-0", **tablet}]


@pytest.mark.parametrize(
    "one", [{"type": "keyboard", "bus": "virtio"}, {"type": "tablet", "bus": "ps2"}], ids=["type", "bus"]
)
async def test_wrong_inputs(here: Suite, one: Object) -> None:
    """[2642] [3074] There are only tablets, on two buses."""
    spec = guest()
    spec["domain"]["devices"]["inputs"] = [{"name": "tablet0", **one}]
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    await here.refused("POST", VMIS, {**body, "metadata": {"name": "x"}})


async def test_another_namespace(here: Suite) -> None:
    """An instance is made in the namespace it names, or not at all."""
    meta = {"name": "x", "namespace": OTHER}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": meta}
    answer = await here.refused("POST", VMIS, {**body, "spec": guest()})
    text = "the namespace of the provided object does not match the namespace sent on the request"
    assert answer["message"] == text


async def test_service_account(here: Suite) -> None:
    """The launcher runs as the account that is to be in the guest; only one may be."""
    spec = guest()
    spec["volumes"].append({"name": "sa", "serviceAccount": {"serviceAccountName": "default"}})
    spec["domain"]["devices"]["disks"].append({"name": "sa", "disk": {}})
    pod = await (await instance(here, spec)).pod()
    assert pod["spec"]["serviceAccountName"] == "default"
    assert pod["spec"]["automountServiceAccountToken"] is True


@pytest.mark.parametrize(
    "credential",
    [
        {
            "sshPublicKey": {
                "source": {"secret": {"secretName": "s"}},
                "propagationMethod": {"qemuGuestAgent": {"users": ["fedora"]}},
            }
        },
        {
            "userPassword": {
                "source": {"secret": {"secretName": "s"}},
                "propagationMethod": {"qemuGuestAgent": {}},
            }
        },
    ],
    ids=["key", "password"],
)
async def test_credentials(here: Suite, credential: Object) -> None:
    """[6220] [6221] Once the agent is there, it says that keys and passwords have come in."""
    await here.create(f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "s"}, "data": {"k": "a2V5"}})
    vmi = await instance(here, guest("fedora", accessCredentials=[credential]))
    await vmi.has("AgentConnected", seconds=120)
    await vmi.has("AccessCredentialsSynchronized", seconds=120)
    plain = await instance(here, guest("fedora"), "plain")
    await plain.has("AgentConnected", seconds=120)
    assert "AccessCredentialsSynchronized" not in conditions(await plain.vmi())


def denied(commands: str) -> Object:
    """A Fedora whose agent is told by cloud-init what it must not do."""
    spec = guest("fedora")
    script = f"""#!/bin/bash
            echo -e "\\n\\nBLACKLIST_RPC={commands}" | sudo tee -a /etc/sysconfig/qemu-ga
"""
    spec["volumes"].append({"name": "init", "cloudInitNoCloud": {"userData": script}})
    spec["domain"]["devices"]["disks"].append({"name": "init", "disk": {"bus": "virtio"}})
    return spec


KEY, PASSWORD = "sshPublicKey", "userPassword"


@pytest.mark.parametrize(
    ("commands", "kind", "lacks"),
    [
        ("guest-exec,guest-ssh-add-authorized-keys", KEY, "public key"),
        ("guest-set-user-password", PASSWORD, "password"),
        ("guest-shutdown", "", "basic"),
        ("guest-exec,guest-set-password", "", ""),
        ("guest-set-user-password", KEY, ""),
    ],
)
async def test_unsupported_agent(here: Suite, commands: str, kind: str, lacks: str) -> None:
    """[6222] [6223] [5267] [6958] An agent that may not do what it is needed for is said to be none KubeVirt can work with."""
    await here.create(f"/api/v1/namespaces/{NS}/secrets", {"metadata": {"name": "s"}, "data": {"k": "a2V5"}})
    spec = denied(commands)
    if kind:
        users = {"users": ["fedora"]} if kind == KEY else {}
        source = {"secret": {"secretName": "s"}}
        credential = {"source": source, "propagationMethod": {"qemuGuestAgent": users}}
        spec["accessCredentials"] = [{kind: credential}]
    vmi = await instance(here, spec)
    await vmi.has("AgentConnected", seconds=120)
    found = {one["type"]: one for one in (await vmi.vmi())["status"]["conditions"]}
    if lacks:
        assert found["UnsupportedAgent"]["status"] == "True"
        text = f"This guest agent doesn't support required {lacks} commands"
        assert found["UnsupportedAgent"]["reason"] == text
    else:
        assert "UnsupportedAgent" not in found
    assert ("AccessCredentialsSynchronized" in found) is (kind != "" and not lacks)
    path = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances/{vmi.name}/guestosinfo"
    told = {one["name"]: one["enabled"] for one in (await here.get(path))["supportedCommands"]}
    assert {name for name, enabled in told.items() if not enabled} == set(commands.split(",")) & told.keys()


async def refusal(here: Suite, spec: Object) -> str:
    """What is said of an instance that may not be."""
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "no"}}
    return str((await here.refused("POST", VMIS, {**body, "spec": spec}))["message"])


def domain(**more: Any) -> Object:
    spec = guest()
    spec["domain"] |= more
    return spec


async def selector_of(here: Suite, name: str, **more: Any) -> Object:
    """The nodes the launcher of such a guest can be on."""
    return dict((await (await instance(here, domain(**more), name)).pod())["spec"]["nodeSelector"])


async def test_cpu_models_and_features(here: Suite) -> None:
    """[1678] [1679] [1680] [3123] A named model and required features are asked of the node, what the host has is not."""
    (node, *_) = await here.items(NODES)
    known = [label.rpartition("/") for label in node["metadata"]["labels"]]
    model = next(own for group, _, own in known if group == "cpu-model.node.kubevirt.io")
    feature = next(own for group, _, own in known if group == "cpu-feature.node.kubevirt.io")
    assert f"cpu-model.node.kubevirt.io/{model}" in await selector_of(here, "a", cpu={"model": model})
    for name, cpu in (("b", {"model": "host-passthrough"}), ("c", {})):
        chosen = await selector_of(here, name, cpu=cpu)
        assert not any(one.startswith("cpu-model.node.kubevirt.io/") for one in chosen)
    chosen = await selector_of(here, "d", cpu={"features": [{"name": feature}]})
    assert chosen[f"cpu-feature.node.kubevirt.io/{feature}"] == "true"


MACHINES = {"emulatedMachines": ["q35*", "pc-q35*", "pc*"]}


async def test_machine_types(here: Suite) -> None:
    """[3124] [3125] [6964] [3126] From the instance, or the cluster's; the status tells what it has become."""
    await configure(here, architectureConfiguration={"amd64": MACHINES})
    for name, more, became in (
        ("a", {"machine": {"type": "pc"}}, "pc-i440"),
        ("b", {}, "q35"),
        ("c", {"machine": {"type": ""}}, "q35"),
        ("d", {"machine": {"type": "pc-q35-rhel9.4.0"}}, "pc-q35-rhel9.4.0"),
    ):
        vmi = await (await instance(here, domain(**more), name)).vmi()
        assert became in vmi["status"]["machine"]["type"]
    await configure(
        here, architectureConfiguration={"amd64": {"machineType": "pc", "emulatedMachines": ["pc"]}}
    )
    vmi = await (await instance(here, domain(), "e")).vmi()
    assert vmi["spec"]["domain"]["machine"]["type"] == "pc"
    assert "pc-i440" in vmi["status"]["machine"]["type"]
    message = await refusal(here, domain(machine={"type": "q35"}))
    assert "is not supported: q35 (allowed values: [pc])" in message


async def test_scheduler(here: Suite) -> None:
    """[4631] Another scheduler than the cluster's is the launcher's, too, and waited for."""
    vmi = await create(here, guest(schedulerName="my-custom-scheduler"))
    await vmi.is_in("Scheduling")
    (pod,) = await vmi.pods()
    assert pod["spec"]["schedulerName"] == "my-custom-scheduler"


async def test_memory(here: Suite) -> None:
    """[3113] [3114] Somebody has to say how much; overcommitted, half of it is requested."""
    assert "no memory requested" in await refusal(here, {"domain": {"devices": {}}})
    await configure(here, developerConfiguration={"memoryOvercommit": 200})
    vmi = await instance(here, domain(memory={"guest": "4096M"}, resources={}), "b")
    assert await requested(vmi) == 2_048_000_000
    assert "requests" not in (await vmi.vmi())["spec"]["domain"]["resources"]


async def test_memory_headroom(here: Suite) -> None:
    """What a launcher needs beside the guest can be made more by a ratio; the instances say nothing of it."""

    async def asked(name: str) -> tuple[int, int]:
        vmi = await instance(here, resources(requests={"memory": "1024M"}), name)
        assert (await vmi.vmi())["spec"]["domain"]["resources"] == {"requests": {"memory": "1024M"}}
        overhead = int((await vmi.pod())["metadata"]["annotations"]["kubevirt.io/memory-overhead-bytes"])
        return quantities.whole((await compute(vmi))["resources"]["requests"]["memory"]), overhead

    plain, overhead = await asked("a")
    await configure(here, additionalGuestMemoryOverheadRatio="1.567")
    more, greater = await asked("b")
    assert overhead == 303_989_888
    assert more - plain == greater - overhead == 303990 * 567 // 1000 * 1000


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"cores": 2, "requests": "3"}, "must not be provided at the same time with spec.domain.cpu.cores"),
        ({"requests": "300m"}, "provided resources CPU requests must be an interger"),
        ({"requests": "2", "limits": "4"}, "must be equal when DedicatedCPUPlacement is true"),
    ],
)
async def test_wrong_pinned_cpus(here: Suite, given: Object, text: str) -> None:
    """[1688] [1689] [1690] Pinned CPUs are whole ones, as many as the guest has, guaranteed."""
    cpu = {"dedicatedCpuPlacement": True, **({"cores": given["cores"]} if "cores" in given else {})}
    asked = {kind: {"cpu": given[kind]} for kind in ("requests", "limits") if kind in given}
    asked["requests"]["memory"] = "64M"
    spec = domain(cpu=cpu, resources=asked)
    assert text in await refusal(here, spec)


async def test_pinned_cpus(here: Suite) -> None:
    """[1687] [802] [4632] [830] The launcher is guaranteed as many CPUs, one more for an emulator that is to be apart."""
    requests = {"memory": "64M"}
    pinned = {"dedicatedCpuPlacement": True}
    for name, cpu, asked, wanted in (
        ("a", {"cores": 2, **pinned}, requests, "2"),
        ("b", pinned, {"cpu": "2", **requests}, "2"),
        ("c", {"cores": 2, "isolateEmulatorThread": True, **pinned}, requests, "3"),
    ):
        vmi = await instance(here, domain(cpu=cpu, resources={"requests": asked}), name)
        given = (await compute(vmi))["resources"]
        assert (given["requests"]["cpu"], given["limits"]["cpu"]) == (wanted, wanted)
        assert (await vmi.vmi())["status"]["qosClass"] == "Guaranteed"
        assert (await vmi.pod())["spec"]["nodeSelector"]["kubevirt.io/cpumanager"] == "true"
    assert (await instance(here, domain(cpu={"cores": 2}), "d")).name == "d"


async def test_missing_volume(here: Suite) -> None:
    """[6960] A disk is of a volume."""
    spec = guest("")
    spec["domain"]["devices"]["disks"] = [{"name": "testdisk"}]
    text = "denied the request: spec.domain.devices.disks[0].Name 'testdisk' not found."
    assert text in await refusal(here, spec)
