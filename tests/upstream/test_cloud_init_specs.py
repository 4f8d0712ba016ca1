"""Upstream's functional specs of what guests are configured with: cloud-init, keys, disks of ConfigMaps and Secrets, names, TPMs.

Left out: sizes of the images all that lies on, tags of devices that are no cards, names in caches of DNS.
Origin: kubevirt: tests/{vmi_cloudinit,vmi_lifecycle,config,vmi_tpm}_test.go, tests/compute/{credentials,guest_agent_probe_scope}.go,
tests/network/vmi_subdomain.go
"""

from base64 import b64encode
from typing import Any

import pytest

from fakekube.virt.handler.guest_programs import home_of
from tests.upstream import consoles, guests, launchers
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite
from tests.upstream.consoles import PROMPT, console, returned
from tests.upstream.guests import NS, Guest, guest

KEYS = {f"my-key{number}": f"ssh-rsa AAAAB3NzaC1yc2E test-ssh-key{number}" for number in (1, 2, 3)}
SAID = "printed from cloud-init userdata"
SCRIPT = f"#!/bin/sh\n\necho '{SAID}'\n"
NETWORK = "#Test networkData"
HERE = f"/api/v1/namespaces/{NS}"
AUTHORIZED = f"{home_of('fedora')}/.ssh/authorized_keys"
DRIVES = ["cloudInitNoCloud", "cloudInitConfigDrive"]


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


def with_disk(spec: Object, source: Object, own: str = "disk1") -> Object:
    spec["domain"]["devices"]["disks"].append({"name": own, "disk": {"bus": "virtio"}})
    spec["volumes"].append({"name": own, **source})
    return spec


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


async def secret(suite: Suite, own: str, **data: str) -> None:
    body = {"metadata": {"name": own}, "data": {key: encoded(text) for key, text in data.items()}}
    await suite.create(f"{HERE}/secrets", body)


async def shows(vmi: Guest, command: str) -> str:
    """What a command says at the console, to whoever is logged in there."""
    async with console(vmi) as at:
        return await at.says(f"{command}\n", PROMPT)


async def mounted(vmi: Guest, label: str) -> None:
    async with console(vmi) as at:
        await at.says("sudo su -\n", PROMPT)
        await at.says(f"mount $(blkid  -L {label}) /mnt/\n", PROMPT)
        await at.says("echo $?\n", returned("0"))


@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize("way", ["userData", "userDataBase64", "secretRef"])
async def test_scripts(suite: Suite, drive: str, way: str) -> None:
    """[1615] [1617] [1618] [3178] [3180] What a script says is seen at the console; secrets do not come into the instance."""
    await secret(suite, "user-data", userdata=SCRIPT)
    data: Any = {"userData": SCRIPT, "userDataBase64": encoded(SCRIPT), "secretRef": {"name": "user-data"}}[
        way
    ]
    vmi = await guests.instance(suite, with_disk(guest("cirros"), {drive: {way: data}}))
    async with console(vmi) as at:
        await at.says("\n", SAID)
    await consoles.login_to_cirros(vmi)
    assert vmi.name in await shows(vmi, "hostname")
    assert (await vmi.vmi())["spec"]["volumes"][1] == {"name": "disk1", drive: {way: data}}


@pytest.mark.parametrize("drive", DRIVES)
async def test_keys_of_cloud_init(suite: Suite, drive: str) -> None:
    """[1616] [3178] Keys become those of the user who logs in."""
    data = (
        "#cloud-config\npassword: fedora\nchpasswd: { expire: False }\nssh_authorized_keys:\n  - "
        + KEYS["my-key1"]
    )
    vmi = await guests.instance(suite, with_disk(guest("fedora"), {drive: {"userData": data}}))
    await consoles.login_to_fedora(vmi)
    assert "test-ssh-key1" in await shows(vmi, f"cat {AUTHORIZED}")


@pytest.mark.parametrize("drive", DRIVES)
@pytest.mark.parametrize("base64", [True, False])
async def test_host_names(suite: Suite, drive: str, base64: bool) -> None:
    """A cloud-config names the host."""
    text = "#cloud-config\nhostname: test-hostname"
    data = {"userDataBase64": encoded(text)} if base64 else {"userData": text}
    vmi = await guests.instance(suite, with_disk(guest("cirros"), {drive: data}))
    async with console(vmi) as at:
        await at.says("\n", "test-hostname login: ")
        await at.send("cirros\ngocubsgo\n")
        await at.expect(PROMPT)
        await at.says("hostname\n", "test-hostname")


