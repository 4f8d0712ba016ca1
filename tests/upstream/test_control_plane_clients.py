"""The first minute of kube-controller-manager and kube-scheduler, as the requests Go's clients make: protobuf bodies,
informers that stream their first list, metadata alone for everything that can be deleted.

Origin: k8s: cmd/kube-controller-manager/app, pkg/scheduler, staging/src/k8s.io/client-go/{tools,metadata,scale}
"""

import asyncio
import json
from typing import Any

import aiohttp

from tests.upstream import wire
from tests.upstream.conftest import STRATEGIC, Make, Object, Suite
from tests.upstream.wire import PROTOBUF, body, meta

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
SYSTEM = "/api/v1/namespaces/kube-system"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
INITIAL_EVENTS = {
    "watch": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
    "timeoutSeconds": "600",
}


async def send(suite: Suite, method: str, path: str, content: bytes, **query: str) -> Object:
    """A write as a typed client makes it; the answer may be JSON."""
    status, answer = await suite.call(method, path, content, content=PROTOBUF, accept=wire.ACCEPT, **query)
    assert status < 300, answer
    return answer


async def served(suite: Suite) -> dict[str, Object]:
    """Path of a collection → what discovery says of it."""
    found: dict[str, Object] = {}
    for root in ("/api", "/apis"):
        status, document = await suite.call("GET", root, accept=AGGREGATED)
        assert status == 200
        for group in document["items"]:
            own = group["metadata"].get("name", "")
            for version in group["versions"]:
                prefix = f"{root}/{own}/{version['version']}".replace("//", "/")
                for resource in version.get("resources", ()):
                    found[f"{prefix}/{resource['resource']}"] = resource
    return found


