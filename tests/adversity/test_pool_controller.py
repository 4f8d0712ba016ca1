"""Never a VM too many, never one in vain, nothing of others touched, and always to the wanted end."""

import os

import pytest

from tests.adversity.scenario import KINDS, WRITES, Fault, Life, drawn
from tests.controller.conftest import World


async def lived(*faults):
    life = Life(World(), faults)
    await life.start()
    try:
        await life.live()
    finally:
        await life.stop()
    return life


async def test_how_many_writes_a_life_has():
    """The runs below reach every write: an undisturbed life has as many as they count."""
    assert (await lived()).writes == WRITES


ALL = os.environ.get("FAKEKUBE_ADVERSITY") == "all"  # about a minute and a half; otherwise a quarter of it
STEP = 1 if ALL else 4
RUNS = [
    Fault(kind, at) for number, kind in enumerate(KINDS) for at in range(1 + number % STEP, WRITES + 1, STEP)
]


@pytest.mark.parametrize("fault", RUNS, ids=str)
async def test_a_fault_at_a_write(fault):
    """P-084, P-085, P-204, P-205, P-206, P-207: Whatever befalls whichever write, the life goes its way."""
    life = await lived(fault)
    assert not life.faults, "it did happen"


@pytest.mark.parametrize("seed", range(60 if ALL else 12))
async def test_several_faults(seed):
    """P-084, P-085, P-204: So it does with some of them in one life, drawn by seed."""
    await lived(*drawn(seed))
