"""StatefulSets, played in a whole cluster."""

from fakekube.agents.workloads.hashing import spelled
from fakekube.machinery.fnv import fnv32, fnv32a

CLAIM = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


async def stateful(shop, **spec):
    return await shop.workload("statefulsets", **{"serviceName": "s", "replicas": 3, **spec})


async def test_one_after_the_other(shop):
    """Pods are called by their ordinals, know their name and service, and each waits until the one before is ready."""
    await stateful(shop)
    assert await shop.names() == ["a-0", "a-1", "a-2"]
    pod = await shop.get("pods", "a-1")
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("a-1", "s")
    revision = pod["metadata"]["labels"].pop("controller-revision-hash")
    assert pod["metadata"]["labels"] == {
        "app": "a",
        "statefulset.kubernetes.io/pod-name": "a-1",
        "apps.kubernetes.io/pod-index": "1",
    }
    assert await shop.status("statefulsets") == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }
    assert ("SuccessfulCreate", "create Pod a-0 in StatefulSet a successful") in await shop.events()


async def test_order_and_no_order(shop):
    """A pod that never gets ready holds up the next one, but not where pods are managed in parallel."""
    stuck = {"metadata": {"labels": {"app": "a"}, "annotations": {"fakekube.io/fate": "image-pull-error"}}}
    stuck["spec"] = {"containers": [{"name": "c", "image": "x"}]}
    await stateful(shop, template=stuck)
    assert await shop.names() == ["a-0"]
    await shop.delete("statefulsets")
    await shop.advance(5)
    await stateful(shop, template=stuck, podManagementPolicy="Parallel")
    assert await shop.names() == ["a-0", "a-1", "a-2"]


async def test_rolling_from_the_end_down_to_the_partition(shop):
    """An update replaces the highest ordinals first and stops at the partition; without one it completes."""
    await stateful(shop)
    before = (await shop.status("statefulsets"))["currentRevision"]
    await shop.change("statefulsets", updateStrategy={"rollingUpdate": {"partition": 2}})
    await shop.image("statefulsets", "example.com/app:2")
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:1"] * 2 + ["example.com/app:2"]
    status = await shop.status("statefulsets")
    assert (status["currentRevision"], status["currentReplicas"], status["updatedReplicas"]) == (before, 2, 1)
    await shop.change("statefulsets", updateStrategy={"rollingUpdate": {"partition": 0}})
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:2"] * 3
    status = await shop.status("statefulsets")
    assert status["currentRevision"] == status["updateRevision"] != before
    deleted = [text for reason, text in await shop.events() if reason == "SuccessfulDelete"]
    assert [text.split()[2] for text in deleted] == ["a-2", "a-1", "a-0"]
    assert len(await shop.all("controllerrevisions")) == 2


async def test_on_delete(shop):
    """With OnDelete only pods that somebody deletes get the new template."""
    await stateful(shop, updateStrategy={"type": "OnDelete"})
    await shop.image("statefulsets", "example.com/app:2")
    await shop.advance(5)
    assert await shop.images() == ["example.com/app:1"] * 3
    await shop.delete("pods", "a-1")
    await shop.advance(5)
    pod = await shop.get("pods", "a-1")
    assert pod["spec"]["containers"][0]["image"] == "example.com/app:2"


async def test_start_ordinal_and_scaling(shop):
    """Ordinals begin where spec.ordinals.start says; scaling down takes the highest."""
    await stateful(shop, ordinals={"start": 5})
    assert await shop.names() == ["a-5", "a-6", "a-7"]
    await shop.change("statefulsets", replicas=1)
    await shop.advance(5)
    assert await shop.names() == ["a-5"]


async def test_claims_outlive_their_pods(shop):
    """Every pod has claims of its own, which a new pod of that ordinal finds again, and which stay by default."""
    await stateful(shop, volumeClaimTemplates=[CLAIM])
    assert await shop.names("persistentvolumeclaims") == ["data-a-0", "data-a-1", "data-a-2"]
    pod = await shop.get("pods", "a-2")
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-a-2"}} in pod["spec"]["volumes"]
    assert (
        "SuccessfulCreate",
        "create Claim data-a-0 Pod a-0 in StatefulSet a success",
    ) in await shop.events()
    await shop.delete("statefulsets")
    await shop.advance(5)
    assert await shop.names() == []
    assert len(await shop.names("persistentvolumeclaims")) == 3


async def test_claims_that_go_along(shop):
    """By the retention policy claims go with pods that are scaled away, and with the set."""
    policy = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    await stateful(shop, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy)
    await shop.change("statefulsets", replicas=2)
    await shop.advance(5)
    assert await shop.names("persistentvolumeclaims") == ["data-a-0", "data-a-1"]
    await shop.delete("statefulsets")
    await shop.advance(5)
    assert await shop.names("persistentvolumeclaims") == []


async def test_failed_pods_are_made_anew(shop):
    """A pod that failed is deleted and made again under its name, with an event about it."""
    await stateful(shop, replicas=1)
    before = (await shop.get("pods", "a-0"))["metadata"]["uid"]
    await shop.end("a-0")
    await shop.advance(5)
    assert (await shop.get("pods", "a-0"))["metadata"]["uid"] != before
    said = "StatefulSet default/a is recreating failed Pod a-0"
    assert ("RecreatingFailedPod", said) in await shop.events()


def test_hashes():
    """FNV as its authors give it, and digits as letters that make no words."""
    assert (fnv32a(b""), fnv32a(b"a"), fnv32a(b"foobar")) == (0x811C9DC5, 0xE40C292C, 0xBF9CF968)
    assert fnv32(b"foobar") == 0x31F0B262
    assert spelled(1234567890) == "56789bcdf4"
