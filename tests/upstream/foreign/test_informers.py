"""Every cache KubeVirt's own virt-controller waits for before it works, listed and watched as client-go 0.34 does.

Origin: kubevirt: pkg/controller/virtinformers.go, pkg/virt-controller/watch/application.go;
k8s: staging/src/k8s.io/client-go/{tools/cache/reflector,rest/request}.go
"""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from fakekube.virt.operator.crds import of_cdi
from tests.upstream.conftest import Make, Object, Suite, conditions
from tests.upstream.foreign.conftest import WITHOUT
from tests.upstream.storage import with_snapshots

_OWN = "/api/v1/namespaces/kubevirt"
_VM = "virtualmachine"
_SIZES = f"/apis/instancetype.kubevirt.io/v1beta1/{_VM}"
_UNMANAGED = "app.kubernetes.io/managed-by notin (kubevirt-operator,virt-operator)"
FIRST = (  # before it stands for election
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/kubevirt.io/v1/kubevirts",
)
LEADING = (
    *(f"/apis/kubevirt.io/v1/{_VM}{one}" for one in ("s", "instances", "instancereplicasets")),
    f"/apis/kubevirt.io/v1/{_VM}instancemigrations",
    f"/apis/pool.kubevirt.io/v1beta1/{_VM}pools",
    *(f"/api/v1/{one}" for one in ("pods", "nodes", "namespaces", "resourcequotas")),
    "/api/v1/persistentvolumeclaims",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/apps/v1/controllerrevisions",
    "/apis/storage.k8s.io/v1/storageclasses",
    *(f"{_SIZES}{one}" for one in ("instancetypes", "clusterinstancetypes")),
    *(f"{_SIZES}{one}" for one in ("preferences", "clusterpreferences")),
    *(f"/apis/snapshot.kubevirt.io/v1beta1/{_VM}{one}" for one in ("snapshots", "restores")),
    f"/apis/snapshot.kubevirt.io/v1beta1/{_VM}snapshotcontents",
    f"/apis/export.kubevirt.io/v1/{_VM}exports",
    *(f"/apis/backup.kubevirt.io/v1alpha1/{_VM}backup{one}" for one in ("s", "trackers")),
    f"/apis/clone.kubevirt.io/v1beta1/{_VM}clones",
    "/apis/migrations.kubevirt.io/v1alpha1/migrationpolicies",
    "/apis/networking.k8s.io/v1/namespaces/kubevirt/ingresses",
    *(f"/apis/resource.k8s.io/v1/resource{one}" for one in ("claims", "slices")),  # whose gates are open
)
CDI = tuple(
    f"/apis/cdi.kubevirt.io/v1beta1/{one}"
    for one in ("datavolumes", "datasources", "storageprofiles", "cdis", "cdiconfigs")
)
CHOSEN: tuple[tuple[str, Object], ...] = (
    ("/api/v1/pods", {"labelSelector": "kubevirt.io"}),
    ("/api/v1/services", {"labelSelector": "kubevirt.io=virt-exporter"}),
    (f"{_OWN}/secrets", {"labelSelector": _UNMANAGED}),
    *(
        (f"{_OWN}/configmaps", {"fieldSelector": f"metadata.name={one}"})
        for one in ("kubevirt-export-ca", "kubevirt-backup-ca", "kube-root-ca.crt")
    ),
)
SNAPSHOTS = tuple(
    f"/apis/snapshot.storage.k8s.io/v1/{one}" for one in ("volumesnapshots", "volumesnapshotclasses")
)


async def informed(suite: Suite, path: str, **selectors: str) -> list[Object]:
    """What a reflector lists, once its watch from there is open."""
    status, listed = await suite.call("GET", path, **selectors, limit="500", resourceVersion="0")
    assert status == 200, (path, listed)
    version = listed["metadata"]["resourceVersion"]
    query = {"allowWatchBookmarks": "true", "resourceVersion": version, "timeout": "5m33s"}
    query |= {"timeoutSeconds": "333", "watch": "true", **selectors}
    headers = {"Accept": "application/json, */*"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{suite.url}{path}", params=query, headers=headers) as answer,
    ):
        assert answer.status == 200, (path, await answer.text())
    found: list[Object] = listed["items"] or []
    return found


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await suite_of(without=WITHOUT)


async def test_every_cache_fills(suite: Suite) -> None:
    """No list is missing, in the version Go asks for; selectors choose, and what is chosen is there."""
    for path in (*FIRST, *LEADING, *CDI):
        await informed(suite, path)
    found = {(path, *one.values()): await informed(suite, path, **one) for path, one in CHOSEN}
    authority = f"{_OWN}/configmaps", "metadata.name=kubevirt-export-ca"
    assert [one["metadata"]["name"] for one in found[authority]] == ["kubevirt-export-ca"]
    assert not found[f"{_OWN}/secrets", _UNMANAGED], "all are virt-operator's"


async def test_what_it_finds_out_first(suite: Suite) -> None:
    """CDI's types are established, snapshots and OpenShift are not there, and the KubeVirt object is deployed."""
    definitions = {one["metadata"]["name"]: one for one in await informed(suite, FIRST[0])}
    for one in of_cdi():
        name = one["metadata"]["name"]
        assert conditions(definitions[name])["Established"] == "True"
    assert not [name for name in definitions if name.endswith("snapshot.storage.k8s.io")]
    (kubevirt,) = await informed(suite, FIRST[1])
    assert (kubevirt["status"]["phase"], kubevirt["status"]["defaultArchitecture"]) == ("Deployed", "amd64")
    groups = {one["name"] for one in (await suite.get("/apis"))["groups"]}
    assert "security.openshift.io" not in groups
    assert "route.openshift.io" not in groups
    assert (await suite.get("/apis/kubevirt.io/v1"))["kind"] == "APIResourceList", "its health probe"


async def test_snapshots_come_later(suite: Suite) -> None:
    """The moment a definition is there a reflector asks for it; it is answered as soon as the definition is established."""
    seen: asyncio.Queue[Any] = asyncio.Queue()

    async def follow() -> None:
        query = {"watch": "true", "allowWatchBookmarks": "true"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{suite.url}{FIRST[0]}", params=query) as answer,
        ):
            async for line in answer.content:
                event = json.loads(line)
                named = event["object"]["metadata"].get("name", "")
                if named.endswith("snapshot.storage.k8s.io"):
                    await seen.put(event)

    following = asyncio.create_task(follow())
    assert (await suite.call("GET", SNAPSHOTS[0]))[0] == 404
    await with_snapshots(suite)
    established: set[str] = set()
    while len(established) < 2:
        event = await asyncio.wait_for(seen.get(), 30)
        told = event["object"]["status"].get("conditions")
        if told and conditions(event["object"]).get("Established") == "True":
            names = event["object"]["spec"]["names"]
            established.add(names["plural"])
            if f"/apis/snapshot.storage.k8s.io/v1/{names['plural']}" in SNAPSHOTS:
                await informed(suite, f"/apis/snapshot.storage.k8s.io/v1/{names['plural']}")
    following.cancel()
    for path in SNAPSHOTS:
        await informed(suite, path)
