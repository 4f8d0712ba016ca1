"""Checks of single fields that a server of Kubernetes' own kinds and those who judge parts of pods share, in the real server's words. Pure.

Origin: k8s: pkg/apis/core/validation/validation.go, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/validation
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakekube.machinery import names
from fakekube.machinery.field_errors import FieldError, forbidden, invalid, not_supported, required

Causes = list[FieldError]


def texts(path: str, value: str, said: Iterable[str]) -> Causes:
    """One `Invalid value` per text."""
    return [invalid(path, value, text) for text in said]


def dns_subdomain(value: str, path: str) -> Causes:
    return texts(path, value, names.subdomain(value))


def qualified(value: str, path: str) -> Causes:
    return texts(path, value, names.qualified_name(value))


def one_of(value: Any, path: str, allowed: Sequence[str], *, missing: str | None = "") -> Causes:
    """A value out of a list. `missing` is what is said of an absent one; None allows it."""
    if value in (None, ""):
        return [] if missing is None else [required(path, missing)]
    return [] if value in allowed else [not_supported(path, value, list(allowed))]


def label_selector(selector: Mapping[str, Any] | None, path: str) -> Causes:
    """A LabelSelector: keys, values and operators."""
    if not selector:
        return []
    found = names.check_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        at, operator, values = f"{path}.matchExpressions[{index}]", one.get("operator"), one.get("values")
        if operator in ("In", "NotIn"):
            if not values:
                found.append(required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                found.append(
                    forbidden(
                        f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    )
                )
        else:
            found.append(invalid(f"{at}.operator", operator or "", "not a valid selector operator"))
        found += texts(f"{at}.key", one.get("key") or "", names.qualified_name(one.get("key") or ""))
        for position, value in enumerate(values or ()):
            found += texts(f"{at}.values[{position}]", value, names.label_value(value))
    return found
