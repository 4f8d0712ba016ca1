"""Upstream's functional specs of instance types and preferences: applied, kept, required, inferred, written out.

Origin: kubevirt: tests/instancetype/{instancetype,revisions,requirements,inference,reference_policy,upgrade,webhook,memory_overcommit}.go,
tests/hotplug/instancetype.go
"""

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from tests.upstream import guests
from tests.upstream.conftest import Object, Suite, conditions
from tests.upstream.guests import KUBEVIRT

NS = "kubevirt-test-default1"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
ACTIONS = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachines"
REVISIONS = f"/apis/apps/v1/namespaces/{NS}/controllerrevisions"
CDI = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}"
GROUP = "/apis/instancetype.kubevirt.io/v1beta1"
KINDS = {
    "VirtualMachineInstancetype": f"{GROUP}/namespaces/{NS}/virtualmachineinstancetypes",
    "VirtualMachineClusterInstancetype": f"{GROUP}/virtualmachineclusterinstancetypes",
    "VirtualMachinePreference": f"{GROUP}/namespaces/{NS}/virtualmachinepreferences",
    "VirtualMachineClusterPreference": f"{GROUP}/virtualmachineclusterpreferences",
}
SIZE, PREFERENCE = "VirtualMachineInstancetype", "VirtualMachinePreference"
DEFAULT = "instancetype.kubevirt.io/default-"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await suite.create("/api/v1/namespaces", {"metadata": {"name": NS}})
    return suite


def size(cpus: int = 1, memory: str = "128Mi", **more: Any) -> Object:
    """The spec of an instance type, as the specs' builder makes it."""
    cpu, amount = more.pop("cpu", {}), more.pop("memory_more", {})
    return {"cpu": {"guest": cpus, **cpu}, "memory": {"guest": memory, **amount}, **more}


async def made(suite: Suite, kind: str, spec: Object, **meta: str) -> Object:
    body = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": kind, "spec": spec}
    given = meta or {"generateName": f"{kind.lower()[-10:]}-"}
    return await suite.create(KINDS[kind], {**body, "metadata": given})


def matcher(of: Object | None, kind: str = "") -> Object | None:
    return of and {"name": of["metadata"]["name"], "kind": (kind or of["kind"]).lower()}


def machine(
    strategy: str = "Halted", domain: Mapping[str, Any] | None = None, name: str = "", **spec: Any
) -> Object:
    """A machine of the specs without a guest; its memory is what the instance type says."""
    template = spec.pop("template", {"spec": {"domain": {"devices": {}, **(domain or {})}}})
    given = {one: value for one, value in spec.items() if value is not None}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name} if name else {"generateName": "vm-"},
        "spec": {"runStrategy": strategy, "template": template, **given},
    }


class Machine:
    """One machine in the cluster."""

    def __init__(self, suite: Suite, name: str) -> None:
        self.suite, self.name = suite, name
        self.path, self.instance = f"{VMS}/{name}", f"{VMIS}/{name}"

    @classmethod
    async def of(cls, suite: Suite, body: Object) -> "Machine":
        return cls(suite, (await suite.create(VMS, body))["metadata"]["name"])

    async def get(self) -> Object:
        return await self.suite.get(self.path)

    async def ready(self) -> Object:
        """The instance, once the machine says that it is ready."""

        async def look() -> bool:
            return bool((await self.get()).get("status", {}).get("ready"))

        await self.suite.eventually(look, 360)
        return await self.suite.get(self.instance)

    async def start(self) -> Object:
        await self.suite.call("PUT", f"{ACTIONS}/{self.name}/start", {})
        return await self.ready()

    async def stop(self) -> None:
        await self.suite.call("PUT", f"{ACTIONS}/{self.name}/stop", {})

        async def look() -> bool:
            gone = (await self.suite.call("GET", self.instance))[0] == 404
            return gone and not (await self.get())["status"].get("created")

        await self.suite.eventually(look, 300)

    async def revisions(self, *members: str) -> list[str]:
        """The revisions its status names, once it does."""

        async def look() -> list[str] | None:
            status = (await self.get()).get("status", {})
            refs = [status.get(f"{one}Ref", {}).get("controllerRevisionRef", {}) for one in members]
            return [one["name"] for one in refs] if all(refs) else None

        return list(await self.suite.eventually(look, 300))

    async def failure(self) -> Object:
        async def look() -> Object | None:
            listed = (await self.get()).get("status", {}).get("conditions", ())
            return next((one for one in listed if one["type"] == "Failure"), None)

        return dict(await self.suite.eventually(look, 300))


