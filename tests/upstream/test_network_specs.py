"""Interfaces of guests as tests/network has them: told in the status, plugged in and out, links set up and down.

Origin: kubevirt: tests/network/{hotplug_bridge,link_state,multiqueue,port_forward,primary_pod_network,vmi_multus,vmi_networking}.go,
tests/libnet/hotplug.go
"""

from typing import Any

import aiohttp
import pytest

from tests.upstream import consoles
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.guests import (
    MIGRATIONS,
    PODS,
    SUBRESOURCES,
    VMIS,
    Guest,
    Migration,
    a_namespace,
    configure,
    guest,
    instance,
    live_updated,
    machine,
    migrate,
    migrated,
)

NAD = "skynet"
DEVICES = "/domain/devices/interfaces"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    """Slow enough for every state on the way to be seen."""
    return await live_updated(await a_namespace(await suite_of(pace="realistic")))


def bridge(name: str, **more: Any) -> Object:
    return {"name": name, "bridge": {}, **more}


def multus(name: str, nad: str = NAD) -> Object:
    return {"name": name, "multus": {"networkName": nad}}


def connected(*interfaces: Object, image: str = "fedora", **first: Any) -> Object:
    """A guest with the pod's network and these beside it."""
    spec = guest(image)
    devices = spec["domain"]["devices"]
    devices["interfaces"] = [{"name": "default", "masquerade": {}, **first}, *interfaces]
    spec["networks"] = [*spec["networks"], *(multus(one["name"]) for one in interfaces)]
    return spec


async def talking(suite: Suite, spec: Object) -> Guest:
    vm = await machine(suite, spec)
    await vm.has("AgentConnected", seconds=360, of_vm=True)
    return vm


async def plug(vm: Guest, name: str) -> None:
    await vm.change(("add", "/networks/-", multus(name)), ("add", f"{DEVICES}/-", bridge(name)))

    async def asked() -> bool:
        spec = (await vm.vmi())["spec"]
        listed = spec["domain"]["devices"]["interfaces"]
        return multus(name) in spec["networks"] and bridge(name) in listed

    await vm.suite.eventually(asked, 30)


