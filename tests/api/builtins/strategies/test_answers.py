"""What single kinds change about the answers every kind gives."""

from tests.api.builtins.strategies.conftest import Send, said
from tests.api.conftest import Ask, json_of

NS = "/api/v1/namespaces/default"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


async def test_refusals_are_deprecated_too(ask: Ask) -> None:
    """A deprecated version says so with every answer, refusals included."""
    refused = await ask("GET", f"{NS}/endpoints/nope")
    said_with_it = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    assert (refused.status, dict(refused.headers).get("Warning")) == (404, said_with_it)


async def test_a_deleted_object_is_shown_at_its_end(create: Send, ask: Ask) -> None:
    """Kinds that answer DELETE with the object show it at the revision of the deletion."""
    made = await create(f"{NS}/serviceaccounts", "a")
    gone = json_of(await ask("DELETE", f"{NS}/serviceaccounts/a"))
    assert gone["metadata"]["uid"] == made["metadata"]["uid"]
    assert int(gone["metadata"]["resourceVersion"]) == int(made["metadata"]["resourceVersion"]) + 1


async def test_generation_is_kept_where_nobody_counts(create: Send, ask: Ask) -> None:
    """A ConfigMap has no generation of its own, so it keeps the one it is made with, and that for good."""
    assert (await create(f"{NS}/configmaps", "a", metadata={"generation": 7}))["metadata"]["generation"] == 7
    body = {"metadata": {"name": "a", "generation": 9}, "data": {"k": "v"}}
    assert json_of(await ask("PUT", f"{NS}/configmaps/a", body))["metadata"]["generation"] == 7


async def test_put_creates_only_what_has_no_past(ask: Ask) -> None:
    """A PUT that names a uid is about an object that exists; it does not create another one."""
    body = {
        "metadata": {"name": "a", "uid": "11111111-2222-3333-4444-555555555555"},
        "spec": {"holderIdentity": "x"},
    }
    refused = await ask("PUT", f"{LEASES}/a", body)
    assert refused.status == 409
    assert json_of(refused)["message"].endswith("UID in object meta: ")
    del body["metadata"]["uid"]
    assert (await ask("PUT", f"{LEASES}/a", body)).status == 201


async def test_events_are_one_kind(create: Send) -> None:
    """A refusal of an events.k8s.io Event speaks of the core kind it is stored as."""
    refused = await create(EVENTS, "e", regarding={"kind": "Pod", "namespace": "default", "name": "p"})
    assert refused["message"].startswith('Event "e" is invalid: ')
    assert "group" not in refused["details"]
    assert said(refused) == ["eventTime: Required value", 'type: Invalid value: "": has invalid value: ']
