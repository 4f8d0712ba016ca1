"""Autohealing.

How VMs fail differs from cluster to cluster, so most tests write the VM's status themselves, on a bare fakekube.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.kube import POOL, VM, Object
from conformance.manifests import pool, template, vm, vmi_template, with_storage
from conformance.world import World, controller, terminating, uid, uids

BAD = [
    "CrashLoopBackOff",
    "ErrorUnschedulable",
    "DataVolumeError",
    "ErrorPvcNotFound",
    "ErrImagePull",
    "ImagePullBackOff",
]
HARMLESS = ["Starting", "Provisioning", "Stopped", "WaitingForVolumeBinding", "Running", "Stopping"]


def not_ready(seconds_ago: float, status: str = "False", kind: str = "Ready") -> Object:
    probe = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": kind, "status": status, "lastProbeTime": probe if seconds_ago else None}


async def with_failing(
    bare: World, status: Object, *, names: tuple[str, ...] = ("p-0",), replicas: int = 2, **spec: Any
) -> dict[str, str]:
    """A pool of which some VMs get a status; the uids of all."""
    await bare.create(pool(replicas=replicas, **({"autohealing": {}} | spec)))
    await bare.size(replicas)
    before = uids(bare.vms)
    for name in names:
        await bare.set_status(VM, name, **status)
    return before


async def healed(bare: World, before: dict[str, str], *names: str) -> None:
    await bare.until(
        lambda: set(bare.vms) == set(before) and all(uid(bare.vms[name]) != before[name] for name in names)
    )
    rest = {name: uid for name, uid in before.items() if name not in names}
    assert rest.items() <= uids(bare.vms).items()


async def left_alone(bare: World, before: dict[str, str]) -> None:
    await bare.settled()
    assert uids(bare.vms) == before
    assert not any(map(terminating, bare.vms.values()))


THREE = {"startFailure": {"consecutiveFailCount": 3}}


async def test_P_162_not_asked_for(bare: World) -> None:
    """P-162: Without autohealing, failing VMs are left alone."""
    await left_alone(bare, await with_failing(bare, THREE, autohealing=None))


@pytest.mark.smoke
async def test_P_163_three_failures(bare: World) -> None:
    """P-163: With {}, a VM that failed to start three times is replaced under its name."""
    await healed(bare, await with_failing(bare, THREE), "p-0")


async def test_P_164_two_failures(bare: World) -> None:
    """P-164: Two failures are not enough."""
    await left_alone(bare, await with_failing(bare, {"startFailure": {"consecutiveFailCount": 2}}))


@pytest.mark.parametrize(("threshold", "count", "heals"), [(1, 1, True), (5, 4, False), (5, 5, True)])
async def test_P_165_a_threshold_of_its_own(bare: World, threshold: int, count: int, heals: bool) -> None:
    """P-165: startUpFailureThreshold takes the place of three."""
    criteria = {"startUpFailureThreshold": threshold}
    before = await with_failing(bare, {"startFailure": {"consecutiveFailCount": count}}, autohealing=criteria)
    await (healed(bare, before, "p-0") if heals else left_alone(bare, before))


@pytest.mark.parametrize("status", BAD)
async def test_P_166_bad_for_too_long(bare: World, status: str) -> None:
    """P-166: A VM in one of six states, not ready for five minutes, is replaced."""
    await healed(
        bare, await with_failing(bare, {"printableStatus": status, "conditions": [not_ready(301)]}), "p-0"
    )


@pytest.mark.parametrize("status", HARMLESS)
async def test_P_167_harmless_states(bare: World, status: str) -> None:
    """P-167: Other states never lead to healing, however long they last."""
    await left_alone(
        bare, await with_failing(bare, {"printableStatus": status, "conditions": [not_ready(99999)]})
    )


@pytest.mark.parametrize(
    ("patience", "since", "heals"),
    [
        ("10s", 30, True),
        ("2m0s", 20, False),
        ("1h0m0s", 1800, False),
        ("1m30s", 91, True),
        ("0", 1, True),
        ("-5m", 1, True),
    ],
)
async def test_P_168_a_patience_of_its_own(bare: World, patience: str, since: float, heals: bool) -> None:
    """P-168: minFailingToStartDuration takes the place of five minutes."""
    status = {"printableStatus": "CrashLoopBackOff", "conditions": [not_ready(since)]}
    before = await with_failing(bare, status, autohealing={"minFailingToStartDuration": patience})
    await (healed(bare, before, "p-0") if heals else left_alone(bare, before))


@pytest.mark.parametrize(("since", "heals"), [(200, False), (0, True)], ids=["probed lately", "never probed"])
async def test_P_169_the_probe_counts(bare: World, since: float, heals: bool) -> None:
    """P-169: Age is that of the last probe, not of the last transition; without one it counts as old."""
    condition = not_ready(since) | {"lastTransitionTime": "2020-01-01T00:00:00Z"}
    before = await with_failing(bare, {"printableStatus": "CrashLoopBackOff", "conditions": [condition]})
    await (healed(bare, before, "p-0") if heals else left_alone(bare, before))


@pytest.mark.parametrize(
    "condition", [not_ready(999, "Unknown"), not_ready(999, "False", "Other")], ids=["unknown", "absent"]
)
async def test_P_170_nobody_said_not_ready(bare: World, condition: Object) -> None:
    """P-170: Where Ready is absent or Unknown, a state alone does not lead to healing."""
    await left_alone(
        bare, await with_failing(bare, {"printableStatus": "CrashLoopBackOff", "conditions": [condition]})
    )


@pytest.mark.parametrize("strategy", ["unmanaged", "opportunistic", "proactive"])
@pytest.mark.parametrize("of", ["scaleInStrategy", "updateStrategy"])
async def test_P_171_under_every_strategy(bare: World, of: str, strategy: str) -> None:
    """P-171: Strategies for scaling and updating do not keep a pool from healing."""
    chosen: Object = {of: {strategy: {}}}
    await healed(bare, await with_failing(bare, THREE, **chosen), "p-0")


async def test_P_172_all_that_fail(bare: World) -> None:
    """P-172: All failing VMs are replaced together, whatever maxUnavailable says, and none is deleted twice."""
    names = ("p-0", "p-1", "p-2")
    before = await with_failing(bare, {}, replicas=4, names=(), maxUnavailable=1)
    for name in names:
        await bare.hold(VM, name)
        await bare.set_status(VM, name, **THREE)
    await bare.until(lambda: all(terminating(bare.vms[name]) for name in names))
    await bare.settled()
    assert bare.told("SuccessfulDelete") <= len(names)
    await bare.let_go(VM, *names)
    await healed(bare, before, *names)


async def test_P_173_storage_is_kept(world: World) -> None:
    """P-173: Under proactive and Offline, the healed VM's successor has its disks."""
    body = with_storage(running=True)
    body["spec"]["template"]["spec"]["nodeSelector"] = {"conformance/nowhere": "true"}
    keep = {"proactive": {"statePreservation": "Offline"}}
    await world.create(pool(replicas=1, template=body, scaleInStrategy=keep))
    await world.until(
        lambda: world.vms["p-0"]["status"]["printableStatus"] == "ErrorUnschedulable" and "d-0" in world.dvs
    )
    before, disk = uid(world.vms["p-0"]), uid(world.dvs["d-0"])
    await world.change(autohealing={"minFailingToStartDuration": "0s"})
    await world.until(lambda: uid(world.vms["p-0"]) != before)
    await world.change(autohealing=None)  # or the successor is replaced, too
    await world.until(lambda: controller(world.dvs["d-0"]).get("uid") == uid(world.vms["p-0"]))
    assert uid(world.dvs["d-0"]) == disk


