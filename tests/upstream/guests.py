"""Guests, migrations and nodes as the functional specs make and watch them."""

from typing import Any

from tests.upstream.conftest import JSON_PATCH, MERGE_PATCH, Object, Refused, Suite, conditions

NS = "kubevirt-test-default1"
KUBEVIRT = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
HERE = f"/apis/kubevirt.io/v1/namespaces/{NS}"
VMS, VMIS, MIGRATIONS = (f"{HERE}/virtualmachine{kind}" for kind in ("s", "instances", "instancemigrations"))
POLICIES = "/apis/migrations.kubevirt.io/v1alpha1/migrationpolicies"
PODS = f"/api/v1/namespaces/{NS}/pods"
EVENTS = f"/api/v1/namespaces/{NS}/events"
NODES = "/api/v1/nodes"
SUBRESOURCES = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"


async def a_namespace(suite: Suite) -> Suite:
    await suite.create("/api/v1/namespaces", {"metadata": {"name": NS, "labels": {"test": NS}}})
    return suite


async def configure(suite: Suite, **configuration: Any) -> None:
    """Change the KubeVirt object's configuration."""
    await suite.patch(KUBEVIRT, {"spec": {"configuration": configuration}}, MERGE_PATCH)
    await suite.cluster.settle()


async def live_updated(suite: Suite) -> Suite:
    """Changes of machines reach their guests, by migrations where that is what it takes."""
    change = {
        "workloadUpdateStrategy": {"workloadUpdateMethods": ["LiveMigrate"]},
        "configuration": {"vmRolloutStrategy": "LiveUpdate"},
    }
    await suite.patch(KUBEVIRT, {"spec": change}, MERGE_PATCH)
    return suite


def guest(image: str = "alpine", *, memory: str = "128Mi", **spec: Any) -> Object:
    """The spec of a guest on a masqueraded network; without `image`, one without disks."""
    domain: Object = {
        "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
        "resources": {"requests": {"memory": memory}},
        **spec.pop("domain", {}),
    }
    made: Object = {
        "domain": domain,
        "networks": [{"name": "default", "pod": {}}],
        "terminationGracePeriodSeconds": 0,
    }
    if image:
        domain["devices"].setdefault("disks", []).append({"name": "disk0", "disk": {"bus": "virtio"}})
        disk = {"image": f"registry:5000/kubevirt/{image}-container-disk-demo:devel"}
        made["volumes"] = [{"name": "disk0", "containerDisk": disk}]
    return {**made, **spec}


class Guest:
    """One instance, with or without a machine of the same name."""

    def __init__(self, suite: Suite, name: str, space: str = NS) -> None:
        self.suite, self.name, self.space = suite, name, space
        self.vm_path, self.path = (one.replace(NS, space) for one in (f"{VMS}/{name}", f"{VMIS}/{name}"))
        self.pods_path = PODS.replace(NS, space)

    async def vmi(self) -> Object:
        return await self.suite.get(self.path)

    async def vm(self) -> Object:
        return await self.suite.get(self.vm_path)

    async def node(self) -> str:
        return str((await self.vmi())["status"]["nodeName"])

    async def state(self) -> Object:
        return (await self.vmi())["status"].get("migrationState") or {}

    async def change(self, *operations: tuple[str, str, Any]) -> Object:
        """JSON patch of the machine, at paths of its template's spec."""
        return await self.suite.patch(self.vm_path, template_patch(*operations))

    async def is_in(self, phase: str, seconds: float = 240) -> Object:
        async def look() -> Object | None:
            vmi = await self.vmi()
            return vmi if vmi["status"].get("phase") == phase else None

        return await self.suite.eventually(look, seconds)

    async def has(
        self, condition: str, wanted: str = "True", seconds: float = 60, *, of_vm: bool = False
    ) -> Object:
        """The object, once a condition of it is so; `wanted` may be "": missing or false."""

        async def look() -> Object | None:
            found = await (self.vm() if of_vm else self.vmi())
            status = conditions(found).get(condition, "")
            return found if status == wanted or (not wanted and status == "False") else None

        return await self.suite.eventually(look, seconds, every=2)

    async def ready(self, seconds: float = 360) -> None:
        async def look() -> Any:
            return (await self.vm()).get("status", {}).get("ready")

        await self.suite.eventually(look, seconds)

    async def gone(self, seconds: float = 240) -> None:
        async def look() -> bool:
            return (await self.suite.call("GET", self.path))[0] == 404

        await self.suite.eventually(look, seconds)

    async def pods(self, **query: str) -> list[Object]:
        uid = (await self.vmi())["metadata"]["uid"]
        return await self.suite.items(
            self.pods_path, f"kubevirt.io=virt-launcher,kubevirt.io/created-by={uid}", **query
        )

    async def pod(self) -> Object:
        """The launcher the guest lives in."""
        node = await self.node()
        (pod,) = [
            one
            for one in await self.pods()
            if one["spec"].get("nodeName") == node and one["status"]["phase"] == "Running"
        ]
        return pod

    async def evict(self, pod: str = "") -> tuple[int, Object]:
        pod = pod or (await self.pod())["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NS}}
        return await self.suite.call("POST", f"{PODS}/{pod}/eviction", body)

    async def act(
        self, verb: str, options: Object | None = None, kind: str = "virtualmachineinstances"
    ) -> str:
        """Call a subresource; what it says where it refuses."""
        path = f"{SUBRESOURCES.replace(NS, self.space)}/{kind}/{self.name}/{verb}"
        status, answer = await self.suite.call("PUT", path, options or {})
        return str(answer["message"]) if status >= 400 else ""

    async def events(self, kind: str = "Warning") -> list[str]:
        """The reasons of what was told of the instance."""
        found = await self.suite.items(EVENTS, fieldSelector=f"involvedObject.name={self.name},type={kind}")
        return [one["reason"] for one in found]

    async def is_told(self, reason: str, kind: str = "Warning", seconds: float = 30) -> None:
        async def look() -> bool:
            return reason in await self.events(kind)

        await self.suite.eventually(look, seconds)


def template_patch(*operations: tuple[str, str, Any]) -> list[Object]:
    made = []
    for op, path, value in operations:
        one = {"op": op, "path": f"/spec/template/spec{path}"}
        made.append(one if op == "remove" else {**one, "value": value})
    return made


async def instance(suite: Suite, spec: Object, name: str = "testvmi-abcde", **meta: Any) -> Guest:
    """A new instance that runs."""
    body = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "spec": spec}
    await suite.create(VMIS, {**body, "metadata": {"name": name, **meta}})
    made = Guest(suite, name)
    await made.is_in("Running")
    return made