@pytest.mark.parametrize(
    ("drive", "label", "path"),
    [
        ("cloudInitNoCloud", "cidata", "network-config"),
        ("cloudInitConfigDrive", "config-2", "openstack/latest/network_data.json"),
    ],
)
@pytest.mark.parametrize(
    "way",
    [
        {"networkData": NETWORK},
        {"networkDataBase64": encoded(NETWORK)},
        {"networkDataSecretRef": {"name": "n"}},
    ],
)
async def test_network_data(suite: Suite, drive: str, label: str, path: str, way: Object) -> None:
    """[3181]-[3186] They lie on the disk whose label cloud-init knows."""
    await secret(suite, "n", networkdata=NETWORK)
    data = {"userData": "#cloud-config", **way}
    vmi = await guests.instance(suite, with_disk(guest("cirros"), {drive: data}))
    await consoles.login_to_cirros(vmi)
    await mounted(vmi, label)
    assert NETWORK in await shows(vmi, f"cat /mnt/{path}")


@pytest.mark.parametrize(("user", "network"), [("userdata", "networkdata"), ("userData", "networkData")])
async def test_separate_secrets(suite: Suite, user: str, network: str) -> None:
    """[3187] User data and network data come from a secret each, whose keys may be written in two ways."""
    await secret(suite, "u", **{user: "#cloud-config"})
    await secret(suite, "n", **{network: NETWORK})
    data = {"secretRef": {"name": "u"}, "networkDataSecretRef": {"name": "n"}}
    vmi = await guests.instance(suite, with_disk(guest("cirros"), {"cloudInitConfigDrive": data}))
    await consoles.login_to_cirros(vmi)
    await mounted(vmi, "config-2")
    assert NETWORK in await shows(vmi, "cat /mnt/openstack/latest/network_data.json")
    assert "#cloud-config" in await shows(vmi, "cat /mnt/openstack/latest/user_data")
    uuid = (await vmi.vmi())["spec"]["domain"]["firmware"]["uuid"]
    told = f'{{"instance_id":"{vmi.name}.{NS}","hostname":"{vmi.name}","uuid":"{uuid}"}}'
    assert told in await shows(vmi, "cat /mnt/openstack/latest/meta_data.json")


async def test_tagged_devices(suite: Suite) -> None:
    """[4622] cloud-init learns of a card with a tag, where it is, and how big the guest is."""
    spec, place = guest("cirros"), {"pciAddress": "0000:01:00.0", "macAddress": "9a:50:e8:6f:f3:fe"}
    spec["domain"]["devices"]["interfaces"][0] |= {"tag": "specialNet", **place}
    with_disk(spec, {"cloudInitConfigDrive": {"networkData": NETWORK}})
    vmi = await guests.instance(suite, spec, annotations={"kubevirt.io/instancetype-name": "small"})
    await consoles.login_to_cirros(vmi)
    await mounted(vmi, "config-2")
    uuid = (await vmi.vmi())["spec"]["domain"]["firmware"]["uuid"]
    told = (
        f'{{"instance_type":"small","instance_id":"{vmi.name}.{NS}","hostname":"{vmi.name}","uuid":"{uuid}",'
        '"devices":[{"type":"nic","bus":"pci","address":"0000:01:00.0","mac":"9a:50:e8:6f:f3:fe","tags":["specialNet"]}]}'
    )
    assert told in await shows(vmi, "cat /mnt/openstack/latest/meta_data.json")


@pytest.mark.parametrize("reference", ["secretRef", "networkDataSecretRef"])
async def test_missing_secrets(suite: Suite, reference: str) -> None:
    """[1629] [1630] The launcher waits for the secret, and says so; once that is there the guest starts."""
    data = {"userData": SCRIPT, "networkData": NETWORK}
    del data["userData" if reference == "secretRef" else "networkData"]
    spec = with_disk(guest("cirros"), {"cloudInitNoCloud": {**data, reference: {"name": "nonexistent"}}})
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "vmi"}}
    await suite.create(guests.VMIS, {**body, "spec": spec})
    vmi = Guest(suite, "vmi")

    async def warned() -> str:
        (pod,) = await vmi.pods()
        assert pod["metadata"]["annotations"]["kubevirt.io/domain"] == "vmi"
        about = f"involvedObject.name={pod['metadata']['name']},reason=FailedMount"
        return "".join(one["message"] for one in await suite.items(guests.EVENTS, fieldSelector=about))

    assert 'secret "nonexistent" not found' in await suite.eventually(warned, 60)
    assert (await vmi.vmi())["status"]["phase"] == "Scheduling"
    await secret(suite, "nonexistent", userdata=SCRIPT, networkdata=NETWORK)
    await vmi.is_in("Running")
    await vmi.is_told("Started", "Normal")
    async with console(vmi) as at:
        await at.says("\n", SAID)


