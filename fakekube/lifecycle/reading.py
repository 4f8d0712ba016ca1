"""Stage files → Stage values, or the file, the line and the reason why not. Nothing is guessed: an unknown field is an
error, so a slip of the pen is found when the file is loaded and not by a life that never moves on.

Files are as people write them, and as `kubectl get stages -o yaml` gives them: with what a server adds, and in a List.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from fakekube.lifecycle.places import Place
from fakekube.lifecycle.reading_next import NextReader
from fakekube.lifecycle.requirements import Operator, Program, Requirement
from fakekube.lifecycle.stage import (
    Compile,
    Delay,
    PatchKind,
    Selector,
    Stage,
    StageError,
)
from fakekube.lifecycle.vocabulary import NamesOfKind, Vocabulary
from fakekube.machinery.paces import PACE_NAMES

_STRATEGIC = (("", "Pod"), ("", "Node"))  # patched so where nothing else is said
_API_VERSION = "kwok.x-k8s.io/v1alpha1"

_SERVERS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_METADATA = ("name", "labels", "annotations", "finalizers", "ownerReferences", *_SERVERS)
_SPEC = (
    "resourceRef",
    "selector",
    "weight",
    "weightFrom",
    "delay",
    "next",
    "steps",
    "immediateNextStage",
    "once",
    "track",
    "paces",
)

Names = NamesOfKind | Mapping[tuple[str, str], frozenset[str]]  # or by group and kind
Kinds = Callable[[str, str], str]  # why there cannot be such a kind; empty: there can


def read(
    documents: Iterable[Place],
    *,
    source: str,
    names: Names = None,
    kinds: Kinds | None = None,
    cel: Compile | None = None,
) -> Iterator[Stage]:
    """The stages of one file. Raises StageError."""
    seen: set[str] = set()
    for document in documents:
        if document.value is None:  # an empty one
            continue
        for place in _documents(document):
            stage = _stage(place, names, kinds, cel)
            if stage.name in seen:
                raise StageError(source, place.line, f"a second stage called {stage.name}")
            seen.add(stage.name)
            yield stage


def _documents(place: Place) -> list[Place]:
    """The stages of a document: itself, or the items of a list."""
    if not isinstance(place.value, Mapping) or place.value.get("kind") not in ("List", "StageList"):
        return [place]
    parts = place.fields("apiVersion", "kind", "metadata", "items")
    place.need(parts, "items")
    return parts["items"].items()


def _stage(place: Place, names: Names, kinds: Kinds | None, cel: Compile | None) -> Stage:
    """One document. What the context offers depends on the kind, so that is looked at first."""
    name, spec = _spec(place)
    ref = spec["resourceRef"]
    group, kind = _group_and_kind(ref)
    if kinds is not None and (why := kinds(group, kind)):
        raise ref.fail(why)
    known = names.get((group, kind), frozenset()) if isinstance(names, Mapping) else names
    words = Vocabulary(known, cel)
    usual: PatchKind = "strategic" if (group, kind) in _STRATEGIC else "merge"
    reader = NextReader(words, usual)
    paces = [one.one_of(*PACE_NAMES) for one in spec["paces"].items()] if "paces" in spec else PACE_NAMES
    return Stage(
        name=name,
        group=group,
        kind=kind,
        selector=_selector(spec.get("selector"), words),
        next=reader.steps(spec["steps"]) if "steps" in spec else reader.next(spec["next"]),
        delay=_delay(spec["delay"], words) if "delay" in spec else Delay(),
        weight=spec["weight"].count() if "weight" in spec else 0,
        weight_from=words.origin(spec.get("weightFrom")),
        immediate_next=spec["immediateNextStage"].flag() if "immediateNextStage" in spec else False,
        once=spec["once"].flag() if "once" in spec else False,
        track=spec["track"].text() if "track" in spec else "",
        paces=frozenset(paces),
    )


def _spec(place: Place) -> tuple[str, dict[str, Place]]:
    """The name of a stage, and the members of its spec."""
    top = place.fields("apiVersion", "kind", "metadata", "spec", "status")
    place.need(top, "apiVersion", "kind", "metadata", "spec")
    top["apiVersion"].one_of(_API_VERSION)
    top["kind"].one_of("Stage")
    metadata = top["metadata"].fields(*_METADATA)
    top["metadata"].need(metadata, "name")
    spec = top["spec"].fields(*_SPEC)
    top["spec"].need(spec, "resourceRef", *(() if "steps" in spec else ("next",)))
    if "steps" in spec and "next" in spec:
        raise spec["steps"].fail("stands beside next; give one of them")
    return metadata["name"].text(), spec


def _group_and_kind(place: Place) -> tuple[str, str]:
    """`apiGroup` is a group with a version, or nothing but the version of the core group."""
    ref = place.fields("apiGroup", "kind")
    place.need(ref, "kind")
    group = ref["apiGroup"].value if "apiGroup" in ref else ""
    if not isinstance(group, str):
        raise ref["apiGroup"].fail("must be a text")
    return group.rpartition("/")[0] if "/" in group else group.removeprefix("v1"), ref["kind"].text()


def _selector(place: Place | None, words: Vocabulary) -> Selector:
    if place is None:
        return Selector({}, {}, ())
    parts = place.fields("matchLabels", "matchAnnotations", "matchExpressions")
    requirements: list[Requirement] = []
    conditions: list[Program] = []
    for one in parts["matchExpressions"].items() if "matchExpressions" in parts else []:
        found = _expression(one, words)
        if isinstance(found, Requirement):
            requirements.append(found)
        else:
            conditions.append(found)
    return Selector(
        parts["matchLabels"].texts() if "matchLabels" in parts else {},
        parts["matchAnnotations"].texts() if "matchAnnotations" in parts else {},
        tuple(requirements),
        tuple(conditions),
    )


def _expression(place: Place, words: Vocabulary) -> Requirement | Program:
    """A key with an operator, or a condition in CEL; newer files of kwok say which, and put it one deeper."""
    parts = place.fields("key", "operator", "values", "expression", "jq", "cel")
    if len(parts) == 1 and "cel" in parts:
        place = parts["cel"]
        parts = place.fields("expression")
        place.need(parts, "expression")
    elif len(parts) == 1 and "jq" in parts:
        place = parts["jq"]
        parts = place.fields("key", "operator", "values")
    for word in ("jq", "cel", "expression"):
        if word in parts and len(parts) > 1:
            raise parts[word].fail("stands alone")
    if "expression" in parts:
        return words.program(parts["expression"])
    place.need(parts, "key", "operator")
    key = words.key(parts["key"])
    operator = parts["operator"].one_of("In", "NotIn", "Exists", "DoesNotExist")
    values = [one.text() for one in parts["values"].items()] if "values" in parts else []
    if (operator in ("In", "NotIn")) != bool(values):
        wanted = "needs values" if not values else "takes no values"
        raise place.fail(f"operator {operator} {wanted}")
    return Requirement(key, cast("Operator", operator), frozenset(values))


def _delay(place: Place, words: Vocabulary) -> Delay:
    parts = place.fields(
        "durationMilliseconds", "durationFrom", "jitterDurationMilliseconds", "jitterDurationFrom"
    )
    milliseconds = {word: parts[word].count() / 1000 for word in parts if word.endswith("Milliseconds")}
    return Delay(
        milliseconds.get("durationMilliseconds", 0.0),
        milliseconds.get("jitterDurationMilliseconds"),
        words.origin(parts.get("durationFrom")),
        words.origin(parts.get("jitterDurationFrom")),
    )
