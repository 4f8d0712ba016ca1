"""kubernetes_asyncio: the official client's asynchronous sibling."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

kubernetes_asyncio = pytest.importorskip("kubernetes_asyncio", reason="needs the dependency group `clients`")
SPACE = "default"


@pytest.fixture
async def core(kubeconfig: Path) -> AsyncIterator[kubernetes_asyncio.client.CoreV1Api]:
    configuration = kubernetes_asyncio.client.Configuration()
    await kubernetes_asyncio.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    async with kubernetes_asyncio.client.ApiClient(configuration) as client:
        core = kubernetes_asyncio.client.CoreV1Api(client)
        yield core
        await core.delete_collection_namespaced_config_map(SPACE, label_selector="client=asyncio")


def config_map(name: str, **data: str):
    return {"metadata": {"name": f"asyncio-{name}", "labels": {"client": "asyncio"}}, "data": data}


async def test_list_watch_resume(core: kubernetes_asyncio.client.CoreV1Api) -> None:
    """List, then watch from there; stop, and go on where it stopped."""
    await core.create_namespaced_config_map(SPACE, config_map("a", v="1"))
    listed = await core.list_namespaced_config_map(SPACE, label_selector="client=asyncio")
    assert [one.metadata.name for one in listed.items] == ["asyncio-a"]
    await core.patch_namespaced_config_map("asyncio-a", SPACE, {"data": {"v": "2"}})
    seen = []
    version = listed.metadata.resource_version
    async with kubernetes_asyncio.watch.Watch() as watch:
        stream = watch.stream(
            core.list_namespaced_config_map,
            SPACE,
            label_selector="client=asyncio",
            resource_version=version,
            timeout_seconds=10,
        )
        async for event in stream:
            seen.append((event["type"], event["object"].data["v"]))
            version = event["object"].metadata.resource_version
            watch.stop()
    await core.delete_namespaced_config_map("asyncio-a", SPACE)
    async with kubernetes_asyncio.watch.Watch() as watch:
        stream = watch.stream(
            core.list_namespaced_config_map,
            SPACE,
            label_selector="client=asyncio",
            resource_version=version,
            timeout_seconds=10,
        )
        async for event in stream:
            seen.append((event["type"], event["object"].data["v"]))
            watch.stop()
    assert seen == [("MODIFIED", "2"), ("DELETED", "2")]


async def test_patch_and_conflict(core: kubernetes_asyncio.client.CoreV1Api) -> None:
    """A patch joins, an outdated replace is refused."""
    old = await core.create_namespaced_config_map(SPACE, config_map("p", v="1"))
    patched = await core.patch_namespaced_config_map("asyncio-p", SPACE, {"data": {"w": "2"}})
    assert patched.data == {"v": "1", "w": "2"}
    with pytest.raises(kubernetes_asyncio.client.ApiException) as refused:
        await core.replace_namespaced_config_map("asyncio-p", SPACE, old)
    assert refused.value.status == 409


async def test_streams_into_a_pod(core: kubernetes_asyncio.client.CoreV1Api) -> None:
    """A command's output comes back; a shell that is typed to tells how it ended; a log is followed to the pod's end."""
    container = {"name": "c", "image": "example.com/x:1"}
    await core.create_namespaced_pod(
        SPACE, {"metadata": {"name": "asyncio"}, "spec": {"containers": [container]}}
    )
    async with kubernetes_asyncio.watch.Watch() as watch:
        pods = watch.stream(core.list_namespaced_pod, SPACE, field_selector="metadata.name=asyncio")
        async for event in pods:
            if event["object"].status.phase == "Running":
                break
    configuration = core.api_client.configuration
    async with kubernetes_asyncio.stream.WsApiClient(configuration) as client:
        run = kubernetes_asyncio.client.CoreV1Api(client).connect_get_namespaced_pod_exec
        assert await run("asyncio", SPACE, command=["echo", "hi"], stdout=True) == "hi\n"
        asked = {"command": ["sh"], "stdin": True, "stdout": True, "stderr": True}
        async with await run("asyncio", SPACE, _preload_content=False, **asked) as socket:
            await socket.send_bytes(b"\0echo one\nexit 2\n")
            said = [message.data async for message in socket]
    assert said[:2] == [b"\x01", b"\x01one\n"]
    assert b"exit status 2" in said[2]
    log = await core.read_namespaced_pod_log("asyncio", SPACE, follow=True, _preload_content=False)
    assert await log.content.readline() == b"c: started example.com/x:1\n"
    await core.delete_namespaced_pod("asyncio", SPACE)
    assert await log.content.read() == b"c: finished\n"