async def unplug(vm: Guest, name: str) -> None:
    listed = (await vm.vm())["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
    wanted = [{**one, "state": "absent"} if one["name"] == name else one for one in listed]
    await vm.change(("test", DEVICES, listed), ("add", DEVICES, wanted))


async def moved_for_it(vm: Guest) -> None:
    """The condition comes, and a migration that nobody asked for by hand brings what is missing."""
    await vm.has("MigrationRequired")

    async def started() -> Any:
        found = await vm.suite.items(MIGRATIONS)
        return [one for one in found if one.get("status", {}).get("phase") != "Succeeded"]

    (made,) = await vm.suite.eventually(started, 30)
    migration = Migration(vm.suite, made)
    await migration.succeeds()
    await migrated(vm, migration)
    await vm.has("MigrationRequired", "")


async def told(vm: Guest) -> dict[str, Object]:
    return {one["name"]: one for one in (await vm.vmi())["status"]["interfaces"]}


async def shows(vm: Guest, *secondary: str) -> None:
    """The status tells exactly these beside the first, from all sources."""

    async def look() -> bool:
        found = await told(vm)
        sources = {one["infoSource"] for name, one in found.items() if name in secondary}
        assert sources <= {"domain, guest-agent, multus-status"}, found
        assert all(one["queueCount"] == 1 and one["mac"] for one in found.values()), found
        return set(found) == {"default", *secondary}

    await vm.suite.eventually(look, 60)


async def test_plugged_in_twice(suite: Suite) -> None:
    """An interface comes by a migration, survives another one, and a second one comes; no restart is asked for."""
    vm = await talking(suite, connected())
    await plug(vm, "iface1")
    waits = next(
        one for one in (await vm.vmi())["status"]["conditions"] if one["type"] == "MigrationRequired"
    )
    assert (waits["status"], waits["reason"]) == ("False", "AutoMigrationPending")
    await moved_for_it(vm)
    await shows(vm, "iface1")
    again = await migrate(vm)
    await again.succeeds()
    await migrated(vm, again)
    await shows(vm, "iface1")
    await plug(vm, "iface2")
    await moved_for_it(vm)
    await shows(vm, "iface1", "iface2")
    assert [one["interfaceName"] for one in (await told(vm)).values()] == ["eth0", "eth1", "eth2"]
    assert "RestartRequired" not in conditions(await vm.vm())


async def test_plugged_out(suite: Suite) -> None:
    """What is absent leaves the guest, by a migration also its launcher, and then both specs; the last one, too."""
    vm = await talking(suite, connected(bridge("red"), bridge("blue")))
    await shows(vm, "red", "blue")

    async def cleared(name: str) -> None:
        async def look() -> bool:
            machine, vmi = await vm.vm(), await vm.vmi()
            for spec in (machine["spec"]["template"]["spec"], vmi["spec"]):
                assert name not in [one["name"] for one in spec["domain"]["devices"]["interfaces"]]
                assert name not in [one["name"] for one in spec["networks"]]
            return name not in await told(vm)

        await suite.eventually(look, 30, 3)

    await unplug(vm, "blue")

    async def leaves() -> bool:
        return (await told(vm))["blue"]["infoSource"] == "multus-status"

    await suite.eventually(leaves, 30)
    await moved_for_it(vm)
    await cleared("blue")
    await shows(vm, "red")
    await unplug(vm, "red")
    by_hand = await migrate(vm)
    await by_hand.succeeds()
    await migrated(vm, by_hand)
    await cleared("red")
    assert len(await suite.items(MIGRATIONS)) == 2, "none is made beside the one made by hand"
    assert "RestartRequired" not in conditions(await vm.vm())


async def test_links_up_and_down(suite: Suite) -> None:
    """Links are as the spec says from the start, and follow it while the guest runs, which sees them so."""
    macs = ("02:00:00:00:00:01", "02:00:00:00:00:02")
    spec = connected(bridge("bridge2", state="down", macAddress=macs[1]), state="up", macAddress=macs[0])
    vm = await talking(suite, spec)
    await consoles.login_to_fedora(vm)
    seen = {"up": "state[[:space:]]+UP", "down": "NO-CARRIER.+state[[:space:]]+DOWN"}

    async def links(*wanted: str) -> None:
        async def look() -> bool:
            return [one["linkState"] for one in (await told(vm)).values()] == list(wanted)

        await suite.eventually(look, 60)
        for mac, state in zip(macs, wanted, strict=True):
            assert await consoles.run(vm, f"ip -one link | grep {mac} | grep -E '{seen[state]}'")

    await links("up", "down")
    await vm.change(("replace", f"{DEVICES}/0/state", "down"), ("replace", f"{DEVICES}/1/state", "up"))
    await links("down", "up")
    assert "RestartRequired" not in conditions(await vm.vm())


async def test_what_needs_a_restart(suite: Suite) -> None:
    """An interface that is taken out of the template, and one that changes its kind."""
    vm = await talking(suite, connected(bridge("red")))
    await vm.change(("remove", f"{DEVICES}/1", None), ("remove", "/networks/1", None))
    await vm.has("RestartRequired", of_vm=True)
    await shows(vm, "red")


async def test_addresses_are_the_pods(suite: Suite) -> None:
    """[4153] V-105: whatever the binding, and whether there is an agent or not; who names no network has the pod's, over a bridge."""
    kinds = {"implicit": None, "bridged": {"bridge": {}}, "masqueraded": {"masquerade": {}}}
    for name, binding in kinds.items():
        for image in ("alpine", "fedora"):
            spec = guest(image)
            spec["domain"]["devices"]["interfaces"] = [{"name": "default", **(binding or {})}]
            if binding is None:
                del spec["domain"]["devices"]["interfaces"], spec["networks"]
            vmi = await instance(suite, spec, f"{name}-{image}")
            made = (await vmi.vmi())["spec"]
            assert made["networks"] == [{"name": "default", "pod": {}}]
            assert made["domain"]["devices"]["interfaces"][0].keys() == {"name", *(binding or {"bridge"})}
            if image == "fedora":
                await vmi.has("AgentConnected", seconds=720)
            pod, (first, *_) = await vmi.pod(), (await vmi.vmi())["status"]["interfaces"]
            assert first["ipAddress"] == pod["status"]["podIP"]
            assert first["ipAddresses"] == [one["ip"] for one in pod["status"]["podIPs"]]


async def test_networks_of_the_launcher(suite: Suite) -> None:
    """Multus is told of secondary networks by name, namespace and MAC; what they are called inside is hashed."""
    spec = connected(bridge("red", macAddress="02:00:00:11:22:33"))
    spec["networks"][1]["multus"]["networkName"] = f"other/{NAD}"
    vmi = await instance(suite, spec)
    pod = await vmi.pod()
    assert pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] == (
        '[{"name":"skynet","namespace":"other","mac":"02:00:00:11:22:33","interface":"podb1f51a511f1"}]'
    )
    first, second = (await vmi.vmi())["status"]["interfaces"]
    assert (first["podInterfaceName"], second["podInterfaceName"]) == ("eth0", "podb1f51a511f1")
    assert second["mac"] == "02:00:00:11:22:33"


async def made(suite: Suite, name: str, **interface: Any) -> Guest:
    """One that runs, whose only interface is like this."""
    spec = guest()
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "masquerade": {}, **interface}]
    return await instance(suite, spec, name)


async def test_addresses_of_cards(suite: Suite) -> None:
    """[1770] [1771] [1772] Another model runs; a MAC is the guest's, however it is written, and told in small letters."""
    await made(suite, "model", model="e1000")
    for name, given, told_as in (
        ("colons", "de:ad:00:00:be:af", "de:ad:00:00:be:af"),
        ("dashes", "BE-AF-00-00-DE-AD", "be:af:00:00:de:ad"),
    ):
        vmi = await made(suite, name, macAddress=given)
        assert (await told(vmi))["default"]["mac"] == told_as


