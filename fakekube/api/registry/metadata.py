"""System metadata: what the server fills in, what it never lets change, and how names are checked. Pure.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/registry/rest/{create,update,meta}.go, apimachinery/pkg/api/validation/objectmeta.go
"""

from collections.abc import Sequence
from typing import Any

from fakekube.machinery import names
from fakekube.machinery.field_errors import FieldError, forbidden, invalid, required
from fakekube.machinery.objects import alike
from fakekube.machinery.wire import Object

# In the order in which the server checks them.
_IMMUTABLE = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
_NOT_GIVEN = frozenset(
    {
        "namespace",
        "generation",
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    }
)
_CHECKED = ("labels", "annotations", "ownerReferences", "finalizers")
_EMPTY = (str, list, dict, type(None))


def tidy(meta: dict[str, Any]) -> None:
    """Drop empty lists, maps and nulls, which Go's `omitempty` would not print either."""
    for member in [key for key, value in meta.items() if not value and value.__class__ in _EMPTY]:
        del meta[member]
    meta.pop("selfLink", None)


def fill_create(obj: Object, *, namespace: str, name: str, uid: str, now: str, with_generation: bool) -> None:
    """A new object's metadata, in place: identity is the server's, deletion marks of the client are dropped."""
    given = obj["metadata"]
    generation = given.get("generation")
    meta: dict[str, Any] = {"name": name}
    if given.get("generateName"):
        meta["generateName"] = given["generateName"]
    if namespace:
        meta["namespace"] = namespace
    meta["uid"] = uid
    if with_generation:
        meta["generation"] = 1
    elif generation:
        meta["generation"] = generation  # kinds that do not count changes keep what they are given
    meta["creationTimestamp"] = now
    for member, value in given.items():
        if member not in meta and member not in _NOT_GIVEN:
            meta[member] = value
    tidy(meta)
    obj["metadata"] = meta


def keep_on_update(new: Object, old: Object) -> None:
    """What a client may leave out of an update: the server's own marks come from the stored object. In place."""
    meta, before = new["metadata"], old["metadata"]
    tidy(meta)
    for member in ("uid", "deletionGracePeriodSeconds"):
        if member not in meta and member in before:
            meta[member] = before[member]
    if "deletionTimestamp" in before:  # whatever the client says
        meta["deletionTimestamp"] = before["deletionTimestamp"]
    meta["creationTimestamp"] = before["creationTimestamp"]
    for member in ("generation", "generateName"):
        if member in before:
            meta[member] = before[member]
        elif member == "generation":
            meta.pop(member, None)
    if list(meta) != list(before):
        new["metadata"] = {key: meta[key] for key in before if key in meta} | meta


def validate_create(
    obj: Object, *, rule: str, generate_name: str = "", qualified: bool = True
) -> list[FieldError]:
    """Names, labels, annotations, finalizers and owners of a new object.

    `qualified`: finalizers need a domain, as those of most built-in kinds do.
    """
    meta = obj["metadata"]
    check = names.RULES[rule]
    found: list[FieldError] = []
    if generate_name:
        # A generated name's stem may end in a dash: what follows makes it whole.
        stem = generate_name[:-1] + "a" if generate_name.endswith("-") else generate_name
        found += [invalid("metadata.generateName", generate_name, text) for text in check(stem)]
    name = meta.get("name") or ""
    if not name:
        found.append(required("metadata.name", "name or generateName is required"))
    else:
        found += [invalid("metadata.name", name, text) for text in check(name)]
    return found + _common(meta) + (unqualified_finalizers(meta) if qualified else [])


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Immutable members, and the same checks as for a new object."""
    meta, before = new["metadata"], old["metadata"]
    found: list[FieldError] = []
    if before.get("deletionTimestamp"):
        had = set(before.get("finalizers") or ())
        extra = [one for one in meta.get("finalizers") or () if one not in had]
        if extra:
            said = "[]string{" + ", ".join(f'"{one}"' for one in sorted(extra)) + "}"
            found.append(
                forbidden(
                    "metadata.finalizers",
                    f"no new finalizers can be added if the object is being deleted, found new finalizers {said}",
                )
            )
    found += [
        invalid(f"metadata.{member}", meta.get(member), "field is immutable")
        for member in _IMMUTABLE
        if meta.get(member) != before.get(member)
    ]
    # What was stored has been checked: an update that leaves it alone need not pay for that again.
    changed = {one: meta[one] for one in _CHECKED if one in meta and meta[one] != before.get(one)}
    return found + _common(changed)


def unqualified_finalizers(meta: dict[str, Any]) -> list[FieldError]:
    """What the kinds of core and most of the other groups ask for beyond what any object has to fulfil."""
    return [
        error
        for index, one in enumerate(meta.get("finalizers") or ())
        for error in names.unqualified_finalizer(one, f"metadata.finalizers[{index}]")
    ]


def _common(meta: dict[str, Any]) -> list[FieldError]:
    found: list[FieldError] = []
    if "labels" in meta:
        found += names.check_labels(meta["labels"], "metadata.labels")
    if "annotations" in meta:
        found += names.check_annotations(meta["annotations"], "metadata.annotations")
    if "ownerReferences" in meta:
        found += names.check_owners(meta["ownerReferences"], "metadata.ownerReferences")
    if "finalizers" in meta:
        found += names.check_finalizers(meta["finalizers"], "metadata.finalizers")
    return found


def same_ignoring_version(one: Object, two: Object) -> bool:
    """Whether writing `one` over `two` would change anything but the version and times of ownership records."""
    if one.keys() != two.keys() or not all(alike(v, two[k]) for k, v in one.items() if k != "metadata"):
        return False
    mine, theirs = one["metadata"], two["metadata"]
    skip = ("resourceVersion", "managedFields")
    if {k: v for k, v in mine.items() if k not in skip} != {k: v for k, v in theirs.items() if k not in skip}:
        return False
    return _timeless(mine.get("managedFields") or ()) == _timeless(theirs.get("managedFields") or ())


def _timeless(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in entry.items() if k != "time"} for entry in entries]
