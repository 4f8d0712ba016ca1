"""Networks beside the cluster's own, where Multus is installed: definitions, cards of nodes, what plugins bring along.

Origin: kubevirt: tests/network/{vmi_multus,vmi_pod_iface_name,sriov,hotplug_sriov,nad_live_update,bindingplugin,
bindingplugin_passt,bindingplugin_macvtap,vmi_istio,vmi_networking_ordered,kubectl}.go, tests/migration/migration.go, tests/libnet
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.upstream import consoles, launchers
from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import (
    EVENTS,
    MIGRATIONS,
    NODES,
    NS,
    PODS,
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

_MULTUS = Path(__file__).parents[2] / "examples/multus.yaml"
CARD = "kubevirt.io/sriov_net"
OTHER = "kubevirt-test-alternative1"
STATUS, NETWORKS = "k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks"
DEVICES = "/domain/devices/interfaces"
SHUT = {"developerConfiguration": {"disabledFeatureGates": ["ExternalNetResourceInjection"]}}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    """With Multus, and four cards on each node."""
    made = await live_updated(await a_namespace(await suite_of(pace="realistic")))
    await made.create("/api/v1/namespaces", {"metadata": {"name": OTHER}})
    await made.cluster.apply([yaml.safe_load(_MULTUS.read_text())])
    for node in await made.items(NODES):
        path = f"{NODES}/{node['metadata']['name']}/status"
        added = [
            {"op": "add", "path": f"/status/{kind}/kubevirt.io~1sriov_net", "value": "4"}
            for kind in ("capacity", "allocatable")
        ]
        await made.patch(path, added, JSON_PATCH)
    await made.cluster.settle()
    return made


async def define(
    suite: Suite, name: str, *, space: str = NS, card: str = "", ipam: Object | None = None
) -> None:
    """A NetworkAttachmentDefinition as the specs make them."""
    plugin = {"type": "sriov" if card else "bridge", **({"ipam": ipam} if ipam else {})}
    config = json.dumps({"cniVersion": "0.3.1", "name": name, "plugins": [plugin, {"type": "tuning"}]})
    meta = {"name": name, "annotations": {"k8s.v1.cni.cncf.io/resourceName": card} if card else {}}
    body = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition", "metadata": meta}
    path = f"/apis/k8s.cni.cncf.io/v1/namespaces/{space}/network-attachment-definitions"
    await suite.create(path, {**body, "spec": {"config": config}})


def on(*names: str, kind: str = "bridge", image: str = "fedora", **interface: Any) -> Object:
    """A guest on the pod's network and on these, each called as its definition is."""
    spec = guest(image)
    spec["domain"]["devices"]["interfaces"] += [{"name": one, kind: {}, **interface} for one in names]
    spec["networks"] += [{"name": one, "multus": {"networkName": one}} for one in names]
    return spec


def alone_on(network: str, **multus: Any) -> Object:
    """A guest without the pod's network."""
    spec = guest("fedora")
    spec["domain"]["devices"]["interfaces"] = [{"name": "ptp", "bridge": {}}]
    spec["networks"] = [{"name": "ptp", "multus": {"networkName": network, **multus}}]
    return spec


async def talking(suite: Suite, spec: Object, name: str = "testvmi-abcde", **meta: Any) -> Guest:
    vmi = await instance(suite, spec, name, **meta)
    await vmi.has("AgentConnected", seconds=720)
    return vmi


async def told(vmi: Guest) -> list[Object]:
    return list((await vmi.vmi())["status"]["interfaces"])


async def in_pod(vmi: Guest) -> list[Object]:
    """What Multus says of the launcher."""
    return list(json.loads((await vmi.pod())["metadata"]["annotations"][STATUS]))


async def created(suite: Suite, spec: Object, name: str = "testvmi-abcde") -> Guest:
    """One nobody waits for."""
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    await suite.create(VMIS, {**body, "metadata": {"name": name}})
    return Guest(suite, name)


async def test_one_interface(suite: Suite) -> None:
    """[1751] [1752] A network of this namespace, or of another one."""
    await define(suite, "ptp-conf-1")
    await define(suite, "ptp-conf-2", space=OTHER)
    for number, network in enumerate(("ptp-conf-1", f"{OTHER}/ptp-conf-2")):
        vmi = await talking(suite, alone_on(network), f"vmi-{number}")
        (only,) = await told(vmi)
        assert (only["name"], only["infoSource"]) == ("ptp", "domain, guest-agent, multus-status")
        assert [one["name"] for one in await in_pod(vmi)][1:] == [
            network if "/" in network else f"{NS}/{network}"
        ]


