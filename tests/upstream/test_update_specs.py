"""Updates of KubeVirt: by a tag or a registry in the KubeVirt object, by another virt-operator; and of the guests that run.

Origin: kubevirt: tests/operator/{lifecycle,upgrade}.go; pkg/virt-controller/watch/workload-updater
"""

from typing import Any

import pytest

from tests.upstream import guests
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import KUBEVIRT, Guest, guest, instance

APPS = "/apis/apps/v1/namespaces/kubevirt"
OWN = "/api/v1/namespaces/kubevirt/pods"
OUTDATED = "kubevirt.io/outdatedLauncherImage"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    """Slow enough for every state on the way to be seen."""
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def changed(suite: Suite, **spec: Any) -> None:
    await suite.patch(KUBEVIRT, {"spec": spec}, MERGE_PATCH)


async def updates(suite: Suite) -> None:
    """The condition that tells of an update."""

    async def progressing() -> bool:
        found = conditions(await suite.get(KUBEVIRT))
        return (found["Available"], found["Progressing"], found["Degraded"]) == ("True",) * 3

    await suite.eventually(progressing, 300)


async def stable(suite: Suite) -> Object:
    """KubeVirt is as it is to be, and all its pods say that they are of that installation."""

    async def settled() -> Object | None:
        found = await suite.get(KUBEVIRT)
        wanted = {"Available": "True", "Progressing": "False", "Degraded": "False", "Created": "True"}
        ready = conditions(found).items() >= wanted.items()
        return (
            found
            if ready and found["metadata"]["generation"] == found["status"]["observedGeneration"]
            else None
        )

    found: Object = await suite.eventually(settled, 420)
    mark = found["status"]["observedDeploymentID"]
    assert mark == found["status"]["targetDeploymentID"]

    async def all_of_it() -> bool:
        for pod in await suite.items(OWN, "kubevirt.io,app.kubernetes.io/managed-by=virt-operator"):
            if not pod["metadata"]["name"].startswith("virt-operator"):
                assert pod["metadata"]["annotations"]["kubevirt.io/install-strategy-identifier"] == mark
                assert pod["status"]["phase"] == "Running"
        return True

    await suite.eventually(all_of_it, 120)
    return found


async def image_of(suite: Suite, name: str, kind: str = "deployments") -> str:
    found = await suite.get(f"{APPS}/{kind}/{name}")
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


async def updated(vmi: Guest, image: str) -> None:
    async def look() -> bool:
        found = await vmi.vmi()
        assert OUTDATED not in found["metadata"]["labels"]
        assert found["status"].get("migrationState", {}).get("completed")
        assert (await vmi.pod())["spec"]["containers"][0]["image"] == image
        return bool(found["status"]["launcherContainerImageVersion"] == image)

    await vmi.suite.eventually(look, 500)


async def test_guests_follow_an_update(suite: Suite) -> None:
    """[3150] Another tag: components are replaced, guests that can move do, others are evicted, and none is outdated."""
    await changed(suite, workloadUpdateStrategy={"workloadUpdateMethods": ["LiveMigrate", "Evict"]})
    moving = [await instance(suite, guest(), f"moving-{number}") for number in range(2)]
    bridged = guest()
    bridged["domain"]["devices"]["interfaces"] = [{"name": "default", "bridge": {}}]
    staying = [await instance(suite, bridged, f"staying-{number}") for number in range(2)]
    await changed(suite, imageTag="v9.9.9")
    await updates(suite)
    found = await stable(suite)
    assert found["status"]["observedKubeVirtVersion"] == "v9.9.9"
    for vmi in staying:

        async def ended(vmi: Guest = vmi) -> bool:
            status, found = await suite.call("GET", vmi.path)
            return status == 404 or found["status"]["phase"] in ("Succeeded", "Failed")

        await suite.eventually(ended, 320)
    for vmi in moving:
        await updated(vmi, "quay.io/kubevirt/virt-launcher:v9.9.9")
    for one in await suite.items(guests.MIGRATIONS):
        assert one["metadata"]["generateName"] == "kubevirt-workload-update-"
        assert one["spec"]["priority"] == "system-critical"

    async def none() -> bool:
        return (await suite.get(KUBEVIRT))["status"]["outdatedVirtualMachineInstanceWorkloads"] == 0

    await suite.eventually(none, 60)


async def test_guests_are_left_alone(suite: Suite) -> None:
    """Without a strategy guests stay as they are, are marked, and counted; after the way back none is."""
    vmi = await instance(suite, guest())

    async def count(wanted: int) -> None:
        async def look() -> bool:
            found = (await suite.get(KUBEVIRT))["status"]["outdatedVirtualMachineInstanceWorkloads"]
            return bool(
                found == wanted and (OUTDATED in (await vmi.vmi())["metadata"]["labels"]) is bool(wanted)
            )

        await suite.eventually(look, 60)

    await changed(suite, imageRegistry="registry:5000/kubevirt")
    await updates(suite)
    await stable(suite)
    assert await image_of(suite, "virt-api") == "registry:5000/kubevirt/virt-api:v1.9.0"
    await count(1)
    await changed(suite, imageRegistry=None)
    await updates(suite)
    await stable(suite)
    await count(0)
    assert "migrationState" not in (await vmi.vmi())["status"]


@pytest.mark.parametrize(
    "image", ["quay.io/kubevirt/virt-operator:devel_alt", "quay.io/kubevirt/alt-virt-operator:v1.9.0"]
)
async def test_another_operator(suite: Suite, image: str) -> None:
    """[3149] [3151] Components follow virt-operator's own image, by tag and by what stands before the name, there and back."""
    path = f"{APPS}/deployments/virt-operator"
    before = await image_of(suite, "virt-operator")
    for wanted in (image, before):
        op = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": wanted}
        await suite.patch(path, [op])
        await updates(suite)
        found = await stable(suite)
        assert found["status"]["operatorVersion"] == wanted.rpartition(":")[2]
        for name in ("virt-api", "virt-controller"):
            assert await image_of(suite, name) == wanted.replace("virt-operator", name)
        assert await image_of(suite, "virt-handler", "daemonsets") == wanted.replace(
            "virt-operator", "virt-handler"
        )
        vmi = await instance(
            suite, guest(), f"vmi-{wanted.rpartition(':')[2].replace('_', '-')}-{wanted.count('alt')}"
        )
        launcher = (await vmi.pod())["spec"]["containers"][0]["image"]
        assert launcher == wanted.replace("virt-operator", "virt-launcher")


async def test_evictions_come_in_batches(suite: Suite) -> None:
    """So many at once, and the next after so long; guests that could move are evicted as well where only that is asked for."""
    batches = {"batchEvictionSize": 1, "batchEvictionInterval": "2m"}
    await changed(suite, workloadUpdateStrategy={"workloadUpdateMethods": ["Evict"], **batches})
    both = [await instance(suite, guest(), f"vmi-{number}") for number in range(2)]
    await changed(suite, imageTag="v9.9.9")
    await updates(suite)
    await stable(suite)

    async def running() -> int:
        phases = [(await vmi.vmi())["status"]["phase"] for vmi in both]
        return phases.count("Running")

    async def one_left() -> bool:
        return await running() == 1

    await suite.eventually(one_left, 60)
    told = [reason for vmi in both for reason in await vmi.events("Normal") if reason == "SuccessfulEvict"]
    assert told == ["SuccessfulEvict"]
    await suite.consistently(one_left, 60, 5)

    async def none_left() -> bool:
        return await running() == 0

    await suite.eventually(none_left, 120)
