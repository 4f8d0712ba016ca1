"""Webhooks: whom they are asked by, what they are shown, and what becomes of their answers."""

import asyncio
from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Request, Response

from .conftest import CONFIGMAPS, HOOKS, Hook, Install, configmap, rule


def said(response: Response) -> Any:
    return orjson.loads(response.body)


def warnings(response: Response) -> list[str]:
    return [value for name, value in response.headers if name == "Warning"]


async def test_a_patch_changes_what_is_stored(ask, install: Install):
    """The JSON patch of a mutating webhook is applied before the object is stored."""
    hook = await install("a", Hook().patching({"op": "add", "path": "/data/added", "value": "yes"}))
    answer = await ask("POST", CONFIGMAPS, configmap(own="1"))
    assert said(answer)["data"] == {"own": "1", "added": "yes"}
    (request,) = hook.asked
    assert request["operation"] == "CREATE"
    assert request["object"]["data"] == {"own": "1"}
    assert request["oldObject"] is None
    assert request["requestResource"] == {"group": "", "version": "v1", "resource": "configmaps"}
    assert hook.queries == ["/a?timeout=10s"]


class Neighbour:
    """A webhook of this process, which says what it wants instead of how to get there."""

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted

    async def __call__(self, _: Request) -> Response:
        return Response(500)

    async def review(self, _path: str, question: Question) -> Answer | None:
        return Answer(allowed=True, wanted=self.wanted(question.obj))


async def test_what_a_webhook_of_this_process_wants_is_stored(ask, install: Install):
    """It may be of parts of the object that was shown and of the webhook's own, which stay its own."""
    own = {"own": "2"}
    await install(
        "a", Neighbour(lambda obj: {**obj, "data": own, "metadata": {**obj["metadata"], "labels": own}})
    )
    again = await install("b", Hook())
    answer = said(await ask("POST", CONFIGMAPS, configmap(x="1")))
    assert answer["data"] == answer["metadata"]["labels"] == {"own": "2"}
    assert again.asked[0]["object"]["data"] == {"own": "2"}
    own["own"] = "3"
    assert said(await ask("GET", f"{CONFIGMAPS}/a"))["data"] == {"own": "2"}


async def test_a_webhook_of_this_process_may_want_nothing_else(ask, install: Install):
    """The object as it was shown is no change: who has seen it already is not asked again."""
    seen = await install("a", Hook(), reinvocationPolicy="IfNeeded")
    await install("b", Neighbour(dict))
    assert said(await ask("POST", CONFIGMAPS, configmap(x="1")))["data"] == {"x": "1"}
    assert len(seen.asked) == 1


async def test_a_webhook_may_name_an_owner_without_a_name(ask, install: Install):
    """Entries of managedFields need no manager: who updates the pod afterwards can."""
    nobody = {
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {}},
    }
    hook = await install("a", Hook(), rules=[rule("pods", operations=("CREATE",))])
    hook.patching({"op": "add", "path": "/metadata/managedFields", "value": [nobody]})
    pods = "/api/v1/namespaces/default/pods"
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert said(await ask("POST", pods, pod))["metadata"]["managedFields"] == [nobody]
    label = {"metadata": {"labels": {"a": "b"}}}
    changed = said(await ask("PATCH", f"{pods}/p", label, "application/merge-patch+json"))
    assert [one.get("manager") for one in changed["metadata"]["managedFields"]] == [None, "test"]


_OWNER = {
    "manager": "m",
    "operation": "Update",
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {}},
}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"operation": "Own"}, "operation must be `Apply` or `Update`"),
        ({"apiVersion": ""}, "apiVersion must not be empty"),
        ({"fieldsType": ""}, "missing fieldsType in managed fields entry 0"),
        ({"fieldsType": "V2"}, r"invalid fieldsType \"V2\" in managed fields entry 0"),
        (
            {"fieldsV1": {"data": {}}, "time": "2020-01-01T00:00:00Z"},
            (
                r"error decoding versioned set from {m Update v1 2020-01-01 00:00:00 +0000 UTC FieldsV1 {\"data\":{}} }: "
                "error decoding set: missing colon: data"
            ),
        ),
    ],
)
async def test_owners_nobody_can_read_are_put_back(ask, install: Install, change: dict[str, str], why: str):
    """A webhook that leaves an entry of managedFields malformed changes none of them, and the client is warned; every later
    write finds them in order."""
    hook = await install("a", Hook())
    hook.patching({"op": "add", "path": "/metadata/managedFields", "value": [{**_OWNER, **change}]})
    for answer in (
        await ask("POST", CONFIGMAPS, configmap(x="1")),
        await ask("PATCH", f"{CONFIGMAPS}/a", {"data": {"x": "2"}}, "application/merge-patch+json"),
        await ask(
            "PATCH",
            f"{CONFIGMAPS}/a?fieldManager=test&force=true",
            configmap(x="3"),
            "application/apply-patch+yaml",
        ),
    ):
        assert answer.status in (200, 201)
        assert dict(answer.headers)["Warning"] == (
            '299 - ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated '
            f'mutating admission controller; please fix your requests: {why}"'
        )
        assert {one["manager"] for one in said(answer)["metadata"]["managedFields"]} == {"test"}


