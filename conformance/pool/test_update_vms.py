"""Updates: VM objects."""

import pytest

from conformance.kube import VM, VMI, Object
from conformance.manifests import (
    FINALIZER,
    LABELS,
    REVISION_LABEL,
    disk,
    owner,
    pool,
    proactive,
    template,
    vm,
    vmi_template,
    with_storage,
)
from conformance.world import World, finalizers, labels, owners, revision, terminating, uid, uids

Generations = dict[str, tuple[str, int]]  # uid and generation, by name


def guest(vm_or_vmi: Object) -> str:
    """The memory of a VM's or VMI's guest."""
    spec = vm_or_vmi["spec"]
    found: str = spec.get("template", {"spec": spec})["spec"]["domain"]["memory"]["guest"]
    return found


def generations(objects: dict[str, Object]) -> Generations:
    return {name: (uid(one), one["metadata"]["generation"]) for name, one in objects.items()}


async def test_P_127_labels_and_annotations_arrive(world: World) -> None:
    """P-127: New labels and annotations of the template reach all VMs, and no guest is restarted."""
    await world.create(pool(replicas=2, template=template(running=True)))
    await world.pool_of("p-0", "p-1", ready=2)
    before = uids(world.vmis)
    metadata = {"annotations": {"note": "new"}}
    await world.change_template(template(running=True, labels=LABELS | {"tier": "x"}, metadata=metadata))
    await world.until(lambda: all(labels(one).get("tier") == "x" for one in world.vms.values()))
    assert all(one["metadata"]["annotations"]["note"] == "new" for one in world.vms.values())
    await world.settled()
    assert uids(world.vmis) == before


@pytest.mark.smoke
@pytest.mark.parametrize(
    "strategy", [None, {"proactive": {}}, {"opportunistic": {}}], ids=["absent", "proactive", "opportunistic"]
)
async def test_P_128_the_template_arrives(world: World, strategy: Object | None) -> None:
    """P-128: A new VMI template reaches all VMs, with the name of the new revision."""
    chosen: Object = {"updateStrategy": strategy} if strategy else {}
    await world.create(pool(replicas=2, **chosen))
    await world.pool_of("p-0", "p-1")
    await world.change_template(template("96Mi"))
    await world.until(lambda: {guest(one) for one in world.vms.values()} == {"96Mi"})
    for one in world.vms.values():
        assert revision(one) == "p-2"
        assert one["spec"]["template"]["metadata"]["labels"][REVISION_LABEL] == "p-2"


async def test_P_128_what_is_empty_may_say_something(world: World) -> None:
    """P-128: A device without any settings is a device: where it is new, the VMs get it."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    body = template()
    body["spec"]["template"]["spec"]["domain"]["devices"] = {"rng": {}}
    await world.change_template(body)
    await world.until(
        lambda: "rng" in world.vms["p-0"]["spec"]["template"]["spec"]["domain"].get("devices", {})
    )


async def test_P_129_what_a_vm_keeps(world: World) -> None:
    """P-129: An updated VM is still itself: uid, owner, finalizers, and the names that carry its ordinal."""
    body = with_storage()
    await world.create(pool(replicas=2, template=body, nameGeneration={"appendIndexToSecretRefs": True}))
    await world.pool_of("p-0", "p-1")
    before = world.vms["p-1"]
    volumes = [disk("root", dataVolume={"name": "d"}), disk("s", secret={"secretName": "s"})]
    body = with_storage()
    body["spec"]["template"] = vmi_template("96Mi", volumes=volumes)
    await world.change_template(body)
    await world.until(lambda: guest(world.vms["p-1"]) == "96Mi")
    now = world.vms["p-1"]
    assert uid(now) == uid(before)
    assert owners(now) == owners(before)
    assert FINALIZER in finalizers(now)
    assert set(finalizers(before)) <= set(finalizers(now))
    assert [one["metadata"]["name"] for one in now["spec"]["dataVolumeTemplates"]] == ["d-1"]
    found = {one["name"]: one for one in now["spec"]["template"]["spec"]["volumes"]}
    assert found["root"]["dataVolume"]["name"] == "d-1"
    assert found["s"]["secret"]["secretName"] == "s-1"


async def test_P_130_the_firmware_stays(world: World) -> None:
    """P-130: A guest keeps its firmware's uuid and serial, though the template has none."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    firmware = {"uuid": "5d307ca9-b3ef-428c-8861-06e72d69f223", "serial": "4-2"}
    patch = {"spec": {"template": {"spec": {"domain": {"firmware": firmware}}}}}
    await world.patch(VM, "p-0", patch)
    await world.change_template(template("96Mi"))
    await world.until(lambda: guest(world.vms["p-0"]) == "96Mi")
    assert world.vms["p-0"]["spec"]["template"]["spec"]["domain"]["firmware"] == firmware


