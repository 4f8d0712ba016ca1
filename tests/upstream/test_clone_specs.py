"""Upstream's functional specs of clones: of machines and of snapshots, with what is filtered and renewed, with volumes and instance types.

Origin: kubevirt: tests/clone_test.go
"""

from typing import Any

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLONES, NS, RESTORES, SNAPSHOTS, VMS, Machine

TARGET = "vm-clone-target"
KEYS = ("key1", "key2", "somekey/x")
REVISIONS = f"/apis/apps/v1/namespaces/{NS}/controllerrevisions"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


def clone(source: Object | None = None, target: str = TARGET, name: str = "testclone", **spec: Any) -> Object:
    wanted = source or storage.reference("vm")
    group = "clone.kubevirt.io"
    return storage.body_of(
        "VirtualMachineClone", name, group, source=wanted, target=storage.reference(target), **spec
    )


async def succeeded(suite: Suite, name: str = "testclone") -> Object:
    async def look() -> Object | None:
        found = await suite.get(f"{CLONES}/{name}")
        return found if found.get("status", {}).get("phase") == "Succeeded" else None

    return dict(await suite.eventually(look, 180, 3))


async def cloned(suite: Suite, body: Object, *, runs: bool = True) -> Machine:
    """The machine that was made, which starts off and can be started."""
    await suite.create(CLONES, body)
    done = await succeeded(suite, body["metadata"]["name"])
    target = Machine(suite, await suite.get(f"{VMS}/{done['status']['targetName']}"))
    assert target.made["spec"]["runStrategy"] == "Halted"
    if runs:
        await target.start()
        await target.stop()
    return target


def marked(**domain: Any) -> Object:
    """A machine with labels and annotations, on itself and on its template."""
    marks = {"labels": dict.fromkeys(KEYS, "v"), "annotations": dict.fromkeys(KEYS, "v")}
    body = storage.machine(domain={"resources": {"requests": {"memory": "128Mi"}}, **domain}, **marks)
    body["spec"]["template"]["metadata"] = marks
    return body


def marks_of(vm: Object) -> list[set[str]]:
    """Which of the keys are left: labels and annotations, of machine and template."""
    found = (vm["metadata"], vm["spec"]["template"]["metadata"])
    return [set(one.get(kind, {})) & set(KEYS) for one in found for kind in ("labels", "annotations")]


@pytest.mark.parametrize("strategy", ["Halted", "Always"])
async def test_a_simple_clone(suite: Suite, strategy: str) -> None:
    """The target is what the source is; what was made on the way has gone, and so have its names."""
    body = marked()
    body["spec"]["runStrategy"] = strategy
    vm = await Machine.of(suite, body)
    target = await cloned(suite, clone())
    assert marks_of(target.made) == marks_of(vm.made)
    for spec in (
        made := target.made["spec"]["template"]["spec"],
        kept := vm.made["spec"]["template"]["spec"],
    ):
        spec["domain"].pop("firmware", None)
        for interface in spec["domain"]["devices"]["interfaces"]:
            interface.pop("macAddress", None)
    assert made == kept
    status = (await succeeded(suite))["status"]
    assert not {"snapshotName", "restoreName"} & set(status)
    assert not await suite.items(SNAPSHOTS)
    assert not await suite.items(RESTORES)


@pytest.mark.parametrize("gone", [False, True], ids=["source", "no-source"])
async def test_a_clone_of_a_snapshot(suite: Suite, gone: bool) -> None:
    """The snapshot need not be ready yet, the machine it is of need not be there any more; it stays."""
    vm = await Machine.of(suite, marked())
    path = await storage.take(suite, vm)
    name = path.rpartition("/")[2]
    if gone:
        await storage.ready(suite, path)
        await suite.delete(vm.path)

        async def deleted() -> bool:
            return await suite.gone(vm.path)

        await suite.eventually(deleted, 60)
    source = storage.reference(name, "VirtualMachineSnapshot", "snapshot.kubevirt.io")
    target = await cloned(suite, clone(source))
    assert marks_of(target.made) == marks_of(vm.made)
    await suite.get(path)