async def test_what_no_rule_names_is_not_asked_about(ask, install: Install):
    """Other resources, operations and subresources pass by a webhook."""
    hook = await install("a", Hook(), rules=[rule("configmaps", "pods/status", operations=("CREATE",))])
    await ask(
        "POST",
        "/api/v1/namespaces/default/secrets",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}},
    )
    await ask("POST", CONFIGMAPS, configmap())
    await ask("PUT", f"{CONFIGMAPS}/a", configmap(x="1"))
    assert [one["operation"] for one in hook.asked] == ["CREATE"]


async def test_the_index_follows_configurations(ask, install: Install):
    """A changed or deleted configuration counts from the next write on."""
    hook = await install("a", Hook())
    await ask("POST", CONFIGMAPS, configmap("one"))
    where = f"{HOOKS}/mutatingwebhookconfigurations/a"
    patched = await ask("PATCH", where, {"webhooks": []}, media="application/merge-patch+json")
    assert patched.status == 200, patched.body
    await ask("POST", CONFIGMAPS, configmap("two"))
    assert len(hook.asked) == 1
    assert (await ask("DELETE", where)).status == 200


async def test_a_refusal_carries_the_hook_s_own_status(ask, install: Install):
    """Code, reason and message are the webhook's, behind its name; without a word it is a bare 400."""
    status = {
        "code": 422,
        "reason": "Invalid",
        "message": "no such luck",
        "details": {"causes": [{"field": "data"}]},
    }
    hook = await install("no", Hook(allowed=False, status=status), mutating=False)
    answer = await ask("POST", CONFIGMAPS, configmap())
    assert answer.status == 422
    body = said(answer)
    assert body["message"] == 'admission webhook "no.example.com" denied the request: no such luck'
    assert (body["reason"], body["details"]) == ("Invalid", status["details"])
    for status, code, message in (
        (None, 400, 'admission webhook "no.example.com" denied the request without explanation'),
        ({"code": 200}, 400, 'admission webhook "no.example.com" denied the request without explanation'),
        (
            {"reason": "Forbidden", "code": 403},
            403,
            'admission webhook "no.example.com" denied the request: Forbidden',
        ),
    ):
        hook.answer["status"] = status
        answer = await ask("POST", CONFIGMAPS, configmap())
        assert (answer.status, said(answer)["message"]) == (code, message)


async def test_warnings_reach_the_client(ask, install: Install):
    """What a webhook warns about becomes Warning headers."""
    await install("w", Hook(warnings=["mind the gap"]), mutating=False)
    assert warnings(await ask("POST", CONFIGMAPS, configmap())) == ['299 - "mind the gap"']
    await install("x", Hook(warnings=["and the step"], allowed=False), mutating=False)
    refused = await ask("POST", CONFIGMAPS, configmap("b"))
    assert refused.status == 400
    assert sorted(warnings(refused)) == ['299 - "and the step"', '299 - "mind the gap"']


async def test_a_delete_shows_the_old_object_only(ask, install: Install):
    """DELETE: object null, oldObject what is stored."""
    hook = await install("d", Hook(), rules=[rule(operations=("DELETE",))])
    await ask("POST", CONFIGMAPS, configmap(a="1"))
    await ask("DELETE", f"{CONFIGMAPS}/a")
    (request,) = hook.asked
    assert request["object"] is None
    assert request["oldObject"]["data"] == {"a": "1"}
    assert request["name"] == "a"
    assert request["options"]["kind"] == "DeleteOptions"


