"""Upstream's specs of access: who is admin, editor or viewer of a namespace, and who is nobody there, may do what.

Origin: kubevirt: tests/access_test.go, tests/compute/subresources/rbac.go, pkg/virt-operator/resource/generate/rbac
"""

import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from fakekube.api.access.authentication import Authentication
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import SECRETS, SERVICE_ACCOUNTS
from fakekube.server import Server
from fakekube.virt.access import REVIEWS
from tests.upstream.conftest import Object

NS = "default"
RBAC = "rbac.authorization.k8s.io"
VERBS = ("get", "list", "watch", "delete", "create", "update", "patch", "deletecollection")
READ = set(VERBS[:3])
WRITE = set(VERBS[:7])
ALL = set(VERBS)
PEOPLE = {"admin": ALL, "edit": WRITE, "view": READ, "stranger": set()}
OWN = [
    *(("kubevirt.io", f"virtualmachine{one}") for one in ("instances", "s", "instancepresets")),
    ("kubevirt.io", "virtualmachineinstancereplicasets"),
    ("pool.kubevirt.io", "virtualmachinepools"),
    *(
        ("snapshot.kubevirt.io", f"virtualmachine{one}")
        for one in ("snapshots", "snapshotcontents", "restores")
    ),
    *(("instancetype.kubevirt.io", f"virtualmachine{one}") for one in ("instancetypes", "preferences")),
]
UPDATED = [
    *(("virtualmachines", one) for one in ("start", "stop", "restart")),
    *(
        ("virtualmachineinstances", one)
        for one in ("addvolume", "removevolume", "freeze", "unfreeze", "softreboot", "reset")
    ),
    *(("virtualmachineinstances", one) for one in ("sev/setupsession", "sev/injectlaunchsecret")),
]
ENTERED = [
    ("virtualmachines", "portforward"),
    *(("virtualmachineinstances", one) for one in ("portforward", "console", "vnc", "usbredir")),
]
ASKED = [
    ("virtualmachines", "expand-spec"),
    *(("virtualmachineinstances", one) for one in ("guestosinfo", "userlist", "filesystemlist")),
    *(("virtualmachineinstances", f"sev/{one}") for one in ("fetchcertchain", "querylaunchmeasurement")),
]