async def test_P_130_the_rest_of_the_firmware_arrives(world: World) -> None:
    """P-130: … while whatever else the template says of the firmware arrives."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    body = template("96Mi")
    bios = {"bios": {"useSerial": True}}
    body["spec"]["template"]["spec"]["domain"]["firmware"] = {"bootloader": bios}
    await world.patch(
        VM, "p-0", {"spec": {"template": {"spec": {"domain": {"firmware": {"serial": "4-2"}}}}}}
    )
    await world.change_template(body)
    await world.until(lambda: guest(world.vms["p-0"]) == "96Mi")
    found = world.vms["p-0"]["spec"]["template"]["spec"]["domain"]["firmware"]
    assert (found["bootloader"], found["serial"]) == (bios, "4-2")


async def test_P_131_updates_are_told(world: World) -> None:
    """P-131: Each updated VM is an event."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.change_template(template("96Mi"))
    for name in ("p-0", "p-1"):
        await world.event("SuccessfulUpdate", f"Updated VM {world.namespace}/{name}")


async def test_P_132_labels_put_on_by_hand(world: World) -> None:
    """P-132: They vanish with the next template, and not before."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.patch(VM, "p-0", {"metadata": {"labels": {"mine": "yes"}, "annotations": {"mine": "yes"}}})
    await world.settled()
    assert labels(world.vms["p-0"])["mine"] == "yes"
    await world.change_template(template("96Mi"))
    await world.until(lambda: guest(world.vms["p-0"]) == "96Mi")
    assert "mine" not in labels(world.vms["p-0"])
    assert "mine" not in world.vms["p-0"]["metadata"].get("annotations", {})


async def test_P_133_changes_made_by_hand(world: World) -> None:
    """P-133: A spec changed by hand stays so until the next template."""
    await world.create(pool(replicas=1, template=template(running=True)))
    await world.pool_of("p-0", ready=1)
    await world.patch(VM, "p-0", {"spec": {"runStrategy": "Halted"}})
    await world.until(lambda: not world.vmis)
    await world.settled()
    assert world.vms["p-0"]["spec"]["runStrategy"] == "Halted"
    await world.change_template(template("96Mi", running=True))
    await world.until(lambda: world.vms["p-0"]["spec"]["runStrategy"] == "Always")


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": 3},
        {"paused": True},
        {"maxUnavailable": 1},
        {"scaleInStrategy": {"unmanaged": {}}},
        {"updateStrategy": {"opportunistic": {}}},
        {"autohealing": {}},
        {"nameGeneration": {"appendIndexToSecretRefs": True}},
    ],
    ids=lambda spec: next(iter(spec)),
)
async def test_P_134_other_changes_update_nothing(world: World, spec: Object) -> None:
    """P-134: Only the template makes VMs outdated."""
    await world.create(pool(replicas=2))
    await world.pool_of("p-0", "p-1")
    await world.settled()
    before = generations(world.vms)
    await world.change(**spec)
    await world.settled()
    assert before.items() <= generations(world.vms).items()
    assert {revision(world.vms[name]) for name in before} == {"p-1"}


async def test_P_135_the_same_in_other_words(world: World) -> None:
    """P-135: A template that means the same updates nothing: 1Gi or 1024Mi, nothing or an empty list."""
    before_it = template("1Gi")
    before_it["spec"]["template"]["spec"]["domain"]["resources"] = {"requests": {"memory": "1Gi"}}
    await world.create(pool(replicas=1, template=before_it))
    await world.pool_of("p-0")
    await world.settled()
    before = generations(world.vms)
    body = template("1024Mi")
    body["spec"]["template"]["spec"]["domain"]["resources"] = {"requests": {"memory": "1024Mi"}}
    body["spec"]["dataVolumeTemplates"] = []
    body["metadata"]["annotations"] = {}
    await world.change_template(body)
    await world.settled()
    assert generations(world.vms) == before
    assert not any(reason == "SuccessfulUpdate" for _, reason, _ in world.events)


async def test_P_136_unmanaged(world: World) -> None:
    """P-136: Under unmanaged nothing changes; what is created later has the new template."""
    await world.create(pool(replicas=1, template=template(running=True), updateStrategy={"unmanaged": {}}))
    await world.pool_of("p-0", ready=1)
    await world.settled()
    before = generations(world.vms), uids(world.vmis)
    await world.change_template(template("96Mi", running=True))
    await world.settled()
    assert (generations(world.vms), uids(world.vmis)) == before
    await world.change(replicas=2)
    await world.pool_of("p-0", "p-1")
    assert guest(world.vms["p-0"]) == "64Mi"
    assert guest(world.vms["p-1"]) == "96Mi"


async def opportunistic(world: World) -> Object:
    await world.create(
        pool(replicas=1, template=template(running=True), updateStrategy={"opportunistic": {}})
    )
    await world.pool_of("p-0", ready=1)
    await world.settled()
    before = world.vmis["p-0"]
    await world.change_template(template("96Mi", running=True))
    await world.until(lambda: guest(world.vms["p-0"]) == "96Mi")
    await world.settled()
    return before


async def test_P_137_opportunistic(world: World) -> None:
    """P-137: Under opportunistic the VMs change, and their guests neither restart nor get another label."""
    before = await opportunistic(world)
    now = world.vmis["p-0"]
    assert uid(now) == uid(before)
    assert labels(now) == labels(before)
    assert now["spec"] == before["spec"]


async def test_P_138_at_the_next_restart(world: World) -> None:
    """P-138: … and a guest that restarts for another reason has the new template."""
    before = await opportunistic(world)
    await world.delete(VMI, "p-0")
    await world.until(lambda: uid(world.vmis["p-0"]) != uid(before))
    assert guest(world.vmis["p-0"]) == "96Mi"
    assert revision(world.vmis["p-0"]) == "p-2"


@pytest.mark.parametrize("label", [None, "p-77"], ids=["absent", "unknown"])
async def test_P_139_a_vm_of_no_known_revision(world: World, label: str | None) -> None:
    """P-139: A VM whose revision is not known is brought to the present template."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    await world.settled()
    operations = {"metadata": {"labels": {REVISION_LABEL: label}}}
    await world.patch(VM, "p-0", operations | {"spec": {"template": vmi_template("96Mi")}})
    await world.until(lambda: revision(world.vms["p-0"]) == "p-1" and guest(world.vms["p-0"]) == "64Mi")


