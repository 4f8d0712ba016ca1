"""What happened during a test, as rows of plain values: for each object its states in time, for events their moments."""

from typing import Any

from conformance.following import FOLLOWED, Follower, state
from conformance.kube import EVENT, PVC, REVISION, Kind

Row = dict[str, Any]
_ORDER = {kind: number for number, kind in enumerate(FOLLOWED)}
_SHORT = {
    "VirtualMachinePool": "pool",
    "VirtualMachine": "vm",
    "VirtualMachineInstance": "vmi",
    "ControllerRevision": "revision",
    "DataVolume": "dv",
    "PersistentVolumeClaim": "pvc",
}


def rows(follower: Follower) -> list[Row]:
    """One row for each object there ever was: `spans` are [from, state]; state None is its end."""
    found: dict[tuple[Kind, str, str], Row] = {}
    events = []
    for moment in follower.history:
        meta = moment.obj["metadata"]
        if moment.kind is EVENT:
            about = moment.obj["involvedObject"]
            text = f"{moment.obj.get('reason', '')}: {moment.obj.get('message', '')}"
            events.append(
                [
                    _rounded(moment.at),
                    f"{_SHORT.get(about['kind'], about['kind'])} {about.get('name', '')} {text}",
                ]
            )
            continue
        if moment.kind is PVC:
            continue
        key = (moment.kind, moment.name, meta["uid"])
        row = found.setdefault(key, {"kind": _SHORT[moment.kind.kind], "name": moment.name, "spans": []})
        now = None if moment.type == "DELETED" else state(moment.kind, moment.obj)
        if moment.kind is REVISION and now is not None:
            now = "kept"
        if not row["spans"] or row["spans"][-1][1] != now:
            row["spans"].append([_rounded(moment.at), now])
    ordered = [found[key] for key in sorted(found, key=lambda key: (_ORDER[key[0]], key[1]))]
    return [
        *ordered,
        {"kind": "events", "name": "", "spans": events},
        {"kind": "end", "name": "", "spans": [[_rounded(follower.clock()), None]]},
    ]


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
