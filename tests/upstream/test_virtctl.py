"""Every command of virtctl as the calls it makes, over real HTTP and websockets.

Origin: kubevirt: pkg/virtctl/, staging/src/kubevirt.io/client-go/kubevirt/typed/core/v1/{*_expansion,async,websocket}.go
"""

import io
import json
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Make, Object, Suite

NS = "default"
CORE = f"/api/v1/namespaces/{NS}"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
MIGRATIONS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstancemigrations"
VOLUMES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datavolumes"
SUB = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"
VM, VMI = f"{SUB}/virtualmachines/vm", f"{SUB}/virtualmachineinstances/vm"
PROTOCOL = "plain.kubevirt.io"
KUBEVIRT = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"


class Virtctl:
    """virtctl's client: PUTs with a body and without a type, websockets under one protocol."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    async def put(self, path: str, options: Object | None = None) -> int:
        """The status code; nothing but an empty body comes back."""
        status, answer = await self.suite.call("PUT", path, options, content="")
        assert status < 300, answer
        await self.suite.cluster.settle()
        return status

    async def refused(self, path: str, options: Object | None = None) -> tuple[int, str]:
        status, answer = await self.suite.call("PUT", path, options, content="")
        assert status >= 400
        return status, answer["message"]

    @asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A connection as AsyncSubresourceHelper makes it."""
        url = self.suite.url.replace("http://", "ws://") + path
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=[PROTOCOL]) as socket,
        ):
            assert socket.protocol == PROTOCOL
            yield socket

    async def no_stream(self, path: str) -> tuple[int, str]:
        """The Status that virtctl reads out of a refused handshake."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
            "Sec-WebSocket-Protocol": PROTOCOL,
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(self.suite.url + path, headers=headers) as answer,
        ):
            assert answer.headers["Content-Type"] == "application/json"
            body = await answer.json()
            assert (body["kind"], body["apiVersion"]) == ("Status", "v1")
            return answer.status, body["message"]

    async def vm(self) -> Object:
        return await self.suite.get(f"{VMS}/vm")

    async def vmi(self) -> Object:
        return await self.suite.get(f"{VMIS}/vm")

    async def owner(self) -> Object:
        """The machine, as what belongs to it names it."""
        uid = (await self.vm())["metadata"]["uid"]
        return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": uid}

    async def status(self) -> str:
        return (await self.vm()).get("status", {}).get("printableStatus", "")

    async def until(self, wanted: str, seconds: float = 60) -> None:
        async def reached() -> bool:
            return await self.status() == wanted

        await self.suite.eventually(reached, seconds)


def machine(name: str = "vm", strategy: str = "Always", **spec: Any) -> Object:
    """What `virtctl create vm` prints, with an interface that lets it move."""
    devices = {
        "disks": [{"name": "cd", "disk": {"bus": "virtio"}}],
        "interfaces": [{"name": "default", "masquerade": {}}],
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "creationTimestamp": None},
        "spec": {
            "runStrategy": strategy,
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"app": name}},
                "spec": {
                    "domain": {"devices": devices, "memory": {"guest": "512Mi"}, "resources": {}},
                    "networks": [{"name": "default", "pod": {}}],
                    "terminationGracePeriodSeconds": 0,
                    "volumes": [
                        {"name": "cd", "containerDisk": {"image": "quay.io/containerdisks/fedora:43"}}
                    ],
                },
            },
            **spec,
        },
        "status": {},
    }


@pytest.fixture
async def virtctl(suite: Suite) -> Virtctl:
    """With a VM that runs."""
    made = Virtctl(suite)
    await suite.create(VMS, machine())
    await made.until("Running")
    return made


async def test_version(suite: Suite) -> None:
    """`version`: the server's release, asked for by the version document."""
    answer = await suite.get("/apis/subresources.kubevirt.io/v1/version")
    assert answer["gitVersion"].startswith("v1.")
    assert {"gitCommit", "buildDate", "goVersion", "compiler", "platform"} <= answer.keys()


async def test_start_stop_restart(virtctl: Virtctl) -> None:
    """`start`, `stop`, `restart`, with their flags; what makes no sense is refused in virt-api's words."""
    assert await virtctl.refused(f"{VM}/start", {"paused": False}) == (
        409,
        'Operation cannot be fulfilled on virtualmachine.kubevirt.io "vm": VM is already running',
    )
    assert await virtctl.put(f"{VM}/stop", {"gracePeriod": 0}) == 202
    await virtctl.until("Stopped")
    assert await virtctl.put(f"{VM}/start", {"paused": True}) == 202
    await virtctl.until("Paused")
    assert await virtctl.put(f"{VMI}/unpause", {}) == 200
    await virtctl.until("Running")
    first = (await virtctl.vmi())["metadata"]["uid"]
    assert await virtctl.put(f"{VM}/restart", {"gracePeriodSeconds": 0}) == 202

    async def anew() -> bool:
        return (await virtctl.vmi())["metadata"]["uid"] != first

    await virtctl.suite.eventually(anew, 60)
    await virtctl.until("Running")
    assert await virtctl.put(f"{VM}/stop", {"dryRun": ["All"]}) == 202
    await virtctl.until("Running")


