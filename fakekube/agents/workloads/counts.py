"""Counts that may be percentages. Pure.

Upstream: k8s: staging/src/k8s.io/apimachinery/pkg/util/intstr/intstr.go
"""


def scaled(value: int | str | None, total: int, *, up: bool, default: int | str = 0) -> int:
    """`3`, or `25%` of `total`, rounded up or down."""
    value = default if value is None else value
    if isinstance(value, str) and value.endswith("%"):
        product = int(value[:-1]) * total
        return -(-product // 100) if up else product // 100
    return int(value)
