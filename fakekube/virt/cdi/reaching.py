"""Where importers get their images from, and what they say where nobody is: on their own loopback, under a name that never resolves,
or at a Service of the cluster that is not there.

Names of one word are looked up nowhere: they are somebody's registry more often than a Service.
Origin: cdi: pkg/importer/{http-datasource,transport}.go
"""

import ipaddress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.resources import NAMESPACES, SERVICES

_UNABLE = "Unable to connect to http data source: "
AGAIN = 10.0  # seconds until somebody who was not there is looked for again
_FIRST_RESTART, _LATEST_RESTART = 10, 300  # seconds
_MOST_DOUBLINGS = 5  # later restarts wait the longest, however many there have been
_HTTPS = 443
_IN_CLUSTER = ("svc", "svc.cluster.local")


class Endpoint(NamedTuple):
    """An image, by its URL; `by_node`: a node pulls it."""

    kind: str  # http, registry
    url: str
    by_node: bool = False


def endpoint_of(volume: Obj) -> Endpoint | None:
    """What a DataVolume is imported from, as far as anything is known of such places."""
    source = dig(volume, "spec", "source", default={})
    for kind in ("http", "registry"):
        if url := dig(source, kind, "url"):
            return Endpoint(kind, str(url), dig(source, kind, "pullMethod") == "node")
    return None


def answered(status: int) -> str:
    """What an importer says that is not let have it."""
    return f"{_UNABLE}expected status code 200, got {status}. Status: {status} {HTTPStatus(status).phrase}"


NOT_FOUND = answered(HTTPStatus.NOT_FOUND)


def refused(endpoint: Endpoint, address: str) -> str:
    """What it says where a Service is, but nobody behind it."""
    port = (_split(endpoint.url) or SplitResult("", "", "", "", "")).port or _HTTPS
    return f'{_UNABLE}Get "{endpoint.url}": dial tcp {address}:{port}: connect: connection refused'


def failure(endpoint: Endpoint | None, *, nobody: bool = False) -> str:
    """What an importer says that cannot reach it; empty if it can. `nobody`: it is at a Service that is not there."""
    if endpoint is None or (split := _split(endpoint.url)) is None:
        return ""
    why = _unresolved(split.hostname or "") if nobody else _why(split)
    if not why:
        return ""
    if endpoint.kind == "http":
        return f'{_UNABLE}Get "{endpoint.url}": {why}'
    image = endpoint.url.removeprefix("docker://")
    if endpoint.by_node:
        return f"failed to pull image: {image}"
    return (
        "Unable to process data: Unable to transfer source data to scratch space: Failed to read registry image: "
        f"failed to pull image: error pinging container registry {image.partition('/')[0]}: {why}"
    )


def restarts_after(times: int) -> float:
    """Seconds: a container that ends again and again is restarted later each time."""
    return float(min(_FIRST_RESTART * 2 ** min(times - 1, _MOST_DOUBLINGS), _LATEST_RESTART))


def _split(url: str) -> SplitResult | None:
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:  # no URL: the webhook refuses it
        return None
    return split


def _why(url: SplitResult) -> str:
    host = url.hostname or ""
    if host.endswith(".invalid"):  # RFC 2606
        return _unresolved(host)
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    where = f"[{host}]" if ":" in host else "127.0.0.1" if host == "localhost" else host
    port = url.port or (80 if url.scheme == "http" else _HTTPS)
    return f"dial tcp {where}:{port}: connect: connection refused" if loopback else ""


def _unresolved(host: str) -> str:
    return f"dial tcp: lookup {host}: no such host"


class Service(NamedTuple):
    """A name of the cluster's DNS. `surely`: it cannot be anybody outside."""

    name: str
    space: str
    surely: bool


def service_of(endpoint: Endpoint | None) -> Service | None:
    """The Service its name may stand for."""
    split = _split(endpoint.url) if endpoint is not None else None
    own, _, rest = (split.hostname or "" if split is not None else "").partition(".")
    space, _, domain = rest.partition(".")
    if not own or not space or own.isdigit() or domain not in ("", *_IN_CLUSTER):
        return None
    return Service(own, space, bool(domain))


async def is_nobody(client: Client, service: Service) -> bool:
    """Whether there is no such Service; what is in no namespace of the cluster's may be outside."""
    if await client.find(SERVICES, service.name, service.space) is not None:
        return False
    return service.surely or await client.find(NAMESPACES, service.space, None) is not None
