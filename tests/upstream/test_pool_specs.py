"""Upstream's functional specs for pools, as journeys: the same requests, looks and limits of time, at the pace of life.

A look every second finds what a spec's look would find; whatever happens between two looks may be missed, as there.
Origin: kubevirt: tests/pool_test.go
"""

import re
from typing import Any

import pytest

from tests.upstream.conftest import Make, Object, Suite, conditions

NS = "kubevirt-test-default1"
POOLS = f"/apis/pool.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachinepools"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
VOLUMES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datavolumes"
FAIL_FAST = "kubevirt.io/func-test-virt-launcher-fail-fast"
NEW = {"op": "add", "value": "newvalue"}
NEW_VM_LABEL = [{**NEW, "path": "/spec/virtualMachineTemplate/metadata/labels/newlabel"}]
NEW_VMI_LABEL = [{**NEW, "path": "/spec/virtualMachineTemplate/spec/template/metadata/labels/newlabel"}]

pytestmark = pytest.mark.parametrize("pace", ["instant", "realistic"])


class Pools:
    """What the specs share."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    async def create(self, pool: Object) -> Object:
        return await self.suite.create(POOLS, pool)

    async def get(self, name: str) -> Object:
        return await self.suite.get(f"{POOLS}/{name}")

    async def patch(self, name: str, operations: list[Object]) -> Object:
        return await self.suite.patch(f"{POOLS}/{name}", operations)

    async def scale(self, name: str, replicas: int) -> Object:
        return await self.patch(name, [{"op": "replace", "path": "/spec/replicas", "value": replicas}])

    async def scaled(self, name: str, replicas: int) -> None:
        """Scale and wait until it is so: ready replicas of a pool that runs, existing ones of one that does not."""
        pool = await self.scale(name, replicas)
        runs = pool["spec"]["virtualMachineTemplate"]["spec"].get("runStrategy") == "Always"

        async def there() -> bool:
            status = (await self.get(name)).get("status", {})
            return status.get("readyReplicas" if runs else "replicas", 0) == replicas

        await self.suite.eventually(there, 90)
        assert len(alive(pool, await self.vms(pool))) == replicas

    async def one(self, pool: Object) -> Object:
        """The only VM of the pool, once it is there."""

        async def there() -> list[Object]:
            return alive(pool, await self.vms(pool))

        (vm,) = await self.suite.eventually(there, 60)
        return dict(vm)

    async def vms(self, pool: Object) -> list[Object]:
        return await self.suite.items(VMS, selector(pool))

    async def vmis(self, pool: Object, more: str = "") -> list[Object]:
        return await self.suite.items(VMIS, selector(pool) + more)

    async def running(self, pool: Object, count: int) -> None:
        async def all_run() -> bool:
            vmis = await self.vmis(pool)
            return len(vmis) == count and all(phase(one) == "Running" for one in vmis)

        await self.suite.eventually(all_run, 120)

    async def volumes_of(self, vms: list[Object]) -> list[Object]:
        made_by = ",".join(vm["metadata"]["uid"] for vm in vms)
        return await self.suite.items(VOLUMES, f"kubevirt.io/created-by in ({made_by})")

    async def replaced(self, pool: Object, name: str, uid: str, count: int) -> None:
        async def anew() -> bool:
            found = await self.vms(pool)
            same = [vm for vm in found if vm["metadata"]["name"] == name and vm["metadata"]["uid"] != uid]
            return len(found) == count and bool(same)

        await self.suite.eventually(anew, 120)


def pool_of(name: str, spec: Object | None = None, *, strategy: str = "Always", **more: Any) -> Object:
    """A pool without replicas, of machines with 2Mi of memory."""
    labels = {"select": f"select-{name}"}
    domain = {"devices": {"autoattachGraphicsDevice": False}, "resources": {"requests": {"memory": "2Mi"}}}
    template = {
        "metadata": {"labels": dict(labels), "annotations": {"kubevirt.io/created-by-test": "a spec"}},
        "spec": {"domain": domain, "terminationGracePeriodSeconds": 0, **(spec or {})},
    }
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "virtualMachineTemplate": {
                "metadata": {"labels": dict(labels)},
                "spec": {"runStrategy": strategy, "template": template},
            },
            **more,
        },
    }


def with_volumes(name: str, **more: Any) -> Object:
    """A pool whose machines get a volume each."""
    template = {
        "metadata": {"name": "test-dv"},
        "spec": {
            "source": {
                "registry": {"url": "docker://registry:5000/kubevirt/alpine-container-disk-demo:devel"}
            },
            "storage": {
                "resources": {"requests": {"storage": "512Mi"}},
                "storageClassName": "standard",
            },
        },
    }
    disks = [{"name": "disk0", "disk": {"bus": "virtio"}}]
    volumes = [{"name": "disk0", "dataVolume": {"name": "test-dv"}}]
    pool = pool_of(name, {"volumes": volumes}, **more)
    machine = pool["spec"]["virtualMachineTemplate"]["spec"]
    machine["dataVolumeTemplates"] = [template]
    machine["template"]["spec"]["domain"]["devices"]["disks"] = disks
    return pool


def selector(pool: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in pool["spec"]["selector"]["matchLabels"].items())


def alive(pool: Object, vms: list[Object]) -> list[Object]:
    """Those of the pool that are not being deleted."""
    name = pool["metadata"]["name"]
    return [
        vm
        for vm in vms
        if "deletionTimestamp" not in vm["metadata"]
        and any(owner["name"] == name for owner in vm["metadata"].get("ownerReferences", ()))
    ]


def phase(vmi: Object) -> str:
    return vmi.get("status", {}).get("phase", "")


@pytest.fixture
async def pools(suite_of: Make, pace: str) -> Pools:
    suite = await suite_of(pace=pace)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": NS}})
    return Pools(suite)


@pytest.mark.parametrize(("first", "then"), [(3, 2), (5, 6)])
async def test_scale(pools: Pools, first: int, then: int) -> None:
    """A pool scales up, up or down again, and to nothing."""
    await pools.create(pool_of("p"))
    for replicas in (first, then, 0):
        await pools.scaled("p", replicas)


async def test_invalid_spec_is_rejected(pools: Pools) -> None:
    """A pool whose template lacks the labels of its selector is refused, even when sent with a version and a uid."""
    pool = await pools.create(pool_of("p", strategy="Manual"))
    del pool["spec"]["virtualMachineTemplate"]["spec"]["runStrategy"]
    pool["spec"]["virtualMachineTemplate"]["metadata"]["labels"] = {}
    answer = await pools.suite.refused("POST", POOLS, pool)
    assert "selector does not match labels" in answer["message"]


async def test_invalid_vmi_spec_is_rejected(pools: Pools) -> None:
    """A disk without a volume is refused by the pool's webhook, which says where."""
    pool = await pools.create(pool_of("p", strategy="Manual"))
    domain = pool["spec"]["virtualMachineTemplate"]["spec"]["template"]["spec"]["domain"]
    domain["devices"]["disks"] = [{"name": "testdisk"}]
    answer = await pools.suite.refused("POST", POOLS, pool)
    assert (
        'admission webhook "virtualmachinepool-validator.kubevirt.io" denied the request: spec.virtualMachineTemplate'
        ".spec.template.spec.domain.devices.disks[0].Name 'testdisk' not found" in answer["message"]
    )


