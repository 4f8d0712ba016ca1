"""What accounts bring to new pods."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.cluster import Cluster
from fakekube.ids import Ids
from fakekube.machinery.resources import PODS
from fakekube.store.memory import MemoryStore
from tests.api.conftest import Ask, json_of

NS = "/api/v1/namespaces/default"
PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    """A server with the plugin, which has to be asked for."""
    server = ApiServer(MemoryStore(), ids=Ids(7), service_accounts=True)
    await server.start()
    yield server
    server.close()


@pytest.fixture
async def account(ask: Ask) -> Any:
    """Makes an account, `default` unless it is named."""

    async def make(name: str = "default", **members: Any) -> None:
        answer = await ask("POST", f"{NS}/serviceaccounts", {"metadata": {"name": name}, **members})
        assert answer.status == 201

    return make


async def pod(ask: Ask, **spec: Any) -> dict[str, Any]:
    body = {"containers": [{"name": "a", "image": "x"}], "initContainers": [{"name": "i", "image": "x"}]}
    meta = {"generateName": "p", **spec.pop("metadata", {})}
    return json_of(await ask("POST", f"{NS}/pods", {"metadata": meta, "spec": {**body, **spec}}))


async def test_a_token(ask: Ask, account: Any) -> None:
    """A pod gets the namespace's default account, and every container of it the account's token, the cluster's authority and
    the name of its namespace."""
    await account()
    spec = (await pod(ask))["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    (volume,) = spec["volumes"]
    assert re.fullmatch(r"kube-api-access-[a-z0-9]{5}", volume["name"])
    token, root, field = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    assert root["configMap"]["name"] == "kube-root-ca.crt"
    assert field["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] == "metadata.namespace"
    assert volume["projected"]["defaultMode"] == 420
    mount = {"name": volume["name"], "readOnly": True, "mountPath": PATH}
    for one in (*spec["containers"], *spec["initContainers"]):
        assert one["volumeMounts"] == [mount]


@pytest.mark.parametrize(
    ("of_account", "of_pod", "mounted"),
    [(None, None, True), (False, None, False), (False, True, True), (None, False, False)],
)
async def test_who_wants_none(
    ask: Ask, account: Any, of_account: bool | None, of_pod: bool | None, mounted: bool
) -> None:
    """The account may say that its pods get no token; what a pod says outranks that."""
    await account(**({} if of_account is None else {"automountServiceAccountToken": of_account}))
    spec = (await pod(ask, **({} if of_pod is None else {"automountServiceAccountToken": of_pod})))["spec"]
    assert ("volumes" in spec) == mounted
    assert spec["serviceAccountName"] == "default"


async def test_what_is_there_already(ask: Ask, account: Any) -> None:
    """A volume that brings the token is used; where something else is mounted in its place, it is left alone."""
    await account()
    own = {"name": "kube-api-access-mine", "emptyDir": {}}
    spec = (await pod(ask, volumes=[own]))["spec"]
    assert [one["name"] for one in spec["volumes"]] == ["kube-api-access-mine"]
    assert spec["containers"][0]["volumeMounts"][0]["name"] == "kube-api-access-mine"
    elsewhere = {"name": "mine", "mountPath": PATH}
    containers = [{"name": "a", "image": "x", "volumeMounts": [elsewhere]}]
    spec = (
        await pod(ask, volumes=[{"name": "mine", "emptyDir": {}}], containers=containers, initContainers=[])
    )["spec"]
    assert [one["name"] for one in spec["volumes"]] == ["mine"]


async def test_secrets_to_pull_with(ask: Ask, account: Any) -> None:
    """A pod that names no secrets to pull images with gets its account's."""
    await account()
    await account("puller", imagePullSecrets=[{"name": "registry"}])
    assert "imagePullSecrets" not in (await pod(ask))["spec"]
    spec = (await pod(ask, serviceAccountName="puller"))["spec"]
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    spec = (await pod(ask, serviceAccountName="puller", imagePullSecrets=[{"name": "own"}]))["spec"]
    assert spec["imagePullSecrets"] == [{"name": "own"}]


async def test_an_account_that_is_not_there(ask: Ask, account: Any) -> None:
    """A pod must not name an account that does not exist; where nobody keeps accounts, pods are taken as they are."""
    lenient = (await pod(ask, serviceAccountName="nope"))["spec"]
    assert "volumes" not in lenient
    assert "serviceAccountName" not in (await pod(ask))["spec"]
    await account()
    refused = await pod(ask, serviceAccountName="nope", metadata={"name": "p"})
    assert (refused["code"], refused["message"]) == (
        403,
        'pods "p" is forbidden: error looking up service account default/nope: serviceaccount "nope" not found',
    )


async def test_mirrors(ask: Ask, account: Any) -> None:
    """What mirrors a pod of the node's own is left as it is."""
    await account()
    marked = {"annotations": {"kubernetes.io/config.mirror": "x"}}
    spec = (await pod(ask, metadata=marked, nodeName="node"))["spec"]
    assert "serviceAccountName" not in spec


@pytest.mark.parametrize("asked", [False, True])
async def test_only_where_it_is_asked_for(asked: bool) -> None:
    """Pods get no account unless the cluster is to have the plugin; a fork has it if what it was forked from has."""
    async with Cluster(only=["service-accounts"], service_accounts=asked) as cluster:
        await cluster.settle()
        async with cluster.fork() as twin:
            for one in (cluster, twin):
                spec = {"containers": [{"name": "a", "image": "x"}]}
                made = await one.client().create(
                    PODS,
                    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec},
                    "default",
                )
                assert made["spec"].get("serviceAccountName") == ("default" if asked else None)