async def test_instance_ids(suite: Suite) -> None:
    """A machine's guest is the same instance to cloud-init after a restart."""
    spec = with_disk(
        guest("fedora"), {"cloudInitConfigDrive": {"userData": "#cloud-config\npassword: fedora"}}
    )
    vm = await guests.machine(suite, spec)
    await consoles.login_to_fedora(vm)
    first = await consoles.told(vm, "cat /var/lib/cloud/data/instance-id")
    uid = (await vm.vmi())["metadata"]["uid"]
    assert await vm.act("restart", kind="virtualmachines") == ""

    async def another() -> bool:
        status, found = await suite.call("GET", vm.path)
        return status == 200 and found["metadata"]["uid"] != uid and found["status"].get("phase") == "Running"

    await suite.eventually(another, 240)
    await consoles.login_to_fedora(vm)
    assert await consoles.told(vm, "cat /var/lib/cloud/data/instance-id") == first != ""


@pytest.mark.parametrize("way", ["qemuGuestAgent", "configDrive", "noCloud"])
async def test_access_credentials(suite: Suite, way: str) -> None:
    """[6220] [6224] All keys of a secret are the user's, whether the agent or cloud-init brings them."""
    await secret(suite, "my-pub-key", **KEYS)
    method: Object = {way: {"users": ["fedora"]} if way == "qemuGuestAgent" else {}}
    key = {"source": {"secret": {"secretName": "my-pub-key"}}, "propagationMethod": method}
    spec = guest("fedora", accessCredentials=[{"sshPublicKey": key}])
    if way != "qemuGuestAgent":
        drive = f"cloudInit{way[0].upper()}{way[1:]}"
        with_disk(spec, {drive: {"userData": "#cloud-config\nchpasswd: { expire: False }\n"}})
    vmi = await guests.instance(suite, spec)
    await vmi.has("AgentConnected", seconds=120)
    if way == "qemuGuestAgent":
        await vmi.has("AccessCredentialsSynchronized", seconds=120)
    await consoles.login_to_fedora(vmi)
    found = await shows(vmi, f"cat {AUTHORIZED}")
    assert all(f"test-ssh-key{number}" in found for number in (1, 2, 3))


async def test_keys_that_change(suite: Suite) -> None:
    """[CNV82132-007] The agent brings keys whenever they are others, also while it is not pinged."""
    await secret(suite, "keys", **KEYS)
    method = {"qemuGuestAgent": {"users": ["fedora"]}}
    key = {"source": {"secret": {"secretName": "keys"}}, "propagationMethod": method}
    vmi = await guests.instance(suite, guest("fedora", accessCredentials=[{"sshPublicKey": key}]))
    await vmi.has("AccessCredentialsSynchronized", seconds=120)
    spared = {"metadata": {"annotations": {"kubevirt.io/pause-guest-agent-probes": "true"}}}
    await suite.patch(vmi.path, spared, MERGE_PATCH)
    await consoles.login_to_fedora(vmi)
    assert "test-ssh-key1" in await shows(vmi, f"cat {AUTHORIZED}")
    rotated = {"data": {"my-key1": encoded("ssh-rsa AAAAB3NzaC1yc2E rotated-key")}}
    await suite.patch(f"{HERE}/secrets/keys", rotated, MERGE_PATCH)
    assert "rotated-key" in await shows(vmi, f"cat {AUTHORIZED}")