async def test_deletion_takes_the_vms(pools: Pools) -> None:
    """VMs of a deleted pool go."""
    pool = await pools.create(pool_of("p"))
    await pools.scaled("p", 2)
    await pools.suite.delete(f"{POOLS}/p", {})

    async def gone() -> bool:
        return not await pools.vms(pool)

    await pools.suite.eventually(gone, 120)


async def test_volumes_are_replaced_with_their_vm(pools: Pools) -> None:
    """Each VM has a volume of its own; one deleted in the foreground comes back with a new one."""
    pool = await pools.create(with_volumes("p"))
    await pools.scaled("p", 2)
    await pools.running(pool, 2)
    vms = await pools.vms(pool)
    names = [vm["spec"]["dataVolumeTemplates"][0]["metadata"]["name"] for vm in vms]
    assert len(set(names)) == 2
    volumes = await pools.volumes_of(vms)
    assert len(volumes) == 2
    (lost,) = (one["metadata"]["uid"] for one in volumes if one["metadata"]["name"] == names[0])
    name, uid = vms[0]["metadata"]["name"], vms[0]["metadata"]["uid"]
    await pools.suite.delete(f"{VMS}/{name}", {"propagationPolicy": "Foreground"})
    await pools.replaced(pool, name, uid, 2)
    await pools.running(pool, 2)
    volumes = await pools.volumes_of(await pools.vms(pool))
    assert len(volumes) == 2
    assert lost not in [one["metadata"]["uid"] for one in volumes]