async def test_filters(suite: Suite) -> None:
    """Labels and annotations stay as the filters say, of the machine and of its template."""
    await Machine.of(suite, marked())
    filters: dict[str, Any] = {
        "labelFilters": ["*", "!key2"],
        "annotationFilters": ["key1"],
        "template": {"labelFilters": ["somekey/*"], "annotationFilters": ["*", "!somekey/*"]},
    }
    target = await cloned(suite, clone(**filters))
    assert marks_of(target.made) == [{"key1", "somekey/x"}, {"key1"}, {"somekey/x"}, {"key1", "key2"}]


async def test_what_is_renewed(suite: Suite) -> None:
    """Addresses and serials are those that were asked for, others are left out; so is the firmware's UUID."""
    body = marked(firmware={"uuid": "6a1a24a1-4061-4607-8bf4-a3963d0c5895", "serial": "source-serial"})
    devices = body["spec"]["template"]["spec"]["domain"]["devices"]
    devices["interfaces"][0]["macAddress"] = "DE-AD-00-00-BE-AF"
    await Machine.of(suite, body)
    wanted = {"newMacAddresses": {"default": "BE-AD-00-00-BE-04"}, "newSMBiosSerial": "target-serial"}
    for spec, address in ((wanted, "BE-AD-00-00-BE-04"), ({}, None)):
        body = clone(target=f"vm-{len(spec)}", name=f"clone-{len(spec)}", **spec)
        domain = (await cloned(suite, body)).made["spec"]["template"]["spec"]["domain"]
        assert domain["devices"]["interfaces"][0].get("macAddress") == address
        firmware = domain.get("firmware", {})
        assert (
            firmware.get("serial") == "target-serial" if spec else firmware.get("serial") != "source-serial"
        )
        assert firmware.get("uuid") != "6a1a24a1-4061-4607-8bf4-a3963d0c5895"


async def test_a_clone_before_its_source(suite: Suite) -> None:
    """A missing source is told of and waited for, and its volumes are waited for, too."""
    await suite.create(CLONES, clone())
    await storage.has_event(suite, "testclone", "Normal", "SourceDoesNotExist")
    await Machine.of(suite, storage.on_template())
    await succeeded(suite)
    target = Machine(suite, await suite.get(f"{VMS}/{TARGET}"))
    await target.start()


async def test_volumes_that_cannot_be_snapshotted(suite: Suite) -> None:
    """It is told, and waited for a class of snapshots."""
    classes = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses"
    (found,) = await suite.items(classes)
    await suite.delete(f"{classes}/{found['metadata']['name']}")
    await Machine.of(suite, storage.on_template())
    await suite.create(CLONES, clone())
    await storage.has_event(suite, "testclone", "Normal", "VMVolumeSnapshotsInvalid")
    assert (await suite.get(f"{CLONES}/testclone"))["status"].get("phase") is None
    typed = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass"}
    fresh = {member: found[member] for member in ("driver", "deletionPolicy")}
    await suite.create(classes, {**fresh, **typed, "metadata": {"name": "late"}})
    await succeeded(suite)


