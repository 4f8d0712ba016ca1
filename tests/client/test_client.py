import asyncio

import orjson
import pytest

from fakekube.client.client import Client
from fakekube.machinery import errors
from fakekube.machinery.resources import CONFIG_MAPS, NODES, PODS
from fakekube.machinery.wire import Response


async def test_what_is_created_can_be_read_changed_and_deleted(client, config_map):
    """The verbs address an object by its namespace and name."""
    await client.create(CONFIG_MAPS, config_map("a", data={"k": "1"}))
    found = await client.get(CONFIG_MAPS, "a", "ns")
    found["data"]["k"] = "2"
    await client.update(CONFIG_MAPS, found)
    assert (await client.get(CONFIG_MAPS, "a", "ns"))["data"] == {"k": "2"}
    await client.delete(CONFIG_MAPS, "a", "ns")
    with pytest.raises(errors.NotFound):
        await client.get(CONFIG_MAPS, "a", "ns")


async def test_what_need_not_be_there_is_found_or_not(client, config_map):
    """`find` answers None where `get` raises NotFound, and raises every other refusal."""
    assert await client.find(CONFIG_MAPS, "a", "ns") is None
    made = await client.create(CONFIG_MAPS, config_map("a"))
    assert await client.find(CONFIG_MAPS, "a", "ns") == made


async def test_what_is_there_already_is_left_as_it_is(client, config_map):
    """`create_if_absent` answers with what it made, or with None where the name is taken."""
    made = await client.create_if_absent(CONFIG_MAPS, config_map("a", data={"k": "1"}))
    assert made is not None
    assert made["data"] == {"k": "1"}
    assert await client.create_if_absent(CONFIG_MAPS, config_map("a", data={"k": "2"})) is None
    assert await client.get(CONFIG_MAPS, "a", "ns") == made


async def test_what_has_gone_already_need_not_be_deleted(api, client, config_map):
    """`delete_if_present` tells whether there was anything to delete; its options travel as those of `delete`."""
    await client.create(CONFIG_MAPS, config_map("a"))
    assert await client.delete_if_present(CONFIG_MAPS, "a", "ns", propagation="Background", grace_seconds=0)
    sent = orjson.loads(api.requests[-1].body)
    assert (sent["propagationPolicy"], sent["gracePeriodSeconds"]) == ("Background", 0)
    assert not await client.delete_if_present(CONFIG_MAPS, "a", "ns")


@pytest.mark.parametrize("verb", ["find", "create_if_absent", "delete_if_present"])
async def test_only_the_one_refusal_is_forgiven(api, client, config_map, verb):
    """Being forbidden is not being absent: any other refusal is raised by the forgiving verbs, too."""
    api.fail = [errors.Forbidden("no"), errors.Conflict("no")]
    asked = (config_map("a"),) if verb == "create_if_absent" else ("a", "ns")
    with pytest.raises(errors.Forbidden):
        await getattr(client, verb)(CONFIG_MAPS, *asked)
    with pytest.raises(errors.Conflict):
        await getattr(client, verb)(CONFIG_MAPS, *asked)


async def test_what_is_sent_as_bytes_is_still_looked_through(config_map):
    """A body written from an object says of itself that it names no member twice; bytes may be anything."""
    seen = []

    async def server(request):
        seen.append((request.body, request.sent))
        return Response(201, b"{}")

    sending = Client(server)
    await sending.create(CONFIG_MAPS, config_map("a"))
    await sending.request("POST", "/", body={"k": 1})
    await sending.request("POST", "/", body=b'{"k":1,"k":2}')
    await sending.patch(CONFIG_MAPS, "a", "ns", b'{"k":1,"k":2}', type="merge")
    assert [sent is not None for _, sent in seen] == [True, True, False, False]


