"""What programs from outside are tried on: an instance, machines of it, and how far they have got."""

from typing import Any

from tests.upstream.conftest import Object
from tests.upstream.foreign.go_machines import SUBRESOURCES, Machines
from tests.upstream.foreign.go_migrations import VirtController

VM_SUBRESOURCES = f"{SUBRESOURCES}/virtualmachines/vm"
SPEC: Object = {
    "domain": {
        "devices": {
            "disks": [{"name": "disk0", "disk": {"bus": "virtio"}}],
            "interfaces": [{"name": "default", "masquerade": {}}],
        },
        "memory": {"guest": "128Mi"},
        "resources": {},
    },
    "networks": [{"name": "default", "pod": {}}],
    "volumes": [{"name": "disk0", "containerDisk": {"image": "registry:5000/kubevirt/cirros:devel"}}],
}
VM: Object = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm"},
    "spec": {
        "runStrategy": "Always",
        "template": {
            "spec": {
                "domain": {
                    "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
                    "memory": {"guest": "128Mi"},
                },
                "networks": [{"name": "default", "pod": {}}],
                "terminationGracePeriodSeconds": 0,
            }
        },
    },
}


def machine(strategy: str = "Always", **domain: Any) -> Object:
    spec = {**SPEC, "domain": {**SPEC["domain"], **domain}, "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm"},
        "spec": {"runStrategy": strategy, "template": {"metadata": {"labels": {"a": "b"}}, "spec": spec}},
    }


async def running(go: VirtController, spec: Object = SPEC, grace: int = 0) -> Object:
    await go.create(spec, grace)
    await go.work()
    vmi = await go.vmi()
    assert vmi["status"]["phase"] == "Running", vmi["status"]
    return vmi


def phases(obj: Object) -> list[str]:
    return [one["phase"] for one in obj["status"]["phaseTransitionTimestamps"]]


async def told(go: Machines) -> str:
    return str((await go.suite.get(go.machine))["status"]["printableStatus"])


async def asked(go: Machines, verb: str, body: Object | None = None) -> None:
    status, answer = await go.suite.call("PUT", f"{VM_SUBRESOURCES}/{verb}", body or {})
    assert status < 300, answer
    await go.work(60)
