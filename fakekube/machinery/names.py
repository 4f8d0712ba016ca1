"""Rules for names, labels and annotations, in the real server's words.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go, pkg/api/validation/{objectmeta,generic}.go
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from fakekube.machinery.field_errors import FieldError, invalid

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_NAME_PART})?"
_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_label_1035 = re.compile(_LABEL_1035).fullmatch
_is_name_part = re.compile(_NAME_PART).fullmatch
_is_label_value = re.compile(_LABEL_VALUE).fullmatch

_SAY_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    f"alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SAY_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    f"with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_SAY_LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and "
    f"end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{_LABEL_1035}')"
)
_CHARACTERS = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_SAY_NAME_PART = f"name part {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_PART}')"
_SAY_QUALIFIED = (
    f"a valid label key {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_NAME_PART}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_SAY_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)
_ANNOTATIONS_LIMIT = 256 * 1024


def _longer(limit: int) -> str:
    return f"must be no more than {limit} characters"


def label(value: str) -> list[str]:
    """A DNS (RFC 1123) label."""
    found = [_longer(63)] if len(value) > 63 else []
    return found if _is_label(value) else [*found, _SAY_LABEL]


def subdomain(value: str) -> list[str]:
    """A DNS (RFC 1123) subdomain."""
    found = [_longer(253)] if len(value) > 253 else []
    return found if _is_subdomain(value) else [*found, _SAY_SUBDOMAIN]


def label_1035(value: str) -> list[str]:
    """A DNS (RFC 1035) label: names of Services."""
    found = [_longer(63)] if len(value) > 63 else []
    return found if _is_label_1035(value) else [*found, _SAY_LABEL_1035]


def namespace_label(value: str) -> list[str]:
    """The name of a Namespace: a label, with the short text the server has for dots."""
    return ["must not contain dots"] if "." in value else label(value)


def path_segment(value: str) -> list[str]:
    """A name that only has to survive in a URL path: RBAC."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in value]


RULES: dict[str, Callable[[str], list[str]]] = {
    "subdomain": subdomain,
    "label": label,
    "label1035": label_1035,
    "namespace": namespace_label,
    "path": path_segment,
    "any": lambda _value: [],
}


def qualified_name(value: str) -> list[str]:
    """`name` or `prefix.example/name`: keys of labels and annotations, finalizers, condition types."""
    prefix, slash, name = value.rpartition("/")
    if slash and "/" in prefix:
        return [_SAY_QUALIFIED]
    found = []
    if slash:
        if not prefix:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {text}" for text in subdomain(prefix)]
    if not name:
        found.append("name part must be non-empty")
    elif len(name) > 63:
        found.append("name part must be no more than 63 characters")
    if not _is_name_part(name):
        found.append(_SAY_NAME_PART)
    return found


def label_value(value: str) -> list[str]:
    found = [_longer(63)] if len(value) > 63 else []
    return found if _is_label_value(value) else [*found, _SAY_LABEL_VALUE]


def check_labels(labels: Mapping[str, Any], path: str) -> list[FieldError]:
    """Every key and value of a label map."""
    found = []
    for key, value in labels.items():
        if not _is_right_label(key, str(value)):
            found += [invalid(path, key, text) for text in qualified_name(key)]
            found += [invalid(path, value, text) for text in label_value(str(value))]
    return found


@lru_cache(maxsize=4096)  # many objects bear the same ones
def _is_right_label(key: str, value: str) -> bool:
    return not qualified_name(key) and not label_value(value)


@lru_cache(maxsize=1024)
def _is_right_annotation(key: str) -> bool:
    return not qualified_name(key.lower())


def check_annotations(annotations: Mapping[str, Any], path: str) -> list[FieldError]:
    """Every key (in lower case, as upstream looks at it), and the total size."""
    found = []
    size = 0
    for key, value in annotations.items():
        if not _is_right_annotation(key):
            found += [invalid(path, key, text) for text in qualified_name(key.lower())]
        size += len(key) + len(str(value))
    if size > _ANNOTATIONS_LIMIT:
        found.append(
            FieldError("FieldValueTooLong", path, f"may not be more than {_ANNOTATIONS_LIMIT} bytes")
        )
    return found


STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")


def check_finalizers(finalizers: list[str], path: str) -> list[FieldError]:
    found = [invalid(path, one, text) for one in finalizers for text in qualified_name(one)]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        found.append(invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"))
    return found


def unqualified_finalizer(name: str, path: str) -> list[FieldError]:
    """A finalizer that is neither standard nor names its domain."""
    if "/" in name or name in STANDARD_FINALIZERS:
        return []
    return [invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")]


def check_owners(owners: list[Mapping[str, Any]], path: str) -> list[FieldError]:
    """Owner references: complete, and at most one controller."""
    found: list[FieldError] = []
    controller = ""
    for owner in owners:
        if not owner.get("apiVersion"):
            found.append(
                invalid(f"{path}.apiVersion", owner.get("apiVersion") or "", "version must not be empty")
            )
        found += [
            invalid(
                f"{path}.{member}", "", "kind must not be empty" if member == "kind" else "must not be empty"
            )
            for member in ("kind", "name", "uid")
            if not owner.get(member)
        ]
        if owner.get("controller"):
            if controller:
                found.append(
                    invalid(
                        path,
                        owners,
                        'Only one reference can have Controller set to true. Found "true" in references for '
                        f"{controller} and {owner.get('name')}",
                    )
                )
            controller = str(owner.get("name"))
    return found