@pytest.mark.parametrize(
    ("source", "folder", "names", "expected"),
    [
        (
            {"configMap": {"name": "cm"}},
            "config-map/vol",
            ("option1", "option2", "option3"),
            "value1value2value3",
        ),
        ({"secret": {"secretName": "s"}}, "secret/vol", ("user", "password"), "adminredhat"),
        (
            {"downwardAPI": {"fields": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            "",
            ("labels",),
            'test="1"',
        ),
        ({"serviceAccount": {"serviceAccountName": "default"}}, "", ("namespace",), NS),
    ],
)
async def test_configuration_disks(
    suite: Suite, source: Object, folder: str, names: tuple[str, ...], expected: str
) -> None:
    """What a pod would have as files, a guest has on a disk; so has its launcher."""
    values = {f"option{number}": f"value{number}" for number in (1, 2, 3)}
    await suite.create(f"{HERE}/configmaps", {"metadata": {"name": "cm"}, "data": values})
    await secret(suite, "s", user="admin", password="redhat")
    spec = with_disk(guest(), source, "vol")
    vmi = await guests.instance(suite, spec, labels={"test": "1"})
    if folder:
        paths = [f"/var/run/kubevirt-private/{folder}/{one}" for one in names]
        assert await launchers.run(vmi, "cat", *paths) == expected
    await consoles.login_to_alpine(vmi)
    device = next(
        one["target"] for one in (await vmi.vmi())["status"]["volumeStatus"] if one["name"] == "vol"
    )
    async with console(vmi) as at:
        await at.says(f"mount /dev/{device} /mnt\n", PROMPT)
        await at.says("echo $?\n", returned("0"))
        await at.says(f"cat {' '.join(f'/mnt/{one}' for one in names)}\n", expected)


@pytest.mark.parametrize("subdomain", ["testsubdomain", ""])
async def test_full_names(suite: Suite, subdomain: str) -> None:
    """A subdomain makes a guest's name part of its namespace's domain."""
    more = {"subdomain": subdomain} if subdomain else {}
    vmi = await guests.instance(suite, guest("fedora", **more))
    await consoles.login_to_fedora(vmi)
    full = f"{vmi.name}.testsubdomain.{NS}.svc.cluster.local" if subdomain else vmi.name
    assert f"\n{full}\r\n" in await shows(vmi, "hostname -f")


@pytest.mark.parametrize("knows", [True, False])
async def test_own_names(suite: Suite, knows: bool) -> None:
    """Who looks for names elsewhere is called by the subdomain where the namespace's domain is among them, and only there."""
    services = [
        f"{NS}.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
        f"{NS}.this.is.just.a.very.long.dummy",
    ]
    config = {"nameservers": ["10.96.0.10"], "searches": services if knows else ["example.com"]}
    spec = guest("fedora", subdomain="testsubdomain", dnsPolicy="None", dnsConfig=config)
    vmi = await guests.instance(suite, spec)
    await consoles.login_to_fedora(vmi)
    full = f"{vmi.name}.testsubdomain.{NS}.svc.cluster.local"
    assert (full in await shows(vmi, "hostname -f")) is knows
    if not knows:
        assert "search example.com\r\n" in await shows(vmi, "cat /etc/resolv.conf")


async def test_a_tpm(suite: Suite) -> None:
    """[8607] A guest with a TPM extends its registers, which are as they were after a migration, and empty after a boot."""
    spec = guest("fedora")
    spec["domain"]["devices"]["tpm"] = {}
    vmi = await guests.instance(suite, spec)
    await consoles.login_to_fedora(vmi)
    assert "/dev/tpm0" in await shows(vmi, "ls /dev/tpm*")
    assert "0x" + "0" * 64 in await shows(vmi, "tpm2_pcrread sha256:15")
    digest = "54d626e08c1c802b305dad30b7e54a82f102390cc92c7d4db112048935236e9c"
    assert "done" in await shows(vmi, f"tpm2_pcrextend 15:sha256={digest} && echo 'do''ne'")
    extended = "0x1EE66777C372B96BC74AC4CB892E0879FA3CCF6A2F53DB1D00FD18B264797F49"
    assert extended in await shows(vmi, "tpm2_pcrread sha256:15")
    await (await guests.migrate(vmi)).succeeds()
    assert extended in await shows(vmi, "tpm2_pcrread sha256:15")
    assert await vmi.act("reset") == ""
    await consoles.login_to_fedora(vmi)
    assert extended not in await shows(vmi, "tpm2_pcrread sha256:15")


async def test_a_channel(suite: Suite) -> None:
    """[1676] The channel of the agent is seen in the guest."""
    vmi = await guests.instance(suite, guest("fedora"))
    await consoles.login_to_fedora(vmi)
    async with console(vmi) as at:
        command = "cat /sys/class/virtio-ports/*/name 2>/dev/null | grep -c org.qemu.guest_agent.0\n"
        await at.says(command, returned("1"))
