"""Bundles of certificates, and what joins them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fakekube.virt.operator.authorities import joined

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def certificate(first: datetime, last: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, first, last)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_who_is_in_force_joins_once():
    """Certificates in force join behind those that are there, in their order, each once."""
    own, one, two = (certificate(NOW - HOUR, NOW + HOUR) for _ in range(3))
    assert joined(own, one + two + own, NOW) == own + one + two
    assert joined(own + one, one, NOW) == own + one
    assert joined("", one, NOW) == one


@pytest.mark.parametrize(("first", "last"), [(-2 * HOUR, -HOUR), (HOUR, 2 * HOUR)], ids=["expired", "future"])
def test_who_is_not_in_force_does_not(first, last):
    """Neither what has expired nor what is not valid yet."""
    assert joined("own", certificate(NOW + first, NOW + last), NOW) == "own"


def test_years_behind_2049():
    """Times that UTCTime cannot tell are read, too."""
    lasting = certificate(NOW - HOUR, datetime(2099, 1, 1, tzinfo=UTC))
    assert joined("", lasting, NOW) == lasting


@pytest.mark.parametrize(
    "text",
    [
        "invalid",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAIwAA==\n-----END CERTIFICATE-----\n",
    ],
)
def test_nonsense_is_left_out(text):
    """What is no certificate, or is cut short, is not taken for one."""
    assert joined("own", text, NOW) == "own"
