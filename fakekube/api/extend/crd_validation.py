"""Validation of CustomResourceDefinitions.

The server checks its internal form, where what all versions say alike stands once at the top: with a single version the
schema's faults are reported at `spec.validation`, its columns' at `spec.additionalPrinterColumns`, and so on.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.api.extend import accepting, crd_parts
from fakekube.machinery import names as spelling
from fakekube.machinery import objects
from fakekube.machinery.field_errors import (
    FieldError,
    invalid,
    required,
)
from fakekube.machinery.wire import Object

Raw = Mapping[str, Any]

_SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
_MOST_WARNING = 256


def validate(crd: Object) -> list[FieldError]:
    """A new CRD, beyond what is checked of every object's metadata."""
    spec = crd.get("spec") or {}
    found = []
    if objects.name(crd) != f"{(spec.get('names') or {}).get('plural') or ''}.{spec.get('group') or ''}":
        found.append(invalid("metadata.name", objects.name(crd), 'must be spec.names.plural+"."+spec.group'))
    found += _spec(spec)
    found += validate_status(crd)
    found += _stored_versions(crd)
    found += _approval(crd, None)
    if spec.get("preserveUnknownFields"):
        found.append(_preserving())
    return found


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """A changed CRD: names are fixed once it is established; group and plural always were."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    found = _spec(spec)
    fixed: list[tuple[str, ...]] = [("group",), ("names", "plural")]
    if objects.condition_is(old, "Established"):
        fixed = [("scope",), ("names", "kind"), *fixed]
    for steps in fixed:
        value = objects.dig(spec, *steps)
        if value != objects.dig(before, *steps):
            found.append(invalid("spec." + ".".join(steps), value, "field is immutable"))
    found += validate_status(new)
    found += _stored_versions(new)
    found += _approval(new, old)
    if spec.get("preserveUnknownFields") and not before.get("preserveUnknownFields"):
        found.append(_preserving())
    return found


def validate_status(crd: Object) -> list[FieldError]:
    return list(_names(objects.dig(crd, "status", "acceptedNames", default={}), "status.acceptedNames"))


def _preserving() -> FieldError:
    text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
    return invalid("spec.preserveUnknownFields", True, text)


def _approval(crd: Object, old: Object | None) -> list[FieldError]:
    if not accepting.is_protected(objects.dig(crd, "spec", "group", default="")):
        return []
    annotations = crd["metadata"].get("annotations") or {}
    state, why = accepting.approval_state(annotations)
    if old is not None and accepting.approval_state(old["metadata"].get("annotations") or {})[0] == state:
        return []
    path = f"metadata.annotations[{accepting.APPROVAL_ANNOTATION}]"
    if state == "Missing":
        return [required(path, why)]
    return [invalid(path, annotations[accepting.APPROVAL_ANNOTATION], why)] if state == "Invalid" else []


def _stored_versions(crd: Object) -> list[FieldError]:
    path = "status.storedVersions"
    stored: list[str] = objects.dig(crd, "status", "storedVersions", default=[])
    if not stored:
        return [invalid(path, None, "must have at least one stored version")]
    versions = objects.dig(crd, "spec", "versions", default=[])
    found = [
        invalid(path, stored, f"must have the storage version {version.get('name') or ''}")
        for version in versions
        if version.get("storage") and version.get("name") not in stored
    ]
    for index, name in enumerate(stored):
        if all(version.get("name") != name for version in versions):
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions"
                f" until a storage migration ensures no data remains persisted in {name} and removes {name} from"
                " status.storedVersions"
            )
            found.append(invalid(f"{path}[{index}]", name, text))
    return found


def _spec(spec: Raw) -> list[FieldError]:
    versions: Sequence[Raw] = spec.get("versions") or ()
    shared = {name: value for name in _SHARED if (value := _alike(versions, name)) is not None}
    found = [
        *_group(spec.get("group") or ""),
        *crd_parts.one_of("spec.scope", spec.get("scope") or "", ["Cluster", "Namespaced"]),
    ]
    for index, version in enumerate(versions):
        if not objects.dig(version, "schema", "openAPIV3Schema"):
            found.append(required(f"spec.versions[{index}].schema.openAPIV3Schema"))
    for index, version in enumerate(versions):
        at = f"spec.versions[{index}]"
        name = version.get("name") or ""
        found += [invalid(f"{at}.name", name, text) for text in _joined(spelling.label_1035(name))]
        found += _warning(version, at)
        own = {name: version.get(name) for name in _SHARED if name not in shared}
        found += crd_parts.parts(own, [version], at, "schema")
    found += _versions(versions, shared)
    if versions:  # the internal form still has `spec.version`, the first one's name
        name = versions[0].get("name") or ""
        found += [invalid("spec.version", name, text) for text in _joined(spelling.label_1035(name)) if name]
    names = spec.get("names") or {}
    found += [
        required(f"spec.names.{name}")
        for name in ("plural", "singular", "kind", "listKind")
        if not names.get(name)
    ]
    found += _names(names, "spec.names")
    found += crd_parts.parts(shared, versions, "spec", "validation")
    return found + list(crd_parts.conversion(spec.get("conversion") or {}, "spec.conversion"))


def _alike(versions: Sequence[Raw], name: str) -> Any:
    """What every version says in the same words, or None."""
    first = versions[0].get(name) if versions else None
    return first if first and all(version.get(name) == first for version in versions) else None


def _group(group: str) -> Iterator[FieldError]:
    if not group:
        yield required("spec.group")
    elif complaints := spelling.subdomain(group):
        yield invalid("spec.group", group, ",".join(complaints))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _joined(complaints: list[str]) -> list[str]:
    return [",".join(complaints)] if complaints else []


def _versions(versions: Sequence[Raw], shared: Raw) -> Iterator[FieldError]:
    internal = [_internal(version, shared) for version in versions] or None
    if len({version.get("name") for version in versions}) != len(versions):
        yield invalid("spec.versions", internal, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield invalid("spec.versions", internal, "must have exactly one version marked as storage version")


def _internal(version: Raw, shared: Raw) -> Raw:
    """A version as the server's Go struct prints it inside an error."""
    own = {name: None if name in shared else version.get(name) for name in _SHARED}
    return {
        "Name": version.get("name") or "",
        "Served": bool(version.get("served")),
        "Storage": bool(version.get("storage")),
        "Deprecated": bool(version.get("deprecated")),
        "DeprecationWarning": version.get("deprecationWarning"),
        "Schema": own["schema"] and {"OpenAPIV3Schema": own["schema"].get("openAPIV3Schema")},
        "Subresources": own["subresources"],
        "AdditionalPrinterColumns": own["additionalPrinterColumns"],
        "SelectableFields": own["selectableFields"],
    }


