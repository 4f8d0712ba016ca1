"""The rules of the pool controller, each broken once: one line of `controller/` changed so that one rule does not hold.

`python -m conformance.mutants` tries them. A rule has its mutants when each function that plans has one, or a reason
why none can be seen from outside in `UNSEEN`; `tests/conformance` looks after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

ADVERSITY = "adversity"
LAST_MOMENT = f"{ADVERSITY}:last_moment"


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `file`, `old` becomes `new`; tests of `hint` should notice.

    Where `hint` is `adversity`, the adversity suite judges; what follows a colon says which of its runs come first.
    `equivalent`: why nothing about it can be seen over the API. Such a mutant counts neither way, and is shown.
    """

    file: str
    old: str
    new: str
    hint: str
    equivalent: str = ""


MUTANTS = (
    # names and scale-out
    Mutant(
        "naming",
        "itertools.count() if number not in taken",
        "itertools.count(1) if number not in taken",
        "P-04",
    ),
    Mutant("naming", "if number not in taken", "if number >= 0", "P-045,P-047"),
    Mutant(
        "naming", 'name.rpartition("-")\n    return int', 'name.partition("-")\n    return int', "P-049,P-09"
    ),
    Mutant(
        "scaling",
        "len(seen.owned) - spec.replicas(seen.pool)",
        "len([vm for vm in seen.owned if not objects.is_terminating(vm)]) - spec.replicas(seen.pool)",
        "P-119,P-12",
    ),
    Mutant(
        "scaling",
        "return lowest_free(min(-surplus(seen), burst), seen.taken)",
        "return lowest_free(1 - surplus(seen), seen.taken)",
        "P-084,P-085",
    ),
    Mutant("spec", "return 1 if wanted is None", "return 0 if wanted is None", "P-075"),
    # scale-in
    Mutant("scaling", "if spec.scale_in_strategy(seen.pool) != spec.PROACTIVE:", "if False:", "P-103,P-104"),
    Mutant("scaling", "- (len(seen.owned) - len(staying))", "", "P-124,P-102,P-090"),
    Mutant("scaling", "return allowed[:count]", "return allowed", "P-086"),
    Mutant("scaling", "selection.selected(staying, policy)", "staying", "P-097,P-098"),
    Mutant("scaling", 'policy.get("sortPolicy")', "None", "P-091,P-092"),
    Mutant("selection", '"AscendingOrder": ordinal', '"AscendingOrder": lambda vm: -ordinal(vm)', "P-091"),
    Mutant("selection", '"DescendingOrder": lambda vm: -ordinal(vm)', '"DescendingOrder": ordinal', "P-092"),
    Mutant("selection", '"Newest": lambda vm: -born(vm)', '"Newest": born', "P-093"),
    Mutant("selection", '"Oldest": born', '"Oldest": lambda vm: -born(vm)', "P-094"),
    Mutant(
        "selection",
        'dig(vm, "spec", "template", "metadata", "labels", default={})',
        'dig(vm, "metadata", "labels", default={})',
        "P-097,P-100",
    ),
    Mutant("selection", "        and by_node.matches", "        or by_node.matches", "P-097,P-099"),
    Mutant("selection", '    "NotIn": selectors.NOT_IN,', '    "NotIn": selectors.IN,', "P-158"),
    Mutant(
        "plan",
        "return [_stage([DeleteVM(vm, preserve) for vm in victims], SCALE_IN), release], None",
        "return [_stage([DeleteVM(vm, preserve) for vm in victims], SCALE_IN)], None",
        "P-123,P-125",
    ),
    Mutant("plan", "            release,\n        ], AT_ONCE", "        ], AT_ONCE", "D-06"),
    Mutant("plan", "return [release, *stages], revisit", "return stages, revisit", "P-118"),
    Mutant(
        "plan",
        "[_stage(_releases(seen, begun), RELEASE)]",
        "[_stage(_releases(seen, seen.owned), RELEASE)]",
        "P-126",
    ),
    Mutant(
        "plan",
        "begun = [vm for vm in seen.owned if objects.uid(vm) in seen.condemned]",
        "begun = []",
        "P-176,D-14",
    ),
    Mutant("spec", 'chosen not in (None, "", "Disabled")', 'chosen not in (None, "")', "P-108"),
    Mutant(
        "spec",
        '"spec", "scaleInStrategy", scale_in_strategy(pool), "statePreservation"',
        '"spec", "scaleInStrategy", "opportunistic", "statePreservation"',
        "P-109,D-11",
    ),
    Mutant(
        "preservation",
        'kept = [owner for owner in owners if owner.get("uid") != vm_uid]',
        "kept = []",
        "P-114",
    ),
    Mutant("preservation", '*_volume_names(vm, "persistentVolumeClaim", "claimName")', "", "P-113"),
    # membership
    Mutant("observe", 'return (owner["uid"],) if owner and', 'return ("",) if owner and', "P-032,P-044"),
    Mutant("plan", "_stage([DisownVM(vm) for vm in strangers])", "_stage([])", "P-041"),
    Mutant("plan", "_stage([ReleaseVM(vm) for vm in seen.detached])", "_stage([])", "D-08"),
    Mutant(
        "plan", "[] if FINALIZER in objects.finalizers(seen.pool) else [AddPoolFinalizer()]", "[]", "P-030"
    ),
    Mutant("patches", "[*held, FINALIZER])", "[FINALIZER])", "P-031"),
    Mutant(
        "patches",
        'kept = [owner for owner in owners if owner.get("uid") != pool_uid]',
        "kept = owners[:0]",
        "P-041",
    ),
    Mutant(
        "patches",
        '[*_replaced(vm, "ownerReferences", kept), *(finalizer_removed(vm) or ())]',
        '_replaced(vm, "ownerReferences", kept)',
        "P-041",
    ),
    # building
    Mutant(
        "building",
        "labels = {**objects.labels(template), REVISION_LABEL: revision}",
        "labels = dict(objects.labels(template))",
        "P-051",
    ),
    Mutant(
        "building",
        'meta["labels"] = {**(meta.get("labels") or {}), REVISION_LABEL: revision}',
        'meta["labels"] = dict(meta.get("labels") or {})',
        "P-052",
    ),
    Mutant("building", 'if source.get("claimName") in own_volumes:', "if True:", "P-058"),
    Mutant("building", 'if source.get("name") in own_volumes:', "if True:", "P-058"),
    Mutant("building", 'if flags.get("appendIndexToConfigMapRefs") and', "if", "P-059,P-061"),
    Mutant("building", 'elif flags.get("appendIndexToSecretRefs"):', "else:", "P-059,P-060"),
    Mutant(
        "building",
        '_CLOUD_INIT = ("cloudInitNoCloud", "cloudInitConfigDrive")',
        '_CLOUD_INIT = ("cloudInitNoCloud",)',
        "P-063",
    ),
    Mutant(
        "building",
        '_CLOUD_INIT_REFERENCES = ("secretRef", "networkDataSecretRef")',
        '_CLOUD_INIT_REFERENCES = ("secretRef",)',
        "P-062",
    ),
    Mutant("building", '            meta["name"] += suffix', "            pass", "P-055"),
    Mutant("building", '"finalizers": [FINALIZER],', '"finalizers": [],', "P-033"),
    Mutant("building", "    _retain_firmware(vm, new)\n", "", "P-130"),
    Mutant("building", '    meta.pop("annotations", None)\n', "", "P-132"),
    # revisions
    Mutant(
        "revisions",
        '"revision": objects.generation(pool),',
        '"revision": 1 + objects.generation(pool),',
        "P-066",
    ),
    Mutant("revisions", "        candidates.pop(of(user), None)", "        pass", "P-071,P-073"),
    Mutant("revisions", "return list(candidates.values())", "return []", "P-070"),
    Mutant(
        "revisions",
        "not same(revisions.template(name), wanted)",
        "revisions.template(name) != wanted",
        "P-135",
    ),
    Mutant(
        "revisions",
        "name not in revisions.known or not same(revisions.template(name), wanted)",
        "name in revisions.known and not same(revisions.template(name), wanted)",
        "P-139",
    ),
    Mutant("revisions", "not same(revisions.template(name), wanted)", "False", "P-128"),
    Mutant("plan", "users = (*seen.owned, *seen.vmis.values())", "users = seen.owned", "P-073"),
    # updates
    Mutant("plan", "if strategy == spec.UNMANAGED:", "if False:", "P-136"),
    Mutant("plan", "if strategy == spec.PROACTIVE:", "if True:", "P-137"),
    Mutant("plan", "if strategy == spec.PROACTIVE:", "if False:", "P-142"),
    Mutant("plan", "allowed = updating.allowed(seen)", "allowed = list(seen.owned)", "P-156"),
    Mutant(
        "updating",
        "budget = limit - len(unavailable)",
        "budget = limit",
        "P-149,P-152",
    ),
    Mutant("updating", "budget = limit - len(unavailable)", "budget = 100", "P-149"),
    Mutant("updating", 'and objects.condition_is(vmi, "Ready")\n', "\n", "P-152"),
    Mutant(
        "updating",
        "if objects.name(vm) in due and not objects.condition_is",
        "if False and not objects.condition_is",
        "P-154",
    ),
    Mutant("updating", "for vm in _in_order(seen.pool, vms):", "for vm in vms:", "P-155"),
    Mutant(
        "updating",
        "        if not actual:\n            return Kind.RESTART",
        "        if not actual:\n            return Kind.NOTHING",
        "P-144",
    ),
    Mutant(
        "updating",
        "        if actual not in self._known.known:\n            return Kind.RESTART",
        "        if actual not in self._known.known:\n            return Kind.NOTHING",
        "P-144",
    ),
    Mutant("updating", "            return Kind.REPLACEMENT", "            return Kind.RESTART", "P-145"),
    Mutant(
        "updating",
        'return Kind.LABEL if _same_part(new, old, "template") else Kind.RESTART',
        "return Kind.RESTART",
        "P-143",
    ),
    Mutant(
        "updating",
        'return Kind.LABEL if _same_part(new, old, "template") else Kind.RESTART',
        "return Kind.LABEL",
        "P-142",
    ),
    Mutant(
        "spec",
        "given = replicas(pool) * int(text) // 100",
        "given = -(-replicas(pool) * int(text) // 100)",
        "P-150",
    ),
    Mutant("spec", "return max(1, int(given))", "return int(given)", "P-150"),
    Mutant("spec", '        given = "100%"', '        given = "1%"', "P-151"),
    # healing
    Mutant("healing", "if failures >= healing.threshold:", "if failures > healing.threshold:", "P-163"),
    Mutant("healing", "if failures >= healing.threshold:", "if failures >= 3:", "P-165"),
    Mutant("healing", '        "DataVolumeError",\n', "", "P-166"),
    Mutant("healing", '        "ImagePullBackOff",\n', "", "P-166"),
    Mutant("healing", "not in FAILING", "in ('Running',)", "P-167"),
    Mutant("healing", 'ready.get("status") != "False"', 'ready.get("status") == "True"', "P-170"),
    Mutant("healing", 'ready.get("lastProbeTime")', 'ready.get("lastTransitionTime")', "P-169"),
    Mutant("healing", "else timedelta.max", "else timedelta()", "P-169"),
    Mutant("healing", "return max(_SOON, min(waits)) if waits else None", "return None", "P-177"),
    Mutant("spec", "timedelta(minutes=5) if patience", "timedelta(minutes=50) if patience", "P-166"),
    Mutant(
        "spec",
        "timedelta(minutes=5) if patience is None else duration(patience)",
        "timedelta(minutes=5)",
        "P-168",
    ),
    Mutant("spec", "threshold=3 if threshold", "threshold=2 if threshold", "P-164"),
    Mutant("plan", "healing.failing(seen.owned, criteria, seen.now) if criteria else []", "[]", "P-163"),
    # pause, status, deletion
    Mutant("plan", "if not spec.paused(seen.pool):", "if True:", "P-179,P-180"),
    Mutant(
        "status",
        '_set(status, "replicas", len(owned))',
        '_set(status, "replicas", len([vm for vm in owned if not objects.is_terminating(vm)]))',
        "P-185,P-119",
    ),
    Mutant("status", 'objects.condition_is(vm, "Ready") for vm in owned', "True for vm in owned", "P-186"),
    Mutant("status", '_set(status, "labelSelector", str(selector))', "pass", "P-184"),
    Mutant(
        "status",
        '        notes.append(Note("Normal", "SuccessfulResume", "Pool is unpaused"))\n',
        "",
        "P-182",
    ),
    Mutant(
        "status", "        return _without(conditions, REPLICA_PAUSED)", "        return conditions", "P-182"
    ),
    Mutant(
        "status",
        "        return _without(conditions, REPLICA_FAILURE)",
        "        return conditions",
        "P-081,P-189",
    ),
    Mutant(
        "status",
        '    if any(one.get("type") == REPLICA_FAILURE for one in conditions):\n        return conditions\n',
        "    conditions = _without(conditions, REPLICA_FAILURE)\n",
        "P-190",
    ),
    Mutant("status", '    notes.append(Note("Warning", *failure))\n', "", "P-080"),
    Mutant(
        "plan",
        "_stage([RemovePoolFinalizer()] if FINALIZER in objects.finalizers(seen.pool) else [])",
        "_stage([])",
        "P-194",
    ),
    Mutant(
        "plan",
        "_stage([ReleaseVM(vm) for vm in (*held, *others)])",
        "_stage([ReleaseVM(vm) for vm in held])",
        "P-199",
    ),
    Mutant(
        "plan",
        "_stage([ReleaseVM(vm) for vm in (*held, *others)])",
        "_stage([ReleaseVM(vm) for vm in others])",
        "P-194,P-196",
    ),
    Mutant(
        "reconciler",
        "        if objects.is_terminating(seen.pool):\n            return await",
        "        if False:\n            return await",
        "P-194",
    ),
    Mutant(
        "reconciler",
        "        if selector is None or mistake:",
        "        if selector is None:",
        "D-15",
    ),
    # what is read of a pool, and what it is read as
    Mutant(
        "spec",
        "if given.get(name) is not None), PROACTIVE)",
        "if given.get(name)), PROACTIVE)",
        "P-103,P-136",
    ),
    Mutant("spec", "for name in (UNMANAGED, OPPORTUNISTIC)", "for name in (UNMANAGED,)", "P-104,P-137"),
    Mutant("spec", 'return _strategy(pool, "updateStrategy")', "return PROACTIVE", "P-136,P-137"),
    Mutant("spec", 'return _strategy(pool, "scaleInStrategy")', "return PROACTIVE", "P-103,P-104"),
    Mutant("spec", 'return bool(_spec(pool).get("paused"))', "return False", "P-179"),
    Mutant(
        "spec",
        'return None if given is None else given.get("selectionPolicy") or {}',
        "return None",
        "P-155,P-156",
    ),
    Mutant(
        "spec",
        'pool, "spec", "scaleInStrategy", PROACTIVE, "selectionPolicy"',
        'pool, "selectionPolicy"',
        "P-091,P-097",
    ),
    Mutant("spec", "timedelta(seconds=durations", "timedelta(minutes=durations", "P-168"),
    Mutant(
        "naming",
        "return pool if pool and vm_name(pool, number) == name else None",
        "return pool",
        "P-049,P-047",
    ),
    Mutant("naming", 'return f"{pool}-{ordinal}"', 'return f"{pool}-{ordinal + 1}"', "P-044"),
    # who belongs to whom
    Mutant(
        "plan",
        "strangers = [vm for vm in seen.owned if not selector.matches(objects.labels(vm))]",
        "strangers = []",
        "P-041",
    ),
    Mutant(
        "observe",
        "if FINALIZER not in objects.finalizers(vm) or objects.controller_of(vm):",
        "if True:",
        "D-08",
    ),
    Mutant(
        "observe",
        'return (f"{objects.namespace(vm)}/{pool}",) if pool else ()\n\n\ndef _owning',
        "return ()\n\n\ndef _owning",
        "P-047,P-048",
    ),
    Mutant("building", "**objects.owner_reference({", "**dict({", "P-032"),
    Mutant(
        "selection", "return parse_rfc3339(stamp).timestamp() if stamp else 0.0", "return 0.0", "P-093,P-094"
    ),
    Mutant(
        "selection",
        "return sorted(vms, key=lambda vm: (key(vm), lot(vm, salt)))",
        "return list(vms)",
        "P-091,P-092",
    ),
    Mutant("spec", "timedelta(seconds=durations", "timedelta(milliseconds=durations", "P-168"),
    Mutant(
        "preservation",
        'return list(dict.fromkeys([*_template_names(vm), *_volume_names(vm, "dataVolume", "name")]))',
        "return []",
        "P-109",
    ),
    Mutant(
        "preservation",
        "return [name for volume in volumes if (name := objects.dig(volume, source, member))]",
        "return []",
        "P-113",
    ),
    Mutant(
        "observe",
        "bystanders=_bystanders(pool, key, caches, own) if objects.is_terminating(pool) else (),",
        "bystanders=(),",
        "P-199",
    ),
    Mutant(
        "observe",
        "        and objects.uid(pool) not in controlling_pool(vm)\n",
        "        and False\n",
        "P-199",
    ),
    Mutant("observe", "            found[objects.name(vm)] = vmi", "            pass", "P-142"),
    Mutant(
        "observe",
        'return pool if pool is not None and objects.uid(pool) == owner.get("uid") else None',
        "return None",
        "P-186,P-118",
    ),
    Mutant(
        "updating",
        'return selection.ordered(vms, policy.get("sortPolicy"), salt)',
        "return list(vms)",
        "P-155",
    ),
    Mutant("updating", "return self._kinds[wanted, actual]", "return Kind.NOTHING", "P-142"),
    Mutant("semantics", " * _SUFFIXES.get(suffix, Fraction(1))", "", "P-135"),
    Mutant("patches", '        {"op": "add", "path": path, "value": value},\n', "", "P-030"),
    Mutant(
        "revisions", 'return f"{name}-{objects.uid(pool)[:8]}" if foreign else name', 'return "same"', "P-066"
    ),
    Mutant("revisions", '"data", "virtualMachineTemplate"', '"data", "template"', "P-128,P-135"),
    Mutant("observe", "for owner in objects.owners(revision) if owner", "for owner in () if owner", "P-070"),
    Mutant(
        "revisions",
        'owner.get("kind") == VIRTUAL_MACHINE_POOLS.kind for owner in owners\n',
        "False for owner in owners\n",
        "P-134,P-135",
    ),
    # building
    Mutant("building", '            secret["secretName"] += suffix', "            pass", "P-061"),
    Mutant("building", 'if source := volume.get("persistentVolumeClaim"):', "if source := {}:", "P-057"),
    Mutant("building", 'for member in ("uuid", "serial")', 'for member in ("uuid",)', "P-130"),
    # choosing
    Mutant(
        "selection",
        "    if selector is None:\n        return selectors.EVERYTHING",
        "    if True:\n        return selectors.EVERYTHING",
        "P-097",
    ),
    Mutant(
        "selection",
        'given.get("nodeSelectorRequirementMatcher") or ()',
        "()",
        "P-098",
    ),
    Mutant("selection", "return naming.ordinal(objects.name(vm)) or 0", "return 0", "P-091,P-096"),
    Mutant(
        "updating",
        "return list(seen.owned) if policy is None else selection.selected(seen.owned, policy)",
        "return list(seen.owned)",
        "P-156",
    ),
    Mutant(
        "updating",
        "return same({part: one.get(part)}, {part: other.get(part)})",
        "return one.get(part) == other.get(part)",
        "P-143,P-160",
    ),
    Mutant(
        "updating",
        "return ReplaceVM(vm, vmi) if needed is Kind.REPLACEMENT else RestartVMI(vm, vmi)",
        "return RestartVMI(vm, vmi)",
        "P-145",
    ),
    Mutant(
        "healing",
        "if not objects.is_terminating(vm) and _is_failing(vm, healing, now)]",
        "if _is_failing(vm, healing, now)]",
        "P-16,P-17",
    ),
    # meaning the same
    Mutant(
        "semantics",
        "return bool(one == other) or _plain(one) == _plain(other)",
        "return bool(one == other)",
        "P-135",
    ),
    Mutant(
        "semantics", "        return value if number is None else number", "        return value", "P-135"
    ),
    Mutant("semantics", "if plain is None or plain == [] or", "if plain is None or", "P-135"),
    Mutant("semantics", "(plain == {} and name in _EMPTY_SAYS_NOTHING)", "plain == {}", "P-128"),
    Mutant("semantics", 'return "capacity" if parent in _QUANTITY_MAPS else name', "return name", "P-135"),
    # letting go, and storage
    Mutant(
        "plan",
        "found.append(ReleaseVM(vm, preserve and not renewed))",
        "found.append(ReleaseVM(vm))",
        "P-116,D-11",
    ),
    Mutant(
        "plan", "return [] if name in seen.revisions.known else [CreateRevision(name)]", "return []", "P-066"
    ),
    Mutant("patches", "objects.without(held, FINALIZER)", "[]", "P-107,P-119"),
    Mutant("patches", "{**objects.labels(vmi), REVISION_LABEL: name}", "{REVISION_LABEL: name}", "P-143"),
    # telling
    Mutant(
        "performing",
        '            self._tell(NORMAL, "SuccessfulCreate", f"Created VM {objects.key(vm)}")',
        "            pass",
        "P-077",
    ),
    Mutant(
        "performing",
        '                self._tell(NORMAL, "SuccessfulDelete", text)',
        "                pass",
        "P-088",
    ),
    Mutant(
        "performing",
        '            self._tell(NORMAL, "SuccessfulUpdate", f"Updated VM {objects.key(vm)}")',
        "            pass",
        "P-131",
    ),
    Mutant(
        "performing",
        '            self._tell(WARNING, "FailedCreate", f"Error creating VM: {real[0]}")',
        "            pass",
        "P-080",
    ),
    Mutant(
        "performing",
        '            self._tell(WARNING, "FailedDelete", f"Error deleting',
        '            str(f"Error deleting',
        "P-106",
    ),
    Mutant(
        "performing",
        'self._tell(NORMAL, "SuccessfulDelete", f"Successfully updated',
        'str(f"Successfully updated',
        "P-159",
    ),
    Mutant("performing", 'propagation="Foreground" if is_vm else None', "propagation=None", "P-145"),
    Mutant(
        "performing",
        "            if preserve:\n                await self._preserve(vm)",
        "            if False:\n                await self._preserve(vm)",
        "P-109",
    ),
    # the status
    Mutant(
        "status",
        "    if value:\n        status[name] = value",
        "    if True:\n        status[name] = value",
        "P-087,P-185",
    ),
    Mutant("status", '        "status": "True",', '        "status": "False",', "P-178"),
    Mutant(
        "status", "_failed(objects.conditions(pool), failure, now, notes)", "objects.conditions(pool)", "D-15"
    ),
    Mutant(
        "reconciler",
        'return selector, "" if fits else "selector does not',
        'return selector, "" if True else "selector does not',
        "D-15,S-06",
    ),
    # healing and its limits
    Mutant(
        "plan",
        "healed = selection.selected(failing, spec.scale_in_policy(seen.pool)) if failing else []",
        "healed = failing",
        "P-101",
    ),
    Mutant(
        "plan",
        "DeleteVM(vm, spec.preserves_state(seen.pool)) for vm in healed",
        "DeleteVM(vm) for vm in healed",
        "P-173",
    ),
    Mutant(
        "scaling",
        "objects.is_terminating(vm) and objects.uid(vm) not in going]",
        "objects.is_terminating(vm)]",
        "P-086",
    ),
    Mutant("scaling", "    if count <= 0:\n        return []\n", "", "P-102"),
    # in which order, and how far
    Mutant(
        "plan",
        "SCALE_OUT),\n            _stage([CreateVM(name, ordinal) for ordinal in ordinals], SCALE_OUT, calm=True)",
        "SCALE_OUT),\n            _stage([CreateVM(name, ordinal) for ordinal in ordinals], SCALE_OUT)",
        "P-067",
    ),
    Mutant("reconciler", "if stage.calm and first is not None:", "if False:", "P-067,P-140"),
    Mutant(
        "plan",
        "return [Stage(failure=SCALE_IN, mistake=error), release], None",
        "return [Stage(failure=SCALE_IN, mistake=error)], None",
        "D-06",
    ),
    Mutant(
        "plan",
        "return [Stage(failure=SCALE_IN, mistake=error), release], None",
        "return [release], None",
        "P-098",
    ),
    Mutant(
        "plan", "return [Stage(failure=SELECT, mistake=error, calm=True)], None", "return [], None", "P-158"
    ),
    Mutant(
        "plan",
        "return [_stage(_prunable(seen), PRUNE, calm=True)], None",
        "return [], None",
        "P-070",
    ),
    Mutant(
        "plan", "    if not outdated:\n        stages.append", "    if True:\n        stages.append", "P-140"
    ),
    Mutant("plan", "        _stage(_prunable(seen), PRUNE),\n", "", "P-074"),
    Mutant(
        "plan",
        "objects.uid(vm) in once_ours or (selector",
        "(selector",
        "D-13",
    ),
    Mutant("plan", "if rollout.waiting or rollout.actions else None", "if False else None", "P-153,D-23"),
    Mutant(
        "plan",
        "[vm for vm in allowed if not objects.is_terminating(vm) and",
        "[vm for vm in allowed if",
        "D-17",
    ),
    Mutant(
        "plan",
        "not objects.is_terminating(vm) and objects.uid(vm) not in going]",
        "not objects.is_terminating(vm)]",
        "P-16,P-17",
        "healing goes first, and what it has deleted is terminating or gone when its update is tried: that looks again",
    ),
    Mutant(
        "plan",
        "[vm for vm in vms if objects.uid(vm) not in behind]",
        "vms",
        "P-143",
    ),
    Mutant("performing", "            if error is not None:\n                return [error]\n", "", "P-161"),
    # whose things are whose
    Mutant(
        "observe",
        ' and (objects.controller_of(vmi) or {}).get("uid") == objects.uid(vm):',
        ":",
        "D-17",
    ),
    Mutant("observe", "        and caches.pool_of(vm) is None\n", "", "D-18"),
    Mutant(
        "observe",
        "if FINALIZER not in objects.finalizers(vm) or objects.controller_of(vm):",
        "if FINALIZER not in objects.finalizers(vm):",
        "P-033,P-129",
        "letting a VM go looks at it once more, and one that has an owner stays held",
    ),
    Mutant("observe", "if objects.controller_of(stray) is None:", "if True:", "D-16"),
    Mutant("revisions", "foreign = name in revisions.taken", "foreign = False", "D-16"),
    Mutant(
        "revisions",
        "foreign = not same(revisions.template(name), spec.template(pool))",
        "foreign = False",
        "D-16",
    ),
    Mutant("revisions", 'if any(owner.get("uid") == uid for owner', "if any(True for owner", "P-072"),
    Mutant(
        "preservation",
        'if controller is None or controller.get("uid") != vm_uid:',
        "if controller is None:",
        "P-113",
    ),
    Mutant(
        "preservation",
        '[*_template_names(vm), *_volume_names(vm, "dataVolume", "name")]',
        "_template_names(vm)",
        "P-113",
    ),
    Mutant(
        "preservation",
        '[*_template_names(vm), *_volume_names(vm, "dataVolume", "name")]',
        '_volume_names(vm, "dataVolume", "name")',
        "P-113",
    ),
    Mutant(
        "preservation",
        '[*_template_names(vm), *_volume_names(vm, "persistentVolumeClaim", "claimName")]',
        '_volume_names(vm, "persistentVolumeClaim", "claimName")',
        "P-113",
    ),
    Mutant(
        "preservation",
        'list(dict.fromkeys([*_template_names(vm), *_volume_names(vm, "dataVolume", "name")]))',
        'list([*_template_names(vm), *_volume_names(vm, "dataVolume", "name")])',
        "P-109",
        "storage named twice is looked at twice, and the second time the VM does not control it any more",
    ),
    Mutant("plan", "ReleaseVM(vm, preserve and not renewed)", "ReleaseVM(vm, preserve)", "D-11"),
    Mutant(
        "performing",
        "await self._let_go(current, preserve=False)",
        "await self._let_go(current, preserve=True)",
        "P-145",
    ),
    Mutant(
        "performing",
        "            if preserve and FINALIZER not in objects.finalizers(vm):\n",
        "            if False:\n",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "not preserve or FINALIZER in objects.finalizers(current)",
        "True",
        LAST_MOMENT,
    ),
    Mutant("performing", "client.find(resource, name,", "client.get(resource, name,", "P-115"),
    # building and choosing
    Mutant("building", '{**(domain.get("firmware") or {}), **kept}', "kept", "P-130"),
    Mutant("building", '| ({"annotations": annotations} if annotations else {})', "", "P-050,P-053,P-127"),
    Mutant("building", '            names.add(meta["name"])\n', "", "P-056,P-057"),
    Mutant("selection", '"In": selectors.IN', '"In": selectors.NOT_IN', "P-098"),
    Mutant("selection", '"Exists": selectors.EXISTS', '"Exists": selectors.DOES_NOT_EXIST', "P-098"),
    Mutant(
        "selection", '"DoesNotExist": selectors.DOES_NOT_EXIST', '"DoesNotExist": selectors.EXISTS', "P-098"
    ),
    Mutant("selection", '"Gt": selectors.GT', '"Gt": selectors.LT', "P-098"),
    Mutant("selection", '"Lt": selectors.LT', '"Lt": selectors.GT', "P-098"),
    Mutant(
        "selection",
        'return selectors.requirement(term.get("key", ""), operator, tuple(term.get("values") or ()))',
        'return Requirement(term.get("key", ""), operator, tuple(term.get("values") or ()))',
        "P-158,D-06",
    ),
    Mutant("updating", "return sorted(vms, key=selection.ordinal)", "return list(vms)", "D-19"),
    Mutant(
        "updating",
        "if vmi is not None and not objects.is_terminating(vmi):",
        "if vmi is not None:",
        "D-20",
    ),
    Mutant("updating", "        budget -= 1\n", "", "P-149"),
    Mutant(
        "updating",
        "    unavailable |= {objects.name(action.vm) for action in actions}\n",
        "",
        "D-21",
    ),
    Mutant(
        "updating",
        "        vmi is not None\n        and not objects.is_terminating(vmi)\n",
        "        vmi is not None\n",
        "P-149",
    ),
    Mutant(
        "updating",
        '        and objects.dig(vmi, "status", "phase") == "Running"\n',
        "",
        "P-152",
    ),
    Mutant(
        "updating",
        "if wanted == actual or wanted not in self._known.known:",
        "if wanted == actual:",
        "P-116",
    ),
    Mutant(
        "scaling",
        "min(-surplus(seen), burst)",
        "-surplus(seen)",
        "P-078",
        "how many VMs go in one pass shows only in time",
    ),
    Mutant(
        "scaling",
        "min(surplus(seen), burst)",
        "surplus(seen)",
        "P-089",
        "how many VMs go in one pass shows only in time",
    ),
    Mutant(
        "plan",
        "AT_ONCE if -surplus > burst else None",
        "None",
        "P-078",
        "the VMs of the first burst wake the pool when they appear: another look is planned only to be sure of it",
    ),
    # telling, and the status
    Mutant(
        "status", '        notes.append(Note("Normal", "SuccessfulPaused", "Pool is paused"))\n', "", "P-178"
    ),
    Mutant(
        "status",
        'status: Object = dict(pool.get("status") or {})\n    notes',
        "status: Object = {}\n    notes",
        "D-15",
    ),
    Mutant(
        "performing",
        '            self._tell(WARNING, "FailedUpdate", f"Error updating virtual machine {swapped}: {error}")',
        "            pass",
        "P-140",
    ),
    Mutant(
        "performing",
        '            self._tell(WARNING, "FailedUpdate", f"Error updating resource',
        '            str(f"Error updating resource',
        "P-161",
    ),
    Mutant(
        "performing",
        '                self._tell_trouble("removing finalizer for VM", vm, error)\n',
        "",
        "D-14",
    ),
    Mutant(
        "reconciler",
        'if report.status != (pool.get("status") or {}):',
        "if True:",
        "P-192",
        "the server takes a status that says the same for no change, and gives it no version",
    ),
    Mutant(
        "reconciler",
        "owned = [vm for vm in now.owned if selector.matches(objects.labels(vm))]",
        "owned = list(now.owned)",
        "adversity:last_moment",
    ),
    Mutant(
        "reconciler",
        "first = performer.pool is not seen.pool",
        "first = False",
        "P-187",
        "what a new pool has become is in its status a pass later anyway",
    ),
    # what cannot be read
    Mutant(
        "reconciler",
        "            await self._complain(performer, INVALID_SPEC, str(unreadable))\n",
        "",
        "D-15",
    ),
    Mutant(
        "plan",
        "return [*stages, Stage(failure=UPDATE_VMIS, mistake=error, calm=True)], None",
        "return stages, None",
        "P-150",
    ),
    Mutant("spec", "seconds=durations.parse(text)", "seconds=abs(durations.parse(text))", "P-168"),
    Mutant("spec", "seconds=durations.parse(text)", "seconds=durations.parse(text) or 300", "P-168"),
    Mutant("spec", "(UNMANAGED, OPPORTUNISTIC) if", "(OPPORTUNISTIC, UNMANAGED) if", "D-22"),
    Mutant(
        "building",
        '    if ordinal is None:\n        raise SpecError(f"VM {objects.key(vm)} has no ordinal at the end of its name")\n',
        "    ordinal = ordinal or 0\n",
        "P-140",
    ),
    Mutant(
        "plan",
        "if objects.is_terminating(vm) and FINALIZER in objects.finalizers(vm):\n            vmi",
        "if FINALIZER in objects.finalizers(vm):\n            vmi",
        "P-109,P-110",
    ),
    Mutant(
        "observe",
        "_bystanders(pool, key, caches, own) if objects.is_terminating(pool) else ()",
        "_bystanders(pool, key, caches, own)",
        "P-199,D-18",
        "only the farewell of a pool looks at them; everybody else would pay for the search",
    ),
    Mutant(
        "updating",
        "        if not wanted:\n            return Kind.NOTHING\n",
        "        if not wanted:\n            return Kind.RESTART\n",
        "P-139",
        "a VM that names no revision is updated first, and names one before its guest is looked at",
    ),
    Mutant(
        "healing",
        "[_age(vm, now) for vm in vms if not objects.is_terminating(vm)]",
        "[_age(vm, now) for vm in vms]",
        "P-172,P-177",
        "when a VM that goes becomes old enough, the pool is looked at once more, and nothing is done",
    ),
    Mutant(
        "patches",
        "    if FINALIZER in held or objects.is_terminating(obj):\n",
        "    if FINALIZER in held:\n",
        "P-030,P-201",
        "the server lets nobody put a finalizer on what is going",
    ),
    Mutant(
        "patches",
        "        if revisions.of(vmi) == name:\n            return None\n",
        "",
        "P-143",
        "a patch that changes nothing is no change",
    ),
    Mutant(
        "reconciler",
        "if error is not None and not isinstance(error, SpecError):\n            raise error",
        "pass",
        "P-081,P-204",
    ),
)