@pytest.mark.smoke
async def test_P_174_failing_vms_of_others(bare: World) -> None:
    """P-174: A failing VM that is not the pool's is not touched."""
    await bare.create(vm("other", labels={"app": "other"}), VM)
    await bare.create(vm("stray"), VM)
    for name in ("other", "stray"):
        await bare.set_status(VM, name, **THREE)
    await bare.create(pool(replicas=1, autohealing={}))
    await bare.until(lambda: "p-0" in bare.vms)
    await bare.settled()
    assert bare.lively() == {"other", "stray", "p-0"}


async def test_P_175_a_terminating_pool(bare: World) -> None:
    """P-175: A pool that is going heals nothing."""
    await bare.create(pool(replicas=1, autohealing={}))
    await bare.pool_of("p-0")
    await bare.hold(POOL, "p")
    await bare.delete(POOL, "p")
    await bare.until(lambda: terminating(bare.pools["p"]))
    before = uids(bare.vms)
    await bare.set_status(VM, "p-0", **THREE)
    await left_alone(bare, before)
    await bare.let_go(POOL, "p")


async def test_P_176_a_paused_pool(bare: World) -> None:
    """P-176: A paused pool deletes failing VMs, and replaces them when it is resumed."""
    await bare.create(pool(replicas=2, autohealing={}))
    await bare.pool_of("p-0", "p-1")
    await bare.change(paused=True)
    await bare.until(lambda: bare.condition("ReplicaPaused"))
    await bare.set_status(VM, "p-0", **THREE)
    await bare.until(lambda: set(bare.vms) == {"p-1"})
    await bare.settled()
    assert set(bare.vms) == {"p-1"}
    await bare.change(paused=False)
    await bare.pool_of("p-0", "p-1")


async def test_D_14_what_was_begun_is_finished(bare: World) -> None:
    """D-14: A failing VM that a paused pool has deleted, but could not let go, is let go when that is possible."""
    await bare.create(pool(replicas=1, autohealing={}))
    await bare.pool_of("p-0")
    await bare.change(paused=True)
    await bare.until(lambda: bare.condition("ReplicaPaused"))
    async with bare.refusing("UPDATE", VM):
        await bare.set_status(VM, "p-0", **THREE)
        await bare.event("FailedUpdate", "Error removing finalizer for VM", "Warning")
        assert terminating(bare.vms["p-0"])
    await bare.until(lambda: not bare.vms)


async def test_P_177_it_does_not_take_an_event(bare: World) -> None:
    """P-177: A VM that becomes old enough is healed though nothing else happens, later than all that its pool's birth brought."""
    criteria = {"minFailingToStartDuration": "7s"}
    body = {"printableStatus": "CrashLoopBackOff", "conditions": [not_ready(1)]}
    before = await with_failing(bare, body, autohealing=criteria, updateStrategy={"opportunistic": {}})
    await healed(bare, before, "p-0")


async def test_D_12_unschedulable_in_earnest(world: World) -> None:
    """D-12: A VM that no node takes is replaced after the patience of its pool, without further events."""
    body = template(running=True, vmi=vmi_template(nodeSelector={"conformance/nowhere": "true"}))
    await world.create(
        pool(
            replicas=1,
            template=body,
            autohealing={"minFailingToStartDuration": "2s"},
            updateStrategy={"unmanaged": {}},
        )
    )
    await world.until(lambda: world.vms["p-0"]["status"]["printableStatus"] == "ErrorUnschedulable")
    before = uid(world.vms["p-0"])
    await world.until(lambda: uid(world.vms["p-0"]) != before)
