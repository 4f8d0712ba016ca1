"""The order of API versions: `v2` before `v1`, stable before beta before alpha, anything else last and by name.

k8s: staging/src/k8s.io/apimachinery/pkg/version/helpers.go
"""

import re

_KUBE_LIKE = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")
_STABILITY = {"alpha": 0, "beta": 1, None: 2}


def priority(version: str) -> tuple[int, int, int, int, tuple[int, ...]]:
    """A sort key that grows with preference: sort with `reverse=True` for the usual order."""
    parts = _KUBE_LIKE.fullmatch(version)
    if parts is None:
        return (0, 0, 0, 0, tuple(-ord(char) for char in version))  # among strangers, `a` is preferred to `b`
    return (1, _STABILITY[parts[2]], int(parts[1]), int(parts[3] or 0), ())
