"""The life of a DataVolume by the standard stages, as a function of what is seen."""

import pytest

from fakekube.clock import parse_rfc3339
from fakekube.lifecycle import script
from fakekube.lifecycle.stage import FAST, REALISTIC
from fakekube.virt.cdi import claims, fates
from fakekube.virt.cdi.datavolume import standard_stages
from fakekube.virt.cdi.fates import Fate
from fakekube.virt.cdi.sources import CLONE, CLONE_TYPE, IMPORT, POD_PHASE, POPULATION, READY, Origin
from fakekube.virt.cdi.volume_view import VolumeView
from tests.lifecycle.prospects import prospects

HTTP = {"http": {"url": "http://example/disk.img"}}
NOW = "2026-01-01T00:00:00Z"


def volume(phase="", source=None, fate=""):
    notes = {"fakekube.io/fate": fate} if fate else {}
    meta = {"name": "root", "namespace": "ns", "uid": "dv-uid", "annotations": notes}
    return {
        "metadata": meta,
        "spec": {"source": source or HTTP, "storage": {}},
        "status": {"phase": phase} if phase else {},
    }


def claim(phase="Bound", **annotations):
    notes = {claims.CREATED_FOR: "dv-uid", READY: "true", **annotations}
    return {"metadata": {"name": "root", "annotations": notes}, "status": {"phase": phase}}


def upcoming(given, of=None, *, late=False, pace=REALISTIC, **seen):
    """What comes next: (name of the stage, seconds, the status it writes, what it tells)."""
    view = VolumeView(given, of, NOW, binds_late=late, **seen)
    context = {"now": NOW, "object": given, "volume": view}
    played = script.for_kind(standard_stages(), "cdi.kubevirt.io", "DataVolume", pace)
    found = prospects(played, given, context, parse_rfc3339(NOW), pace)
    return [
        (one.stage, one.after, one.writes[0]["status"], [(told.reason, told.message) for told in one.events])
        for one in found
    ]


def walk(source=None, fate="", of=None, told=None, **more):
    """The phases a DataVolume goes through, and how long it was in each; `told` gathers what is told meanwhile."""
    given, seen = volume(source=source, fate=fate), []
    while True:
        found = upcoming(given, of or claim(), **more)
        if not found:
            return seen
        _, after, status, news = found[0]
        given = {**given, "status": status}
        if told is not None:
            told += news
        seen.append((after, status["phase"]))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (HTTP, ["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"]),
        ({"blank": {}}, ["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"]),
        ({"pvc": {"name": "x"}}, ["Pending", "CloneScheduled", "CloneInProgress", "Succeeded"]),
        ({"upload": {}}, ["Pending", "UploadScheduled", "UploadReady"]),
    ],
)
def test_sources(source, wanted):
    """V-097: each way to fill a claim has its phases; an upload waits for its data."""
    assert [phase for _, phase in walk(source)] == wanted


@pytest.mark.parametrize(
    ("way", "kind", "phase", "message"),
    [
        ("csi-clone", "pvc", "CSICloneInProgress", "CSI Volume clone in progress (for pvc gold/x)"),
        ("copy", "pvc", "CloneInProgress", "Cloning from gold/x into ns/root in progress"),
        ("copy", "snapshot", "CloneInProgress", "Cloning from gold/x into ns/root in progress"),
        (
            "snapshot",
            "pvc",
            "SnapshotForSmartCloneInProgress",
            "Creating snapshot for smart-clone is in progress (for pvc gold/x)",
        ),
        (
            "snapshot",
            "snapshot",
            "CloneFromSnapshotSourceInProgress",
            "Creating PVC from snapshot source is in progress (for snapshot gold/x)",
        ),
    ],
)
def test_ways_to_clone(way, kind, phase, message):
    """The phase tells how a clone is made, and what is told names where it comes from and goes to."""
    told, of = [], claim(**{CLONE_TYPE: way})
    source = {kind: {"name": "x", "namespace": "gold"}}
    walked = walk(source, of=of, told=told, origin=Origin(kind, "gold/x"))
    assert [one for _, one in walked] == ["Pending", "CloneScheduled", phase, "Succeeded"]
    assert told[-3:] == [
        ("CloneScheduled", "Cloning from gold/x into ns/root scheduled"),
        (phase, message),
        ("CloneSucceeded", "Successfully cloned from gold/x into ns/root"),
    ]


def test_who_tells_how_far_it_is():
    """Copies do; drivers do not."""
    for way, wanted in (("csi-clone", "N/A"), ("copy", "42.00%")):
        given = volume("CloneScheduled", source={"pvc": {"name": "x"}})
        _, _, status, _ = upcoming(given, claim(**{CLONE_TYPE: way}), origin=Origin("pvc", "ns/x"))[0]
        assert status["progress"] == wanted