BOTH = ("instancetype", "preference")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_does_not_exist_yet(suite: Suite, kind: str) -> None:
    """[CNV-9086, 9089, 9090, 9091] The machine is stopped and says why; it starts when the missing one is there."""
    member = "preference" if kind.endswith("Preference") else "instancetype"
    refers: Object = {"name": "nonexistent"}
    if "Cluster" not in kind:
        refers["kind"] = kind
    memory = {"resources": {"requests": {"memory": "128Mi"}}} if member == "preference" else {}
    vm = await Machine.of(suite, machine("Always", memory, **{member: refers}))
    failure = await vm.failure()
    assert (failure["status"], failure["reason"]) == ("True", f"FailedFind{member.capitalize()}")
    assert (await vm.get())["status"]["printableStatus"] == "Stopped"
    spec = size() if member == "instancetype" else {"cpu": {"preferredCPUTopology": "cores"}}
    await made(suite, kind, spec, name="nonexistent")
    await vm.ready()
    assert conditions(await vm.get()).get("Failure") is None


async def test_application(suite: Suite) -> None:
    """[CNV-9094, 9095] Cluster-wide ones without a kind are found; what both say is in the instance, with annotations."""
    whole = await made(suite, "VirtualMachineClusterInstancetype", size())
    topology = {"cpu": {"preferredCPUTopology": "sockets"}}
    favour = await made(suite, "VirtualMachineClusterPreference", topology)
    named = {"instancetype": whole, "preference": favour}
    refs = {member: {"name": one["metadata"]["name"]} for member, one in named.items()}
    await (await Machine.of(suite, machine("Always", **refs))).ready()

    own = {"required-annotation-1": "1", "required-annotation-2": "2"}
    small = await made(suite, SIZE, size(2, annotations=own))
    preferred = {
        **topology,
        "devices": {"preferredDiskBus": "sata"},
        "features": {"preferredHyperv": {"vapic": {"enabled": True}, "relaxed": {"enabled": True}}},
        "firmware": {"preferredUseBios": True},
        "preferredTerminationGracePeriodSeconds": 15,
        "preferredSubdomain": "non-existent-subdomain",
        "annotations": {
            "preferred-annotation-1": "1",
            "preferred-annotation-2": "use-vm-value",
            "required-annotation-1": "use-instancetype-value",
        },
    }
    liking = await made(suite, PREFERENCE, preferred)
    body = machine("Always", instancetype=matcher(small), preference=matcher(liking))
    body["spec"]["template"]["metadata"] = {"annotations": {"preferred-annotation-2": "2"}}
    body["spec"]["template"]["spec"]["volumes"] = [
        {"name": "d", "containerDisk": {"image": "registry:5000/x:y"}}
    ]
    found = await (await Machine.of(suite, body)).ready()
    spec, marks = found["spec"], found["metadata"]["annotations"]
    assert spec["domain"]["cpu"]["sockets"] == 2
    assert spec["domain"]["memory"]["guest"] == "128Mi"
    assert [one["disk"]["bus"] for one in spec["domain"]["devices"]["disks"]] == ["sata"]
    assert spec["domain"]["features"]["hyperv"] == preferred["features"]["preferredHyperv"]
    assert spec["domain"]["firmware"]["bootloader"]["bios"] is not None
    assert (spec["terminationGracePeriodSeconds"], spec["subdomain"]) == (15, "non-existent-subdomain")
    wanted = {
        "kubevirt.io/instancetype-name": small["metadata"]["name"],
        "kubevirt.io/preference-name": liking["metadata"]["name"],
        **own,
        "preferred-annotation-1": "1",
        "preferred-annotation-2": "2",
    }
    assert marks.items() >= wanted.items()
    assert not marks.keys() & {"kubevirt.io/cluster-instancetype-name", "kubevirt.io/cluster-preference-name"}


