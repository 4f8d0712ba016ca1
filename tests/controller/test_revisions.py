from controller import revisions
from controller.revisions import Revisions


def known(*stored, taken=()):
    return Revisions({one["metadata"]["name"]: one for one in stored}, frozenset(taken))


def names(objs):
    return [obj["metadata"]["name"] for obj in objs]


def test_a_revision_holds_the_pools_spec(world):
    """P-066: named by pool and generation, owned by the pool, with the spec as its data."""
    pool = world.pool(generation=4)
    revision = revisions.made(pool, "p-4")
    assert revision["metadata"]["name"] == "p-4"
    assert revision["metadata"]["ownerReferences"][0]["uid"] == "pool-p"
    assert revision["revision"] == 4
    assert revision["data"] == pool["spec"]


def test_only_the_template_makes_vms_outdated(world):
    """P-068, P-134: other changes of the spec raise the generation and leave VMs as they are."""
    old, new = world.pool(), world.pool(replicas=5, paused=True, maxUnavailable=1, generation=2)
    vms = [world.vm(old, 0)]
    assert revisions.outdated(new, vms, known(world.revision(old))) == []


def test_template_changes_make_vms_outdated(world):
    """P-127, P-128: any real change of the template, metadata included; equal content does not count (P-135)."""
    old = world.pool()
    stored = known(world.revision(old))
    vms = [world.vm(old, 0)]
    labelled = world.template()
    labelled["metadata"]["labels"]["new"] = "x"
    assert revisions.outdated(world.pool(template=world.template("2Gi")), vms, stored) == vms
    assert revisions.outdated(world.pool(template=labelled), vms, stored) == vms
    assert revisions.outdated(world.pool(template=world.template("1024Mi")), vms, stored) == []


def test_vms_of_unknown_origin_are_outdated(world):
    """P-139: no revision label, or one naming a revision that is gone."""
    pool = world.pool()
    plain, lost = world.vm(pool, 0), world.vm(pool, 1, revision="p-0")
    del plain["metadata"]["labels"]["kubevirt.io/vm-pool-revision-name"]
    assert revisions.outdated(pool, [plain, lost], known(world.revision(pool))) == [plain, lost]


def test_revisions_in_use_are_kept(world):
    """P-070, P-071, P-073: what a VM or a VMI names stays, the rest goes."""
    pool = world.pool(generation=4)
    stored = known(*(world.revision(pool, generation) for generation in (1, 2, 3, 4)))
    vm = world.vm(pool, 0, revision="p-4")
    vmi = world.vmi(vm, revision="p-2")
    assert names(revisions.unused(pool, [vm, vmi], stored)) == ["p-1", "p-3"]


def test_revisions_of_others_are_never_pruned(world):
    """P-072: only the pool's own."""
    stray = revisions.made(world.pool(), "p-1")
    del stray["metadata"]["ownerReferences"]
    assert revisions.unused(world.pool(), [], known(stray)) == []


def test_a_name_in_foreign_hands_is_avoided(world):
    """A revision under the pool's next name with another owner or content is not mistaken for the pool's own."""
    pool = world.pool()
    other = revisions.made(world.pool(template=world.template("9Gi")), "p-1")
    assert revisions.current_name(pool, known()) == "p-1"
    assert revisions.current_name(pool, known(world.revision(pool))) == "p-1"
    assert revisions.current_name(pool, known(taken=["p-1"])) == "p-1-pool-p"
    assert revisions.current_name(pool, known(other)) == "p-1-pool-p"


def test_a_cache_keeps_the_data_of_pools_revisions_alone() -> None:
    """What VMs and others keep in revisions is theirs, and is left out; what is a pool's, or was one, stays whole."""
    pool, vm = (
        {"kind": kind, "apiVersion": "v1", "name": "a", "uid": "1", "controller": True}
        for kind in ("VirtualMachinePool", "VirtualMachine")
    )
    bystander = {**vm, "controller": False}
    for owners, stays in (([pool], True), ([], True), ([vm], False), ([vm, pool], True), ([bystander], True)):
        revision = {"metadata": {"name": "a-1", "ownerReferences": owners}, "data": {"spec": {}}}
        found = revisions.kept(revision)
        assert found["metadata"] == revision["metadata"]
        assert ("data" in found) is stays
