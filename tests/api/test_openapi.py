"""OpenAPI: what kubectl reads about types and operations, in both versions and both encodings."""

import orjson
import pytest

from fakekube.api import openapi
from fakekube.api.builtins.tables import resources
from fakekube.api.extend.custom_resources import Definition, served
from fakekube.api.registry.catalog import Catalog
from fakekube.machinery.errors import MethodNotAllowed
from fakekube.machinery.wire import Request

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
MAPS = "/api/v1/namespaces/{namespace}/configmaps"
SPEC = {
    "group": "life.example.com",
    "scope": "Namespaced",
    "names": {"plural": "widgets", "kind": "Widget", "listKind": "WidgetList", "singular": "widget"},
    "versions": [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "selectableFields": [{"jsonPath": ".spec.color"}],
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"},
            },
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "description": "A widget.",
                    "properties": {
                        "spec": {
                            "type": "object",
                            "properties": {
                                "size": {"type": "integer", "description": "How big."},
                                "port": {"x-kubernetes-int-or-string": True},
                                "color": {"type": "string", "nullable": True},
                            },
                        },
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    },
                }
            },
        }
    ],
}


@pytest.fixture
def catalog():
    found = Catalog(resources())
    for resource in served(Definition.of({"spec": SPEC})):
        found.add(resource)
    return found


async def ask(catalog, path, **headers):
    path, _, query = path.partition("?")
    return await openapi.handle(Request("GET", path, query, headers), catalog)


async def read(catalog, path):
    return orjson.loads((await ask(catalog, path)).body)


async def test_the_index_leads_to_documents(catalog):
    """Every address it gives answers, as the content its hash names."""
    response = await ask(catalog, "/openapi/v3")
    assert response.content_type == "text/plain; charset=utf-8"
    paths = orjson.loads(response.body)["paths"]
    assert {
        "api",
        "api/v1",
        "apis",
        "apis/apps",
        "apis/apps/v1",
        "apis/life.example.com/v1",
        "version",
    } <= set(paths)
    for name, address in paths.items():
        found = await ask(catalog, address["serverRelativeURL"])
        assert found.status == 200, name
        assert ("Cache-Control", "public, max-age=31536000, immutable") in found.headers
        assert orjson.loads(found.body)["openapi"] == "3.0.0"


async def test_an_old_hash_leads_to_the_new_one(catalog):
    """A client with a stale index is sent on."""
    response = await ask(catalog, "/openapi/v3/api/v1?hash=OLD")
    assert response.status == 301
    assert (await ask(catalog, dict(response.headers)["Location"])).status == 200


async def test_hashes_change_with_what_they_name(catalog):
    """A changed schema changes its own document's address and no other's."""
    before = (await read(catalog, "/openapi/v3"))["paths"]
    version = {**SPEC["versions"][0], "schema": {"openAPIV3Schema": {"type": "object"}}}
    (changed,) = served(Definition.of({"spec": {**SPEC, "versions": [version]}}))
    catalog.add(changed)
    after = (await read(catalog, "/openapi/v3"))["paths"]
    assert {name for name in after if after[name] != before[name]} == {"apis/life.example.com/v1"}


async def test_unknown_documents(catalog):
    """What is not served has no document, and documents are only read."""
    assert await ask(catalog, "/openapi/v3/apis/nope.example.com/v1") is None
    assert await ask(catalog, "/openapi/v4") is None
    with pytest.raises(MethodNotAllowed):
        await openapi.handle(Request("POST", "/openapi/v2"), catalog)


async def test_operations_of_a_built_in_kind(catalog):
    """Validation looks for fieldValidation and dryRun, apply for the patch types."""
    paths = (await read(catalog, "/openapi/v3/api/v1"))["paths"]
    assert set(paths[MAPS]) == {"delete", "get", "parameters", "post"}
    one = paths[MAPS + "/{name}"]
    assert set(one) == {"delete", "get", "parameters", "patch", "put"}
    post = paths[MAPS]["post"]
    assert [parameter["name"] for parameter in post["parameters"]] == [
        "dryRun",
        "fieldManager",
        "fieldValidation",
    ]
    assert post["x-kubernetes-action"] == "post"
    assert post["x-kubernetes-group-version-kind"] == {"group": "", "kind": "ConfigMap", "version": "v1"}
    assert [parameter["name"] for parameter in one["patch"]["parameters"]][-1] == "force"
    assert "application/strategic-merge-patch+json" in one["patch"]["requestBody"]["content"]
    assert (
        paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]["post"]["x-kubernetes-action"] == "connect"
    )
    assert "/api/v1/namespaces/{namespace}/pods/{name}/eviction" in paths


