"""DataImportCrons as what is there of their image determines them."""

import pytest

from fakekube.clock import parse_rfc3339
from fakekube.machinery.objects import annotations, labels, name
from fakekube.virt.cdi import cron_plan, cron_products
from fakekube.virt.cdi.cron_plan import Seen
from tests.virt.cdi.crons import NS, cron, told

NOW = parse_rfc3339("2026-01-01T00:00:30Z")
DIGEST = "cdi.kubevirt.io/storage.import.sourceDesiredDigest"
NEW = f"sha256:{'ab' * 32}"
UP_TO_DATE = ("True", "UpToDate", "Latest import is up to date")


def test_the_first_import():
    """The image is looked at once; its import is named by source and digest, and asks for just that image."""
    made = cron_plan.plan(cron(), Seen(), NOW, is_due=True)
    digest = made.cron["status"]["currentImports"][0]["Digest"]
    assert name(made.volume) == f"fedora-{digest.removeprefix('sha256:')[:12]}"
    wanted = f"docker://quay.io/containerdisks/fedora@{digest}"
    assert made.volume["spec"]["source"]["registry"]["url"] == wanted
    assert labels(made.volume)["instancetype.kubevirt.io/default-preference"] == "fedora"
    assert made.source["spec"] == {"source": {}}
    assert told(made.cron)["UpToDate"][1] == "Outdated"


@pytest.mark.parametrize(
    ("schedule", "last", "wanted"),
    [
        ("0 * * * *", None, "2026-01-01T00:00:30Z"),
        ("0 * * * *", "2026-01-01T00:00:30Z", "2026-01-01T01:00:00Z"),
        ("", None, None),
        ("nonsense", "2026-01-01T00:00:30Z", None),
    ],
)
def test_when_it_is_due(schedule, last, wanted):
    """At once, then as scheduled; without a schedule never."""
    given = cron(schedule=schedule)
    if last:
        given["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.import.lastCronTime": last}
    found = cron_plan.next_time(given, NOW)
    assert found == (parse_rfc3339(wanted) if wanted else None)


def following(**spec):
    """A cron that follows a claim."""
    given = cron(**spec)
    given["spec"]["template"]["spec"]["source"] = {"pvc": {"name": "gold", "namespace": "images"}}
    return given


def of(uid="12345678-1234-5678"):
    return {"metadata": {"name": "gold", "namespace": "images", "uid": uid}}


def test_following_a_claim():
    """A claim is imported once, and when there is another one of its name at the time to look."""
    first = cron_plan.plan(following(), Seen(origin=of()), NOW, is_due=True)
    notes = annotations(first.cron)
    assert notes[DIGEST] == "uid:12345678-1234-5678"
    assert notes["cdi.kubevirt.io/storage.import.nextCronTime"] == "2026-01-01T01:00:00Z"
    assert first.cron["status"]["lastExecutionTimestamp"] == "2026-01-01T00:00:30Z"
    assert name(first.volume) == "fedora-12345678-123"
    assert first.volume["spec"]["source"] == {"pvc": {"name": "gold", "namespace": "images"}}
    assert cron_plan.next_time(first.cron, NOW) == parse_rfc3339("2026-01-01T01:00:00Z")
    assert cron_plan.next_time(following(), NOW) == NOW
    assert cron_plan.next_time(following(schedule=""), NOW) is None

    there = Seen(filled(name(first.volume)), claim(name(first.volume)), origin=of("another-uid-x"))
    same = cron_plan.plan(first.cron, there, NOW, is_due=False)
    assert (same.volume, told(same.cron)["UpToDate"]) == (None, UP_TO_DATE)
    again = cron_plan.plan(same.cron, there, NOW, is_due=True)
    assert name(again.volume) == "fedora-another-uid-"


def test_a_claim_that_is_not_there():
    """It is looked for again soon, and nothing is told."""
    made = cron_plan.plan(following(), Seen(), NOW, is_due=True)
    assert (made.cron, made.again, made.volume) == (following(), True, None)


def test_a_claim_that_may_not_be_cloned():
    """No import begins, and the cron says why."""
    made = cron_plan.plan(following(), Seen(origin=of(), denied="no"), NOW, is_due=True)
    assert made.volume is None
    assert "currentImports" not in made.cron["status"]
    assert told(made.cron)["Progressing"] == ("False", "NotAuthorized", "no")


def test_an_image_nobody_can_reach():
    """It has no digest, and there is no import."""
    made = cron_plan.plan(cron("docker://localhost/fedora"), Seen(), NOW, is_due=True)
    assert made.volume is None
    assert told(made.cron) == {
        "Progressing": ("False", "NoImport", "No current import"),
        "UpToDate": ("False", "NoDigest", "No source digest"),
    }


def test_what_is_passed_on():
    """What a cron says of the guests to be made of its images its imports say; of pods that are to stay, too."""
    given = cron()
    kept = "cdi.kubevirt.io/storage.pod.retainAfterCompletion"
    given["metadata"]["annotations"] = {kept: "true"}
    given["spec"]["template"]["metadata"] = {"labels": {"mine": "too"}}
    made = cron_plan.plan(given, Seen(), NOW, is_due=True).volume
    assert labels(made)["instancetype.kubevirt.io/default-preference"] == "fedora"
    assert labels(made)["mine"] == "too"
    assert annotations(made)[kept] == "true"
    assert annotations(made)[cron_products.LAST_USE] == "2026-01-01T00:00:30Z"


