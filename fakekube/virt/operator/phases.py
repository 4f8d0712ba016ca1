"""What a KubeVirt object says of its installation: phase, versions and conditions, from one state to the next. Pure.

A condition keeps its times as long as it says the same; one that is new has never changed yet.
Origin: kubevirt: pkg/virt-operator/util/{client,config}.go, pkg/virt-operator/kubevirt.go
"""

from collections.abc import Iterable

from fakekube.machinery.objects import Obj, condition_is, dig, generation
from fakekube.machinery.wire import Object
from fakekube.virt.operator.sources import Source

ARCHITECTURE = "amd64"

_OUTDATED = "outdatedVirtualMachineInstanceWorkloads"  # virt-controller counts them
_ASPECTS = ("Available", "Progressing", "Degraded")
_READY = ("AllComponentsReady", "All components are ready.")
_CREATED = ("AllResourcesCreated", "All resources were created.")
_DELETING = ("DeletionInProgress", "Deletion was triggered")
_SECOND = ("ExistingDeployment", "There is an active KubeVirt deployment")

Said = tuple[str, str]  # reason and message
States = tuple[str, str, str]  # of available, progressing and degraded


def deploying(obj: Object, now: str, source: Source, operator: str, *, created: bool = False) -> Object:
    """The status of an installation that is not there yet, or does not work as a whole; `operator`: the version of virt-operator.
    `created`: whether all of it has been made, ready or not."""
    status: Object = obj.get("status") or {}
    said = ("DeploymentInProgress", f"Deploying version {source.version} with registry {source.registry}")
    found = {
        **status,
        "phase": status.get("phase") or "Deploying",
        "operatorVersion": operator,
        "defaultArchitecture": _architecture(obj),
        _OUTDATED: status.get(_OUTDATED) or 0,
        **_named("target", obj, source),
        "conditions": _stated(_without(status, "Synchronized"), ("False", "True", "False"), said, now),
    }
    return _made(found, obj, source, now) if created else found


def deployed(obj: Object, generations: list[Object], now: str, source: Source, operator: str) -> Object:
    """The status of an installation that is complete and works, for the object as it is."""
    found = deploying(obj, now, source, operator, created=True)
    conditions = _stated(found["conditions"], ("True", "False", "False"), _READY, now)
    known = {one["type"]: one for one in dig(obj, "status", "conditions", default=())}
    return {
        **found,
        "phase": "Deployed",
        "observedGeneration": generation(obj),
        "generations": generations,
        "conditions": [_if_same(known.get(one["type"]), one) for one in conditions],
    }


def updating(obj: Object, now: str, source: Source) -> Object:
    """The status while components are replaced by those of another source: everything works, but not all as it is to."""
    status: Object = obj.get("status") or {}
    was = (status.get("observedKubeVirtVersion", ""), status.get("observedKubeVirtRegistry", ""))
    text = f"Transitioning from previous version {was[0]} with registry {was[1]} to target version {source.version} using registry {source.registry}"
    kept = _without(status, "Created", "Synchronized")
    conditions = _stated(kept, ("True", "True", "True"), ("UpdateInProgress", text), now)
    return {**status, **_named("target", obj, source), "conditions": conditions}


def failed(obj: Object, now: str, why: str) -> Object:
    """The status where something that is wanted cannot be made."""
    status: Object = obj.get("status") or {}
    said = ("DeploymentFailed", f"An error occurred during deployment: {why}")
    conditions = _stated(status.get("conditions") or [], ("False", "False", "True"), said, now)
    return {**status, "conditions": _with(conditions, "Synchronized", "False", said, now)}


def deleting(obj: Object, now: str) -> Object:
    """The status while an installation goes."""
    status: Object = obj.get("status") or {}
    kept = _without(status, "Created", "Synchronized")
    conditions = _stated(kept, ("False", "False", "True"), _DELETING, now)
    return {**status, "phase": "Deleting", "conditions": conditions}


def superfluous(obj: Object, now: str) -> Object:
    """The status of a second installation, which does nothing."""
    status: Object = obj.get("status") or {}
    known = status.get("conditions") or []
    return {**status, "conditions": _with(known, "Synchronized", "False", _SECOND, now)}


def is_updating(obj: Obj) -> bool:
    status = obj.get("status") or {}
    observed = status.get("observedDeploymentID")
    return bool(observed and observed != status.get("targetDeploymentID"))


def says_ready(obj: Obj) -> bool:
    """Whether all components are said to be ready."""
    return condition_is(obj, "Available") and condition_is(obj, "Progressing", "False")


def _architecture(obj: Object) -> str:
    """The configuration's; one that was told stays when the configuration says nothing any more."""
    chosen = dig(obj, "spec", "configuration", "architectureConfiguration", "defaultArchitecture")
    return str(chosen or dig(obj, "status", "defaultArchitecture") or ARCHITECTURE)


def _named(which: str, obj: Object, source: Source) -> Object:
    """Where an installation comes from; `which`: the one that is wanted or the one that is there."""
    config, identifier = source.identity(obj["metadata"]["namespace"])
    return {
        f"{which}KubeVirtVersion": source.version,
        f"{which}KubeVirtRegistry": source.registry,
        f"{which}DeploymentID": identifier,
        f"{which}DeploymentConfig": config,
    }


def _made(status: Object, obj: Object, source: Source, now: str) -> Object:
    conditions = _with(status["conditions"], "Created", "True", _CREATED, now)
    return {**status, **_named("observed", obj, source), "conditions": conditions}


def _stated(known: Iterable[Object], states: States, said: Said, now: str) -> list[Object]:
    """The conditions with those that are always there."""
    found = list(known)
    for type_, state in zip(_ASPECTS, states, strict=True):
        found = _with(found, type_, state, said, now)
    return found


def _with(known: Iterable[Object], type_: str, state: str, said: Said, now: str) -> list[Object]:
    found = list(known)
    made: Object = {"type": type_, "status": state, "reason": said[0], "message": said[1]}
    made |= {"lastProbeTime": now, "lastTransitionTime": None}
    for at, one in enumerate(found):
        if one["type"] == type_:
            found[at] = _if_same(one, {**made, "lastTransitionTime": now})
            return found
    return [*found, made]


def _if_same(known: Object | None, made: Object) -> Object:
    """What was known, as long as it says the same."""
    if known is not None and all(known.get(one) == made[one] for one in ("status", "reason", "message")):
        return known
    return made


def _without(status: Object, *types: str) -> list[Object]:
    return [one for one in status.get("conditions") or () if one["type"] not in types]
