"""String formats that custom-resource schemas may name; an unknown format says nothing.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/validation/formats.go, kube-openapi: pkg/validation/strfmt
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date as calendar_date
from functools import partial
from urllib.parse import urlsplit

from fakekube.machinery import digits

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt\s]([01]\d|2[0-3]|24)(?::?[0-5]\d)?(?::?([0-5]\d|60))?(?:[.,]\d+)?([Zz]|[+-]\d\d(?::?\d\d)?)"
)
_DURATION = r"[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)"
_SCALA_DURATION = (
    r"\s*\d+\s*(?:ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?"
    r"|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*"
)
_UUID = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?%s-?%s-?[0-9a-f]{12}"
_HEX4 = "[0-9a-f]{4}"
_HOSTNAME = r"(?=.{1,255}\Z)(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)(?:\.[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)*\.?"
_EMAIL = r"(?:[^<>@]*<)?[^\s<>@,;:\"\[\]()\\]+@[^\s<>@,;:\"()\\]+>?"
_SHORT_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_LONG_NAME = r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_CARD = (
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})"
)
_RGB = r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)"

Format = Callable[[str], object]


def _date(text: str) -> bool:
    try:
        calendar_date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2006-01-02") and text[4] == "-"


def _date_time(text: str) -> bool:
    found = _DATE_TIME.fullmatch(text)
    return found is not None and _date(found[1])


def _ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _ipv6(text: str) -> bool:
    try:
        return ipaddress.IPv6Address(text).scope_id is None
    except ValueError:
        return False


def _cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    length = digits.number(bits) if slash else None
    if length is None:
        return False
    return (_ipv4(address) and length <= 32) or (_ipv6(address) and length <= 128)


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (bool(parts.scheme) and bool(parts.netloc or parts.path)) or text.startswith("/")


def _mac(text: str) -> bool:
    octets = re.split(r"[:-]", text)
    if len(set(re.findall(r"[:-]", text))) == 1:
        return len(octets) in (6, 8, 20) and all(re.fullmatch("[0-9A-Fa-f]{2}", octet) for octet in octets)
    return bool(
        re.fullmatch(r"[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){2}|[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4}){3,9}", text)
    )


def _byte(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _duration(text: str) -> bool:
    return bool(re.fullmatch(_DURATION, text) or re.fullmatch(_SCALA_DURATION, text))


def _isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{9}[\dX]", digits):
        return False
    return sum((10 - at) * (10 if digit == "X" else int(digit)) for at, digit in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{13}", digits):
        return False
    return sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10 == 0


def _card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    doubled = [int(digit) * (2 if at % 2 else 1) for at, digit in enumerate(reversed(digits))]
    return bool(re.fullmatch(_CARD, digits)) and sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _rgb(text: str) -> bool:
    found = re.fullmatch(_RGB, text)
    return found is not None and all(int(part) <= 255 for part in found.groups())


def _like(pattern: str) -> Format:
    """What matches it. Compiled when the first text is tested: few schemas name one of these."""
    return partial(re.fullmatch, pattern)


FORMATS: dict[str, Format] = {
    "bsonobjectid": _like("(?i)[0-9a-f]{24}"),
    "byte": _byte,
    "cidr": _cidr,
    "creditcard": _card,
    "date": _date,
    "datetime": _date_time,
    "duration": _duration,
    "email": _like(_EMAIL),
    "hexcolor": _like("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "hostname": _like(_HOSTNAME),
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "k8slongname": _like(_LONG_NAME),
    "k8sshortname": _like(_SHORT_NAME),
    "mac": _mac,
    "password": lambda _: True,
    "rgbcolor": _rgb,
    "ssn": _like(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "uri": _uri,
    "uuid": _like(_UUID % (_HEX4, _HEX4)),
    "uuid3": _like(_UUID % ("3[0-9a-f]{3}", _HEX4)),
    "uuid4": _like(_UUID % ("4[0-9a-f]{3}", "[89ab][0-9a-f]{3}")),
    "uuid5": _like(_UUID % ("5[0-9a-f]{3}", "[89ab][0-9a-f]{3}")),
}


def checker(name: str) -> Format | None:
    """What tests a string for the format of that name; dashes in the name do not count."""
    return FORMATS.get(name.replace("-", ""))