async def test_default_devices_and_pinned_cpus(suite: Suite) -> None:
    """[CNV-9302, 9303] Devices that go without saying are as preferred; an instance type pins CPUs."""
    devices = {"preferredInterfaceModel": "virtio", "preferredDiskBus": "virtio"}
    liking = await made(suite, "VirtualMachineClusterPreference", {"devices": devices})
    memory = {"resources": {"requests": {"memory": "128Mi"}}}
    refers = {"name": liking["metadata"]["name"]}
    body = machine("Always", memory, preference=refers)
    body["spec"]["template"]["spec"]["volumes"] = [
        {"name": "d", "containerDisk": {"image": "registry:5000/x:y"}}
    ]
    found = (await (await Machine.of(suite, body)).ready())["spec"]["domain"]["devices"]
    assert found["interfaces"][0]["model"] == "virtio"
    assert [one["disk"]["bus"] for one in found["disks"]] == ["virtio"]
    pinned = await made(suite, "VirtualMachineClusterInstancetype", size(cpu={"dedicatedCPUPlacement": True}))
    vm = await Machine.of(suite, machine("Always", instancetype={"name": pinned["metadata"]["name"]}))
    assert (await vm.ready())["spec"]["domain"]["cpu"]["dedicatedCpuPlacement"] is True


@pytest.mark.parametrize("by_cluster", [True, False])
async def test_memory_overcommit(suite: Suite, by_cluster: bool) -> None:
    """The instance type's share counts, whatever the cluster's is; Go reckons it with 32 bits."""
    if by_cluster:
        found = await suite.get(KUBEVIRT)
        found["spec"]["configuration"].setdefault("developerConfiguration", {})["memoryOvercommit"] = 200
        await suite.call("PUT", KUBEVIRT, found)
    small = await made(suite, SIZE, size(memory="128Mi", memory_more={"overcommitPercent": 15}))
    vm = await Machine.of(suite, machine("Always", instancetype=matcher(small)))
    domain = (await vm.ready())["spec"]["domain"]
    assert domain["memory"]["guest"] == "128Mi"

    def single(value: float) -> float:
        return float(struct.unpack("f", struct.pack("f", value))[0])

    share = single(1 - single(15 / single(100)))
    assert int(domain["resources"]["requests"]["memory"]) == int(single(128 * 2**20 * share))


async def test_revisions(suite: Suite) -> None:
    """[CNV-9098] A machine keeps what it met; another one, later, meets the newer instance type."""
    small = await made(suite, SIZE, size())
    liking = await made(suite, PREFERENCE, {"cpu": {"preferredCPUTopology": "sockets"}})
    refs = {"instancetype": matcher(small), "preference": matcher(liking)}
    vm = await Machine.of(suite, machine(**refs))
    first, second = await vm.revisions(*BOTH)
    assert (await suite.get(f"{REVISIONS}/{first}"))["data"]["spec"] == small["spec"]
    assert (await suite.get(f"{REVISIONS}/{second}"))["data"]["spec"] == liking["spec"]
    assert (await vm.start())["spec"]["domain"]["cpu"]["sockets"] == 1
    path = f"{KINDS[SIZE]}/{small['metadata']['name']}"
    operations = [
        {"op": "test", "path": "/spec/cpu/guest", "value": 1},
        {"op": "replace", "path": "/spec/cpu/guest", "value": 2},
    ]
    newer = await suite.patch(path, operations)
    await vm.stop()
    assert (await vm.start())["spec"]["domain"]["cpu"]["sockets"] == 1
    other = await Machine.of(suite, machine(**refs))
    kept, _ = await other.revisions(*BOTH)
    assert kept != first
    assert (await suite.get(f"{REVISIONS}/{kept}"))["data"]["spec"] == newer["spec"]
    assert (await other.start())["spec"]["domain"]["cpu"]["sockets"] == 2


async def test_a_revision_with_other_data(suite: Suite) -> None:
    """[CNV-9304] A revision of the expected name that keeps something else makes the machine fail."""
    small = await made(suite, SIZE, size())
    body = machine("Always", name="vm", instancetype=matcher(small))
    vm = await Machine.of(suite, body)
    await vm.ready()
    (own,) = await vm.revisions("instancetype")
    kept = await suite.get(f"{REVISIONS}/{own}")
    await vm.stop()
    await suite.delete(vm.path, {})

    async def collected() -> bool:
        return (await suite.call("GET", f"{REVISIONS}/{own}"))[0] == 404

    await suite.eventually(collected, 300)
    data = {**kept["data"], "spec": size(memory="138Mi")}
    await suite.create(
        REVISIONS,
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": own},
            "data": data,
            "revision": 0,
        },
    )
    failure = await (await Machine.of(suite, body)).failure()
    assert failure["status"] == "True"
    assert "found existing ControllerRevision with unexpected data" in failure["message"]


