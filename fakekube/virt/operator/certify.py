"""Makes the certificates KubeVirt's own components show: `python -m fakekube.virt.operator.certify` rewrites `identities/`.

Runs while developing only. They are the same in every cluster and everybody knows their keys: they protect nothing, and
are there for what reads them. One file for each secret, key and certificate; who signed is the authority named after it.
Origin: kubevirt: pkg/virt-operator/resource/generate/components/secrets.go
"""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

IDENTITIES = Path(__file__).parent / "identities"
_AUTHORITIES = ("kubevirt-ca", "kubevirt-export-ca")
_SERVICES = {
    "kubevirt-operator-certs": "kubevirt-operator-webhook",
    "kubevirt-virt-api-certs": "virt-api",
    "kubevirt-controller-certs": "virt-controller",
    "kubevirt-exportproxy-certs": "virt-exportproxy",
}
_NAMED = {
    "kubevirt-virt-handler-certs": "kubevirt.io:system:client:virt-handler",
    "kubevirt-virt-handler-server-certs": "kubevirt.io:system:node:virt-handler",
    "kubevirt-synchronization-controller-certs": "kubevirt.io:system:client:synchronization-controller",
    "kubevirt-synchronization-controller-server-certs": "kubevirt.io:system:node:synchronization-controller",
}
_BEGIN, _END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)

Signer = tuple[ec.EllipticCurvePrivateKey, x509.Name]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(secret: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (IDENTITIES / f"{secret}.pem").write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))


def _certificate(
    secret: str, common_name: str, hosts: list[str], signer: Signer | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Name]:
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(common_name)
    signing, issuer = signer or (key, name)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
    )
    if hosts:
        made = made.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in hosts]), critical=False
        )
    _write(secret, key, made.sign(signing, hashes.SHA256()))
    return key, name


def main() -> None:
    IDENTITIES.mkdir(exist_ok=True)
    signers = {name: _certificate(name, f"{name}.kubevirt.io", [], None) for name in _AUTHORITIES}
    for secret, service in _SERVICES.items():
        authority = "kubevirt-export-ca" if "export" in secret else "kubevirt-ca"
        hosts = [f"{service}.kubevirt.svc", f"{service}.kubevirt.svc.cluster.local", service]
        _certificate(secret, f"{service}.kubevirt.pod.cluster.local", hosts, signers[authority])
    for secret, name in _NAMED.items():
        _certificate(secret, name, [], signers["kubevirt-ca"])


if __name__ == "__main__":
    main()