async def first_events(suite: Suite, path: str, accept: str) -> list[Object]:
    """The events of a watch up to the bookmark that ends the first list."""
    headers = {"Accept": accept}
    found: list[Object] = []
    async with (
        aiohttp.ClientSession() as session,
        session.get(suite.url + path, headers=headers, params=INITIAL_EVENTS) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"].startswith("application/json")
        async for line in answer.content:
            event = json.loads(line)
            found.append(event)
            if event["type"] == "BOOKMARK":
                return found
    raise AssertionError(f"{path}: no bookmark ended the first list")


def says_it_is_complete(bookmark: Object) -> bool:
    return bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


LATE = (  # groups of which 1.36 serves resources to these informers
    *("resource.k8s.io", "storage.k8s.io", "certificates.k8s.io", "flowcontrol.apiserver.k8s.io"),
    *("networking.k8s.io", "node.k8s.io", "discovery.k8s.io", "coordination.k8s.io"),
)


async def test_informers_on_every_resource(suite: Suite) -> None:
    """Everything that can be listed and watched streams its first list, whole and as metadata, even where it is empty."""
    resources = await served(suite)
    watched = [path for path, one in resources.items() if {"list", "watch"} <= set(one["verbs"] or ())]
    plurals = {path.rpartition("/")[2] for path in watched}
    assert {
        *("resourceclaims", "resourceslices", "deviceclasses", "resourceclaimtemplates"),
        *("volumeattachments", "csinodes", "csidrivers", "csistoragecapacities", "volumeattributesclasses"),
        *("servicecidrs", "ipaddresses", "podtemplates", "replicationcontrollers"),
        *("certificatesigningrequests", "flowschemas", "prioritylevelconfigurations", "runtimeclasses"),
        *("controllerrevisions", "endpointslices", "leases", "virtualmachinepools", "datavolumes"),
    } <= plurals
    for group in LATE:
        assert any(path.startswith(f"/apis/{group}/") for path in watched), group

    async def informer(path: str) -> None:
        whole = await first_events(suite, path, wire.ACCEPT)
        slim = await first_events(suite, path, wire.ACCEPT_METADATA)
        assert says_it_is_complete(whole[-1]), path
        assert says_it_is_complete(slim[-1]), path
        assert slim[-1]["object"]["kind"] == "PartialObjectMetadata"
        assert [one["object"]["metadata"]["uid"] for one in whole[:-1]] == [
            one["object"]["metadata"]["uid"] for one in slim[:-1]
        ]
        assert all(set(one["object"]) <= {"kind", "apiVersion", "metadata"} for one in slim)

    for at in range(0, len(watched), 20):
        await asyncio.gather(*(informer(path) for path in watched[at : at + 20]))


async def test_lists_of_metadata(suite: Suite) -> None:
    """The garbage collector and the quota controller list metadata, in pieces, where a watch list is not to be had."""
    for path in ("/api/v1/nodes", "/apis/kubevirt.io/v1/kubevirts", "/apis/apps/v1/deployments"):
        answer = await suite.call(
            "GET", path, accept=wire.ACCEPT_METADATA_LIST, limit="500", resourceVersion="0"
        )
        assert answer[1]["kind"] == "PartialObjectMetadataList"
        assert answer[1]["items"]


async def test_the_controller_manager_begins(suite: Suite) -> None:
    """Health, authentication of its own clients, a lease to lead, an account and a token for each controller."""
    assert (await suite.call("GET", "/healthz"))[1] == b"ok"
    assert (await suite.get("/version"))["major"] == "1"
    shared = await suite.get(f"{SYSTEM}/configmaps/extension-apiserver-authentication")
    assert json.loads(shared["data"]["requestheader-username-headers"]) == ["X-Remote-User"]
    only = "metadata.name=extension-apiserver-authentication"
    assert (
        len(await suite.items(f"{SYSTEM}/configmaps", fieldSelector=only, limit="500", resourceVersion="0"))
        == 1
    )

    name = "kube-controller-manager"
    status, missing = await suite.call("GET", f"{LEASES}/{name}", accept=wire.ACCEPT)
    assert (status, missing["reason"]) == (404, "NotFound")
    now = {1: 1_800_000_000, 2: 123_456_000}
    spec = {1: "host_6f3c", 2: 15, 3: now, 4: now, 5: 0}
    lease = await send(
        suite,
        "POST",
        LEASES,
        body("coordination.k8s.io/v1", "Lease", {1: meta(name, "kube-system"), 2: spec}),
    )
    assert lease["spec"]["holderIdentity"] == "host_6f3c"
    assert lease["spec"]["renewTime"].endswith(".123456Z")
    known = meta(
        name, "kube-system", uid=lease["metadata"]["uid"], version=lease["metadata"]["resourceVersion"]
    )
    renewed = {**spec, 4: {1: 1_800_000_002, 2: 0}}
    content = body("coordination.k8s.io/v1", "Lease", {1: known, 2: renewed})
    assert (await send(suite, "PUT", f"{LEASES}/{name}", content))["spec"]["leaseTransitions"] == 0
    assert (await suite.call("PUT", f"{LEASES}/{name}", content, content=PROTOBUF))[0] == 409

    for controller in ("deployment-controller", "generic-garbage-collector", "horizontal-pod-autoscaler"):
        account = body("v1", "ServiceAccount", {1: meta(controller, "kube-system")})
        await send(suite, "POST", f"{SYSTEM}/serviceaccounts", account)
        request = {1: meta(), 2: {1: [], 4: 3600}, 3: {1: "", 2: {}}}
        content = body("authentication.k8s.io/v1", "TokenRequest", request)
        token = await send(suite, "POST", f"{SYSTEM}/serviceaccounts/{controller}/token", content)
        assert token["status"]["token"].count(".") == 2

    review = {
        1: meta(),
        2: {1: {1: "kube-system", 2: "get", 3: "", 5: "configmaps"}, 3: "system:serviceaccount:a:b"},
    }
    content = body("authorization.k8s.io/v1", "SubjectAccessReview", {**review, 3: {}})
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert "allowed" in (await send(suite, "POST", path, content))["status"]
    content = body(
        "authentication.k8s.io/v1", "TokenReview", {1: meta(), 2: {1: token["status"]["token"]}, 3: {}}
    )
    answer = await send(suite, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", content)
    assert (
        answer["status"]["user"]["username"] == "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
    )


def pod(name: str, **owner: Any) -> bytes:
    """A pod as a controller makes it."""
    container = {1: "c", 2: "busybox", 8: {}, 14: "Always"}
    owners = [owner["by"]] if owner else []
    spec = {2: [container], 3: "Always", 4: 30, 6: "ClusterFirst", 19: "default-scheduler"}
    return body("v1", "Pod", {1: meta(name, "default", owners=owners), 2: spec, 3: {}})


async def test_the_scheduler_binds(suite_of: Make) -> None:
    """Pods not yet done, a binding, the condition of one that fits nowhere, and events with a series."""
    suite = await suite_of(without=("scheduler",))
    pods = "/api/v1/namespaces/default/pods"
    await send(suite, "POST", pods, pod("a"))
    await send(suite, "POST", pods, pod("b"))
    alive = "status.phase!=Succeeded,status.phase!=Failed"
    assert len(await suite.items("/api/v1/pods", fieldSelector=alive, limit="500", resourceVersion="0")) >= 2
    target = {1: "Node", 2: "", 3: "node01", 4: "", 5: "", 6: "", 7: ""}
    binding = body("v1", "Binding", {1: meta("a", "default"), 2: target})
    answer = await send(suite, "POST", f"{pods}/a/binding", binding)
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    status, answer = await suite.call(
        "POST", f"{pods}/a/binding", binding, content=PROTOBUF, accept=wire.ACCEPT
    )
    assert status == 409
    assert 'pod a is already assigned to node "node01"' in answer["message"]
    nowhere = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}
    change = {"status": {"$setElementOrder/conditions": [{"type": "PodScheduled"}], "conditions": [nowhere]}}
    patched = await suite.patch(f"{pods}/b/status", change, STRATEGIC)
    assert patched["status"]["conditions"][-1]["reason"] == "Unschedulable"

    now = {1: 1_800_000_000, 2: 5_000}
    regarding = {1: "Pod", 2: "default", 3: "b", 5: "v1"}
    event = {
        1: meta("b.1", "default"),
        2: now,
        4: "default-scheduler",
        5: "default-scheduler-host",
        6: "Scheduling",
    }
    event |= {7: "FailedScheduling", 8: regarding, 10: "0/2 nodes are available", 11: "Warning"}
    event |= {12: {1: "", 2: ""}, 13: {}, 14: {}, 15: 0}
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    made = await send(suite, "POST", events, body("events.k8s.io/v1", "Event", event))
    assert made["note"] == "0/2 nodes are available"
    series = {"series": {"count": 2, "lastObservedTime": "2027-01-15T08:00:01.000000Z"}}
    assert (await suite.patch(f"{events}/b.1", series, STRATEGIC))["series"]["count"] == 2


async def test_controllers_write(suite: Suite) -> None:
    """Owned pods, evictions, deletions with preconditions, finalizers taken off: what controllers do to objects."""
    pods = "/api/v1/namespaces/default/pods"
    sets = "/apis/apps/v1/namespaces/default/replicasets"
    template = {1: meta(labels={"app": "x"}), 2: {2: [{1: "c", 2: "busybox"}]}}
    spec = {1: 0, 2: {1: wire.pairs({"app": "x"})}, 3: template}
    made = await send(
        suite, "POST", sets, body("apps/v1", "ReplicaSet", {1: meta("rs", "default"), 2: spec, 3: {1: 0}})
    )
    owner = {1: "ReplicaSet", 3: "rs", 4: made["metadata"]["uid"], 5: "apps/v1", 6: True, 7: True}
    child = await send(suite, "POST", pods, pod("child", by=owner))
    assert child["metadata"]["ownerReferences"][0]["controller"] is True
    other = body("v1", "DeleteOptions", {1: 0, 2: {1: "another-uid"}})
    status, answer = await suite.call("DELETE", f"{pods}/child", other, content=PROTOBUF, accept=wire.ACCEPT)
    assert (status, answer["reason"]) == (409, "Conflict")
    eviction = body("policy/v1", "Eviction", {1: meta("child", "default"), 2: {1: 0}})
    assert (await send(suite, "POST", f"{pods}/child/eviction", eviction))["status"] == "Success"
    orphan = body("v1", "DeleteOptions", {4: "Orphan"})
    await send(suite, "DELETE", f"{sets}/rs", orphan)
    await suite.cluster.settle()
    assert (await suite.call("GET", f"{sets}/rs"))[0] == 404


POOL = {
    "apiVersion": "pool.kubevirt.io/v1beta1",
    "kind": "VirtualMachinePool",
    "metadata": {"name": "p"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "virtualMachineTemplate": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "runStrategy": "Halted",
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
                },
            },
        },
    },
}


