"""Pods whose program is told when to end: KubeVirt's exporters serve until their deadline. Pure.

Origin: kubevirt: cmd/virt-exportserver
"""

from datetime import datetime

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import Obj, dig

_PROGRAM, _UNTIL = "/virt-exportserver", "DEADLINE"


def until(pod: Obj) -> datetime | None:
    """When it ends; None: it is no such pod, or nobody has said."""
    first = dig(pod, "spec", "containers", 0, default={})
    if not any(word.endswith(_PROGRAM) for word in (first.get("command") or ())[:1]):
        return None
    told = next((one.get("value") for one in first.get("env") or () if one.get("name") == _UNTIL), None)
    try:
        return parse_rfc3339(told) if told else None
    except ValueError:
        return None
