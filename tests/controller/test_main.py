"""`python -m controller` as a process of its own, over HTTP, as in a real cluster."""

import asyncio
import json
import signal
import socket
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

from controller import revisions
from controller.__main__ import main
from fakekube.api.apiserver import ApiServer
from fakekube.client import own_kubeconfig
from fakekube.client.client import Client
from fakekube.ids import Ids
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    CRDS,
    LEASES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from fakekube.server import Server
from fakekube.store.memory import MemoryStore
from tests.controller.cluster import DEFINITIONS, NS, refusal


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
async def bare_api(tmp_path):
    """An API on a port without any definitions, and the kubeconfig that leads to it."""
    api = ApiServer(MemoryStore(), ids=Ids(1))
    await api.start()
    admin = Client(api).as_user("admin", "system:masters")
    async with Server(api) as server:
        path = tmp_path / "kubeconfig"
        own_kubeconfig.write(path, server.url)
        yield admin, path
        api.close()


@pytest.fixture
async def api(bare_api):
    """The same with what pools need."""
    admin, _ = bare_api
    await define(admin)
    return bare_api


async def define(admin):
    for definition in DEFINITIONS:
        await admin.create(CRDS, copy_of(definition))


async def wanted(admin, world, name, replicas=3):
    """Create a pool."""
    pool = world.pool(replicas=replicas)
    pool["metadata"] = {"name": name, "namespace": NS}
    await admin.create(VIRTUAL_MACHINE_POOLS, pool)


async def there(admin, name, count=3):
    """Wait for so many VMs of the pool, and never more of them."""
    names = set()
    async with asyncio.timeout(60):
        async for kind, vm in admin.watch(VIRTUAL_MACHINES, NS, resource_version="0"):
            if kind == "ADDED" and objects.name(vm).startswith(f"{name}-"):
                names.add(objects.name(vm))
            if len(names) == count:
                break
    assert names == {f"{name}-{ordinal}" for ordinal in range(count)}


def listening_for_vms(api):
    """The API, and an event for the moment when somebody has listed its VMs and watches them."""
    listed, followed = asyncio.Event(), asyncio.Event()

    async def handler(request):
        if request.method == "GET" and request.path.endswith(f"/{VIRTUAL_MACHINES.plural}"):
            if "watch=" not in request.query:
                listed.set()
            elif listed.is_set():
                followed.set()
        return await api(request)

    return handler, followed


async def made(admin, world, name):
    """Create a pool and wait for its VMs."""
    await wanted(admin, world, name)
    await there(admin, name)