async def test_deleted_vm_is_replaced(pools: Pools) -> None:
    """A VM that is deleted comes back under its name."""
    pool = await pools.create(pool_of("p"))
    await pools.scaled("p", 3)
    victim = (await pools.vms(pool))[1]["metadata"]
    await pools.suite.delete(f"{VMS}/{victim['name']}", {})
    await pools.replaced(pool, victim["name"], victim["uid"], 3)


async def test_change_of_the_vm_alone(pools: Pools) -> None:
    """A label of the VM template reaches VMs and leaves instances alone."""
    pool = await pools.create(pool_of("p"))
    await pools.scaled("p", 1)
    await pools.running(pool, 1)
    (vm,) = await pools.vms(pool)
    name = vm["metadata"]["name"]
    uid = (await pools.suite.get(f"{VMIS}/{name}"))["metadata"]["uid"]
    await pools.patch("p", NEW_VM_LABEL)

    async def labelled() -> bool:
        return "newlabel" in (await pools.suite.get(f"{VMS}/{name}"))["metadata"]["labels"]

    async def untouched() -> bool:
        meta = (await pools.suite.get(f"{VMIS}/{name}"))["metadata"]
        return meta["uid"] == uid and "deletionTimestamp" not in meta

    await pools.suite.eventually(labelled, 30)
    await pools.suite.consistently(untouched, 5)


CHOSEN = {
    "proactive": {"selectionPolicy": {"selectors": {"labelSelector": {"matchLabels": {"app": "test"}}}}}
}


@pytest.mark.parametrize(
    ("strategy", "labels", "updated", "restarted"),
    [
        ({"opportunistic": {}}, {}, True, False),
        (None, {}, True, True),
        (CHOSEN, {}, False, False),
        (CHOSEN, {"app": "test"}, True, True),
    ],
    ids=["opportunistic", "unset", "selector misses", "selector matches"],
)
async def test_update_strategies(
    pools: Pools, strategy: Object | None, labels: Object, updated: bool, restarted: bool
) -> None:
    """Whether a changed instance template reaches VMs, and whether it restarts them, is the strategy's choice."""
    made = pool_of("p", **({"updateStrategy": strategy} if strategy else {}))
    made["spec"]["virtualMachineTemplate"]["spec"]["template"]["metadata"]["labels"] |= labels
    pool = await pools.create(made)
    await pools.scaled("p", 1)
    await pools.running(pool, 1)
    (before,) = await pools.vmis(pool)
    name = before["metadata"]["name"]
    await pools.patch("p", NEW_VMI_LABEL)

    async def vm_has_it() -> bool:
        vm = await pools.suite.get(f"{VMS}/{name}")
        return vm["spec"]["template"]["metadata"]["labels"].get("newlabel") == "newvalue"

    async def vm_has_it_not() -> bool:
        return not await vm_has_it()

    async def vmi_anew() -> bool:
        meta = (await pools.suite.get(f"{VMIS}/{name}"))["metadata"]
        return meta["uid"] != before["metadata"]["uid"] and meta["labels"].get("newlabel") == "newvalue"

    async def vmi_untouched() -> bool:
        meta = (await pools.suite.get(f"{VMIS}/{name}"))["metadata"]
        same = all(meta[key] == before["metadata"][key] for key in ("uid", "generation"))
        return same and "newlabel" not in meta["labels"]

    if updated:
        await pools.suite.eventually(vm_has_it, 30)
    else:
        await pools.suite.consistently(vm_has_it_not, 30, 2)
    if restarted:
        await pools.suite.eventually(vmi_anew, 60, 2)
    else:
        await pools.suite.consistently(vmi_untouched, 30, 2)