async def test_a_default_network(suite: Suite) -> None:
    """[1751] A network in place of the cluster's: the guest's interface is the pod's first one, with its address."""
    await define(suite, "ptp-conf-1")
    vmi = await talking(suite, alone_on(f"{NS}/ptp-conf-1", default=True))
    (only,) = await told(vmi)
    assert (only["podInterfaceName"], only["infoSource"]) == ("eth0", "domain, guest-agent")
    assert only["ipAddress"] == (await vmi.pod())["status"]["podIP"]
    (first,) = await in_pod(vmi)
    assert (first["name"], first["default"]) == (f"{NS}/ptp-conf-1", True)


async def test_addresses_of_the_network(suite: Suite) -> None:
    """A network with addresses of its own gives each guest one, which the status tells."""
    await define(suite, "linux-bridge-net-ipam", ipam={"type": "host-local", "subnet": "10.1.1.0/24"})
    one, two = [await talking(suite, on("linux-bridge-net-ipam"), f"vmi-{number}") for number in range(2)]
    addresses = [(await told(vmi))[1]["ipAddress"] for vmi in (one, two)]
    assert addresses == ["10.1.1.2", "10.1.1.3"]
    assert (await told(one))[1]["ipAddresses"] == ["10.1.1.2"]


async def test_all_interfaces_are_told(suite: Suite) -> None:
    """[1756] [1757] [676] Each with an address of its own, the given one where one is given, and its name in the guest."""
    await define(suite, "linux-bridge")
    vmi = await talking(suite, on("linux-bridge", macAddress="50:00:00:00:90:0d"))
    first, second = await told(vmi)
    assert (first["name"], first["interfaceName"]) == ("default", "eth0")
    assert (second["name"], second["interfaceName"]) == ("linux-bridge", "eth1")
    assert second["mac"] == "50:00:00:00:90:0d" != first["mac"]
    assert (await in_pod(vmi))[1]["mac"] == "50:00:00:00:90:0d"


