"""What is read of keys and certificates: whether they are any, who has signed whom, which are in force, and what a bundle is
with the certificates of another. Pure.

It is read whenever a cluster begins, so no library of certificates is loaded for it.
Origin: kubevirt: pkg/virt-operator/resource/apply/certificates.go; RFC 5280, 4.1.2.5
"""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n?")
_SEQUENCE, _EXPLICIT_VERSION, _UTC_TIME = 0x30, 0xA0, 0x17
_MOMENT = re.compile(r"(\d{8})(\d{6})Z")


def joined(bundle: str, others: str, now: datetime) -> str:
    """A bundle with the certificates of another that are in force now, each once; what is no certificate is left out."""
    known = {found.group(1) for found in _PEM.finditer(bundle)}
    for found in _PEM.finditer(others):
        if found.group(1) not in known and _is_in_force(found.group(1), now):
            known.add(found.group(1))
            bundle = f"{bundle.rstrip()}\n{found.group(0).rstrip()}\n".lstrip()
    return bundle


def _is_in_force(base64: str, now: datetime) -> bool:
    try:
        first, last = _validity(b64decode(base64))
    except (Error, IndexError, ValueError, KeyError):
        return False
    return first <= now <= last


def validity(certificate: str) -> tuple[datetime, datetime]:
    """From when to when a certificate is in force. Raises ValueError for what is none."""
    try:
        return _validity(b64decode(_pem_of(certificate)))
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError("no certificate") from error


def subject_of(certificate: str) -> bytes:
    """Whom a certificate is about, in DER. Raises ValueError for what is none."""
    return _part(certificate, 4)


def issuer_of(certificate: str) -> bytes:
    """Who has signed it."""
    return _part(certificate, 2)


def _part(certificate: str, index: int) -> bytes:
    try:
        return _parts(b64decode(_pem_of(certificate)))[index][1]
    except (IndexError, StopIteration, ValueError) as error:
        raise ValueError("no certificate") from error


def check_key(key: str) -> None:
    """Raises ValueError for what is no key."""
    body = "".join(line for line in key.splitlines() if line and not line.startswith("-----"))
    try:
        ((_, whole),) = _elements(b64decode(body))
        _version, _secret, *_ = _elements(whole)
    except (IndexError, ValueError) as error:
        raise ValueError("no key") from error


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """Serial number, algorithm, issuer, validity, subject, …"""
    ((_, certificate),) = _elements(der)
    _, to_be_signed = next(_elements(certificate))
    return [one for one in _elements(to_be_signed) if one[0] != _EXPLICIT_VERSION]


def _validity(der: bytes) -> tuple[datetime, datetime]:
    _serial, _algorithm, _issuer, (kind, validity), *_ = _parts(der)
    if kind != _SEQUENCE:
        raise ValueError("no validity where there should be one")
    first, last = (_moment(kind, text.decode()) for kind, text in _elements(validity))
    return first, last


def _moment(kind: int, text: str) -> datetime:
    """Of years in two digits those from 50 on are of the last century. (`strptime` would take longer to import than to run.)"""
    century = ("20" if text < "50" else "19") if kind == _UTC_TIME else ""
    found = _MOMENT.fullmatch(century + text)
    if found is None:
        raise ValueError("no time where there should be one")
    return datetime.fromisoformat(f"{found[1]}T{found[2]}").replace(tzinfo=UTC)


def certificates_in(bundle: str) -> list[str]:
    """One by one, as PEM; what is none is left out."""
    found = []
    for one in _PEM.finditer(bundle):
        with suppress(ValueError):
            validity(one.group(0))
            found.append(f"{one.group(0).rstrip()}\n")
    return found


def _pem_of(text: str) -> str:
    """The first certificate of a text, in base 64. Raises ValueError."""
    found = _PEM.search(text)
    if found is None:
        raise ValueError("no certificate")
    return found.group(1)


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one behind the other: tag and contents. Raises IndexError where they are cut short."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            raise IndexError("an element is longer than what is there")
        yield tag, der[at : at + length]
        at += length
