"""Keys and certificates of KubeVirt's own authorities and components, as `certify` has made them. They protect nothing.

Origin: kubevirt: pkg/virt-operator/resource/generate/components/secrets.go
"""

import ssl
from base64 import b64decode, b64encode
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

from fakekube.machinery.objects import Obj
from fakekube.machinery.wire import Object

IDENTITIES = Path(__file__).parent / "identities"
AUTHORITIES = ("kubevirt-ca", "kubevirt-export-ca", "kubevirt-backup-ca")
SECRETS = (
    *(*AUTHORITIES, "kubevirt-operator-certs", "kubevirt-controller-certs", "kubevirt-virt-api-certs"),
    *("kubevirt-virt-handler-certs", "kubevirt-virt-handler-server-certs", "kubevirt-exportproxy-certs"),
    *(f"kubevirt-synchronization-controller-{kind}" for kind in ("certs", "server-certs")),
)
EXTERNAL, BUNDLE = "kubevirt-external-ca", "ca-bundle"  # where authorities of others are put; its member
CERTIFICATE, KEY = "tls.crt", "tls.key"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_VERSIONS = {"VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3}
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
_SERVING = {
    "virt-api": "kubevirt-virt-api-certs",
    "virt-controller": "kubevirt-controller-certs",
    "virt-handler": "kubevirt-virt-handler-server-certs",
    "virt-operator": "kubevirt-operator-certs",
    "virt-exportproxy": "kubevirt-exportproxy-certs",
    "virt-synchronization-controller": "kubevirt-synchronization-controller-server-certs",
}


def authority(secret: str) -> str:
    """The secret of who signs one; empty: it signs itself."""
    if secret in AUTHORITIES:
        return ""
    return AUTHORITIES["export" in secret]


def subject(secret: str, space: str) -> tuple[str, list[str]]:
    """The common name and the hosts of what is in a secret."""
    if secret in AUTHORITIES:
        return f"{secret}.kubevirt.io", []
    if secret in _NAMED:
        return _NAMED[secret], []
    service = _SERVICES[secret]
    hosts = [f"{service}.{space}.svc", f"{service}.{space}.svc.cluster.local", service]
    return f"{service}.{space}.pod.cluster.local", hosts


def objects(namespace: str) -> list[Object]:
    """The secrets, and what is to be trusted as config maps."""
    secrets = [
        {**_core("Secret", name, namespace), "type": "kubernetes.io/tls", "data": encoded(*_pems(name))}
        for name in SECRETS
    ]
    bundles = [
        {**_core("ConfigMap", name, namespace), "data": {BUNDLE: _pems(name)[1]}} for name in AUTHORITIES
    ]
    return [*secrets, *bundles, {**_core("ConfigMap", EXTERNAL, namespace), "data": {BUNDLE: ""}}]


def bundle() -> str:
    """The authority of KubeVirt's own, as it stands where somebody is told whom to trust."""
    return b64encode(_pems(AUTHORITIES[0])[1].encode()).decode()


def is_serving(component: str) -> bool:
    """Whether a component of KubeVirt has something to show its clients."""
    return component in _SERVING


def secret_of(component: str) -> str:
    """The secret with what it shows them."""
    return _SERVING[component]


def pair(secret: Obj | None) -> tuple[str, str]:
    """The key and the certificate in a secret; empty where they are not. Raises ValueError where they cannot be read."""
    data = (secret or {}).get("data") or {}
    key, certificate = (b64decode(data.get(one) or "").decode() for one in (KEY, CERTIFICATE))
    return key, certificate


def context(secret: Obj, least: str = "", ciphers: tuple[str, ...] = ()) -> ssl.SSLContext:
    """What is shown out of a secret, at the least version and with the ciphers (of TLS 1.2) that the KubeVirt object allows.
    Raises ValueError when there is nothing in it to be shown."""
    return _context(*pair(secret), least, ciphers)


@lru_cache(maxsize=64)
def _context(key: str, certificate: str, least: str, ciphers: tuple[str, ...]) -> ssl.SSLContext:
    from tempfile import NamedTemporaryFile  # noqa: PLC0415 - only who is spoken to needs it

    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with NamedTemporaryFile("w", suffix=".pem") as file:  # OpenSSL reads nothing else
        file.write(key + certificate)
        file.flush()
        try:
            found.load_cert_chain(file.name)
        except ssl.SSLError as error:
            raise ValueError("no certificate, or another's key") from error
    if least in _VERSIONS:
        found.minimum_version = _VERSIONS[least]
    if ciphers:
        with suppress(ssl.SSLError):  # none of them is known here: better all than none
            found.set_ciphers(":".join(map(_cipher, ciphers)))
    return found


def _cipher(name: str) -> str:
    """OpenSSL's name for a cipher that has another in Go: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`."""
    short = name.removeprefix("TLS_").replace("_WITH_", "_").removeprefix("RSA_").replace("AES_", "AES")
    return short.replace("POLY1305_SHA256", "POLY1305").replace("CBC_", "").replace("_", "-")


@cache
def _pems(secret: str) -> tuple[str, str]:
    key, _, certificate = (IDENTITIES / f"{secret}.pem").read_text().partition(_BEGIN)
    return key, _BEGIN + certificate


def encoded(key: str, certificate: str) -> dict[str, str]:
    """A secret's data."""
    return {CERTIFICATE: b64encode(certificate.encode()).decode(), KEY: b64encode(key.encode()).decode()}


def _core(kind: str, name: str, namespace: str) -> Object:
    labels = {"app.kubernetes.io/managed-by": "virt-operator"}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    }