@pytest.mark.parametrize("strategy", ["Halted", "Always"])
async def test_instance_types(suite: Suite, strategy: str) -> None:
    """The target has revisions of its own that say the same."""
    at = f"/apis/instancetype.kubevirt.io/v1beta1/namespaces/{NS}"
    specs = {
        "instancetype": {"cpu": {"guest": 1}, "memory": {"guest": "128Mi"}},
        "preference": {"cpu": {"preferredCPUTopology": "sockets"}},
    }
    body = storage.on_template(strategy=strategy)
    del body["spec"]["template"]["spec"]["domain"]["resources"]
    for kind, spec in specs.items():
        made = {
            "apiVersion": "instancetype.kubevirt.io/v1beta1",
            "kind": f"VirtualMachine{kind.capitalize()}",
        }
        await suite.create(
            f"{at}/virtualmachine{kind}s", {**made, "metadata": {"name": f"vm-{kind}"}, "spec": spec}
        )
        body["spec"][kind] = {"name": f"vm-{kind}", "kind": f"virtualmachine{kind}"}
    vm = await Machine.of(suite, body)
    target = await cloned(suite, clone())

    async def revisions(one: Machine) -> list[Object] | None:
        status = (await one.get())["status"]
        names = [status.get(f"{kind}Ref", {}).get("controllerRevisionRef", {}).get("name") for kind in specs]
        return [await suite.get(f"{REVISIONS}/{name}") for name in names] if all(names) else None

    was, now = [await suite.eventually(lambda one=one: revisions(one), 300) for one in (vm, target)]
    for old, new in zip(was, now, strict=True):
        assert old["metadata"]["name"] != new["metadata"]["name"]
        assert old["data"]["spec"] == new["data"]["spec"]


async def test_a_clone_of_a_clone(suite: Suite) -> None:
    """What was cloned can be cloned."""
    filters: dict[str, Any] = {"labelFilters": ["somekey/*"], "annotationFilters": ["somekey/*"]}
    filters["template"] = dict(filters)
    vm = await Machine.of(suite, storage.on_template())
    first = await cloned(suite, clone(**filters), runs=False)
    second = await cloned(
        suite, clone(storage.reference(TARGET), "vm-clone-from-clone", "test-clone-from-clone", **filters)
    )
    for one in (first, second):
        assert marks_of({**one.made, "spec": {"template": {"metadata": {}}}})[:2] == [set(), set()]
    volumes = [one.made["spec"]["template"]["spec"]["volumes"] for one in (vm, first, second)]
    assert len({str(one) for one in volumes}) == 3


async def test_claims_that_wait_for_a_consumer(suite: Suite) -> None:
    """Snapshot and restore stay, and are named, until the claims of the target are bound."""
    late = {"volumeBindingMode": "WaitForFirstConsumer"}
    (found,) = await suite.items("/apis/storage.k8s.io/v1/storageclasses")
    await suite.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        {"metadata": {"name": "late"}, "provisioner": found["provisioner"], **late},
    )
    body = storage.on_template(strategy="Always")
    body["spec"]["dataVolumeTemplates"][0]["spec"]["storage"]["storageClassName"] = "late"
    vm = Machine(suite, await suite.create(VMS, body))
    await vm.runs()
    await storage.succeeded(suite, "dv")
    await vm.stop()
    await cloned(suite, clone(), runs=False)
    status = (await succeeded(suite))["status"]
    paths = (f"{SNAPSHOTS}/{status['snapshotName']}", f"{RESTORES}/{status['restoreName']}")

    async def there() -> bool:
        return [(await suite.call("GET", one))[0] for one in paths] == [200, 200]

    async def gone() -> bool:
        return [(await suite.call("GET", one))[0] for one in paths] == [404, 404]

    await suite.consistently(there, 30)
    assert await Machine(suite, await suite.get(f"{VMS}/{TARGET}")).act("start") == {}
    await suite.eventually(gone, 60)


async def refused(suite: Suite, source: Object, **spec: Any) -> Object:
    """The clone, once it has said why there is no target."""
    await suite.create(CLONES, clone(source, **spec))
    await suite.cluster.advance(30)
    assert (await suite.call("GET", f"{VMS}/{TARGET}"))[0] == 404
    return await suite.get(f"{CLONES}/testclone")


def reasons(obj: Object) -> dict[str, str]:
    return {one["type"]: one["reason"] for one in obj["status"]["conditions"]}


