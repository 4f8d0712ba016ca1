"""Stage files → Stage values, or the file, the line and the reason why not. Nothing is guessed: an unknown field is an
error, so a slip of the pen is found when the file is loaded and not by a life that never moves on."""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import yaml

from fakekube.lifecycle import go_templates
from fakekube.lifecycle.places import Place
from fakekube.lifecycle.stage import (
    PACES,
    Delay,
    EventGroup,
    EventToTell,
    Finalizers,
    Key,
    Next,
    Operator,
    Patch,
    PatchKind,
    Requirement,
    Selector,
    Stage,
    StageError,
)
from fakekube.lifecycle.templates import Renders, Template, is_one_name
from fakekube.machinery import yaml_text

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRATEGIC = (("", "Pod"), ("", "Node"))  # patched so where nothing else is said
_API_VERSION = "kwok.x-k8s.io/v1alpha1"

NamesOfKind = frozenset[str] | None  # None: any
Names = NamesOfKind | Mapping[tuple[str, str], frozenset[str]]  # or by group and kind
Kinds = Callable[[str, str], str]  # why there cannot be such a kind; empty: there can


def read(text: str, *, source: str, names: Names = None, kinds: Kinds | None = None) -> Iterator[Stage]:
    """The stages of one file. Raises StageError."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
        values = [value for _, value in yaml_text.load_all(text)]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = str(error.problem)  # a key given twice is YAML, but not ours
        reason = said if isinstance(error, yaml.constructor.ConstructorError) else f"not YAML: {said}"
        raise StageError(source, line, reason) from None
    seen: set[str] = set()
    for node, value in zip(nodes, values, strict=True):
        if value is None:  # an empty document
            continue
        stage = _stage(Place(source, "", node, value), names, kinds)
        if stage.name in seen:
            raise StageError(source, node.start_mark.line + 1, f"a second stage called {stage.name}")
        seen.add(stage.name)
        yield stage


def _stage(place: Place, names: Names, kinds: Kinds | None) -> Stage:
    """One document. What the context offers depends on the kind, so that is looked at first."""
    reader = _Reader(None)
    ref = reader.reference(place)
    group, kind = reader.group_and_kind(ref)
    if kinds is not None and (why := kinds(group, kind)):
        raise ref.fail(why)
    known = names.get((group, kind), frozenset()) if isinstance(names, Mapping) else names
    return _Reader(known).stage(place)


class _Reader:
    """One document's reading. `names`: what the context offers, where that is known."""

    def __init__(self, names: NamesOfKind, *, item: bool = False) -> None:
        self._names = names
        self._roots = {"object", "item"} if item else {"object"}
        self._usual_patch: PatchKind = "merge"

    def spec(self, place: Place) -> tuple[str, dict[str, Place]]:
        """The name of a stage, and the members of its spec."""
        top = place.fields("apiVersion", "kind", "metadata", "spec")
        self._need(place, top, "apiVersion", "kind", "metadata", "spec")
        top["apiVersion"].one_of(_API_VERSION)
        top["kind"].one_of("Stage")
        metadata = top["metadata"].fields("name", "labels", "annotations")
        self._need(top["metadata"], metadata, "name")
        spec = top["spec"].fields(
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
        self._need(top["spec"], spec, "resourceRef", *(() if "steps" in spec else ("next",)))
        if "steps" in spec and "next" in spec:
            raise spec["steps"].fail("stands beside next; give one of them")
        return metadata["name"].text(), spec

    def reference(self, place: Place) -> Place:
        return self.spec(place)[1]["resourceRef"]

    def group_and_kind(self, place: Place) -> tuple[str, str]:
        """`apiGroup` is a group with a version, or nothing but the version of the core group."""
        ref = place.fields("apiGroup", "kind")
        self._need(place, ref, "kind")
        group = ref["apiGroup"].value if "apiGroup" in ref else ""
        if not isinstance(group, str):
            raise ref["apiGroup"].fail("must be a text")
        return group.rpartition("/")[0] if "/" in group else group.removeprefix("v1"), ref["kind"].text()

    def stage(self, place: Place) -> Stage:
        name, spec = self.spec(place)
        group, kind = self.group_and_kind(spec["resourceRef"])
        if (group, kind) in _STRATEGIC:
            self._usual_patch = "strategic"
        paces = [one.one_of(*PACES) for one in spec["paces"].items()] if "paces" in spec else list(PACES)
        return Stage(
            name=name,
            group=group,
            kind=kind,
            selector=self._selector(spec.get("selector")),
            next=self._steps(spec["steps"]) if "steps" in spec else self._next(spec["next"]),
            delay=self._delay(spec["delay"]) if "delay" in spec else Delay(),
            weight=spec["weight"].count() if "weight" in spec else 0,
            weight_from=self._from(spec.get("weightFrom")),
            immediate_next=spec["immediateNextStage"].flag() if "immediateNextStage" in spec else False,
            once=spec["once"].flag() if "once" in spec else False,
            track=spec["track"].text() if "track" in spec else "",
            paces=frozenset(paces),
        )

    def _selector(self, place: Place | None) -> Selector:
        if place is None:
            return Selector({}, {}, ())
        parts = place.fields("matchLabels", "matchAnnotations", "matchExpressions")
        expressions = parts["matchExpressions"].items() if "matchExpressions" in parts else []
        return Selector(
            parts["matchLabels"].texts() if "matchLabels" in parts else {},
            parts["matchAnnotations"].texts() if "matchAnnotations" in parts else {},
            tuple(self._requirement(one) for one in expressions),
        )

    def _requirement(self, place: Place) -> Requirement:
        parts = place.fields("key", "operator", "values", "jq")
        if "jq" in parts and len(parts) == 1:
            place = parts["jq"]
            parts = place.fields("key", "operator", "values")
        self._need(place, parts, "key", "operator")
        key = self._key(parts["key"])
        operator = parts["operator"].one_of("In", "NotIn", "Exists", "DoesNotExist")
        values = [one.text() for one in parts["values"].items()] if "values" in parts else []
        if (operator in ("In", "NotIn")) != bool(values):
            wanted = "needs values" if not values else "takes no values"
            raise place.fail(f"operator {operator} {wanted}")
        return Requirement(key, cast("Operator", operator), frozenset(values))

    def _delay(self, place: Place) -> Delay:
        parts = place.fields(
            "durationMilliseconds", "durationFrom", "jitterDurationMilliseconds", "jitterDurationFrom"
        )
        seconds = parts["durationMilliseconds"].count() / 1000 if "durationMilliseconds" in parts else 0.0
        upto = None
        if "jitterDurationMilliseconds" in parts:
            upto = parts["jitterDurationMilliseconds"].count() / 1000
            if upto < seconds:
                raise parts["jitterDurationMilliseconds"].fail("must not be less than durationMilliseconds")
        return Delay(
            seconds, upto, self._from(parts.get("durationFrom")), self._from(parts.get("jitterDurationFrom"))
        )

    def _from(self, place: Place | None) -> Key | None:
        if place is None:
            return None
        parts = place.fields("expressionFrom", "jq")
        if "jq" in parts:
            inner = parts["jq"].fields("expression")
            self._need(parts["jq"], inner, "expression")
            return self._key(inner["expression"])
        self._need(place, parts, "expressionFrom")
        return self._key(parts["expressionFrom"])

    def _key(self, place: Place) -> Key:
        text = place.text()
        if text.startswith("."):
            return place.expression()
        self._check_names(place, frozenset({text}))
        return text

    def _next(self, place: Place) -> Next:
        parts = place.fields(
            "event",
            "events",
            "finalizers",
            "statusTemplate",
            "statusSubresource",
            "statusPatchAs",
            "patches",
            "delete",
        )
        if not parts:
            raise place.fail("does nothing; give an event, finalizers, statusTemplate, patches or delete")
        groups = [self._event_group(one) for one in parts["events"].items()] if "events" in parts else []
        if "event" in parts:
            groups.insert(0, EventGroup((self._event(parts["event"]),)))
        patches = [self._patch(one) for one in parts["patches"].items()] if "patches" in parts else []
        if "statusTemplate" in parts:
            template = self._template(parts["statusTemplate"])
            subresource = parts["statusSubresource"].text() if "statusSubresource" in parts else "status"
            user = self._user(parts.get("statusPatchAs"))
            patches.insert(0, Patch(template, self._usual_patch, subresource, "status", user))
        delete = parts["delete"].flag() if "delete" in parts else False
        return Next(
            tuple(groups),
            self._finalizers(parts["finalizers"]) if "finalizers" in parts else None,
            tuple(patches),
            delete,
        )

    def _steps(self, place: Place) -> Next:
        """What newer files of kwok have for `next`: one thing after the other, messages of events as Go templates."""
        told, patches, delete = [], [], False
        finalizers: Finalizers | None = None
        for step in place.items():
            parts = step.fields("event", "finalizers", "patch", "delete")
            if len(parts) != 1:
                raise step.fail("must be one of event, finalizers, patch, delete")
            if "event" in parts:
                told.append(EventGroup((self._event(parts["event"], go=True),)))
            elif "finalizers" in parts:
                if finalizers is not None:
                    raise step.fail("a second step about finalizers")
                finalizers = self._finalizers(parts["finalizers"])
            elif "patch" in parts:
                patches.append(self._patch(parts["patch"]))
            else:
                delete = parts["delete"].flag()
        return Next(tuple(told), finalizers, tuple(patches), delete)

    def _patch(self, place: Place) -> Patch:
        parts = place.fields("subresource", "root", "type", "template", "impersonation")
        self._need(place, parts, "template")
        kinds = ("json", "merge", "strategic", "update")
        kind = parts["type"].one_of(*kinds) if "type" in parts else self._usual_patch
        root = parts["root"].text() if "root" in parts else ""
        if kind == "json" and not isinstance(parts["template"].value, list | str):
            raise place.fail("a json patch is a list of operations")
        subresource = parts["subresource"].text() if "subresource" in parts else None
        template = self._template(parts["template"], "list" if kind == "json" else "mapping")
        user = self._user(parts.get("impersonation"))
        return Patch(template, cast("PatchKind", kind), subresource, root, user)

    def _user(self, place: Place | None) -> str:
        if place is None:
            return ""
        parts = place.fields("username")
        self._need(place, parts, "username")
        return parts["username"].text()

    def _event_group(self, place: Place) -> EventGroup:
        parts = place.fields("forEach", "events")
        self._need(place, parts, "events")
        each = parts["forEach"].text() if "forEach" in parts else None
        if each is not None:
            self._check_names(parts["forEach"], frozenset({each}))
        inner = _Reader(self._names, item=each is not None)
        return EventGroup(tuple(inner._event(one) for one in parts["events"].items()), each)

    def _event(self, place: Place, *, go: bool = False) -> EventToTell:
        parts = place.fields("type", "reason", "message", "fieldPath")
        self._need(place, parts, "reason", "message")
        kind = parts["type"].one_of("Normal", "Warning") if "type" in parts else "Normal"
        reason, message = (self._template(parts[name], "text", go=go) for name in ("reason", "message"))
        path = self._template(parts["fieldPath"], "text") if "fieldPath" in parts else None
        return EventToTell(kind, reason, message, path)

    def _finalizers(self, place: Place) -> Finalizers:
        parts = place.fields("add", "remove", "empty")
        names: dict[str, tuple[str, ...]] = {}
        for part in ("add", "remove"):
            found = []
            for item in parts[part].items() if part in parts else []:
                members = item.fields("value")
                self._need(item, members, "value")
                found.append(members["value"].text())
            names[part] = tuple(found)
        empty = parts["empty"].flag() if "empty" in parts else False
        if both := set(names["add"]) & set(names["remove"]):
            raise place.fail(f"adds and removes {min(both)}")
        return Finalizers(names["add"], names["remove"], empty)

    def _template(self, place: Place, form: str = "mapping", *, go: bool = False) -> Renders:
        wanted: type = {"mapping": dict, "list": list, "text": str}[form]
        data = place.value
        try:
            if go and form == "text":
                return go_templates.GoText(place.text())
            if isinstance(data, str) and form != "text" and not is_one_name(data):
                return go_templates.GoYaml(data, wanted)
            template = Template(data)
        except ValueError as error:
            raise place.fail(str(error)) from None
        if not isinstance(data, wanted) and not template.is_one_name:
            raise place.fail(f"must be a {form}, or one name, not {data!r}")
        self._check_names(place, template.names)
        return template

    def _check_names(self, place: Place, used: frozenset[str]) -> None:
        if self._names is None:
            return
        for name in sorted(used):
            if name != "now" and name.partition(".")[0] not in self._roots and name not in self._names:
                known = ", ".join(["now", "object.…", *sorted(self._names)])
                raise place.fail(f"nobody provides {{{name}}}; known here: {known}")

    @staticmethod
    def _need(place: Place, parts: Mapping[str, Place], *names: str) -> None:
        for name in names:
            if name not in parts:
                raise place.fail(f"{name} is missing")
