"""How many pods may be missing or too many during an update: numbers or percentages.

Origin: k8s: pkg/apis/apps/validation/validation.go (ValidateRollingUpdate…)
"""

from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, at_most_100_percent, count_or_percent, percentage
from fakekube.machinery import digits
from fakekube.machinery.field_errors import invalid, required


def value_of(number: Any) -> int:
    """The number itself, also of a percentage."""
    if not isinstance(number, str):
        return int(number or 0)
    percent = percentage(number)
    return (digits.number(number) or 0) if percent is None else percent


def of_deployment(rolling: dict[str, Any], path: str) -> Causes:
    missing, surplus = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    found = count_or_percent(missing, f"{path}.maxUnavailable") + count_or_percent(
        surplus, f"{path}.maxSurge"
    )
    if not value_of(missing) and not value_of(surplus):
        found.append(invalid(f"{path}.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0"))
    return found + at_most_100_percent(missing, f"{path}.maxUnavailable")


def of_daemons(rolling: dict[str, Any], path: str) -> Causes:
    missing, surplus = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    found = count_or_percent(missing, f"{path}.maxUnavailable") + count_or_percent(
        surplus, f"{path}.maxSurge"
    )
    found += at_most_100_percent(missing, f"{path}.maxUnavailable")
    found += at_most_100_percent(surplus, f"{path}.maxSurge")
    if value_of(missing) and value_of(surplus):
        said = "may not be set when maxUnavailable is non-zero"
        found.append(invalid(f"{path}.maxSurge", surplus, said))
    elif not value_of(missing) and not value_of(surplus):
        found.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return found


def of_stateful(missing: Any, path: str) -> Causes:
    if missing is None:
        return []
    found = count_or_percent(missing, path)
    if not value_of(missing):
        found.append(invalid(path, missing, "cannot be 0"))
    return found + at_most_100_percent(missing, path)
