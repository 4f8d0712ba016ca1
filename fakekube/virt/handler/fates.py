"""What is to become of a guest, told by the annotation `fakekube.io/fate` on the VM's template, or on a VMI. Pure.

Comma-separated words; durations are seconds, or end in ms, s, m or h:

    boot-after=30s          takes so long to boot
    fail-to-boot            dies before it runs, every time; fail-to-boot=2: only the first two starts
    crash-after=5s          panics so long after it began to run
    shutdown-after=5s       shuts itself down
    io-error-after=5s       is paused by a disk error
    flap-readiness=2s       its launcher is ready and not ready by turns of that length
    agent-after=10s         its agent connects so late; no-agent: never
    ignore-shutdown         does not react to ACPI and is killed at the end of the grace period
    migration-takes=10s     is copied for so long; fail-migration: the copying fails

Unknown words are ignored and logged, for annotations are written by hand. Unschedulable pods and images that cannot be
pulled are the scheduler's and the kubelet's affair.
"""

import logging
from dataclasses import dataclass

from fakekube.machinery.objects import Obj, annotations

ANNOTATION = "fakekube.io/fate"
ALWAYS = 1_000_000  # more starts than anybody will see

log = logging.getLogger("fakekube.virt.handler")

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Fate:
    """None: does not happen, or as the pace has it."""

    boot_after: float | None = None
    failed_boots: int = 0
    crash_after: float | None = None
    shutdown_after: float | None = None
    io_error_after: float | None = None
    flap_readiness: float | None = None
    agent_after: float | None = None
    no_agent: bool = False
    ignore_shutdown: bool = False
    migration_takes: float | None = None
    fail_migration: bool = False


NONE = Fate()

_DURATIONS = {
    "boot-after": "boot_after",
    "crash-after": "crash_after",
    "shutdown-after": "shutdown_after",
    "io-error-after": "io_error_after",
    "flap-readiness": "flap_readiness",
    "agent-after": "agent_after",
    "migration-takes": "migration_takes",
}
_FLAGS = {"no-agent": "no_agent", "ignore-shutdown": "ignore_shutdown", "fail-migration": "fail_migration"}


def of(vmi: Obj) -> Fate:
    text = annotations(vmi).get(ANNOTATION)
    return read(text) if text else NONE


def read(text: str) -> Fate:
    """The fate an annotation describes."""
    found: dict[str, float | int | bool] = {}
    for word in (part.strip() for part in text.split(",")):
        key, _, value = word.partition("=")
        try:
            if key in _DURATIONS:
                found[_DURATIONS[key]] = seconds(value)
            elif key in _FLAGS and not value:
                found[_FLAGS[key]] = True
            elif key == "fail-to-boot":
                found["failed_boots"] = int(value) if value else ALWAYS
            elif word:
                raise ValueError("no such word")
        except ValueError as error:
            log.warning("annotation %s: %r is ignored: %s", ANNOTATION, word, error)
    return Fate(**found)  # type: ignore[arg-type]


def seconds(text: str) -> float:
    """A duration. Raises ValueError when it is none."""
    for unit, factor in _UNITS.items():
        number = text.removesuffix(unit)
        if number != text and not number.endswith("m"):
            return float(number) * factor
    return float(text)
