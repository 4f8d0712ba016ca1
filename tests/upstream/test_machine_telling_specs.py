"""Upstream's functional specs of what machines tell: generations, revisions, why they do not run, and how guests that ended are kept.

Left out: images nobody has, by their name alone; guests take the fate for that.
Origin: kubevirt: tests/vm_test.go, tests/compute/subresources/{start,stop,restart}.go, tests/nonroot_test.go
"""

import pytest

from tests.upstream import consoles, guests, launchers
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.consoles import PROMPT, console
from tests.upstream.guests import NS, VMS, Guest, guest

FAILS_FAST = "kubevirt.io/func-test-virt-launcher-fail-fast"
KEPT = "kubevirt.io/keep-launcher-alive-after-failure"
FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
REVISIONS = f"/apis/apps/v1/namespaces/{NS}/controllerrevisions"


@pytest.fixture(params=["instant", "realistic"])
async def suite(suite_of: Make, request: pytest.FixtureRequest) -> Suite:
    return await guests.a_namespace(await suite_of(pace=request.param))


async def switch(vm: Guest, strategy: str) -> None:
    """Read, change, write, as often as somebody else was quicker; and wait until it is so."""

    async def written() -> bool:
        found = await vm.vm()
        found["spec"]["runStrategy"] = strategy
        return (await vm.suite.call("PUT", vm.vm_path, found))[0] == 200

    await vm.suite.eventually(written, 60)
    if strategy == "Halted":
        await vm.gone()
        await vm.has("Ready", "False", of_vm=True)
    else:
        await up(vm)


async def up(vm: Guest) -> None:
    await vm.ready()
    await vm.is_in("Running")


async def restart(vm: Guest) -> None:
    await switch(vm, "Halted")
    await switch(vm, "Always")


async def stopped(suite: Suite) -> Guest:
    return await guests.machine(suite, guest("cirros"), runStrategy="Halted")


async def started(suite: Suite) -> Guest:
    vm = await stopped(suite)
    await switch(vm, "Always")
    return vm


async def relabel(vm: Guest, key: str) -> None:
    labels = {"spec": {"template": {"metadata": {"labels": {key: "testvalue"}}}}}
    await vm.suite.patch(vm.vm_path, labels, MERGE_PATCH)


async def generations(vm: Guest, *wanted: int) -> None:
    """The machine's, those it tells of, and the one its instance was made from."""

    async def look() -> bool:
        machine, instance = await vm.vm(), await vm.vmi()
        told = [machine["status"].get(f"{one}Generation") for one in ("desired", "observed")]
        made_from = int(instance["metadata"]["annotations"]["kubevirt.io/vm-generation"])
        return (machine["metadata"]["generation"], *told, made_from) == wanted

    await vm.suite.eventually(look, 10)


async def tells(vm: Guest, status: str, seconds: float = 300) -> None:
    async def look() -> bool:
        return (await vm.vm()).get("status", {}).get("printableStatus") == status

    await vm.suite.eventually(look, seconds)


async def test_generations(suite: Suite) -> None:
    """A machine and its instance agree after each restart; changes in between are desired, and not observed."""
    vm = await started(suite)
    for times in (2, 4):
        await generations(vm, times, times, times, times)
        await restart(vm)
    await relabel(vm, "testkey")
    await generations(vm, 7, 7, 6, 6)
    await relabel(vm, "testkey2")
    await generations(vm, 8, 8, 6, 6)
    await restart(vm)
    await generations(vm, 10, 10, 10, 10)


async def test_revisions(suite: Suite) -> None:
    """An instance names the revision of the machine it was made from; that of the instance before it goes."""

    async def kept() -> tuple[str, Object]:
        machine, instance = await vm.vm(), await vm.vmi()
        meta, named = machine["metadata"], instance["status"]["virtualMachineRevisionName"]
        assert named == f"revision-start-vm-{meta['uid']}-{meta['generation']}"
        revision = await suite.get(f"{REVISIONS}/{named}")
        assert revision["data"]["spec"] == machine["spec"]
        return named, revision

    vm = await started(suite)
    first, revision = await kept()
    assert revision["revision"] == 2
    await switch(vm, "Halted")
    memory = {"domain": {"resources": {"requests": {"memory": "4096Ki"}}}}
    await suite.patch(vm.vm_path, {"spec": {"template": {"spec": memory}}}, MERGE_PATCH)
    await switch(vm, "Always")
    _, revision = await kept()
    assert revision["revision"] == 5
    assert (await suite.call("GET", f"{REVISIONS}/{first}"))[0] == 404


@pytest.mark.parametrize(
    "unsatisfiable",
    [
        {"domain": {"resources": {"requests": {"memory": "1Ei", "cpu": "1M"}}}},
        {"nodeSelector": {"node-label": "that-doesnt-exist"}},
    ],
)
async def test_machines_that_fit_nowhere(suite: Suite, unsatisfiable: Object) -> None:
    """[6867] [6868] They say so, whether it is for want of room or for want of such a node."""
    vm = await stopped(suite)
    template = {"template": {"spec": unsatisfiable}}
    await suite.patch(vm.vm_path, {"spec": {"runStrategy": "Always", **template}}, MERGE_PATCH)
    await tells(vm, "ErrorUnschedulable")


