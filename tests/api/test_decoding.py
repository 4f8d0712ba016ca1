"""Bodies against what is stored: only what differs is decoded, and nothing slips through for that."""

from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
SECRETS = "/api/v1/namespaces/default/secrets"


async def stored(ask: Ask, **members: Any) -> dict[str, Any]:
    """A Secret as it lies in the store."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, **members}
    answer: dict[str, Any] = json_of(await ask("POST", SECRETS, secret))
    return answer


async def test_a_member_that_is_equal_but_of_another_type_is_refused(ask: Ask) -> None:
    """1 is not true, even where true is stored."""
    secret = await stored(ask, immutable=True)
    response = await ask("PUT", f"{SECRETS}/a", {**secret, "immutable": 1})
    assert response.status == 400
    assert (
        "cannot unmarshal number into Go struct field Secret.immutable of type bool"
        in json_of(response)["message"]
    )


async def test_unknown_fields_beside_unchanged_members_are_told(ask: Ask) -> None:
    """A PUT that repeats what is stored and adds an unknown member is warned about that member, and stores nothing."""
    secret = await stored(ask, data={"k": "dg=="})
    response = await ask("PUT", f"{SECRETS}/a", {**secret, "datum": 1})
    assert ("Warning", '299 - "unknown field \\"datum\\""') in response.headers
    assert json_of(response)["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"]


async def test_a_bad_body_is_said_before_a_missing_object(ask: Ask) -> None:
    """What cannot be decoded is a 400 wherever it is sent."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "none"}, "data": {"k": "%"}}
    assert (await ask("PUT", f"{SECRETS}/none", body)).status == 400


async def test_repeated_members_are_told(ask: Ask) -> None:
    """Text is looked through for members named twice."""
    body = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"},"type":"x","type":"y"}'
    response = await ask("POST", SECRETS, body)
    assert ("Warning", '299 - "duplicate field \\"type\\""') in response.headers


@pytest.mark.parametrize("text", [b"\\ud800", b"\xff", b"\xed\xa0\x80", b"\xe2\x82"])
async def test_text_that_is_none(ask: Ask, text: bytes) -> None:
    """Go takes a mark for every byte that is no UTF-8, and for halves of characters; nobody is refused for them."""
    body = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"},"type":"%b"}' % text
    marks = 1 if text.startswith(b"\\") else len(text)
    made = await ask("POST", SECRETS, body)
    assert (made.status, json_of(made)["type"]) == (201, "\ufffd" * marks)
    patched = await ask(
        "PATCH", f"{SECRETS}/b", b'{"metadata":{"annotations":{"a":"%b"}}}' % text, media=MERGE
    )
    assert json_of(patched)["metadata"]["annotations"]["a"] == "\ufffd" * marks


@pytest.mark.parametrize("number", ["1e400", "-1e400"])
async def test_numbers_no_float_can_hold(ask: Ask, number: str) -> None:
    """They are refused as Go refuses them."""
    body = b'{"metadata":{"name":"b"},"type":%b}' % number.encode()
    answer = json_of(await ask("POST", SECRETS, body))
    assert answer["code"] == 400
    assert f"json: cannot unmarshal number {number} into Go value of type float64" in answer["message"]


@pytest.mark.parametrize("depth", [260, 900, 5000])
@pytest.mark.parametrize("fields", ["Ignore", "Strict"])
async def test_bodies_nested_too_deep(ask: Ask, depth: int, fields: str) -> None:
    """Bodies nested deeper than can be stored are refused, whether anybody would have looked at their fields or not."""
    body = b'{"metadata":{"name":"b"},"data":%b1%b}' % (b'{"a":' * depth, b"}" * depth)
    answer = json_of(await ask("POST", f"{SECRETS}?fieldValidation={fields}", body))
    assert (answer["code"], "exceeded max depth" in answer["message"]) == (400, True)
    applied = await ask("PATCH", f"{SECRETS}/b?fieldManager=x", body, media=APPLY)
    assert (applied.status, b"exceeded max" in applied.body) == (400, True)


async def test_a_content_type_that_names_none(ask: Ask) -> None:
    """Nothing said is JSON; parameters without a type are no type."""
    assert (await ask("POST", SECRETS, {"metadata": {"name": "a"}}, media="")).status == 201
    assert (await ask("POST", SECRETS, {"metadata": {"name": "b"}}, media="; q=1")).status == 415
