"""What commands find in a launcher's `compute` container: without a cluster."""

import json
from xml.etree.ElementTree import fromstring

import pytest

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container
from fakekube.virt.handler import launcher_programs

VMI = {
    "metadata": {"name": "vm", "namespace": "ns", "uid": "u"},
    "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
    "status": {"volumeStatus": [{"name": "disk0", "target": "vda"}]},
}


POD = {"metadata": {"name": "p", "namespace": "ns", "uid": "p"}, "spec": {"containers": []}}


def run(line, vmi=VMI, respawned=0, **more):
    pod = more.pop("pod", POD)
    return shell.line(launcher_programs.compute(Container("p"), pod, vmi, respawned=respawned, **more), line)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("virsh list --name", "ns_vm\n\n"),
        ("virsh -c qemu:///session -q list", " 1    ns_vm   running\n"),
        ("virsh domstate 1", "running\n"),
        ("virsh domname 1", "ns_vm\n"),
        ("virsh dominfo ns_vm | grep 'Used memory' | awk '{print $3}'", "65536\n"),
        ("virsh domblklist ns_vm | grep -c vda", "1\n"),
        ("virsh dumpxml ns_vm | head -n 1", "<domain type='kvm' id='1'>\n"),
        ("pidof qemu-kvm", "79\n"),
        ("pgrep virtqemud", "22\n"),
        ("cat /proc/79/comm", "qemu-kvm\n"),
    ],
)
def test_what_is_told(line, said):
    """virsh and the like tell of the guest that lives there."""
    assert run(line).out == said


def test_no_guest():
    """Before a guest has come, and after it has gone, there is no domain and no QEMU."""
    done = run("virsh dumpxml ns_vm", None)
    assert (done.code, done.err.partition("\n")[0]) == (1, "error: failed to get domain 'ns_vm'")
    assert run("virsh list --name", None).out == "\n"
    assert run("pidof qemu-kvm", None).code == 1
    assert run("virsh frobnicate").err == "error: unknown command: 'frobnicate'\n"


@pytest.mark.parametrize(
    ("line", "act", "code"),
    [
        ("killall -11 qemu-kvm", "crash", 0),
        ("kill -9 79", "crash", 0),
        ("kill -9 $(pidof none)", "", 1),
        ("kill -0 79", "", 0),
        ("pkill -9 virtqemud", "respawn", 0),
        ("pkill none", "", 1),
    ],
)
def test_killing(line, act, code):
    """QEMU's end is its guest's, virtqemud is started anew under another number."""
    done = run(line)
    assert (done.act, done.code) == (act, code)
    assert run("pidof virtqemud", respawned=1).out == "122\n"


def _devices(spec, permitted, pod=POD):
    """The guest's host devices, and what `printenv` says of them."""
    vmi = {**VMI, "spec": {"domain": {**VMI["spec"]["domain"], "devices": spec}}}
    root = fromstring(run("virsh dumpxml 1", vmi, permitted=permitted, pod=pod).out)
    said = dict(
        one.split("=", 1) for one in run("printenv", vmi, permitted=permitted, pod=pod).out.split("\n") if one
    )
    return root, {key: text for key, text in said.items() if "RESOURCE" in key}


def _told(one):
    return one.get("type"), one.get("mode"), one.get("managed"), one.find("alias").get("name")


def test_pci_devices():
    """Each is where the device plugin's variable says, and named after what the instance calls it; generic ones come first."""
    gpus = [
        {"name": "one", "deviceName": "nvidia.com/TU104GL-T4"},
        {"name": "two", "deviceName": "nvidia.com/TU104GL-T4"},
    ]
    spec = {"gpus": gpus, "hostDevices": [{"name": "sound0", "deviceName": "example.org/soundcard"}]}
    root, said = _devices(
        spec,
        {"pciHostDevices": [{"pciVendorSelector": "10de:1eb8", "resourceName": "nvidia.com/TU104GL-T4"}]},
    )
    assert [_told(one) for one in root.iter("hostdev")] == [
        ("pci", "subsystem", "no", "ua-hostdevice-sound0"),
        ("pci", "subsystem", "no", "ua-gpu-one"),
        ("pci", "subsystem", "no", "ua-gpu-two"),
    ]
    places = []
    for one in root.iter("hostdev"):
        domain, bus, slot, function = one.find("source/address").attrib.values()
        places.append(f"{domain[2:]}:{bus[2:]}:{slot[2:]}.{function[2:]}")
    assert said == {
        "PCI_RESOURCE_EXAMPLE_ORG_SOUNDCARD": places[0],
        "PCI_RESOURCE_NVIDIA_COM_TU104GL-T4": f"{places[1]},{places[2]}",
    }
    assert len(set(places)) == 3
    assert root.find("iommufd") is None


@pytest.mark.parametrize(
    ("more", "screen"),
    [
        ({}, ("on", "on")),
        ({"virtualGPUOptions": {}}, (None, None)),
        ({"virtualGPUOptions": {"display": {}}}, ("on", "on")),
        ({"virtualGPUOptions": {"display": {"ramFB": {"enabled": False}}}}, ("on", None)),
        ({"virtualGPUOptions": {"display": {"enabled": False}}}, (None, None)),
    ],
)
def test_mediated_devices(more, screen):
    """A virtual GPU has a screen and shows something from the start, unless its options say otherwise; others have none."""
    permitted = {
        "mediatedDevices": [{"mdevNameSelector": "GRID T4-1Q", "resourceName": "nvidia.com/GRID_T4-1Q"}]
    }
    gpu = {"name": "one", "deviceName": "nvidia.com/GRID_T4-1Q", **more}
    root, said = _devices({"gpus": [gpu]}, permitted)
    (made,) = root.iter("hostdev")
    assert _told(made) == ("mdev", "subsystem", "no", "ua-gpu-one")
    assert (made.get("model"), made.get("display"), made.get("ramfb")) == ("vfio-pci", *screen)
    assert said == {"MDEV_PCI_RESOURCE_NVIDIA_COM_GRID_T4-1Q": made.find("source/address").get("uuid")}


