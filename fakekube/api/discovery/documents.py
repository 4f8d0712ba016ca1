"""Discovery documents: groups, versions, resources. Pure functions from the catalog.

k8s: staging/src/k8s.io/apiserver/pkg/endpoints/discovery, kube-aggregator/pkg/apiserver/handler_apis.go,
apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable

from fakekube.api import health
from fakekube.api.extend.versions import priority
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.strategy import ServedResource, Subresource
from fakekube.machinery.wire import Object

# Built-in groups, in the order of their priority. Everything else follows, by name.
_ORDER = (
    "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling",
    "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
    "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "flowcontrol.apiserver.k8s.io", "resource.k8s.io",
)  # fmt: skip
_RANK = {group: rank for rank, group in enumerate(_ORDER)}

_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")

# ── groups and versions ──────────────────────────────────────────────────────────────────────────────────────────────


def groups(catalog: Catalog) -> dict[str, list[str]]:
    """Group → its versions, preferred first; groups in the order clients see. The core group is not among them."""
    found: dict[str, list[str]] = {}
    custom: set[str] = set()
    for group, version, is_custom in _group_versions(catalog):
        versions = found.setdefault(group, [])
        if version not in versions:
            versions.append(version)
        if is_custom:
            custom.add(group)
    for group in custom:
        found[group].sort(key=priority, reverse=True)
    return dict(sorted(found.items(), key=lambda one: (_RANK.get(one[0], len(_RANK)), one[0])))


def _group_versions(catalog: Catalog) -> Iterable[tuple[str, str, bool]]:
    for resource in catalog:
        if resource.group:
            yield resource.group, resource.version, resource.custom
    for group, version in catalog.aggregated:
        yield group, version, True


def _group_version(group: str, version: str) -> Object:
    return {"groupVersion": f"{group}/{version}", "version": version}


def _api_group(group: str, versions: list[str]) -> Object:
    listed = [_group_version(group, version) for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def group_list(catalog: Catalog) -> Object:
    """`/apis`"""
    listed = [_api_group(group, versions) for group, versions in groups(catalog).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group_document(catalog: Catalog, group: str) -> Object | None:
    """`/apis/<group>`"""
    versions = groups(catalog).get(group)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_api_group(group, versions)}


# ── resources ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _served(catalog: Catalog, group: str, version: str) -> list[ServedResource]:
    found = [one for one in catalog if (one.group, one.version) == (group, version)]
    return found if any(one.custom for one in found) else sorted(found, key=lambda one: one.plural)


def _verbs(resource: ServedResource) -> list[str]:
    return (
        [verb for verb in _CUSTOM_VERBS if verb in resource.verbs]
        if resource.custom
        else list(resource.verbs)
    )


def storage_version_hash(resource: ServedResource) -> str:
    """A fingerprint of the group, version and kind objects are stored as."""
    stored = f"{resource.storage_group or ''}/{resource.storage_version}/{resource.kind}"
    return b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def resource_list(catalog: Catalog, group: str, version: str) -> Object | None:
    """`/api/v1`, `/apis/<group>/<version>`"""
    served = _served(catalog, group, version)
    if not served and (group, version) not in catalog.aggregated:
        return None
    head: Object = {"kind": "APIResourceList"}
    if group:  # the core group's document is older than its apiVersion
        head["apiVersion"] = "v1"
    head["groupVersion"] = f"{group}/{version}" if group else version
    return {**head, "resources": [entry for resource in served for entry in _api_resources(resource)]}


def _api_resources(resource: ServedResource) -> Iterable[Object]:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "watch" in resource.verbs:
        entry["storageVersionHash"] = storage_version_hash(resource)
    yield entry
    for sub in _subresources(resource):
        below: Object = {
            "name": f"{resource.plural}/{sub.name}",
            "singularName": "",
            "namespaced": resource.namespaced,
        }
        if sub.version:
            below |= {"group": sub.group, "version": sub.version}
        yield {**below, "kind": sub.kind, "verbs": list(sub.verbs)}


def _subresources(resource: ServedResource) -> list[Subresource]:
    return sorted(resource.subresources, key=lambda one: one.name, reverse=resource.custom)


def aggregated(catalog: Catalog, *, core: bool) -> Object:
    """`/api` and `/apis` in one document each, with every resource: APIGroupDiscoveryList v2."""
    found = {"": ["v1"]} if core else groups(catalog)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [_version_discovery(catalog, group, version) for version in versions],
            }
            for group, versions in found.items()
        ],
    }


def _version_discovery(catalog: Catalog, group: str, version: str) -> Object:
    if (group, version) in catalog.aggregated:
        listed = catalog.aggregated_resources.get((group, version))
        known = _converted(group, version, listed or ())
        return {
            "version": version,
            "resources": known,
            "freshness": "Current" if listed is not None else "Stale",
        }
    return {
        "version": version,
        "resources": [_resource_discovery(one) for one in _served(catalog, group, version)],
        "freshness": "Current",
    }


def _converted(group: str, version: str, listed: Iterable[Object]) -> list[Object]:
    """What an aggregated API lists, in the form of this document; a subresource brings its parent, if nobody else does.

    k8s: staging/src/k8s.io/apiserver/pkg/endpoints/discovery/aggregated (ConvertGroupVersionIntoToDiscovery)
    """
    found: dict[str, Object] = {}
    for one in sorted(listed, key=lambda one: "/" in one["name"]):
        parent, _, subresource = one["name"].partition("/")
        kind = _kind(one.get("group") or group, one.get("version") or version, one.get("kind") or "")
        scope = "Namespaced" if one.get("namespaced") else "Cluster"
        if not subresource:
            entry = {"resource": parent, "responseKind": kind, "scope": scope}
            found[parent] = entry | {
                "singularResource": one.get("singularName") or "",
                "verbs": one.get("verbs"),
                **{name: one[name] for name in ("shortNames", "categories") if one.get(name)},
            }
            continue
        nobody = {
            "resource": parent,
            "responseKind": _kind("", "", ""),
            "scope": scope,
            "singularResource": "",
            "verbs": None,
        }
        below = {"subresource": subresource, "responseKind": kind, "verbs": one.get("verbs")}
        found.setdefault(parent, nobody).setdefault("subresources", []).append(below)
    return list(found.values())


def _resource_discovery(resource: ServedResource) -> Object:
    own = (resource.group, resource.version) if resource.custom else ("", "")
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(*own, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": _verbs(resource),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    below = [
        {
            "subresource": sub.name,
            "responseKind": _kind(*((sub.group, sub.version) if sub.version else own), sub.kind),
            "verbs": list(sub.verbs),
        }
        for sub in _subresources(resource)
    ]
    if below:
        entry["subresources"] = below
    return entry


def _kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def paths(catalog: Catalog) -> Object:
    """`/`: every path worth a visit."""
    found = {
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/version",
    }
    found |= {"/.well-known/openid-configuration", "/openid/v1/jwks", *health.paths()}
    for group, versions in groups(catalog).items():
        found.add(f"/apis/{group}")
        found |= {f"/apis/{group}/{version}" for version in versions}
    return {"paths": sorted(found)}
