"""kr8s: discovers kinds by itself, patches, waits and watches."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kr8s", reason="needs the dependency group `clients`")
import kr8s.asyncio
from kr8s.asyncio.objects import ConfigMap, Pod

LABEL = {"client": "kr8s"}
# It knows the versions of its own time, and works with later ones all the same.
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported:UserWarning")


@pytest.fixture
async def api(kubeconfig: Path) -> Any:
    return await kr8s.asyncio.api(kubeconfig=str(kubeconfig), namespace="default")


def config_map(name: str, **data: str) -> dict[str, Any]:
    meta = {"name": f"kr8s-{name}", "namespace": "default", "labels": LABEL}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def test_life_of_an_object(api: Any) -> None:
    """Create, list by label, patch, refresh, delete."""
    made = await ConfigMap(config_map("a", v="1"), api=api)
    await made.create()
    found = [one.name async for one in api.get("configmaps", label_selector=LABEL)]
    assert found == ["kr8s-a"]
    await made.patch({"data": {"w": "2"}})
    assert made.data == {"v": "1", "w": "2"}
    await made.label(x="y")
    await made.refresh()
    assert made.labels["x"] == "y"
    await made.delete()
    assert not await made.exists()


async def test_watch_and_resume(api: Any) -> None:
    """A watch begins with what is there; its events come in order."""
    made = await ConfigMap(config_map("w", v="1"), api=api)
    await made.create()
    seen = []
    async for kind, obj in api.watch("configmaps", label_selector=LABEL):
        seen.append((kind, obj.data["v"]))
        if len(seen) == 1:
            await made.patch({"data": {"v": "2"}})
        elif len(seen) == 2:
            await made.delete()
        else:
            break
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


async def test_scale_by_subresource(api: Any) -> None:
    """Discovery tells what kinds there are; conditions can be waited for."""
    assert any(one["kind"] == "Deployment" for one in await api.api_resources())
    meta = {"name": "kr8s", "namespace": "default"}
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = await Pod({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, api=api)
    await pod.create()
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await pod.patch(ready, subresource="status")
    await pod.wait("condition=Ready", timeout=30)
    await pod.delete(force=True)


async def test_streams_into_a_pod(api: Any) -> None:
    """Commands end with what they said; a forwarded port is one of this machine."""
    container = {"name": "c", "image": "example.com/x:1", "ports": [{"containerPort": 80}]}
    meta = {"name": "kr8s-stream", "namespace": "default"}
    pod = await Pod({"metadata": meta, "spec": {"containers": [container]}}, api=api)
    await pod.create()
    await pod.wait("condition=Ready")
    done = await pod.exec(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 0)
    async with pod.portforward(80) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await reader.read()).endswith(b"Hello from kr8s-stream\n")
        writer.close()
    await pod.delete()


async def test_who_i_am(api: Any) -> None:
    """The token of the kubeconfig is somebody's."""
    assert await api.whoami() == "kubernetes-admin"
