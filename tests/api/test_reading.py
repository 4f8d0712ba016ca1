"""Reading collections against a model that looks at everything: with indexes and without, now and in the past."""

import asyncio
import base64
from collections.abc import Coroutine
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.apiserver import ApiServer
from fakekube.api.registry.codec import Memo
from fakekube.api.registry.label_index import Limits
from fakekube.api.registry.matching import list_options, matcher
from fakekube.api.registry.reading import Range, Reading
from fakekube.api.registry.strategy import ServedResource
from fakekube.clock import ManualClock
from fakekube.machinery.selectors import Selector
from fakekube.store.interface import Compacted, FutureRevision, Page
from fakekube.store.memory import MemoryStore
from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
THINGS = ServedResource("", "v1", "things", "Thing")
SPACES = ("a", "b")
SELECTORS = ("x=1", "x=2", "x in (1,2)", "x=1,y=1", "y", "x!=1", "x=1,y!=2", "x=none")
LABELS = st.dictionaries(st.sampled_from("xy"), st.sampled_from("123"), max_size=2)

Labels = dict[str, str]
State = dict[str, Labels]

WRITES = st.tuples(st.just("write"), st.sampled_from(SPACES), st.sampled_from("abcd"), st.none() | LABELS)
READS = st.tuples(
    st.just("read"), st.sampled_from(SELECTORS), st.none() | st.integers(0, 8), st.none() | st.integers(1, 3)
)
STEPS = st.lists(WRITES | WRITES | READS | READS | st.just(("compact",)), min_size=20, max_size=80)
FIRST = [("write", "a", "a", {"x": "1"}), ("read", "x=1,y=1", None, None), ("read", "x=2", None, 1)]


class Model:
    """A store, a reading of it with indexes as soon as can be, and what every revision held."""

    def __init__(self, limits: Limits) -> None:
        self.store = MemoryStore(retention=10)
        self.reading = Reading(self.store, ManualClock(), limits)
        self.history: list[State] = [{}]

    async def write(self, space: str, name: str, labels: Labels | None) -> None:
        """Create, update, or with no labels delete; half of the entries leave it to readers to decode their labels."""
        key, state = THINGS.key(space, name), dict(self.history[-1])
        before = await self.store.get(key)
        if labels is None:
            if before is None:
                return
            await self.store.delete(key)
            del state[key]
        else:
            value = orjson.dumps(
                {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name, "labels": labels}}
            )
            memo = Memo(labels) if name in "ab" else None
            if before is None:
                await self.store.create(key, value, memo)
            else:
                await self.store.update(key, value, before.modified, memo)
            state[key] = labels
        self.history.append(state)

    async def read(self, text: str, back: int | None, limit: int | None) -> None:
        """One list in pages, judged by the revision its first page says; later pages may find the past forgotten."""
        options = list_options(f"labelSelector={text}")
        match = matcher(THINGS, options)
        at = None if back is None else self.store.revision - back
        for prefix in (THINGS.prefix, THINGS.key("a", "")):
            try:
                page = await self.reading.select(THINGS, Range(prefix, at, "", limit), match, options.labels)
                found = [one.key for one in page.entries]
                while page.remaining:
                    after = Range(prefix, page.revision, found[-1], limit)
                    page = await self.reading.select(THINGS, after, match, options.labels)
                    found += [one.key for one in page.entries]
            except (Compacted, FutureRevision):
                assert at is not None or limit is not None
                continue
            assert found == self._expected(page, prefix, options.labels)

    def _expected(self, page: Page, prefix: str, labels: Selector) -> list[str]:
        state = self.history[page.revision]
        return sorted(key for key, one in state.items() if key.startswith(prefix) and labels.matches(one))


def play(model: Model, step: tuple[Any, ...]) -> Coroutine[Any, Any, None]:
    async def compact() -> None:
        model.store.compact(model.store.revision - 2)

    kind, *arguments = step
    return compact() if kind == "compact" else getattr(model, kind)(*arguments)


@settings(deadline=None, max_examples=100)
@given(steps=STEPS, few=st.sampled_from([0, 2, 50]), most=st.sampled_from([3, 50]))
def test_lists_by_label(steps: list[tuple[Any, ...]], few: int, most: int) -> None:
    """Whatever is written between, a list by label holds what a look at every object of its revision would find."""

    async def run() -> None:
        model = Model(Limits(often=1, small=0, few=few, most=most))
        for step in [*FIRST, *steps]:
            await play(model, step)

    asyncio.run(run())


