"""What is to become of a guest, told by the annotation `fakekube.io/fate` on the VM's template, or on a VMI. Pure.

Comma-separated words; durations are seconds, or written as `90s`, `1m30s`:

    boot-after=30s          takes so long to boot
    fail-to-boot            dies before it runs, every time; fail-to-boot=2: only the first two starts
    fail-to-sync            its domain cannot be defined: it stays Scheduled
    crash-after=5s          panics so long after it began to run
    shutdown-after=5s       shuts itself down
    io-error-after=5s       is paused by a disk error
    oom-after=5s            its launcher is killed for want of memory
    liveness-fails-after=5s its liveness probe fails, and the kubelet kills its launcher
    flap-readiness=2s       its launcher is ready and not ready by turns of that length
    agent-after=10s         its agent connects so late; no-agent: never
    agent-lost-after=10s    its agent falls silent
    ignore-shutdown         does not react to ACPI and is killed at the end of the grace period
    stuck-in-deletion       nobody ends it: what the kubelet does at the end of its own grace period ends it
    migration-takes=10s     is copied for so long, if the settings let it
    fail-migration          the copying fails
    stuck-migration         the copying never gets on, and is aborted, usually after 150 s
    target-dies             the launcher it is copied to dies meanwhile
    not-guaranteed          its launcher is not guaranteed the dedicated CPUs it wants (read by virt-controller)

Words for its launcher pod are read by scheduler and kubelet (`agents.fates`). Unknown words are ignored and logged, for
annotations are written by hand.
"""

import logging

from msgspec import Struct
from msgspec.structs import replace

from fakekube.agents.fates import ANNOTATION, WORDS, seconds
from fakekube.machinery.objects import Obj, annotations

ALWAYS = 1_000_000  # more starts than anybody will see

log = logging.getLogger("fakekube.virt.handler")


class Fate(Struct, frozen=True):
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
    fail_to_sync: bool = False
    oom_after: float | None = None
    liveness_fails_after: float | None = None
    agent_lost_after: float | None = None
    stuck_in_deletion: bool = False
    stuck_migration: bool = False
    target_dies: bool = False


NONE = Fate()
FAILED_MIGRATION = "kubevirt.io/func-test-force-launcher-migration-failure"
BLOCKED_TARGET = "kubevirt.io/func-test-block-migration-target-preparation"

_DURATIONS = {
    "boot-after": "boot_after",
    "crash-after": "crash_after",
    "shutdown-after": "shutdown_after",
    "io-error-after": "io_error_after",
    "flap-readiness": "flap_readiness",
    "agent-after": "agent_after",
    "migration-takes": "migration_takes",
    "oom-after": "oom_after",
    "liveness-fails-after": "liveness_fails_after",
    "agent-lost-after": "agent_lost_after",
}
_FLAGS = {
    "no-agent": "no_agent",
    "ignore-shutdown": "ignore_shutdown",
    "fail-migration": "fail_migration",
    "fail-to-sync": "fail_to_sync",
    "stuck-in-deletion": "stuck_in_deletion",
    "stuck-migration": "stuck_migration",
    "target-dies": "target_dies",
}
_BOOTS = "fail-to-boot"
_OF_OTHERS = frozenset((*WORDS, "not-guaranteed"))
KNOWN = (*_DURATIONS, *_FLAGS, _BOOTS, *sorted(_OF_OTHERS))


def of(vmi: Obj) -> Fate:
    own = annotations(vmi)
    text = own.get(ANNOTATION)
    fate = read(text) if text else NONE
    return replace(fate, fail_migration=True) if FAILED_MIGRATION in own else fate


def read(text: str) -> Fate:
    """The fate an annotation describes."""
    found: dict[str, float | int | bool] = {}
    for word in words(text):
        try:
            found |= meaning(word)
        except ValueError as error:
            log.warning("annotation %s: %r is ignored: %s", ANNOTATION, word, error)
    return Fate(**found)  # type: ignore[arg-type]


def words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def meaning(word: str) -> dict[str, float | int | bool]:
    """The members of a Fate one word is about: none, where others read it. Raises ValueError."""
    key, _, value = word.partition("=")
    if key in _DURATIONS:
        return {_DURATIONS[key]: seconds(value)}
    if key in _FLAGS and not value:
        return {_FLAGS[key]: True}
    if key == _BOOTS:
        return {"failed_boots": int(value) if value else ALWAYS}
    if key in _OF_OTHERS:
        return {}
    raise ValueError("no such word")
