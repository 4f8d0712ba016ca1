"""Devices and cards that come from resource claims: each names a request of a claim the instance lists. Pure.

Origin: kubevirt: pkg/dra/admitter/dra_admitter.go, pkg/network/admitter/dra.go
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.virt.causes import NOT_FOUND, Cause, duplicate, required
from fakekube.virt.config import ClusterConfig

Spec = Mapping[str, Any]
_KINDS = (("gpus", "GPU", "GPUsWithDRA"), ("hostDevices", "HostDevice", "HostDevicesWithDRA"))
_NETWORKS_GATE = "NetworkDevicesWithDRA"


def devices(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    """GPUs and other devices of the host: of a device plugin, or of a claim."""
    claims = [one["name"] for one in spec.get("resourceClaims") or ()]
    for index, own in enumerate(claims):
        if own in claims[:index]:
            where = f"{path}.resourceClaims[{index}].name"
            yield duplicate(f"duplicate resourceClaims name {json.dumps(own)}", where)
    given, at = spec["domain"].get("devices") or {}, f"{path}.domain.devices"
    requests: list[dict[str, int]] = []  # of each kind: request → the first device that names it
    for member, word, gate in _KINDS:
        listed = given.get(member) or []
        valid = {} if _refused_together(listed, member, config.gate(gate)) else _requests(listed)
        requests.append(valid)
        yield from _kind(
            f"{at}.{member}", f"vmi.spec.domain.devices.{member}", word, listed, config.gate(gate)
        )
    gpus, others = requests
    for pair, index in others.items():
        if pair in gpus:
            text = (
                f"duplicate claimName/requestName pair {json.dumps(pair)} between GPUs[{gpus[pair]}] "
                f"and HostDevices[{index}]"
            )
            yield duplicate(text, f"{at}.hostDevices[{index}]")
    if not {pair.partition("/")[0] for pair in (*gpus, *others)} <= set(claims):
        text = (
            "vmi.spec.resourceClaims must specify all claims used in vmi.spec.domain.devices.gpus and "
            "vmi.spec.domain.devices.hostDevices"
        )
        yield Cause(text, f"{path}.resourceClaims")


def _is_claimed(device: Spec) -> bool:
    return not device.get("deviceName") and _claims(device)


def _claims(device: Spec) -> bool:
    return "claimName" in device or "requestName" in device


def _pair(device: Spec) -> str:
    """Empty, where it is only half told."""
    claim, request = device.get("claimName"), device.get("requestName")
    return f"{claim}/{request}" if claim and request else ""


def _refused_together(listed: Sequence[Spec], member: str, is_open: bool) -> bool:
    """Whether devices are refused for what they are together, so that nobody looks at each of them."""
    claimed = sum(map(_is_claimed, listed))
    return bool(claimed) and (not is_open or (member == "gpus" and claimed < len(listed)))


def _requests(listed: Sequence[Spec]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, one in enumerate(listed):
        if _is_claimed(one) and (pair := _pair(one)):
            found.setdefault(pair, index)
    return found


def _kind(field: str, called: str, word: str, listed: Sequence[Spec], is_open: bool) -> Iterator[Cause]:
    claimed = sum(map(_is_claimed, listed))
    if word == "GPU" and 0 < claimed < len(listed):
        text = f"{called} contains both DRA and non-DRA {word}s; each {word} must be either DRA or non-DRA"
        yield Cause(text, field)
        return
    for one in listed:
        if _is_claimed(one):
            continue
        if not one.get("deviceName"):
            text = (
                f"{called} contains {word}s without deviceName or claimRequest; each {word} must specify "
                "either a deviceName or a claimRequest"
            )
            yield required(text, field)
        elif _claims(one):
            yield Cause(f"{called} contains {word}s with both deviceName and claimRequest", field)
    if claimed and not is_open:
        yield Cause(f"{called} contains DRA enabled {word}s but feature gate is not enabled", field)
        return
    for index, one in enumerate(listed):
        for member in ("claimName", "requestName"):
            if _is_claimed(one) and not one.get(member):
                yield required(f"{member} is required for DRA {word}", f"{field}[{index}].{member}")
    seen = Counter[str]()
    for index, one in enumerate(listed):
        if not _is_claimed(one) or not (pair := _pair(one)):
            continue
        if seen[pair]:
            yield duplicate(f"duplicate claimName/requestName pair {json.dumps(pair)}", f"{field}[{index}]")
        seen[pair] += 1


def networks(path: str, spec: Spec, config: ClusterConfig) -> Iterator[Cause]:
    """Networks whose cards come from claims."""
    listed, field = spec.get("networks") or (), f"{path}.networks"
    if not any(one.get("resourceClaim") is not None for one in listed):
        return
    if not config.gate(_NETWORKS_GATE):
        yield Cause(
            f"vmi.spec.networks contains DRA networks but {_NETWORKS_GATE} feature gate is not enabled", field
        )
    elif any(one.get("multus") is not None for one in listed):
        yield Cause("mixing Multus and DRA resourceClaim networks in the same VMI is not supported", field)
    else:
        yield from _networks(path, spec)


def _networks(path: str, spec: Spec) -> Iterator[Cause]:
    claims = {one["name"] for one in spec.get("resourceClaims") or ()}
    interfaces = {one["name"]: one for one in (spec["domain"].get("devices") or {}).get("interfaces") or ()}
    seen: set[str] = set()
    for index, network in enumerate(spec["networks"]):
        asked, here = network.get("resourceClaim"), f"{path}.networks[{index}]"
        if asked is None:
            continue
        if not interfaces.get(network["name"], {"sriov": {}}).keys() & {"sriov", "binding"}:
            text = f"DRA network {json.dumps(network['name'])} requires an SR-IOV or binding plugin interface"
            yield Cause(text, f"{path}.domain.devices.interfaces")
        for member in ("claimName", "requestName"):
            if not asked.get(member):
                yield required(f"{member} is required for DRA network", f"{here}.resourceClaim.{member}")
        if not (pair := _pair(asked)):
            continue
        if asked["claimName"] not in claims:
            text = (
                f"network references resourceClaim {json.dumps(asked['claimName'])} which is not defined in "
                "spec.resourceClaims"
            )
            yield Cause(text, f"{here}.resourceClaim.claimName", NOT_FOUND)
        if pair in seen:
            yield duplicate(f"duplicate claimName/requestName combination {json.dumps(pair)}", here)
        seen.add(pair)