@settings(deadline=None, max_examples=50)
@given(steps=STEPS, together=st.integers(2, 5))
def test_lists_by_label_at_once(steps: list[tuple[Any, ...]], together: int) -> None:
    """The same where several read and write at once."""

    async def run() -> None:
        model = Model(Limits(often=1, small=0, few=50, most=50))
        for step in FIRST:
            await play(model, step)
        for start in range(0, len(steps), together):
            await asyncio.gather(*(play(model, step) for step in steps[start : start + together]))

    asyncio.run(run())


async def test_an_index_does_not_grow() -> None:
    """It has one place for an object, however often its label changes, and none once that is gone."""
    model = Model(Limits(often=1, small=0))
    for number in range(50):
        await model.write("a", "a", {"x": str(number % 3)})
        await model.read("x=1", None, None)
    assert len(model.reading.indexes) == 2, "in the namespace, and in all of them"
    await model.write("a", "a", None)
    await model.read("x=1", None, None)
    assert len(model.reading.indexes) == 0


async def test_an_index_is_used(api: ApiServer, ask: Ask) -> None:
    """A list by label that is asked for again and again reads no more than it finds, and sees what is written since."""
    for number in range(1_000):
        await ask("POST", CM, {"metadata": {"name": f"c-{number}", "labels": {"n": str(number % 100)}}})
    for _ in range(3):
        assert len(json_of(await ask("GET", f"{CM}?labelSelector=n%3D7"))["items"]) == 10
    read: list[int] = []
    whole = api.store.list

    async def listed(*arguments: Any, **named: Any) -> Page:
        page = await whole(*arguments, **named)
        read.append(len(page.entries))
        return page

    api.store.list = listed  # type: ignore[method-assign]
    await ask("DELETE", f"{CM}/c-7")
    await ask("POST", CM, {"metadata": {"name": "new", "labels": {"n": "7"}}})
    found = json_of(await ask("GET", f"{CM}?labelSelector=n%3D7"))
    assert [one["metadata"]["name"] for one in found["items"]] == [
        *sorted(f"c-{number}" for number in range(107, 1_000, 100)),
        "new",
    ]
    assert found["metadata"]["resourceVersion"] == str(api.store.revision)
    assert not read


@pytest.mark.parametrize(
    ("query", "agent", "indented"),
    [
        ("", "curl/8.5.0", True),
        ("", "Wget/1.21", True),
        ("", "Mozilla/5.0 (X11; Linux x86_64)", True),
        ("", "kubectl/v1.36.0", False),
        ("?pretty=true", "kubectl/v1.36.0", True),
        ("?pretty=false", "curl/8.5.0", False),
        ("?pretty=perhaps", "curl/8.5.0", False),
        ("?pretty=", "curl/8.5.0", True),
    ],
)
async def test_people_get_indented_json(ask: Ask, query: str, agent: str, indented: bool) -> None:
    """curl, Wget and browsers, and whoever asks for it: objects, lists, discovery and refusals alike."""
    for path, status in [
        ("/api/v1/namespaces/default", 200),
        ("/api/v1/namespaces", 200),
        ("/apis/apps/v1", 200),
        ("/api/v1/namespaces/nope", 404),
    ]:
        response = await ask("GET", path + query, user_agent=agent)
        assert response.status == status
        assert response.body.startswith(b'{\n  "') == indented, path
        assert response.body.endswith(b"\n}" if indented else b"}\n"), path


@pytest.mark.parametrize(
    ("token", "code", "why"),
    [
        ({"v": "meta.k8s.io/v1", "rv": 10**9, "start": "default/a\0"}, 504, "Timeout: Too large resource version: 1000000000, "),
        (None, 400, "invalid continue token: continue key is not valid: server does not recognize this encoded version "),
    ],
)  # fmt: skip
async def test_tokens_of_somebody_else(ask: Ask, token: Any, code: int, why: str) -> None:
    """A token that speaks of a version yet to come, or of nothing, is refused."""
    text = base64.urlsafe_b64encode(orjson.dumps(token)).rstrip(b"=").decode()
    answer = json_of(await ask("GET", f"{CM}?continue={text}"))
    assert (answer["code"], answer["message"][: len(why)]) == (code, why)
