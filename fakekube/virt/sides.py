"""Migrations from one instance to another: the one a guest leaves, and one that was made to receive it. Pure.

Each side has a migration of its own, and both know it by the same id. What an instance's migration state tells of the other
side, virt-synchronization-controller has brought it.
Origin: kubevirt: staging/src/kubevirt.io/api/core/v1/types.go (IsMigrationSource and its neighbours)
"""

from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig

SOURCE, TARGET = "sourceState", "targetState"
_RECEIVES = "kubevirt.io/create-migration-target"


def leaves(migration: Obj) -> bool:
    """Whether the guest is sent to another instance."""
    return dig(migration, "spec", "sendTo") is not None


def arrives(migration: Obj) -> bool:
    """Whether the guest comes from another instance."""
    return dig(migration, "spec", "receive") is not None


def id_of(migration: Obj) -> str:
    """What both sides know the migration by; empty, where it has no other side."""
    sides = (dig(migration, "spec", one, "migrationID", default="") for one in ("sendTo", "receive"))
    return next(filter(None, sides), "")


def of(vmi: Obj | None, side: str) -> dict[str, Any]:
    """What an instance's migration state tells of a side."""
    state = dig(vmi, "status", "migrationState")
    return dict(state.get(side) or {}) if state else {}


def receives(vmi: Obj) -> bool:
    """Whether it was made to receive a guest, which has not come yet."""
    return annotations(vmi).get(_RECEIVES) == "true"


def takes_part(vmi: Obj) -> bool:
    """Whether its migration, the present or the last one, has another side."""
    source = of(vmi, SOURCE)
    if not source or not (target := of(vmi, TARGET)):
        return False
    return any(one.get("syncAddress") for one in (source, target))


def sends(vmi: Obj) -> bool:
    """Whether its guest leaves it, or has left it."""
    return takes_part(vmi) and not receives(vmi)


def met(vmi: Obj | None) -> bool:
    """Whether each side knows the other's migration."""
    return all(of(vmi, one).get("migrationUID") for one in (SOURCE, TARGET))


def knows_source(vmi: Obj | None) -> bool:
    """Whether it is known where the guest is, and what it needs."""
    source = of(vmi, SOURCE)
    told = all(source.get(one) for one in ("migrationUID", "pod", "node"))
    return told and source.get("nodeSelectors") is not None and bool(of(vmi, TARGET))


def knows_target(vmi: Obj | None) -> bool:
    """Whether it is known where the guest goes."""
    return met(vmi) and all(of(vmi, TARGET).get(one) for one in ("pod", "node"))


def without(vmi: Obj) -> dict[str, Any]:
    """The migration state of an instance, as that of one whose migration has no other side."""
    state = dig(vmi, "status", "migrationState", default={})
    return {key: value for key, value in state.items() if key not in (SOURCE, TARGET)}


def marked_received(vmi: Obj) -> dict[str, str]:
    """The annotations of an instance whose guest has come."""
    return {key: value for key, value in annotations(vmi).items() if key != _RECEIVES}
