"""Paths inside volumes and containers.

Origin: k8s: pkg/apis/core/validation/validation.go (validateLocalDescendingPath and its neighbours)
"""

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.machinery.field_errors import invalid


def no_backsteps(value: str, path: str) -> Causes:
    if ".." in value and ".." in value.split("/"):
        return [invalid(path, value, "must not contain '..'")]
    return []


def descending(value: str, path: str) -> Causes:
    """Relative, and never upwards."""
    found = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return found + no_backsteps(value, path)


def not_reserved(value: str, path: str) -> Causes:
    """As `descending`, and not in the `..` files the kubelet keeps for itself."""
    found = descending(value, path)
    if value.startswith("..") and not value.startswith("../"):
        found.append(invalid(path, value, "must not start with '..'"))
    return found
