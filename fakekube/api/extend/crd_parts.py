"""The parts a version of a CRD is made of: schema, scale, columns, selectable fields; and its conversion.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.api.extend import schema_rules
from fakekube.api.extend.field_paths import FieldPathError, resolve
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

Raw = Mapping[str, Any]

_COLUMN_TYPES = "boolean,date,integer,number,string"
_COLUMN_FORMATS = "byte,date,date-time,double,float,int32,int64,password"
_MOST_SELECTABLE = 8
_REVIEW_VERSIONS = ("v1", "v1beta1")


def parts(said: Raw, versions: Sequence[Raw], at: str, schema_at: str) -> Iterator[FieldError]:
    """Schema, subresources, columns and selectable fields, of one version or of all together."""
    schema = objects.dig(said, "schema", "openAPIV3Schema")
    if schema:
        status = any("status" in (version.get("subresources") or {}) for version in versions)
        yield from schema_rules.check(schema, f"{at}.{schema_at}.openAPIV3Schema", status=status)
    yield from _scale(objects.dig(said, "subresources", "scale"), f"{at}.subresources.scale")
    for index, column in enumerate(said.get("additionalPrinterColumns") or ()):
        yield from _column(column, f"{at}.additionalPrinterColumns[{index}]")
    if said.get("selectableFields"):
        whole = objects.dig(versions[0], "schema", "openAPIV3Schema", default={})
        yield from _selectable(said["selectableFields"], whole, f"{at}.selectableFields")


def one_of(path: str, value: str, allowed: list[str]) -> Iterator[FieldError]:
    if not value:
        yield required(path)
    elif value not in allowed:
        yield not_supported(path, value, allowed)


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


def conversion(declared: Raw, at: str) -> Iterator[FieldError]:
    strategy, webhook = declared.get("strategy") or "", declared.get("webhook")
    yield from one_of(f"{at}.strategy", strategy, ["None", "Webhook"])
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