async def test_pause_and_unpause(virtctl: Virtctl) -> None:
    """`pause vm`, `pause vmi`, `unpause`: a VM is read first, then its instance is told."""
    assert await virtctl.put(f"{VMI}/pause", {}) == 200
    await virtctl.until("Paused")
    assert (await virtctl.refused(f"{VMI}/pause", {}))[1].endswith("VMI is already paused")
    assert await virtctl.put(f"{VMI}/unpause", {}) == 200
    await virtctl.until("Running")


async def test_reset_and_soft_reboot(virtctl: Virtctl) -> None:
    """`soft-reboot` and `reset` leave the instance the same."""
    before = (await virtctl.vmi())["metadata"]["uid"]
    assert await virtctl.put(f"{VMI}/softreboot") in (200, 202)
    assert await virtctl.put(f"{VMI}/reset") in (200, 202)
    assert (await virtctl.vmi())["metadata"]["uid"] == before


async def test_migrate_and_cancel(suite_of: Make) -> None:
    """V-212: `migrate` moves; `migrate-cancel` finds the running migration by label and deletes it."""
    virtctl = Virtctl(await suite_of(pace="realistic"))
    await virtctl.suite.create(VMS, machine())
    await virtctl.until("Running", 300)
    node = (await virtctl.vmi())["status"]["nodeName"]
    assert await virtctl.put(f"{VM}/migrate", {"addedNodeSelector": {"kubernetes.io/os": "linux"}}) == 202
    selector = "kubevirt.io/vmi-name in (vm)"

    async def active() -> Any:
        found = await virtctl.suite.items(MIGRATIONS, selector)
        return [
            one for one in found if one.get("status", {}).get("phase") not in ("Succeeded", "Failed", None)
        ]

    (migration,) = await virtctl.suite.eventually(active, 60)
    await virtctl.suite.delete(f"{MIGRATIONS}/{migration['metadata']['name']}", {})

    async def none_active() -> bool:
        return not await active()

    await virtctl.suite.eventually(none_active, 60)
    assert (await virtctl.vmi())["status"]["nodeName"] == node
    assert await virtctl.put(f"{VM}/migrate", {}) == 202

    async def moved() -> bool:
        return (await virtctl.vmi())["status"]["nodeName"] != node

    await virtctl.suite.eventually(moved, 300)


async def test_evacuate_cancel(virtctl: Virtctl) -> None:
    """`evacuate-cancel vm|vmi|node`: nothing to cancel is no mistake, an unknown instance is."""
    assert await virtctl.put(f"{VM}/evacuate/cancel", {}) == 200
    assert await virtctl.put(f"{VMI}/evacuate/cancel", {"evacuationNodeName": "node01"}) == 200
    status, message = await virtctl.refused(f"{SUB}/virtualmachineinstances/no/evacuate/cancel", {})
    assert (status, message) == (404, 'virtualmachineinstance.kubevirt.io "no" not found')


@pytest.mark.parametrize("verb", ["guestosinfo", "userlist", "filesystemlist"])
async def test_questions_to_the_agent(virtctl: Virtctl, verb: str) -> None:
    """`guestosinfo`, `userlist`, `fslist` are answered by the agent, and refused while there is none."""

    async def connected() -> bool:
        held = (await virtctl.vmi())["status"].get("conditions", ())
        return any(one["type"] == "AgentConnected" and one["status"] == "True" for one in held)

    await virtctl.suite.eventually(connected, 60)
    answer = await virtctl.suite.get(f"{VMI}/{verb}")
    assert answer.get("guestAgentVersion") or isinstance(answer["items"], list)
    assert (await virtctl.suite.call("GET", f"{SUB}/virtualmachineinstances/no/{verb}"))[0] == 500


async def test_console(virtctl: Virtctl) -> None:
    """`console`: binary frames with a serial line; none for an instance that is not there."""
    async with virtctl.stream(f"{VMI}/console") as socket:
        await socket.send_bytes(b"\n")
        message = await socket.receive(timeout=30)
        assert message.type == aiohttp.WSMsgType.BINARY
    assert (await virtctl.no_stream(f"{SUB}/virtualmachineinstances/no/console"))[0] == 404
    await virtctl.put(f"{VM}/stop", {})
    await virtctl.until("Stopped")
    status, _ = await virtctl.no_stream(f"{VMI}/console")
    assert status == 404


async def read(socket: aiohttp.ClientWebSocketResponse, length: int) -> bytes:
    """So many bytes, in however many messages."""
    got = b""
    while len(got) < length:
        got += await socket.receive_bytes(timeout=30)
    return got


@pytest.mark.parametrize("place", ["console", "vnc"])
async def test_one_at_a_time(virtctl: Virtctl, place: str) -> None:
    """[1591] Who opens a console or a screen cuts off who sat there: broken off, without a farewell."""

    async def said(socket: aiohttp.ClientWebSocketResponse) -> None:
        if place == "console":  # it goes on where the one before stopped, and waits
            await socket.send_bytes(b"\n")
        await socket.receive_bytes(timeout=30)

    async with virtctl.stream(f"{VMI}/{place}") as first:
        await said(first)
        async with virtctl.stream(f"{VMI}/{place}") as second:
            await said(second)
            while (end := await first.receive(timeout=30)).type == aiohttp.WSMsgType.BINARY:
                pass
            assert end.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert first.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
            assert not second.closed
    async with virtctl.stream(f"{VMI}/{place}") as third:
        await said(third)