async def test_a_patch_of_nothing_is_an_error(ask, install: Install):
    """A mutating webhook cannot patch an object that is being deleted."""
    await install(
        "d", Hook().patching({"op": "add", "path": "/x", "value": 1}), rules=[rule(operations=("DELETE",))]
    )
    await ask("POST", CONFIGMAPS, configmap())
    answer = await ask("DELETE", f"{CONFIGMAPS}/a")
    assert answer.status == 500
    assert (
        "attempted to modify the object, which is not supported for this operation" in said(answer)["message"]
    )


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (
            {"op": "add", "path": "/spec/x", "value": 1},
            'add operation does not apply: doc is missing path: "/spec/x": missing value',
        ),
        ({"op": "test", "path": "/kind", "value": "Other"}, "testing value /kind failed: test failed"),
    ],
)
async def test_a_patch_that_does_not_apply_is_the_server_s_error(
    ask, install: Install, operation: Any, why: str
):
    """Whatever the failure policy, a bad patch fails the write and names the operation."""
    fine = {"op": "add", "path": "/data/fine", "value": "1"}
    await install("x", Hook().patching(fine, operation), failurePolicy="Ignore")
    refused = await ask("POST", CONFIGMAPS, configmap(a="1"))
    assert (refused.status, said(refused)["message"]) == (500, f"Internal error occurred: {why}")


async def test_a_namespace_is_inside_itself(ask, install: Install):
    """Of a Namespace, name and namespace are both its name, and a namespace selector looks at its own labels."""
    selector = {"matchLabels": {"team": "x"}}
    hook = await install("n", Hook(), rules=[rule("namespaces")], namespaceSelector=selector)
    for name, labels in (("one", {}), ("two", {"team": "x"})):
        await ask(
            "POST",
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        )
    (request,) = hook.asked
    assert (request["name"], request["namespace"]) == ("two", "two")


async def test_namespace_selectors_leave_cluster_scope_alone(ask, install: Install):
    """What lies in no namespace is meant by every namespace selector."""
    hook = await install(
        "c", Hook(), rules=[rule("persistentvolumes")], namespaceSelector={"matchLabels": {"team": "x"}}
    )
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "v"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/x"},
        },
    }
    assert (await ask("POST", "/api/v1/persistentvolumes", volume)).status == 201
    assert len(hook.asked) == 1


async def test_object_selectors_look_at_either_side_of_a_change(ask, install: Install):
    """An update is shown when the old or the new object is selected."""
    hook = await install("o", Hook(), objectSelector={"matchLabels": {"watched": "yes"}})
    await ask("POST", CONFIGMAPS, {**configmap(), "metadata": {"name": "a", "labels": {"watched": "yes"}}})
    await ask("PUT", f"{CONFIGMAPS}/a", configmap(x="1"))
    await ask("PUT", f"{CONFIGMAPS}/a", configmap(x="2"))
    assert [one["operation"] for one in hook.asked] == ["CREATE", "UPDATE"]


async def test_match_conditions_decide_with_cel(ask, install: Install):
    """A condition that is false keeps the webhook out; one that cannot be evaluated follows the failure policy."""
    conditions = [
        {"name": "not-root", "expression": "object.metadata.name != 'root'"},
        {"name": "has-kind", "expression": "object.data.kind == request.operation"},
    ]
    hook = await install("m", Hook(), matchConditions=conditions)
    assert (await ask("POST", CONFIGMAPS, configmap("root"))).status == 201
    assert (await ask("POST", CONFIGMAPS, configmap("other", kind="other"))).status == 201
    assert hook.asked == []
    assert (await ask("POST", CONFIGMAPS, configmap("same", kind="CREATE"))).status == 201
    assert [one["name"] for one in hook.asked] == ["same"]
    answer = await ask("POST", CONFIGMAPS, configmap("none", x="1"))
    assert answer.status == 403
    assert said(answer)["message"] == (
        "configmaps \"none\" is forbidden: expression 'object.data.kind == request.operation' resulted in error: no such key: kind"
    )
    patch = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    await ask("PATCH", f"{HOOKS}/mutatingwebhookconfigurations/m", patch, media="application/json-patch+json")
    assert (await ask("POST", CONFIGMAPS, configmap("none", x="1"))).status == 201
    assert len(hook.asked) == 1


