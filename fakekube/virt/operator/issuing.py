"""Keys and certificates, made without a library: ECDSA on P-256, X.509 in DER and PEM. Pure.

Keys are drawn from a source anybody can repeat, and signatures follow from key and text: whoever has the seed has them. They
protect nothing, and are there for what reads them.
Origin: RFC 5280, RFC 5480, RFC 5915, RFC 6979's idea that a signature needs no randomness; FIPS 186-4, D.1.2.3
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from fakekube.virt.operator.authorities import elements, pem_of

# The curve P-256: y² = x³ - 3x + b modulo p, with a base point of order n.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_SIZE = 32

_BOOLEAN, _INTEGER, _BITS, _OCTETS, _OID, _UTF8 = 0x01, 0x02, 0x03, 0x04, 0x06, 0x0C
_UTC, _TIME, _SEQUENCE, _SET = 0x17, 0x18, 0x30, 0x31
_DNS_NAME = 0x82  # among the kinds of names
_EXPLICIT = 0xA0  # the version of a certificate
_EC_KEY, _P256 = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7"
_ECDSA_SHA256 = "1.2.840.10045.4.3.2"
_COMMON_NAME, _ALTERNATIVE_NAMES, _BASIC_CONSTRAINTS = "2.5.4.3", "2.5.29.17", "2.5.29.19"
_NEW_CENTURY = 2050  # from which year on a time has four digits of it

Point = tuple[int, int] | None  # None: the one at infinity


@dataclass(frozen=True, slots=True)
class Identity:
    """A key and what certifies it, as PEM."""

    key: str
    certificate: str


def issued(
    common_name: str,
    hosts: Iterable[str],
    first: datetime,
    last: datetime,
    *,
    number: int,
    signer: Identity | None = None,
) -> Identity:
    """A new identity; without a `signer` one that has signed itself, and may sign others. `number` is the key, and with it the
    certificate's serial number: any of 128 bits or more."""
    secret = number % (_N - 1) + 1
    subject = _name(common_name)
    issuer, signing = (
        (subject, secret) if signer is None else (subject_of(signer.certificate), secret_of(signer.key))
    )
    algorithm = _der(_SEQUENCE, _oid(_ECDSA_SHA256))
    signed = _der(
        _SEQUENCE,
        _der(0xA0, _integer(2)),  # version 3
        _integer(number % 2**120 + 1),
        algorithm,
        issuer,
        _der(_SEQUENCE, _moment(first), _moment(last)),
        subject,
        _public(secret),
        _der(0xA3, _der(_SEQUENCE, *_extensions(list(hosts), authority=signer is None))),
    )
    certificate = _der(_SEQUENCE, signed, algorithm, _bits(_signature(signing, signed)))
    private = _der(
        _SEQUENCE,
        _integer(1),
        _der(_OCTETS, secret.to_bytes(_SIZE, "big")),
        _der(0xA0, _oid(_P256)),
        _der(0xA1, _bits(_point(secret))),
    )
    return Identity(_pem("EC PRIVATE KEY", private), _pem("CERTIFICATE", certificate))


def subject_of(certificate: str) -> bytes:
    """Whom a certificate is about, in DER. Raises ValueError, as do the others, for what is none."""
    return _der(_SEQUENCE, _parts(certificate)[4])


def issuer_of(certificate: str) -> bytes:
    """Who has signed it."""
    return _der(_SEQUENCE, _parts(certificate)[2])


def _parts(certificate: str) -> list[bytes]:
    """Serial number, algorithm, issuer, validity, subject, …"""
    try:
        ((_, whole),) = elements(b64decode(pem_of(certificate)))
        _, signed = next(elements(whole))
        serial, algorithm, issuer, validity, subject, *_ = [
            one for tag, one in elements(signed) if tag != _EXPLICIT
        ]
    except (IndexError, StopIteration, ValueError) as error:
        raise ValueError("no certificate") from error
    return [serial, algorithm, issuer, validity, subject]


def secret_of(key: str) -> int:
    """The number a key is. Raises ValueError."""
    body = "".join(line for line in key.splitlines() if line and not line.startswith("-----"))
    try:
        ((_, whole),) = elements(b64decode(body))
        _version, (_, secret), *_ = elements(whole)
    except (IndexError, ValueError) as error:
        raise ValueError("no key") from error
    return int.from_bytes(secret, "big")


# The curve.


def _add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x, y), (a, b) = one, other
    if x == a and (y + b) % _P == 0:
        return None
    slope = (3 * x * x - 3) * pow(2 * y, -1, _P) if one == other else (b - y) * pow(a - x, -1, _P)
    found = (slope * slope - x - a) % _P
    return found, (slope * (x - found) - y) % _P


def _times(factor: int, point: Point = _G) -> tuple[int, int]:
    total: Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point, factor = _add(point, point), factor >> 1
    assert total is not None
    return total


def _signature(secret: int, text: bytes) -> bytes:
    digest = hashlib.sha256(text).digest()
    once = (
        int.from_bytes(hashlib.sha512(secret.to_bytes(_SIZE, "big") + digest).digest(), "big") % (_N - 1) + 1
    )
    r = _times(once)[0] % _N
    s = pow(once, -1, _N) * (int.from_bytes(digest, "big") + r * secret) % _N
    return _der(_SEQUENCE, _integer(r), _integer(s))


# DER.


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bits(body: bytes) -> bytes:
    return _der(_BITS, b"\0" + body)


def _oid(text: str) -> bytes:
    first, second, *others = map(int, text.split("."))
    body = bytearray()
    for number in (40 * first + second, *others):
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | number & 0x7F)
        body += bytes(reversed(digits))
    return _der(_OID, bytes(body))


def _name(common_name: str) -> bytes:
    value = _der(_UTF8, common_name.encode())
    return _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _oid(_COMMON_NAME), value)))


def _moment(at: datetime) -> bytes:
    at = at.astimezone(UTC)
    if at.year < _NEW_CENTURY:
        return _der(_UTC, at.strftime("%y%m%d%H%M%SZ").encode())
    return _der(_TIME, at.strftime("%Y%m%d%H%M%SZ").encode())


def _point(secret: int) -> bytes:
    return b"\x04" + b"".join(one.to_bytes(_SIZE, "big") for one in _times(secret))


def _public(secret: int) -> bytes:
    return _der(_SEQUENCE, _der(_SEQUENCE, _oid(_EC_KEY), _oid(_P256)), _bits(_point(secret)))


def _extensions(hosts: list[str], *, authority: bool) -> list[bytes]:
    basic = _der(_SEQUENCE, *([_der(_BOOLEAN, b"\xff")] if authority else []))
    critical = _der(_BOOLEAN, b"\xff")
    found = [_der(_SEQUENCE, _oid(_BASIC_CONSTRAINTS), critical, _der(_OCTETS, basic))]
    if hosts:
        names = _der(_SEQUENCE, *(_der(_DNS_NAME, one.encode()) for one in hosts))
        found.append(_der(_SEQUENCE, _oid(_ALTERNATIVE_NAMES), _der(_OCTETS, names)))
    return found


def _pem(kind: str, body: bytes) -> str:
    text = b64encode(body).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"