async def test_viewers_shake_hands(virtctl: Virtctl) -> None:
    """[4272] [11667] A viewer is told the name of the machine on its desktop, and pictures are 720 by 400."""
    async with virtctl.stream(f"{VMI}/vnc") as socket:
        await socket.send_bytes(await read(socket, 12))
        assert await read(socket, 2) == b"\x01\x01"
        await socket.send_bytes(b"\x01")
        assert await read(socket, 4) == bytes(4)
        await socket.send_bytes(b"\x01")
        assert b"vm" in (await read(socket, 25))[24:]
    _, image = await virtctl.suite.call("GET", f"{VMI}/vnc/screenshot", moveCursor="true")
    assert [int.from_bytes(image[at : at + 4], "big") for at in (16, 20)] == [720, 400]


async def test_vnc_and_screenshot(virtctl: Virtctl) -> None:
    """`vnc` asks for the instance, then streams; `vnc screenshot` gets a picture."""
    assert (await virtctl.vmi())["status"]["phase"] == "Running"
    async with virtctl.stream(f"{VMI}/vnc") as socket:
        assert (await socket.receive_bytes(timeout=30)).startswith(b"RFB 003.008")
    async with virtctl.stream(f"{VMI}/vnc?preserveSession=true") as socket:
        assert (await socket.receive_bytes(timeout=30)).startswith(b"RFB 003.008")
    status, image = await virtctl.suite.call("GET", f"{VMI}/vnc/screenshot", moveCursor="false")
    assert (status, image[:4]) == (200, b"\x89PNG")


@pytest.mark.parametrize("kind", ["virtualmachines", "virtualmachineinstances"])
async def test_port_forward_ssh_scp(virtctl: Virtctl, kind: str) -> None:
    """`port-forward`, `ssh` and `scp` open a port of a VM or its instance; a closed one is refused with its reason."""
    async with virtctl.stream(f"{SUB}/{kind}/vm/portforward/22/tcp") as socket:
        assert (await socket.receive_bytes(timeout=30)).startswith(b"SSH-2.0-")
        await socket.send_bytes(b"SSH-2.0-Go\r\n")
        farewell = await socket.receive_bytes(timeout=30)
        length, padding, message, why = struct.unpack_from(">IBBI", farewell)
        assert (length, len(farewell) % 8, padding >= 4) == (len(farewell) - 4, 0, True)
        assert (message, why, b"nobody can log in" in farewell) == (1, 11, True)
        assert (await socket.receive(timeout=30)).type == aiohttp.WSMsgType.CLOSE
    status, message = await virtctl.no_stream(f"{SUB}/{kind}/vm/portforward/5432/tcp")
    assert status == 500
    assert "5432" in message


async def test_usbredir_and_vsock(virtctl: Virtctl) -> None:
    """`usbredir` and `port-forward` over VSOCK are refused where the guest has neither."""
    assert await virtctl.no_stream(f"{VMI}/usbredir") == (
        409,
        'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "vm": Not configured with USB Redirection',
    )
    assert await virtctl.no_stream(f"{VMI}/vsock?port=22&tls=true") == (400, "VSOCK is not attached.")


async def test_usbredir(virtctl: Virtctl) -> None:
    """Four clients are greeted as long as QEMU greets them; the fifth is refused until one goes."""
    able = machine("able")
    able["spec"]["template"]["spec"]["domain"]["devices"]["clientPassthrough"] = {}
    await virtctl.suite.create(VMS, able)

    async def runs() -> bool:
        status, vmi = await virtctl.suite.call("GET", f"{VMIS}/able")
        return status == 200 and vmi["status"]["phase"] == "Running"

    await virtctl.suite.eventually(runs, 90)
    path = f"{SUB}/virtualmachineinstances/able/usbredir"
    async with AsyncExitStack() as held:
        sockets = [await held.enter_async_context(virtctl.stream(path)) for _ in range(4)]
        for socket in sockets:
            await socket.send_bytes(bytes(80))
            assert len(hello := await socket.receive_bytes(timeout=30)) == 80
            assert b"usb-redir guest" in hello
        status, message = await virtctl.no_stream(path)
        assert (status, message.endswith("websocket: bad handshake")) == (500, True)
    for _ in range(16):
        async with virtctl.stream(path) as socket:
            assert len(await socket.receive_bytes(timeout=30)) == 80


def claim(name: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": spec}


def blank(name: str) -> Object:
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name},
        "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
    }


