"""Objects to begin with: whatever a factory makes, the server takes as it is."""

import pytest

import fakekube
from fakekube.clock import ManualClock
from fakekube.testing import templates
from fakekube.testing.options import Options


@pytest.fixture
async def cluster():
    async with await templates.cluster(Options(), "manual") as running:
        yield running


@pytest.mark.parametrize(
    "obj",
    [
        fakekube.vm("a"),
        fakekube.vm(
            "a", namespace="default", run_strategy="Halted", labels={"l": "1"}, memory="1Gi", cores=2
        ),
        fakekube.vm("a", fate="fail-to-boot", annotations={"x": "y"}, nodeSelector={"zone": "b"}),
        fakekube.vmi("a", labels={"l": "1"}, terminationGracePeriodSeconds=0),
        fakekube.vmpool("a"),
        fakekube.vmpool("a", 3, template=fakekube.vm("", labels={"l": "1"}), maxUnavailable=1),
    ],
)
async def test_what_is_made_is_valid_and_kept(cluster, obj):
    """Nothing is missing, nothing is pruned."""
    (made,) = await cluster.apply([obj])
    assert contained(obj, made)


@pytest.mark.parametrize(
    ("fate", "why"),
    [
        ("explode", "there is no fate 'explode': there are boot-after"),
        ("boot-after=1s, fail-to-bot", "there is no fate 'fail-to-bot': did you mean 'fail-to-boot'"),
        ("crash-after=soon", "there is no fate 'crash-after=soon': time: invalid duration"),
    ],
)
def test_fates_that_nobody_would_understand_are_refused(fate, why):
    """A guest ignores such a word, and its test would find out nothing."""
    with pytest.raises(ValueError, match="there is no fate") as refused:
        fakekube.vm("a", fate=fate)
    assert str(refused.value).startswith(why)


def contained(part, whole):
    if isinstance(part, dict):
        return all(contained(value, (whole or {}).get(key)) for key, value in part.items())
    return part == whole


async def test_pools_of_different_machines(cluster):
    """The template's labels stay, the pool finds its machines by its own, and the template is not changed."""
    template = fakekube.vm("", labels={"tier": "front"})
    pool = fakekube.vmpool("web", 2, template=template)
    assert template == fakekube.vm("", labels={"tier": "front"})
    assert pool["spec"]["virtualMachineTemplate"]["metadata"]["labels"] == {"tier": "front", "pool": "web"}
    await cluster.apply([pool])
    client = cluster.client()
    from fakekube.machinery.resources import VIRTUAL_MACHINE_POOLS

    async def ready():
        found = await client.get(VIRTUAL_MACHINE_POOLS, "web", "default")
        return (found.get("status") or {}).get("readyReplicas") == 2

    await cluster.run_until(ready)
    assert isinstance(cluster.clock, ManualClock)
