"""MutatingAdmissionPolicies: what they change, when, and how they fail."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from .conftest import CONFIGMAPS, HOOKS, configmap, rule

Bind = Callable[..., Awaitable[None]]
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def said(response: Any) -> Any:
    return orjson.loads(response.body)


def applying(*expressions: str, **more: Any) -> dict[str, Any]:
    mutations = [
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": one}} for one in expressions
    ]
    return {"mutations": mutations, **more}


def patching(*expressions: str, **more: Any) -> dict[str, Any]:
    mutations = [{"patchType": "JSONPatch", "jsonPatch": {"expression": one}} for one in expressions]
    return {"mutations": mutations, **more}


def label(name: str, value: str = "'yes'") -> str:
    return f"Object{{metadata: Object.metadata{{labels: {{'{name}': {value}}}}}}}"


def policy(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "matchConstraints": {"resourceRules": [rule()]},
        "reinvocationPolicy": "Never",
        **spec,
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture
def bind(ask: Any) -> Bind:
    """bind("name", {spec of the policy}, **spec of the binding): a policy for ConfigMaps and its binding."""

    async def put(name: str, spec: dict[str, Any], **binding: Any) -> None:
        kind = "MutatingAdmissionPolicyBinding"
        bound = {**policy(name, {}), "kind": kind, "spec": {"policyName": name, **binding}}
        for plural, body in (("policies", policy(name, spec)), ("policybindings", bound)):
            answer = await ask("POST", f"{HOOKS}/mutatingadmission{plural}", body)
            assert answer.status == 201, answer.body

    return put


async def made(ask: Any, body: dict[str, Any], url: str = CONFIGMAPS) -> dict[str, Any]:
    answer = await ask("POST", url, body)
    assert answer.status == 201, answer.body
    return said(answer)


async def test_an_apply_configuration_is_merged(ask, bind: Bind):
    """What the configuration names is set, what it leaves out stays."""
    await bind("p", applying(label("app", "object.metadata.name + '-app'")))
    body = configmap("a", x="1")
    body["metadata"]["labels"] = {"own": "1"}
    obj = await made(ask, body)
    assert obj["metadata"]["labels"] == {"own": "1", "app": "a-app"}
    assert obj["data"] == {"x": "1"}


async def test_lists_merge_by_key_and_the_result_is_defaulted(ask, bind: Bind):
    """Items of a keyed list are added beside those that are there, and the type's defaults reach them."""
    container = "Object.spec.template.spec.containers{name: 'side', image: 'side:1'}"
    inner = f"spec: Object.spec.template.spec{{containers: [{container}]}}"
    expression = f"Object{{spec: Object.spec{{template: Object.spec.template{{{inner}}}}}}}"
    rules = {"resourceRules": [rule("deployments", group="apps")]}
    await bind("p", applying(expression, matchConstraints=rules))
    pod = {"containers": [{"name": "main", "image": "main:1"}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    containers = (await made(ask, body, DEPLOYMENTS))["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in containers] == ["main", "side"]
    assert containers[1]["imagePullPolicy"] == "IfNotPresent"


async def test_json_patches(ask, bind: Bind):
    """Operations with computed paths and values; a test that does not hold leaves everything as it was."""
    add = "JSONPatch{op: 'add', path: '/metadata/annotations', value: {'n': string(size(object.data))}}"
    slash = "JSONPatch{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey('a/b'), value: 'c'}"
    tested = "JSONPatch{op: 'test', path: '/data/x', value: '2'}"
    refused = f"[{tested}, JSONPatch{{op: 'remove', path: '/data'}}]"
    chosen = f"object.metadata.name == 'a' ? [{add}, {slash}] : []"
    await bind("p", patching(chosen, refused))
    obj = await made(ask, configmap("a", x="1"))
    assert obj["metadata"]["annotations"] == {"n": "1", "a/b": "c"}
    assert obj["data"] == {"x": "1"}


async def test_updates_conditions_variables_and_params(ask, bind: Bind):
    """Conditions skip, variables and parameters are seen, later mutations see what earlier ones did."""
    await made(ask, configmap("limits", most="5"))
    await bind(
        "p",
        applying(
            label("first", "variables.most"),
            label("second", "object.metadata.labels.first + '!'.replace('!', 'x')"),
            paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
            variables=[{"name": "most", "expression": "params.data.most"}],
            matchConditions=[{"name": "update", "expression": "request.operation == 'UPDATE'"}],
        ),
        paramRef={"name": "limits", "parameterNotFoundAction": "Deny"},
    )
    assert "labels" not in (await made(ask, configmap("a")))["metadata"]
    changed = said(await ask("PUT", f"{CONFIGMAPS}/a", configmap("a", x="1")))
    assert changed["metadata"]["labels"] == {"first": "5", "second": "5x"}


async def test_policies_come_before_webhooks_and_may_look_again(ask, bind: Bind, install, hook):
    """Webhooks see what policies did; a policy that asks for it runs once more when a webhook changed the object."""
    count = "string(int(object.data.?count.orValue('0')) + 1)"
    counting = "Object{data: {'count': " + count + "}}"
    stubborn = "Object{data: {'stubborn': string(int(object.data.?stubborn.orValue('0')) + 1)}}"
    await bind("again", applying(counting, reinvocationPolicy="IfNeeded"))
    await bind("never", applying(stubborn))
    asked = await install("h", hook().patching({"op": "add", "path": "/data/hooked", "value": "yes"}))
    obj = await made(ask, configmap("a", x="1"))
    assert asked.asked[0]["object"]["data"] == {"x": "1", "count": "1", "stubborn": "1"}
    assert obj["data"] == {"x": "1", "count": "2", "stubborn": "1", "hooked": "yes"}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            applying("Object{metadata: Object.metadata{labels: {'a': object.data.none}}}"),
            "resulted in error: no such key: none",
        ),
        (
            applying("Object{data: Object.metadata{a: 'b'}}"),
            (
                'type mismatch: unexpected type name "Object.metadata", expected "Object.data", which matches field name path '
                "from root Object type"
            ),
        ),
        (
            applying("Object{dada: {'a': 'b'}}"),
            "error applying patch: failed to convert patch object to typed object: .dada: field not declared in schema",
        ),
        (
            patching("[JSONPatch{op: 'remove', path: '/data/none'}]"),
            'JSON Patch: remove operation does not apply: doc is missing path: "/data/none": missing value',
        ),
    ],
)
async def test_failures_deny_or_are_ignored(ask, bind: Bind, spec: dict[str, Any], message: str):
    """A 403 for the reason Invalid that names policy and binding; with Ignore the write goes on unchanged."""
    await bind("p", spec)
    answer = await ask("POST", CONFIGMAPS, configmap("a", x="1"))
    status = said(answer)
    assert (answer.status, status["reason"]) == (403, "Invalid")
    assert status["message"].startswith("policy 'p' with binding 'p' denied request: ")
    assert status["message"].endswith(message)
    assert status["details"] == {
        "name": "a",
        "kind": "configmaps",
        "causes": [{"message": status["message"]}],
    }
    await ask("DELETE", f"{HOOKS}/mutatingadmissionpolicies/p")
    await ask("DELETE", f"{HOOKS}/mutatingadmissionpolicybindings/p")
    await bind("p", {"failurePolicy": "Ignore", **spec})
    assert (await made(ask, configmap("a", x="1")))["data"] == {"x": "1"}