# What protects against faults: `tests/adversity` judges. Own writes laid over caches, preconditions of requests, looks at what
# is there now, and fixed lots stand in for each other, so breaking one of them may harm nothing yet.
SAFETY = (
    Mutant("requests", "uid=objects.uid(obj),", "uid=None,", ADVERSITY),
    Mutant(
        "selection",
        'return blake2b(f"{salt}/{objects.uid(vm)}".encode(), digest_size=8).digest()',
        "import random; return random.randbytes(8)",
        ADVERSITY,
    ),
    Mutant(
        "reconciler",
        "            if stage.failure is None:\n                raise error\n",
        "            if stage.failure is None:\n                continue\n",
        ADVERSITY,
    ),
    Mutant(
        "own_writes",
        "        if not writes:\n            return list(cached)\n        found",
        "        return list(cached)\n        found",
        LAST_MOMENT,
    ),
    Mutant("own_writes", "return stand >= write.version", "return True", LAST_MOMENT),
    Mutant(
        "own_writes",
        "if cached is None or write is None:\n                return cached",
        "if True:\n                return cached",
        LAST_MOMENT,
    ),
    Mutant(
        "requests",
        "resource_version=objects.resource_version(current) if still else None,",
        "resource_version=None,",
        LAST_MOMENT,
    ),
    Mutant(
        "requests",
        'return live if objects.uid(obj) in ("", objects.uid(live)) else None',
        "return live",
        LAST_MOMENT,
    ),
    Mutant("requests", "[guard, *patch],", "patch,", LAST_MOMENT),
    Mutant(
        "patches",
        '        {"op": "test", "path": path, "value": obj["metadata"].get(member)},\n',
        "",
        LAST_MOMENT,
    ),
    Mutant("patches", "or (selector and selector.matches(objects.labels(vm)))", "", LAST_MOMENT),
    Mutant(
        "performing",
        "            live = await self.requests.look(VIRTUAL_MACHINES, vm)\n            if live is None or not self._is_own(live):\n                raise Behind(error.message) from error",
        "            raise",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "            live = await self.requests.look(CONTROLLER_REVISIONS, revision)\n            if live is None or not self._is_own(live):\n                raise Behind(error.message) from error",
        "            raise",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "return objects.uid(self.pool) in controlling_pool(obj)",
        "return True",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "if objects.is_terminating(current) or not self._is_own(current):",
        "if objects.is_terminating(current):",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "if objects.is_terminating(current) or not self._is_own(current):",
        "if not self._is_own(current):",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "return patches.finalizer_removed(vm) if free else None",
        "return patches.finalizer_removed(vm)",
        LAST_MOMENT,
    ),
    Mutant(
        "performing",
        "        if not deleted and (current is None or not objects.is_terminating(current)):\n            return\n",
        "",
        LAST_MOMENT,
    ),
)

# Where a function that decides something has no mutant: why breaking it changes nothing that can be seen over the API.
UNSEEN: Mapping[str, str] = {
    "plan._stage": "puts together what others have decided",
}