async def test_crashing_vms_are_healed(pools: Pools) -> None:
    """A VM that fails three starts is seen failing, is replaced, fails again, and runs once its template is mended."""
    made = pool_of("p", autohealing={})
    made["spec"]["virtualMachineTemplate"]["spec"]["template"]["metadata"]["annotations"][FAIL_FAST] = ""
    pool = await pools.create(made)
    await pools.scale("p", 1)
    vm = await pools.one(pool)
    path = f"{VMS}/{vm['metadata']['name']}"

    async def failing() -> Any:
        vm = await pools.suite.get(path)
        status = vm.get("status", {})
        assert status["printableStatus"] == "CrashLoopBackOff"
        assert status["startFailure"]["consecutiveFailCount"] >= 3
        return vm["metadata"]["uid"]

    uid = await pools.suite.eventually(failing, 300)

    async def replaced() -> Any:
        vm = await pools.suite.get(path)
        return vm["metadata"]["uid"] != uid and fails(vm) < 3

    def fails(vm: Object) -> int:
        return int(vm.get("status", {}).get("startFailure", {}).get("consecutiveFailCount", 0))

    async def fails_anew() -> Any:
        return "startFailure" in (await pools.suite.get(path)).get("status", {})

    async def runs() -> Any:
        status = (await pools.suite.get(path)).get("status", {})
        return "startFailure" not in status and status.get("printableStatus") == "Running"

    await pools.suite.eventually(replaced, 120, 5)
    await pools.suite.eventually(fails_anew, 30, 5)
    key = FAIL_FAST.replace("/", "~1")
    where = f"/spec/virtualMachineTemplate/spec/template/metadata/annotations/{key}"
    await pools.patch("p", [{"op": "remove", "path": where}])
    await pools.suite.eventually(runs, 30, 5)


async def test_vms_that_never_become_ready_are_healed(pools: Pools) -> None:
    """A VM whose claim does not exist is replaced once it has not been ready for the pool's patience."""
    claim = {"name": "non-existent-pvc", "persistentVolumeClaim": {"claimName": "non-existent-pvc"}}
    healing = {"minFailingToStartDuration": "2m0s"}
    pool = await pools.create(pool_of("p", {"volumes": [claim]}, autohealing=healing))
    await pools.scale("p", 1)
    vm = await pools.one(pool)
    path = f"{VMS}/{vm['metadata']['name']}"

    async def lacks_its_claim() -> Any:
        return (await pools.suite.get(path))["status"]["printableStatus"] == "ErrorPvcNotFound"

    async def replaced() -> Any:
        return (await pools.suite.get(path))["metadata"]["uid"] != vm["metadata"]["uid"]

    await pools.suite.eventually(lacks_its_claim, 30, 5)
    await pools.suite.eventually(replaced, 180, 30)


async def test_orphans(pools: Pools) -> None:
    """VMs of a pool deleted with orphans stay, without an owner, and can be deleted."""
    pool = await pools.create(pool_of("p", strategy="Manual"))
    await pools.scaled("p", 2)
    assert all(vm["metadata"]["ownerReferences"] for vm in await pools.vms(pool))
    await pools.suite.delete(f"{POOLS}/p", {"propagationPolicy": "Orphan"})

    async def gone() -> bool:
        return (await pools.suite.call("GET", f"{POOLS}/p"))[0] == 404

    async def no_vms() -> bool:
        return not await pools.vms(pool)

    await pools.suite.eventually(gone, 60)
    vms = await pools.vms(pool)
    assert len(vms) == 2
    assert not any(vm["metadata"].get("ownerReferences") for vm in vms)
    await pools.suite.delete(VMS, {}, labelSelector=selector(pool))
    await pools.suite.eventually(no_vms, 60)


async def test_pause(pools: Pools) -> None:
    """A paused pool says so and does not scale; resumed, it forgets the condition and does."""
    await pools.create(pool_of("p", strategy="Manual"))
    await pools.patch("p", [{"op": "add", "path": "/spec/paused", "value": True}])

    async def paused() -> bool:
        return conditions(await pools.get("p")).get("ReplicaPaused") == "True"

    async def nothing_new() -> bool:
        pool = await pools.get("p")
        assert len(pool["status"]["conditions"]) == 1
        return pool["status"].get("replicas", 0) == 0

    async def no_conditions() -> bool:
        return not (await pools.get("p"))["status"].get("conditions")

    async def one_replica() -> bool:
        return (await pools.get("p"))["status"].get("replicas") == 1

    await pools.suite.eventually(paused, 10)
    tested = [{"op": "test", "path": "/spec/replicas", "value": 0}]
    await pools.patch("p", [*tested, {"op": "replace", "path": "/spec/replicas", "value": 1}])
    await pools.suite.consistently(nothing_new, 5)
    await pools.patch("p", [{"op": "replace", "path": "/spec/paused", "value": False}])
    await pools.suite.eventually(no_conditions, 10)
    await pools.suite.eventually(one_replica, 10)