def test_what_is_held_waits():
    """Nothing happens to it."""
    waiting = walk_to("ImportScheduled")
    assert upcoming(waiting, claim(), held=True) == []
    assert upcoming(waiting, claim())[0][0] == "volume-in-progress"


def test_uploads_nobody_receives():
    """They wait until somebody is ready to."""
    given, unready = volume("Pending", source={"upload": {}}), claim()
    waiting = {**given, "status": upcoming(given, claim())[0][2]}
    del unready["metadata"]["annotations"][READY]
    assert upcoming(waiting, unready) == []
    assert upcoming(waiting, claim())[0][0] == "volume-in-progress"


def test_what_uploads_tell():
    """That they wait for data, and have got it."""
    told = []
    walk({"upload": {}}, of=claim(**{POD_PHASE: "Succeeded"}), told=told)
    assert told[-3:] == [
        ("UploadScheduled", "Upload into root scheduled"),
        ("UploadReady", "Upload into root ready"),
        ("UploadSucceeded", "Successfully uploaded into root"),
    ]


@pytest.mark.parametrize(
    ("populator", "wanted"), [("true", "PendingPopulation"), ("false", "WaitForFirstConsumer")]
)
def test_what_nobody_asks_for_yet(populator, wanted):
    """A claim that a populator fills waits for its population, another one for its first consumer."""
    waiting = claim("Pending", **{claims.USES_POPULATOR: populator})
    _, _, status, _ = upcoming(volume("Pending"), waiting, late=True)[0]
    assert status["phase"] == wanted
    assert upcoming({**volume(), "status": status}, waiting, late=True) == []
    assert upcoming({**volume(), "status": status}, claim(), late=True)[0][0] == "volume-scheduled"


def test_an_upload_is_over_when_all_is_sent():
    """The claim tells that the data has come."""
    assert [phase for _, phase in walk({"upload": {}}, of=claim(**{POD_PHASE: "Succeeded"}))][
        -1
    ] == "Succeeded"


def test_no_claim_yet():
    """An unbound claim keeps the DataVolume Pending, or waiting for a first consumer where its class binds late."""
    waiting = claim("Pending")
    [(stage, _, status, told)] = upcoming(volume(), waiting, late=True)[:1]
    assert (stage, status["phase"], told) == ("volume-pending", "Pending", [("Pending", "PVC root Pending")])
    pending = {**volume(), "status": status}
    assert upcoming(pending, waiting) == []
    [(stage, _, status, told)] = upcoming(pending, waiting, late=True)
    assert (stage, status["phase"], told) == ("volume-waits", "WaitForFirstConsumer", [])
    assert upcoming({**volume(), "status": status}, waiting, late=True) == []
    assert upcoming(volume(), None) == []


def test_a_source_that_is_missing_is_waited_for():
    """A clone has no claim and no phase, and tells once why."""
    given = volume(source={"pvc": {"name": "x"}})
    [(_, _, status, told)] = upcoming(given, missing=Origin("pvc", "ns/x"))
    assert "phase" not in status
    assert told == [("CloneWithoutSource", "The source pvc x doesn't exist")]
    assert upcoming({**given, "status": status}, missing=Origin("pvc", "ns/x")) == []


@pytest.mark.parametrize(
    ("phase", "gone", "wanted"),
    [("Succeeded", True, ["Pending"]), ("Succeeded", False, []), ("Failed", True, [])],
)
def test_a_claim_that_is_lost_is_filled_anew(phase, gone, wanted):
    """A volume that was filled begins again once its claim has gone; not for a claim that is somebody else's."""
    found = upcoming(volume(phase), gone=gone)
    assert [one[2]["phase"] for one in found] == wanted
    prepopulated = volume(phase)
    prepopulated["metadata"]["annotations"][claims.PRE_POPULATED] = "x"
    assert upcoming(prepopulated, gone=gone) == []


def conditions(status):
    return [(one["type"], one["status"], one["reason"]) for one in status["conditions"]]


def test_conditions():
    """A volume is not ready because of a transfer only while there is one."""
    given, seen = volume(), []
    while found := upcoming(given, claim()):
        given = {**given, "status": found[0][2]}
        seen.append(conditions(given["status"]))
    bound = ("Bound", "True", "Bound")
    idle = [bound, ("Ready", "False", ""), ("Running", "False", "")]
    assert seen == [
        idle,
        idle,
        [bound, ("Ready", "False", "TransferRunning"), ("Running", "True", "Pod is running")],
        [bound, ("Ready", "True", ""), ("Running", "False", "Completed")],
    ]


