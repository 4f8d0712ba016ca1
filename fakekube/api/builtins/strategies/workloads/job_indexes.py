"""Indexes of a Job as texts like `1,3-5`: what may be written, and what a status may say of them.

Origin: k8s: pkg/apis/batch/validation/validation.go: validateIndexesFormat, validateJobStatus
"""

import re
from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.machinery.field_errors import invalid, show

_NUMBER = re.compile(r"\+?[0-9]+", re.ASCII)

Interval = tuple[int, int]


def intervals(text: str, completions: int) -> list[Interval]:
    """First and last of each. Raises ValueError with the real server's text."""
    found: list[Interval] = []
    for part in text.split(",") if text else ():
        first, last = _interval(part, completions)
        if found and found[-1][1] >= first:
            raise ValueError(f"non-increasing order, previous: {found[-1][1]}, current: {first}")
        found.append((first, last))
    return found


def of_status(now: Mapping[str, Any], before: Mapping[str, Any], spec: Mapping[str, Any]) -> Causes:
    """What is wrong with the indexes a status has come to have: those that stay as they were are nobody's business."""
    found: Causes = []
    good, bad = now.get("completedIndexes") or "", now.get("failedIndexes")
    news = {"completedIndexes": good != (before.get("completedIndexes") or "")}
    news["failedIndexes"] = bad != before.get("failedIndexes")
    if not any(news.values()):
        return found
    limited, completions = spec.get("backoffLimitPerIndex") is not None, spec.get("completions")
    read: dict[str, list[Interval]] = {}
    for member, text in (("completedIndexes", good), ("failedIndexes", bad or "")):
        if completions is None:
            continue
        try:
            read[member] = intervals(text, completions)
        except ValueError as error:
            if news[member] and (limited or member == "completedIndexes"):
                found.append(invalid(f"status.{member}", text, f"error parsing {member}: {error}"))
    if news["completedIndexes"] and good and spec.get("completionMode") != "Indexed":
        said = "cannot set non-empty completedIndexes when non-indexed completion mode"
        found.append(invalid("status.completedIndexes", good, said))
    if news["failedIndexes"] and bad is not None and not limited:
        said = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        found.append(invalid("status.failedIndexes", bad, said))
    if bad is not None and len(read) > 1:
        both = _shared(read["completedIndexes"], read["failedIndexes"])
        if both is not None:
            said = f"failedIndexes and completedIndexes overlap at index: {both}"
            found.append(invalid("status.failedIndexes", bad, said))
    return found


def _interval(part: str, completions: int) -> Interval:
    limits = part.split("-")
    if len(limits) > 2:
        raise ValueError(
            f"the fragment {show(part)} violates the requirement that an index interval can have at most two parts "
            "separated by '-'"
        )
    numbers = [_index(one, completions) for one in limits]
    if len(numbers) > 1 and numbers[0] >= numbers[1]:
        raise ValueError(f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}")
    return numbers[0], numbers[-1]


def _index(text: str, completions: int) -> int:
    if not _NUMBER.fullmatch(text) or len(text) > 18:
        raise ValueError(f"cannot convert string to integer for index: {show(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {show(text)}")
    return int(text)


def _shared(some: list[Interval], others: list[Interval]) -> int | None:
    """The first index that is in both; each is in order."""
    one = other = 0
    while one < len(some) and other < len(others):
        (first, last), (begin, end) = some[one], others[other]
        if first <= end and begin <= last:
            return max(first, begin)
        if last < begin:
            one += 1
        else:
            other += 1
    return None
