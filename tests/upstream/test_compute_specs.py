"""Upstream's functional specs of what guests compute with: threads, CPUs, Hyper-V, kernels, sidecars, screens.

Origin: kubevirt: tests/{vmi_iothreads,vmi_multiqueue,vmi_hook_sidecar,vmi_kernel_boot,vmi_headless,vmi_sound,hyperv}_test.go,
tests/compute/{cpu,memory,vmi_memory_overhead,reserved_overhead}.go, tests/realtime, tests/numa
"""

import json
from typing import Any

import pytest

from fakekube.virt import quantities
from tests.upstream import guests, launchers
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Refused, Suite, conditions
from tests.upstream.guests import configure, guest, instance, label_node


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


def with_disks(alone: int, together: int, **domain: Any) -> Object:
    """A guest with disks that want a thread of their own, and some that do not."""
    spec = guest(domain={"resources": {"requests": {"memory": "64M"}}, **domain})
    for number in range(alone + together):
        disk: Object = {"name": f"disk{number + 1}", "disk": {"bus": "virtio"}}
        spec["domain"]["devices"].setdefault("disks", []).append(
            {**disk, **({"dedicatedIOThread": True} if number < alone else {})}
        )
        spec["volumes"].append({"name": disk["name"], "emptyDisk": {"capacity": "1Gi"}})
    return spec


@pytest.mark.parametrize(
    ("alone", "together", "domain", "number"),
    [
        (0, 0, {"ioThreadsPolicy": "shared"}, 1),
        (1, 2, {"ioThreadsPolicy": "shared"}, 2),
        (2, 3, {"ioThreadsPolicy": "auto", "cpu": {"cores": 1}}, 3),
        (2, 3, {"ioThreadsPolicy": "auto", "cpu": {"cores": 2}}, 4),
        (2, 3, {"ioThreadsPolicy": "auto", "cpu": {"cores": 3}}, 6),
        (2, 3, {"ioThreadsPolicy": "auto", "cpu": {"cores": 4}}, 6),
    ],
)
async def test_io_threads(suite: Suite, alone: int, together: int, domain: Object, number: int) -> None:
    """[4122] [864] [3097] [856] [3095] Disks share threads, or have one each, as the policy and the CPUs allow."""
    vmi = await instance(suite, with_disks(alone, together, **domain))
    found = await launchers.domain(vmi)
    assert found.findtext("iothreads") == str(number)
    drivers = {
        disk.find("alias").get("name"): disk.find("driver").get("iothread")  # type: ignore[union-attr]
        for disk in found.findall("devices/disk")
    }
    own = [drivers.pop(f"ua-disk{one + 1}") for one in range(alone)]
    assert len(set(own)) == alone
    assert not set(own) & set(drivers.values())


async def test_queues_of_disks(suite: Suite) -> None:
    """[959] Where blocks come by several queues, there is one for each CPU."""
    spec = guest(domain={"cpu": {"cores": 3}})
    spec["domain"]["devices"]["blockMultiQueue"] = True
    found = await launchers.domain(await instance(suite, spec))
    assert [one.get("queues") for one in found.findall("devices/disk/driver")] == ["3"]


async def test_hook_sidecars(suite: Suite) -> None:
    """[3155] [2666] A sidecar runs beside the guest, and its domain has what it put there; with the gate open."""
    listed = [
        {"args": ["--version", "v1alpha2"], "image": "registry:5000/kubevirt/example-hook-sidecar:devel"}
    ]
    marks = {
        "hooks.kubevirt.io/hookSidecars": json.dumps(listed),
        "smbios.vm.kubevirt.io/baseBoardManufacturer": "Radical Edward",
    }
    with pytest.raises(Refused, match="sidecar feature gate is not enabled in kubevirt-config"):
        await instance(suite, guest(), annotations=marks)
    await configure(suite, developerConfiguration={"featureGates": ["Sidecar"]})
    vmi = await instance(suite, guest(), annotations=marks)
    pod = await vmi.pod()
    names = [one["name"] for one in pod["spec"]["containers"]]
    assert "hook-sidecar-0" in names
    assert (
        pod["spec"]["containers"][0]["args"][
            pod["spec"]["containers"][0]["args"].index("--hook-sidecars") + 1
        ]
        == "1"
    )
    said = await launchers.run(vmi, "virsh", "dumpxml", "1")
    for part in (
        "<sysinfo type='smbios'>",
        "<smbios mode='sysinfo'/>",
        "<entry name='manufacturer'>Radical Edward</entry>",
    ):
        assert part in said