@pytest.mark.parametrize("phase", ["Pending", "ImportInProgress"])
def test_a_volume_that_goes_before_it_is_filled(phase):
    """The DataVolume has failed then, and says that its claim is lost."""
    stage, _, status, told = upcoming(volume(phase), claim("Lost"))[0]
    assert (stage, status["phase"], status.get("restartCount")) == ("volume-unfillable", "Failed", None)
    assert conditions(status)[0] == ("Bound", "False", "ClaimLost")
    assert told == [("ErrClaimLost", "PVC root lost"), ("ClaimLost", "Claim Lost")]


def test_a_volume_that_goes_after_it_was_filled():
    """The DataVolume has succeeded for all that, and says that its claim is lost."""
    [(stage, _, status, told)] = upcoming(volume("Succeeded"), claim("Lost"))
    assert (stage, status["phase"]) == ("volume-conditions", "Succeeded")
    assert conditions(status)[:2] == [("Bound", "False", "ClaimLost"), ("Ready", "True", "")]
    assert told == [("ClaimLost", "Claim Lost")]


def test_what_was_there_before_is_taken_over():
    """An adopted claim is full already."""
    before = claim(**{claims.CREATED_FOR: ""})
    [(stage, after, status, told)] = upcoming(volume(), before)
    assert (stage, after, status["phase"], status["progress"]) == ("volume-adopted", 0, "Succeeded", "N/A")
    assert told[-1] == ("ImportSucceeded", "Successfully imported into PVC root")


@pytest.mark.parametrize(
    ("fate", "pace", "wanted"),
    [("", REALISTIC, (5.0, 15.0)), ("", FAST, (0.5, 1.5)), ("takes=1m", FAST, (15.0, 45.0))],
)
def test_time(fate, pace, wanted):
    """A transfer takes its time: a quarter until it begins, the rest until it is done; a fate's holds at every pace."""
    assert tuple(after for after, _ in walk(fate=fate, pace=pace))[2:] == wanted


@pytest.mark.parametrize(
    ("fate", "phase", "running"),
    [
        ("stuck", "ImportInProgress", ("True", "Pod is running")),
        ("error", "ImportInProgress", ("False", "Error")),
        ("fail", "Failed", ("False", "Error")),
        ("quota", "Pending", ("False", "")),
    ],
)
def test_fates(fate, phase, running):
    """F-08, F-09, F-10: a stuck or failing transfer stays in progress, one that fails for good ends there."""
    given, status = volume(fate=fate), {}
    while (found := upcoming(given, claim())) and found[0][0] != "volume-restarted":
        status = found[0][2]
        given = {**given, "status": status}
    one = next(one for one in status["conditions"] if one["type"] == "Running")
    assert (status["phase"], (one["status"], one["reason"])) == (phase, running)


def test_an_importer_that_begins_to_fail():
    """A fate that comes while the transfer is under way is told at once, and only once."""
    under_way = dict(walk_to("ImportInProgress"), metadata=volume(fate="error")["metadata"])
    [(stage, _, status, told)] = upcoming(under_way, claim())
    assert (stage, status["restartCount"], [reason for reason, _ in told]) == (
        "volume-conditions",
        1,
        ["Error"],
    )
    [(stage, after, status, told)] = upcoming({**under_way, "status": status}, claim())
    assert (stage, after, status["restartCount"], told) == ("volume-restarted", 10.0, 2, [])


@pytest.mark.parametrize(
    ("method", "phases", "times", "message"),
    [
        ("pod", ["Pending", "ImportScheduled", "ImportInProgress"], 1, "failed to pull image: error pinging"),
        ("node", ["Pending", "ImportScheduled"], None, "failed to pull image: localhost/x"),
    ],
)
def test_images_that_cannot_be_pulled(method, phases, times, message):
    """The importer fails, or does not even begin where a node is to pull it; it is told once."""
    source = {"registry": {"url": "docker://localhost/x", "pullMethod": method}}
    given, seen, told = volume(source=source), [], []
    while (found := upcoming(given, claim())) and found[0][0] != "volume-restarted":
        given = {**given, "status": found[0][2]}
        seen.append(given["status"]["phase"])
        told += [text for reason, text in found[0][3] if reason == "ImagePullFailed"]
    assert list(dict.fromkeys(seen)) == phases
    running = next(one for one in given["status"]["conditions"] if one["type"] == "Running")
    assert (running["status"], running["reason"]) == ("False", "ImagePullFailed")
    assert message in running["message"]
    assert (given["status"].get("restartCount"), told) == (times, [running["message"]])