def needs(**requirements: Object) -> Object:
    return {"requirements": requirements}


def topology(kind: str | None, cpus: int = 2) -> Object:
    wanted = {"cpu": {"preferredCPUTopology": kind}} if kind else {}
    return {**wanted, **needs(cpu={"guest": cpus})}


def cpu(sockets: int = 1, cores: int = 1, threads: int = 1) -> Object:
    return {"cpu": {"sockets": sockets, "cores": cores, "threads": threads}}


TWO_GB = needs(memory={"guest": "2Gi"})
NO_CPUS, NO_MEMORY = "insufficient CPU resources", "insufficient Memory resources"


REQUIREMENTS: list[tuple[Object | None, Object, Object, str]] = [
    (size(2, "0"), topology(None), {}, ""),
    (size(0, "2Gi"), TWO_GB, {}, ""),
    (None, topology(None), cpu(sockets=2), ""),
    (None, topology("cores"), cpu(cores=2), ""),
    (None, topology(None, 1), {}, ""),
    (None, topology("threads"), cpu(threads=2), ""),
    (None, topology("any", 4), cpu(sockets=2, cores=2), ""),
    (None, TWO_GB, {"memory": {"guest": "2Gi"}}, ""),
    (size(1, "0"), topology(None), {}, NO_CPUS),
    (size(0, "1Gi"), TWO_GB, {}, NO_MEMORY),
    (None, topology(None), cpu(), NO_CPUS),
    (None, topology("cores"), cpu(), NO_CPUS),
    (None, topology("threads"), cpu(), NO_CPUS),
    (None, topology("any", 4), cpu(cores=2), NO_CPUS),
    (None, topology("cores"), cpu(sockets=2), NO_CPUS),
    (None, TWO_GB, {"memory": {"guest": "1Gi"}}, NO_MEMORY),
    (None, TWO_GB, {}, NO_MEMORY),
]


async def test_requirements(suite: Suite) -> None:
    """What a preference requires is offered, by the instance type or else by the machine; else it is refused."""
    for instancetype, preference, domain, refusal in REQUIREMENTS:
        small = instancetype and await made(suite, SIZE, instancetype)
        liking = await made(suite, PREFERENCE, preference)
        body = machine(domain=domain, instancetype=matcher(small), preference=matcher(liking))
        status, answer = await suite.call("POST", VMS, body)
        assert status == (422 if refusal else 201), answer
        if refusal:
            assert "failure checking preference requirements" in answer["message"]
            assert refusal in answer["message"]


async def test_requirements_at_updates(suite: Suite) -> None:
    """[bug #14595] A change to less than the preference requires is refused, of the machine or to another instance type."""
    liking = await made(suite, PREFERENCE, needs(memory={"guest": "1Gi"}))
    domain = {"resources": {"requests": {"memory": "1Gi"}}}
    vm = await Machine.of(suite, machine("Always", domain, preference=matcher(liking)))
    path = "/spec/template/spec/domain/resources/requests/memory"
    less = [{"op": "test", "path": path, "value": "1Gi"}, {"op": "replace", "path": path, "value": "512Mi"}]
    patched = await suite.refused("PATCH", vm.path, less, content="application/json-patch+json")
    text = "failure checking preference requirements: insufficient Memory resources of 512Mi provided by {}, preference requires 1Gi"
    assert text.format("VirtualMachine") in patched["message"]
    large, small = [await made(suite, SIZE, size(memory=memory)) for memory in ("1Gi", "512Mi")]
    vm = await Machine.of(suite, machine(instancetype=matcher(large), preference=matcher(liking)))
    await vm.revisions(*BOTH)
    change = [{"op": "replace", "path": "/spec/instancetype/name", "value": small["metadata"]["name"]}]
    patched = await suite.refused("PATCH", vm.path, change, content="application/json-patch+json")
    assert text.format("instance type") in patched["message"]