class Judge:
    """Asks whether somebody may, as the specs do."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._client = cluster, cluster.client()

    async def bind(self, who: str, role: str) -> None:
        await self._cluster.apply([binding(who, role)])

    async def may(
        self,
        who: str,
        group: str,
        resource: str,
        subresource: str = "",
        *,
        space: str = NS,
        home: str = NS,
        name: str = "",
    ) -> set[str]:
        """The verbs somebody may use. `who` is an account of the namespace `home`."""
        found = set()
        for verb in VERBS:
            asked = {"verb": verb, "group": group, "version": "v1", "resource": resource}
            asked |= {"subresource": subresource, "namespace": space, "name": name}
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{home}", "system:authenticated"]
            spec = {
                "user": f"system:serviceaccount:{home}:{who}",
                "groups": groups,
                "resourceAttributes": asked,
            }
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": REVIEWS.kind, "spec": spec}
            if (await self._client.create(REVIEWS, review))["status"]["allowed"]:
                found.add(verb)
        return found


@pytest.fixture
async def judge() -> AsyncIterator[Judge]:
    async with Cluster(only=["virt-operator"], clock=ManualClock(), rbac=True) as cluster:
        await cluster.settle()
        client = cluster.client()
        for who in PEOPLE:
            await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": who, "namespace": NS}})
        roles = {"admin": "kubevirt.io:admin", "edit": "kubevirt.io:edit", "view": "kubevirt.io:view"}
        await cluster.apply([binding(who, role) for who, role in roles.items()])
        yield Judge(cluster)


def binding(who: str, role: str) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": who, "namespace": NS},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": who, "namespace": NS}],
    }


async def test_objects(judge: Judge) -> None:
    """Admins may do everything, editors all but delete many at once, viewers look."""
    for group, resource in OWN:
        for who, verbs in PEOPLE.items():
            assert await judge.may(who, group, resource) == verbs, (who, resource)


async def test_migrations(judge: Judge) -> None:
    """Since 1.5 they are the cluster's administrators' matter: others look at most."""
    for who, verbs in PEOPLE.items():
        assert await judge.may(who, "kubevirt.io", "virtualmachineinstancemigrations") == verbs & READ
        assert await judge.may(who, "subresources.kubevirt.io", "virtualmachines", "migrate") == set()


async def test_what_everybody_sees(judge: Judge) -> None:
    """Instance types and preferences of the cluster, by a binding of everybody; which KubeVirt this is."""
    who = "stranger"
    for one in ("virtualmachineclusterinstancetypes", "virtualmachineclusterpreferences"):
        assert await judge.may(who, "instancetype.kubevirt.io", one, space="") == READ
    assert await judge.may(who, "kubevirt.io", "kubevirts", space="") == {"get", "list"}
    assert await judge.may(who, "subresources.kubevirt.io", "version", space="") == {"get", "list"}


EVERYTHING = READ | {"create", "update", "delete", "patch"}
COMPONENTS: list[tuple[str, str, str, str, set[str]]] = [
    ("controller", "", "pods", "", EVERYTHING),
    ("controller", "", "pods", "status", {"patch"}),
    ("controller", "", "pods", "eviction", {"create"}),
    ("controller", "", "secrets", "", {"create"}),
    ("controller", "", "events", "", {"create", "update", "patch"}),
    ("controller", "apps", "deployments", "", set()),
    ("controller", "kubevirt.io", "virtualmachineinstances", "", ALL),
    ("controller", "subresources.kubevirt.io", "virtualmachineinstances", "addvolume", {"update"}),
    ("controller", "subresources.kubevirt.io", "virtualmachineinstances", "pause", set()),
    ("controller", "k8s.cni.cncf.io", "network-attachment-definitions", "", {"get"}),
    ("handler", "kubevirt.io", "virtualmachineinstances", "", {"list", "watch", "update"}),
    ("handler", "kubevirt.io", "virtualmachines", "", set()),
    ("handler", "", "pods", "", set()),
    ("handler", "", "nodes", "", READ | {"patch"}),
    ("apiserver", "kubevirt.io", "virtualmachines", "", READ | {"update", "patch"}),
    ("apiserver", "authorization.k8s.io", "subjectaccessreviews", "", {"create"}),
    ("exportproxy", "export.kubevirt.io", "virtualmachineexports", "", READ),
    ("synchronization-controller", "kubevirt.io", "virtualmachineinstancemigrations", "", READ),
    ("operator", "apps", "deployments", "", READ | {"create", "delete", "patch"}),
    ("operator", "", "secrets", "", {"create"}),
]


async def test_what_components_may(judge: Judge) -> None:
    """Each of KubeVirt's accounts may do what its ClusterRole says, anywhere, and nothing else."""
    for own, group, resource, subresource, verbs in COMPONENTS:
        found = await judge.may(f"kubevirt-{own}", group, resource, subresource, home="kubevirt")
        assert found == verbs, (own, resource, subresource)


async def test_what_components_may_at_home(judge: Judge) -> None:
    """In KubeVirt's namespace they may see who leads, and the secrets and certificates that are theirs to see."""
    leases = "coordination.k8s.io", "leases"
    for own in ("controller", "operator", "synchronization-controller"):
        assert await judge.may(f"kubevirt-{own}", *leases, space="kubevirt", home="kubevirt") == EVERYTHING
        assert await judge.may(f"kubevirt-{own}", *leases, home="kubevirt") == set()
    seen = await judge.may("kubevirt-controller", "", "secrets", space="kubevirt", home="kubevirt")
    assert seen == READ | {"create"}
    for name, verbs in (("kubevirt-ca", READ | {"create", "patch", "delete"}), ("other", {"create"})):
        home = {"space": "kubevirt", "home": "kubevirt", "name": name}
        expected = verbs | READ if name == "other" else verbs  # virt-controller's, too, are its to grant
        assert await judge.may("kubevirt-operator", "", "secrets", **home) == expected