async def test_later_changes_are_shown_again_to_those_who_asked(ask, install: Install):
    """reinvocationPolicy IfNeeded: a second look, once, at what later webhooks changed; Never: one look."""
    first = await install("a", Hook(), reinvocationPolicy="IfNeeded")
    never = await install("b", Hook())
    last = await install(
        "c", Hook().patching({"op": "add", "path": "/data/c", "value": "1"}), reinvocationPolicy="IfNeeded"
    )
    await ask("POST", CONFIGMAPS, configmap(a="1"))
    assert [len(hook.asked) for hook in (first, never, last)] == [2, 1, 1]
    assert first.asked[1]["object"]["data"] == {"a": "1", "c": "1"}


async def test_without_changes_nobody_is_asked_twice(ask, install: Install):
    """A patch that changes nothing reinvokes nobody."""
    first = await install("a", Hook(), reinvocationPolicy="IfNeeded")
    await install("b", Hook().patching({"op": "replace", "path": "/data/a", "value": "1"}))
    await ask("POST", CONFIGMAPS, configmap(a="1"))
    assert len(first.asked) == 1


async def test_dry_runs_need_hooks_without_side_effects(api: ApiServer, ask, install: Install):
    """A webhook whose side effects are unknown refuses a dry run unasked; others are told about it."""
    hook = await install("d", Hook())
    await ask("POST", f"{CONFIGMAPS}?dryRun=All", configmap())
    assert hook.asked[0]["dryRun"] is True
    old = {
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "d"},
        "webhooks": [{"name": "d.example.com", "sideEffects": "Unknown", "rules": [rule()]}],
    }
    api.webhooks.update(old, deleted=False)  # such a configuration can only come from a store of older days
    answer = await ask("POST", f"{CONFIGMAPS}?dryRun=All", configmap())
    assert (answer.status, said(answer)["reason"]) == (400, "BadRequest")
    assert said(answer)["message"] == 'admission webhook "d.example.com" does not support dry run'


async def test_nobody_there(ask, install: Install):
    """A service that does not exist fails the write, or is passed over with failurePolicy Ignore."""
    members = {"clientConfig": {"service": {"namespace": "nowhere", "name": "none", "path": "/p"}}}
    await install("x", Hook(), mutating=False, timeoutSeconds=3, **members)
    answer = await ask("POST", CONFIGMAPS, configmap())
    text = (
        'failed calling webhook "x.example.com": failed to call webhook: Post "https://none.nowhere.svc:443/p?timeout=3s": '
        'service "none" not found'
    )
    assert answer.status == 500
    assert said(answer)["message"] == f"Internal error occurred: {text}"
    assert said(answer)["details"] == {"causes": [{"message": text}]}
    patch = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    await ask(
        "PATCH", f"{HOOKS}/validatingwebhookconfigurations/x", patch, media="application/json-patch+json"
    )
    assert (await ask("POST", CONFIGMAPS, configmap())).status == 201


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            Response(404, b"404 page not found"),
            "failed to call webhook: the server could not find the requested resource",
        ),
        (
            Response(500, b"boom\n"),
            'failed to call webhook: an error on the server ("boom") has prevented the request from succeeding',
        ),
        (Response(200, b"{}"), "received invalid webhook response: webhook response was absent"),
        (
            Response(200, b'{"response":{"uid":"other","allowed":true}}'),
            "received invalid webhook response: expected response.uid=",
        ),
    ],
)
async def test_answers_that_are_none(ask, install: Install, answer: Response, why: str):
    """A webhook that errs, or answers something else than an AdmissionReview, counts as failed."""
    hook = await install("x", Hook())
    hook.raw = answer
    refused = await ask("POST", CONFIGMAPS, configmap())
    assert refused.status == 500
    assert said(refused)["message"].startswith(
        f'Internal error occurred: failed calling webhook "x.example.com": {why}'
    )


@pytest.mark.parametrize(
    ("mutating", "members", "why"),
    [
        (True, {"patch": "W10="}, "webhook returned response.patch but not response.patchType"),
        (True, {"patchType": "JSONPatch"}, "webhook returned response.patchType but not response.patch"),
        (
            False,
            {"patch": "W10=", "patchType": "JSONPatch"},
            "validating webhook may not return response.patch",
        ),
    ],
)
async def test_patches_need_their_type(
    ask, install: Install, mutating: bool, members: dict[str, str], why: str
):
    """Patch and patchType come together, and only from mutating webhooks."""
    await install("x", Hook(**members), mutating=mutating)
    refused = await ask("POST", CONFIGMAPS, configmap())
    assert said(refused)["message"].endswith(f"received invalid webhook response: {why}")


