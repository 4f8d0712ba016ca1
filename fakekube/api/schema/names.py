"""Spellings that names must have, with the server's explanations. Each function answers the complaints, empty when fine.

k8s: staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go
"""

import re

_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_IS_LABEL_1035 = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and"
    " end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    f" '{_LABEL_1035}')"
)


def dns1035_label(text: str) -> list[str]:
    found = ["must be no more than 63 characters"] if len(text) > 63 else []
    return found if _IS_LABEL_1035.fullmatch(text) else [*found, _LABEL_1035_TEXT]


def path_segment(text: str) -> list[str]:
    """A name that may stand in a URL path, and nothing more."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in text]