async def test_operation_ids_are_unique(catalog):
    """As the specification demands."""
    document = await read(catalog, "/openapi/v2")
    ids = [
        one["operationId"]
        for item in document["paths"].values()
        for one in item.values()
        if isinstance(one, dict)
    ]
    assert len(ids) == len(set(ids))
    assert "listCoreV1NamespacedConfigMap" in ids


async def test_definitions_in_version_3(catalog):
    """References with texts stand in allOf, types of two shapes say both."""
    schemas = (await read(catalog, "/openapi/v3/api/v1"))["components"]["schemas"]
    created = schemas[f"{META}ObjectMeta"]["properties"]["creationTimestamp"]
    assert created["allOf"] == [{"$ref": f"#/components/schemas/{META}Time"}]
    assert created["description"].startswith("CreationTimestamp is a timestamp")
    owners = schemas[f"{META}ObjectMeta"]["properties"]["ownerReferences"]
    assert owners["items"] == {"$ref": f"#/components/schemas/{META}OwnerReference"}
    port = schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]
    assert port["oneOf"] == [{"type": "integer"}, {"type": "string"}]
    assert "type" not in port


@pytest.mark.parametrize(
    "path", ["/openapi/v3/api/v1", "/openapi/v3/apis/life.example.com/v1", "/openapi/v2"]
)
async def test_every_reference_resolves(catalog, path):
    """No document refers outside itself."""
    document = await read(catalog, path)
    known = document["definitions"] if "definitions" in document else document["components"]["schemas"]
    seen = set()

    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                seen.add(node["$ref"].rpartition("/")[2])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    walk(document)
    assert seen <= set(known)
    assert len(seen) > 10


async def test_custom_resources(catalog):
    """The CRD's schema with the standard members, its list, and its paths; no strategic merge."""
    document = await read(catalog, "/openapi/v3/apis/life.example.com/v1")
    widget = document["components"]["schemas"]["com.example.life.v1.Widget"]
    assert widget["description"] == "A widget."
    assert widget["properties"]["spec"]["properties"]["size"] == {
        "type": "integer",
        "description": "How big.",
    }
    assert widget["properties"]["metadata"]["allOf"] == [{"$ref": f"#/components/schemas/{META}ObjectMeta"}]
    assert widget["properties"]["kind"]["type"] == "string"
    gvk = {"group": "life.example.com", "kind": "Widget", "version": "v1"}
    assert widget["x-kubernetes-group-version-kind"] == [gvk]
    assert widget["x-kubernetes-selectable-fields"] == [{"fieldPath": "spec.color"}]
    assert document["components"]["schemas"]["com.example.life.v1.WidgetList"]["required"] == ["items"]
    inner = "/apis/life.example.com/v1/namespaces/{namespace}/widgets"
    assert list(document["paths"]) == [
        inner, f"{inner}/{{name}}", f"{inner}/{{name}}/scale", f"{inner}/{{name}}/status", "/apis/life.example.com/v1/widgets",
    ]  # fmt: skip
    patch = document["paths"][f"{inner}/{{name}}"]["patch"]["requestBody"]["content"]
    assert "application/strategic-merge-patch+json" not in patch


async def test_version_2_leaves_out_what_it_cannot_say(catalog):
    """Two-shaped and nullable members become anything; where anything goes, old clients look no further."""
    definitions = (await read(catalog, "/openapi/v2"))["definitions"]
    spec = definitions["com.example.life.v1.Widget"]["properties"]["spec"]["properties"]
    assert spec["port"] == {"x-kubernetes-int-or-string": True}
    assert spec["color"] == {}
    assert (
        definitions["io.k8s.api.core.v1.ConfigMap"]["properties"]["metadata"]["$ref"]
        == f"#/definitions/{META}ObjectMeta"
    )