async def test_validation(suite: Suite) -> None:
    """[CNV-9082, 9083, 9084] Good ones are taken; of one without a name and numbers the first cause is what is missing."""
    await made(suite, SIZE, size())
    await made(suite, PREFERENCE, {})
    for spec in (size(0, "128M"), size(1, "0")):
        body = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": SIZE, "metadata": {}, "spec": spec}
        refused = await suite.refused("POST", KINDS[SIZE], body)
        assert refused["details"]["causes"][0]["reason"] == "FieldValueRequired"


class Source:
    """A volume whose labels name an instance type and a preference."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    async def set_up(self) -> None:
        self.size = await made(self.suite, SIZE, size(memory="128M"))
        self.liking = await made(self.suite, PREFERENCE, {"cpu": {"preferredCPUTopology": "cores"}})
        self.labels = {
            f"{DEFAULT}instancetype": self.size["metadata"]["name"],
            f"{DEFAULT}instancetype-kind": SIZE.lower(),
            f"{DEFAULT}preference": self.liking["metadata"]["name"],
            f"{DEFAULT}preference-kind": PREFERENCE.lower(),
        }
        self.name = await self.volume("source", self.labels)

    def spec(self, **more: Any) -> Object:
        requests = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        return {"storage": requests, **(more or {"source": {"blank": {}}})}

    async def volume(self, name: str, labels: Object) -> str:
        meta = {
            "name": name,
            "labels": labels,
            "annotations": {"cdi.kubevirt.io/storage.bind.immediate.requested": "true"},
        }
        body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume"}
        await self.suite.create(f"{CDI}/datavolumes", {**body, "metadata": meta, "spec": self.spec()})

        async def succeeded() -> bool:
            found = await self.suite.get(f"{CDI}/datavolumes/{name}")
            return found.get("status", {}).get("phase") == "Succeeded"

        await self.suite.eventually(succeeded, 180)
        return name

    async def source(self, name: str, claim: str, labels: Object) -> str:
        body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataSource"}
        spec = {"source": {"pvc": {"name": claim, "namespace": NS}}}
        meta = {"name": name, "labels": labels}
        await self.suite.create(f"{CDI}/datasources", {**body, "metadata": meta, "spec": spec})
        return name

    def machine(
        self, volume: Object, policy: str = "Reject", domain: Object | None = None, **spec: Any
    ) -> Object:
        infer = {"inferFromVolume": "volume", "inferFromVolumeFailurePolicy": policy}
        template = {
            "spec": {"domain": {"devices": {}, **(domain or {})}, "volumes": [{"name": "volume", **volume}]}
        }
        return machine("Always", template=template, instancetype=infer, preference=dict(infer), **spec)


@pytest.mark.parametrize("way", ["claim", "volume", "template", "source", "labelled source"])
async def test_inference(suite: Suite, way: str) -> None:
    """Both are found by the labels of a claim, a DataVolume, what a template is cloned from, and a DataSource."""
    source = Source(suite)
    await source.set_up()
    volume: Object = {"dataVolume": {"name": "datatemplate"}}
    spec: Object = {}
    if way == "claim":
        volume = {"persistentVolumeClaim": {"claimName": source.name}}
    elif way == "volume":
        volume = {"dataVolume": {"name": source.name}}
    else:
        cloned: Object = {"source": {"pvc": {"name": source.name, "namespace": NS}}}
        if way == "source":
            named = await source.source("datasource", source.name, {})
            cloned = {"sourceRef": {"kind": "DataSource", "namespace": NS, "name": named}}
        elif way == "labelled source":
            blank = await source.volume("blank", {})
            named = await source.source("datasource", blank, source.labels)
            cloned = {"sourceRef": {"kind": "DataSource", "namespace": NS, "name": named}}
        template = {"metadata": {"name": "datatemplate"}, "spec": source.spec(**cloned)}
        spec = {"dataVolumeTemplates": [template]}
    vm = await Machine.of(suite, source.machine(volume, **spec))
    stored = (await vm.get())["spec"]
    assert stored["instancetype"] == matcher(source.size)
    assert stored["preference"] == matcher(source.liking)
    assert (await vm.ready())["spec"]["domain"]["cpu"]["cores"] == 1


async def test_inference_fails(suite: Suite) -> None:
    """Failures are ignored where the policy says so; what is inferred is refused like what is named."""
    source = Source(suite)
    await source.set_up()
    domain = {"memory": {"guest": "512Mi"}}
    template = {"metadata": {"name": "datatemplate"}, "spec": source.spec()}
    blank = {"dataVolume": {"name": "datatemplate"}}
    body = source.machine(blank, "Ignore", domain, dataVolumeTemplates=[template])
    stored = (await (await Machine.of(suite, body)).get())["spec"]
    assert not stored.keys() & set(BOTH)
    assert stored["template"]["spec"]["domain"]["memory"]["guest"] == "512Mi"
    body = source.machine({"persistentVolumeClaim": {"claimName": source.name}}, domain=domain)
    for given in (True, False):
        if not given:
            del body["spec"]["instancetype"]["inferFromVolumeFailurePolicy"]
        refused = await suite.refused("POST", VMS, body)
        assert refused["message"] == (
            'admission webhook "virtualmachine-validator.kubevirt.io" denied the request: '
            "VM field(s) spec.template.spec.domain.memory.guest conflicts with selected instance type"
        )


@pytest.mark.parametrize("policy", ["reference", "expand", "expandAll"])
async def test_reference_policy(suite: Suite, policy: str) -> None:
    """Matchers are kept, with revisions, or written out into the template."""
    found = await suite.get(KUBEVIRT)
    found["spec"]["configuration"]["instancetype"] = {"referencePolicy": policy}
    await suite.call("PUT", KUBEVIRT, found)
    small = await made(suite, SIZE, size())
    preferred = {"devices": {"preferredDiskBus": "virtio"}, "cpu": {"preferredCPUTopology": "cores"}}
    liking = await made(suite, PREFERENCE, preferred)
    body = machine("Always", instancetype=matcher(small), preference=matcher(liking))
    body["spec"]["template"]["spec"]["volumes"] = [
        {"name": "d", "containerDisk": {"image": "registry:5000/x:y"}}
    ]
    vm = await Machine.of(suite, body)
    await vm.ready()
    stored = await vm.get()
    if policy == "reference":
        assert stored["spec"]["instancetype"] == matcher(small)
        assert stored["spec"]["preference"] == matcher(liking)
        assert len(await vm.revisions(*BOTH)) == 2
        return
    assert not stored["spec"].keys() & set(BOTH)
    domain = stored["spec"]["template"]["spec"]["domain"]
    assert (domain["cpu"]["cores"], domain["memory"]["guest"]) == (1, "128Mi")
    assert domain["devices"]["disks"][0]["disk"]["bus"] == "virtio"


async def test_written_out_later(suite: Suite) -> None:
    """`expand` leaves machines with revisions as they are, `expandAll` writes them out, too; the revisions go."""
    small = await made(suite, SIZE, size())
    vm = await Machine.of(suite, machine(instancetype=matcher(small)))
    (kept,) = await vm.revisions("instancetype")
    for policy, left in (("expand", True), ("expandAll", False)):
        found = await suite.get(KUBEVIRT)
        found["spec"]["configuration"]["instancetype"] = {"referencePolicy": policy}
        await suite.call("PUT", KUBEVIRT, found)
        await suite.patch(vm.path, [{"op": "add", "path": "/metadata/labels", "value": {"policy": policy}}])
        await suite.cluster.settle()
        stored = await vm.get()
        assert ("instancetype" in stored["spec"]) is left
        assert ("instancetypeRef" in stored["status"]) is left
        assert (await suite.call("GET", f"{REVISIONS}/{kept}"))[0] == (200 if left else 404)


@pytest.mark.parametrize("kind", KINDS)
async def test_upgrades(suite: Suite, kind: str) -> None:
    """A revision of an older version, put under a machine, is replaced by one of today's, and goes."""
    for old in ("latest", "without labels", "v1alpha2", "v1alpha1", "spec revision"):
        await upgrade(suite, kind, old)


