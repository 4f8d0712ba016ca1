"""Keys and certificates of KubeVirt's own authorities and components, as `certify` has made them. They protect nothing."""

import ssl
from base64 import b64encode
from contextlib import suppress
from functools import cache
from pathlib import Path

from fakekube.machinery.wire import Object

_FOLDER = Path(__file__).parent / "identities"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_AUTHORITIES = ("kubevirt-ca", "kubevirt-export-ca")
_SECRETS = (
    *(*_AUTHORITIES, "kubevirt-operator-certs", "kubevirt-controller-certs", "kubevirt-virt-api-certs"),
    *("kubevirt-virt-handler-certs", "kubevirt-virt-handler-server-certs", "kubevirt-exportproxy-certs"),
    *(f"kubevirt-synchronization-controller-{kind}" for kind in ("certs", "server-certs")),
)
_VERSIONS = {"VersionTLS12": ssl.TLSVersion.TLSv1_2, "VersionTLS13": ssl.TLSVersion.TLSv1_3}
_SERVING = {
    "virt-api": "kubevirt-virt-api-certs",
    "virt-controller": "kubevirt-controller-certs",
    "virt-handler": "kubevirt-virt-handler-server-certs",
    "virt-operator": "kubevirt-operator-certs",
    "virt-exportproxy": "kubevirt-exportproxy-certs",
    "virt-synchronization-controller": "kubevirt-synchronization-controller-server-certs",
}


def objects(namespace: str) -> list[Object]:
    """The secrets, and what is to be trusted as config maps."""
    secrets = [
        {**_core("Secret", name, namespace), "type": "kubernetes.io/tls", "data": _encoded(*_pems(name))}
        for name in _SECRETS
    ]
    bundles = [
        {**_core("ConfigMap", name, namespace), "data": {"ca-bundle": _pems(name)[1]}}
        for name in _AUTHORITIES
    ]
    blank = {**_core("ConfigMap", "kubevirt-external-ca", namespace), "data": {"ca-bundle": ""}}
    return [*secrets, *bundles, blank]  # the last is for authorities of others


def bundle() -> str:
    """The authority of KubeVirt's own, as it stands where somebody is told whom to trust."""
    return b64encode(_pems(_AUTHORITIES[0])[1].encode()).decode()


def is_serving(component: str) -> bool:
    """Whether a component of KubeVirt has something to show its clients."""
    return component in _SERVING


@cache
def serving(component: str, least: str = "", ciphers: tuple[str, ...] = ()) -> ssl.SSLContext:
    """What it shows them, at the least version and with the ciphers (of TLS 1.2) that the KubeVirt object allows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_FOLDER / f"{_SERVING[component]}.pem")
    if least in _VERSIONS:
        context.minimum_version = _VERSIONS[least]
    if ciphers:
        with suppress(ssl.SSLError):  # none of them is known here: better all than none
            context.set_ciphers(":".join(map(_cipher, ciphers)))
    return context


def _cipher(name: str) -> str:
    """OpenSSL's name for a cipher that has another in Go: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`."""
    short = name.removeprefix("TLS_").replace("_WITH_", "_").removeprefix("RSA_").replace("AES_", "AES")
    return short.replace("POLY1305_SHA256", "POLY1305").replace("CBC_", "").replace("_", "-")


@cache
def _pems(secret: str) -> tuple[str, str]:
    key, _, certificate = (_FOLDER / f"{secret}.pem").read_text().partition(_BEGIN)
    return key, _BEGIN + certificate


def _encoded(key: str, certificate: str) -> dict[str, str]:
    return {"tls.crt": b64encode(certificate.encode()).decode(), "tls.key": b64encode(key.encode()).decode()}


def _core(kind: str, name: str, namespace: str) -> Object:
    labels = {"app.kubernetes.io/managed-by": "virt-operator"}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
    }
