"""Services as containers find them: by name, as the cluster's DNS answers, and by address, as nodes send what is for them to a ready
endpoint. What is asked is read then, and not kept.

Left out: names of pods and of nodes, ports of other protocols than TCP, node ports, and in turns: the first endpoint answers.
Upstream: kubernetes/dns: docs/specification.md; k8s: pkg/proxy
"""

import re
from collections.abc import Iterator

from fakekube.agents.endpoint_planning import SERVICE_NAME
from fakekube.agents.endpoints import SLICES
from fakekube.client.client import Client
from fakekube.machinery import objects
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.resources import SERVICES
from fakekube.machinery.wire import Object

_ZONE = "cluster.local"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_ALIASES = 8  # one after the other


async def address(client: Client, space: str, host: str) -> str | None:
    """What a name stands for that is asked for in a namespace; None: nothing is so called."""
    searched = (f"{space}.svc.{_ZONE}", f"svc.{_ZONE}", _ZONE, "") if not host.endswith(".") else ("",)
    for suffix in searched:
        full = f"{host.lower().removesuffix('.')}.{suffix}".removesuffix(".")
        if (found := await _found(client, full, _ALIASES)) is not None:
            return found
    return None


def meaning(full: str) -> tuple[str, str, str] | None:
    """The host (empty: any), the Service and the namespace a whole name is of; None: it is none of a Service's."""
    *own, space = full.removesuffix(f".svc.{_ZONE}").split(".")
    if not full.endswith(f".svc.{_ZONE}") or not 0 < len(own) < 3 or not _NAME.fullmatch(full):
        return None
    return own[0] if len(own) > 1 else "", own[-1], space


async def _found(client: Client, full: str, aliases: int) -> str | None:
    meant = meaning(full)
    if meant is None:
        return None
    own, name, space = meant
    service = await client.find(SERVICES, name, space)
    spec = dig(service or {}, "spec", default={})
    if spec.get("type") == "ExternalName":
        target = spec["externalName"].lower().removesuffix(".")
        return await _found(client, target, aliases - 1) if aliases else None
    if service is None or (not own and spec.get("clusterIP") != "None"):
        return spec.get("clusterIP") or None
    for endpoint, _ in await _ready(client, service):
        if not own or endpoint.get("hostname") == own:
            return str(endpoint["addresses"][0])
    return None


async def behind(client: Client, address: str, port: int) -> tuple[str, int] | None:
    """Where what is sent to a port of a Service's address goes; None: it is refused."""
    for service in (await client.list(SERVICES, field_selector=f"spec.clusterIP={address}")).items:
        for one in service["spec"].get("ports") or ():
            if one["port"] != port or one.get("protocol", "TCP") != "TCP":
                continue
            for endpoint, ports in await _ready(client, service):
                for number in _numbers(ports, one.get("name", "")):
                    return str(endpoint["addresses"][0]), number
    return None


def _numbers(ports: list[Obj], named: str) -> list[int]:
    """Those under a name; ports without a number are passed over, as by kube-proxy."""
    return [own["port"] for own in ports if own.get("name", "") == named and own.get("port")]


async def _ready(client: Client, service: Object) -> list[tuple[Obj, list[Obj]]]:
    """Its endpoints that are ready, each with the ports it has."""
    selector = f"{SERVICE_NAME}={objects.name(service)}"
    found = await client.list(SLICES, objects.namespace(service), label_selector=selector)
    return list(_endpoints(found.items))


def _endpoints(slices: list[Object]) -> Iterator[tuple[Obj, list[Obj]]]:
    for one in slices:
        for endpoint in one.get("endpoints") or ():
            if dig(endpoint, "conditions", "ready", default=True):
                yield endpoint, one.get("ports") or []
