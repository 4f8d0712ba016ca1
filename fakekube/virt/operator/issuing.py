"""Keys and certificates that are made while a cluster runs. Pure: the same number and signer give the same.

Whoever has the number has the key. They protect nothing, and are there for what reads them.
Origin: kubevirt: pkg/certificates/triple, pkg/virt-operator/resource/generate/components/secrets.go
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

_KEYS = 2**255  # private keys on P-256 are a little more


class Identity(Struct, frozen=True):
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
    certificate's serial number: any of 128 bits or more. Raises ValueError when the signer is none."""
    # A tenth of a second and some megabytes, which nobody needs who renews no certificate.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.derive_private_key(number % _KEYS + 1, ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    signing, issuer = key, subject
    if signer is not None:
        theirs = serialization.load_pem_private_key(signer.key.encode(), password=None)
        if not isinstance(theirs, ec.EllipticCurvePrivateKey):
            raise ValueError("no key of an elliptic curve")
        signing = theirs
        issuer = x509.load_pem_x509_certificate(signer.certificate.encode()).subject
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(number % 2**120 + 1)
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    )
    if names := [x509.DNSName(one) for one in hosts]:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = made.sign(signing, hashes.SHA256(), ecdsa_deterministic=True)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    return Identity(private.decode(), certificate.public_bytes(pem).decode())