def test_usb_devices():
    """A device on USB is told by its bus and number there."""
    permitted = {
        "usb": [{"resourceName": "kubevirt.io/storage", "selectors": [{"vendor": "46f4", "product": "0001"}]}]
    }
    root, said = _devices({"hostDevices": [{"name": "disk", "deviceName": "kubevirt.io/storage"}]}, permitted)
    (made,) = root.iter("hostdev")
    assert _told(made) == ("usb", "subsystem", "no", "ua-usb-host-disk")
    where = made.find("source/address")
    assert said == {"USB_RESOURCE_KUBEVIRT_IO_STORAGE": f"{where.get('bus')}:{where.get('device')}"}


def test_no_two_devices_are_in_one_place():
    """Guests of one node have devices of their own: none of three hundred is in two places, nor two in one."""
    gpus = {"gpus": [{"name": f"g{index}", "deviceName": "example.org/gpu"} for index in range(3)]}
    places = set()
    for index in range(100):
        pod = {**POD, "metadata": {**POD["metadata"], "uid": f"pod-{index}"}}
        root, _ = _devices(gpus, {}, pod)
        places |= {tuple(one.attrib.values()) for one in root.iterfind(".//hostdev/source/address")}
    assert len(places) == 300


def test_iommufd():
    """A launcher that was given the newer interface to devices has its domain use it, where there are any."""
    limits = {"devices.kubevirt.io/iommufd": "1"}
    pod = {**POD, "spec": {"containers": [{"name": "compute", "resources": {"limits": limits}}]}}
    root, _ = _devices({"hostDevices": [{"name": "sound0", "deviceName": "example.org/soundcard"}]}, {}, pod)
    assert root.find("iommufd").attrib == {"enabled": "yes", "fdgroup": "iommu"}


def test_cards():
    """A guest's card is the function of the host's that its network was given."""
    told = {"network": "fast", "deviceInfo": {"type": "pci", "pci": {"pci-address": "0000:65:02.3"}}}
    marks = {"kubevirt.io/network-info": json.dumps({"interfaces": [told]})}
    pod = {**POD, "metadata": {**POD["metadata"], "annotations": marks}}
    root, _ = _devices({"interfaces": [{"name": "fast", "sriov": {}}]}, {}, pod)
    (made,) = root.iter("hostdev")
    assert _told(made)[3] == "ua-sriov-fast"
    assert made.find("source/address").attrib == {
        "domain": "0x0000",
        "bus": "0x65",
        "slot": "0x02",
        "function": "0x3",
    }


def test_interfaces_of_the_domain():
    """Those the guest has, each where it was put and numbered as it was told: not what is to come, nor what has gone."""
    interfaces = [
        {"name": "default", "masquerade": {}, "acpiIndex": 101},
        {"name": "gone", "bridge": {}, "state": "absent"},
        {"name": "put", "bridge": {}, "pciAddress": "0000:05:00.0"},
        {"name": "coming", "bridge": {}},
    ]
    told = {"default": "domain", "gone": "multus-status", "put": "domain, multus-status"}
    disks = [
        {"name": "disk0", "disk": {"bus": "virtio"}},
        {"name": "put", "disk": {"bus": "virtio", "pciAddress": "0000:07:00.0"}},
    ]
    vmi = {
        "metadata": VMI["metadata"],
        "spec": {"domain": {"devices": {"interfaces": interfaces, "disks": disks}}},
        "status": {"interfaces": [{"name": own, "infoSource": source} for own, source in told.items()]},
    }

    root = fromstring(run("virsh dumpxml 1", vmi).out)
    cards = [
        (one.find("alias").get("name"), one.find("address").get("bus"), one.find("target").get("dev"))
        for one in root.findall("devices/interface")
    ]
    assert cards == [("ua-default", "0x01", "tap0"), ("ua-put", "0x05", "tap2")]
    assert [one.get("index") for one in root.findall("devices/interface/acpi")] == ["101"]
    addresses = [one.get("bus") for one in root.findall("devices/*/address[@type='pci']")]
    assert len(addresses) == len(set(addresses)), "no two devices are in one place"
    assert root.findall("devices/disk")[1].find("address").get("bus") == "0x07"


@pytest.mark.parametrize(
    ("marks", "place", "ports"),
    [
        ({}, "", 8),
        ({}, "0000:21:00.0", 0x21),
        ({"kubevirt.io/placePCIDevicesOnRootComplex": "true"}, "", 0),
        ({"kubevirt.io/placePCIDevicesOnRootComplex": "true"}, "0000:03:00.0", 3),
    ],
)
def test_ports_before_buses(marks, place, ports):
    """There is one for each bus up to the last that is used, and none before the first."""
    card = {"name": "default", "masquerade": {}, "pciAddress": place}
    vmi = {
        "metadata": {**VMI["metadata"], "annotations": marks},
        "spec": {"domain": {"devices": {"interfaces": [card]}}},
    }
    root = fromstring(run("virsh dumpxml 1", vmi).out)
    found = root.findall("devices/controller[@model='pcie-root-port']")
    assert [one.get("index") for one in found] == [str(index) for index in range(1, ports + 1)]
