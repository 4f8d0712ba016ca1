"""Validation of CustomResourceDefinitions.

The server checks its internal form, where what all versions say alike stands once at the top: with a single version the
schema's faults are reported at `spec.validation`, its columns' at `spec.additionalPrinterColumns`, and so on.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.api.extend import accepting, schema_rules
from fakekube.api.extend.field_paths import FieldPathError, resolve
from fakekube.api.registry import names as spelling
from fakekube.machinery import objects
from fakekube.machinery.field_errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from fakekube.machinery.wire import Object

Raw = Mapping[str, Any]

_COLUMN_TYPES = "boolean,date,integer,number,string"
_COLUMN_FORMATS = "byte,date,date-time,double,float,int32,int64,password"
_SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
_MOST_SELECTABLE = 8
_MOST_WARNING = 256
_REVIEW_VERSIONS = ("v1", "v1beta1")


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
        *_one_of("spec.scope", spec.get("scope") or "", ["Cluster", "Namespaced"]),
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
        found += _parts(own, [version], at, "schema")
    found += _versions(versions, shared)
    names = spec.get("names") or {}
    found += [
        required(f"spec.names.{name}")
        for name in ("plural", "singular", "kind", "listKind")
        if not names.get(name)
    ]
    found += _names(names, "spec.names")
    found += _parts(shared, versions, "spec", "validation")
    return found + list(_conversion(spec.get("conversion") or {}, "spec.conversion"))


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


def _one_of(path: str, value: str, allowed: list[str]) -> Iterator[FieldError]:
    if not value:
        yield required(path)
    elif value not in allowed:
        yield not_supported(path, value, allowed)


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


def _parts(parts: Raw, versions: Sequence[Raw], at: str, schema_at: str) -> Iterator[FieldError]:
    """Schema, subresources, columns and selectable fields, of one version or of all together."""
    schema = objects.dig(parts, "schema", "openAPIV3Schema")
    if schema:
        status = any("status" in (version.get("subresources") or {}) for version in versions)
        yield from schema_rules.check(schema, f"{at}.{schema_at}.openAPIV3Schema", status=status)
    yield from _scale(objects.dig(parts, "subresources", "scale"), f"{at}.subresources.scale")
    for index, column in enumerate(parts.get("additionalPrinterColumns") or ()):
        yield from _column(column, f"{at}.additionalPrinterColumns[{index}]")
    if parts.get("selectableFields"):
        whole = objects.dig(versions[0], "schema", "openAPIV3Schema", default={})
        yield from _selectable(parts["selectableFields"], whole, f"{at}.selectableFields")


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


def _json_path(path: str, at: str) -> Iterator[FieldError]:
    if not path.startswith("."):
        yield invalid(at, path, "must be a simple json path starting with .")


def _scale(scale: Raw | None, at: str) -> Iterator[FieldError]:
    if scale is None:
        return
    for member, roots in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        path = scale.get(member) or ""
        if not path:
            yield required(f"{at}.{member}")
        elif not path.startswith("."):
            yield from _json_path(path, f"{at}.{member}")
        elif not path.startswith(roots):
            yield invalid(f"{at}.{member}", path, f"should be a json path under {roots[0][:-1]}")
    selector = scale.get("labelSelectorPath") or ""
    if selector and not selector.startswith((".spec.", ".status.")):
        text = "should be a json path under either .spec or .status"
        if not selector.startswith("."):
            text = "must be a simple json path starting with ."
        yield invalid(f"{at}.labelSelectorPath", selector, text)


def _column(column: Raw, at: str) -> Iterator[FieldError]:
    if not column.get("name"):
        yield required(f"{at}.name")
    type_, format_ = column.get("type") or "", column.get("format") or ""
    if not type_:
        yield required(f"{at}.type", f"must be one of {_COLUMN_TYPES}")
    elif type_ not in _COLUMN_TYPES.split(","):
        yield invalid(f"{at}.type", type_, f"must be one of {_COLUMN_TYPES}")
    if format_ and format_ not in _COLUMN_FORMATS.split(","):
        yield invalid(f"{at}.format", format_, f"must be one of {_COLUMN_FORMATS}")
    if not column.get("jsonPath"):
        yield required(f"{at}.JSONPath")
    else:
        yield from _json_path(column["jsonPath"], f"{at}.JSONPath")


def _selectable(fields: Sequence[Raw], schema: Raw, at: str) -> Iterator[FieldError]:
    seen: set[tuple[str, ...]] = set()
    for index, field in enumerate(fields):
        where, path = f"{at}[{index}].jsonPath", field.get("jsonPath") or ""
        if not path:
            yield required(where)
            continue
        try:
            steps, leaf = resolve(path, schema, arrays=False)
        except FieldPathError as error:
            yield invalid(where, path, f"is an invalid path: {error}")
            continue
        if steps[:1] == ["metadata"]:
            yield invalid(where, path, "must not point to fields in metadata")
        if leaf.get("type") not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are"
                " allowed."
            )
            yield invalid(where, path, text)
        if tuple(steps) in seen:
            yield duplicate(where, path)
        seen.add(tuple(steps))
    if len(seen) > _MOST_SELECTABLE:
        yield too_many(at, len(seen), _MOST_SELECTABLE)


def _conversion(conversion: Raw, at: str) -> Iterator[FieldError]:
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook")
    yield from _one_of(f"{at}.strategy", strategy, ["None", "Webhook"])
    if strategy != "Webhook":
        if webhook:
            text = "should not be set when strategy is not set to Webhook"
            yield forbidden(f"{at}.webhookClientConfig", text)
        return
    config = (webhook or {}).get("clientConfig")
    if config is None:
        yield required(f"{at}.webhookClientConfig", "required when strategy is set to Webhook")
    elif bool(config.get("url")) == bool(config.get("service")):
        yield required(f"{at}.webhookClientConfig", "exactly one of url or service is required")
    versions = (webhook or {}).get("conversionReviewVersions") or []
    path = f"{at}.conversionReviewVersions"
    if not versions:
        yield required(path)
    elif not set(versions) & set(_REVIEW_VERSIONS):
        yield invalid(path, versions, f"must include at least one of {', '.join(_REVIEW_VERSIONS)}")
