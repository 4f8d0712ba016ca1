"""Expressions in CEL by which requests choose devices: `device.driver`, `device.attributes["domain"].name`, `device.capacity`.

What fails for a device does not hold: upstream gives up on the pod, here other devices may do.
Upstream: k8s: staging/src/k8s.io/dynamic-resource-allocation/cel
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fakekube.api.schema.cel import CelError, CompileError, Program, compile  # noqa: A004
from fakekube.api.schema.cel.library import PLAIN
from fakekube.api.schema.cel.quantities import parse_quantity
from fakekube.api.schema.cel.types import DYN


def holds(expression: str, device: Mapping[str, Any]) -> bool:
    program = _compiled(expression)
    if program is None:
        return False
    values = {
        "driver": device["driver"],
        "attributes": _by_domain(device["attributes"]),
        "capacity": _by_domain(device["capacity"]),
        "allowMultipleAllocations": False,
    }
    try:
        return program({"device": values}) is True
    except CelError:
        return False


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Program | None:
    try:
        return compile(expression, {"device": DYN}, PLAIN)
    except CompileError:
        return None


def _by_domain(told: Mapping[str, Mapping[str, tuple[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {
        domain: {
            name: parse_quantity(value) if kind == "quantity" else value for name, (kind, value) in of.items()
        }
        for domain, of in told.items()
    }
