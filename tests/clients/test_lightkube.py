"""lightkube lists, watches, patches, applies and resumes."""

from collections.abc import AsyncIterator

import pytest

lightkube = pytest.importorskip("lightkube", reason="needs the dependency group `clients`")
from lightkube.core.exceptions import ApiError  # noqa: E402
from lightkube.models.meta_v1 import ObjectMeta  # noqa: E402
from lightkube.resources.core_v1 import ConfigMap, Namespace  # noqa: E402
from lightkube.types import PatchType  # noqa: E402


@pytest.fixture
async def client() -> AsyncIterator[lightkube.AsyncClient]:
    """In a namespace of its own."""
    admin = lightkube.AsyncClient(field_manager="lightkube")
    made = await admin.create(Namespace(metadata=ObjectMeta(generateName="lightkube-")))
    client = lightkube.AsyncClient(namespace=made.metadata.name, field_manager="lightkube")
    yield client
    await admin.delete(Namespace, made.metadata.name)
    await client.close()
    await admin.close()


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels={"app": "x"}), data=data)


async def test_list_in_pages(client: lightkube.AsyncClient) -> None:
    """A list by selector comes in pages and whole."""
    for number in range(5):
        await client.create(config_map(f"c{number}"))
    await client.create(ConfigMap(metadata=ObjectMeta(name="other")))
    found = [one.metadata.name async for one in client.list(ConfigMap, labels={"app": "x"}, chunk_size=2)]
    assert found == [f"c{number}" for number in range(5)]


async def test_watch_and_resume(client: lightkube.AsyncClient) -> None:
    """A watch tells what happens; a second one goes on where the first was left."""
    first = await client.create(config_map("a", v="1"))
    version = first.metadata.resourceVersion
    await client.patch(ConfigMap, "a", {"data": {"v": "2"}})
    seen = []
    async for kind, obj in client.watch(ConfigMap, resource_version=version):
        seen.append((kind, obj.data["v"]))
        version = obj.metadata.resourceVersion
        break
    await client.patch(ConfigMap, "a", {"data": {"v": "3"}})
    await client.delete(ConfigMap, "a")
    async for kind, obj in client.watch(ConfigMap, resource_version=version):
        seen.append((kind, obj.data["v"]))
        if kind == "DELETED":
            break
    assert seen == [("MODIFIED", "2"), ("MODIFIED", "3"), ("DELETED", "3")]


async def test_patch_and_apply(client: lightkube.AsyncClient) -> None:
    """Merge, JSON and strategic patches, and server-side apply with its conflicts."""
    await client.create(config_map("a", v="1"))
    patched = await client.patch(ConfigMap, "a", {"data": {"w": "2"}}, patch_type=PatchType.MERGE)
    assert patched.data == {"v": "1", "w": "2"}
    removal = [{"op": "remove", "path": "/data/w"}]
    assert (await client.patch(ConfigMap, "a", removal, patch_type=PatchType.JSON)).data == {"v": "1"}
    applied = await client.apply(config_map("b", v="1"))
    assert applied.metadata.managedFields[0].operation == "Apply"
    with pytest.raises(ApiError, match="conflict"):
        await client.apply(config_map("b", v="2"), field_manager="other")
    assert (await client.apply(config_map("b", v="2"), field_manager="other", force=True)).data == {"v": "2"}


async def test_conflicts(client: lightkube.AsyncClient) -> None:
    """Replacing an outdated object is a conflict."""
    old = await client.create(config_map("a", v="1"))
    await client.patch(ConfigMap, "a", {"data": {"v": "2"}})
    with pytest.raises(ApiError, match="the object has been modified") as refused:
        await client.replace(old)
    assert refused.value.status.reason == "Conflict"