async def test_descending_order(pools: Pools) -> None:
    """Scaling in by descending order leaves the lowest ordinals, running."""
    policy = {"proactive": {"selectionPolicy": {"sortPolicy": "DescendingOrder"}}}
    pool = await pools.create(pool_of("p", scaleInStrategy=policy))
    await pools.scaled("p", 5)
    await pools.running(pool, 5)
    await pools.scaled("p", 2)

    async def two() -> bool:
        return len(alive(pool, await pools.suite.items(VMS))) == 2

    await pools.suite.eventually(two, 120)
    assert sorted(vm["metadata"]["name"] for vm in alive(pool, await pools.vms(pool))) == ["p-0", "p-1"]
    await pools.running(pool, 2)


async def test_state_is_preserved(pools: Pools) -> None:
    """The volume of a VM scaled in offline stays without owner, and belongs to the VM that comes in its place."""
    policy = {"statePreservation": "Offline", "selectionPolicy": {"sortPolicy": "AscendingOrder"}}
    made = with_volumes("p", scaleInStrategy={"proactive": policy})
    made["spec"]["virtualMachineTemplate"]["spec"]["template"]["metadata"]["labels"]["app"] = "test"
    pool = await pools.create(made)
    await pools.scaled("p", 3)
    await pools.running(pool, 3)
    vms = await pools.vms(pool)
    assert len(vms) == 3

    async def owners() -> list[list[str]]:
        found = await pools.volumes_of(vms)
        assert len(found) == 3
        return [[one["name"] for one in dv["metadata"].get("ownerReferences", ())] for dv in found]

    assert await owners() == [["p-0"], ["p-1"], ["p-2"]]
    uid = (await pools.volumes_of(vms))[0]["metadata"]["uid"]
    await pools.scaled("p", 2)

    async def two() -> bool:
        return (await pools.get("p"))["status"]["replicas"] == 2

    await pools.suite.eventually(two, 120)
    assert await owners() == [[], ["p-1"], ["p-2"]]
    await pools.scaled("p", 3)
    await pools.running(pool, 3)
    assert await owners() == [["p-0"], ["p-1"], ["p-2"]]
    assert (await pools.volumes_of(vms))[0]["metadata"]["uid"] == uid


@pytest.mark.parametrize("append", [None, False, True])
async def test_name_generation(pools: Pools, append: bool | None) -> None:
    """References to config maps and secrets get the VM's ordinal if, and only if, the pool asks for it."""
    volumes = [
        {"name": "configmap", "configMap": {"name": "configmap"}},
        {"name": "secret", "secret": {"secretName": "secret"}},
    ]
    chosen = {"appendIndexToConfigMapRefs": append, "appendIndexToSecretRefs": append}
    made = pool_of(
        "p",
        {"volumes": volumes},
        strategy="Manual",
        nameGeneration={} if append is None else chosen,
    )
    made["spec"]["virtualMachineTemplate"]["spec"]["template"]["spec"]["domain"]["devices"]["disks"] = [
        {"name": volume["name"], "disk": {}} for volume in volumes
    ]
    pool = await pools.create(made)
    await pools.scaled("p", 2)
    vms = await pools.vms(pool)
    assert len(vms) == 2
    index = r"-\d" if append else ""
    for vm in vms:
        config, secret = vm["spec"]["template"]["spec"]["volumes"]
        assert re.fullmatch(f"configmap{index}", config["configMap"]["name"])
        assert re.fullmatch(f"secret{index}", secret["secret"]["secretName"])


async def test_max_unavailable(pools: Pools) -> None:
    """During an update with maxUnavailable 1, no look ever finds two instances that do not run; in the end all are new."""
    pool = await pools.create(pool_of("p"))
    await pools.scaled("p", 4)
    await pools.running(pool, 4)
    await pools.patch("p", [{"op": "replace", "path": "/spec/maxUnavailable", "value": 1}])
    await pools.patch("p", NEW_VMI_LABEL)

    async def at_most_one() -> bool:
        vmis = await pools.vmis(pool)
        missing = [vmi for vmi in vmis if "deletionTimestamp" in vmi["metadata"] or phase(vmi) != "Running"]
        return len(missing) <= 1

    async def all_new() -> bool:
        return len(await pools.vmis(pool, ",newlabel=newvalue")) == 4

    await pools.suite.consistently(at_most_one, 120)
    await pools.suite.eventually(all_new, 120)
