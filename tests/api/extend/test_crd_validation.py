"""CustomResourceDefinitions that the real server refused, and what it said."""

from typing import Any

import pytest

from fakekube.api.extend import crd_validation, crds
from fakekube.machinery.copying import copy_of

VERSION: dict[str, Any] = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object"}},
}
SPEC: dict[str, Any] = {
    "group": "inv.example.com",
    "scope": "Namespaced",
    "names": {"plural": "things", "kind": "Thing"},
    "versions": [VERSION],
}
TOP = "spec.validation.openAPIV3Schema"


def refusals(spec: dict[str, Any], name: str = "things.inv.example.com") -> list[str]:
    crd = copy_of({"metadata": {"name": name}, "spec": spec})
    rules = crds.CrdRules()
    rules.default(crd)
    rules.prepare_create(crd)
    return [str(error) for error in rules.validate_create(crd)]


def with_schema(**properties: Any) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    return {**SPEC, "versions": [{**VERSION, "schema": schema}]}


def test_a_plain_definition_is_fine() -> None:
    """A group with a dot, one stored version with a schema, a scope and two names are enough."""
    assert refusals(SPEC) == []


def test_the_first_version_is_named_twice() -> None:
    """The name of the first version is checked again where it stood before there were several."""
    bad = {**SPEC, "versions": [{**VERSION, "name": "V1_x"}]}
    assert [text.partition(": Invalid value")[0] for text in refusals(bad)] == [
        "spec.versions[0].name",
        "spec.version",
    ]


def test_an_empty_definition() -> None:
    """Everything that is required is asked for at once, in the server's order."""
    assert refusals({}) == [
        'metadata.name: Invalid value: "things.inv.example.com": must be spec.names.plural+"."+spec.group',
        "spec.group: Required value",
        "spec.scope: Required value",
        "spec.versions: Invalid value: null: must have exactly one version marked as storage version",
        "spec.names.plural: Required value",
        "spec.names.singular: Required value",
        "spec.names.kind: Required value",
        "spec.names.listKind: Required value",
        "status.storedVersions: Invalid value: null: must have at least one stored version",
    ]


def test_two_storage_versions() -> None:
    """The versions are shown as the server's Go structs print, without what they share."""
    rest = (
        '"Deprecated":false,"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,'
        '"SelectableFields":null}'
    )
    assert refusals({**SPEC, "versions": [VERSION, {**VERSION, "name": "v2"}]}) == [
        (
            f'spec.versions: Invalid value: [{{"Name":"v1","Served":true,"Storage":true,{rest},'
            f'{{"Name":"v2","Served":true,"Storage":true,{rest}]: must have exactly one version marked as storage version'
        ),
        'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2',
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {**SPEC, "preserveUnknownFields": True},
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            ],
        ),
        (
            {**SPEC, "scope": "Everywhere"},
            ['spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'],
        ),
        (
            with_schema(a={}, b={"type": "array"}, c={"type": "object", "anyOf": [{"type": "object"}]}),
            [
                f"{TOP}.properties[a].type: Required value: must not be empty for specified object fields",
                f"{TOP}.properties[b].items: Required value: must be specified",
                f"{TOP}.properties[c].anyOf[0].type: Forbidden: must be empty to be structural",
            ],
        ),
        (
            {
                **SPEC,
                "versions": [
                    {
                        **VERSION,
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "anyOf": [{"properties": {"x": {"minimum": 1}}}],
                            }
                        },
                    }
                ],
            },
            [f"{TOP}.properties[x]: Required value: because it is defined in {TOP}.anyOf[0].properties[x]"],
        ),
        (
            {**SPEC, "versions": [{**VERSION, "schema": {"openAPIV3Schema": {"type": "string"}}}]},
            [f'{TOP}.type: Invalid value: "string": must be object at the root'],
        ),
        (
            with_schema(
                a={"type": "array", "uniqueItems": True, "items": {"type": "string"}},
                b={"$ref": "#/x", "type": "string"},
            ),
            [
                f"{TOP}.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
                f"{TOP}.properties[b].$ref: Forbidden: $ref is not supported",
            ],
        ),
        (
            with_schema(a={"type": "string", "pattern": "("}),
            [
                f'{TOP}.properties[a].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp: missing closing ): `(`'
            ],
        ),
        (
            with_schema(a={"type": "object", "default": {"x": 1}}),
            [f'{TOP}.properties[a].default: Invalid value: {{"x":1}}: must not have unknown fields'],
        ),
        (
            with_schema(a={"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}),
            [
                f"{TOP}.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"
            ],
        ),
        (
            {
                **SPEC,
                "versions": [
                    {
                        **VERSION,
                        "additionalPrinterColumns": [{"name": "", "type": "money", "jsonPath": "spec.x"}],
                    }
                ],
            },
            [
                "spec.additionalPrinterColumns[0].name: Required value",
                'spec.additionalPrinterColumns[0].type: Invalid value: "money": must be one of boolean,date,integer,number,string',
                'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.x": must be a simple json path starting with .',
            ],
        ),
        (
            {
                **SPEC,
                "versions": [
                    {
                        **VERSION,
                        "subresources": {
                            "scale": {"specReplicasPath": "replicas", "statusReplicasPath": ".spec.x"}
                        },
                    }
                ],
            },
            [
                'spec.subresources.scale.specReplicasPath: Invalid value: "replicas": must be a simple json path starting with .',
                'spec.subresources.scale.statusReplicasPath: Invalid value: ".spec.x": should be a json path under .status',
            ],
        ),
        (
            {
                **SPEC,
                "versions": [
                    {**VERSION, "selectableFields": [{"jsonPath": ".spec.none"}, {"jsonPath": "spec"}]}
                ],
            },
            [
                'spec.selectableFields[0].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field',
                'spec.selectableFields[1].jsonPath: Invalid value: "spec": is an invalid path: expected [ or . but got: spec',
            ],
        ),
    ],
)
def test_refusals(spec: dict[str, Any], expected: list[str]) -> None:
    """Each fault is found at the place and in the words of the real server."""
    assert refusals(spec) == expected


