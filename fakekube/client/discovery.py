"""What resources a cluster serves, from its discovery documents: for actors that work on everything.

Asks for the aggregated form (two requests) and falls back to the list per group on servers that lack it.
Upstream: k8s: staging/src/k8s.io/client-go/discovery/{discovery_client,aggregated_discovery}.go
"""

from collections.abc import Mapping
from typing import Any

import orjson
from msgspec import Struct

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import Resource, split_api_version

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Served(Struct, frozen=True):
    """A resource, the verbs it answers, and what else people call it."""

    resource: Resource
    verbs: frozenset[str]
    aliases: tuple[str, ...] = ()  # singular and short names


class Discovered(Struct, frozen=True):
    """Each resource once, in its group's preferred version. `failed` are the group versions that did not answer."""

    served: tuple[Served, ...]
    failed: tuple[str, ...] = ()

    def with_verbs(self, *verbs: str) -> list[Resource]:
        wanted = frozenset(verbs)
        return [one.resource for one in self.served if wanted <= one.verbs]


async def discover(client: Client) -> Discovered:
    """Everything the cluster serves now. Raises ApiError when it cannot be asked at all."""
    found: dict[tuple[str, str], Served] = {}
    failed: list[str] = []
    for path in ("/api", "/apis"):
        document = await _get(client, path, {"accept": _AGGREGATED})
        if document.get("kind") == "APIGroupDiscoveryList":
            _read_aggregated(document, found, failed)
        else:
            await _read_groups(client, path, document, found, failed)
    return Discovered(tuple(found.values()), tuple(failed))


async def find(client: Client, group: str, kind: str) -> tuple[Resource, frozenset[str]] | None:
    """The resource of a kind in its group's preferred version, and its subresources; None while nobody serves it."""
    served = (await discover(client)).served
    found = next(
        (one.resource for one in served if (one.resource.group, one.resource.kind) == (group, kind)), None
    )
    if found is None:
        return None
    root = f"/apis/{found.group}/{found.version}" if found.group else f"/api/{found.version}"
    listed = (await _get(client, root, {})).get("resources") or ()
    own = f"{found.plural}/"
    return found, frozenset(one["name"].removeprefix(own) for one in listed if one["name"].startswith(own))


def of_crd(crd: Mapping[str, Any]) -> Resource | None:
    """The resource a CustomResourceDefinition serves, in its preferred version; None while it serves nothing."""
    established = any(
        one.get("type") == "Established" and one.get("status") == "True"
        for one in (crd.get("status") or {}).get("conditions") or ()
    )
    spec = crd["spec"]
    versions = [one["name"] for one in spec["versions"] if one.get("served")]
    if not established or not versions:
        return None
    names = (crd.get("status") or {}).get("acceptedNames") or spec["names"]
    stored = [one["name"] for one in spec["versions"] if one.get("served") and one.get("storage")]
    return Resource(
        spec["group"],
        (stored or versions)[0],
        names["plural"],
        names["kind"],
        namespaced=spec["scope"] == "Namespaced",
    )


def without_schemas(crd: Mapping[str, Any]) -> dict[str, Any]:
    """What `of_crd` and its like read of a CustomResourceDefinition. The schemas are a hundred times larger."""
    spec = crd["spec"]
    versions = [{name: one.get(name) for name in ("name", "served", "storage")} for one in spec["versions"]]
    kept = {name: spec[name] for name in ("group", "names", "scope") if name in spec}
    return {**crd, "spec": {**kept, "versions": versions}}


def _read_aggregated(
    document: Mapping[str, Any], found: dict[tuple[str, str], Served], failed: list[str]
) -> None:
    for group in document.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():  # the preferred one first
            if version.get("freshness") == "Stale":
                failed.append(f"{name}/{version['version']}")
            for one in version.get("resources") or ():
                kind = (one.get("responseKind") or {}).get("kind") or ""
                resource = Resource(
                    name, version["version"], one["resource"], kind, namespaced=one["scope"] == "Namespaced"
                )
                found.setdefault((name, resource.plural), _served(resource, one, "singularResource"))


async def _read_groups(
    client: Client,
    path: str,
    document: Mapping[str, Any],
    found: dict[tuple[str, str], Served],
    failed: list[str],
) -> None:
    versions = [f"{path}/{version}" for version in document.get("versions") or ()]
    for group in document.get("groups") or ():
        preferred = group["preferredVersion"]["groupVersion"]
        every = [version["groupVersion"] for version in group["versions"]]
        ordered = sorted(every, key=lambda version, first=preferred: version != first)  # type: ignore[misc]
        versions += [f"{path}/{version}" for version in ordered]
    for address in versions:
        try:
            listed = await _get(client, address, {})
        except ApiError:
            failed.append(address.removeprefix("/apis/").removeprefix("/api/"))
            continue
        group, version = split_api_version(listed["groupVersion"])
        for one in listed.get("resources") or ():
            if "/" not in one["name"]:
                resource = Resource(group, version, one["name"], one["kind"], namespaced=one["namespaced"])
                found.setdefault((group, resource.plural), _served(resource, one, "singularName"))


def _served(resource: Resource, said: Mapping[str, Any], singular: str) -> Served:
    aliases = tuple(name for name in (said.get(singular), *(said.get("shortNames") or ())) if name)
    return Served(resource, frozenset(said.get("verbs") or ()), aliases)


async def _get(client: Client, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    response = await client.request("GET", path, headers=headers)
    document: dict[str, Any] = orjson.loads(response.body)
    return document
