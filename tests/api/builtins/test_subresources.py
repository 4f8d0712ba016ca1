"""Subresources of built-in kinds: bindings, evictions, logs, streams, proxies, ephemeral containers, resize, approval, tokens."""

from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
PDBS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
RUNNING = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}

Obj = dict[str, Any]


async def pod(ask: Ask, name: str = "p", *containers: str, status: Obj | None = None, **spec: Any) -> Obj:
    """A pod with these containers, labelled `app: guarded`."""
    made = [{"name": one, "image": "x"} for one in containers or ("c",)]
    body = {"metadata": {"name": name, "labels": {"app": "guarded"}}, "spec": {"containers": made, **spec}}
    obj: Obj = json_of(await ask("POST", PODS, body))
    if status:
        obj = json_of(await ask("PATCH", f"{PODS}/{name}/status", {"status": status}, media=STRATEGIC))
    assert obj["kind"] == "Pod", obj
    return obj


async def budget(ask: Ask, name: str, **status: int) -> None:
    """A budget over all pods of these tests; with a status it has been observed."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "guarded"}}}
    await ask("POST", PDBS, {"metadata": {"name": name}, "spec": spec})
    if status:
        body = {"status": {"observedGeneration": 1, "expectedPods": 1, **status}}
        await ask("PATCH", f"{PDBS}/{name}/status", body, media=MERGE)


def eviction(name: str = "p", **options: Any) -> Obj:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return body | ({"deleteOptions": options} if options else {})


async def test_a_binding_gives_a_node(ask: Ask) -> None:
    """The pod gets its node, the binding's annotations, and the condition PodScheduled; it counts as nobody's change of the spec."""
    await pod(ask)
    body = {
        "metadata": {"name": "p", "annotations": {"from": "binding"}},
        "target": {"kind": "Node", "name": "n"},
    }
    assert (await ask("POST", f"{PODS}/p/binding", body)).status == 201
    bound = json_of(await ask("GET", f"{PODS}/p"))
    assert (bound["spec"]["nodeName"], bound["metadata"]["generation"]) == ("n", 1)
    assert all(one.get("subresource") != "binding" for one in bound["metadata"]["managedFields"])
    assert bound["metadata"]["annotations"] == {"from": "binding"}
    assert [(one["type"], one["status"]) for one in bound["status"]["conditions"]] == [
        ("PodScheduled", "True")
    ]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"target": {}}, 500, "target.name: Required value"),
        (
            {"target": {"kind": "Pod", "name": "x"}},
            500,
            'target.kind: Unsupported value: "Pod": supported values: "Node", "<empty>"',
        ),
        (
            {"metadata": {"name": "q"}, "target": {"name": "n"}},
            400,
            "name in URL does not match name in Binding object",
        ),
        (
            {"target": {"name": "other"}},
            409,
            'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n"',
        ),
    ],
)
async def test_refused_bindings(ask: Ask, body: Obj, code: int, message: str) -> None:
    """A binding names a node, this pod, and comes once."""
    await pod(ask, nodeName="n")
    answer = await ask("POST", f"{PODS}/p/binding", body)
    assert (answer.status, json_of(answer)["message"]) == (code, message)


async def test_gated_pods_are_not_bound(ask: Ask) -> None:
    """Gates come before nodes."""
    await pod(ask, schedulingGates=[{"name": "a/b"}])
    answer = await ask("POST", f"{PODS}/p/binding", {"target": {"name": "n"}})
    assert json_of(answer)["message"].endswith("pod p has non-empty .spec.schedulingGates")


async def test_eviction_without_budget(ask: Ask) -> None:
    """A running pod is marked as evicted and begins to end; a pending one is gone at once, whatever budgets say."""
    await pod(ask, "p", nodeName="n", status=RUNNING)
    assert (await ask("POST", f"{PODS}/p/eviction", eviction())).status == 201
    evicted = json_of(await ask("GET", f"{PODS}/p"))
    (target,) = [one for one in evicted["status"]["conditions"] if one["type"] == "DisruptionTarget"]
    assert (target["reason"], target["message"]) == ("EvictionByEvictionAPI", "Eviction API: evicting")
    assert evicted["metadata"]["deletionGracePeriodSeconds"] == 30
    await pod(ask, "q")
    await budget(ask, "b")
    assert (await ask("POST", f"{PODS}/q/eviction", eviction("q"))).status == 201
    assert (await ask("GET", f"{PODS}/q")).status == 404


async def test_eviction_spends_the_budget(ask: Ask) -> None:
    """One disruption is taken from the budget, the pod noted; the next eviction is refused."""
    await pod(ask, "p", nodeName="n", status=RUNNING)
    await pod(ask, "q", nodeName="n", status=RUNNING)
    await budget(ask, "b", disruptionsAllowed=1, currentHealthy=1, desiredHealthy=1)
    assert (await ask("POST", f"{PODS}/p/eviction", eviction())).status == 201
    status = json_of(await ask("GET", f"{PDBS}/b"))["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["p"])
    assert [(one["type"], one["status"], one["reason"]) for one in status["conditions"]] == [
        ("DisruptionAllowed", "False", "InsufficientPods")
    ]
    answer = await ask("POST", f"{PODS}/q/eviction", eviction("q"))
    assert answer.status == 429
    assert json_of(answer)["details"] == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
            }
        ]
    }
    assert "Retry-After" not in dict(answer.headers)


async def test_eviction_waits_for_a_budget_to_be_observed(ask: Ask) -> None:
    """A budget nobody has looked at yet refuses, and says when to come again."""
    await pod(ask, nodeName="n", status=RUNNING)
    await budget(ask, "b")
    answer = await ask("POST", f"{PODS}/p/eviction", eviction())
    details = json_of(answer)["details"]
    assert (answer.status, dict(answer.headers)["Retry-After"], details["retryAfterSeconds"]) == (
        429,
        "10",
        10,
    )
    assert (
        details["causes"][0]["message"] == "The disruption budget b is still being processed by the server."
    )


async def test_unready_pods_go_where_enough_are_healthy(ask: Ask) -> None:
    """A pod that is not ready does not count for a budget that is met without it."""
    await pod(ask, nodeName="n", status={"phase": "Running"})
    await budget(ask, "b", disruptionsAllowed=0, currentHealthy=1, desiredHealthy=1)
    assert (await ask("POST", f"{PODS}/p/eviction", eviction())).status == 201


async def test_eviction_of_a_pod_with_two_budgets(ask: Ask) -> None:
    """Upstream does not know how to ask two."""
    await pod(ask, nodeName="n", status=RUNNING)
    await budget(ask, "b", disruptionsAllowed=1)
    await budget(ask, "c", disruptionsAllowed=1)
    answer = await ask("POST", f"{PODS}/p/eviction", eviction())
    text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    assert (answer.status, json_of(answer)["message"]) == (500, text)


async def test_dry_evictions_spend_nothing(ask: Ask) -> None:
    """A dry run, in the query or in the body, leaves pod and budget as they were; the old version will do."""
    await pod(ask, nodeName="n", status=RUNNING)
    await budget(ask, "b", disruptionsAllowed=1, currentHealthy=2, desiredHealthy=1)
    before = [json_of(await ask("GET", url)) for url in (f"{PODS}/p", f"{PDBS}/b")]
    old = eviction() | {"apiVersion": "policy/v1beta1"}
    assert (await ask("POST", f"{PODS}/p/eviction?dryRun=All", old)).status == 201
    assert (await ask("POST", f"{PODS}/p/eviction", eviction(dryRun=["All"]))).status == 201
    assert [json_of(await ask("GET", url)) for url in (f"{PODS}/p", f"{PDBS}/b")] == before


@pytest.mark.parametrize(
    ("body", "code", "start"),
    [
        (eviction("other"), 400, "name in URL does not match name in Eviction object"),
        (
            eviction(preconditions={"uid": "u"}),
            409,
            'Operation cannot be fulfilled on Pod "p": the UID in the precond',
        ),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}},
            400,
            'Pod in version "v1" cannot be handled as a Eviction: converting (v1.Pod) to (policy.Eviction): unknown conv',
        ),
    ],
)
async def test_refused_evictions(ask: Ask, body: Obj, code: int, start: str) -> None:
    """An eviction is one, of this pod, under its preconditions."""
    await pod(ask)
    answer = await ask("POST", f"{PODS}/p/eviction", body)
    assert answer.status == code
    assert json_of(answer)["message"].startswith(start)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("", 400, "a container name must be specified for pod p, choose one of: [a b]"),
        ("?container=z", 400, "container z is not valid for pod p"),
        (
            "?container=a&sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z",
            422,
            'PodLogOptions "p" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
        ),
        (
            "?container=a&tailLines=-1",
            422,
            'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
        ),
    ],
)
async def test_refused_logs(ask: Ask, query: str, code: int, message: str) -> None:
    """A log is of one container, and its options make sense."""
    await pod(ask, "p", "a", "b")
    answer = await ask("GET", f"{PODS}/p/log{query}")
    assert (answer.status, json_of(answer)["message"]) == (code, message)


async def test_logs_through_a_pods_life(ask: Ask) -> None:
    """No node, no content; waiting, a refusal; running, an empty text: emulated containers write nothing."""
    await pod(ask)
    answer = await ask("GET", f"{PODS}/p/log")
    assert (answer.status, answer.body) == (204, b"")
    await ask("POST", f"{PODS}/p/binding", {"target": {"name": "n"}})
    waiting = json_of(await ask("GET", f"{PODS}/p/log"))
    assert waiting["message"] == 'container "c" in pod "p" is waiting to start: ContainerCreating'
    status = {
        "containerStatuses": [
            {
                "name": "c",
                "image": "x",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {}},
            }
        ]
    }
    await ask("PATCH", f"{PODS}/p/status", {"status": status}, media=MERGE)
    answer = await ask("GET", f"{PODS}/p/log")
    assert (answer.status, answer.body, answer.content_type) == (200, b"", "text/plain")


@pytest.mark.parametrize(
    ("state", "last", "previous", "message"),
    [
        ({"waiting": {"reason": "ErrImagePull"}}, {}, "", "is waiting to start: image can't be pulled"),
        (
            {"waiting": {"reason": "ImagePullBackOff"}},
            {},
            "",
            "is waiting to start: trying and failing to pull image",
        ),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}}, "", ""),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}}, "&previous=true", ""),
        ({"waiting": {"reason": "PodInitializing"}}, {}, "&previous=true", "not found"),
        ({"running": {}}, {}, "&previous=true", "not found"),
    ],
)
async def test_logs_of_containers_that_wait(
    ask: Ask, state: Obj, last: Obj, previous: str, message: str
) -> None:
    """Who has run shows that, who has not says what it waits for; of images it says so in words."""
    await pod(ask)
    await ask("POST", f"{PODS}/p/binding", {"target": {"name": "n"}})
    one = {"name": "c", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status = {"containerStatuses": [{**one, "state": state, "lastState": last}]}
    await ask("PATCH", f"{PODS}/p/status", {"status": status}, media=MERGE)
    answer = await ask("GET", f"{PODS}/p/log?container=c{previous}")
    assert answer.status == (400 if message else 200)
    if message:
        assert json_of(answer)["message"].endswith(message)


async def test_streams_end_before_the_kubelet(ask: Ask) -> None:
    """exec needs a container, then a node, then an upgrade; and then there is no process to talk to."""
    await pod(ask, "p", "a", "b")
    url = f"{PODS}/p/exec?command=ls&stdout=true"
    texts = [json_of(await ask("POST", one))["message"] for one in (url, f"{url}&container=a")]
    await ask("POST", f"{PODS}/p/binding", {"target": {"name": "n"}})
    texts.append(json_of(await ask("POST", f"{url}&container=a"))["message"])
    last = await ask("GET", f"{PODS}/p/portforward", upgrade="websocket")
    assert texts == [
        "a container name must be specified for pod p, choose one of: [a b]",
        "pod p does not have a host assigned",
        "Upgrade request required",
    ]
    assert (last.status, json_of(last)["reason"]) == (500, "InternalError")


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        (f"{PODS}/p/proxy/", 400, "address not allowed"),
        ("/api/v1/namespaces/default/services/s/proxy/a", 503, 'no endpoints available for service "s"'),
        ("/api/v1/namespaces/default/services/s:81/proxy", 503, 'no service port 81 found for service "s"'),
        ("/api/v1/namespaces/default/services/a:b:c/proxy", 400, 'invalid service request "a:b:c"'),
        ("/api/v1/namespaces/default/services/none/proxy", 404, 'services "none" not found'),
    ],
)
async def test_proxies_find_nobody(ask: Ask, url: str, code: int, message: str) -> None:
    """What the API server itself finds out about a target, it says."""
    await pod(ask)
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    await ask("POST", "/api/v1/namespaces/default/services", body)
    answer = await ask("GET", url)
    assert (answer.status, json_of(answer)["message"]) == (code, message)


async def test_ephemeral_containers_come_and_stay(ask: Ask) -> None:
    """They are added with defaults, nothing else changes with them, and they neither go nor change."""
    await pod(ask, "p", "a", "b")
    at = f"{PODS}/p/ephemeralcontainers"
    body: Obj = {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "busybox:1"}], "hostname": "h"}}
    body["metadata"] = {"labels": {"x": "y"}}
    after = json_of(await ask("PATCH", at, body, media=STRATEGIC))
    (container,) = after["spec"]["ephemeralContainers"]
    assert (container["imagePullPolicy"], len(after["spec"]["containers"])) == ("IfNotPresent", 2)
    assert ("hostname" in after["spec"], after["metadata"]["labels"]) == (False, {"app": "guarded"})
    gone = json_of(await ask("PATCH", at, {"spec": {"ephemeralContainers": []}}, media=MERGE))
    assert gone["details"]["causes"][0]["message"] == (
        'Forbidden: existing ephemeral containers "dbg" may not be removed\n'
    )
    other = {"spec": {"ephemeralContainers": [{"name": "dbg", "image": "other"}]}}
    changed = json_of(await ask("PATCH", at, other, media=STRATEGIC))
    text = changed["details"]["causes"][0]["message"]
    assert text.startswith(
        'Forbidden: existing ephemeral containers "dbg" may not be changed\n@@ -1,6 +1,6 @@\n'
    )
    assert '- "Image": "busybox:1",\n+ "Image": "other",\n' in text
    main = json_of(await ask("PATCH", f"{PODS}/p", other, media=STRATEGIC))
    assert "pod updates may not change fields other than" in main["message"]


async def test_resize_changes_resources_alone(ask: Ask) -> None:
    """CPU and memory change within their QoS class; other members stay as they were; nothing is removed."""
    made = {"name": "c", "image": "x", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    await ask("POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [made]}})
    at = f"{PODS}/p/resize"
    patch = {
        "spec": {"containers": [{"name": "c", "image": "other", "resources": {"requests": {"cpu": "2"}}}]}
    }
    after = json_of(await ask("PATCH", at, patch, media=STRATEGIC))
    assert after["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "2", "memory": "1Gi"}}
    assert (after["spec"]["containers"][0]["image"], after["metadata"]["generation"]) == ("x", 2)
    assert json_of(await ask("GET", at)) == json_of(await ask("GET", f"{PODS}/p"))
    patch = {"spec": {"containers": [{"name": "c", "image": "x", "resources": {"requests": {"cpu": "2"}}}]}}
    texts = json_of(await ask("PATCH", at, patch, media=MERGE))["details"]["causes"]
    assert [(one["field"], one["message"]) for one in texts] == [
        ("spec.containers[0].resources.requests", "Forbidden: resource requests cannot be removed")
    ]


@pytest.mark.parametrize("media", [MERGE, ""])
async def test_approval_changes_conditions_alone(ask: Ask, media: str) -> None:
    """An approver adds a condition; the request itself, labels and certificate stay as they were."""
    pem = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"
    spec = {"request": pem, "signerName": "example.com/s", "usages": ["client auth"]}
    request = json_of(await ask("POST", CSRS, {"metadata": {"name": "r"}, "spec": spec}))
    assert request["kind"] == "CertificateSigningRequest", request
    approved = {"type": "Approved", "status": "True", "reason": "Because"}
    change: Obj = {
        "metadata": {"labels": {"a": "b"}},
        "status": {"conditions": [approved], "certificate": pem},
    }
    if media:
        answer = await ask("PATCH", f"{CSRS}/r/approval", change, media=media)
    else:
        answer = await ask("PUT", f"{CSRS}/r/approval", {**request, "status": change["status"]})
    after = json_of(answer)
    (condition,) = after["status"]["conditions"]
    assert approved.items() <= condition.items()
    assert ("certificate" in after["status"], "labels" in after["metadata"]) == (False, False)
    assert json_of(await ask("GET", f"{CSRS}/r/approval"))["status"] == after["status"]


async def test_tokens_of_service_accounts(ask: Ask) -> None:
    """An hour unless asked otherwise, ten minutes at least."""
    at = "/api/v1/namespaces/default/serviceaccounts"
    await ask("POST", at, {"metadata": {"name": "sa"}})
    body: Obj = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = json_of(await ask("POST", f"{at}/sa/token", body))
    assert (token["spec"]["expirationSeconds"], token["status"]["token"].count(".")) == (3600, 2)
    body["spec"] = {"expirationSeconds": 10}
    refused = json_of(await ask("POST", f"{at}/sa/token", body))
    assert refused["message"] == (
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a '
        "duration less than 10 minutes"
    )


async def test_a_scale_as_a_table(ask: Ask) -> None:
    """The Scale of a built-in kind is printed in the columns of Scales."""
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        },
    }
    await ask("POST", DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    table = json_of(
        await ask("GET", f"{DEPLOYMENTS}/d/scale", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    )
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["d", 2, 0]


async def test_resize_takes_resources_alone(ask: Ask) -> None:
    """What `/resize` does not change is dropped, and credited to nobody."""
    before = await pod(ask)
    change = {"spec": {"containers": [{"name": "c", "image": "y:2"}]}}
    strategic = "application/strategic-merge-patch+json"
    assert json_of(await ask("PATCH", f"{PODS}/p/resize", change, strategic)) == before
