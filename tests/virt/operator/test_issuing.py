"""Certificates made while a cluster runs, as libraries and TLS see them."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509

from fakekube.virt.operator import authorities, issuing

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)
AUTHORITY = issuing.issued("kubevirt.io@1", [], BEGIN, END, number=2**127 + 12345)
SERVER = issuing.issued(
    "virt-api", ["virt-api", "localhost"], BEGIN, END, number=2**200 + 7, signer=AUTHORITY
)


def loaded(identity):
    return x509.load_pem_x509_certificate(identity.certificate.encode())


def test_an_authority():
    """It has signed itself, may sign others, and lasts beyond 2050."""
    found = loaded(AUTHORITY)
    found.verify_directly_issued_by(found)
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (found.not_valid_before_utc, found.not_valid_after_utc) == (BEGIN, END)
    assert found.subject.rfc4514_string() == "CN=kubevirt.io@1"
    assert authorities.validity(AUTHORITY.certificate) == (BEGIN, END)


def test_one_that_is_signed():
    """By the authority; for the hosts it is for; nobody may be signed with it."""
    found = loaded(SERVER)
    found.verify_directly_issued_by(loaded(AUTHORITY))
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["virt-api", "localhost"]
    assert authorities.issuer_of(SERVER.certificate) == authorities.subject_of(AUTHORITY.certificate)
    assert authorities.subject_of(SERVER.certificate) != authorities.subject_of(AUTHORITY.certificate)


def test_it_opens_tls(tmp_path):
    """A client that trusts the authority alone shakes hands with a server that shows the certificate."""
    shown = tmp_path / "shown.pem"
    shown.write_text(SERVER.key + SERVER.certificate)
    here = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    here.load_cert_chain(shown)
    there = ssl.create_default_context(cadata=AUTHORITY.certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = here.wrap_bio(up, down, server_side=True)
    client = there.wrap_bio(down, up, server_hostname="localhost")
    ends = [client, server, client, server]
    for end in ends:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(SERVER.certificate)


def test_times_of_certificates():
    """Two digits of a year are of the last century from 50 on, four are the year; what is no time is none."""
    assert authorities._moment(0x17, "491231235959Z") == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert authorities._moment(0x17, "500101000000Z") == datetime(1950, 1, 1, tzinfo=UTC)
    assert authorities._moment(0x18, "20500101000000Z") == datetime(2050, 1, 1, tzinfo=UTC)
    for kind, text in (
        (0x17, "20500101000000Z"),
        (0x18, "500101000000Z"),
        (0x18, "20501301000000Z"),
        (0x18, ""),
    ):
        with pytest.raises(ValueError, match=r"time|month"):
            authorities._moment(kind, text)


def test_the_same_number_makes_the_same():
    """Keys and signatures follow from what is given."""
    assert issuing.issued("kubevirt.io@1", [], BEGIN, END, number=2**127 + 12345) == AUTHORITY


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate(text):
    """Is said to be none."""
    for read in (authorities.subject_of, authorities.issuer_of, authorities.validity):
        with pytest.raises(ValueError, match="no certificate"):
            read(text)
    with pytest.raises(ValueError, match="no key"):
        authorities.check_key(text)
    with pytest.raises(ValueError, match=r"key|PEM"):
        issuing.issued("a", [], BEGIN, END, number=1, signer=issuing.Identity(text, AUTHORITY.certificate))