async def test_the_first_address(suite: Suite) -> None:
    """Wherever the pods' network is in the spec, its address is told first, as it is printed; in the guest it is where it was."""
    await define(suite, "linux-br")
    spec = guest("alpine")
    interfaces = [{"name": one, "bridge": {}} for one in ("nic1", "default", "nic2")]
    spec["domain"]["devices"]["interfaces"] = interfaces
    spec["networks"] += [{"name": one, "multus": {"networkName": "linux-br"}} for one in ("nic1", "nic2")]
    vmi = await instance(suite, spec)
    first, *rest = await told(vmi)
    assert first["name"] == "default"
    assert [one["name"] for one in rest] == ["nic1", "nic2"]
    _, table = await suite.call("GET", vmi.path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    names = [one["name"] for one in table["columnDefinitions"]]
    assert table["rows"][0]["cells"][names.index("IP")] == first["ipAddress"]
    await consoles.login_to_alpine(vmi)
    for number, one in enumerate((rest[0], first, rest[1])):
        assert await consoles.told(vmi, f"cat /sys/class/net/eth{number}/address") == one["mac"]


async def test_names_of_interfaces_in_pods(suite: Suite) -> None:
    """Names of interfaces inside launchers follow from those of networks."""
    await define(suite, "blue-net")
    spec = on("blue-network", "red-network")
    for one in spec["networks"][1:]:
        one["multus"]["networkName"] = "blue-net"
    vmi = await instance(suite, spec)
    assert {one["name"]: one["podInterfaceName"] for one in await told(vmi)} == {
        "default": "eth0",
        "blue-network": "podd05c0e2a83b",
        "red-network": "pod3c12b9d89fa",
    }


async def test_a_network_that_is_not_there(suite: Suite) -> None:
    """The launcher is made and waits for its network; Multus says which one is missing. Once it is there the guest starts."""
    vmi = await created(suite, on("skynet"))
    await vmi.is_in("Scheduling")

    async def look() -> list[str]:
        (pod,) = await vmi.pods()
        found = await suite.items(EVENTS, fieldSelector=f"involvedObject.name={pod['metadata']['name']}")
        return [one["message"] for one in found if one["reason"] == "NoNetworkFound"]

    (message,) = await suite.eventually(look, 30)
    assert message == (
        f"cannot find a network-attachment-definition (skynet) in namespace ({NS}): "
        'network-attachment-definitions.k8s.cni.cncf.io "skynet" not found'
    )
    await suite.cluster.advance(120)
    await vmi.is_in("Scheduling", 0)
    await define(suite, "skynet")
    await vmi.is_in("Running")


async def test_a_network_that_virt_controller_looks_for(suite: Suite) -> None:
    """With ExternalNetResourceInjection shut, virt-controller asks for the network itself, and makes no launcher without it."""
    await configure(suite, **SHUT)
    vmi = await created(suite, on("skynet"))

    async def look() -> Object | None:
        listed = (await vmi.vmi())["status"].get("conditions", ())
        return next((one for one in listed if one["type"] == "Synchronized"), None)

    why = await suite.eventually(look, 30)
    text = f"failed to render launch manifest: failed to locate network attachment definition {NS}/skynet"
    assert (why["status"], why["reason"], why["message"]) == ("False", "FailedCreate", text)
    assert await suite.items(PODS) == []
    await define(suite, "skynet")
    await vmi.is_in("Running")
    assert "Synchronized" not in conditions(await vmi.vmi())


async def test_a_card(suite: Suite) -> None:
    """[1754] [3985] A network served by cards takes one of the node's for the launcher, tells which, and the guest has it."""
    await define(suite, "sriov", card=CARD)
    vmi = await talking(suite, on("sriov", kind="sriov", macAddress="de:ad:00:00:be:ef"))
    resources = (await vmi.pod())["spec"]["containers"][0]["resources"]
    assert (resources["requests"][CARD], resources["limits"][CARD]) == ("1", "1")
    card = (await told(vmi))[1]
    assert (card["name"], card["mac"], card["interfaceName"]) == ("sriov", "de:ad:00:00:be:ef", "eth1")
    assert card["infoSource"] == "domain, guest-agent, multus-status"
    assert "queueCount" not in card
    info = json.loads((await vmi.pod())["metadata"]["annotations"]["kubevirt.io/network-info"])
    device = (await in_pod(vmi))[1]["device-info"]
    assert info == {"interfaces": [{"network": "sriov", "deviceInfo": device, "mac": card["mac"]}]}
    alias = (await launchers.domain(vmi)).find("devices/hostdev/alias")
    assert alias is not None
    assert alias.get("name") == "ua-sriov-sriov"


async def test_several_cards(suite: Suite) -> None:
    """[1755] Networks served by the same resource take so many of it; who finds too few is unschedulable."""
    names = [f"sriov{number}" for number in range(1, 5)]
    for one in names:
        await define(suite, one, card=CARD)
    await configure(suite, **SHUT)
    for number in range(2):
        vmi = await talking(suite, on(*names, kind="sriov"), f"vmi-{number}")
        assert (await vmi.pod())["spec"]["containers"][0]["resources"]["limits"][CARD] == "4"
    vmi = await created(suite, on(names[0], kind="sriov"), "vmi-2")
    await vmi.has("PodScheduled", "False")
    why = next(one for one in (await vmi.vmi())["status"]["conditions"] if one["type"] == "PodScheduled")
    assert f"Insufficient {CARD}" in why["message"]


async def test_cards_where_they_were_put(suite: Suite) -> None:
    """[1755] Each is at the PCI address it was given, in the guest and in its domain."""
    names = [f"sriov{number}" for number in range(1, 5)]
    for one in names:
        await define(suite, one, card=CARD)
    spec = on(*names, kind="sriov")
    for number, one in enumerate(spec["domain"]["devices"]["interfaces"][1:], 1):
        one |= {"macAddress": f"de:ad:00:be:ef:0{number}", "pciAddress": f"0000:2{number}:00.0"}
    vmi = await talking(suite, spec)
    await consoles.login_to_fedora(vmi)
    for number, card in enumerate((await told(vmi))[1:], 1):
        uevent = f"/sys/class/net/{card['interfaceName']}/device/uevent"
        assert card["mac"] == f"de:ad:00:be:ef:0{number}"
        assert await consoles.run(vmi, f"grep -q PCI_SLOT_NAME=0000:2{number}:00.0 {uevent}")
    assert await consoles.run(vmi, "grep -q 0000:23:00.0 /sys/class/net/*/device/uevent")
    assert not await consoles.run(vmi, "grep -q 0000:25:00.0 /sys/class/net/*/device/uevent")
    buses = [one.get("bus") for one in (await launchers.domain(vmi)).findall("devices/hostdev/address")]
    assert buses == ["0x21", "0x22", "0x23", "0x24"]


@pytest.mark.parametrize("on_root", [True, False])
async def test_cards_on_the_first_bus(suite: Suite, on_root: bool) -> None:
    """[1754] Where the instance says so, all cards are on the first bus, with no port before them."""
    await define(suite, "sriov", card=CARD)
    marks = {"annotations": {"kubevirt.io/placePCIDevicesOnRootComplex": "true"}} if on_root else {}
    vmi = await talking(suite, on("sriov", kind="sriov"), **marks)
    await consoles.login_to_fedora(vmi)
    for own, below in (("eth0", "virtio0/net"), ("eth1", "net")):
        found = await consoles.told(vmi, f"find /sys/devices/pci0000:00/ -regex '.*/{own}/address'")
        assert found.removesuffix(f"/{below}/{own}/address").count("/0000:") == (1 if on_root else 2), found


async def test_memory_beside_cards(suite: Suite) -> None:
    """[3959] What cards map is reckoned with, also of a guest with CPUs of its own."""
    await define(suite, "sriov", card=CARD)
    sizes = []
    for number, spec in enumerate((guest("fedora"), on("sriov", kind="sriov"))):
        spec["domain"]["cpu"] = {"cores": 2, "dedicatedCpuPlacement": True}
        vmi = await talking(suite, spec, f"vmi-{number}")
        sizes.append(int((await vmi.pod())["metadata"]["annotations"]["kubevirt.io/memory-overhead-bytes"]))
    assert sizes[1] - sizes[0] == 2**30


async def test_a_card_moves_along(suite: Suite) -> None:
    """A guest keeps its card's address, and what is told of it, when it moves; the target takes a card of its own node."""
    await define(suite, "sriov", card=CARD)
    vmi = await talking(suite, on("sriov", kind="sriov", macAddress="de:ad:00:00:be:ef"))
    before = (await told(vmi))[1]
    migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
    assert (await told(vmi))[1] == before
    assert (await vmi.pod())["spec"]["containers"][0]["resources"]["limits"][CARD] == "1"


async def test_a_card_is_plugged_in(suite: Suite) -> None:
    """A card comes by a migration that is due at once, as nobody could plug it in where the guest is."""
    await define(suite, "skynet", card=CARD)
    vm = await machine(suite, guest("fedora"))
    await vm.has("AgentConnected", seconds=360, of_vm=True)
    await vm.change(
        ("add", "/networks/-", {"name": "iface1", "multus": {"networkName": "skynet"}}),
        ("add", f"{DEVICES}/-", {"name": "iface1", "sriov": {}, "macAddress": "02:00:00:00:00:07"}),
    )
    await vm.has("MigrationRequired")
    required = next(
        one for one in (await vm.vmi())["status"]["conditions"] if one["type"] == "MigrationRequired"
    )
    assert required["reason"] == "AutoMigrationDueToLiveUpdate"

    async def started() -> list[Object]:
        return await suite.items(MIGRATIONS)

    (made,) = await suite.eventually(started, 30)
    migration = Migration(suite, made)
    await migration.succeeds()
    await migrated(vm, migration)
    card = (await told(vm))[1]
    assert (card["mac"], card["infoSource"]) == ("02:00:00:00:00:07", "domain, guest-agent, multus-status")
    assert "queueCount" not in card


async def test_another_network(suite: Suite) -> None:
    """A machine that is moved to another network moves to another node for it, and is on that network there."""
    await define(suite, "nad-1")
    await define(suite, "nad-2")
    await configure(suite, developerConfiguration={"featureGates": ["LiveUpdateNADRef"]})
    vm = await machine(suite, alone_on("nad-1"))
    await vm.has("AgentConnected", seconds=360, of_vm=True)
    before = await vm.node()
    await vm.change(("replace", "/networks/0/multus/networkName", "nad-2"))
    await vm.has("MigrationRequired")

    async def moved() -> bool:
        return await vm.node() != before

    await suite.eventually(moved, 300)
    await vm.has("MigrationRequired", "")
    assert (await in_pod(vm))[1]["name"] == f"{NS}/nad-2"
    assert "RestartRequired" not in conditions(await vm.vm())


async def attach(vm: Guest) -> list[str]:
    """Plug networks into the launcher and out of it, as whoever does that while pods run; what it was asked for."""
    pod = await vm.pod()
    marks = pod["metadata"]["annotations"]
    asked = json.loads(marks["k8s.v1.cni.cncf.io/networks"] or "[]")
    first = next(
        one for one in json.loads(marks.get(STATUS, "[]")) or [{"default": True}] if one.get("default")
    )
    there = [{"name": f"{NS}/{one['name']}", "interface": one["interface"]} for one in asked]
    mark = {"metadata": {"annotations": {STATUS: json.dumps([first, *there])}}}
    await vm.suite.patch(f"{PODS}/{pod['metadata']['name']}", mark, MERGE_PATCH)
    return [one["name"] for one in asked]


async def test_a_network_for_migrations(suite: Suite) -> None:
    """Guests migrate over the network their cluster has for that: virt-handlers are on it, and listen there; until they are not."""
    ipam = {"type": "host-local", "subnet": "172.21.42.0/24"}
    await define(suite, "migration-bridge", space="kubevirt", ipam=ipam)
    vmi = await instance(suite, guest())
    handlers = f"{PODS.replace(NS, 'kubevirt')}"

    async def networks() -> list[str | None]:
        found = await suite.items(handlers, "kubevirt.io=virt-handler", fieldSelector="status.phase=Running")
        return [one["metadata"].get("annotations", {}).get(NETWORKS) for one in found]

    for wanted in ("migration-bridge", None):
        await configure(suite, migrations={"network": wanted})

        async def replaced(wanted: str | None = wanted) -> bool:
            return await networks() == [wanted and f"{wanted}@migration0"] * 2

        await suite.eventually(replaced, 300)
        migration = await migrate(vmi)
        await migration.succeeds()
        address = (await migrated(vmi, migration))["status"]["migrationState"]["targetNodeAddress"]
        assert address.startswith("172.21.42.") is bool(wanted)
    for one in ("daemonsets/virt-handler", "deployments/virt-controller"):
        meta = (await suite.get(f"/apis/apps/v1/namespaces/kubevirt/{one}"))["metadata"]
        assert NETWORKS not in meta["annotations"]


async def test_plugged_in_place(suite: Suite) -> None:
    """Who plugs networks into running pods learns from the launcher which ones; the guest gets them, and loses them, where it
    is."""
    await define(suite, "skynet")
    vm = await machine(suite, guest("fedora"))
    await vm.has("AgentConnected", seconds=360, of_vm=True)
    pod = await vm.pod()
    await vm.change(
        ("add", "/networks/-", {"name": "iface1", "multus": {"networkName": "skynet"}}),
        ("add", f"{DEVICES}/-", {"name": "iface1", "bridge": {}}),
    )
    await suite.cluster.advance(2)
    assert await attach(vm) == ["skynet"]

    async def plugged() -> bool:
        return [one["infoSource"] for one in await told(vm)][1:] == ["domain, guest-agent, multus-status"]

    await suite.eventually(plugged, 30)
    await vm.has("MigrationRequired", "")
    listed = (await vm.vm())["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
    await vm.change(("add", DEVICES, [listed[0], {**listed[1], "state": "absent"}]))
    await suite.cluster.advance(2)
    assert await attach(vm) == []

    async def cleared() -> bool:
        specs = (await vm.vm())["spec"]["template"]["spec"], (await vm.vmi())["spec"]
        return all(len(one["networks"]) == 1 for one in specs) and len(await told(vm)) == 1

    await suite.eventually(cleared, 30)
    assert (await vm.pod())["metadata"]["uid"] == pod["metadata"]["uid"]
    assert await suite.items(MIGRATIONS) == []
    assert "RestartRequired" not in conditions(await vm.vm())


PASST = {
    "sidecarImage": "registry:5000/kubevirt/network-passt-binding:devel",
    "networkAttachmentDefinition": "netbindingpasst",
    "migration": {},
    "computeResourceOverhead": {"requests": {"memory": "500Mi"}},
}


def bound(binding: str = "passt") -> Object:
    spec = guest("fedora")
    spec["domain"]["devices"]["interfaces"] = [
        {"name": "default", "binding": {"name": binding}, "macAddress": "02:02:02:02:02:02"}
    ]
    return spec


async def test_a_binding_plugin(suite: Suite) -> None:
    """A plugin brings its helper, its own network and its memory; what it binds has the pod's address, also after a move."""
    await configure(suite, network={"binding": {"passt": PASST}})
    await define(suite, "netbindingpasst")
    plain = await instance(suite, guest("fedora"), "plain")
    vmi = await talking(suite, bound())
    (only,) = await told(vmi)
    pod = await vmi.pod()
    assert (only["mac"], only["ipAddress"]) == ("02:02:02:02:02:02", pod["status"]["podIP"])
    helper = next(one for one in pod["spec"]["containers"] if one["name"] == "hook-sidecar-0")
    assert (helper["image"], helper["resources"]) == (PASST["sidecarImage"], {})
    arguments = pod["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--hook-sidecars") + 1] == "1"
    assert pod["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] == (
        f'[{{"name":"netbindingpasst","namespace":"{NS}","cni-args":{{"logicNetworkName":"default"}}}}]'
    )
    overhead = [
        int(one["metadata"]["annotations"]["kubevirt.io/memory-overhead-bytes"])
        for one in (await plain.pod(), pod)
    ]
    assert overhead[1] - overhead[0] == 500 * 2**20
    migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
    assert (await told(vmi))[0]["ipAddress"] == (await vmi.pod())["status"]["podIP"] != only["ipAddress"]


async def test_a_plugin_that_does_not_move(suite: Suite) -> None:
    """A plugin that says nothing of migrations keeps its guest where it is."""
    await configure(suite, network={"binding": {"still": {"domainAttachmentType": "tap"}}})
    vmi = await instance(suite, bound("still"))
    why = next(one for one in (await vmi.vmi())["status"]["conditions"] if one["type"] == "LiveMigratable")
    assert (why["status"], why["reason"]) == ("False", "InterfaceNotLiveMigratable")


async def test_a_plugin_beside_cpus_of_its_own(suite: Suite) -> None:
    """Where the guest's CPUs are its own, the plugin's helper is guaranteed what it may use."""
    await configure(suite, network={"binding": {"passt": PASST}})
    await define(suite, "netbindingpasst")
    spec = bound()
    spec["domain"]["cpu"] = {"cores": 2, "dedicatedCpuPlacement": True}
    vmi = await instance(suite, spec)
    assert (await vmi.vmi())["status"]["qosClass"] == "Guaranteed"
    helper = next(one for one in (await vmi.pod())["spec"]["containers"] if one["name"] == "hook-sidecar-0")
    most = {"cpu": "200m", "memory": "64M"}
    assert helper["resources"] == {"limits": most, "requests": most}


async def test_plugins_and_their_networks(suite: Suite) -> None:
    """A plugin nobody has registered is told, and there is no launcher; one whose network is missing waits for it."""
    vmi = await created(suite, bound("gone"), "unknown")
    await vmi.has("Synchronized", "False")
    why = next(one for one in (await vmi.vmi())["status"]["conditions"] if one["type"] == "Synchronized")
    assert why["message"] == (
        "failed to render launch manifest: couldn't find configuration for network binding: gone"
    )
    await configure(suite, network={"binding": {"passt": PASST}})
    waiting = await created(suite, bound())
    await waiting.is_in("Scheduling")
    await suite.cluster.advance(60)
    await waiting.is_in("Scheduling", 0)
    await define(suite, "netbindingpasst")
    await waiting.is_in("Running")


async def test_macvtap(suite: Suite) -> None:
    """A plugin without helper binds a secondary network; the guest's address is the given one, and moves along."""
    await configure(suite, network={"binding": {"macvtap": {"domainAttachmentType": "tap"}}})
    await define(suite, "net1", card="macvtap.network.kubevirt.io/eth0")
    spec = alone_on("net1")
    interface = {"name": "ptp", "binding": {"name": "macvtap"}, "macAddress": "02:00:00:00:00:09"}
    spec["domain"]["devices"]["interfaces"] = [interface]
    vmi = await created(suite, spec)
    await vmi.has("PodScheduled", "False")
    for node in await suite.items(NODES):
        path = f"{NODES}/{node['metadata']['name']}/status"
        own = "macvtap.network.kubevirt.io~1eth0"
        await suite.patch(
            path, [{"op": "add", "path": f"/status/allocatable/{own}", "value": "50"}], JSON_PATCH
        )
    await vmi.is_in("Running")
    migration = await migrate(vmi)
    await migration.succeeds()
    await migrated(vmi, migration)
    (only,) = await told(vmi)
    assert only["mac"] == "02:00:00:00:00:09"


async def test_a_service_mesh(suite: Suite) -> None:
    """The proxy of a mesh asks the API server as the pod: a launcher that gets one has its token mounted, others have not."""
    meshed = await instance(suite, guest(), "meshed", annotations={"sidecar.istio.io/inject": "true"})
    plain = await instance(suite, guest(), "plain")
    assert [(await one.pod())["spec"]["automountServiceAccountToken"] for one in (meshed, plain)] == [
        True,
        False,
    ]