def messages(data):
    """The fields of a protobuf message, as (number, value): a reader of its own, to judge the writer by."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2
            size = varint()
            yield key >> 3, data[at : at + size]
            at += size


def one(data, number):
    return next(value for field, value in messages(data) if field == number)


def named(data, number):
    return {one(value, 1).decode(): one(value, 2) for field, value in messages(data) if field == number}


async def test_version_2_as_protobuf(catalog):
    """Definitions and operations are where gnostic's messages have them; the media type is one Go can parse."""
    asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    response = await ask(catalog, "/openapi/v2", accept=asked)
    assert response.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert one(response.body, 1) == b"2.0"
    definitions = named(one(response.body, 9), 1)
    assert set(definitions) == set((await read(catalog, "/openapi/v2"))["definitions"])
    spec = named(one(definitions["io.k8s.api.core.v1.PodSpec"], 25), 1)
    containers = spec["containers"]
    assert one(one(containers, 22), 1) == b"array"
    assert one(one(one(containers, 23), 1), 1) == b"#/definitions/io.k8s.api.core.v1.Container"
    assert one(named(containers, 31)["x-kubernetes-patch-merge-key"], 2) == b'"name"\n'
    patch = one(named(one(response.body, 8), 2)[MAPS + "/{name}"], 8)
    queries = [
        one(one(parameter, 1), 2)
        for field, parameter in messages(patch)
        if field == 8 and one(parameter, 1)[0] == 18
    ]
    assert [one(one(query, 3), 4) for query in queries] == [
        b"dryRun",
        b"fieldManager",
        b"fieldValidation",
        b"force",
    ]
    assert b"ConfigMap" in one(named(patch, 13)["x-kubernetes-group-version-kind"], 2)


async def test_an_unchanged_document_is_not_sent_again(catalog):
    """304 for the tag of before, for each of the addresses."""
    for path in ("/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1"):
        first = await ask(catalog, path)
        again = await ask(catalog, path, **{"if-none-match": dict(first.headers)["ETag"]})
        assert (again.status, again.body) == (304, b"")


SPOKEN = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "parameters": {"pretty-1": {"name": "pretty", "in": "query", "type": "string", "uniqueItems": True}},
    "paths": {
        "/apis/pets.example.com/v1/namespaces/{namespace}/dogs": {
            "parameters": [{"$ref": "#/parameters/pretty-1"}],
            "post": {
                "consumes": ["application/json"],
                "produces": ["application/json"],
                "parameters": [
                    {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Dog"}}
                ],
                "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Dog"}}},
            },
        },
        "/apis/pets.example.com/v2/elsewhere": {},
        "/healthz": {},
    },
    "definitions": {
        "Dog": {"type": "object", "properties": {"tail": {"$ref": "#/definitions/" + META + "Status"}}},
        META + "Status": {"type": "object", "description": "Not the one everybody knows."},
        "Unused": {"type": "object"},
    },
}


async def test_aggregated_apis_are_part_of_the_documents(catalog):
    """What an aggregated API says of its version is in v2, v3 and the index; clashing definitions get another name."""
    catalog.aggregated_documents["pets.example.com", "v1"] = SPOKEN
    document = await read(catalog, "/openapi/v2")
    name = "/apis/pets.example.com/v1/namespaces/{namespace}/dogs"
    assert [path for path in document["paths"] if "pets" in path or path == "/healthz"] == [name]
    assert document["paths"][name]["parameters"] == [SPOKEN["parameters"]["pretty-1"]]
    tail = document["definitions"]["Dog"]["properties"]["tail"]["$ref"]
    assert tail == f"#/definitions/{META}Status_v2"
    assert document["definitions"][f"{META}Status_v2"]["description"] == "Not the one everybody knows."
    assert "Unused" not in document["definitions"]
    address = (await read(catalog, "/openapi/v3"))["paths"]["apis/pets.example.com/v1"]["serverRelativeURL"]
    told = await read(catalog, address)
    post = told["paths"][name]["post"]
    ref = {"schema": {"$ref": "#/components/schemas/Dog"}}
    assert post["requestBody"] == {"content": {"application/json": ref}, "required": True}
    assert post["responses"]["200"]["content"] == {"application/json": ref}
    assert told["paths"][name]["parameters"][0]["schema"] == {"type": "string", "uniqueItems": True}
    assert (
        await ask(catalog, "/openapi/v2", accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    ).status == 200


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"paths": 3},
        {"paths": {"/apis/pets.example.com/v1/a": []}},
        {"paths": {"/apis/pets.example.com/v1/a": {"get": {"parameters": [{"$ref": "#/parameters/b"}]}}}},
        {"paths": {"/apis/pets.example.com/v1/a": {"get": {"responses": {"200": 7}}}}},
    ],
)
async def test_nonsense_of_aggregated_apis_is_left_out(catalog, document):
    """A server that says what nobody can read costs nobody the document."""
    catalog.aggregated_documents["pets.example.com", "v1"] = document
    assert not any("pets" in path for path in (await read(catalog, "/openapi/v2"))["paths"])
    assert "apis/pets.example.com/v1" not in (await read(catalog, "/openapi/v3"))["paths"]
