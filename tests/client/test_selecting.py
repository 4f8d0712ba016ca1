"""Objects of a cache by what their labels say."""

import pytest

from fakekube.client.informer import Informer
from fakekube.client.selecting import Selecting
from fakekube.machinery import objects, selectors
from fakekube.machinery.resources import CONFIG_MAPS


@pytest.mark.parametrize("before", [True, False])
async def test_who_selects_finds_what_was_there_and_what_came(client, clock, config_map, background, before):
    """Labels are looked through when somebody selects for the first time, and followed from then on; till then they cost nothing."""
    informer = Informer(client, CONFIG_MAPS, clock=clock, namespace="ns")
    selecting, wanted = Selecting(informer), selectors.parse("app=a,tier!=b")
    if before:
        assert not selecting.select(wanted, "ns")
    background(informer.run())
    await informer.wait_synced()
    for name, labels in (("a", {"app": "a"}), ("b", {"app": "a", "tier": "b"}), ("c", {"app": "c"})):
        one = config_map(name)
        one["metadata"]["labels"] = labels
        await client.create(CONFIG_MAPS, one)
    await background.turns()
    assert bool(informer._indexes) is before
    assert [objects.name(one) for one in selecting.select(wanted, "ns")] == ["a"]
    changed = config_map("c")
    changed["metadata"]["labels"] = {"app": "a"}
    await client.update(CONFIG_MAPS, changed)
    await client.delete(CONFIG_MAPS, "a", "ns")
    await background.turns()
    assert [objects.name(one) for one in selecting.select(wanted, "ns")] == ["c"]
    assert not selecting.select(wanted, "elsewhere")
