"""The life of definitions: defaults, accepted names, conditions, deletion."""

from typing import Any

from fakekube.api.extend import crds
from fakekube.machinery import objects
from fakekube.machinery.copying import copy_of

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def definition(plural: str, kind: str, **names: Any) -> dict[str, Any]:
    crd = {
        "metadata": {"name": f"{plural}.conf.example.com"},
        "spec": {
            "group": "conf.example.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, **names},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }
    crds.default(crd)
    crds.CrdRules().prepare_create(crd)
    return crd


def settled(crd: dict[str, Any], *others: dict[str, Any], now: str = NOW) -> dict[str, Any]:
    return {**copy_of(crd), "status": crds.settled_status(crd, others, now)}


def test_defaults_and_first_status() -> None:
    """Singular and list kind follow from the kind; the storage version is remembered from the start."""
    crd = definition("firsts", "First")
    assert crd["spec"]["names"] == {
        "plural": "firsts",
        "kind": "First",
        "singular": "first",
        "listKind": "FirstList",
    }
    assert crd["spec"]["conversion"] == {"strategy": "None"}
    assert crd["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }


def test_free_names_are_accepted() -> None:
    """Without rivals all names are granted and the definition is established; a second look changes nothing."""
    crd = settled(definition("firsts", "First", shortNames=["fi"], categories=["all"]))
    assert crd["status"]["acceptedNames"] == crd["spec"]["names"]
    assert [(one["type"], one["status"], one["reason"]) for one in objects.conditions(crd)] == [
        ("NamesAccepted", "True", "NoConflicts"),
        ("Established", "True", "InitialNamesAccepted"),
    ]
    assert settled(crd, now=LATER) == crd


def test_a_taken_kind() -> None:
    """Conflicting names are withheld, the last conflict is named, and the definition is not established."""
    first = settled(definition("firsts", "First"))
    second = settled(definition("seconds", "First"), first)
    assert second["status"] == {
        "acceptedNames": {"kind": "", "plural": "seconds"},
        "conditions": [
            {
                "lastTransitionTime": NOW,
                "message": '"FirstList" is already in use',
                "reason": "ListKindConflict",
                "status": "False",
                "type": "NamesAccepted",
            },
            {
                "lastTransitionTime": NOW,
                "message": "not all names are accepted",
                "reason": "NotAccepted",
                "status": "False",
                "type": "Established",
            },
        ],
        "storedVersions": ["v1"],
    }


def test_a_taken_short_name() -> None:
    """A short name conflicts with any resource name of the group; the other names are granted."""
    first = settled(definition("firsts", "First", shortNames=["fi"]))
    third = settled(definition("thirds", "Third", shortNames=["fi"]), first)
    assert third["status"]["acceptedNames"] == {
        "kind": "Third",
        "listKind": "ThirdList",
        "plural": "thirds",
        "singular": "third",
    }
    assert objects.dig(objects.condition(third, "NamesAccepted"), "reason") == "ShortNamesConflict"


def test_freed_names_are_granted() -> None:
    """Once the rival has gone, the waiting definition is established, at the time that happened."""
    first = settled(definition("firsts", "First"))
    second = settled(settled(definition("seconds", "First"), first), now=LATER)
    assert objects.condition_is(second, "Established")
    assert objects.dig(objects.condition(second, "Established"), "lastTransitionTime") == LATER


def test_deletion_waits_for_instances() -> None:
    """The first delete marks the definition as terminating and adds the finalizer that instances hold it by."""
    crd = settled(definition("firsts", "First"))
    rules = crds.CrdRules()
    assert rules.blocks_deletion(crd)
    crd["metadata"]["deletionTimestamp"] = LATER
    rules.prepare_delete(crd)
    assert objects.finalizers(crd) == [crds.CLEANUP]
    assert objects.dig(objects.condition(crd, "Terminating"), "reason") == "InstanceDeletionInProgress"
    assert not rules.blocks_deletion(crd)
