"""Server-side apply at the door: what is refused in which order, and what becomes of what is merged."""

import pytest

from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
APPLY = "application/apply-patch+yaml"
UID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"apiVersion: v1\nmetadata: {name: a}", "invalid object type: /v1, Kind="),
        (b"kind: ConfigMap\nmetadata: {name: a}", "invalid object type: /, Kind=ConfigMap"),
        (b"# nothing", "invalid object type: /, Kind="),
        (b"apiVersion: apps/v1\nkind: Deployment", "invalid object type: apps/v1, Kind=Deployment"),
    ],
    ids=["no kind", "no version", "nothing", "another"],
)
async def test_the_type(ask: Ask, body: bytes, message: str) -> None:
    """A configuration says what it is a configuration of."""
    response = await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY)
    assert (response.status, json_of(response)["message"]) == (400, message)


async def test_a_name_that_is_a_truth_value(ask: Ask) -> None:
    """An unquoted `y` is true, as YAML had it, and so no name."""
    response = await ask(
        "PATCH", f"{CM}/y?fieldManager=m", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}", APPLY
    )
    assert (response.status, json_of(response)["message"]) == (
        500,
        (
            "failed to create typed patch object (/; /v1, Kind=ConfigMap): .metadata.name: expected string, got "
            "&value.valueUnstructured{Value:true}"
        ),
    )


async def test_uids(ask: Ask) -> None:
    """A uid is that of the object that is there; where none is, nobody can have it."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": UID}}
    missing = json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))
    assert (missing["code"], missing["message"]) == (
        409,
        (
            f'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid {UID}, and no '
            "existing object was found"
        ),
    )
    await ask("POST", CM, {"metadata": {"name": "a"}})
    other = json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))
    assert (other["code"], other["details"]["causes"][0]["field"]) == (422, "metadata.uid")


async def test_no_name_on_what_exists(ask: Ask) -> None:
    """What is there has its name from before; what is new has to be named."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}}
    assert (await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY)).status == 400
    await ask("POST", CM, {"metadata": {"name": "a"}})
    assert json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))["data"] == {"k": "v"}


async def test_equal_keys(ask: Ask) -> None:
    """Equal keys are refused by those who ask for strictness, and overwrite each other for the rest."""
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v, k: w}"
    assert (await ask("PATCH", f"{CM}/a?fieldManager=m&fieldValidation=Strict", body, APPLY)).status == 400
    assert json_of(await ask("PATCH", f"{CM}/a?fieldManager=m", body, APPLY))["data"] == {"k": "w"}


async def test_quantities(ask: Ask) -> None:
    """Quantities are stored in their canonical spelling, so that another spelling of the same changes nothing."""

    def pod(cpu: str) -> dict[str, object]:
        container = {"name": "c", "image": "x", "resources": {"limits": {"cpu": cpu}}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {"containers": [container]},
        }

    first = json_of(await ask("PATCH", f"{PODS}/p?fieldManager=m", pod("1"), APPLY))
    assert json_of(await ask("PATCH", f"{PODS}/p?fieldManager=m", pod("1000m"), APPLY)) == first
    wrong = json_of(await ask("PATCH", f"{PODS}/p?fieldManager=m", pod("lots"), APPLY))
    assert (wrong["code"], wrong["message"][:60]) == (
        500,
        "failed to convert new object (default/p; /v1, Kind=Pod) to p",
    )


async def test_json_is_yaml(ask: Ask) -> None:
    """A configuration in JSON is read as the YAML it is too: what YAML does not take is refused, equal keys are found."""
    body = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "%s"}}'

    async def applied(value: bytes, path: str = f"{CM}/a?fieldManager=m") -> dict[str, object]:
        return json_of(await ask("PATCH", path, body % value, APPLY))

    assert (await applied(b"plain"))["data"] == {"k": "plain"}
    assert (await applied("größer".encode()))["data"] == {"k": "größer"}
    assert (await applied(b'1", "k": "2'))["data"] == {"k": "2"}
    assert (await applied(b'1", "k": "2', f"{CM}/a?fieldManager=m&fieldValidation=Strict"))["code"] == 400
    assert (await applied(b"\x7f"))["code"] == 400
    assert (await applied(b"\\ud83d\\ude00"))["code"] == 400
