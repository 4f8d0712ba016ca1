"""What upstream's storage specs have in common: a class of volume snapshots, machines on volumes, snapshots, webhooks that deny.

Origin: kubevirt: tests/libstorage/, tests/storage/, pkg/libdv, pkg/libvmi
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.upstream.conftest import Object, Suite, conditions

NS = "kubevirt-test-default1"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
VMIS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachineinstances"
ACTIONS = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"
SNAPSHOT_GROUP = f"/apis/snapshot.kubevirt.io/v1beta1/namespaces/{NS}"
SNAPSHOTS = f"{SNAPSHOT_GROUP}/virtualmachinesnapshots"
CONTENTS = f"{SNAPSHOT_GROUP}/virtualmachinesnapshotcontents"
RESTORES = f"{SNAPSHOT_GROUP}/virtualmachinerestores"
CLONES = f"/apis/clone.kubevirt.io/v1beta1/namespaces/{NS}/virtualmachineclones"
TAKEN = f"/apis/snapshot.storage.k8s.io/v1/namespaces/{NS}/volumesnapshots"
VOLUMES = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}/datavolumes"
CLAIMS = f"/api/v1/namespaces/{NS}/persistentvolumeclaims"
EVENTS = f"/api/v1/namespaces/{NS}/events"
HOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CLASS = "standard"
_CSI = Path(__file__).parents[2] / "examples/csi-snapshots.yaml"


async def set_up(suite: Suite) -> None:
    """The namespace of the specs, and what makes volumes snapshottable."""
    await suite.create("/api/v1/namespaces", {"metadata": {"name": NS}})
    await with_snapshots(suite)


async def with_snapshots(suite: Suite) -> None:
    """The types of CSI snapshots, and a class of them."""
    await suite.cluster.apply([one for one in yaml.safe_load_all(_CSI.read_text()) if one])
    await suite.cluster.settle()


def volume(
    name: str,
    *,
    size: str = "1Gi",
    storage: str = CLASS,
    modes: Sequence[str] = ("ReadWriteOnce",),
    **source: Any,
) -> Object:
    """A DataVolume, or what a template says of one."""
    requests = {"resources": {"requests": {"storage": size}}, "storageClassName": storage}
    spec = {
        "storage": {"accessModes": [*modes], **requests},
        **(source or {"source": {"blank": {}}}),
    }
    return {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": name},
        "spec": spec,
    }


def claim(name: str, *, size: str = "1Gi", storage: str = CLASS) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name}, "spec": {**spec, "storageClassName": storage}}


def machine(
    name: str = "vm",
    strategy: str = "Halted",
    *,
    disks: dict[str, Object] | None = None,
    templates: list[Object] | None = None,
    memory: str = "128Mi",
    domain: Object | None = None,
    **meta: Any,
) -> Object:
    """A machine on the pod network; without `disks` it has a container disk and cloud-init, as the specs' Cirros has."""
    cirros = {"disk0": {"containerDisk": {"image": "registry:5000/kubevirt/cirros:devel"}}}
    sources = disks if disks is not None else {**cirros, "disk1": {"cloudInitNoCloud": {"userData": "#!"}}}
    devices = {
        "disks": [{"name": one, "disk": {"bus": "virtio"}} for one in sources],
        "interfaces": [{"name": "default", "masquerade": {}}],
    }
    spec: Object = {
        "domain": {"devices": devices, "resources": {"requests": {"memory": memory}}, **(domain or {})},
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [{"name": one, **source} for one, source in sources.items()],
        "terminationGracePeriodSeconds": 0,
    }
    body: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, **meta},
        "spec": {"runStrategy": strategy, "template": {"spec": spec}},
    }
    if templates:
        body["spec"]["dataVolumeTemplates"] = [
            {"metadata": one["metadata"], "spec": one["spec"]} for one in templates
        ]
    return body


def on_template(
    name: str = "vm", strategy: str = "Halted", *, modes: Sequence[str] = ("ReadWriteOnce",), **more: Any
) -> Object:
    """A machine that boots from a DataVolume of its own, imported from a registry."""
    registry = {"registry": {"url": "docker://registry:5000/alpine", "pullMethod": "node"}}
    imported = volume("dv", modes=modes, source=registry)
    return machine(
        name, strategy, disks={"disk0": {"dataVolume": {"name": "dv"}}}, templates=[imported], **more
    )


