"""Phases of a DataVolume as a function of what is seen."""

import pytest

from fakekube.virt.cdi import phases
from fakekube.virt.cdi.phases import Fate, Seen

HTTP = {"http": {"url": "http://example/disk.img"}}


def volume(phase="", source=None, annotations=None):
    meta = {"name": "root", "namespace": "ns", "uid": "dv-uid", "annotations": annotations or {}}
    return {
        "metadata": meta,
        "spec": {"source": source or HTTP, "storage": {}},
        "status": {"phase": phase} if phase else {},
    }


def claim(phase="Bound"):
    return {"metadata": {"name": "root"}, "status": {"phase": phase}}


def walk(source=None, **more):
    """Every phase a DataVolume passes through when nothing takes time."""
    seen, phase = [], ""
    while not seen or seen[-1] != phase:
        seen.append(phase)
        phase, _ = phases.next_phase(
            Seen(volume(phase, source), claim(), more.get("late", False), 1e9, 0.0, **more)
        )
    return seen[1:]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (HTTP, ["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"]),
        ({"blank": {}}, ["Pending", "ImportScheduled", "ImportInProgress", "Succeeded"]),
        ({"pvc": {"name": "x"}}, ["Pending", "CloneScheduled", "CSICloneInProgress", "Succeeded"]),
        ({"upload": {}}, ["Pending", "UploadScheduled", "UploadReady"]),
    ],
)
def test_sources(source, wanted):
    """V-097: each way to fill a claim has its phases; an upload waits for its data."""
    assert walk(source) == wanted


def test_no_claim_yet():
    """An unbound claim keeps the DataVolume Pending, or waiting for a first consumer where its class binds late."""
    assert phases.next_phase(Seen(volume("Pending"), claim("Pending"), False, 0, 0)) == ("Pending", None)
    assert phases.next_phase(Seen(volume("Pending"), claim("Pending"), True, 0, 0)) == (
        "WaitForFirstConsumer",
        None,
    )


def test_time():
    """A transfer takes its time: a quarter until it begins, the rest until it is done."""
    assert phases.next_phase(Seen(volume("ImportScheduled"), claim(), False, 0.5, 4.0)) == (
        "ImportScheduled",
        0.5,
    )
    assert phases.next_phase(Seen(volume("ImportInProgress"), claim(), False, 3.0, 4.0)) == (
        "Succeeded",
        None,
    )


@pytest.mark.parametrize(
    ("fate", "phase"),
    [
        (Fate(stuck=True), "ImportInProgress"),
        (Fate(error=True), "ImportInProgress"),
        (Fate(fail=True), "Failed"),
    ],
)
def test_fates(fate, phase):
    """F-08, F-09, F-10: a stuck or failing transfer stays in progress, one that fails for good ends there."""
    assert walk(fate=fate)[-1] == phase


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("", Fate()),
        ("takes=30s", Fate(takes=30.0)),
        ("error", Fate(error=True)),
        ("takes=x,stuck", Fate(stuck=True)),
    ],
)
def test_fate_words(text, fate):
    """The annotation is read word by word."""
    assert phases.fate_of(volume(annotations={"fakekube.io/fate": text})) == fate


def test_claim():
    """V-098: the claim has the DataVolume's name, CDI's marks and the DataVolume as controller."""
    made = phases.claim(volume(), default_class="standard")
    assert made["metadata"]["name"] == "root"
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "cdi-controller"
    assert made["metadata"]["annotations"]["cdi.kubevirt.io/createdForDataVolume"] == "dv-uid"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "dv-uid"
    assert (made["spec"]["storageClassName"], made["spec"]["accessModes"]) == ("standard", ["ReadWriteOnce"])