async def machine(
    suite: Suite, spec: Object, name: str = "testvmi-abcde", *, space: str = NS, **more: Any
) -> Guest:
    """A new machine, ready if it is to run."""
    template = {"spec": spec, "metadata": more.pop("template_meta", {})}
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "annotations": more.pop("marks", {})},
        "spec": {"runStrategy": "Always", "template": template, **more},
    }
    made = Guest(suite, name, space)
    await suite.create(made.vm_path.rpartition("/")[0], body)
    if body["spec"]["runStrategy"] == "Always":
        await made.ready()
    return made


class Migration:
    """One migration."""

    def __init__(self, suite: Suite, made: Object) -> None:
        self.suite, self.uid = suite, made["metadata"]["uid"]
        own = made["metadata"]
        self.path = f"{MIGRATIONS.replace(NS, own['namespace'])}/{own['name']}"

    async def phase(self) -> str:
        return str((await self.suite.get(self.path)).get("status", {}).get("phase", ""))

    async def is_in(self, phase: str, seconds: float = 240) -> None:
        async def look() -> bool:
            return await self.phase() == phase

        await self.suite.eventually(look, seconds)

    async def succeeds(self, seconds: float = 240) -> None:
        """Never fails on the way."""

        async def look() -> bool:
            phase = await self.phase()
            if phase == "Failed":
                raise Refused(self.path, 200, "it failed")
            return phase == "Succeeded"

        await self.suite.eventually(look, seconds)

    async def disappears(self, seconds: float = 240) -> None:
        async def look() -> bool:
            return (await self.suite.call("GET", self.path))[0] == 404

        await self.suite.eventually(look, seconds)


async def migrate(guest: Guest, *, marks: Object | None = None, **spec: Any) -> Migration:
    """A migration that somebody asks for."""
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstanceMigration",
        "metadata": {"generateName": "test-migration-", "annotations": marks or {}},
        "spec": {"vmiName": guest.name, **spec},
    }
    where = MIGRATIONS.replace(NS, guest.space)
    return Migration(guest.suite, await guest.suite.create(where, body))


async def migrated(guest: Guest, migration: Migration) -> Object:
    """What the specs look for once a migration is said to have succeeded; the instance."""
    vmi = await guest.vmi()
    state = vmi["status"]["migrationState"]
    told = ("startTimestamp", "endTimestamp", "targetNodeDomainReadyTimestamp", "targetNodeAddress")
    assert all(state.get(one) for one in told), state
    assert state["targetNode"] == vmi["status"]["nodeName"] != state["sourceNode"]
    assert (state["completed"], state.get("failed", False)) == (True, False)
    assert (state["migrationUid"], vmi["status"]["phase"]) == (migration.uid, "Running")
    return vmi


async def migration_failed(guest: Guest, migration: Migration) -> str:
    """The same once it is said to have failed; the reason."""
    vmi = await guest.vmi()
    state = vmi["status"]["migrationState"]
    assert all(state.get(one) for one in ("startTimestamp", "endTimestamp", "targetNodeAddress")), state
    assert state["sourceNode"] == vmi["status"]["nodeName"] != state["targetNode"]
    assert (state["completed"], state["failed"], state["migrationUid"]) == (True, True, migration.uid)
    assert vmi["status"]["phase"] == "Running"
    return str(state["failureReason"])


async def policy(suite: Suite, marks: Object, name: str = "testpolicy-abcde", **spec: Any) -> None:
    """A policy for instances with these labels."""
    selectors = {"virtualMachineInstanceSelector": marks, "namespaceSelector": {}}
    body = {
        "apiVersion": "migrations.kubevirt.io/v1alpha1",
        "kind": "MigrationPolicy",
        "metadata": {"name": name},
        "spec": {"selectors": selectors, **spec},
    }
    await suite.create(POLICIES, body)


async def label_node(suite: Suite, node: str, marks: Object) -> None:
    await suite.patch(f"{NODES}/{node}", {"metadata": {"labels": marks}}, MERGE_PATCH)


async def taint(suite: Suite, node: str, key: str = "kubevirt.io/drain") -> None:
    one = {"key": key, "effect": "NoSchedule"}
    await suite.patch(f"{NODES}/{node}", [{"op": "add", "path": "/spec/taints", "value": [one]}], JSON_PATCH)