async def test_add_and_remove_volume(virtctl: Virtctl) -> None:
    """`addvolume` looks for a DataVolume, then a claim, and asks the VM; `removevolume` likewise; both are persistent."""
    await virtctl.suite.create(f"{CORE}/persistentvolumeclaims", claim("more"))
    status, missing = await virtctl.suite.call("GET", f"{VOLUMES}/more")
    assert (status, missing["reason"]) == (404, "NotFound")
    source = {"persistentVolumeClaim": {"claimName": "more", "hotpluggable": True}}
    disk = {"disk": {"bus": "scsi"}, "serial": "more", "name": ""}
    given = {"name": "more", "disk": disk, "volumeSource": source}
    assert await virtctl.put(f"{VM}/addvolume", given) == 202

    async def plugged() -> bool:
        found = (await virtctl.vmi())["status"].get("volumeStatus", ())
        return any(one["name"] == "more" and one.get("phase") == "Ready" for one in found)

    await virtctl.suite.eventually(plugged, 60)
    names = [one["name"] for one in (await virtctl.vm())["spec"]["template"]["spec"]["volumes"]]
    assert names == ["cd", "more"]
    assert await virtctl.put(f"{VM}/removevolume", {"name": "more"}) == 202

    async def unplugged() -> bool:
        return [one["name"] for one in (await virtctl.vmi())["spec"]["volumes"]] == ["cd"]

    await virtctl.suite.eventually(unplugged, 60)
    status, answer = await virtctl.suite.call("PUT", f"{SUB}/virtualmachines/no/addvolume", given)
    assert (status, answer["reason"]) == (404, "NotFound"), "then virtctl asks the instance"


async def test_memory_dump(virtctl: Virtctl) -> None:
    """`memory-dump get --create-claim`, waiting for it, and `remove`."""
    config = await virtctl.suite.get("/apis/cdi.kubevirt.io/v1beta1/cdiconfigs/config")
    assert config["status"]["filesystemOverhead"]["global"]
    dump = claim("dump")
    dump["metadata"]["labels"] = {"cdi.kubevirt.io/applyStorageProfile": "true"}
    await virtctl.suite.create(f"{CORE}/persistentvolumeclaims", dump)
    assert await virtctl.put(f"{VM}/memorydump", {"claimName": "dump"}) == 202

    async def complete() -> bool:
        request = (await virtctl.vm())["status"].get("memoryDumpRequest", {})
        return (request.get("phase"), request.get("claimName")) == ("Completed", "dump")

    async def forgotten() -> bool:
        return "memoryDumpRequest" not in (await virtctl.vm())["status"]

    await virtctl.suite.eventually(complete, 600, 2)
    assert await virtctl.put(f"{VM}/removememorydump") == 202
    await virtctl.suite.eventually(forgotten, 60)


async def test_expose(virtctl: Virtctl) -> None:
    """`expose vm`: a Service with the template's labels gets an address and shows the instance."""
    labels = (await virtctl.vm())["spec"]["template"]["metadata"]["labels"]
    ports = [{"name": "", "protocol": "TCP", "port": 27017, "targetPort": 22}]
    spec = {"ports": ports, "selector": labels, "type": "NodePort"}
    made = await virtctl.suite.create(f"{CORE}/services", {"metadata": {"name": "vm-ssh"}, "spec": spec})
    assert made["spec"]["ports"][0]["nodePort"] >= 30000
    address = (await virtctl.vmi())["status"]["interfaces"][0]["ipAddress"]

    async def shown() -> bool:
        subsets = (await virtctl.suite.get(f"{CORE}/endpoints/vm-ssh")).get("subsets", ())
        return [one["ip"] for subset in subsets for one in subset["addresses"]] == [address]

    await virtctl.suite.eventually(shown, 10)


