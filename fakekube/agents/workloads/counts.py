"""Counts that may be percentages. Pure.

Upstream: k8s: staging/src/k8s.io/apimachinery/pkg/util/intstr/intstr.go
"""

from fakekube.machinery import digits


def scaled(value: int | str | None, total: int, *, up: bool, default: int | str = 0) -> int:
    """`3`, or `25%` of `total`, rounded up or down."""
    value = default if value is None else value
    if isinstance(value, str) and value.endswith("%"):
        product = (digits.integer(value[:-1]) or 0) * total  # what is beyond all numbers counts as none to Go
        return -(-product // 100) if up else product // 100
    return int(value)