async def test_kernels(suite: Suite) -> None:
    """[7748] A guest boots the kernel an image brings, with the arguments it is given."""
    container = {
        "image": "registry:5000/kubevirt/alpine-ext-kernel-boot-demo:devel",
        "kernelPath": "/boot/vmlinuz-virt",
        "initrdPath": "/boot/initramfs-virt",
    }
    boot = {"container": container, "kernelArgs": "console=ttyS0"}
    vmi = await instance(suite, guest("", domain={"firmware": {"kernelBoot": boot}}))
    pod = await vmi.pod()
    image = {"reference": container["image"], "pullPolicy": "IfNotPresent"}
    assert image in [one.get("image") for one in pod["spec"]["volumes"]]
    found = await launchers.domain(vmi)
    assert (found.findtext("os/kernel") or "").endswith("/vmlinuz-virt")
    assert found.findtext("os/cmdline") == "console=ttyS0"


@pytest.mark.parametrize(
    ("boot", "why"),
    [
        ({"kernelArgs": "console=ttyS0"}, "kernel arguments cannot be provided without an external kernel"),
        ({"container": {"image": "a"}}, "at least one of the following: kernelPath, initrdPath"),
    ],
)
async def test_kernels_that_are_none(suite: Suite, boot: Object, why: str) -> None:
    """[7750] [7751] Arguments need a kernel, and an image one of both files."""
    with pytest.raises(Refused, match=f"(?i){why}"):
        await instance(suite, guest("", domain={"firmware": {"kernelBoot": boot}}))


async def test_screens(suite: Suite) -> None:
    """[714] [737] [713] [738] Without a screen there is none in the domain, its memory is spared, and nobody can look at it."""

    async def made(name: str, attached: bool | None) -> guests.Guest:
        spec = guest("")
        if attached is not None:
            spec["domain"]["devices"]["autoattachGraphicsDevice"] = attached
        return await instance(suite, spec, name)

    async def overhead(vmi: guests.Guest) -> int:
        return quantities.whole((await vmi.vmi())["status"]["memory"]["memoryOverhead"])

    headless, seen = await made("headless", False), await made("seen", None)
    assert (await launchers.domain(headless)).find("devices/graphics") is None
    assert (await launchers.domain(seen)).find("devices/graphics") is not None
    assert await overhead(seen) - await overhead(headless) == 32 * 2**20
    status, answer = await suite.call("GET", f"{guests.SUBRESOURCES}/virtualmachineinstances/headless/vnc")
    assert (status, answer["message"]) == (400, "No graphics devices are present.")


async def test_sound_and_agents(suite: Suite) -> None:
    """[7250] [1676] A sound card is ich9 unless it is another one; a channel waits for the agent."""
    for model in ("ich9", "ac97"):
        spec = guest("")
        spec["domain"]["devices"]["sound"] = {"name": "test-audio-device", "model": model}
        found = await launchers.domain(await instance(suite, spec, model))
        assert found.find("devices/sound").get("model") == model  # type: ignore[union-attr]
        target = found.find("devices/channel/target")
        assert target is not None
        assert target.get("name") == "org.qemu.guest_agent.0"


async def test_nested_hyperv(suite: Suite) -> None:
    """EVMCS brings what it needs: vapic, and the CPU's vmx."""
    spec = guest("", domain={"features": {"hyperv": {"evmcs": {}}}})
    found = (await (await instance(suite, spec)).vmi())["spec"]["domain"]
    assert found["features"]["hyperv"] == {"evmcs": {"enabled": True}, "vapic": {"enabled": True}}
    assert found["cpu"]["features"] == [{"name": "vmx", "policy": "require"}]


