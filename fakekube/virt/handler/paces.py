"""How long things take on a node, as data: a pace for tests, one for demonstrations, one that feels real."""

from dataclasses import dataclass
from typing import Literal

PaceName = Literal["instant", "fast", "realistic"]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. Zero means: in the same breath as what comes before."""

    boot: float  # from Scheduled to Running
    agent: float  # from Running to the guest agent's first word
    shutdown: float  # from the ACPI signal to the end
    migration_step: float  # between the steps of a live migration
    migration_copy: float  # copying the memory


PACES: dict[str, Pace] = {
    "instant": Pace(boot=0.0, agent=0.0, shutdown=0.0, migration_step=0.0, migration_copy=0.0),
    "fast": Pace(boot=0.3, agent=0.5, shutdown=0.3, migration_step=0.2, migration_copy=0.5),
    "realistic": Pace(boot=4.0, agent=15.0, shutdown=6.0, migration_step=1.0, migration_copy=12.0),
}
