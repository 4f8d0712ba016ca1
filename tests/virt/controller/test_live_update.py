"""What a changed template means for a running guest: what is written into the VMI, and what has to wait."""

import pytest

from fakekube.virt.controller import live_update, migration_plan


def template(*, sockets=1, memory="1Gi", cores=1, **resources):
    domain = {"cpu": {"sockets": sockets, "cores": cores, "threads": 2}, "memory": {"guest": memory}}
    return {"domain": {**domain, "resources": resources}}


def vm(**spec):
    return {"template": {"spec": template(**spec)}}


def vmi(*conditions, state=None, dedicated=False, **spec):
    made = {"spec": template(**spec), "status": {}}
    made["status"]["conditions"] = [{"type": one, "status": "True"} for one in conditions]
    if state is not None:
        made["status"]["migrationState"] = state
    if dedicated:
        made["spec"]["domain"]["cpu"]["dedicatedCpuPlacement"] = True
    return made


def replaced(operations):
    return {one["path"]: one["value"] for one in operations if one["op"] == "replace"}


@pytest.mark.parametrize(
    ("resources", "ratio", "found"),
    [
        ({}, 10, {}),
        ({"requests": {"cpu": "100m"}}, 10, {"requests": "1300m"}),
        ({"requests": {"cpu": "1"}}, 10, {"requests": "2200m"}),
        ({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}, 1, {"requests": "13", "limits": "14"}),
    ],
)
def test_more_sockets(resources, ratio, found):
    """What is asked of the node grows with every virtual CPU, as many of which make one of the node's as is configured."""
    started, current = vm(cores=2, **resources), vm(cores=2, sockets=4, **resources)
    guest = vmi(cores=2, **resources)
    made = replaced(live_update.changes(started, current, guest, cpu_ratio=ratio))
    at = "/spec/domain/resources"
    assert made == {
        "/spec/domain/cpu/sockets": 4,
        **{f"{at}/{kind}/cpu": amount for kind, amount in found.items()},
    }


BEGUN = {"startTimestamp": "2026-01-01T00:00:00Z"}
CPU = "Error encountered while handling CPU change request: "
MEMORY = "error encountered while handling memory hotplug requests: "


@pytest.mark.parametrize(
    ("after", "guest", "told"),
    [
        ({"sockets": 2}, vmi(), {}),
        ({}, vmi("HotVCPUChange", "HotMemoryChange", state=BEGUN), {}),
        (
            {"sockets": 3},
            vmi("HotVCPUChange", sockets=2),
            {"HotPlugCPUError": f"{CPU}another CPU hotplug is in progress"},
        ),
        (
            {"sockets": 2},
            vmi(state=BEGUN),
            {"HotPlugCPUError": f"{CPU}CPU hotplug is not allowed while VMI is migrating"},
        ),
        ({"sockets": 2}, vmi(state={**BEGUN, "endTimestamp": "2026-01-01T00:00:01Z"}), {}),
        (
            {"memory": "3Gi"},
            vmi("HotMemoryChange", memory="2Gi"),
            {"HotPlugMemoryError": f"{MEMORY}another memory hotplug is in progress"},
        ),
        (
            {"memory": "3Gi", "sockets": 2},
            vmi("HotVCPUChange", state=BEGUN),
            {
                "HotPlugCPUError": f"{CPU}another CPU hotplug is in progress",
                "HotPlugMemoryError": f"{MEMORY}memory hotplug is not allowed while VMI is migrating",
            },
        ),
        ({"memory": "3Gi"}, vmi("HotVCPUChange"), {}),
    ],
)
def test_waiting(after, guest, told):
    """Sizes change one after the other and not while the guest moves; what waits is told, and not written."""
    found = live_update.waiting(vm(**after), guest)
    assert {one.reason: one.message for one in found.values()} == told
    made = live_update.changes(vm(), vm(**after), guest, cpu_ratio=10, besides=found)
    assert not found or made == []


@pytest.mark.parametrize(
    ("guest", "resources", "found"),
    [
        (vmi(), {"limits": {"cpu": "4"}, "requests": {"memory": "150Mi"}}, {}),
        (vmi("HotVCPUChange"), {"limits": {"cpu": "4"}}, {}),
        (
            vmi("HotVCPUChange", dedicated=True),
            {"limits": {"cpu": "4"}},
            {"kubevirt.io/vmi-pod-cpu-resource-limits": "4"},
        ),
        (
            vmi("HotMemoryChange"),
            {"requests": {"memory": "150Mi"}},
            {"kubevirt.io/vmi-pod-memory-resource-requests": "150Mi"},
        ),
        *(
            (
                vmi("HotMemoryChange"),
                {"requests": {"memory": "150Mi", f"hugepages-{size}": "1Gi"}},
                {"kubevirt.io/vmi-pod-memory-resource-requests": "1174Mi"},
            )
            for size in ("2Mi", "1Gi")
        ),
    ],
)
def test_labels_of_growing_guests(guest, resources, found):
    """A guest that is handed over to grow is labelled with what its new launcher has."""
    target = {
        "spec": {"containers": [{"name": "guest-console-log"}, {"name": "compute", "resources": resources}]}
    }
    assert migration_plan.size_labels(guest, target) == found
