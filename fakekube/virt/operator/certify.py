"""Makes the certificates KubeVirt's own components show: `python -m fakekube.virt.operator.certify` rewrites `identities/`.

Runs while developing only. They are the same in every cluster and everybody knows their keys: they protect nothing, and
are there for what reads them. One file for each secret, key and certificate.
Origin: kubevirt: pkg/virt-operator/resource/generate/components/secrets.go
"""

import secrets
from datetime import UTC, datetime

from fakekube.virt.operator import certificates, issuing

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)


def main() -> None:
    certificates.IDENTITIES.mkdir(exist_ok=True)
    signers: dict[str, issuing.Identity] = {}
    for secret in certificates.SECRETS:
        name, hosts = certificates.subject(secret, "kubevirt")
        signer = signers.get(certificates.authority(secret))
        made = issuing.issued(name, hosts, BEGIN, END, number=secrets.randbits(256), signer=signer)
        signers[secret] = made
        (certificates.IDENTITIES / f"{secret}.pem").write_text(made.key + made.certificate)


if __name__ == "__main__":
    main()
