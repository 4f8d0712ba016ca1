"""Keys and certificates of KubeVirt's own authorities and components, as `certify` has made them. They protect nothing."""

import ssl
from base64 import b64encode
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


@cache
def serving(component: str) -> ssl.SSLContext | None:
    """What a component of KubeVirt shows its clients; None for others."""
    if component not in _SERVING:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_FOLDER / f"{_SERVING[component]}.pem")
    return context


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