async def upgrade(suite: Suite, kind: str, old: str) -> None:
    member = "preference" if kind.endswith("Preference") else "instancetype"
    specs = {"instancetype": size(), "preference": {"cpu": {"preferredCPUTopology": "preferSockets"}}}
    known = {"instancetype": SIZE, "preference": PREFERENCE}
    refs = {one: matcher(await made(suite, known[one], specs[one])) for one in BOTH}
    vm = await Machine.of(suite, machine(**refs))
    await vm.revisions(*BOTH)
    target = await made(suite, kind, specs[member])
    before, meta = (await vm.revisions(member))[0], target["metadata"]
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": vm.name, "controller": True}
    owner["uid"] = (await vm.get())["metadata"]["uid"]
    version = old if old.startswith("v1") else "v1beta1"
    data: Object = {"apiVersion": f"instancetype.kubevirt.io/{version}", "kind": kind, "spec": specs[member]}
    data["metadata"] = {one: meta[one] for one in ("name", "uid", "generation")}
    name, labels = f"{vm.name}-{meta['name']}-{meta['uid']}-1", {}
    if old == "latest":
        name = f"{vm.name}-{meta['name']}-v1beta1-{meta['uid']}-1"
        labels = {"instancetype.kubevirt.io/object-version": "v1beta1"}
    if old == "spec revision":
        name = "specrevision-abcde"
        spec = base64.b64encode(json.dumps(specs[member]).encode()).decode()
        data = {"apiVersion": "instancetype.kubevirt.io/v1alpha1", "spec": spec}
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "data": data, "revision": 0}
    await suite.create(
        REVISIONS, {**body, "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]}}
    )
    path = f"/status/{member}Ref/controllerRevisionRef/name"
    await suite.patch(f"{vm.path}/status", [{"op": "add", "path": path, "value": name}])

    async def upgraded() -> str | None:
        (now,) = await vm.revisions(member)
        found = await suite.get(f"{REVISIONS}/{now}")
        latest = found["metadata"]["labels"].get("instancetype.kubevirt.io/object-version") == "v1beta1"
        same = found["data"].get("spec") == specs[member]
        return now if latest and same and now != before else None

    now = await suite.eventually(upgraded, 30)
    assert (await suite.call("GET", f"{REVISIONS}/{name}"))[0] == (200 if now == name else 404)


@pytest.mark.parametrize("with_limits", [True, False])
async def test_hotplug(suite: Suite, with_limits: bool) -> None:
    """A larger instance type reaches the guest by a migration; no restart is asked for."""
    await guests.live_updated(suite)
    limits: Object = {"cpu": {"maxSockets": 2}, "memory_more": {"maxGuest": "1152Mi"}} if with_limits else {}
    original = await made(suite, SIZE, size(1, "1Gi", **limits), name="original-instancetype")
    await made(suite, SIZE, size(2, "1152Mi", **limits), name="max-instancetype")
    devices = {"interfaces": [{"name": "default", "masquerade": {}}]}
    body = machine("Always", {"devices": devices}, instancetype=matcher(original))
    body["spec"]["template"]["metadata"] = {"annotations": {"fakekube.io/fate": "migration-takes=30s"}}
    body["spec"]["template"]["spec"]["networks"] = [{"name": "default", "pod": {}}]
    vm = await Machine.of(suite, body)
    await vm.ready()
    path = "/spec/instancetype/name"
    operations = [
        {"op": "test", "path": path, "value": "original-instancetype"},
        {"op": "replace", "path": path, "value": "max-instancetype"},
    ]
    await suite.patch(vm.path, operations)

    async def changing() -> bool:
        told = conditions(await suite.get(vm.instance))
        return told.get("HotVCPUChange") == told.get("HotMemoryChange") == "True"

    async def changed() -> Object | None:
        instance = await suite.get(vm.instance)
        done = not conditions(instance).keys() & {"HotVCPUChange", "HotMemoryChange"}
        return instance if done else None

    await suite.eventually(changing, 60)
    instance = await suite.eventually(changed, 240)
    assert instance["spec"]["domain"]["cpu"]["sockets"] == 2
    assert instance["status"]["currentCPUTopology"]["sockets"] == 2
    assert instance["spec"]["domain"]["memory"]["guest"] == "1152Mi"
    amounts = instance["status"]["memory"]
    assert [amounts[f"guest{word}"] for word in ("AtBoot", "Requested", "Current")] == [
        "1Gi",
        "1152Mi",
        "1152Mi",
    ]
    assert conditions(await vm.get()).get("RestartRequired") is None