async def test_expose_one(virtctl: Virtctl) -> None:
    """V-237: the Service `expose vm` makes for one machine is found by its id, and goes with it."""
    owner = await virtctl.owner()
    meta = {"name": "s", "ownerReferences": [{**owner, "blockOwnerDeletion": False}]}
    spec = {"ports": [{"port": 22, "protocol": "TCP"}], "selector": {"vmi.kubevirt.io/id": "vm"}}
    made = await virtctl.suite.create(f"{CORE}/services", {"metadata": meta, "spec": spec})
    assert made["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] is False
    address = (await virtctl.vmi())["status"]["interfaces"][0]["ipAddress"]

    async def shown() -> bool:
        subsets = (await virtctl.suite.get(f"{CORE}/endpoints/s")).get("subsets", ())
        return [one["ip"] for subset in subsets for one in subset["addresses"]] == [address]

    await virtctl.suite.eventually(shown, 10)
    await virtctl.suite.delete(f"{VMS}/vm", {})

    async def gone() -> bool:
        return (await virtctl.suite.call("GET", f"{CORE}/services/s"))[0] == 404

    await virtctl.suite.eventually(gone, 60)


async def test_expand(virtctl: Virtctl) -> None:
    """`expand --vm` and `expand --file`."""
    answer = await virtctl.suite.get(f"{VM}/expand-spec")
    assert answer["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "512Mi"
    status, answer = await virtctl.suite.call("PUT", f"{SUB}/expand-vm-spec", machine())
    assert (status, answer["kind"]) == (200, "VirtualMachine")


async def test_create_clone_instancetype_preference(virtctl: Virtctl) -> None:
    """`create instancetype|preference|vm|clone` print manifests; the API takes them as they are printed."""
    kinds = f"/apis/instancetype.kubevirt.io/v1beta1/namespaces/{NS}"
    meta = {"name": "small", "creationTimestamp": None}
    kind = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "metadata": meta}
    await virtctl.suite.create(
        f"{kinds}/virtualmachineinstancetypes",
        {
            **kind,
            "kind": "VirtualMachineInstancetype",
            "spec": {"cpu": {"guest": 2}, "memory": {"guest": "256Mi"}},
        },
    )
    await virtctl.suite.create(
        f"{kinds}/virtualmachinepreferences",
        {**kind, "kind": "VirtualMachinePreference", "spec": {"cpu": {"preferredCPUTopology": "sockets"}}},
    )
    typed = machine("typed")
    del typed["spec"]["template"]["spec"]["domain"]["memory"]
    typed["spec"] |= {
        "instancetype": {"kind": "virtualmachineinstancetype", "name": "small"},
        "preference": {"kind": "virtualmachinepreference", "name": "small"},
    }
    await virtctl.suite.create(VMS, typed)

    async def sized() -> bool:
        status, vmi = await virtctl.suite.call("GET", f"{VMIS}/typed")
        return status == 200 and vmi["spec"]["domain"]["memory"]["guest"] == "256Mi"

    await virtctl.suite.eventually(sized, 60)
    vm = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine"}
    clone = {
        "apiVersion": "clone.kubevirt.io/v1beta1",
        "kind": "VirtualMachineClone",
        "metadata": {"name": "clone-x", "creationTimestamp": None},
        "spec": {"source": {**vm, "name": "vm"}, "target": {**vm, "name": "twin"}},
        "status": {},
    }
    await virtctl.suite.create(f"/apis/clone.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachineclones", clone)

    async def cloned() -> bool:
        return (await virtctl.suite.call("GET", f"{VMS}/twin"))[0] == 200

    await virtctl.suite.eventually(cloned, 60)


async def test_credentials(virtctl: Virtctl) -> None:
    """`credentials add-ssh-key --create-secret --force`: appending fails where there is no list, then it is made."""
    owner = await virtctl.owner()
    meta = {"generateName": "vm-ssh-key-", "ownerReferences": [{**owner, "controller": True}]}
    secret = await virtctl.suite.create(
        f"{CORE}/secrets", {"metadata": meta, "data": {"ssh-key-1": "c3NoLXJzYQ=="}}
    )
    name = secret["metadata"]["name"]
    credential = {
        "sshPublicKey": {
            "source": {"secret": {"secretName": name}},
            "propagationMethod": {"qemuGuestAgent": {"users": ["fedora"]}},
        }
    }
    path = "/spec/template/spec/accessCredentials"
    append = {"op": "add", "path": f"{path}/-", "value": credential}
    status, _ = await virtctl.suite.call("PATCH", f"{VMS}/vm", [append], content=JSON_PATCH)
    assert status == 422
    anew = [{"op": "test", "path": path, "value": None}, {"op": "add", "path": path, "value": []}, append]
    patched = await virtctl.suite.patch(f"{VMS}/vm", anew)
    assert patched["spec"]["template"]["spec"]["accessCredentials"] == [credential]
    more = {"op": "add", "path": "/data/ssh-key-2", "value": "c3NoLWVkMjU1MTk="}
    assert len((await virtctl.suite.patch(f"{CORE}/secrets/{name}", [more]))["data"]) == 2


async def test_log_verbosity(virtctl: Virtctl) -> None:
    """`adm log-verbosity`: of components in the KubeVirt object, of a VM by a label of its template."""
    developer = "/spec/configuration/developerConfiguration"
    levels = {"virtAPI": 3, "virtHandler": 7}
    patched = await virtctl.suite.patch(
        KUBEVIRT, [{"op": "add", "path": f"{developer}/logVerbosity", "value": levels}]
    )
    assert patched["spec"]["configuration"]["developerConfiguration"]["logVerbosity"] == levels
    label = {"op": "add", "path": "/spec/template/metadata/labels/logVerbosity", "value": "5"}
    patched = await virtctl.suite.patch(f"{VMS}/vm", [label])
    assert patched["spec"]["template"]["metadata"]["labels"]["logVerbosity"] == "5"


async def test_vmexport(virtctl: Virtctl) -> None:
    """`vmexport create --pvc` with a time to live, the secret with its token, until it is ready; `delete`."""
    await virtctl.suite.create(VOLUMES, blank("disk"))
    exports = f"/apis/export.kubevirt.io/v1/namespaces/{NS}/virtualmachineexports"
    assert (await virtctl.suite.call("GET", f"{exports}/out"))[0] == 404
    made = await virtctl.suite.create(
        exports,
        {
            "apiVersion": "export.kubevirt.io/v1",
            "kind": "VirtualMachineExport",
            "metadata": {"name": "out", "creationTimestamp": None},
            "spec": {
                "tokenSecretRef": "secret-out",
                "source": {"apiGroup": "", "kind": "PersistentVolumeClaim", "name": "disk"},
                "ttlDuration": "1h0m0s",
            },
        },
    )
    owner = {"apiVersion": "export.kubevirt.io/v1", "kind": "VirtualMachineExport", "name": "out"}
    owner |= {"uid": made["metadata"]["uid"], "controller": True, "blockOwnerDeletion": False}
    secret = {"metadata": {"name": "secret-out", "ownerReferences": [owner]}, "type": "Opaque"}
    await virtctl.suite.create(f"{CORE}/secrets", {**secret, "data": {"token": "dG9rZW4="}})

    async def ready() -> Any:
        status = (await virtctl.suite.get(f"{exports}/out")).get("status", {})
        assert status["phase"] == "Ready"
        assert status["tokenSecretRef"] == "secret-out"
        return status["links"]["internal"]["volumes"]

    (volume,) = await virtctl.suite.eventually(ready, 120, 2)
    assert {one["format"] for one in volume["formats"]} == {"raw", "gzip"}
    await virtctl.suite.delete(f"{exports}/out", {})
    await virtctl.suite.cluster.settle()
    assert (await virtctl.suite.call("GET", f"{CORE}/secrets/secret-out"))[0] == 404


def tools(own: str) -> Object:
    """The pod `guestfs` looks into a claim with, as somebody without rights."""
    mounts = [
        {"name": "libguestfs-tmp-dir", "mountPath": "/tmp/guestfs"},
        {"name": "volume", "mountPath": "/disk"},
    ]
    container = {
        "name": "libguestfs",
        "image": "quay.io/kubevirt/libguestfs-tools:v1.9.0",
        "command": ["/entrypoint.sh"],
        "env": [{"name": "LIBGUESTFS_BACKEND", "value": "direct"}],
        "resources": {"limits": {"devices.kubevirt.io/kvm": "1"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": mounts,
        "workingDir": "/disk",
        "stdin": True,
        "tty": True,
    }
    spec = {
        "containers": [container],
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": 2000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": "volume", "persistentVolumeClaim": {"claimName": own}},
            {"name": "libguestfs-tmp-dir", "emptyDir": {}},
        ],
    }
    return {
        "metadata": {"name": f"libguestfs-tools-{own}", "creationTimestamp": None},
        "spec": spec,
        "status": {},
    }


async def test_guestfs(virtctl: Virtctl) -> None:
    """[6480] `guestfs` asks which image to run, sees whether the claim is in use, and runs a pod with it."""
    answer = await virtctl.suite.get("/apis/subresources.kubevirt.io/v1/guestfs")
    assert {"registry", "tag", "digest", "imagePrefix", "gsImage"} <= answer.keys()
    assert (answer["registry"], answer["tag"]) == ("quay.io/kubevirt", "v1.9.0")
    await virtctl.suite.create(f"{CORE}/persistentvolumeclaims", claim("disk"))

    async def users() -> list[str]:
        return [
            pod["metadata"]["name"]
            for pod in await virtctl.suite.items(f"{CORE}/pods")
            for volume in pod["spec"].get("volumes", ())
            if volume.get("persistentVolumeClaim", {}).get("claimName") == "disk"
        ]

    assert await users() == []
    made = await virtctl.suite.create(f"{CORE}/pods", tools("disk"))
    path = f"{CORE}/pods/{made['metadata']['name']}"

    async def runs() -> bool:
        (one,) = (await virtctl.suite.get(path))["status"]["containerStatuses"]
        return "running" in one["state"]

    await virtctl.suite.eventually(runs, 200)
    assert await users() == ["libguestfs-tools-disk"], "which a second guestfs is told"
    await virtctl.suite.delete(path, {})


async def test_machine_types(virtctl: Virtctl) -> None:
    """What a job that moves machines to another chipset does: a stopped one changes, a running one waits for its restart."""
    old = machine("old", "Halted")
    old["spec"]["template"]["spec"]["domain"]["machine"] = {"type": "pc-q35-rhel8.6.0"}
    await virtctl.suite.create(VMS, old)
    change = {"spec": {"template": {"spec": {"domain": {"machine": {"type": "q35"}}}}}}
    for name in ("old", "vm"):
        await virtctl.suite.patch(f"{VMS}/{name}", change, MERGE_PATCH)
    stored = await virtctl.suite.get(f"{VMS}/old")
    assert stored["spec"]["template"]["spec"]["domain"]["machine"]["type"] == "q35"
    running = machine("running")
    running["spec"]["template"]["spec"]["domain"]["machine"] = {"type": "pc-q35-rhel8.6.0"}
    await virtctl.suite.create(VMS, running)

    async def status() -> Object:
        return (await virtctl.suite.get(f"{VMS}/running")).get("status", {})

    async def ready() -> bool:
        return bool((await status()).get("ready"))

    async def waits() -> bool:
        told = {one["type"]: one["status"] for one in (await status())["conditions"]}
        return told.get("RestartRequired") == "True"

    async def moved() -> bool:
        vmi = await virtctl.suite.get(f"{VMIS}/running")
        kept = "RestartRequired" in {one["type"] for one in (await status())["conditions"]}
        return (
            vmi["spec"]["domain"]["machine"]["type"] == "q35"
            and vmi["status"]["phase"] == "Running"
            and not kept
        )

    await virtctl.suite.eventually(ready, 60)
    await virtctl.suite.patch(f"{VMS}/running", change, MERGE_PATCH)
    await virtctl.suite.eventually(waits, 60)
    assert await virtctl.put(f"{SUB}/virtualmachines/running/restart", {}) == 202
    await virtctl.suite.eventually(moved, 60)


async def test_object_graph(virtctl: Virtctl) -> None:
    """`objectgraph`: refused while its gate is shut; then a tree of what a VM depends on, narrowed by options in the body."""
    status, answer = await virtctl.suite.call("GET", f"{VM}/objectgraph", {})
    assert (status, answer["message"]) == (
        400,
        "ObjectGraph feature gate not enabled: Unable to return object graph.",
    )
    gates = {"spec": {"configuration": {"developerConfiguration": {"featureGates": ["ObjectGraph"]}}}}
    await virtctl.suite.patch(KUBEVIRT, gates, MERGE_PATCH)
    await virtctl.suite.create(VOLUMES, blank("disk"))
    rich = machine("rich")
    spec = rich["spec"]["template"]["spec"]
    spec["volumes"] += [
        {"name": "disk", "dataVolume": {"name": "disk"}},
        {"name": "cm", "configMap": {"name": "settings"}},
        {"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "user-data"}}},
    ]
    spec["domain"]["devices"]["disks"] += [{"name": name, "disk": {}} for name in ("disk", "cm", "init")]
    rich["spec"]["instancetype"] = {"name": "small"}
    del spec["domain"]["memory"]
    kinds = "/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterinstancetypes"
    kind = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": "VirtualMachineClusterInstancetype"}
    size = {"cpu": {"guest": 1}, "memory": {"guest": "64Mi"}}
    await virtctl.suite.create(kinds, {**kind, "metadata": {"name": "small"}, "spec": size})
    await virtctl.suite.create(f"{CORE}/configmaps", {"metadata": {"name": "settings"}, "data": {"a": "b"}})
    await virtctl.suite.create(
        f"{CORE}/secrets", {"metadata": {"name": "user-data"}, "data": {"userdata": ""}}
    )
    await virtctl.suite.create(VMS, rich)

    async def runs() -> bool:
        return (await virtctl.suite.get(f"{VMS}/rich")).get("status", {}).get("printableStatus") == "Running"

    await virtctl.suite.eventually(runs, 60)
    path = f"{SUB}/virtualmachines/rich/objectgraph"
    status, graph = await virtctl.suite.call("GET", path, {"includeOptionalNodes": True})
    assert (status, graph["objectReference"]) == (
        200,
        {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "rich", "namespace": NS},
    )
    children = {child["objectReference"]["kind"]: child for child in graph["children"]}
    assert set(children) == {
        *("VirtualMachineInstance", "VirtualMachineClusterInstancetype", "ControllerRevision"),
        *("DataVolume", "ConfigMap", "Secret"),
    }
    assert children["VirtualMachineInstance"]["children"][0]["objectReference"]["kind"] == "Pod"
    assert children["DataVolume"]["children"][0]["objectReference"]["kind"] == "PersistentVolumeClaim"
    assert children["VirtualMachineClusterInstancetype"]["optional"] is True
    assert children["ConfigMap"]["labels"] == {"kubevirt.io/dependency-type": "config"}
    _, graph = await virtctl.suite.call("GET", path, {"includeOptionalNodes": False})
    assert "VirtualMachineClusterInstancetype" not in json.dumps(graph)
    storage = {"labelSelector": {"matchLabels": {"kubevirt.io/dependency-type": "storage"}}}
    _, graph = await virtctl.suite.call("GET", f"{SUB}/virtualmachineinstances/rich/objectgraph", storage)
    assert [one["objectReference"]["kind"] for one in graph["children"]] == ["DataVolume"]


UPLOAD_PROXY = "/api/v1/namespaces/cdi/services/https:cdi-uploadproxy:443/proxy"


async def upload(virtctl: Virtctl, claim_name: str, image: bytes) -> None:
    """A token, a look whether the asynchronous door is open, and the bytes."""
    request = {
        "apiVersion": "upload.cdi.kubevirt.io/v1beta1",
        "kind": "UploadTokenRequest",
        "metadata": {"name": "token-for-virtctl", "creationTimestamp": None},
        "spec": {"pvcName": claim_name},
        "status": {},
    }
    path = f"/apis/upload.cdi.kubevirt.io/v1beta1/namespaces/{NS}/uploadtokenrequests"
    token = (await virtctl.suite.create(path, request))["status"]["token"]
    url = f"{virtctl.suite.url}{UPLOAD_PROXY}/v1beta1/upload-async"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/octet-stream"}
    async with aiohttp.ClientSession() as session:
        async with session.head(url, headers=headers) as answer:
            assert answer.status == 200
        async with session.post(url, headers=headers, data=io.BytesIO(image)) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
        async with session.post(url, headers=headers, data=b"") as answer:
            assert (answer.status, await answer.text()) == (
                503,
                f"rejecting Upload Request for PVC {claim_name} that already finished uploading",
            )
        async with session.post(
            url, headers={**headers, "Authorization": "Bearer x.y.z"}, data=b""
        ) as answer:
            assert answer.status == 401
        async with session.post(url, headers={"Content-Type": headers["Content-Type"]}, data=b"") as answer:
            assert answer.status == 400


async def test_image_upload_to_a_data_volume(virtctl: Virtctl) -> None:
    """`image-upload dv`: waits for UploadReady, sends more than any other body may have, and sees it Succeeded."""
    wanted = blank("disk")
    wanted["spec"]["source"] = {"upload": {}}
    wanted["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.bind.immediate.requested": ""}
    await virtctl.suite.create(VOLUMES, wanted)

    async def ready() -> bool:
        return (await virtctl.suite.get(f"{VOLUMES}/disk")).get("status", {}).get("phase") == "UploadReady"

    async def processed() -> bool:
        marks = (await virtctl.suite.get(f"{CORE}/persistentvolumeclaims/disk"))["metadata"]["annotations"]
        volume = await virtctl.suite.get(f"{VOLUMES}/disk")
        return (marks["cdi.kubevirt.io/storage.pod.phase"], volume["status"]["phase"]) == ("Succeeded",) * 2

    await virtctl.suite.eventually(ready, 300, 2)
    await upload(virtctl, "disk", bytes(4 * 1024 * 1024))
    await virtctl.suite.eventually(processed, 60, 2)


async def test_image_upload_to_a_claim(virtctl: Virtctl) -> None:
    """`image-upload pvc`: waits for the claim's own word that its server is ready; others are no targets."""
    wanted = claim("disk")
    wanted["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.upload.target": ""}
    await virtctl.suite.create(f"{CORE}/persistentvolumeclaims", wanted)

    async def ready() -> bool:
        marks = (await virtctl.suite.get(f"{CORE}/persistentvolumeclaims/disk"))["metadata"]["annotations"]
        return marks.get("cdi.kubevirt.io/storage.pod.ready") == "true"

    await virtctl.suite.eventually(ready, 300, 2)
    await upload(virtctl, "disk", b"QFI\xfb")


async def test_upload_tokens_are_discovered(suite: Suite) -> None:
    """The group is aggregated, available, and has one resource that can be created only."""
    (only,) = (await suite.get("/apis/upload.cdi.kubevirt.io/v1beta1"))["resources"]
    assert (only["name"], only["verbs"]) == ("uploadtokenrequests", ["create"])
    service = await suite.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.upload.cdi.kubevirt.io")
    assert service["status"]["conditions"][0]["status"] == "True"


async def test_image_upload_waits_for_a_consumer(virtctl: Virtctl) -> None:
    """[11656] Where volumes wait for their consumer the upload is refused until there is one; then it is taken."""
    late = {
        "metadata": {"name": "late"},
        "provisioner": "local.example",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    await virtctl.suite.create("/apis/storage.k8s.io/v1/storageclasses", late)
    wanted = blank("disk")
    wanted["spec"]["source"] = {"upload": {}}
    wanted["spec"]["storage"] |= {"storageClassName": "late", "accessModes": ["ReadWriteOnce"]}
    await virtctl.suite.create(VOLUMES, wanted)

    async def phase() -> str:
        return (await virtctl.suite.get(f"{VOLUMES}/disk")).get("status", {}).get("phase", "")

    async def waits() -> bool:
        return await phase() in ("WaitForFirstConsumer", "PendingPopulation")

    async def ready() -> bool:
        return await phase() == "UploadReady"

    await virtctl.suite.eventually(waits, 60)
    await virtctl.suite.consistently(waits, 10)
    devices = {"disks": [{"name": "disk0", "disk": {"bus": "virtio"}}]}
    spec = {
        "domain": {"devices": devices, "memory": {"guest": "256Mi"}},
        "volumes": [{"name": "disk0", "dataVolume": {"name": "disk"}}],
    }
    vmi = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "reader"}}
    await virtctl.suite.create(VMIS, {**vmi, "spec": spec})
    await virtctl.suite.eventually(ready, 180)
    await upload(virtctl, "disk", b"QFI\xfb")

    async def runs() -> bool:
        reader = await virtctl.suite.get(f"{VMIS}/reader")
        return (await phase(), reader.get("status", {}).get("phase")) == ("Succeeded", "Running")

    await virtctl.suite.eventually(runs, 180)


async def test_archives(virtctl: Virtctl) -> None:
    """[11657] An archive is uploaded like an image; its claim says what it holds."""
    wanted = blank("files")
    wanted["spec"] |= {"source": {"upload": {}}, "contentType": "archive"}
    wanted["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.bind.immediate.requested": ""}
    made = await virtctl.suite.create(VOLUMES, wanted)
    assert made["spec"]["contentType"] == "archive"

    async def says() -> str:
        status, found = await virtctl.suite.call("GET", f"{CORE}/persistentvolumeclaims/files")
        return (
            found["metadata"]["annotations"]["cdi.kubevirt.io/storage.contentType"] if status == 200 else ""
        )

    assert await virtctl.suite.eventually(says, 60) == "archive"


async def test_credentials_that_are_there(virtctl: Virtctl) -> None:
    """`add-ssh-key`, `remove-ssh-key` and `set-password` change the secrets that a machine already names."""
    meta = {"name": "keys"}
    await virtctl.suite.create(f"{CORE}/secrets", {"metadata": meta, "data": {"key-file.pub": "a2V5MQ=="}})
    path = f"{CORE}/secrets/keys"
    more = {"op": "add", "path": "/data/ssh-key-x", "value": "a2V5Mg=="}
    assert len((await virtctl.suite.patch(path, [more]))["data"]) == 2
    ops = [
        {"op": "test", "path": "/data/key-file.pub", "value": "a2V5MQ=="},
        {"op": "remove", "path": "/data/key-file.pub"},
    ]
    assert list((await virtctl.suite.patch(path, ops))["data"]) == ["ssh-key-x"]
    word = {"op": "add", "path": "/data/root", "value": "bmV3"}
    assert (await virtctl.suite.patch(path, [word]))["data"]["root"] == "bmV3"
