"""KubeVirt's own virt-handler on the controllers played here: what it writes, as it writes it, and what follows.

Origin: kubevirt: pkg/virt-handler/{vm,migration-source,migration-target}.go, pkg/virt-handler/{heartbeat,node-labeller}
"""

from collections.abc import Callable

import pytest

from fakekube.clock import rfc3339
from tests.upstream.conftest import MERGE_PATCH, STRATEGIC, Make, Object, Suite, conditions
from tests.upstream.foreign.go_controller import MIGRATIONS, NS, PODS, VMIS
from tests.upstream.foreign.go_values import Types
from tests.upstream.foreign.subjects import VM

NODES = "/api/v1/nodes"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
DEVICES = {f"devices.kubevirt.io/{one}": "1k" for one in ("kvm", "tun", "vhost-net")}
MACHINE = "pc-q35-rhel9.6.0"
TARGET = "kubevirt.io/migrationTargetNodeName"


class Handler:
    """The virt-handlers of all nodes, and the launchers they speak to. They write whole instances, of Go's types, under their
    account (`own`), which may do what its roles allow."""

    def __init__(self, suite: Suite, own: Suite, types: Types) -> None:
        self.suite, self.own, self.types, self.path = suite, own, types, f"{VMIS}/vm"

    @property
    def now(self) -> str:
        return rfc3339(self.suite.cluster.clock.now())

    async def join(self, node: str) -> None:
        """A node becomes one for guests: marks, a heartbeat, devices."""
        marks = {"kubevirt.io/schedulable": "true", "kubevirt.io/cpumanager": "false"}
        marks |= {f"machine-type.node.kubevirt.io/{one}": "true" for one in ("q35", MACHINE)}
        marks |= {
            f"{one}.node.kubevirt.io/Skylake": "true" for one in ("host-model-cpu", "cpu-model-migration")
        }
        meta = {"labels": marks, "annotations": {"kubevirt.io/heartbeat": self.now}}
        await self.own.patch(f"{NODES}/{node}", {"metadata": meta}, STRATEGIC)
        offers = {"status": {"capacity": DEVICES, "allocatable": DEVICES}}
        await self.suite.patch(f"{NODES}/{node}/status", offers, STRATEGIC)

    async def mine(self, node: str, label: str = "kubevirt.io/nodeName") -> Object | None:
        """The instance, as far as the node's informers know it."""
        found = await self.own.items(VMIS, f"{label} in ({node})")
        return self.types.again("virtualmachineinstances", "v1", found[0]) if found else None

    async def write(
        self, node: str, change: Callable[[Object], None], label: str = "kubevirt.io/nodeName"
    ) -> Object:
        vmi = await self.mine(node, label)
        assert vmi is not None
        change(vmi)
        made: Object = await self.own.done("PUT", self.path, vmi)
        await self.suite.cluster.advance(2)
        return made

    def entered(self, phase: str) -> Callable[[Object], None]:
        def change(vmi: Object) -> None:
            entry = {"phase": phase, "phaseTransitionTimestamp": self.now}
            known = vmi["status"].get("phaseTransitionTimestamps") or []
            vmi["status"] |= {"phase": phase, "phaseTransitionTimestamps": [*known, entry]}

        return change

    async def boot(self, node: str) -> None:
        def change(vmi: Object) -> None:
            self.entered("Running")(vmi)
            untimed = {"lastProbeTime": None, "lastTransitionTime": None}
            told = [
                {"type": one, "status": "True", **untimed}
                for one in ("LiveMigratable", "StorageLiveMigratable")
            ]
            status = vmi["status"]
            status["conditions"] = [*status["conditions"], *told]
            status |= {"migrationMethod": "LiveMigration", "selinuxContext": "none", "guestOSInfo": {}}
            status["machine"] = {"type": MACHINE}
            (interface,) = status["interfaces"]
            interface |= {"infoSource": "domain", "mac": "02:00:00:00:00:01", "ipAddress": "10.0.0.1"}

        await self.write(node, change)

    async def ended(self, pod: str, phase: str = "Succeeded") -> None:
        """A launcher's process is over, as its kubelet sees it."""
        await self.suite.patch(f"{PODS}/{pod}/status", {"status": {"phase": phase}}, MERGE_PATCH)
        await self.suite.cluster.advance(2)


@pytest.fixture
async def handler(suite_of: Make) -> Handler:
    suite = await suite_of(without=("virt-handler",), rbac=True)
    own = await suite.as_component("handler")
    made = Handler(suite, own, await Types.of(own))
    for node in ("node01", "node02"):
        await made.join(node)
    return made