def _warning(version: Raw, at: str) -> Iterator[FieldError]:
    text = version.get("deprecationWarning")
    if text is None:
        return
    path = f"{at}.deprecationWarning"
    if not version.get("deprecated"):
        yield invalid(path, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > _MOST_WARNING:
        yield invalid(path, text, f"must be <= {_MOST_WARNING} characters long")
    if not text:
        yield invalid(path, text, "must not be an empty string")
    for index, char in enumerate(text):
        if not char.isprintable():
            said = f"must only contain printable UTF-8 characters; non-printable character found at index {index}"
            yield invalid(path, text, said)
            break


def _names(names: Raw, at: str) -> Iterator[FieldError]:
    mixed = "may have mixed case, but should otherwise match: "
    for member, lead in (("plural", ""), ("singular", ""), ("kind", mixed), ("listKind", mixed)):
        name = names.get(member)
        for text in _joined(spelling.label_1035(name.lower() if lead else name)) if name else ():
            yield invalid(f"{at}.{member}", name, lead + text)
    for index, name in enumerate(names.get("shortNames") or ()):
        for text in _joined(spelling.label_1035(name)):
            yield invalid(f"{at}.shortNames[{index}]", name, text)
    if names.get("kind") and names["kind"] == names.get("listKind"):
        yield invalid(f"{at}.listKind", names["listKind"], "kind and listKind may not be the same")
    for index, name in enumerate(names.get("categories") or ()):
        for text in _joined(spelling.label_1035(name)):
            yield invalid(f"{at}.categories[{index}]", name, text)