async def test_what_was_sent_is_let_go_of_with_the_answer(config_map):
    """A request that is remembered holds its bytes, not the object they were made from; refused or not."""
    seen = []

    async def server(request):
        seen.append(request)
        if len(seen) > 1:
            raise errors.NotFound("gone")
        return Response(201, b"{}")

    sending = Client(server)
    await sending.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(errors.NotFound):
        await sending.update(CONFIG_MAPS, config_map("a"))
    assert [(request.sent, bool(request.body)) for request in seen] == [(None, True), (None, True)]


async def test_refusals_keep_what_the_status_says(api, client, config_map):
    """A refusal is raised as the class of its reason, with message and details."""
    await client.create(CONFIG_MAPS, config_map("a"))
    with pytest.raises(errors.AlreadyExists) as refusal:
        await client.create(CONFIG_MAPS, config_map("a"))
    assert refusal.value.message == 'things "configmaps" already exists'
    assert refusal.value.details == {"name": "configmaps", "kind": "things"}


async def test_refusals_without_a_status_are_told_as_they_are():
    """An answer of a proxy, which is no Status, becomes an error with its text and code."""

    async def proxy(request):
        return Response(503, b"no healthy upstream\n", "text/plain", headers=[("Retry-After", "1")])

    with pytest.raises(errors.ApiError) as refusal:
        await Client(proxy).get(NODES, "n")
    assert (refusal.value.code, refusal.value.message) == (503, "no healthy upstream")
    assert refusal.value.headers == [("Retry-After", "1")]


async def test_a_list_is_joined_from_its_pages(api, client, config_map):
    """Lists follow continue tokens; items carry apiVersion and kind although the server leaves them out."""
    for number in range(1203):
        await client.create(CONFIG_MAPS, config_map(f"cm-{number:04}"))
    api.requests.clear()
    found = await client.list(CONFIG_MAPS, "ns")
    assert [one["metadata"]["name"] for one in found.items] == [f"cm-{n:04}" for n in range(1203)]
    assert found.items[0]["kind"] == "ConfigMap"
    assert found.items[-1]["apiVersion"] == "v1"
    assert (found.resource_version, found.remaining) == ("1203", 0)
    assert len(api.requests) == 3


async def test_a_limit_asks_for_one_page(api, client, config_map):
    """With a limit the first page is all, and what remains is told."""
    for name in "abc":
        await client.create(CONFIG_MAPS, config_map(name))
    found = await client.list(CONFIG_MAPS, "ns", limit=2)
    assert (len(found.items), found.remaining) == (2, 1)


async def test_an_expired_continue_token_falls_back_to_one_whole_list(api, client, config_map):
    """When the pages take longer than the server remembers, everything is listed at once."""
    for number in range(501):
        await client.create(CONFIG_MAPS, config_map(f"cm-{number}"))
    first_page = await api(_listing("limit=500"))
    answers = iter([first_page, errors.Expired("too old"), await api(_listing(""))])

    async def handler(request):
        answer = next(answers)
        return answer if isinstance(answer, Response) else Response(410, orjson.dumps(answer.status()))

    assert len((await Client(handler).list(CONFIG_MAPS, "ns")).items) == 501


def _listing(query):
    from fakekube.machinery.wire import Request

    return Request("GET", CONFIG_MAPS.path("ns"), query)


async def test_identity_travels_with_the_request(api, client):
    """A client made by as_user asks as that user, who is authenticated."""
    other = client.as_user("system:serviceaccount:a:b", "system:serviceaccounts", user_agent="agent/1")
    with pytest.raises(errors.NotFound):
        await other.get(PODS, "p", "ns")
    asked = api.requests[-1]
    assert asked.user.name == "system:serviceaccount:a:b"
    assert asked.user.groups == ("system:serviceaccounts", "system:authenticated")
    assert asked.headers["user-agent"] == "agent/1"


