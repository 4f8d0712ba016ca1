"""What a guest is configured with, as values."""

import json

import pytest

from fakekube.virt.handler import guest_config
from fakekube.virt.handler.guest_programs import home_of
from fakekube.virt.hostname import domain, searched


def vmi(*volumes, credentials=(), agent=False, **spec):
    disks = [{"name": f"v{number}", **source} for number, source in enumerate(volumes)]
    targets = [{"name": f"v{number}", "target": f"vd{chr(97 + number)}"} for number in range(len(volumes))]
    connected = [{"type": "AgentConnected", "status": "True"}] if agent else []
    return {
        "metadata": {"name": "vm", "namespace": "ns", "labels": {"a": "1"}},
        "spec": {"volumes": disks, "accessCredentials": list(credentials), **spec},
        "status": {"volumeStatus": targets, "conditions": connected},
    }


def cloud_init(data):
    return guest_config.contents(vmi({"cloudInitNoCloud": {"userData": data}}), "", {})


def test_cloud_configs():
    """Keys, files, commands and the host's name are understood; scripts are run as they are."""
    found = cloud_init(
        "#cloud-config\nfqdn: h.example.com\nssh_authorized_keys: [k1]\n"
        "users: [default, {name: u, ssh_authorized_keys: [k2, k3]}]\n"
        "write_files: [{path: /etc/x, content: hello}]\n"
        "bootcmd: [echo a]\nruncmd: [[echo, b c], date]\n"
    )
    assert found.hostname == "h.example.com"
    assert found.files == {
        f"{home_of('fedora')}/.ssh/authorized_keys": "k1\n",
        f"{home_of('u')}/.ssh/authorized_keys": "k2\nk3\n",
        "/etc/x": "hello",
    }
    assert (found.each_time, found.script) == ("echo a", "echo 'b c'\ndate")
    assert found.identity == "vm.ns\n"
    assert cloud_init("#!/bin/sh\necho a").script == "#!/bin/sh\necho a"


@pytest.mark.parametrize(
    "data", ["", "echo", "#cloud-config\n- a\n- b", "#cloud-config\na: [", "#cloud-config\nusers: 1"]
)
def test_what_cloud_init_does_not_understand(data):
    """It goes on without."""
    found = cloud_init(data)
    assert (found.hostname, found.script, found.files, found.identity) == ("", "", {}, "vm.ns\n")


def test_what_has_to_be_read():
    """The objects volumes and credentials name; ordinary guests need nothing."""
    ordinary = vmi({"containerDisk": {"image": "x"}}, {"dataVolume": {"name": "x"}})
    del ordinary["spec"]["accessCredentials"]
    assert not guest_config.is_configured(ordinary)
    password = {
        "userPassword": {
            "source": {"secret": {"secretName": "p"}},
            "propagationMethod": {"qemuGuestAgent": {}},
        }
    }
    found = vmi(
        {"cloudInitConfigDrive": {"secretRef": {"name": "u"}, "networkDataSecretRef": {"name": "n"}}},
        {"configMap": {"name": "c"}},
        {"sysprep": {"secret": {"name": "s"}}},
        {"serviceAccount": {"serviceAccountName": "default"}},
        credentials=[password],
    )
    assert guest_config.is_configured(found)
    wanted = {("secret", "u"), ("secret", "n"), ("configMap", "c"), ("secret", "s"), ("secret", "p")}
    assert set(guest_config.wanted(found)) == wanted


def test_disks():
    """Each lies under its device, with the label its readers know."""
    volumes = (
        {"configMap": {"name": "c"}},
        {"secret": {"secretName": "s", "volumeLabel": "mine"}},
        {"sysprep": {"configMap": {"name": "c"}}},
        {"downwardAPI": {"fields": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"serviceAccount": {"serviceAccountName": "default"}},
        {"cloudInitConfigDrive": {"userData": "x"}},
        {"containerDisk": {"image": "x"}},
    )
    there = {("configMap", "c"): {"k": "v"}, ("secret", "s"): {"t": "w"}}
    disks = guest_config.contents(vmi(*volumes), "", there).disks
    told = {device: (disk.label, dict(disk.files)) for device, disk in disks.items()}
    config = told.pop("vdf")
    assert told == {
        "vda": ("cfgdata", {"k": "v"}),
        "vdb": ("mine", {"t": "w"}),
        "vdc": ("unattendCfg", {"k": "v"}),
        "vdd": ("cfgdata", {"l": 'a="1"'}),
        "vde": ("cfgdata", {"namespace": "ns"}),
    }
    assert config[0] == "config-2"
    assert config[1]["openstack/latest/meta_data.json"] == '{"instance_id":"vm.ns","hostname":"vm"}'


@pytest.mark.parametrize(
    ("cpu", "near"),
    [
        ({"cores": 2}, {}),
        ({"cores": 2, "dedicatedCpuPlacement": True}, {"alignedCPUs": [0, 1]}),
        ({"cores": 2, "dedicatedCpuPlacement": True, "numa": {"guestMappingPassthrough": {}}}, {}),
    ],
)
def test_tagged_cards(cpu, near):
    """Those of the host come last, without a MAC, and with the CPUs that are near them where these are the guest's own."""
    listed = [
        {"name": "card", "sriov": {}, "tag": "fast", "pciAddress": "0000:06:00.0"},
        {"name": "plain", "bridge": {}},
        {"name": "default", "masquerade": {}, "tag": "first", "macAddress": "02-00-00-00-00-0A"},
    ]
    made = vmi({"cloudInitConfigDrive": {}}, domain={"cpu": cpu, "devices": {"interfaces": listed}})
    (disk,) = guest_config.contents(made, "", {}).disks.values()
    nic = {"type": "nic", "bus": "pci"}
    assert json.loads(disk.files["openstack/latest/meta_data.json"])["devices"] == [
        {**nic, "address": "0000:02:00.0", "mac": "02:00:00:00:00:0a", "tags": ["first"]},
        {**nic, "address": "0000:06:00.0", **near, "tags": ["fast"]},
    ]


def test_keys_come_by_the_agent_while_it_is_there():
    """Then they are those of now, of each user."""
    key = {
        "source": {"secret": {"secretName": "s"}},
        "propagationMethod": {"qemuGuestAgent": {"users": ["root", "u"]}},
    }
    there = {("secret", "s"): {"a": "k1", "b": "k2\n"}}
    assert guest_config.contents(vmi(credentials=[{"sshPublicKey": key}]), "", there).keys == {}
    found = guest_config.contents(vmi(credentials=[{"sshPublicKey": key}], agent=True), "", there)
    assert found.keys == {f"{home}/.ssh/authorized_keys": "k1\nk2\n" for home in ("/root", home_of("u"))}


@pytest.mark.parametrize(
    ("spec", "own", "first"),
    [
        ({}, "", "ns.svc.cluster.local"),
        ({"subdomain": "s"}, "s.ns.svc.cluster.local", "s.ns.svc.cluster.local"),
        ({"subdomain": "s", "dnsPolicy": "None", "dnsConfig": {"searches": ["e.com"]}}, "", "e.com"),
        ({"dnsPolicy": "Default"}, "", None),
    ],
)
def test_domains(spec, own, first):
    """A subdomain counts where the domain of the namespace's services is searched."""
    found = vmi(**spec)
    assert domain(found) == own
    assert next(iter(searched(found)), None) == first