@pytest.mark.parametrize("strategy", ["Once", "RerunOnFailure", "Manual", "Always"])
async def test_guests_that_power_off(suite: Suite, strategy: str) -> None:
    """[1528] [2190] [3165] V-052: they stay as they have ended, or go, until they are started; unless they are always to run."""
    vm = await guests.machine(suite, guest("cirros"), runStrategy=strategy)
    if strategy == "Manual":
        assert await vm.act("start", kind="virtualmachines") == ""
    await up(vm)
    uid = (await vm.vmi())["metadata"]["uid"]
    await consoles.login_to_cirros(vm)
    async with console(vm) as at:
        await at.says("sudo poweroff\n", PROMPT)
        await at.expect("The system is going down NOW!")

    async def rests() -> bool:
        status, found = await suite.call("GET", vm.path)
        over = status == 404 if strategy == "RerunOnFailure" else found["status"]["phase"] == "Succeeded"
        return over and not (await vm.vm())["status"].get("ready")

    if strategy != "Always":
        await suite.eventually(rests, 240)
        await suite.consistently(rests, 60, 5)
    if strategy == "Once":
        return
    if strategy != "Always":
        assert await vm.act("start", kind="virtualmachines") == ""

    async def another() -> bool:
        status, found = await suite.call("GET", vm.path)
        return status == 200 and found["metadata"]["uid"] != uid and found["status"].get("phase") == "Running"

    await suite.eventually(another, 240)
    await up(vm)
    assert not (await vm.vm())["status"].get("stateChangeRequests")


@pytest.mark.parametrize("kept", ["false", "true"])
async def test_launchers_kept_after_a_failure(suite: Suite, kept: str) -> None:
    """[7164] [6993] A launcher fails with its guest; or goes on, where somebody wants to look into it, until the instance goes."""
    marks = {KEPT: kept, "fakekube.io/fate": "fail-to-boot"}
    vm = await guests.machine(
        suite, guest("cirros"), runStrategy="Manual", template_meta={"annotations": marks}
    )
    assert await vm.act("start", kind="virtualmachines") == ""
    await vm.is_in("Failed")

    async def as_wanted() -> bool:
        (pod,) = await vm.pods()
        (compute,) = [one for one in pod["status"]["containerStatuses"] if one["name"] == "compute"]
        runs = "running" in compute["state"]
        return runs if kept == "true" else not runs and pod["status"]["phase"] == "Failed"

    await suite.consistently(as_wanted, 10)
    (pod,) = await vm.pods()
    await suite.delete(vm.path, {})
    await vm.gone()
    assert (await suite.call("GET", f"{guests.PODS}/{pod['metadata']['name']}"))[0] == 404


async def test_a_crash_loop(suite: Suite) -> None:
    """Starts that fail come ever later; as soon as the template is mended there is no loop any more."""
    marks = {"annotations": {FAILS_FAST: ""}}
    vm = await guests.machine(suite, guest("cirros"), runStrategy="Halted", template_meta=marks)
    await suite.patch(vm.vm_path, {"spec": {"runStrategy": "Always"}}, MERGE_PATCH)
    await tells(vm, "CrashLoopBackOff", 60)

    async def seldom() -> bool:
        return 1 <= (await vm.vm())["status"]["startFailure"]["consecutiveFailCount"] <= 3

    await suite.consistently(seldom, 60, 5)
    mended = {"template": {"metadata": {"annotations": {FAILS_FAST: None}}}}
    await suite.patch(vm.vm_path, {"spec": mended}, MERGE_PATCH)

    async def over() -> bool:
        return "startFailure" not in (await vm.vm())["status"]

    await suite.eventually(over, 300)


@pytest.mark.parametrize("typed", [False, True])
async def test_finalizers(suite: Suite, typed: bool) -> None:
    """[bug #9438] virt-controller's comes with a machine and goes with its deletion; others stay, whatever was deleted before."""
    spec: Object = {"runStrategy": "Always", "template": {"spec": guest("cirros")}}
    sizes = "/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterinstancetypes"
    if typed:
        size = {"cpu": {"guest": 1}, "memory": {"guest": "64Mi"}}
        kind = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": "VirtualMachineClusterInstancetype"}
        await suite.create(sizes, {**kind, "metadata": {"name": "instancetype-abcde"}, "spec": size})
        spec["instancetype"] = {"name": "instancetype-abcde"}
        del spec["template"]["spec"]["domain"]["resources"]
    meta = {"name": "vm", "finalizers": ["customFinalizer"]}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta, "spec": spec}
    await suite.create(VMS, body)
    vm = Guest(suite, "vm")

    async def has(ours: bool) -> bool:
        found = (await vm.vm())["metadata"].get("finalizers", ())
        return (FINALIZER in found) is ours and "customFinalizer" in found

    await suite.eventually(lambda: has(True), 120)
    if typed:
        named = (await vm.vm())["status"]["instancetypeRef"]["controllerRevisionRef"]["name"]
        await suite.delete(f"{REVISIONS}/{named}")
        await suite.delete(f"{sizes}/instancetype-abcde")
    await suite.delete(vm.vm_path, {})
    await suite.eventually(lambda: has(False), 120)
    await suite.patch(vm.vm_path, {"metadata": {"finalizers": None}}, MERGE_PATCH)
    await suite.cluster.settle()
    assert (await suite.call("GET", vm.vm_path))[0] == 404


async def test_whole_numbers(suite: Suite) -> None:
    """CPUs and memory may be numbers."""
    spec = guest("cirros")
    spec["domain"]["resources"] = {one: {"cpu": 2, "memory": 2222222} for one in ("requests", "limits")}
    vm = await guests.machine(suite, spec)
    assert conditions(await vm.vm())["Ready"] == "True"


async def test_nobody_is_root(suite: Suite) -> None:
    """The instance says from the start who its guest runs as, and so it does."""
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": "vmi"}}
    made = await suite.create(guests.VMIS, {**body, "spec": guest()})
    assert made["status"]["runtimeUser"] == 107
    vmi = Guest(suite, "vmi")
    await vmi.is_in("Running")
    assert (await launchers.run(vmi, "id", "-u")).strip() == "107"
