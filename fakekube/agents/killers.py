"""Pods that see the processes of their node, and kill some: they end when they have done it. Pure.

Who plays those processes is told (`Kubelet`, `killed`), and does what follows.
"""

import re

from fakekube.machinery.objects import Obj, dig

_PKILL = re.compile(r"\bpkill\b(?:\s+-\S+)*\s+([\w-]+)")


def victims(pod: Obj) -> str | None:
    """A part of the names of those it kills; None: it is no such pod."""
    spec = pod.get("spec") or {}
    if not spec.get("hostPID") or spec.get("restartPolicy") == "Always":
        return None
    first = dig(spec, "containers", 0, default={})
    found = _PKILL.search(" ".join([*(first.get("command") or ()), *(first.get("args") or ())]))
    return found[1] if found else None