@pytest.mark.parametrize(("model", "count"), [("virtio", 3), ("e1000", 1)])
async def test_queues_are_counted(suite: Suite, model: str, count: int) -> None:
    """[4599] With several queues asked for, the status says how many the card has."""
    spec = guest(domain={"cpu": {"cores": 3, "sockets": 1, "threads": 1}})
    card = {"name": "default", "masquerade": {}, "model": model}
    spec["domain"]["devices"] = {"networkInterfaceMultiqueue": True, "interfaces": [card]}
    spec.pop("volumes")
    vmi = await instance(suite, spec)
    assert (await told(vmi))["default"]["queueCount"] == count


@pytest.mark.parametrize(
    "wrong", [{"model": "gibberish"}, {"macAddress": "de:00c:00c:00:00:de:abc"}], ids=["model", "mac"]
)
async def test_wrong_cards(suite: Suite, wrong: Object) -> None:
    """[700] [1551] Models nobody knows and MACs that are none are refused as invalid."""
    spec = guest()
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "masquerade": {}, **wrong}]
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "v"}}
    assert (await suite.refused("POST", VMIS, {**body, "spec": spec}))["reason"] == "Invalid"


async def test_no_card(suite: Suite) -> None:
    """[1774] [1775] Without the pod's network attached there is no interface, and nothing of networks is asked of the node."""
    spec = guest()
    del spec["domain"]["devices"]["interfaces"], spec["networks"]
    spec["domain"]["devices"]["autoattachPodInterface"] = False
    vmi = await instance(suite, spec)
    assert not (await vmi.vmi())["status"].get("interfaces")
    limits = (await vmi.pod())["spec"]["containers"][0]["resources"].get("limits", {})
    assert not {one for one in limits if "tun" in one or "vhost-net" in one}


async def test_bridges_that_are_not_permitted(suite: Suite) -> None:
    """[2964] A bridge on the pod's network is refused where the cluster does not permit it."""
    await configure(suite, network={"permitBridgeInterfaceOnPodNetwork": False})
    spec = guest()
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "bridge": {}}]
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "v"}}
    answer = await suite.refused("POST", VMIS, {**body, "spec": spec})
    assert "Bridge on pod network configuration is not enabled under kubevirt-config" in answer["message"]


async def test_ports_and_service_meshes(suite: Suite) -> None:
    """Ports are kept as they are given; the launcher says which interface a mesh has to reroute, and takes its sidecar's marks."""
    ports = [{"port": 1500}, {"port": 22, "protocol": "TCP", "name": "ssh"}]
    spec = guest()
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "masquerade": {}, "ports": ports}]
    vmi = await instance(suite, spec, annotations={"sidecar.istio.io/inject": "true"})
    marks = (await vmi.pod())["metadata"]["annotations"]
    assert marks["sidecar.istio.io/inject"] == "true"
    assert marks["istio.io/reroute-virtual-interfaces"] == "k6t-eth0"
    kept = (await vmi.vmi())["spec"]["domain"]["devices"]["interfaces"][0]["ports"]
    assert [one["port"] for one in kept] == [1500, 22]


@pytest.mark.parametrize(
    "declared", [[{"port": 1501}], [], [{"port": 80}]], ids=["declared", "none", "other"]
)
async def test_forwarded_ports(suite: Suite, declared: list[Object]) -> None:
    """What comes for a port reaches a server in a masqueraded guest, unless the guest lists other ports only; the same by way of
    its launcher."""
    spec = guest("cirros")
    spec["domain"]["devices"]["interfaces"] = [{"name": "default", "masquerade": {}, "ports": declared}]
    vmi = await instance(suite, spec)
    await consoles.login_to_cirros(vmi)
    assert await consoles.run(vmi, "nc -klp 1501 -e printf 'Hello World!'&")
    url = f"{suite.url}{SUBRESOURCES}/virtualmachineinstances/{vmi.name}/portforward/1501/tcp"
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(url, protocols=["plain.kubevirt.io"]) as socket:
                heard = await socket.receive_bytes(timeout=30)
        except aiohttp.WSServerHandshakeError:
            heard = b""
    assert heard == (b"" if declared == [{"port": 80}] else b"Hello World!")
    pod = (await vmi.pod())["metadata"]["name"]
    reached = [(await suite.call("GET", f"{PODS}/{pod}:{port}/proxy/"))[0] == 200 for port in (80, 8080)]
    assert reached == [declared != [{"port": 1501}], not declared]


async def test_binding_plugins(suite: Suite) -> None:
    """A plugin that is registered is a binding of the primary network, with the MAC that is given."""
    plugin = {"sidecarImage": "registry:5000/kubevirt/network-passt-binding:devel"}
    await configure(
        suite, network={"binding": {"passt": {**plugin, "networkAttachmentDefinition": "netbindingpasst"}}}
    )
    spec = guest()
    interface = {"name": "default", "binding": {"name": "passt"}, "macAddress": "02:00:00:00:00:02"}
    spec["domain"]["devices"]["interfaces"] = [interface]
    vmi = await instance(suite, spec)
    (only,) = (await told(vmi)).values()
    assert only["mac"] == "02:00:00:00:00:02"
    assert only["ipAddress"]
