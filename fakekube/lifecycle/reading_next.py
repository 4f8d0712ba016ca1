"""What a stage does, read from its file: `next`, or the `steps` that newer files of kwok have in its place."""

from typing import Any, Literal, cast

from fakekube.lifecycle.places import Place
from fakekube.lifecycle.stage import Apply, EventGroup, EventToTell, Finalizers, Next, Patch, PatchKind, Write
from fakekube.lifecycle.templates import Template
from fakekube.lifecycle.vocabulary import Vocabulary

_PATCHES = ("json", "merge", "strategic", "apply", "update")
_APPLIES = ("apply", "merge", "strategic")


class NextReader:
    """Reads for one stage. `usual`: how a patch is made that does not say."""

    def __init__(self, words: Vocabulary, usual: PatchKind) -> None:
        self._words = words
        self._usual = usual

    def next(self, place: Place) -> Next:
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
        groups = [self._event_group(one) for one in parts["events"].items()] if "events" in parts else []
        if "event" in parts:
            groups.insert(0, EventGroup((self._event(parts["event"], self._words),)))
        writes: list[Write] = []
        if "finalizers" in parts:
            writes.append(self._finalizers(parts["finalizers"]))
        if "statusTemplate" in parts:
            template = self._words.template(parts["statusTemplate"])
            subresource = parts["statusSubresource"].text() if "statusSubresource" in parts else "status"
            user = self._user(parts.get("statusPatchAs"))
            writes.append(Patch(template, self._usual, subresource, "status", user))
        writes += [self._patch(one) for one in parts["patches"].items()] if "patches" in parts else []
        delete = parts["delete"].flag() if "delete" in parts else False
        return Next(tuple(groups), tuple(writes), delete)

    def steps(self, place: Place) -> Next:
        """One thing after the other; messages of events are Go templates. What comes after the deletion is not written."""
        told: list[EventGroup] = []
        writes: list[Write] = []
        delete = False
        for step in place.items():
            parts = step.fields("event", "finalizers", "patch", "apply", "delete")
            if len(parts) != 1:
                raise step.fail("must be one of event, finalizers, patch, apply, delete")
            [(word, inner)] = parts.items()
            if delete and word != "event":
                raise step.fail("comes after the deletion")
            if word == "event":
                told.append(EventGroup((self._event(inner, self._words, go=True),)))
            elif word == "finalizers":
                writes.append(self._finalizers(inner))
            elif word == "patch":
                writes.append(self._patch(inner))
            elif word == "apply":
                writes.append(self._apply(inner))
            else:
                delete = inner.flag()
        return Next(tuple(told), tuple(writes), delete)

    def _patch(self, place: Place) -> Patch:
        parts = place.fields("subresource", "root", "type", "template", "impersonation")
        place.need(parts, "template")
        kind = parts["type"].one_of(*_PATCHES) if "type" in parts else self._usual
        root = parts["root"].text() if "root" in parts else ""
        if kind == "json" and not isinstance(parts["template"].value, list | str):
            raise place.fail("a json patch is a list of operations")
        subresource = parts["subresource"].text() if "subresource" in parts else None
        template = self._words.template(parts["template"], "list" if kind == "json" else "mapping")
        user = self._user(parts.get("impersonation"))
        return Patch(template, cast("PatchKind", kind), subresource, root, user)

    def _apply(self, place: Place) -> Apply:
        """Another object. What is a Go template shows only when it plays whether it is one."""
        parts = place.fields("subresource", "type", "template", "impersonation")
        place.need(parts, "template")
        template = self._words.template(parts["template"])
        if isinstance(template, Template) and isinstance(template.data, dict):
            whole: dict[str, Any] = {**template.data, **(template.data.get("metadata") or {})}
            for word in ("apiVersion", "kind", "name"):
                if not whole.get(word):
                    raise parts["template"].fail(f"is no object: {word} is missing")
        kind = parts["type"].one_of(*_APPLIES) if "type" in parts else "apply"
        subresource = parts["subresource"].text() if "subresource" in parts else None
        user = self._user(parts.get("impersonation"))
        return Apply(template, cast('Literal["apply", "merge", "strategic"]', kind), subresource, user)

    def _user(self, place: Place | None) -> str:
        if place is None:
            return ""
        parts = place.fields("username")
        place.need(parts, "username")
        return parts["username"].text()

    def _event_group(self, place: Place) -> EventGroup:
        parts = place.fields("forEach", "events")
        place.need(parts, "events")
        each, words = None, self._words
        if "forEach" in parts:
            each, words = parts["forEach"].text(), words.with_items()
            self._words.check(parts["forEach"], frozenset({each}))
        return EventGroup(tuple(self._event(one, words) for one in parts["events"].items()), each)

    def _event(self, place: Place, words: Vocabulary, *, go: bool = False) -> EventToTell:
        parts = place.fields("type", "reason", "message", "fieldPath")
        kind = parts["type"].one_of("Normal", "Warning") if "type" in parts else "Normal"
        reason, message = (
            words.template(parts[name], "text", go=go) if name in parts else Template("")
            for name in ("reason", "message")
        )
        path = words.template(parts["fieldPath"], "text") if "fieldPath" in parts else None
        return EventToTell(kind, reason, message, path)

    @staticmethod
    def _finalizers(place: Place) -> Finalizers:
        parts = place.fields("add", "remove", "empty")
        names: dict[str, tuple[str, ...]] = {}
        for part in ("add", "remove"):
            found = []
            for item in parts[part].items() if part in parts else []:
                members = item.fields("value")
                item.need(members, "value")
                found.append(members["value"].text())
            names[part] = tuple(found)
        empty = parts["empty"].flag() if "empty" in parts else False
        if both := set(names["add"]) & set(names["remove"]):
            raise place.fail(f"adds and removes {min(both)}")
        return Finalizers(names["add"], names["remove"], empty)