@pytest.mark.parametrize(("times", "after"), [(1, 10.0), (2, 20.0), (5, 160.0), (6, 300.0), (60, 300.0)])
def test_restarts(times, after):
    """F-09: An importer that fails is restarted again and again, later each time, and counted."""
    failing = dict(walk_to("ImportInProgress"), metadata=volume(fate="error")["metadata"])
    status = upcoming(failing, claim())[0][2]
    failing = {**failing, "status": {**status, "restartCount": times}}
    [(stage, waits, status, _)] = upcoming(failing, claim())
    assert (stage, waits, status["restartCount"]) == ("volume-restarted", after, times + 1)


def walk_to(phase):
    given = volume()
    while given["status"].get("phase") != phase:
        given = {**given, "status": upcoming(given, claim())[0][2]}
    return given


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("", Fate()),
        ("takes=30s", Fate(takes=30.0)),
        ("takes=10m", Fate(takes=600.0)),
        ("error", Fate(ends="error")),
        ("takes=x,stuck", Fate(ends="stuck")),
    ],
)
def test_fate_words(text, fate):
    """The annotation is read word by word."""
    assert fates.of(volume(fate=text)) == fate


def test_claim():
    """V-098: the claim has the DataVolume's name, CDI's marks and the DataVolume as controller."""
    made = claims.claim(volume(), {}, default_class="standard")
    assert made["metadata"]["name"] == "root"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "cdi-controller"
    assert made["metadata"]["annotations"]["cdi.kubevirt.io/createdForDataVolume"] == "dv-uid"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "dv-uid"
    assert (made["spec"]["storageClassName"], made["spec"]["accessModes"]) == ("standard", ["ReadWriteOnce"])


def ran(phase, reason, message="", **spec):
    given = volume(phase, source=spec.pop("source", None))
    given["spec"] |= spec
    given["status"] |= {
        "restartCount": 3,
        "conditions": [{"type": "Running", "status": "False", "reason": reason, "message": message}],
    }
    return given


def test_what_a_claim_says_of_it():
    """It tells that it is full, how it was filled, and how often that was tried."""
    prefix = "cdi.kubevirt.io/storage"
    full = claims.told(ran("Succeeded", "Completed", "Import Complete"), claim(), IMPORT)
    assert full == {
        f"{prefix}.pod.phase": "Succeeded",
        f"{prefix}.pod.restarts": "3",
        f"{prefix}.condition.running": "false",
        f"{prefix}.condition.running.message": "Import Complete",
        f"{prefix}.condition.running.reason": "Completed",
        f"{prefix}.populator.progress": "100.0%",
    }
    failing = claims.told(ran("ImportInProgress", "Error", "no"), claim(), IMPORT)
    assert (failing[f"{prefix}.pod.phase"], f"{prefix}.populator.progress" in failing) == ("Running", False)
    assert claims.told(ran("ImportInProgress", "Pod is running"), claim(), IMPORT) == {}
    assert claims.told(ran("Succeeded", ""), claim(), POPULATION) == {}
    assert claims.told(ran("Succeeded", "Completed"), claim(), CLONE)["k8s.io/CloneOf"] == "true"
    for content, wanted in (("kubevirt", True), ("archive", False)):
        asked = claim(**{f"{prefix}.preallocation.requested": "true"})
        told = claims.told(ran("Succeeded", "Completed", contentType=content), asked, IMPORT)
        assert (f"{prefix}.preallocation" in told) is wanted


@pytest.mark.parametrize(
    ("said", "everywhere", "wanted"),
    [(None, False, "false"), (None, True, "true"), (False, True, "false"), (True, False, "true")],
)
def test_preallocation(said, everywhere, wanted):
    """As the DataVolume says, or else CDI's configuration."""
    given = volume()
    given["spec"] |= {"preallocation": said} if said is not None else {}
    made = claims.claim(given, {}, default_class="", preallocation=everywhere)
    notes = made["metadata"]["annotations"]
    assert notes["cdi.kubevirt.io/storage.preallocation.requested"] == wanted


def test_what_a_claim_takes_from_its_volume():
    """Labels and annotations, but for fates, and what is said of the claim; only file systems fill up."""
    given = volume(fate="error")
    given["metadata"]["labels"] = {"kubevirt.io/created-by": "vm-uid"}
    given["metadata"]["annotations"]["mine"] = "too"
    storage = {"volumeMode": "Block", "volumeName": "pv", "selector": {"matchLabels": {"a": "b"}}}
    made = claims.claim(given, storage, default_class="standard")
    assert made["metadata"]["labels"]["kubevirt.io/created-by"] == "vm-uid"
    assert "alerts.k8s.io/KubePersistentVolumeFillingUp" not in made["metadata"]["labels"]
    assert made["metadata"]["annotations"]["mine"] == "too"
    assert "fakekube.io/fate" not in made["metadata"]["annotations"]
    assert storage.items() <= made["spec"].items()
