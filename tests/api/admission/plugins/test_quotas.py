"""Quotas: counted from what is stored, refused beyond, given back after DELETE."""

from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request
from tests.api.conftest import Ask, json_of

NS = "/api/v1/namespaces/default"


async def quota(ask: Ask, **hard: str) -> None:
    spec = {"hard": {name.replace("_", "."): amount for name, amount in hard.items()}}
    assert (
        await ask("POST", f"{NS}/resourcequotas", {"metadata": {"name": "q"}, "spec": spec})
    ).status == 201


async def used(ask: Ask) -> dict[str, str]:
    status = json_of(await ask("GET", f"{NS}/resourcequotas/q"))["status"]
    return dict(status["used"])


async def make(ask: Ask, plural: str, name: str, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = json_of(
        await ask("POST", f"{NS}/{plural}", {"metadata": {"name": name}, **members})
    )
    return made


def containers(**requests: str) -> dict[str, Any]:
    return {"containers": [{"name": "a", "image": "x", "resources": {"requests": requests}}]}


async def test_counts_what_was_there_and_what_comes(ask: Ask) -> None:
    """A new quota knows what the namespace holds; writes and deletions move its status."""
    await make(ask, "configmaps", "before")
    await quota(ask, configmaps="3")
    assert await used(ask) == {"configmaps": "1"}
    await make(ask, "configmaps", "after")
    assert await used(ask) == {"configmaps": "2"}
    await ask("DELETE", f"{NS}/configmaps/before")
    assert await used(ask) == {"configmaps": "1"}


async def test_refuses_beyond(ask: Ask) -> None:
    """The refusal says what was asked, used and allowed; nothing is counted for it."""
    await quota(ask, configmaps="1")
    await make(ask, "configmaps", "a")
    refused = await make(ask, "configmaps", "b")
    assert (refused["code"], refused["message"]) == (
        403,
        'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1',
    )
    await ask("DELETE", f"{NS}/configmaps/a")
    assert (await make(ask, "configmaps", "b"))["kind"] == "ConfigMap"


async def test_compute(ask: Ask) -> None:
    """CPU adds up over pods; a pod that does not tell is refused; one that has ended counts no more."""
    await quota(ask, requests_cpu="1")
    refused = await make(ask, "pods", "silent", spec=containers())
    assert (
        refused["message"] == 'pods "silent" is forbidden: failed quota: q: must specify requests.cpu for: a'
    )
    await make(ask, "pods", "a", spec=containers(cpu="600m"))
    refused = await make(ask, "pods", "b", spec=containers(cpu="500m"))
    assert refused["message"] == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, '
        "limited: requests.cpu=1"
    )
    done = {"status": {"phase": "Succeeded"}}
    await ask("PATCH", f"{NS}/pods/a/status", done, media="application/merge-patch+json")
    assert await used(ask) == {"requests.cpu": "0"}


async def test_dry_runs_do_not_count(ask: Ask) -> None:
    """A dry run is held against the quota and leaves no trace in it."""
    await quota(ask, configmaps="1")
    await ask("POST", f"{NS}/configmaps?dryRun=All", {"metadata": {"name": "a"}})
    assert await used(ask) == {"configmaps": "0"}


@pytest.mark.parametrize(("scope", "counted"), [("BestEffort", "0"), ("NotBestEffort", "1")])
async def test_scopes(ask: Ask, scope: str, counted: str) -> None:
    """A scope chooses the pods a quota is about."""
    spec = {"hard": {"pods": "5"}, "scopes": [scope]}
    await ask("POST", f"{NS}/resourcequotas", {"metadata": {"name": "q"}, "spec": spec})
    await make(ask, "pods", "a", spec=containers(cpu="1"))
    assert await used(ask) == {"pods": counted}


async def test_survives_a_restart(api: ApiServer, ask: Ask) -> None:
    """A server that starts on a filled store counts what lies there."""
    await quota(ask, services_nodeports="1")
    node_port = {"type": "NodePort", "ports": [{"port": 80}]}
    await make(ask, "services", "a", spec=node_port)
    again = ApiServer(api.store, clock=ManualClock(), ids=Ids(8))
    await again.start()
    body = orjson.dumps({"metadata": {"name": "b"}, "spec": node_port})
    refused = await again(Request("POST", f"{NS}/services", "", {"content-type": "application/json"}, body))
    assert json_of(refused)["message"].endswith(
        "requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1"
    )


async def test_custom_resources_count(ask: Ask) -> None:
    """Objects of a definition are counted, too, whether it or the quota came first."""
    await quota(ask, **{"count/things.example.com": "2"})
    crd = {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    await ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    things = "/apis/example.com/v1/namespaces/default/things"

    async def thing(name: str) -> dict[str, Any]:
        body = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name}}
        made: dict[str, Any] = json_of(await ask("POST", things, body))
        return made

    await thing("a")
    await ask("DELETE", f"{NS}/resourcequotas/q")
    await quota(ask, **{"count/things.example.com": "2"})
    assert await used(ask) == {"count/things.example.com": "1"}
    await thing("b")
    assert (await thing("c"))["message"] == (
        'things.example.com "c" is forbidden: exceeded quota: q, requested: count/things.example.com=1, '
        "used: count/things.example.com=2, limited: count/things.example.com=2"
    )
    await ask("DELETE", f"{things}/a")
    assert await used(ask) == {"count/things.example.com": "1"}


async def test_objects_of_every_group_count_but_events(ask: Ask) -> None:
    """Whatever lives in a namespace can be counted; Events come and go by themselves."""
    counts = ("count/leases.coordination.k8s.io", "count/events")
    await quota(ask, **dict.fromkeys(counts, "5"))
    await ask("POST", "/apis/coordination.k8s.io/v1/namespaces/default/leases", {"metadata": {"name": "a"}})
    about = {"involvedObject": {"namespace": "default"}}
    assert (await ask("POST", f"{NS}/events", {"metadata": {"name": "a"}, **about})).status == 201
    assert await used(ask) == dict(zip(counts, ("1", "0"), strict=True))
