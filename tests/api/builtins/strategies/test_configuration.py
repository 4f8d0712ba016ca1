"""ConfigMaps and Secrets: keys, sizes, immutability, types."""

import base64

import pytest

from tests.api.builtins.strategies.conftest import Send, said

CMS, SECRETS = "/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/secrets"


async def test_config_map_keys(create: Send) -> None:
    """A key is a file name."""
    assert said(await create(CMS, "a", data={"a b": "v", "..": "v", "..x": "v"})) == [
        (
            "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
            "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        ),
        "data[..]: Invalid value: \"..\": must not be '..'",
        "data[..x]: Invalid value: \"..x\": must not start with '..'",
    ]
    assert said(await create(CMS, "b", data={".hidden": "v", "A-b_c.d": "v"}, binaryData={"x": "AAEC"})) == []


async def test_config_map_key_in_both(create: Send) -> None:
    """No key is text and bytes at once."""
    refused = await create(CMS, "a", data={"k": "v"}, binaryData={"k": "AAEC"})
    assert said(refused) == ['data[k]: Invalid value: "k": duplicate of key present in binaryData']


@pytest.mark.parametrize(
    ("extra", "refused"), [(0, []), (1, ["[]: Too long: may not be more than 1048576 bytes"])]
)
async def test_config_map_size(create: Send, extra: int, refused: list[str]) -> None:
    """A mebibyte fits, not a byte more; what counts is bytes, and of binaryData the decoded ones."""
    data = {"k": "ü" * (2**18), "l": "x" * extra}
    binary = {"b": base64.b64encode(bytes(2**19)).decode()}
    assert said(await create(CMS, "a", data=data, binaryData=binary)) == refused


async def test_immutable_config_map(create: Send, change: Send) -> None:
    """`immutable` freezes the data and itself; metadata stays free."""
    await create(CMS, "a", data={"k": "v"}, immutable=True)
    frozen = "Forbidden: field is immutable when `immutable` is set"
    assert said(await change(f"{CMS}/a", {"data": {"k": "w"}})) == [f"data: {frozen}"]
    assert said(await change(f"{CMS}/a", {"immutable": False})) == [f"immutable: {frozen}"]
    assert (await change(f"{CMS}/a", {"metadata": {"labels": {"a": "b"}}}))["metadata"]["labels"] == {
        "a": "b"
    }


async def test_string_data(create: Send, change: Send) -> None:
    """stringData goes into data, over what is there, and is not kept."""
    made = await create(
        SECRETS, "a", stringData={"a": "hello", "b": "over"}, data={"b": "dW5kZXI=", "c": "Yw=="}
    )
    assert (made["data"], made["type"]) == ({"a": "aGVsbG8=", "b": "b3Zlcg==", "c": "Yw=="}, "Opaque")
    changed = await change(f"{SECRETS}/a", {"stringData": {"d": "more"}})
    assert changed["data"] == {**made["data"], "d": "bW9yZQ=="}
    assert "stringData" not in changed


async def test_secret_type_is_fixed(create: Send, change: Send) -> None:
    """A Secret keeps its type."""
    await create(SECRETS, "a", data={})
    refused = await change(f"{SECRETS}/a", {"type": "example.com/other"})
    assert said(refused) == ['type: Invalid value: "example.com/other": field is immutable']


@pytest.mark.parametrize(
    ("kind", "data", "refused"),
    [
        ("kubernetes.io/tls", {"tls.crt": ""}, ["data[tls.key]: Required value"]),
        ("kubernetes.io/dockerconfigjson", {}, ["data[.dockerconfigjson]: Required value"]),
        ("kubernetes.io/ssh-auth", {}, ["data[ssh-privatekey]: Required value"]),
        (
            "kubernetes.io/basic-auth",
            {},
            ["data[username]: Required value", "data[password]: Required value"],
        ),
        ("kubernetes.io/basic-auth", {"username": "eA=="}, []),
        (
            "kubernetes.io/service-account-token",
            {},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        (
            "kubernetes.io/dockercfg",
            {".dockercfg": base64.b64encode(b"{oops").decode()},
            [
                (
                    "data[.dockercfg]: Invalid value: \"<secret contents redacted>\": invalid character 'o' looking for "
                    "beginning of object key string"
                )
            ],
        ),
        ("example.com/own", {}, []),
    ],
)
async def test_secret_types(create: Send, kind: str, data: dict[str, str], refused: list[str]) -> None:
    """The well-known types say which keys there must be, and what a docker configuration looks like."""
    assert said(await create(SECRETS, "a", type=kind, data=data)) == refused