async def running(handler: Handler) -> str:
    """A machine, and the node its guest is on."""
    suite = handler.suite
    await suite.create(VMS, VM)
    await suite.cluster.advance(5)
    vmi = await suite.get(handler.path)
    assert vmi["status"]["phase"] == "Scheduled", vmi["status"]
    node = str(vmi["status"]["nodeName"])
    await handler.boot(node)
    vm = await suite.get(f"{VMS}/vm")
    assert (vm["status"]["printableStatus"], vm["status"]["ready"]) == ("Running", True)
    return node


async def test_a_machine_lives(handler: Handler) -> None:
    """Scheduled is the node's; what it tells of the guest reaches the machine; once the guest has ended, all of it goes."""
    suite, node = handler.suite, await running(handler)
    before = await suite.get(handler.path)
    await suite.delete(f"{VMS}/vm")
    await suite.cluster.advance(5)
    assert (await suite.get(handler.path))["status"]["phase"] == "Running", "the guest is the node's to end"
    await handler.write(node, handler.entered("Succeeded"))
    (pod,) = [
        one for one in await suite.items(PODS, "kubevirt.io=virt-launcher") if one["spec"]["nodeName"] == node
    ]
    await handler.ended(pod["metadata"]["name"])
    await suite.cluster.advance(40)
    for path in (handler.path, f"{VMS}/vm"):
        assert (await suite.call("GET", path))[0] == 404, before
    assert not await suite.items(PODS)


async def test_a_guest_is_paused(handler: Handler) -> None:
    """The condition is the node's, gate and readiness are the controllers'."""
    suite, node = handler.suite, await running(handler)
    told = {"type": "Paused", "status": "True", "reason": "PausedByUser", "message": "VMI was paused by user"}

    def pause(vmi: Object) -> None:
        times = {"lastProbeTime": handler.now, "lastTransitionTime": handler.now}
        vmi["status"]["conditions"].append({**told, **times})

    await handler.write(node, pause)
    assert (await suite.get(f"{VMS}/vm"))["status"]["printableStatus"] == "Paused"
    assert conditions(await suite.get(handler.path))["Ready"] == "False"


async def test_a_guest_moves(handler: Handler) -> None:
    """Both nodes write what they do, the last of it together with the label; the migration follows step by step."""
    suite, source = handler.suite, await running(handler)
    kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceMigration"}
    await suite.create(MIGRATIONS, {**kind, "metadata": {"name": "m"}, "spec": {"vmiName": "vm"}})
    await suite.cluster.advance(5)
    target = "node02" if source == "node01" else "node01"
    assert await handler.mine(target) is None
    waiting = await handler.mine(target, TARGET)
    assert waiting is not None
    assert waiting["status"]["migrationState"]["targetNode"] == target

    async def phase() -> str:
        return str((await suite.get(f"{MIGRATIONS}/m"))["status"]["phase"])

    def state(**members: object) -> Callable[[Object], None]:
        return lambda vmi: vmi["status"]["migrationState"].update(members)

    assert await phase() == "PreparingTarget"
    ports = {"41111": 49152}
    await handler.write(
        target, state(targetNodeAddress="10.0.0.9", targetDirectMigrationNodePorts=ports), TARGET
    )
    assert await phase() == "TargetReady"
    await handler.write(source, state(startTimestamp=handler.now, mode="PreCopy"))
    assert await phase() == "Running"
    assert (await suite.get(f"{VMS}/vm"))["status"]["printableStatus"] == "Migrating"
    arrived = state(targetNodeDomainDetected=True, targetNodeDomainReadyTimestamp=handler.now)
    await handler.write(target, arrived, TARGET)

    def over(vmi: Object) -> None:
        state(endTimestamp=handler.now)(vmi)
        vmi["metadata"]["labels"]["kubevirt.io/nodeName"] = vmi["status"]["nodeName"] = target
        vmi["status"].pop("launcherContainerImageVersion", None)

    await handler.write(target, over, TARGET)

    def finalized(vmi: Object) -> None:
        state(completed=True)(vmi)
        del vmi["metadata"]["labels"][TARGET]

    await handler.write(target, finalized, TARGET)
    assert await phase() == "Succeeded"
    found = await suite.get(handler.path)
    await handler.ended(found["status"]["migrationState"]["sourcePod"])
    found = await suite.get(handler.path)
    assert (found["status"]["phase"], found["status"]["nodeName"]) == ("Running", target)
    assert found["status"]["launcherContainerImageVersion"]
    assert (await suite.get(f"{VMS}/vm"))["status"]["ready"]


async def test_nobody_answers(handler: Handler) -> None:
    """V-217: a node whose virt-handler tells nothing for five minutes takes no more guests."""
    suite = handler.suite
    await suite.cluster.advance(400)
    (node, other) = await suite.items(NODES)
    assert {one["metadata"]["labels"]["kubevirt.io/schedulable"] for one in (node, other)} == {"false"}
    await handler.join("node01")
    await suite.cluster.advance(5)
    first = await suite.get(f"{NODES}/node01")
    assert first["metadata"]["labels"]["kubevirt.io/schedulable"] == "true"
