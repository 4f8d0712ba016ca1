"""`Warning` headers: when there are some, and how many."""

from typing import Any

import pytest

from fakekube.api.warning_headers import warning_headers
from fakekube.machinery.wire import Response
from tests.api.conftest import Ask, json_of

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def _warned(response: Response) -> list[str]:
    return [text for name, text in response.headers if name == "Warning"]


def _configmap(name: str = "a", **members: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **members}


async def test_what_no_header_can_hold_is_not_said(ask: Ask) -> None:
    """A field whose name has control characters is dropped without a word: the answer comes all the same."""
    made = await ask("POST", CONFIGMAPS, _configmap(**{"x\r\ny": 1, "z\x85": 2, "plain": 3}))
    assert made.status == 201
    assert _warned(made) == ['299 - "unknown field \\"plain\\""']
    assert "plain" not in json_of(made)


async def test_thousands_of_warnings_are_cut_short(ask: Ask) -> None:
    """Once warnings say more than 4,096 characters, each is cut at 256, and the rest is not said."""
    made = await ask("POST", CONFIGMAPS, _configmap(**{f"{number}{'x' * 300}": 1 for number in range(3_000)}))
    assert made.status == 201
    assert [len(text) for text in _warned(made)] == [len('299 - ""') + 256 + len("\\")] * 16


@pytest.mark.parametrize(
    ("lengths", "said"), [([300] * 13, [300] * 13), ([300] * 14, [256] * 14), ([4_097, 1], [256, 1])]
)
def test_one_is_cut_only_where_all_are_too_long(lengths: list[int], said: list[int]) -> None:
    """A long warning is told as it is while all of them stay within the limit."""
    texts = [chr(ord("a") + index) * length for index, length in enumerate(lengths)]
    assert [text.count(text[7]) for _, text in warning_headers(texts)] == said


async def test_refusals_warn_too(ask: Ask) -> None:
    """What was remarked upon before a write was refused is told with the refusal."""
    refused = await ask("POST", CONFIGMAPS, _configmap("A", datum={}))
    assert refused.status == 422
    assert _warned(refused) == ['299 - "unknown field \\"datum\\""']
    await ask("POST", CONFIGMAPS, _configmap())
    stale = _configmap(datum={}) | {"metadata": {"name": "a", "resourceVersion": "1"}}
    conflict = await ask("PUT", f"{CONFIGMAPS}/a", stale)
    assert conflict.status == 409
    assert _warned(conflict) == ['299 - "unknown field \\"datum\\""']