async def test_other_patch_types_are_refused(ask, install: Install):
    """Only JSON patches are understood."""
    await install("x", Hook(patch="W10=", patchType="MergePatch"))
    refused = await ask("POST", CONFIGMAPS, configmap())
    assert said(refused)["message"].endswith('"x.example.com": unsupported patch type "MergePatch"')


async def test_a_slow_hook_runs_into_its_timeout(api: ApiServer, ask, install: Install):
    """timeoutSeconds is all the time a webhook has."""

    async def sleeper(_: Request) -> Response:
        await asyncio.Event().wait()
        return Response()

    await install("slow", Hook(), timeoutSeconds=1)
    api.services.set("hooks", "slow", sleeper)
    refused = await ask("POST", CONFIGMAPS, configmap())
    assert said(refused)["message"].endswith(
        'Post "https://slow.hooks.svc:443/slow?timeout=1s": context deadline exceeded'
    )


async def test_an_equivalent_version_is_shown_as_the_rule_names_it(ask, install: Install):
    """matchPolicy Equivalent: a v1alpha1 write is shown to a hook for v1beta1 in v1beta1, and patches come back; Exact passes by."""
    await ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _pools())
    hook = await install(
        "pool",
        Hook().patching({"op": "add", "path": "/spec/added", "value": "1"}),
        rules=[rule("pools", group="pools.example.com", versions=("v1beta1",))],
    )
    exact = await install(
        "exact",
        Hook(),
        rules=[rule("pools", group="pools.example.com", versions=("v1beta1",))],
        matchPolicy="Exact",
    )
    body = {
        "apiVersion": "pools.example.com/v1alpha1",
        "kind": "Pool",
        "metadata": {"name": "p"},
        "spec": {"n": 1},
    }
    answer = await ask("POST", "/apis/pools.example.com/v1alpha1/namespaces/default/pools", body)
    assert answer.status == 201
    assert (said(answer)["apiVersion"], said(answer)["spec"]) == (
        "pools.example.com/v1alpha1",
        {"n": 1, "added": "1"},
    )
    (request,) = hook.asked
    assert request["object"]["apiVersion"] == "pools.example.com/v1beta1"
    assert request["resource"] == {"group": "pools.example.com", "version": "v1beta1", "resource": "pools"}
    assert request["kind"] == {"group": "pools.example.com", "version": "v1beta1", "kind": "Pool"}
    assert request["requestKind"] == {"group": "pools.example.com", "version": "v1alpha1", "kind": "Pool"}
    assert request["requestResource"]["version"] == "v1alpha1"
    assert exact.asked == []


def _pools() -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"n": {"type": "integer"}, "added": {"type": "string"}}}
        },
    }
    versions = [
        {"name": name, "served": True, "storage": name == "v1beta1", "schema": {"openAPIV3Schema": schema}}
        for name in ("v1alpha1", "v1beta1")
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "pools.pools.example.com"},
        "spec": {
            "group": "pools.example.com",
            "scope": "Namespaced",
            "names": {"plural": "pools", "kind": "Pool"},
            "versions": versions,
        },
    }


async def test_evictions_and_bindings_are_creations_below_a_pod(ask, install: Install):
    """pods/eviction and pods/binding show their own kinds, and a webhook's code reaches the client."""
    members = {"rules": [rule("pods/eviction", "pods/binding", operations=("CREATE",))]}
    hook = await install("e", Hook(), mutating=False, **members)
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pods = "/api/v1/namespaces/default/pods"
    made = await ask(
        "POST", pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    )
    assert made.status == 201
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n"},
    }
    assert (await ask("POST", f"{pods}/p/binding", binding)).status == 201
    hook.answer = {"allowed": False, "status": {"code": 429, "message": "not now"}}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    refused = await ask("POST", f"{pods}/p/eviction", eviction)
    assert (refused.status, said(refused)["message"]) == (
        429,
        'admission webhook "e.example.com" denied the request: not now',
    )
    assert [(one["kind"]["kind"], one["subResource"], one["resource"]["resource"]) for one in hook.asked] == [
        ("Binding", "binding", "pods"),
        ("Eviction", "eviction", "pods"),
    ]
    assert (await ask("GET", f"{pods}/p")).status == 200
