"""Devices a guest has by its launcher's resource claims: where they are is told by the attributes their drivers publish.

Origin: kubevirt: pkg/dra/utils.go, pkg/virt-launcher/virtwrap/device/hostdevice/dra
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.agents.devices.allocation import claim_name
from fakekube.client.client import Client
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, dig, namespace
from fakekube.machinery.resources import RESOURCE_CLAIMS, RESOURCE_SLICES
from fakekube.virt.handler.host_devices import MEDIATED, PCI, Device, screen

_PCI = "resource.kubernetes.io/pciBusID"
_MEDIATED = ("mdevUUID", "resource.kubernetes.io/mdevUUID")
_KINDS = (("hostDevices", "dra-hostdevice-"), ("gpus", "dra-gpu-"))


async def of(client: Client, pod: Obj, vmi: Obj) -> list[Device]:
    wanted = [(prefix, kind, one) for kind, prefix in _KINDS for one in _claiming(vmi, kind)]
    if not wanted:
        return []
    slices = (await client.list(RESOURCE_SLICES)).items
    found, claims = list[Device](), dict[str, Obj]()
    for prefix, kind, one in wanted:
        own = _claim_of(pod, one["claimName"])
        if own and own not in claims:
            try:
                claims[own] = await client.get(RESOURCE_CLAIMS, own, namespace(pod))
            except NotFound:
                continue
        for told in _allocated(claims.get(own, {}), one["requestName"], slices):
            if made := _device(told, f"{prefix}{one['name']}", one, is_gpu=kind == "gpus"):
                found.append(made)
    return found


def _claiming(vmi: Obj, kind: str) -> Iterator[Obj]:
    for one in dig(vmi, "spec", "domain", "devices", kind, default=()):
        if not one.get("deviceName") and one.get("claimName") and one.get("requestName"):
            yield one


def _claim_of(pod: Obj, name: str) -> str:
    listed = dig(pod, "spec", "resourceClaims", default=())
    return next((claim_name(pod, one) for one in listed if one["name"] == name), "")


def _allocated(claim: Obj, request: str, slices: list[Any]) -> Iterator[Obj]:
    """What is told of the devices a request was given."""
    for one in dig(claim, "status", "allocation", "devices", "results", default=()):
        if one["request"].partition("/")[0] == request:
            for listed in slices:
                spec = listed["spec"]
                if (spec["driver"], spec["pool"]["name"]) == (one["driver"], one["pool"]):
                    yield from (told for told in spec.get("devices") or () if told["name"] == one["device"])


def _device(told: Obj, alias: str, asked: Mapping[str, Any], *, is_gpu: bool) -> Device | None:
    attributes = told.get("attributes") or {}

    def text(name: str) -> str:
        return str((attributes.get(name) or {}).get("string") or "")

    if place := next(filter(None, map(text, _MEDIATED)), ""):
        shows, frames = screen(asked) if is_gpu else (False, False)
        return Device(MEDIATED, alias, "", place, shows, frames)
    return Device(PCI, alias, "", place) if (place := text(_PCI)) else None
