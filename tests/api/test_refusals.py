"""What the core refuses, in the real server's words."""

import base64
import json

import pytest

from tests.api.conftest import Ask, json_of

CM = "/api/v1/namespaces/default/configmaps"
THINGS = "/apis/example.com/v1/namespaces/default/things"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"


@pytest.fixture(autouse=True)
async def _definitions(ask: Ask) -> None:
    spec = {"type": "object", "properties": {"replicas": {"type": "integer", "maximum": 9}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        "subresources": {
            "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        },
    }
    names = {"plural": "things", "kind": "Thing"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    assert (await ask("POST", CRDS, crd)).status == 201


def thing(name: str = "a", **more):
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}, **more}


@pytest.mark.parametrize(
    ("body", "code", "message", "kind"),
    [
        (
            {"apiVersion": "example.com/v1", "metadata": {"name": "a"}},
            400,
            (
                "the object provided is unrecognized (must be of type Thing): Object 'Kind' is missing in "
                '\'{"apiVersion":"example.com/v1","metadata":{"name":"a"}}\' ({"apiVersion":"example.com/v1" ...)'
            ),
            None,
        ),
        (
            {"kind": "Thing", "metadata": {"name": "a"}},
            400,
            "the API version in the data () does not match the expected API version (example.com/v1)",
            None,
        ),
        (
            {"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "a"}},
            422,
            'Other.example.com "a" is invalid: kind: Invalid value: "Other": must be Thing',
            "Other",
        ),
    ],
    ids=["no-kind", "no-api-version", "wrong-kind"],
)
async def test_type_of_custom_resources(ask: Ask, body, code: int, message: str, kind: str | None) -> None:
    """A custom resource has to say its apiVersion and kind, and the refusal names what it said."""
    response = await ask("POST", THINGS, body)
    status = json_of(response)
    assert (response.status, status["message"]) == (code, message)
    assert (status.get("details") or {}).get("kind") == kind


async def test_a_patch_may_not_change_the_kind(ask: Ask) -> None:
    """The refusal is about the kind that the patch made of the object."""
    assert (await ask("POST", THINGS, thing())).status == 201
    status = json_of(await ask("PATCH", f"{THINGS}/a", {"kind": "Other"}, MERGE))
    assert (
        status["message"] == 'Other.example.com "a" is invalid: kind: Invalid value: "Other": must be Thing'
    )
    assert status["details"]["kind"] == "Other"


async def test_strict_names_the_type_of_custom_resources_too(ask: Ask) -> None:
    """Unknown fields are refused in the same words for built-in and custom types."""
    response = await ask("POST", f"{THINGS}?fieldValidation=Strict", thing(spec={"x": 1}))
    assert json_of(response)["message"] == (
        'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.x"'
    )


@pytest.mark.parametrize("subresource", ["status", "nonsense"])
async def test_subresource_a_definition_does_not_have(ask: Ask, subresource: str) -> None:
    """Asking for one is like asking for an object that is not there."""
    await ask("POST", THINGS, thing())
    response = await ask("GET", f"{THINGS}/a/{subresource}")
    assert response.status == 404
    assert json_of(response)["details"] == {"name": "a", "group": "example.com", "kind": "things"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/apis/example.com/v1/things", 404),
        ("GET", "/apis/example.com/v1/things/a", 404),
        ("GET", "/api/v1/configmaps/a", 404),
        ("POST", "/api/v1/configmaps", 405),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/namespaces/default/nodes/n", 404),
    ],
)
async def test_address_with_a_namespace_too_many_or_too_few(
    ask: Ask, method: str, path: str, status: int
) -> None:
    """Such addresses do not exist; only collections of all namespaces do, and those know few methods."""
    assert (await ask(method, path, {} if method == "POST" else None)).status == status


async def test_scale_of_custom_resources(ask: Ask) -> None:
    """Replicas are checked by the definition's schema; an absent count cannot be shown, but it can be set."""
    await ask("POST", THINGS, thing())
    absent = json_of(await ask("GET", f"{THINGS}/a/scale"))
    assert (
        absent["message"]
        == 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'
    )
    assert (await ask("PATCH", f"{THINGS}/a/scale", {"spec": {"replicas": 3}}, MERGE)).status == 200
    strategic = await ask("PATCH", f"{THINGS}/a/scale", {}, "application/strategic-merge-patch+json")
    assert strategic.status == 415
    negative = json_of(await ask("PATCH", f"{THINGS}/a/scale", {"spec": {"replicas": -1}}, MERGE))
    assert negative["message"] == (
        'Thing.example.com "a" is invalid: .spec.replicas: Invalid value: -1: should be a non-negative integer'
    )
    entries = json_of(await ask("GET", f"{THINGS}/a"))["metadata"].get("managedFields", [])
    assert "scale" not in [entry.get("subresource") for entry in entries], "nobody owns what a scale wrote"


async def test_defaults_do_not_hide_who_made_a_struct(ask: Ask) -> None:
    """Custom resources hold no struct by value: who creates one owns it together with what is in it."""
    created = json_of(await ask("POST", THINGS, thing(spec={"replicas": 1})))
    assert created["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {".": {}, "f:replicas": {}}}


async def test_version_of_a_new_object_is_the_last_complaint(ask: Ask) -> None:
    """Only the storage minds a resourceVersion on a new object: whatever else is wrong comes first."""
    bad = {"metadata": {"name": "Bad", "resourceVersion": "1"}}
    assert (await ask("POST", CM, bad)).status == 422
    response = await ask("POST", CM, {"metadata": {"name": "a", "resourceVersion": "1"}})
    assert response.status == 500
    assert json_of(response)["message"] == "resourceVersion should not be set on objects to be created"
    assert (await ask("GET", f"{CM}/a")).status == 404


async def test_wrong_patches_show_the_object_as_go_prints_it(ask: Ask) -> None:
    """Untouched metadata keeps the order of its struct, everything else is sorted."""
    await ask("POST", CM, {"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}})
    message = json_of(await ask("PATCH", f"{CM}/a", {"data": "no"}, MERGE))["message"]
    places = [message.index(f'\\"{name}\\"') for name in ("apiVersion", "data", "kind", "metadata")]
    assert places == sorted(places)
    places = [
        message.index(f'\\"{name}\\"')
        for name in ("name", "namespace", "uid", "creationTimestamp", "labels", "managedFields", "manager")
    ]
    assert places == sorted(places)


async def test_patch_to_nothing_has_no_name(ask: Ask) -> None:
    """A JSON patch may replace the whole object; what comes out must still be this one."""
    await ask("POST", CM, {"metadata": {"name": "a"}})
    operation = [{"op": "replace", "path": "", "value": {}}]
    response = await ask("PATCH", f"{CM}/a", operation, "application/json-patch+json")
    assert json_of(response)["message"] == (
        "the name of the object (a based on URL) was undeterminable: name must be provided"
    )


def _token(**members: object) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": 1, "start": "a"} | members)
    return base64.urlsafe_b64encode(raw.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("rubbish", "invalid character '®' looking for beginning of value"),
        ("a b", "illegal base64 data at input byte 1"),
        ("e30", "server does not recognize this encoded version "),
        ("eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ", "server does not recognize this encoded version x"),
        (_token(rv=0), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
        (_token(start=""), "encoded start key empty (version meta.k8s.io/v1)"),
        (_token(start="../b"), "../b"),
        (_token(rv="1"), "json: cannot unmarshal string into Go struct field continueToken.rv of type int64"),
    ],
)
async def test_continue_tokens_that_are_none(ask: Ask, token: str, why: str) -> None:
    """The answer tells what is wrong with a token."""
    response = await ask("GET", f"{CM}?limit=1&continue={token.replace(' ', '%20')}")
    assert response.status == 400
    assert json_of(response)["message"] == f"invalid continue token: continue key is not valid: {why}"


async def test_status_write_may_change_some_metadata(ask: Ask) -> None:
    """PUT of a Deployment's status keeps new annotations and drops new labels; a namespace takes both."""
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await ask("POST", deployments, {"metadata": {"name": "d"}, "spec": spec})
    change = {"metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}}}
    written = json_of(await ask("PATCH", f"{deployments}/d/status", change, MERGE))
    assert "labels" not in written["metadata"]
    assert written["metadata"]["annotations"] == {"x": "y"}
    written = json_of(await ask("PATCH", "/api/v1/namespaces/default/status", change, MERGE))
    assert written["metadata"]["labels"]["x"] == "y"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"apiVersion": "v1", "kind": "Nonsense"},
            (
                'Nonsense in version "v1" cannot be handled as a ConfigMap: no kind "Nonsense" is registered for version "v1" in '
                'scheme "pkg/api/legacyscheme/scheme.go:30"'
            ),
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            (
                'Deployment in version "v1" cannot be handled as a ConfigMap: converting (v1.Deployment) to (core.ConfigMap): '
                "unknown conversion"
            ),
        ),
        (
            {"apiVersion": "a/b/c", "kind": "ConfigMap"},
            (
                "the object provided is unrecognized (must be of type ConfigMap): unexpected GroupVersion string: a/b/c "
                '({"apiVersion":"a/b/c","kind":" ...)'
            ),
        ),
    ],
    ids=["unknown", "other", "malformed"],
)
async def test_type_of_built_in_kinds(ask: Ask, body, message: str) -> None:
    """What is sent is read as what it says it is, which has to exist and to be what is wanted."""
    response = await ask("POST", CM, body)
    assert (response.status, json_of(response)["message"]) == (400, message)


async def test_a_kind_without_version(ask: Ask) -> None:
    """A built-in kind that names no version is of the version of the address."""
    response = await ask("POST", CM, {"kind": "ConfigMap", "metadata": {"name": "a"}})
    assert (response.status, json_of(response)["apiVersion"]) == (201, "v1")


async def test_scales_of_another_kind(ask: Ask) -> None:
    """A Deployment is no Scale of itself."""
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
    response = await ask("PUT", "/apis/apps/v1/namespaces/default/deployments/d/scale", body)
    assert json_of(response)["message"] == (
        'Deployment in version "v1" cannot be handled as a Scale: converting (v1.Deployment) to (autoscaling.Scale): '
        "unknown conversion"
    )


async def test_bodies_are_quoted(ask: Ask) -> None:
    """A refusal quotes 30 bytes of a body: as they are when they look like JSON, in hexadecimal otherwise."""
    response = await ask("POST", CM, b"apiVersion: v1\nkind: ConfigMap\n")
    assert json_of(response)["message"].endswith(
        "(61706956657273696f6e3a2076310a6b696e643a20436f6e6669674d6170 ...)"
    )


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ("-a-=x", '<nil>: Invalid value: "-a-": name part must consist of'),
        ("a=-x", 'values[0][a]: Invalid value: "-x": a valid label must be an empty string or'),
        ("a in ()", "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"),
    ],
)
async def test_selectors_of_labels_that_cannot_be(ask: Ask, selector: str, why: str) -> None:
    """A selector asks for keys and values that a label can have."""
    response = await ask("GET", f"{CM}?labelSelector={selector.replace(' ', '%20')}")
    assert response.status == 400
    assert json_of(response)["message"].startswith(f"unable to parse requirement: {why}")


