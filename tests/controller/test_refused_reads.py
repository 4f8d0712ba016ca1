"""Reads that are refused for a while, or answered in pieces: it waits, tells, and then knows everything."""

import pytest

from fakekube.machinery import objects
from fakekube.machinery.resources import (
    CONTROLLER_REVISIONS,
    EVENTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    VIRTUAL_MACHINES,
)
from tests.controller.cluster import NS, refusal


@pytest.mark.parametrize(
    "resource",
    [VIRTUAL_MACHINE_POOLS, VIRTUAL_MACHINES, VIRTUAL_MACHINE_INSTANCES, CONTROLLER_REVISIONS],
    ids=lambda resource: resource.plural,
)
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_a_resource_that_may_not_be_read(bare_cluster, world, caplog, resource, verb):
    """Nothing is done on half the knowledge, the log warns once, and the right is used within half a minute of being given."""
    cluster = bare_cluster

    def forbidden(request):
        refused = request.path.endswith(f"/{resource.plural}") and request.method == "GET"
        if refused and ("watch=" in request.query) == (verb == "watch"):
            return refusal(403, "Forbidden", f"{resource.plural} is forbidden")
        return None

    wire = await cluster.control(refuse=forbidden)
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(300)
    warnings = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warnings == [
        f"{resource.plural}.{resource.api_version}: {resource.plural} is forbidden; trying again"
    ]
    if verb == "list":
        assert wire.writes == []
    wire.refuse = None
    await cluster.pass_time(35)
    await cluster.change_pool(replicas=3)
    await cluster.pass_time(3)
    assert sorted(await cluster.vms()) == ["p-0", "p-1", "p-2"]
    assert (await cluster.pool())["status"]["readyReplicas"] == 3


async def test_events_that_may_not_be_written(bare_cluster, world):
    """Telling is a courtesy: pools are kept without it."""
    cluster = bare_cluster
    await cluster.control(
        refuse=lambda request: (
            refusal(403, "Forbidden", "no") if request.path.endswith(f"/{EVENTS.plural}") else None
        )
    )
    await cluster.create_pool(world.pool())
    await cluster.pass_time(4)
    assert (await cluster.pool())["status"]["readyReplicas"] == 3
    assert await cluster.events() == []


@pytest.mark.parametrize("forgotten", [False, True], ids=["pages", "forgotten"])
async def test_more_than_fits_on_a_page(bare_cluster, world, forgotten, monkeypatch):
    """Names that only the last page shows are taken, too; should the server forget the pages meanwhile, all is read at once."""
    cluster = bare_cluster
    cluster.virt_works = False
    monkeypatch.setattr("fakekube.client.client.PAGE_SIZE", 50)
    foreign = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    for ordinal in range(110):
        await cluster.admin.create(
            VIRTUAL_MACHINES, {**foreign, "metadata": {"name": f"p-{ordinal}", "namespace": NS}}
        )
    asked = []

    def note(request):
        if (
            request.method == "GET"
            and request.path.endswith("/virtualmachines")
            and "watch=" not in request.query
        ):
            asked.append(request.query)
            if forgotten and len(asked) == 3:
                return refusal(410, "Expired")
        return None

    await cluster.control(refuse=note)
    await cluster.create_pool(world.pool(replicas=2))
    await cluster.pass_time(3)
    owned = [name for name, vm in (await cluster.vms()).items() if objects.controller_of(vm)]
    assert sorted(owned) == ["p-110", "p-111"]
    limits = ["limit=50" in query for query in asked]
    assert limits == ([True, True, True, False] if forgotten else [True, True, True])
