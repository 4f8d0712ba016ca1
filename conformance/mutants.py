"""Does the suite notice? `python -m conformance.mutants` breaks each rule of the pool controller once and counts.

A mutant is a change of one line in a copy of the controller; the suite is run on the copy until a test fails: first the
tests that should notice, then all. Takes about half an hour, so it is not part of any other run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PATIENCE = "8"
ADVERSITY = "adversity"


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `file`, `old` becomes `new`; tests of `hint` should notice."""

    file: str
    old: str
    new: str
    hint: str


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
        "return [_stage([DeleteVM(vm, preserve) for vm in victims], SCALE_IN), release], more",
        "return [_stage([DeleteVM(vm, preserve) for vm in victims], SCALE_IN)], more",
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
    Mutant("revisions", "if name not in in_use and any", "if any", "P-071,P-073"),
    Mutant("revisions", "if name not in in_use and any", "if False and any", "P-070"),
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
        "budget = spec.max_unavailable(seen.pool) - len(unavailable)",
        "budget = spec.max_unavailable(seen.pool)",
        "P-149,P-152",
    ),
    Mutant(
        "updating", "budget = spec.max_unavailable(seen.pool) - len(unavailable)", "budget = 100", "P-149"
    ),
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
        "given = replicas(pool) * percentage // 100",
        "given = -(-replicas(pool) * percentage // 100)",
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
)

# What protects against faults, as far as one layer alone can be missed: `tests/adversity` sees it. Own writes laid over
# caches, preconditions of requests and fixed lots stand in for each other; breaking one of them harms nothing yet.
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
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m conformance.mutants")
    parser.add_argument("--only", default="", help="mutants whose file or text contains this")
    parser.add_argument("--hints", action="store_true", help="run no more than the tests that should notice")
    chosen = parser.parse_args()
    wanted = [one for one in (*MUTANTS, *SAFETY) if chosen.only in f"{one.file} {one.old}"]
    if not wanted:
        sys.exit(f"there is no mutant with {chosen.only!r} in it")
    noticed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for package in ("fakekube", "controller"):
            shutil.copytree(
                ROOT / package, Path(folder, package), ignore=shutil.ignore_patterns("__pycache__")
            )
        if not chosen.hints and _fails(Path(folder), ""):
            sys.exit("the suite fails without any mutant; make it pass first")
        for one in wanted:
            seen = is_noticed(one, Path(folder), hints_only=chosen.hints)
            noticed += seen
            text = f"{'noticed ' if seen else 'SURVIVED'} {one.file}: {' '.join(one.old.split())} → {' '.join(one.new.split()) or 'nothing'}"
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"{noticed} of {len(wanted)} mutants noticed: {noticed / len(wanted):.0%}\n")


def is_noticed(mutant: Mutant, folder: Path, *, hints_only: bool = False) -> bool:
    """Whether a test fails on the copy with this mutant. Raises ValueError when its line is not there any more."""
    path = folder / "controller" / f"{mutant.file}.py"
    original = path.read_text()
    if mutant.old not in original:
        raise ValueError(f"{path.name} has no {mutant.old!r}")
    path.write_text(original.replace(mutant.old, mutant.new, 1))
    try:
        if mutant.hint == ADVERSITY:
            return _fails(folder, "", "tests/adversity")
        return _fails(folder, mutant.hint) or (not hints_only and _fails(folder, ""))
    finally:
        path.write_text(original)


def _fails(folder: Path, select: str, suite: str = "conformance") -> bool:
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", suite]
    command += ["-n", "0" if select else "6"]
    if suite == "conformance":
        command += ["--patience", _PATIENCE, *(["--select", select] if select else [])]
    outcome = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if outcome.returncode not in (0, 1, 2):
        raise RuntimeError(outcome.stdout + outcome.stderr)
    return outcome.returncode != 0


if __name__ == "__main__":
    main()