def imported(**notes):
    """A cron whose import is under way."""
    given = cron()
    made = cron_plan.plan(given, Seen(), NOW, is_due=True).cron
    made["metadata"]["annotations"] = {**annotations(made), **notes}
    return made


def filled(own, phase="Succeeded", running=None):
    told = [{"type": "Running", "status": "False", "reason": running}] if running else []
    return {"metadata": {"name": own, "namespace": NS}, "status": {"phase": phase, "conditions": told}}


def claim(own, storage_class="fast", last="", **labels):
    meta = {"name": own, "namespace": NS, "labels": labels}
    if last:
        meta["annotations"] = {cron_products.LAST_USE: last}
    spec = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block", "storageClassName": storage_class}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Bound"}}


@pytest.mark.parametrize(("running", "wanted"), [("Error", True), ("ImagePullFailed", True), (None, False)])
def test_an_import_that_fails_makes_room(running, wanted):
    """Once another image is wanted it goes; one that gets on is waited for."""
    given = imported(**{DIGEST: NEW})
    own = cron_products.current(given)["DataVolumeName"]
    made = cron_plan.plan(given, Seen(filled(own, "ImportInProgress", running)), NOW, is_due=False)
    assert (made.discarded == own, made.volume) == (wanted, None)
    assert told(made.cron)["UpToDate"][1] == "Outdated"
    if wanted:
        begun = cron_plan.plan(made.cron, Seen(), NOW, is_due=False)
        assert name(begun.volume) == "fedora-abababababab"


def test_an_import_that_is_lost_is_made_again():
    """Without DataVolume, claim and snapshot there is no import, and the digest asks for one."""
    given = imported()
    own = cron_products.current(given)["DataVolumeName"]
    assert name(cron_plan.plan(given, Seen(), NOW, is_due=False).volume) == own
    kept = cron_plan.plan(given, Seen(claim=claim(own)), NOW, is_due=False)
    assert (kept.volume, kept.used["metadata"]["name"]) == (None, own)
    given["metadata"]["annotations"][DIGEST] = ""
    assert told(cron_plan.plan(given, Seen(), NOW, is_due=False).cron)["UpToDate"][1] == "NoDigest"


def test_snapshots():
    """Where a class keeps imports as snapshots one is taken; once it is ready the claim goes, and it is followed."""
    given = imported()
    own = cron_products.current(given)["DataVolumeName"]
    label = {"instancetype.kubevirt.io/default-preference": "fedora", "other": "no"}
    there = {"volume": filled(own), "claim": claim(own, **label), "kept_as": "snapshot"}
    there |= {"storage_class": "fast", "snapshot_class": "quick"}
    first = cron_plan.plan(given, Seen(**there), NOW, is_due=False)
    assert first.snapshot["spec"] == {
        "source": {"persistentVolumeClaimName": own},
        "volumeSnapshotClassName": "quick",
    }
    assert "instancetype.kubevirt.io/default-preference" in labels(first.snapshot)
    assert "other" not in labels(first.snapshot)
    assert annotations(first.snapshot)["cdi.kubevirt.io/storage.import.sourceVolumeMode"] == "Block"
    assert first.source["spec"]["source"] == {"snapshot": {"namespace": NS, "name": own}}
    assert told(first.cron)["UpToDate"][1] == "Outdated"  # until there is one

    taken = {"metadata": {"name": own, "namespace": NS}, "status": {"readyToUse": False}}
    second = cron_plan.plan(first.cron, Seen(snapshot=taken, **there), NOW, is_due=False)
    assert told(second.cron)["UpToDate"][2] == "Snapshot of imported data is progressing"
    taken["status"]["readyToUse"] = True
    third = cron_plan.plan(second.cron, Seen(snapshot=taken, **there), NOW, is_due=False)
    assert (third.claim_goes, told(third.cron)["UpToDate"]) == (own, UP_TO_DATE)
    alone = {"snapshot": taken, "storage_class": "fast"}
    kept = cron_plan.plan(third.cron, Seen(kept_as="snapshot", **alone), NOW, is_due=False)
    assert (kept.used, kept.cron["status"]["sourceFormat"]) == (taken, "snapshot")
    back = cron_plan.plan(third.cron, Seen(**alone), NOW, is_due=False)
    assert (back.snapshot_goes, back.again) == (own, True)


def test_another_class():
    """An import moves with its class: the old one goes, and is made again."""
    first = cron_plan.plan(imported(), Seen(storage_class="fast"), NOW, is_due=False)
    assert first.discarded == ""
    moved = cron_plan.plan(first.cron, Seen(storage_class="faster"), NOW, is_due=False)
    assert (moved.discarded, moved.again) == (cron_products.current(first.cron)["DataVolumeName"], True)
    assert cron_plan.plan(moved.cron, Seen(storage_class="faster"), NOW, is_due=False).discarded == ""


def test_how_many_are_kept():
    """Three, if nothing is said, and the current one among them; those used longest ago go."""
    given = imported()
    own = cron_products.current(given)["DataVolumeName"]
    there = [claim(f"c{day}", last=f"2026-01-0{day}T00:00:00Z") for day in range(1, 5)]
    assert cron_products.outdated(given, [claim(own, last="2025"), *there]) == ["c2", "c1"]
    assert cron_products.keeps(cron(importsToKeep=1)) == 1
    assert cron_products.keeps(cron(importsToKeep=0)) == 0
    assert cron_products.keeps(cron(garbageCollect="Never", importsToKeep=1)) is None