async def test_P_140_updates_that_fail(world: World) -> None:
    """P-140: A refused PUT is shown and told, and repeated until it works."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    async with world.refusing("UPDATE", VM, {"tier": "refused"}):
        await world.change_template(template(labels=LABELS | {"tier": "refused"}))
        await world.event(
            "FailedUpdate", f"Error updating virtual machine p-0/{world.namespace}: ", "Warning"
        )
        found = await world.until(lambda: world.condition("ReplicaFailure"))
        assert found["reason"] == "FailedUpdate"
        assert found["message"].startswith("error during VM update: ")
    await world.until(lambda: labels(world.vms["p-0"]).get("tier") == "refused")
    await world.until(lambda: not world.condition("ReplicaFailure"))


async def test_P_140_the_new_revision_stays(world: World) -> None:
    """P-140: The revision made for them waits until the VMs can name it, and is made once."""
    await world.create(pool(replicas=1))
    await world.pool_of("p-0")
    async with world.refusing("UPDATE", VM, {"tier": "refused"}):
        await world.change_template(template(labels=LABELS | {"tier": "refused"}))
        await world.until(lambda: world.condition("ReplicaFailure") and "p-2" in world.revisions)
        made = uid(world.revisions["p-2"])
    await world.until(lambda: revision(world.vms["p-0"]) == "p-2" and not world.condition("ReplicaFailure"))
    await world.settled()
    assert uid(world.revisions["p-2"]) == made


async def test_P_140_a_vm_without_an_ordinal(world: World) -> None:
    """P-140: A VM whose name does not end in an ordinal cannot be updated; it stays as it is, and the pool says so."""
    mine = await world.create(pool(replicas=0, paused=True))
    await world.create(vm("odd", owners=[owner(mine)]), VM)
    await world.until(lambda: world.status().get("replicas") == 1)
    before = generations(world.vms)
    await world.change(replicas=1, paused=False)
    found = await world.until(lambda: world.condition("ReplicaFailure"))
    assert found["reason"] == "FailedUpdate"
    await world.settled()
    assert generations(world.vms) == before


async def test_P_141_size_comes_first(world: World) -> None:
    """P-141: As long as the number is not right, nothing is updated."""
    await world.create(pool(replicas=2, scaleInStrategy={"unmanaged": {}}))
    await world.pool_of("p-0", "p-1")
    await world.settled()
    before = generations(world.vms)
    await world.change_template(template("96Mi"), replicas=1)
    await world.settled()
    assert generations(world.vms) == before
    await world.change(replicas=2)
    await world.until(lambda: {guest(one) for one in world.vms.values()} == {"96Mi"})
    assert not any(map(terminating, world.vms.values()))


@pytest.mark.parametrize("kind", ["VM", "VMI"])
async def test_P_148_the_default_strategy(world: World, kind: str) -> None:
    """P-148: Without a strategy, or with {}, updates are proactive, of VMs and of guests."""
    strategy: Object = {"updateStrategy": {}} if kind == "VM" else {}
    await world.create(pool(replicas=1, template=template(running=True), **strategy))
    await world.pool_of("p-0", ready=1)
    before = uid(world.vmis["p-0"])
    await world.change_template(template("96Mi", running=True))
    await world.until(lambda: uid(world.vmis["p-0"]) != before)
    assert guest(world.vmis["p-0"]) == guest(world.vms["p-0"]) == "96Mi"


SPECIAL = {"labelSelector": {"matchLabels": {"guest": "special"}}}


async def test_P_156_not_selected(world: World) -> None:
    """P-156: With a selector that matches none, neither VM nor guest changes."""
    strategy = proactive(selectors=SPECIAL)
    await world.create(pool(replicas=1, template=template(running=True), updateStrategy=strategy))
    await world.pool_of("p-0", ready=1)
    await world.settled()
    before = generations(world.vms), uids(world.vmis)
    await world.change_template(template("96Mi", running=True))
    await world.settled()
    assert (generations(world.vms), uids(world.vmis)) == before
