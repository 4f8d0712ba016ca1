"""Checks that many kinds share, in the real server's words. Pure: values and paths in, field errors out.

Origin: k8s: pkg/apis/core/validation/validation.go, staging/src/k8s.io/apimachinery/pkg/util/validation, pkg/apis/meta/v1/validation
"""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from fakekube.api.registry import metadata
from fakekube.machinery import digits, names, quantities
from fakekube.machinery.field_checks import texts
from fakekube.machinery.field_errors import FieldError, invalid
from fakekube.machinery.wire import Object

Causes = list[FieldError]

# Most kinds let a write to `/status` change these as well: upstream only puts the old spec back.
STATUS_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
IMMUTABLE = "field is immutable"
_NOT_NEGATIVE = "must be greater than or equal to 0"
_PORT = "must be between 1 and 65535, inclusive"
_PORT_CHARACTERS = re.compile(r"[-a-z0-9]+").fullmatch
_PERCENT = re.compile(r"[0-9]+%").fullmatch
_LARGEST = (1 << 63) - 1
_PLAIN_KEY = re.compile(
    r"[-_a-zA-Z0-9][-._a-zA-Z0-9]*"
).fullmatch  # without a leading dot, which needs a closer look
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+").fullmatch
_SAY_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def metadata_again(obj: Object, rule: str) -> Causes:
    """What a kind reports once more on update because its update check runs the whole create check."""
    return metadata.validate_create(obj, rule=rule, generate_name="")


def dns_label(value: str, path: str) -> Causes:
    return texts(path, value, names.label(value))


def immutable(new: Any, old: Any, path: str) -> Causes:
    return [] if new == old else [invalid(path, new, IMMUTABLE)]


def not_negative(value: Any, path: str) -> Causes:
    return [] if value is None or value >= 0 else [invalid(path, value, _NOT_NEGATIVE)]


def quantity_not_negative(value: str, path: str) -> Causes:
    return [] if quantities.parse(value)[0] >= 0 else [invalid(path, value, _NOT_NEGATIVE)]


def port_number(value: Any, path: str) -> Causes:
    return [] if isinstance(value, int) and 1 <= value <= 65535 else [invalid(path, value or 0, _PORT)]


def port_name(value: str) -> list[str]:
    """An IANA service name."""
    said = []
    if len(value) > 15:
        said.append("must be no more than 15 characters")
    if not _PORT_CHARACTERS(value):
        said.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        said.append("must contain at least one letter (a-z)")
    if "--" in value:
        said.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        said.append("must not begin or end with a hyphen")
    return said


def port_number_or_name(value: Any, path: str) -> Causes:
    return texts(path, value, port_name(value)) if isinstance(value, str) else port_number(value, path)


def parse_ip(value: Any) -> IPv4Address | IPv6Address | None:
    """The address a text spells; leading zeros, which Go once ignored, do not."""
    try:
        return ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None


def valid_ip(value: Any, path: str) -> Causes:
    return [] if parse_ip(value) is not None else [invalid(path, value, _SAY_IP)]


def parse_cidr(text: str) -> IPv4Network | IPv6Network | None:
    """As Go reads it: with the length of the prefix, not with a mask; bits behind the prefix may stand."""
    if "/" not in text or digits.number(text.rpartition("/")[2]) is None:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def valid_cidr(value: str, path: str) -> Causes:
    said = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    return [] if parse_cidr(value) is not None else [invalid(path, value, said)]


def ordinary_ip(value: str, path: str) -> Causes:
    """An address other machines can send to: not unspecified, loopback, link-local."""
    address = parse_ip(value)
    if address is None:
        return [invalid(path, value, "must be a valid IP address")]
    found = []
    if address.is_unspecified:
        found.append(invalid(path, value, f"may not be unspecified ({value})"))
    if address.is_loopback:
        found.append(invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if address.is_link_local:
        found.append(invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if address.is_multicast and str(address).startswith(("224.0.0.", "ff02:")):
        found.append(
            invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
        )
    return found


def is_config_key(value: str) -> bool:
    """The quick answer to whether `config_key` would find anything."""
    return bool(_PLAIN_KEY(value)) and len(value) < 254


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: a file name."""
    said = []
    if len(value) > 253:
        said.append("must be no more than 253 characters")
    if not _CONFIG_KEY(value):
        said.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    if value == ".":
        said.append("must not be '.'")
    elif value == "..":
        said.append("must not be '..'")
    elif value.startswith(".."):
        said.append("must not start with '..'")
    return said


def count_or_percent(value: Any, path: str) -> Causes:
    """A number that is not negative, or a percentage."""
    if isinstance(value, str):
        if _PERCENT(value):
            return []
        return [
            invalid(
                path,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                "regex used for validation is '[0-9]+%')",
            )
        ]
    return not_negative(value, path)


def percentage(value: Any) -> int | None:
    """The number of one: the largest there is for one that no number can hold, as to Go. None: it is no percentage."""
    if not isinstance(value, str) or not _PERCENT(value):
        return None
    found = digits.integer(value[:-1])
    return _LARGEST if found is None else found


def at_most_100_percent(value: Any, path: str) -> Causes:
    if (percentage(value) or 0) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def each(items: Sequence[Any] | None, path: str, check: Callable[[Any, str], Causes]) -> Causes:
    """`check` on every item at its indexed path."""
    return [error for index, item in enumerate(items or ()) for error in check(item, f"{path}[{index}]")]
