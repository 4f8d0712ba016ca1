"""ValidatingAdmissionPolicies: where they apply, what they see, and how they refuse."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from .conftest import CONFIGMAPS, HOOKS, configmap, rule

Bind = Callable[..., Awaitable[None]]


def said(response: Any) -> Any:
    return orjson.loads(response.body)


@pytest.fixture
def bind(ask: Any) -> Bind:
    """bind("name", {spec of the policy}, **spec of the binding): a policy for ConfigMaps and a binding that denies."""

    async def put(name: str, spec: dict[str, Any], **binding: Any) -> None:
        spec = {"matchConstraints": {"resourceRules": [rule()]}, **spec}
        kinds = {
            "ValidatingAdmissionPolicy": ("validatingadmissionpolicies", spec),
            "ValidatingAdmissionPolicyBinding": (
                "validatingadmissionpolicybindings",
                {"policyName": name, "validationActions": ["Deny"], **binding},
            ),
        }
        for kind, (plural, content) in kinds.items():
            body = {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": name},
                "spec": content,
            }
            answer = await ask("POST", f"{HOOKS}/{plural}", body)
            assert answer.status == 201, answer.body

    return put


def checks(*expressions: str, **more: Any) -> dict[str, Any]:
    return {"validations": [{"expression": one, **more} for one in expressions]}


async def test_a_violation_is_denied(ask, bind: Bind):
    """422 by default, with policy, binding and message; the cause repeats the message."""
    await bind("p", checks("!has(object.data) || !('bad' in object.data)", message="no bad keys"))
    assert (await ask("POST", CONFIGMAPS, configmap("fine", good="1"))).status == 201
    answer = await ask("POST", CONFIGMAPS, configmap("a", bad="1"))
    text = "ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no bad keys"
    assert said(answer) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f'configmaps "a" is forbidden: {text}',
        "reason": "Invalid",
        "details": {"name": "a", "kind": "configmaps", "causes": [{"message": text}]},
        "code": 422,
    }


@pytest.mark.parametrize(
    ("validation", "code", "message"),
    [
        ({"expression": "false"}, 422, "failed expression: false"),
        ({"expression": "false", "reason": "Forbidden"}, 403, "failed expression: false"),
        ({"expression": "false", "reason": "Unauthorized"}, 401, "failed expression: false"),
        ({"expression": "false", "reason": "RequestEntityTooLarge"}, 413, "failed expression: false"),
        ({"expression": "false", "messageExpression": "'not ' + object.metadata.name"}, 422, "not a"),
        ({"expression": "false", "messageExpression": "object.none.x + ''", "message": "else"}, 422, "else"),
        ({"expression": "false", "messageExpression": "'two\\nlines'"}, 422, "failed expression: false"),
        (
            {"expression": "object.data.none == '1'"},
            422,
            "expression 'object.data.none == '1'' resulted in error: no such key: none",
        ),
    ],
)
async def test_reasons_and_messages(ask, bind: Bind, validation: dict[str, str], code: int, message: str):
    """The reason decides the code; a message expression wins over the message, unless it fails or has several lines."""
    await bind("p", {"validations": [validation]})
    answer = await ask("POST", CONFIGMAPS, configmap("a", x="1"))
    assert answer.status == code
    assert said(answer)["message"].endswith(f"denied request: {message}")
    assert said(answer)["reason"] == validation.get("reason", "Invalid")


async def test_warn_and_audit_let_pass(ask, bind: Bind):
    """Warn tells the client and lets the write pass, Audit tells nobody."""
    await bind("w", checks("false", message="hm"), validationActions=["Warn"])
    await bind("x", checks("false"), validationActions=["Audit"])
    answer = await ask("POST", CONFIGMAPS, configmap())
    assert answer.status == 201
    assert [value for name, value in answer.headers if name == "Warning"] == [
        "299 - \"Validation failed for ValidatingAdmissionPolicy 'w' with binding 'w': hm\""
    ]


async def test_without_a_binding_nothing_happens(ask, bind: Bind):
    """A policy is inert until it is bound, and again when the binding goes."""
    await bind("p", checks("false"))
    assert (await ask("POST", CONFIGMAPS, configmap())).status == 422
    await ask("DELETE", f"{HOOKS}/validatingadmissionpolicybindings/p")
    assert (await ask("POST", CONFIGMAPS, configmap())).status == 201


async def test_failure_policy_ignore_forgives_errors_only(ask, bind: Bind):
    """With Ignore an expression that cannot be evaluated does not count, one that is false does."""
    await bind("p", {"failurePolicy": "Ignore", **checks("object.data.none == '1'")})
    assert (await ask("POST", CONFIGMAPS, configmap("a", x="1"))).status == 201
    await bind("q", {"failurePolicy": "Ignore", **checks("false")})
    assert (await ask("POST", CONFIGMAPS, configmap("b"))).status == 422


@pytest.mark.parametrize(
    "expression",
    [
        "request.operation == 'UPDATE' && oldObject.data.v == '1' && object.data.v == '2'",
        "request.userInfo.username == 'system:admin' || request.userInfo.groups.exists(g, g != '')",
        "request.name == 'a' && request.namespace == 'default' && request.resource.resource == 'configmaps'",
        "namespaceObject.metadata.name == 'default' && namespaceObject.status.phase == 'Active'",
        "namespaceObject.metadata.creationTimestamp < timestamp('2999-01-01T00:00:00Z')",
        "authorizer.group('').resource('pods').namespace('default').check('create').allowed()",
        "authorizer.requestResource.check('delete').allowed()",
        "authorizer.serviceAccount('default', 'me').path('/healthz').check('get').allowed()",
        "variables.twice == 4 && variables.once == 2",
    ],
)
async def test_what_expressions_see(ask, bind: Bind, expression: str):
    """object, oldObject, request, namespaceObject, authorizer and variables, each with its content."""
    declared = [
        {"name": "once", "expression": "int(object.data.v)"},
        {"name": "twice", "expression": "variables.once * 2"},
        {"name": "unused", "expression": "object.nothing.at.all"},
    ]
    await ask("POST", CONFIGMAPS, configmap("a", v="1"))
    await bind("p", {"variables": declared, **checks(expression)})
    answer = await ask("PUT", f"{CONFIGMAPS}/a", configmap("a", v="2"))
    assert answer.status == 200, answer.body


async def test_a_variable_that_fails_names_itself(ask, bind: Bind):
    """The error of a variable is told where it is used."""
    declared = [{"name": "v", "expression": "object.data.none"}]
    await bind("p", {"variables": declared, **checks("variables.v == '1'")})
    answer = await ask("POST", CONFIGMAPS, configmap("a", x="1"))
    assert said(answer)["message"].endswith(
        "expression 'variables.v == '1'' resulted in error: composited variable \"v\" fails to evaluate: no such key: none"
    )


async def test_match_conditions_and_constraints_of_both(ask, bind: Bind):
    """Policy and binding must both mean the write; a false match condition takes it out."""
    conditions = [{"name": "skip", "expression": "object.metadata.name != 'skipped'"}]
    await bind(
        "p",
        {"matchConditions": conditions, **checks("false")},
        matchResources={"objectSelector": {"matchLabels": {"checked": "yes"}}},
    )

    async def status(name: str, labels: dict[str, str]) -> int:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        return (await ask("POST", CONFIGMAPS, body)).status

    assert await status("free", {}) == 201
    assert await status("skipped", {"checked": "yes"}) == 201
    assert await status("caught", {"checked": "yes"}) == 422


async def test_exclusions_and_names(ask, bind: Bind):
    """excludeResourceRules take out what resourceRules include, by name if they have names."""
    constraints = {
        "resourceRules": [rule("*")],
        "excludeResourceRules": [rule("secrets"), {**rule("configmaps"), "resourceNames": ["spared"]}],
    }
    await bind("p", {"matchConstraints": constraints, **checks("false")})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    assert (await ask("POST", "/api/v1/namespaces/default/secrets", secret)).status == 201
    assert (await ask("POST", CONFIGMAPS, configmap("spared"))).status == 201
    assert (await ask("POST", CONFIGMAPS, configmap("other"))).status == 422


LIMIT = {
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    **checks("int(object.data.n) <= int(params.data.max)"),
}


async def test_params_by_name_in_the_writer_s_namespace(ask, bind: Bind):
    """Without a namespace in the paramRef, parameters are looked up where the write happens."""
    ref = {"name": "limits", "parameterNotFoundAction": "Deny"}
    await bind(
        "p",
        {**LIMIT, "matchConditions": [{"name": "n", "expression": "has(object.data) && 'n' in object.data"}]},
        paramRef=ref,
    )
    missing = await ask("POST", CONFIGMAPS, configmap("a", n="1"))
    assert said(missing)["message"].endswith(
        "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    )
    await ask("DELETE", f"{HOOKS}/validatingadmissionpolicybindings/p")
    await ask("POST", CONFIGMAPS, configmap("limits", max="5"))
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "p"},
        "spec": {"policyName": "p", "validationActions": ["Deny"], "paramRef": ref},
    }
    await ask("POST", f"{HOOKS}/validatingadmissionpolicybindings", binding)
    assert (await ask("POST", CONFIGMAPS, configmap("a", n="5"))).status == 201
    assert (await ask("POST", CONFIGMAPS, configmap("b", n="6"))).status == 422


async def test_params_by_selector_must_all_agree(ask, bind: Bind):
    """Each selected parameter object is evaluated; none at all passes where that is allowed."""
    ref = {
        "selector": {"matchLabels": {"limits": "yes"}},
        "namespace": "kube-system",
        "parameterNotFoundAction": "Allow",
    }
    await bind(
        "p", {**LIMIT, "matchConditions": [{"name": "n", "expression": "'n' in object.data"}]}, paramRef=ref
    )
    assert (await ask("POST", CONFIGMAPS, configmap("a", n="99"))).status == 201
    for name, most in (("one", "10"), ("two", "5")):
        body = configmap(name, max=most)
        body["metadata"]["labels"] = {"limits": "yes"}
        assert (await ask("POST", "/api/v1/namespaces/kube-system/configmaps", body)).status == 201
    assert (await ask("POST", CONFIGMAPS, configmap("b", n="5"))).status == 201
    assert (await ask("POST", CONFIGMAPS, configmap("c", n="7"))).status == 422


async def test_an_unknown_kind_of_params_is_the_policy_s_fault(ask, bind: Bind):
    """A paramKind that is not served denies, without naming a binding."""
    kind = {"apiVersion": "none.example.com/v1", "kind": "Limit"}
    await bind(
        "p", {"paramKind": kind, **checks("true")}, paramRef={"name": "x", "parameterNotFoundAction": "Deny"}
    )
    answer = await ask("POST", CONFIGMAPS, configmap())
    assert said(answer)["message"].endswith(
        "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by "
        "paramKind: 'none.example.com/v1, Kind=Limit'"
    )


async def test_a_delete_has_no_object(ask, bind: Bind):
    """On DELETE object is null and oldObject is what goes."""
    await bind(
        "p",
        {
            "matchConstraints": {"resourceRules": [rule(operations=("DELETE",))]},
            **checks("object == null && oldObject.data.keep != 'yes'", message="kept"),
        },
    )
    await ask("POST", CONFIGMAPS, configmap("a", keep="yes"))
    await ask("POST", CONFIGMAPS, configmap("b", keep="no"))
    assert (await ask("DELETE", f"{CONFIGMAPS}/a")).status == 422
    assert (await ask("DELETE", f"{CONFIGMAPS}/b")).status == 200


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (
            checks("object.("),
            "spec.validations[0].expression",
            "<input>:1:8: Syntax error: no viable alternative at input '.('\n | object.(\n | .......^",
        ),
        (checks("'text'"), "spec.validations[0].expression", "must evaluate to bool but got string"),
        (
            checks("true", messageExpression="1"),
            "spec.validations[0].messageExpression",
            "must evaluate to string but got int",
        ),
        (
            checks("params.x == 1"),
            "spec.validations[0].expression",
            "undeclared reference to 'params' (in container '')",
        ),
        (checks("request.nothing == 1"), "spec.validations[0].expression", "undefined field 'nothing'"),
        (checks("variables.none == 1"), "spec.validations[0].expression", "undefined field 'none'"),
        (
            {"variables": [{"name": "a-b", "expression": "1"}], **checks("true")},
            "spec.variables[0].name",
            "CEL identifier",
        ),
        (
            {"matchConditions": [{"name": "m", "expression": "1"}], **checks("true")},
            "spec.matchConditions[0].expression",
            "bool but got int",
        ),
        (
            {"matchConditions": [{"name": "m"}], **checks("true")},
            "spec.matchConditions[0].expression",
            "Required value",
        ),
        (checks("true", messageExpression=" "), "spec.validations[0].messageExpression", "must be non-empty"),
        (checks("true", message="a\nb"), "spec.validations[0].message", "must not contain line breaks"),
        (
            checks("true", reason="Teapot"),
            "spec.validations[0].reason",
            'supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
        ),
        (
            {"auditAnnotations": [{"key": "a b", "valueExpression": "'x'"}]},
            "spec.auditAnnotations[0].key",
            'Invalid value: "p/a b": name part must consist of',
        ),
        (
            {"auditAnnotations": [{"key": "a", "valueExpression": "1"}]},
            "spec.auditAnnotations[0].valueExpression",
            "must evaluate to one of [string null_type] but got int",
        ),
        (
            {"paramKind": {"apiVersion": "a/b/c", "kind": "K"}, **checks("true")},
            "spec.paramKind.apiVersion",
            "unexpected GroupVersion string: a/b/c",
        ),
        (
            {"paramKind": {"apiVersion": "v1", "kind": "Config_Map"}, **checks("true")},
            "spec.paramKind.kind",
            "may have mixed case, but should otherwise match: a DNS-1035 label",
        ),
        (
            {
                "matchConstraints": {"resourceRules": [{**rule(), "resourceNames": ["a", "a"]}]},
                **checks("true"),
            },
            "spec.matchConstraints.resourceRules[0].resourceNames[1]",
            'Duplicate value: "a"',
        ),
    ],
)
async def test_bad_expressions_are_refused_when_written(ask, spec: dict[str, Any], field: str, message: str):
    """A policy whose expressions do not compile is not stored."""
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [rule()]}, **spec},
    }
    answer = await ask("POST", f"{HOOKS}/validatingadmissionpolicies", body)
    assert answer.status == 422
    (cause,) = said(answer)["details"]["causes"]
    assert cause["field"] == field
    assert message in cause["message"]


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        (
            {"policyName": "A_", "validationActions": ["Deny", "Deny", "Shout"]},
            [
                "spec.policyName: Invalid value",
                "spec.validationActions[1]: Duplicate value",
                "spec.validationActions[2]: Unsupported value",
            ],
        ),
        (
            {"paramRef": {"name": "a", "selector": {}}, "matchResources": {"matchPolicy": "Sometimes"}},
            [
                "spec.policyName: Required value",
                "spec.paramRef.name: Forbidden",
                "spec.paramRef.selector: Forbidden",
                "spec.paramRef.parameterNotFoundAction: Required value",
                "spec.matchResouces.matchPolicy: Unsupported value",
                "spec.validationActions: Required value",
            ],
        ),
        (
            {
                "policyName": "p",
                "paramRef": {"parameterNotFoundAction": "Shrug"},
                "validationActions": ["Audit"],
            },
            ["spec.paramRef: Required value", "spec.paramRef.parameterNotFoundAction: Unsupported value"],
        ),
    ],
)
async def test_bad_bindings_are_refused(ask, spec: dict[str, Any], causes: list[str]):
    """A binding names a policy, sound parameters and what to do, or is told everything that is wrong with it."""
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "p"},
        "spec": spec,
    }
    answer = await ask("POST", f"{HOOKS}/validatingadmissionpolicybindings", body)
    assert answer.status == 422
    told = [f"{one['field']}: {one['message']}" for one in said(answer)["details"]["causes"]]
    assert len(told) == len(causes)
    assert all(text.startswith(wanted) for text, wanted in zip(told, causes, strict=True)), told