async def test_atomic_lists_are_not_replaced(ask, bind: Bind):
    """A configuration may not name what could only be replaced whole."""
    rules = {"resourceRules": [rule("pods")]}
    container = "Object.spec.containers{name: 'c', args: ['x']}"
    await bind(
        "p", applying(f"Object{{spec: Object.spec{{containers: [{container}]}}}}", matchConstraints=rules)
    )
    spec = {"containers": [{"name": "c", "image": "x"}]}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    answer = await ask("POST", "/api/v1/namespaces/default/pods", body)
    assert said(answer)["message"].endswith(
        "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers[0].args"
    )


async def test_params_that_are_missing(ask, bind: Bind):
    """Missing parameters are the binding's fault, and forbidden like any refusal of admission."""
    await bind(
        "p",
        applying(label("a"), paramKind={"apiVersion": "v1", "kind": "Secret"}),
        paramRef={"name": "none", "parameterNotFoundAction": "Deny"},
    )
    status = said(await ask("POST", CONFIGMAPS, configmap()))
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        "policy 'p' with binding 'p' denied request: failed to configure binding: no params found for policy binding with "
        "`Deny` parameterNotFoundAction"
    )


async def test_unknown_fields_of_a_patch(ask, bind: Bind):
    """A JSON patch that makes something the type does not know is an internal error."""
    await bind("p", patching("[JSONPatch{op: 'add', path: '/dada', value: Object.dada{a: 1}}]"))
    answer = await ask("POST", CONFIGMAPS, configmap())
    assert (answer.status, said(answer)["message"]) == (
        500,
        'Internal error occurred: strict decoding error: unknown field "dada"',
    )


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({}, ["spec.mutations: Required value: mutations must contain at least one item"]),
        (
            {"mutations": [{"patchType": "JSONPatch", "applyConfiguration": {"expression": "Object{}"}}]},
            [
                "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
                (
                    'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when '
                    "patchType is JSONPatch"
                ),
            ],
        ),
        (
            {"mutations": [{"patchType": "Magic"}, {}]},
            [
                (
                    'spec.mutations[0].patchType: Unsupported value: "Magic": supported values: "ApplyConfiguration", '
                    '"JSONPatch"'
                ),
                "spec.mutations[1].patchType: Required value",
            ],
        ),
        (
            applying("'text'", reinvocationPolicy="Often"),
            [
                (
                    "spec.mutations[0].applyConfiguration.expression: Invalid value: \"'text'\": must evaluate to Object but "
                    "got string"
                ),
                'spec.reinvocationPolicy: Unsupported value: "Often": supported values: "Never", "IfNeeded"',
            ],
        ),
        (
            patching("JSONPatch{op: 1}", reinvocationPolicy=None),
            [
                (
                    'spec.mutations[0].jsonPatch.expression: Invalid value: "JSONPatch{op: 1}": compilation failed: ERROR: '
                    "<input>:1:15: expected type of field 'op' is 'string' but provided type is 'int'\n | JSONPatch{op: 1}\n | "
                    "..............^"
                ),
                "spec.reinvocationPolicy: Required value",
            ],
        ),
        (
            applying("Object{}", matchConstraints={"resourceRules": [rule(operations=("DELETE",))]}),
            [
                (
                    'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", '
                    '"CONNECT", "CREATE", "UPDATE"'
                )
            ],
        ),
    ],
)
async def test_bad_policies_are_refused_when_written(ask, spec: dict[str, Any], causes: list[str]):
    """One kind of patch per mutation, whose expression makes such a patch; nothing is changed about deletions."""
    answer = await ask("POST", f"{HOOKS}/mutatingadmissionpolicies", policy("p", spec))
    assert answer.status == 422
    assert [f"{one['field']}: {one['message']}" for one in said(answer)["details"]["causes"]] == causes