def test_protected_groups_need_approval() -> None:
    """Groups of the Kubernetes community need an annotation that links the approval."""
    spec = {**SPEC, "group": "things.k8s.io"}
    assert refusals(spec, "things.things.k8s.io") == [
        'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111'
    ]


def test_what_an_update_must_not_change() -> None:
    """Group and plural never change; scope and kind not once the definition is established."""
    old = copy_of(
        {"metadata": {"name": "things.inv.example.com"}, "spec": SPEC, "status": {"storedVersions": ["v1"]}}
    )
    crds.default(old)
    new = copy_of(old)
    new["spec"]["scope"] = "Cluster"
    assert crd_validation.validate_update(new, old) == []
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    assert [str(error) for error in crd_validation.validate_update(new, old)] == [
        'spec.scope: Invalid value: "Cluster": field is immutable'
    ]


def test_a_stored_version_must_stay() -> None:
    """A version in which objects may still be stored cannot be dropped."""
    crd = copy_of(
        {
            "metadata": {"name": "things.inv.example.com"},
            "spec": SPEC,
            "status": {"storedVersions": ["v0", "v1"]},
        }
    )
    crds.default(crd)
    assert [error.field for error in crd_validation.validate_update(crd, crd)] == ["status.storedVersions[0]"]


RULE = f"{TOP}.properties[a].x-kubernetes-validations[0]"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self + 1"}]},
            [
                (
                    f'{RULE}.rule: Invalid value: {{"Rule":"self + 1","Message":"","MessageExpression":"","Reason":null,'
                    '"FieldPath":"","OptionalOldSelf":null}: cel expression must evaluate to a bool'
                )
            ],
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": " "}]},
            [f"{RULE}.rule: Required value: rule is not specified"],
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "reason": "Because"}]},
            [
                (
                    f'{RULE}.reason: Unsupported value: "Because": supported values: "FieldValueDuplicate",'
                    ' "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"'
                )
            ],
        ),
        (
            {
                "type": "array",
                "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]},
            },
            [
                (
                    f'{TOP}.properties[a].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf'
                    f" cannot be used on the uncorrelatable portion of the schema within {TOP}.properties[a]"
                )
            ],
        ),
    ],
)
def test_rules(schema: dict[str, Any], expected: list[str]) -> None:
    """Rules must be written properly, compile against their schema, answer a bool, and find their old value."""
    assert refusals(with_schema(a=schema)) == expected


def test_rules_that_do_not_compile() -> None:
    """The compiler's own words and drawing stand in the refusal."""
    (refusal,) = refusals(
        with_schema(a={"type": "integer", "x-kubernetes-validations": [{"rule": "self.b > 1"}]})
    )
    assert refusal.endswith(
        "compilation failed: ERROR: <input>:1:5: type 'int' does not support field selection\n | self.b > 1\n | ....^"
    )
