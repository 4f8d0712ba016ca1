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


MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
TWICE = b'{"data":{"a":"1","a":"2"}}'
OPERATION = b'[{"op":"add","path":"/data","value":{"a":"2"},"why":"so","path":"/data"}]'


@pytest.mark.parametrize(
    ("media", "body", "told"),
    [
        (MERGE, TWICE, ['duplicate field "data.a"']),
        (STRATEGIC, TWICE, ['duplicate field "data.a"']),
        (
            JSON_PATCH,
            OPERATION,
            ['json patch duplicate field "[0].path"', 'json patch unknown field "[0].why"'],
        ),
        (
            MERGE,
            b'{"datum":1,"data":{"a":"1","a":"2"}}',
            ['duplicate field "data.a"', 'unknown field "datum"'],
        ),
    ],
)
async def test_patches_are_read_strictly(ask: Ask, media: str, body: bytes, told: list[str]) -> None:
    """What a patch names twice, and members no operation has, are warned about, refused, or passed over, as fields nobody knows."""
    await ask("POST", CONFIGMAPS, _configmap())
    refused = await ask("PATCH", f"{CONFIGMAPS}/a?fieldValidation=Strict", body, media)
    assert refused.status == 422
    assert json_of(refused)["message"].endswith(f": strict decoding error: {', '.join(told)}")
    silent = await ask("PATCH", f"{CONFIGMAPS}/a?fieldValidation=Ignore&dryRun=All", body, media)
    assert (silent.status, silent.headers) == (200, [])
    warned = await ask("PATCH", f"{CONFIGMAPS}/a", body, media)
    assert json_of(warned)["data"] == {"a": "2"}
    assert _warned(warned) == ['299 - "{}"'.format(one.replace('"', '\\"')) for one in told]


async def test_repeated_members_of_a_body_without_a_type(ask: Ask) -> None:
    """They are told as well where the body leaves out as many members as it repeats."""
    body = b'{"metadata":{"name":"a","name":"b"},"data":{"a":"1","a":"2"}}'
    told = 'strict decoding error: duplicate field "metadata.name", duplicate field "data.a"'
    refused = await ask("POST", f"{CONFIGMAPS}?fieldValidation=Strict", body)
    assert (refused.status, json_of(refused)["message"].partition("ConfigMap: ")[2]) == (400, told)


@pytest.mark.parametrize(
    ("method", "path", "media"), [("POST", "", "application/yaml"), ("PATCH", "/a?fieldManager=m", APPLY)]
)
async def test_each_repeated_key_of_yaml_is_a_warning(ask: Ask, method: str, path: str, media: str) -> None:
    """Where they are not refused, keys that YAML names twice are warned about one by one."""
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: p\n  a: q\n  b: p\n  b: q\n"
    made = await ask(method, CONFIGMAPS + path, body, media)
    assert json_of(made)["data"] == {"a": "q", "b": "q"}
    assert _warned(made) == [
        rf'299 - "line {line}: key \"{key}\" already set in map"' for line, key in ((6, "a"), (8, "b"))
    ]
    separator = "&" if "?" in path else "?"
    refused = await ask(method, f"{CONFIGMAPS}{path}{separator}fieldValidation=Strict", body, media)
    assert refused.status == 400