async def test_the_autoscaler_scales_what_it_does_not_know(suite: Suite) -> None:
    """The scale client finds the kind by discovery and writes autoscaling/v1 in protobuf, for custom resources as well."""
    pools = "/apis/pool.kubevirt.io/v1beta1/namespaces/default/virtualmachinepools"
    await suite.create(pools, POOL)
    await suite.cluster.settle()
    listed = (await suite.get("/apis/pool.kubevirt.io/v1beta1"))["resources"]
    (scale,) = [one for one in listed if one["name"] == "virtualmachinepools/scale"]
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    status, current = await suite.call("GET", f"{pools}/p/scale", accept=wire.ACCEPT)
    assert (status, current["spec"]["replicas"]) == (200, 1)
    known = meta(
        "p", "default", uid=current["metadata"]["uid"], version=current["metadata"]["resourceVersion"]
    )
    content = body("autoscaling/v1", "Scale", {1: known, 2: {1: 3}, 3: {1: 1, 2: "a=b"}})
    assert (await send(suite, "PUT", f"{pools}/p/scale", content))["spec"]["replicas"] == 3


async def test_cbor_is_not_spoken(suite: Suite) -> None:
    """Bodies in CBOR are refused with 415, answers in nothing but CBOR with 406; a client that lists JSON gets it."""
    status, answer = await suite.call(
        "POST", "/api/v1/namespaces", b"\xd9\xd9\xf7\xa0", content="application/cbor"
    )
    assert (status, answer["reason"]) == (415, "UnsupportedMediaType")
    assert (await suite.call("GET", "/api/v1/namespaces", accept="application/cbor"))[0] == 406
    status, answer = await suite.call(
        "GET", "/api/v1/namespaces", accept="application/cbor, application/json"
    )
    assert (status, answer["kind"]) == (200, "NamespaceList")
