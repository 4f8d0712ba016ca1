"""Create, update, patch: identity, versions, and what a write may not change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.api import bodies
from fakekube.machinery.errors import ApiError
from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"


def config_map(name: str = "a", **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"k": "v"}}


async def test_create_fills_in_identity(ask: Ask) -> None:
    """A created object has uid, creationTimestamp, resourceVersion, and its writer as field manager."""
    response = await ask("POST", CM, config_map())
    meta = json_of(response)["metadata"]
    assert response.status == 201
    assert meta["uid"]
    assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert int(meta["resourceVersion"]) > 0
    assert [entry["manager"] for entry in meta["managedFields"]] == ["test"]


async def test_generate_name(ask: Ask) -> None:
    """`generateName` gets five characters appended; the seed decides which."""
    response = await ask("POST", CM, {"metadata": {"generateName": "job-"}})
    name = json_of(response)["metadata"]["name"]
    assert name.startswith("job-")
    assert len(name) == len("job-") + 5


async def test_create_with_version_is_refused(ask: Ask) -> None:
    """A resourceVersion on a new object is the real server's 500 without reason."""
    obj = config_map()
    obj["metadata"]["resourceVersion"] = "7"
    response = await ask("POST", CM, obj)
    body = json_of(response)
    assert (response.status, body.get("reason")) == (500, None)
    assert body["message"] == "resourceVersion should not be set on objects to be created"


async def test_create_taken(ask: Ask) -> None:
    """A name can be taken once."""
    await ask("POST", CM, config_map())
    response = await ask("POST", CM, config_map())
    assert (response.status, json_of(response)["message"]) == (409, 'configmaps "a" already exists')


async def test_create_in_absent_namespace(ask: Ask) -> None:
    """Nothing is created in a namespace that is not there."""
    response = await ask("POST", "/api/v1/namespaces/nope/configmaps", config_map())
    assert (response.status, json_of(response)["message"]) == (404, 'namespaces "nope" not found')


async def test_stale_put_conflicts_and_changes_nothing(ask: Ask) -> None:
    """Optimistic concurrency: the second writer with the same resourceVersion loses."""
    first = json_of(await ask("POST", CM, config_map()))
    await ask("PUT", f"{CM}/a", {**first, "data": {"k": "1"}})
    response = await ask("PUT", f"{CM}/a", {**first, "data": {"k": "2"}})
    assert response.status == 409
    assert json_of(response)["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )
    assert json_of(await ask("GET", f"{CM}/a"))["data"] == {"k": "1"}


async def test_unchanged_write_keeps_the_version(ask: Ask) -> None:
    """A write that changes nothing makes no revision."""
    first = json_of(await ask("POST", CM, config_map()))
    second = json_of(await ask("PATCH", f"{CM}/a", {"data": {"k": "v"}}, "application/merge-patch+json"))
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_dry_run_stores_nothing(ask: Ask) -> None:
    """`dryRun=All` answers as the write would, without a resourceVersion, and keeps the store as it is."""
    response = await ask("POST", f"{CM}?dryRun=All", config_map())
    assert response.status == 201
    assert "resourceVersion" not in json_of(response)["metadata"]
    assert (await ask("GET", f"{CM}/a")).status == 404


async def test_foreign_uid_conflicts(ask: Ask) -> None:
    """A PUT that names another incarnation is refused with the storage's precondition."""
    obj = json_of(await ask("POST", CM, config_map()))
    obj["metadata"]["uid"] = "another"
    del obj["metadata"]["resourceVersion"]
    response = await ask("PUT", f"{CM}/a", obj)
    assert response.status == 409
    assert "Precondition failed: UID in precondition: another" in json_of(response)["message"]


async def test_creation_time_is_the_servers(ask: Ask) -> None:
    """What a client says about the creation time is passed over."""
    created = json_of(await ask("POST", CM, config_map()))
    response = await ask(
        "PATCH",
        f"{CM}/a",
        {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}},
        "application/merge-patch+json",
    )
    assert response.status == 200
    assert json_of(response)["metadata"] == created["metadata"]


async def test_status_is_separate(ask: Ask) -> None:
    """Main writes leave status alone, status writes leave spec and generation alone (P-005 for built-ins)."""
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    pods = "/api/v1/namespaces/default/pods"
    created = json_of(await ask("POST", pods, {**pod, "status": {"phase": "Running"}}))
    assert created["status"]["phase"] == "Pending"
    merge = "application/merge-patch+json"
    body = {"status": {"phase": "Running"}, "metadata": {"labels": {"no": "way"}}}
    patched = json_of(await ask("PATCH", f"{pods}/p/status", body, merge))
    assert patched["status"]["phase"] == "Running"
    again = json_of(await ask("PATCH", f"{pods}/p", {"status": {"phase": "Failed"}}, merge))
    assert again["status"]["phase"] == "Running"


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{nope", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"\x00\x01", "application/vnd.kubernetes.protobuf", 400),
        (b'{"metadata": 5}', "application/json", 400),
        (b'{"kind": "Secret", "apiVersion": "v1"}', "application/json", 400),
    ],
)
async def test_bad_bodies_are_refused(ask: Ask, body: bytes, media: str, status: int) -> None:
    """What cannot be read is a 4xx Status, never a 500."""
    response = await ask("POST", CM, body, media)
    assert (response.status, json_of(response)["kind"]) == (status, "Status")


@given(st.binary(max_size=60), st.sampled_from(["application/json", "application/yaml"]))
def test_no_body_is_a_server_error(body: bytes, media: str) -> None:
    """Any bytes at all are decoded or refused."""
    try:
        code = 200 if isinstance(bodies.decode(body, media, "ConfigMap"), dict) else 500
    except ApiError as error:
        code = error.code
    assert code < 500
