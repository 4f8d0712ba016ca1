"""Long lists: read at one revision in slices, sent in pieces that together are what a short list would be."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api import negotiation
from fakekube.api.apiserver import ApiServer
from fakekube.api.registry.turns import Turns
from fakekube.api.verbs import list_body
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, whole
from fakekube.store.interface import Entry
from fakekube.store.memory import MemoryStore
from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
MANY = 1_100  # more than is read at once

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=90),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(
    values=st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), min_size=1, max_size=6),
    cut=st.integers(0, 6),
    look=st.sampled_from([("json", False), ("json", True), ("yaml", False)]),
    member=st.sampled_from(["items", "rows"]),
)
def test_pieces_are_the_whole(
    values: list[dict[str, Any]], cut: int, look: tuple[str, bool], member: str
) -> None:
    """Wherever a list is cut, its pieces make the same bytes as all of it at once."""
    media, pretty = look
    head = {"kind": "L", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}}
    around = list_body.frame({**head, member: []}, member, media, pretty=pretty)
    parts = [around.part(some) for some in (values[:cut], values[cut:]) if some]
    whole = negotiation.render({**head, member: values}, media, pretty=pretty)
    assert around.head + around.joint.join(parts) + around.tail == whole.body


@given(sizes=st.lists(st.integers(0, 50), max_size=30))
def test_slices_are_small(sizes: list[int]) -> None:
    """A slice has few entries of few bytes, or one large entry; together they are all of them, in order."""
    entries = [Entry(str(number), b"x" * size, 1, 1) for number, size in enumerate(sizes)]
    slices = list(list_body.Slice(4, 60).of(entries))
    assert [one for some in slices for one in some] == entries
    for some in slices:
        assert len(some) <= 4
        assert len(some) <= 1 or sum(len(one.value) for one in some) <= 60
    assert all(slices[1:]), "only a list of nothing has an empty slice"


async def test_turns(clock: ManualClock) -> None:
    """Of all who have long work one does a slice at a time, and everybody else is served in between."""
    turns, done = Turns(clock), []

    async def long(name: str) -> None:
        for _ in range(3):
            await turns.next()
            done.append(name)

    tasks = [asyncio.create_task(long(name)) for name in "abcd"]
    seen = []
    while not all(task.done() for task in tasks):
        before = len(done)
        await asyncio.sleep(0)
        seen.append(len(done) - before)
    assert max(seen) == 1
    assert done == list("abcd" * 3)


@pytest.mark.parametrize("accept", ["", TABLE, METADATA, "application/yaml"])
async def test_a_long_list_is_its_pages(ask: Ask, accept: str) -> None:
    """Whatever form a long list comes in: its items are those of short lists, one after the other."""
    count = 12 if "yaml" in accept else 230
    for number in range(count):
        await ask("POST", CM, {"metadata": {"name": f"c-{number:03}"}, "data": {"k": "v" * 5_000}})
    headers = {"accept": accept} if accept else {}

    async def read(query: str) -> dict[str, Any]:
        answer = await ask("GET", f"{CM}?{query}", **headers)
        if "yaml" not in accept:
            return json_of(answer)
        import yaml

        return yaml.safe_load(answer.body)

    found = await read("")
    member = "rows" if accept == TABLE else "items"
    page = await read("limit=3")
    paged = list(page[member])
    while token := page["metadata"].get("continue"):
        page = await read(f"limit=3&continue={token}")
        paged += page[member]
    assert len(found[member]) == count
    assert found[member] == paged
    assert {key: value for key, value in found.items() if key != member} == {
        key: value for key, value in page.items() if key != member
    }


async def test_more_is_written_than_is_remembered() -> None:
    """A list that cannot go on at the revision it began at is begun anew, and shows one moment all the same."""
    api = ApiServer(MemoryStore(retention=5), clock=ManualClock(), ids=Ids(7))
    await api.start()

    async def write(number: int) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c-{number:05}"}}
        json = {"content-type": "application/json"}
        assert (await api(Request("POST", CM, "", json, orjson.dumps(body)))).status == 201

    for number in range(MANY):
        await write(number)
    before = api.store.revision
    listing = asyncio.ensure_future(api(Request("GET", CM, "labelSelector=!x")))
    await asyncio.sleep(0)
    for number in range(MANY, MANY + 10):
        await write(number)
    assert not listing.done()
    found = json_of(await whole(await listing))
    assert int(found["metadata"]["resourceVersion"]) > before
    assert len(found["items"]) == MANY + int(found["metadata"]["resourceVersion"]) - before
    api.close()


async def test_watches_begin_with_many(api: ApiServer, ask: Ask) -> None:
    """What was there when a watch began is told in pieces, and the mark of its end with the last of them."""
    for number in range(250):
        await ask("POST", CM, {"metadata": {"name": f"c-{number}"}})
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    answer = await ask("GET", f"{CM}?{query}")
    assert answer.stream is not None
    pieces = [await anext(answer.stream) for _ in range(3)]
    kinds = [[orjson.loads(line)["type"] for line in piece.splitlines()] for piece in pieces]
    assert kinds == [["ADDED"] * 100, ["ADDED"] * 100, ["ADDED"] * 50 + ["BOOKMARK"]]
    await answer.stream.aclose()  # type: ignore[attr-defined]
