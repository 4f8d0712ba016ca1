"""What a migration writes on its instance to tell the other side, and how far each side gets. Pure.

Origin: kubevirt: pkg/virt-controller/watch/migration/{decentralized,migration}.go
"""

from typing import Any

from fakekube.machinery.objects import Obj, dig, name, namespace, uid
from fakekube.virt import sides
from fakekube.virt.controller import instance, names, persistent_state
from fakekube.virt.controller.migration_phases import (
    PENDING,
    PREPARING,
    SCHEDULED,
    SCHEDULING,
    SYNCHRONIZING,
    TARGET_READY,
    WAITING,
)

_NEEDED = ("host-model-cpu.node.kubevirt.io/", "host-model-required-features.node.kubevirt.io/")


def begun(migration: Obj, vmi: Obj) -> dict[str, Any]:
    """The migration state of an instance whose migration waits for the other side. What an earlier one left goes."""
    known = dig(vmi, "status", "migrationState", default={})
    state = {} if known.get("completed") else dict(known)
    source, target = state.get(sides.SOURCE) or {}, state.get(sides.TARGET) or {}
    if sides.arrives(migration):
        return {**state, sides.TARGET: {**target, "migrationUID": uid(migration)}}
    address = dig(migration, "spec", "sendTo", "connectURL", default="")
    return {
        **state,
        sides.SOURCE: {**source, "migrationUID": uid(migration), "virtualMachineInstanceUID": uid(vmi)},
        sides.TARGET: {"syncAddress": address, **target},
    }


def described(migration: Obj, vmi: Obj, pod: str, node: Obj | None) -> dict[str, Any]:
    """The migration state of an instance whose guest is to leave: where it is, and what it needs to find elsewhere."""
    state = dict(dig(vmi, "status", "migrationState", default={}))
    here = dig(vmi, "status", "nodeName", default="")
    marks = dig(node, "metadata", "labels", default={})
    told = {
        "node": here,
        "pod": pod,
        "nodeSelectors": {key: value for key, value in marks.items() if key.startswith(_NEEDED)},
        "selinuxContext": dig(vmi, "status", "selinuxContext"),
        "persistentStatePVCName": persistent_state.current_name(vmi),
    }
    source = {
        **(state.get(sides.SOURCE) or {}),
        **{key: value for key, value in told.items() if value is not None},
    }
    state |= {"migrationUid": uid(migration), "sourceNode": here, "sourcePod": pod, sides.SOURCE: source}
    return state


def is_forgotten(migration: Obj, vmi: Obj) -> bool:
    """Whether nothing is to stay of a migration that has failed: the nodes have not begun with it."""
    state = dig(vmi, "status", "migrationState", default={})
    if not sides.id_of(migration) or state.get("startTimestamp") or state.get("completed"):
        return False
    if sides.leaves(migration):
        return bool(sides.of(vmi, sides.SOURCE).get("migrationUID") == uid(migration))
    mine = sides.of(vmi, sides.TARGET).get("migrationUID") == uid(migration)
    return mine and not state.get("migrationUid")


def received(state: dict[str, Any], migration: Obj, vmi: Obj) -> dict[str, Any]:
    """The migration state with which the target is handed over, of an instance that receives."""
    known = dict(dig(vmi, "status", "migrationState", default={}))
    for over in ("completed", "failed"):
        known.pop(over, None)
    source = known.get(sides.SOURCE) or {}
    target = {
        **(known.get(sides.TARGET) or {}),
        "migrationUID": uid(migration),
        "node": state["targetNode"],
        "pod": state["targetPod"],
        "virtualMachineInstanceUID": uid(vmi),
        "domainNamespace": namespace(vmi),
        "domainName": name(vmi),
    }
    claim = state.get(persistent_state.TARGET)
    if claim:
        target["persistentStatePVCName"] = claim
    return {
        **known,
        **state,
        "sourceNode": source.get("node", ""),
        "sourcePod": source.get("pod", ""),
        sides.TARGET: target,
    }


# How far they get.


def first(migration: Obj) -> str:
    """The phase a migration begins in: one that has another side waits for it."""
    if sides.arrives(migration):
        return WAITING
    return SYNCHRONIZING if sides.leaves(migration) else PENDING


def next_phase(migration: Obj, vmi: Obj, was: str) -> str:
    """The phase that follows for one that has another side; the same, where that is none of the other side's business."""
    if was == WAITING:
        return PENDING if sides.knows_source(vmi) else was
    if was == SYNCHRONIZING:
        return PENDING if sides.met(vmi) else was
    if was == SCHEDULED:
        return PREPARING if sides.knows_target(vmi) else was
    if sides.arrives(migration):
        return was
    if was == PENDING:
        return SCHEDULING if instance.phase(vmi) == names.RUNNING else was
    if was == SCHEDULING:
        return SCHEDULED if sides.of(vmi, sides.TARGET).get("pod") else was
    if was == PREPARING:
        ready = sides.knows_source(vmi) and sides.of(vmi, sides.TARGET).get("nodeAddress")
        return TARGET_READY if ready else was
    return was