async def test_what_installers_may(judge: Judge) -> None:
    """Who is admin of everything may install KubeVirt: the role joins Kubernetes' own."""
    await judge.bind("installer", "admin")
    assert await judge.may("installer", "kubevirt.io", "kubevirts") == ALL
    assert await judge.may("edit", "kubevirt.io", "kubevirts") == {"get", "list"}


RIGHTS: list[tuple[list[tuple[str, str]], str, set[str]]] = [
    (UPDATED, "update", {"admin", "edit"}),
    (ENTERED, "get", {"admin", "edit"}),
    (ASKED, "get", {"admin", "edit", "view"}),
    ([("expand-vm-spec", "")], "update", {"admin", "edit", "view"}),
    ([("virtualmachineinstances", "vsock")], "get", set()),
]


async def test_subresources(judge: Judge) -> None:
    """Who may change machines may drive and enter them; who may look may ask them."""
    for subresources, verb, people in RIGHTS:
        for resource, subresource in subresources:
            for who in PEOPLE:
                allowed = await judge.may(who, "subresources.kubevirt.io", resource, subresource)
                assert allowed == ({verb} if who in people else set()), (who, resource, subresource)


# Subresources, as accounts that carry the token of their Secret.


class Account:
    """A client that carries an account's token."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, body: Object | None = None) -> tuple[int, Object]:
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(
                method, f"{self._url}/apis/subresources.kubevirt.io/v1{path}", json=body
            ) as answer,
        ):
            raw = await answer.text()
            return answer.status, json.loads(raw) if raw.startswith("{") else {}


async def account(cluster: Cluster, url: str, name: str) -> Account:
    """An account with its Secret, as the set-up makes them."""
    client = cluster.client()
    await client.create(SERVICE_ACCOUNTS, {"metadata": {"name": name, "namespace": NS}})
    meta = {"name": name, "namespace": NS, "annotations": {"kubernetes.io/service-account.name": name}}
    await client.create(SECRETS, {"metadata": meta, "type": "kubernetes.io/service-account-token"})
    await cluster.settle()
    secret = await client.get(SECRETS, name, NS)
    return Account(url, base64.b64decode(secret["data"]["token"]).decode())


MACHINE = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm", "namespace": NS},
    "spec": {
        "runStrategy": "Halted",
        "template": {"spec": {"domain": {"devices": {}, "resources": {"requests": {"memory": "128Mi"}}}}},
    },
}


async def test_subresources_by_token() -> None:
    """One account may start machines and expand specs, the other may not; both may ask for versions."""
    people = Authentication({}, anonymous=True)
    async with (
        Cluster(clock=ManualClock(), authentication=people, rbac=True) as cluster,
        Server(cluster) as server,
    ):
        await cluster.settle()
        privileged = await account(cluster, server.url, "kubevirt-subresource-test-sa")
        other = await account(cluster, server.url, "kubevirt-subresource-test-unprivileged-sa")
        rules = [
            {"apiGroups": ["subresources.kubevirt.io"], "resources": [one], "verbs": ["update"]}
            for one in ("virtualmachines/start", "expand-vm-spec")
        ]
        meta = {"name": "kubevirt-subresource-test-sa", "namespace": NS}
        role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules}
        bound = binding(meta["name"], meta["name"])
        bound["roleRef"]["kind"] = "Role"
        await cluster.apply([role, bound, MACHINE])
        start, expand = f"/namespaces/{NS}/virtualmachines/vm/start", f"/namespaces/{NS}/expand-vm-spec"
        for method, path, body in (("PUT", start, {}), ("PUT", expand, MACHINE)):
            status, refused = await other.ask(method, path, body)
            assert (status, refused["reason"]) == (403, "Forbidden")
            assert (await privileged.ask(method, path, body))[0] in (200, 202)
        for who in (privileged, other):
            for path in ("/version", "/guestfs"):
                assert (await who.ask("GET", path))[0] == 200