async def test_hyperv_passed_through(suite: Suite) -> None:
    """A guest with all that the host's Hyper-V has cannot move, and its domain says so."""
    spec = guest(domain={"features": {"hypervPassthrough": {"enabled": True}}})
    vmi = await instance(suite, spec)
    told = (await vmi.vmi())["status"]["conditions"]
    (why,) = [one for one in told if one["type"] == "LiveMigratable"]
    assert (why["status"], why["reason"]) == ("False", "HypervPassthroughNotLiveMigratable")
    hyperv = (await launchers.domain(vmi)).find("features/hyperv")
    assert hyperv is not None
    assert hyperv.get("mode") == "passthrough"


async def test_clocks(suite: Suite) -> None:
    """A guest told of clocks that change moves only where the nodes' frequency is known, and to one that has it."""
    spec = guest(domain={"features": {"hyperv": {"reenlightenment": {"enabled": True}}}})
    vmi = await instance(suite, spec, "known")
    assert (await vmi.vmi())["status"]["topologyHints"] == {"tscFrequency": 2400000000}
    assert conditions(await vmi.vmi())["LiveMigratable"] == "True"
    selector = (await vmi.pod())["spec"]["nodeSelector"]
    assert selector["scheduling.node.kubevirt.io/tsc-frequency-2400000000"] == "true"
    await guests.migrated(vmi, await _moved(vmi))
    for node in await suite.items(guests.NODES):
        unknown = {"cpu-timer.node.kubevirt.io/tsc-frequency": "unknown"}
        await label_node(suite, node["metadata"]["name"], unknown)
    await suite.cluster.settle()
    vmi = await instance(suite, spec, "unknown")
    (why,) = [one for one in (await vmi.vmi())["status"]["conditions"] if one["type"] == "LiveMigratable"]
    assert why["status"] == "False"
    assert "HyperV Reenlightenment VMIs cannot migrate when TSC Frequency is not exposed" in why["message"]


async def _moved(vmi: guests.Guest) -> guests.Migration:
    migration = await guests.migrate(vmi)
    await migration.succeeds()
    return migration


async def test_reserved_overhead(suite: Suite) -> None:
    """Memory that is reserved beside the guest's is requested and told of."""
    memory = {"guest": "128Mi", "reservedOverhead": {"addedOverhead": "300Mi"}}
    await configure(suite, developerConfiguration={"featureGates": ["ReservedOverheadMemlock"]})
    plain = await instance(suite, guest(""), "plain")
    more = await instance(suite, guest("", domain={"memory": memory}), "more")

    async def overhead(vmi: guests.Guest) -> int:
        return quantities.whole((await vmi.vmi())["status"]["memory"]["memoryOverhead"])

    assert await overhead(more) - await overhead(plain) == 300 * 2**20


async def test_numa_and_realtime(suite: Suite) -> None:
    """A guest on the node's own layout has its cells, and CPUs that answer in time are scheduled first."""
    cpu = {
        "cores": 2,
        "dedicatedCpuPlacement": True,
        "isolateEmulatorThread": True,
        "numa": {"guestMappingPassthrough": {}},
        "realtime": {},
    }
    memory = {"hugepages": {"pageSize": "2Mi"}}
    spec = guest("", memory="128Mi", domain={"cpu": cpu, "memory": memory})
    spec["domain"]["resources"] = {"requests": {"memory": "128Mi"}, "limits": {"memory": "128Mi"}}
    for node in await suite.items(guests.NODES):
        own = node["metadata"]["name"]
        await label_node(suite, own, {"kubevirt.io/realtime": "true"})
        room = {"hugepages-2Mi": "1Gi"}
        status = {"status": {"capacity": room, "allocatable": room}}
        await suite.patch(f"{guests.NODES}/{own}/status", status, MERGE_PATCH)
    await suite.cluster.settle()
    vmi = await instance(suite, spec)
    found = await launchers.domain(vmi)
    cell = found.find("cpu/numa/cell")
    assert cell is not None
    assert (cell.get("cpus"), cell.get("memory")) == ("0-1", str(128 * 1024))
    assert found.find("numatune/memnode") is not None
    first = found.find("cputune/vcpusched")
    assert first is not None
    assert (first.get("scheduler"), first.get("vcpus")) == ("fifo", "0-1")
    assert found.find("cputune/emulatorpin").get("cpuset") == "2"  # type: ignore[union-attr]