async def test_queries_are_encoded(api, client):
    """Selectors reach the server percent-encoded."""
    await client.list(CONFIG_MAPS, "ns", label_selector="a in (b,c),!d", field_selector="metadata.name=x")
    assert (
        "labelSelector=a%20in%20%28b%2Cc%29%2C%21d&fieldSelector=metadata.name%3Dx" in api.requests[-1].query
    )


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("json", "application/json-patch+json"),
        ("merge", "application/merge-patch+json"),
        ("strategic", "application/strategic-merge-patch+json"),
        ("apply", "application/apply-patch+yaml"),
    ],
)
async def test_patches_name_their_media_type(api, client, config_map, kind, media_type):
    """Each kind of patch is sent with its media type; apply also with manager and force."""
    await client.create(CONFIG_MAPS, config_map("a"))
    await client.patch(CONFIG_MAPS, "a", "ns", {}, type=kind, field_manager="me", force=kind == "apply")
    asked = api.requests[-1]
    assert asked.headers["content-type"] == media_type
    assert asked.query == ("fieldManager=me&force=true" if kind == "apply" else "fieldManager=me")


async def test_deletion_options_travel_in_the_body(api, client, config_map):
    """Propagation, grace and preconditions are DeleteOptions; without any there is no body."""
    for name in "ab":
        await client.create(CONFIG_MAPS, config_map(name))
    await client.delete(CONFIG_MAPS, "a", "ns")
    assert api.requests[-1].body == b""
    await client.delete(
        CONFIG_MAPS, "b", "ns", propagation="Foreground", grace_seconds=0, uid="u", resource_version="7"
    )
    assert orjson.loads(api.requests[-1].body) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Foreground",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u", "resourceVersion": "7"},
    }


async def test_subresources_are_addressed_by_the_objects_name(api, client):
    """Creating at a subresource (binding) posts below the object."""
    api.fail.append(errors.Forbidden("no"))
    binding = {"metadata": {"name": "p", "namespace": "ns"}, "target": {"name": "n"}}
    with pytest.raises(errors.Forbidden):
        await client.create(PODS, binding, subresource="binding")
    assert api.requests[-1].path == "/api/v1/namespaces/ns/pods/p/binding"


async def test_metadata_only_asks_for_partial_objects(api, client):
    """A metadata client names the partial kinds in its Accept headers."""
    await client.metadata_only().list(CONFIG_MAPS, "ns")
    assert "as=PartialObjectMetadataList;" in api.requests[-1].headers["accept"]


def _served(chunks):
    async def stream():
        for chunk in chunks:
            yield chunk

    async def handler(request):
        return Response(stream=stream())

    return Client(handler)


_LINES = b"".join(
    orjson.dumps({"type": "ADDED", "object": {"metadata": {"name": str(n)}}}) + b"\n" for n in range(5)
)


@pytest.mark.parametrize("size", [1, 7, 40, len(_LINES), 3 * len(_LINES)])
async def test_watch_lines_may_be_cut_anywhere(size):
    """However the stream is cut into chunks, the same events come out."""
    chunks = [_LINES[at : at + size] for at in range(0, len(_LINES), size)]
    seen = [(kind, obj["metadata"]["name"]) async for kind, obj in _served(chunks).watch(PODS)]
    assert seen == [("ADDED", str(n)) for n in range(5)]


async def test_an_error_event_is_raised_after_the_events_before_it():
    """Events that arrived together with an ERROR are told first; the ERROR is an ApiError."""
    line = orjson.dumps({"type": "ERROR", "object": errors.Expired("too old").status()})
    seen = []
    events = _served([_LINES + line + b"\n"]).watch(PODS)
    while len(seen) < 5:
        seen.append(await anext(events))
    with pytest.raises(errors.Expired):
        await anext(events)


async def test_leaving_a_watch_releases_the_stream(api, client, config_map, background, turns):
    """Cancelling the reader of a watch ends the server's side of it at once."""
    events = []

    async def read():
        async for kind, _ in client.watch(CONFIG_MAPS, "ns"):
            events.append(kind)

    reader = background(read())
    await client.create(CONFIG_MAPS, config_map("a"))
    await turns()
    assert (events, api.streams) == (["ADDED"], 1)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert api.streams == 0