async def test_addresses_with_colons(suite: Suite) -> None:
    """The restore of a clone is refused where it would write an address with colons, and asked for again and again; once the
    snapshot has gone, too, the clone has failed."""
    vm = await Machine.of(suite, marked())
    source = storage.reference("vm")
    made = await refused(suite, source, newMacAddresses={"default": "be:ad:00:00:be:04"})
    assert made["status"]["phase"] == "RestoreInProgress"
    assert "restoreName" not in made["status"]
    (event,) = await suite.items(storage.EVENTS, fieldSelector="reason=RestoreCreationFailed")
    restore = f"tmp-restore-{made['metadata']['uid']}"
    assert event["message"] == (
        f"failed creating restore {restore} for clone testclone: admission webhook "
        '"virtualmachinerestore-validator.snapshot.kubevirt.io" denied the request: patch format is not valid - one ":" '
        'expected in a single key-value json patch: "value":"be:ad:00:00:be:04"'
    )
    assert (event["type"], event["count"] > 1) == ("Warning", True)
    await suite.delete(f"{SNAPSHOTS}/{made['status']['snapshotName']}")

    async def failed() -> bool:
        return (await suite.get(f"{CLONES}/testclone"))["status"]["phase"] == "Failed"

    await suite.eventually(failed, 600, 10)
    await storage.has_event(suite, "testclone", "Normal", "SnapshotDeleted")
    await suite.get(vm.path)


async def test_a_snapshot_that_is_not_there(suite: Suite) -> None:
    """A clone of a snapshot nobody has taken waits for it, and says so."""
    source = storage.reference("later", "VirtualMachineSnapshot", "snapshot.kubevirt.io")
    made = await refused(suite, source)
    there = f"Source doesnt exist: VirtualMachineSnapshot {storage.NS}/later"
    assert reasons(made) == {"Progressing": "Pending", "Ready": there}
    assert {one["status"] for one in made["status"]["conditions"]} == {"False"}
    assert "phase" not in made["status"]


async def test_what_is_remembered_is_not_cloned(suite: Suite) -> None:
    """A machine whose TPM remembers something cannot be cloned."""
    body = marked()
    body["spec"]["template"]["spec"]["domain"]["devices"]["tpm"] = {"persistent": True}
    await suite.create(VMS, body)
    made = await refused(suite, storage.reference("vm"))
    said = f"Clone of source with backendstorage is not supported: VM {storage.NS}/vm"
    assert (made["status"]["phase"], reasons(made)["Ready"]) == ("Failed", said)
    await storage.has_event(suite, "testclone", "Normal", "SourceVMWithBackendStorageInvalid")


async def test_a_clone_of_nothing(suite: Suite) -> None:
    """It is refused by its definition, as if nobody had looked at it before."""
    body = clone()
    for spec, missing in (({}, "spec.source"), (None, "spec")):
        given = {key: value for key, value in body.items() if key != "spec"} | (
            {} if spec is None else {"spec": spec}
        )
        status, answer = await suite.call("POST", CLONES, given)
        assert (status, answer["message"].partition(": ")[2]) == (422, f"{missing}: Required value"), answer


async def test_a_target_without_a_name(suite: Suite) -> None:
    """The target gets a name when the clone is made, and goes when its target does; clones may be changed, and are judged anew."""
    await Machine.of(suite, marked())
    body = clone()
    del body["spec"]["target"]
    made = await suite.create(CLONES, body)
    target = made["spec"]["target"]
    assert target == {**storage.reference("vm"), "name": target["name"]}
    assert target["name"].startswith("clone-vm-")
    assert (await succeeded(suite))["status"]["targetName"] == target["name"]
    path = f"{CLONES}/testclone"
    changed = await suite.patch(path, {"spec": {"labelFilters": ["a"]}}, MERGE_PATCH)
    assert changed["spec"]["labelFilters"] == ["a"]
    wrong = {"spec": {"labelFilters": ["!"]}}
    assert (await suite.call("PATCH", path, wrong, content=MERGE_PATCH))[0] == 422
    await suite.delete(f"{VMS}/{target['name']}")

    async def gone() -> bool:
        return await suite.gone(path)

    await suite.eventually(gone, 60)