@asynccontextmanager
async def started(*flags):
    """The program as a process, which is killed if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "controller", *map(str, flags), stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process, text):
    """Read what it says until it says this."""
    lines = []
    async with asyncio.timeout(30):
        while not lines or text not in lines[-1]:
            line = await process.stderr.readline()
            assert line, lines
            lines.append(line.decode())
    return lines


async def test_the_program_keeps_a_pool(api, world):
    """From flags and a kubeconfig to VMs; healthy and measured meanwhile; SIGTERM ends it in order."""
    admin, path = api
    port = free_port()
    flags = ["--kubeconfig", path, "--leader-elect", "--reconcile-delay", "0.05", "--metrics-port", str(port)]
    async with started(*flags) as process:
        await made(admin, world, "p")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            for path in ("/healthz", "/readyz"):
                async with http.get(path) as answer:
                    assert answer.status == 200
            async with http.get("/metrics") as answer:
                text = await answer.text()
        assert 'leader_election_master_status{name="virtualmachinepool-controller"} 1' in text
        assert 'method="POST"' in text
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)  # who is impatient must not spoil it
        _, text = await process.communicate()
        assert process.returncode == 0
        assert b"Traceback" not in text
        lease = await admin.get(LEASES, "virtualmachinepool-controller", NS)
        assert lease["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot read the kubeconfig"),
        ("clusters: one", "no list of named clusters"),
        (
            (
                "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
                "clusters: [{name: a, cluster: {server: 'https://a', certificate-authority-data: eHh4}}]"
            ),
            "cannot be used",
        ),
    ],
)
def test_a_bad_kubeconfig_is_one_sentence(content, said, tmp_path, monkeypatch, capsys):
    """No traceback for a mistake of the user, and the exit status of bad usage."""
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(sys, "argv", ["vmpool-controller", "--kubeconfig", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("vmpool-controller: ")
    assert error.count("\n") == 1
    assert said in error


async def test_a_port_that_is_taken_is_one_sentence(api):
    """What the system refuses is told without a trace; logs are JSON where that is asked for."""
    _, path = api
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        flags = ["--kubeconfig", path, "--log-format=json", "--metrics-port", taken.getsockname()[1]]
        async with started(*flags) as process:
            _, text = await process.communicate()
    assert process.returncode == 2
    (line,) = text.splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"]) == ("error", "controller")
    assert "Address already in use" in entry["msg"]


async def test_definitions_come_late_and_go_and_come_back(bare_api, world):
    """It waits for them, says so once, and goes on with what is made afterwards; nothing has to start it anew."""
    admin, path = bare_api
    async with started("--kubeconfig", path, "--metrics-port", "-1", "--reconcile-delay", "0.05") as process:
        for _ in range(3):
            await said(process, "is not served")
        await define(admin)
        await made(admin, world, "early")
        await admin.delete(CRDS, VIRTUAL_MACHINE_POOLS.qualified)
        lines = await said(process, "is not served")
        assert sum("is not served" in line for line in lines) == 1
        await admin.create(CRDS, copy_of(DEFINITIONS[2]))
        await made(admin, world, "late")
        process.send_signal(signal.SIGTERM)
        _, text = await process.communicate()
        assert process.returncode == 0
        assert b"is not served" not in text


async def test_a_server_that_begins_anew_is_followed(tmp_path, world):
    """Another store behind the same address, whose versions start from 1: what was known before counts for nothing."""
    path, port = tmp_path / "kubeconfig", free_port()
    own_kubeconfig.write(path, f"http://127.0.0.1:{port}")
    async with started("--kubeconfig", path, "--metrics-port", "-1", "--reconcile-delay", "0.05") as process:
        await said(process, "trying again")
        for seed in range(2):
            api = ApiServer(MemoryStore(), ids=Ids(seed))
            await api.start()
            admin = Client(api).as_user("admin", "system:masters")
            await define(admin)
            handler, vms_followed = listening_for_vms(api)
            async with Server(handler, port=port):
                # until then the VMs of the life before hold their names: pools may be followed again sooner than VMs
                await asyncio.wait_for(vms_followed.wait(), 60)
                await made(admin, world, "p")
            api.close()
        process.send_signal(signal.SIGTERM)
        _, text = await process.communicate()
        assert process.returncode == 0
        assert b"Traceback" not in text


async def test_a_token_that_is_rotated(tmp_path, world):
    """What is refused while the old token does not count any more is done with the new one, as soon as its file has it."""
    api = ApiServer(MemoryStore(), ids=Ids(1))
    await api.start()
    admin = Client(api).as_user("admin", "system:masters")
    await define(admin)
    valid, refused = ["old"], asyncio.Event()

    async def guarded(request):
        if request.headers.get("authorization") != f"Bearer {valid[0]}":
            refused.set()
            return refusal(401, "Unauthorized", "Unauthorized")
        return await api(request)

    path = tmp_path / "kubeconfig"
    (tmp_path / "token").write_text("old")
    async with Server(guarded) as server:
        own_kubeconfig.write(path, server.url, token="x")
        path.write_text(path.read_text().replace('{"token": "x"}', '{"tokenFile": "token"}'))
        flags = ["--kubeconfig", path, "--metrics-port", "-1", "--reconcile-delay", "0.05", "--leader-elect"]
        async with started(*flags) as process:
            await made(admin, world, "p")
            valid[0] = "new"
            await wanted(admin, world, "q")
            await asyncio.wait_for(refused.wait(), 30)
            (tmp_path / "token").unlink()
            (tmp_path / "token").write_text("new")
            await there(admin, "q")
            process.send_signal(signal.SIGTERM)
            _, text = await process.communicate()
            assert process.returncode == 0
            assert b"Traceback" not in text
    api.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_an_end_in_the_middle_of_scaling_out(api, world, how):
    """Whatever was made by then is whole; the next one makes what is missing, under the names that are missing. Who is asked to end
    lets go of its lease, so that the next need not wait."""
    admin, path = api
    flags = ["--kubeconfig", path, "--metrics-port", "-1", "--reconcile-delay", "0.05"]
    if how == signal.SIGTERM:
        flags.append("--leader-elect")
    async with started(*flags) as process:
        await wanted(admin, world, "p", replicas=200)
        async for _ in admin.watch(VIRTUAL_MACHINES, NS, resource_version="0"):
            process.send_signal(how)
            break
        _, text = await process.communicate()
        assert process.returncode == (0 if how == signal.SIGTERM else -how)
        assert b"Traceback" not in text
    found = (await admin.list(VIRTUAL_MACHINES, NS)).items
    assert 0 < len(found) < 200
    (revision,) = (await admin.list(CONTROLLER_REVISIONS, NS)).items
    for vm in found:
        assert objects.controller_of(vm)["kind"] == "VirtualMachinePool"
        assert objects.finalizers(vm) == ["pool.kubevirt.io/finalizer"]
        assert revisions.of(vm) == objects.name(revision)
    async with started(*flags) as process:
        await there(admin, "p", 200)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    uids = {objects.uid(vm) for vm in (await admin.list(VIRTUAL_MACHINES, NS)).items}
    assert len(uids) == 200
    assert uids >= {objects.uid(vm) for vm in found}
    assert len((await admin.list(CONTROLLER_REVISIONS, NS)).items) == 1