class Machine:
    """One machine, and what the specs do with it."""

    def __init__(self, suite: Suite, made: Object) -> None:
        self.suite, self.made = suite, made
        self.name, self.uid = made["metadata"]["name"], made["metadata"]["uid"]
        self.path, self.instance = f"{VMS}/{self.name}", f"{VMIS}/{self.name}"

    @classmethod
    async def of(cls, suite: Suite, body: Object) -> "Machine":
        """Made, its volumes there; if it is to run, it does."""
        vm = cls(suite, await suite.create(VMS, body))
        for template in body["spec"].get("dataVolumeTemplates", ()):
            await succeeded(suite, template["metadata"]["name"])
        if body["spec"].get("runStrategy") == "Always":
            await vm.runs()
        return vm

    async def get(self) -> Object:
        return await self.suite.get(self.path)

    async def vmi(self) -> Object:
        return await self.suite.get(self.instance)

    async def runs(self, condition: str = "Ready") -> Object:
        """The instance, once a condition of it is true."""

        async def look() -> Object | None:
            status, found = await self.suite.call("GET", self.instance)
            return found if status == 200 and conditions(found).get(condition) == "True" else None

        return dict(await self.suite.eventually(look, 720))

    async def act(self, verb: str, body: Object | None = None, kind: str = "virtualmachines") -> Object:
        status, answer = await self.suite.call("PUT", f"{ACTIONS}/{kind}/{self.name}/{verb}", body or {})
        return answer if status >= 400 else {}

    async def start(self) -> Object:
        assert await self.act("start") == {}
        return await self.runs()

    async def stop(self) -> None:
        assert await self.act("stop") == {}

        async def gone() -> bool:
            return (await self.suite.call("GET", self.instance))[0] == 404

        await self.suite.eventually(gone, 300)


async def dumped(suite: Suite, vm: Machine) -> None:
    """The memory of a running machine has been dumped to a claim named fs-pvc."""
    await suite.create(CLAIMS, claim("fs-pvc", size="1536Mi"))
    assert await vm.act("memorydump", {"claimName": "fs-pvc"}) == {}

    async def look() -> bool:
        return (await vm.get())["status"].get("memoryDumpRequest", {}).get("phase") == "Completed"

    await suite.eventually(look, 60)


async def succeeded(suite: Suite, name: str) -> None:
    """The DataVolume has been filled."""

    async def look() -> bool:
        return (await suite.get(f"{VOLUMES}/{name}")).get("status", {}).get("phase") == "Succeeded"

    await suite.eventually(look, 180)


def reference(name: str, kind: str = "VirtualMachine", group: str = "kubevirt.io") -> Object:
    return {"apiGroup": group, "kind": kind, "name": name}


def body_of(kind: str, name: str, group: str = "snapshot.kubevirt.io", **spec: Any) -> Object:
    return {"apiVersion": f"{group}/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def take(suite: Suite, vm: Machine, **spec: Any) -> str:
    """Create the snapshot of a machine, without waiting for anything."""
    name = f"snapshot-{vm.name}"
    made = body_of("VirtualMachineSnapshot", name, source=reference(vm.name), **spec)
    await suite.create(SNAPSHOTS, made)
    return f"{SNAPSHOTS}/{name}"


async def ready(suite: Suite, path: str) -> Object:
    """The snapshot once it can be used, and nothing is locked for it any more."""

    async def look() -> Object | None:
        found = await suite.get(path)
        return found if found.get("status", {}).get("readyToUse") else None

    return dict(await suite.eventually(look, 180))


async def content_of(suite: Suite, snapshot: Object) -> Object:
    return await suite.get(f"{CONTENTS}/{snapshot['status']['virtualMachineSnapshotContentName']}")


def reasons(obj: Object) -> dict[str, tuple[str, str]]:
    """Type → status and reason."""
    return {
        one["type"]: (one["status"], one["reason"]) for one in obj.get("status", {}).get("conditions", ())
    }


async def has_event(suite: Suite, name: str, kind: str, reason: str, message: str = "") -> None:
    """One of these; without a message, whatever it says."""

    async def look() -> bool:
        found = await suite.items(EVENTS)
        return any(
            (one["involvedObject"]["name"], one["type"], one["reason"]) == (name, kind, reason)
            and message in ("", one["message"])
            for one in found
        )

    await suite.eventually(look, 60)


async def deny(
    suite: Suite, name: str, resource: str, *, group: str, labels: dict[str, str], operation: str = "CREATE"
) -> str:
    """Let nobody write objects with these labels: a webhook that nobody answers."""
    rule = {"operations": [operation], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}
    hook = {
        "name": name,
        "admissionReviewVersions": ["v1", "v1beta1"],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "rules": [rule],
        "clientConfig": {"service": {"namespace": NS, "name": "nonexistent", "path": "/foobar"}},
        "objectSelector": {"matchLabels": labels},
    }
    await suite.create(HOOKS, {"metadata": {"name": "temp-webhook"}, "webhooks": [hook]})
    return f"{HOOKS}/temp-webhook"


async def deny_snapshots(suite: Suite, vm: str = "vm") -> str:
    name = "dummy-webhook-deny-volume-snapshot-create.kubevirt.io"
    labels = {"snapshot.kubevirt.io/source-vm-name": vm}
    return await deny(suite, name, "volumesnapshots", group="snapshot.storage.k8s.io", labels=labels)


async def snapshotted(suite: Suite, vm: Machine) -> Object:
    """A snapshot that is ready, and locks the machine no more."""
    snapshot = await ready(suite, await take(suite, vm))

    async def unlocked() -> bool:
        return "snapshotInProgress" not in (await vm.get())["status"]

    await suite.eventually(unlocked, 60)
    return snapshot
