"""The definitions of operators that people run: they install, and objects of their kinds live as on a real cluster."""

import importlib.metadata
from typing import Any

import orjson
import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.ids import Ids
from fakekube.machinery import objects, yaml_text
from fakekube.machinery.resources import CRDS as DEFINITIONS
from fakekube.machinery.resources import VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Request, Response
from fakekube.store.memory import MemoryStore

from . import published

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
APPLY = "application/apply-patch+yaml"
MISSING = "needs the group `operators` of pyproject.toml: pip install --group operators"
REPLACED = {
    ("kubevirt.io", "VirtualMachine"): "virtualmachines",
    ("kubevirt.io", "VirtualMachineInstance"): "virtualmachineinstances",
    ("kubevirt.io", "VirtualMachineInstanceMigration"): "virtualmachineinstancemigrations",
    ("pool.kubevirt.io", "VirtualMachinePool"): "virtualmachinepools",
}
BUNDLES = {
    "kubevirt": (".kubevirt.io", "kubevirt.io"),
    "cert-manager": (".cert-manager.io", "cert-manager.io"),
    "argo": ("argoproj.io",),
    "cluster-api": (".cluster.x-k8s.io", "cluster.x-k8s.io", "metal3.io"),
    "prometheus": ("monitoring.coreos.com", "monitoring.rhobs"),
    "istio": (".istio.io", "sailoperator.io"),
    "crossplane": (".crossplane.io",),
    "knative": (".knative.dev",),
    "gateway-api": ("gateway.networking.k8s.io", "inference.networking.k8s.io"),
    "tekton": (".tekton.dev", "tekton.dev"),
    "queues-and-jobs": ("kueue.x-k8s.io", "kubeflow.org", "ray.io", "leaderworkerset.x-k8s.io"),
    "secrets": (".external-secrets.io", "external-secrets.io"),
    "storage": ("snapshot.storage.k8s.io", "ceph.rook.io", "velero.io", "objectbucket.io", "noobaa.io"),
    "openshift": (".openshift.io",),
    "networks": (
        "k8s.ovn.org",
        "k8s.cni.cncf.io",
        "nmstate.io",
        "frrk8s.metallb.io",
        "policy.networking.k8s.io",
    ),
}


@pytest.fixture(scope="module", name="schemas")
def _schemas() -> list[dict[str, Any]]:
    try:
        return published.schemas()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(MISSING)


class Api:
    """An API server with a definition or two."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    async def send(
        self, method: str, url: str, body: Any = None, media: str = "application/json", **headers: str
    ):
        path, _, query = url.partition("?")
        sent = {"user-agent": "test/1.0", **headers} | ({"content-type": media} if body is not None else {})
        raw = b"" if body is None else orjson.dumps(body)
        return await self.server(Request(method, path, query, sent, raw))

    async def install(self, crd: dict[str, Any]) -> None:
        answer = await self.send("POST", CRDS, crd)
        assert answer.status == 201, answer.body.decode()[:2000]
        stored = orjson.loads((await self.send("GET", f"{CRDS}/{crd['metadata']['name']}")).body)
        assert objects.condition_is(stored, "Established")


@pytest.fixture
async def api():
    server = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(7))
    await server.start()
    yield Api(server)
    server.close()


def of(answer: Response) -> dict[str, Any]:
    return orjson.loads(answer.body)


def within(part: Any, whole: Any) -> bool:
    """Whether everything in `part` is in `whole`: defaults may have joined it."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and within(one, whole[name]) for name, one in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(within, part, whole))
    return part == whole


def api_address(crd: dict[str, Any]) -> str:
    """Where objects of the kind are, in the first version."""
    spec = crd["spec"]
    place = "namespaces/default/" if spec["scope"] == "Namespaced" else ""
    return f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{place}{spec['names']['plural']}"