async def test_a_put_is_about_one_uid(ask: Ask) -> None:
    """A PUT of another uid is a conflict, also where nothing is; a patch that changes the uid is invalid."""
    uid = "11111111-2222-3333-4444-555555555555"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "u", "uid": uid}}
    nothing = json_of(await ask("PUT", f"{CM}/u", body))
    assert (
        nothing["code"],
        nothing["message"].endswith(f"UID in precondition: {uid}, UID in object meta: "),
    ) == (409, True)
    await ask("POST", CM, {"metadata": {"name": "u"}})
    assert (await ask("PUT", f"{CM}/u", body)).status == 409
    patched = json_of(await ask("PATCH", f"{CM}/u", {"metadata": {"uid": uid}}, MERGE))
    assert (
        patched["message"]
        == f'ConfigMap "u" is invalid: metadata.uid: Invalid value: "{uid}": field is immutable'
    )


async def test_finalizers_need_a_domain(ask: Ask) -> None:
    """Built-in kinds want finalizers with a domain; custom resources only advise them."""
    body = {"metadata": {"name": "f", "finalizers": ["noslash", "bad domain/x"]}}
    causes = json_of(await ask("POST", CM, body))["details"]["causes"]
    assert [(one["field"], one["message"][:38]) for one in causes] == [
        ("metadata.finalizers", 'Invalid value: "bad domain/x": prefix '),
        ("metadata.finalizers[0]", 'Invalid value: "noslash": name is neit'),
    ]
    response = await ask("POST", THINGS, thing("f") | {"metadata": {"name": "f", "finalizers": ["noslash"]}})
    assert response.status == 201
    assert [value for name, value in response.headers if name == "Warning"] == [
        (
            '299 - "metadata.finalizers: \\"noslash\\": prefer a domain-qualified finalizer name including a path (/) to avoid '
            'accidental conflicts with other finalizer writers"'
        )
    ]


