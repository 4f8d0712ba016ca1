"""What virt-operator makes of changes of the KubeVirt object, and which it refuses.

Origin: kubevirt: tests/operator/{operator,operator_readonly,config}.go
"""

from typing import Any

import pytest

from tests.upstream.conftest import Object, Suite, conditions
from tests.upstream.guests import KUBEVIRT

INSTALLED = "/api/v1/namespaces/kubevirt"
APPS = "/apis/apps/v1/namespaces/kubevirt"
BUDGETS = "/apis/policy/v1/namespaces/kubevirt/poddisruptionbudgets"
CORE = ("virt-api", "virt-controller")
ROTATION = {
    "ca": {"duration": "24h0m0s", "renewBefore": "16h0m0s"},
    "server": {"duration": "12h0m0s", "renewBefore": "10h0m0s"},
}


async def change(suite: Suite, member: str, value: Any) -> Object:
    path = f"/spec/{member}"
    op = {"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value}
    made = await suite.patch(KUBEVIRT, [op])
    await suite.cluster.settle()
    return made


async def refused(suite: Suite, member: str, value: Any) -> str:
    op = {"op": "add", "path": f"/spec/{member}", "value": value}
    answer = await suite.refused("PATCH", KUBEVIRT, [op], content="application/json-patch+json")
    return str(answer["message"])


async def test_ready(suite: Suite) -> None:
    """[1746] Created and available; the version that is wanted is the one that is there."""
    found = await suite.get(KUBEVIRT)
    wanted = {"Available": "True", "Created": "True", "Progressing": "False", "Degraded": "False"}
    assert conditions(found).items() >= wanted.items()
    status = found["status"]
    assert status["observedKubeVirtVersion"] == status["targetKubeVirtVersion"] == status["operatorVersion"]
    assert status["observedDeploymentID"] == status["targetDeploymentID"]
    generations = {one["name"]: one["lastGeneration"] for one in status["generations"]}
    for name in CORE:
        workload = await suite.get(f"{APPS}/deployments/{name}")
        assert generations[name] == workload["metadata"]["generation"]


async def test_component_pods(suite: Suite) -> None:
    """[8235] All of them run on Linux, and are found by the name of the product."""
    pods = await suite.items(f"{INSTALLED}/pods", "app.kubernetes.io/component=kubevirt")
    assert len(pods) >= 6
    assert {pod["spec"]["nodeSelector"]["kubernetes.io/os"] for pod in pods} == {"linux"}


@pytest.mark.parametrize("member", ["infra", "workloads"])
async def test_placement(suite: Suite, member: str) -> None:
    """[4927] [4928] A selector reaches the workloads, and goes with its setting; a wrong operator is refused."""
    placement = {"nodePlacement": {"nodeSelector": {"kubevirt-test": "test-label"}}}
    await change(suite, member, placement)
    found = CORE if member == "infra" else ("virt-handler",)
    kind = "deployments" if member == "infra" else "daemonsets"

    async def selectors() -> set[str]:
        listed = [await suite.get(f"{APPS}/{kind}/{name}") for name in found]
        return {one["spec"]["template"]["spec"]["nodeSelector"].get("kubevirt-test", "") for one in listed}

    assert await selectors() == {"test-label"}
    await change(suite, member, None)
    assert await selectors() == {""}
    wrong = {"nodePlacement": {"tolerations": [{"key": "k", "operator": "foo", "value": "v"}]}}
    told = f"spec.{member}.nodePlacement.tolerations.operator in body should be one of"
    assert told in await refused(suite, member, wrong)


async def test_replicas(suite: Suite) -> None:
    """Pods and budgets follow the number; with one there is no budget, and none is no number."""
    assert "infra replica count can't be 0" in await refused(suite, "infra", {"replicas": 0})
    for replicas in (3, 1, 2):
        await change(suite, "infra", {"replicas": replicas})
        for name in CORE:

            async def so_many(name: str = name, wanted: int = replicas) -> bool:
                return len(await suite.items(f"{INSTALLED}/pods", f"kubevirt.io={name}")) == wanted

            await suite.eventually(so_many, 120)
            status, budget = await suite.call("GET", f"{BUDGETS}/{name}-pdb")
            assert status == (404 if replicas == 1 else 200)
            if replicas > 1:
                assert budget["spec"]["minAvailable"] == replicas - 1


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({}, {"caOverlapInterval": "8h0m0s"}),
        ({"ca": {"duration": "14h0m0s", "renewBefore": "16h0m0s"}}, {}),
        ({"server": {"duration": "8h0m0s", "renewBefore": "10h0m0s"}}, {}),
        ({"server": {"duration": "48h0m0s", "renewBefore": "36h0m0s"}}, {}),
    ],
    ids=["both", "ca", "server", "longer"],
)
async def test_rotation(suite: Suite, part: Object, wrong: Object) -> None:
    """[6257]–[6261] What cannot be kept is refused; what can is taken."""
    given = {"selfSigned": {**ROTATION, **part, **wrong}}
    assert await refused(suite, "certificateRotateStrategy", given)
    taken = await change(suite, "certificateRotateStrategy", {"selfSigned": ROTATION})
    assert taken["spec"]["certificateRotateStrategy"] == {"selfSigned": ROTATION}


async def test_external_authority(suite: Suite) -> None:
    """There is a place for authorities of others, and a bundle of KubeVirt's own."""
    blank = await suite.get(f"{INSTALLED}/configmaps/kubevirt-external-ca")
    assert blank["data"] == {"ca-bundle": ""}
    own = await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca")
    assert own["data"]["ca-bundle"].startswith("-----BEGIN CERTIFICATE-----")


async def test_one_installation(suite: Suite) -> None:
    """[2696] A second KubeVirt object is refused."""
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"generateName": "test-kv"},
        "spec": {},
    }
    answer = await suite.refused("POST", KUBEVIRT.rpartition("/")[0], body)
    assert "Kubevirt is already created" in answer["message"]


async def test_customized_components(suite: Suite) -> None:
    """[6254] A patch reaches what it names, and goes with its setting; one that is not JSON is refused."""
    named = {"resourceName": "virt-controller", "resourceType": "Deployment"}
    marked = '{"spec":{"template":{"metadata":{"annotations":{"key":"value"}},"spec":{"containers":[{"name":"virt-controller","env":[{"name":"A","value":"b"}]}]}}}}'
    label = '[{"op":"add","path":"/metadata/labels/custom~1label","value":"x"}]'
    patches = [{**named, "type": "strategic", "patch": marked}, {**named, "type": "json", "patch": label}]
    broken = {"patches": [{**patches[0], "patch": "{"}]}
    assert "is not valid JSON" in await refused(suite, "customizeComponents", broken)

    async def deployment() -> Object:
        return await suite.get(f"{APPS}/deployments/virt-controller")

    before = await deployment()
    await change(suite, "customizeComponents", {"patches": patches})
    found = await deployment()
    template = found["spec"]["template"]
    assert (template["metadata"]["annotations"]["key"], found["metadata"]["labels"]["custom/label"]) == (
        "value",
        "x",
    )
    (container,) = template["spec"]["containers"]
    assert container["env"] == [{"name": "A", "value": "b"}]
    assert container["image"] == before["spec"]["template"]["spec"]["containers"][0]["image"]
    await change(suite, "customizeComponents", {})
    found = await deployment()
    assert found["spec"] == before["spec"]
    assert found["metadata"]["labels"] == before["metadata"]["labels"]