async def live(api: Api, crd: dict[str, Any]) -> bool:
    """Take a sample of the kind through its life. Whether one could be made at all."""
    spec = crd["spec"]
    version = spec["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    group_version = f"{spec['group']}/{version['name']}"
    url = api_address(crd)
    for full in (True, False):
        content = published.sample(schema, full=full)
        content.pop("status", None)
        obj = {
            **content,
            "apiVersion": group_version,
            "kind": spec["names"]["kind"],
            "metadata": {"name": "a"},
        }
        answer = await api.send("POST", url, obj)
        if answer.status == 201:
            break
        assert answer.status == 422, answer.body
    else:
        return False
    made = of(answer)
    assert within(obj, made), "nothing is pruned that the schema knows"
    assert not [value for name, value in answer.headers if name == "Warning"]
    again = of(await api.send("PUT", f"{url}/a", made))
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"], "it was settled"
    applied = await api.send("PATCH", f"{url}/a?fieldManager=test&force=true", obj, APPLY)
    assert applied.status == 200, applied.body
    table = of(await api.send("GET", url, accept=TABLE))
    assert [row["cells"][0] for row in table["rows"]] == ["a"]
    document = of(await api.send("GET", f"/openapi/v3/apis/{group_version}"))
    name = ".".join([*reversed(spec["group"].split(".")), version["name"], spec["names"]["kind"]])
    shown = document["components"]["schemas"][name]
    assert shown["properties"].keys() == {"apiVersion", "kind", "metadata", *schema["properties"]}
    assert (await api.send("DELETE", f"{url}/a")).status == 200
    return True


@pytest.mark.parametrize("bundle", BUNDLES)
async def test_published_definitions(api: Api, schemas: list[dict[str, Any]], bundle: str):
    """All definitions of the bundle are accepted and established, and most kinds can be made from their schema alone."""
    crds = published.definitions(schemas, BUNDLES[bundle])
    assert crds
    lived = 0
    for crd in crds:
        await api.install(crd)
        lived += await live(api, crd)
    assert lived >= len(crds) * 0.6, f"{lived} of {len(crds)}"


async def test_a_bundle_as_its_operator_ships_it(api: Api):
    """Half a megabyte of YAML per definition: installed, and the operator's own examples come back as they were sent."""
    package = "dask-kubernetes"
    try:
        files = [
            published.file_of(package, f"crds/{kind}.yaml")
            for kind in ("daskcluster", "daskworkergroup", "daskjob")
        ]
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(MISSING)
    addresses = {}
    for file in files:
        crd = yaml_text.load(file.read_bytes())
        await api.install(crd)
        addresses[crd["spec"]["names"]["kind"]] = api_address(crd)
    for example in ("simplecluster", "simpleworkergroup", "simplejob"):
        obj = yaml_text.load(published.file_of(package, f"resources/{example}.yaml").read_bytes())
        answer = await api.send("POST", f"{addresses[obj['kind']]}?fieldValidation=Strict", obj)
        assert answer.status == 201, answer.body
        assert within(obj, of(answer))


async def test_the_definitions_of_kubevirt_can_be_replaced(schemas: list[dict[str, Any]]):
    """With the schemas another KubeVirt published in place of ours, a pool still makes machines that run."""
    async with Cluster(clock=ManualClock(), seed=7) as cluster:
        client = cluster.client()
        for kind, plural in REPLACED.items():
            crd = await client.get(DEFINITIONS, f"{plural}.{kind[0]}")
            for version in crd["spec"]["versions"]:
                found = [
                    one for one in schemas if published.kind_of(one) == (kind[0], version["name"], kind[1])
                ]
                assert found, (kind, version["name"])
                version["schema"] = {"openAPIV3Schema": published.structural(found[0])}
            await client.update(DEFINITIONS, crd)
        template = {
            "metadata": {"labels": {"pool": "p"}},
            "spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}},
        }
        pool = {
            "apiVersion": "pool.kubevirt.io/v1beta1",
            "kind": "VirtualMachinePool",
            "metadata": {"name": "p"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"pool": "p"}},
                "virtualMachineTemplate": {
                    "metadata": {"labels": {"pool": "p"}},
                    "spec": {"runStrategy": "Always", "template": template},
                },
            },
        }
        await client.create(VIRTUAL_MACHINE_POOLS, pool, "default")
        await cluster.advance("10s")
        machines = (await client.list(VIRTUAL_MACHINES, "default")).items
        assert [one["status"]["printableStatus"] for one in machines] == ["Running", "Running"]