async def test_deletion_timestamps_stay(ask: Ask) -> None:
    """Whoever tries to move the deletionTimestamp of an object that is being deleted changes nothing."""
    await ask("POST", CM, {"metadata": {"name": "d", "finalizers": ["example.com/x"]}})
    marked = json_of(await ask("DELETE", f"{CM}/d"))
    patch = {"metadata": {"deletionTimestamp": "2001-01-01T00:00:00Z"}}
    patched = json_of(await ask("PATCH", f"{CM}/d", patch, MERGE))
    assert patched["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]


async def test_namespaces_that_are_not_deleted(ask: Ask) -> None:
    """Nobody can say that a namespace terminates before it is deleted, nor hold it by a finalizer without a domain."""
    await ask("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    status = json_of(
        await ask("PATCH", "/api/v1/namespaces/n/status", {"status": {"phase": "Terminating"}}, MERGE)
    )
    assert status["message"] == (
        'Namespace "n" is invalid: status.Phase: Invalid value: "Terminating": may only be \'Active\' if '
        "`deletionTimestamp` is empty"
    )
    body = {"metadata": {"name": "n"}, "spec": {"finalizers": ["noslash"]}}
    finalize = json_of(await ask("PUT", "/api/v1/namespaces/n/finalize", body))
    assert finalize["details"]["causes"][0]["field"] == "spec.finalizers[0]"


@pytest.mark.parametrize(
    ("accept", "message"),
    [
        (
            "application/json;as=Table;v=v9;g=meta.k8s.io",
            (
                "only the following media types are accepted: application/json, application/yaml, "
                "application/vnd.kubernetes.protobuf"
            ),
        ),
        (
            "image/png",
            (
                "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
                "application/vnd.kubernetes.protobuf"
            ),
        ),
    ],
    ids=["parameters", "type"],
)
async def test_what_cannot_be_accepted(ask: Ask, accept: str, message: str) -> None:
    """Another type is refused before the route, another shape of a right type behind it."""
    response = await ask("GET", "/api/v1/namespaces/default", accept=accept)
    assert (response.status, json_of(response)["message"]) == (406, message)


async def test_what_cannot_be_accepted_of_custom_resources(ask: Ask) -> None:
    """They have no route that would ask for types first, so both mistakes are told alike."""
    response = await ask("GET", THINGS, accept="image/png")
    assert response.status == 406
    assert json_of(response)["message"] == (
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )


async def test_keys_are_no_json(ask: Ask) -> None:
    """The keys of the token issuer come in a type of their own, which has to be accepted."""
    response = await ask("GET", "/openid/v1/jwks", accept="application/json")
    assert (response.status, json_of(response)["message"]) == (
        406,
        "406: Not Acceptable\n\nAvailable representations: application/jwk-set+json",
    )


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("GET", f"{CM}/..", "\"..\": may not be '..'"),
        ("DELETE", f"{CM}/%2e", "\".\": may not be '.'"),
        ("GET", f"{THINGS}/a%25b", "\"a%b\": may not contain '%'"),
        ("PUT", "/api/v1/nodes/a%25b", "\"a%b\": may not contain '%'"),
    ],
)
async def test_names_that_no_path_can_hold(ask: Ask, method: str, path: str, why: str) -> None:
    """What cannot be part of a storage path is refused, whatever is asked of it."""
    response = await ask(method, path)
    assert (response.status, json_of(response)["reason"]) == (400, "BadRequest")
    assert json_of(response)["message"] == f"Name parameter invalid: {why}"


async def test_an_escaped_slash_is_a_slash(ask: Ask) -> None:
    """Paths are read when they are decoded: what follows it is a subresource, which is not there."""
    assert json_of(await ask("GET", f"{CM}/a%2Fb"))["message"] == (
        "the server could not find the requested resource"
    )


async def test_heads(ask: Ask) -> None:
    """Built-in kinds have no routes for HEAD; custom resources have none at all, and take it for a GET."""
    assert (await ask("HEAD", CM)).status == 405
    assert (await ask("HEAD", "/api/v1/namespaces/default")).status == 405
    assert (await ask("HEAD", THINGS)).status == 200
