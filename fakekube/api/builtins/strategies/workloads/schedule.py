"""Cron schedules: five fields or a word, in the words of the parser Kubernetes uses.

Origin: github.com/robfig/cron v3 parser.go (ParseStandard)
"""

import re
from collections.abc import Mapping

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[int, int, Mapping[str, int]], ...] = (
    (0, 59, {}), (0, 23, {}), (1, 31, {}), (1, 12, _MONTHS), (0, 6, _DAYS),
)  # fmt: skip
_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = "@every "
_is_duration = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)").fullmatch


class _Refused(Exception):
    """The text of the parser's error."""


def problem(schedule: str) -> str:
    """What the parser says of a schedule it cannot read; empty for a sound one."""
    try:
        _parse(schedule)
    except _Refused as refused:
        return str(refused)
    return ""


def _parse(schedule: str) -> None:
    if not schedule:
        raise _Refused("empty spec string")
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        zone, _, schedule = schedule.partition(" ")
        if not zone.partition("=")[2]:
            raise _Refused("provided bad location : unknown time zone ")
        schedule = schedule.strip()
    if schedule.startswith("@"):
        _word(schedule)
        return
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise _Refused(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    for text, bounds in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if part:
                _range(part, *bounds)


def _word(text: str) -> None:
    if text in _WORDS:
        return
    if not text.startswith(_EVERY):
        raise _Refused(f"unrecognized descriptor: {text}")
    duration = text.removeprefix(_EVERY)
    if not _is_duration(duration):
        raise _Refused(f'failed to parse duration {text}: time: invalid duration "{duration}"')


def _range(text: str, low: int, high: int, names: Mapping[str, int]) -> None:
    span, *steps = text.split("/")
    ends = span.split("-")
    if ends[0] in ("*", "?"):
        start, end = low, high
        if len(ends) > 1:
            raise _Refused(f"failed to parse int from {ends[0]}: {_atoi(ends[0])}")
    else:
        start = _number(ends[0], names)
        if len(ends) > 2:
            raise _Refused(f"too many hyphens: {text}")
        end = _number(ends[1], names) if len(ends) > 1 else (high if steps else start)
    if len(steps) > 1:
        raise _Refused(f"too many slashes: {text}")
    step = _number(steps[0], {}) if steps else 1
    if start < low:
        raise _Refused(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise _Refused(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise _Refused(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise _Refused(f"step of range should be a positive number: {text}")


def _number(text: str, names: Mapping[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not re.fullmatch(r"[-+]?[0-9]+", text):
        raise _Refused(f"failed to parse int from {text}: {_atoi(text)}")
    number = int(text)
    if number < 0:
        raise _Refused(f"negative number ({number}) not allowed: {text}")
    return number


def _atoi(text: str) -> str:
    return f'strconv.Atoi: parsing "{text}": invalid syntax'
