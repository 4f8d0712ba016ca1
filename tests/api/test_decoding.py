"""Bodies against what is stored: only what differs is decoded, and nothing slips through for that."""

from typing import Any

from tests.api.conftest import Ask, json_of

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
