"""What a launcher pod has for its guest's networks: what Multus is told, devices of the node, helpers of binding plugins. Pure.

Origin: kubevirt: pkg/network/{pod/annotations/generator,downwardapi,multus/annotation,netbinding/netbinding,netbinding/memory,istio}.go, pkg/virt-controller/services
"""

import json
from collections.abc import Collection, Iterator

from fakekube.agents.pods.networks import DEFAULT_NETWORK, NETWORKS
from fakekube.machinery.objects import Obj, annotations, dig, namespace
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import nics
from fakekube.virt.multus import ABSENT, attached, is_secondary, pod_interface

CARDS = "kubevirt.io/network-info"  # annotation of launchers
_DEVICE = "device-info"
_CARDS = "network-info-annotation"
_ISTIO = "sidecar.istio.io/inject"


def definition(vmi: Obj, network: str) -> tuple[str, str]:
    """(namespace, name) of the NetworkAttachmentDefinition a VMI calls so."""
    space, slash, own = network.partition("/")
    return (space, own) if slash else (namespace(vmi), network)


def told_to_multus(vmi: Obj, config: ClusterConfig) -> dict[str, str]:
    """The annotations that name the networks a new launcher is to have."""
    present = [one["name"] for one in _interfaces(vmi["spec"]) if one.get("state") != ABSENT]
    made: dict[str, str] = {}
    for one in vmi["spec"].get("networks") or ():
        if one["name"] in present and dig(one, "multus", "default"):
            made[DEFAULT_NETWORK] = str(one["multus"].get("networkName", ""))
    if chosen := _selected(vmi, present, config):
        made[NETWORKS] = chosen
    return made


def told_meanwhile(vmi: Obj, pod: Obj, config: ClusterConfig) -> dict[str, str]:
    """Annotations of a launcher that runs: the networks its guest is to have by now, and which cards it has."""
    made: dict[str, str] = {}
    if (present := nics.unmet(vmi)) is not None:
        chosen = _selected(vmi, present, config)
        if chosen or NETWORKS in annotations(pod):
            made[NETWORKS] = chosen
    if has_cards(vmi, config) and (cards := list(_cards(vmi, pod, config))):
        made[CARDS] = json.dumps({"interfaces": cards}, separators=(",", ":"))
    return made


def _cards(vmi: Obj, pod: Obj, config: ClusterConfig) -> Iterator[Object]:
    there = attached(pod)
    for one in sorted(_interfaces(vmi["spec"]), key=lambda one: str(one["name"])):
        plugin = config.binding(str(dig(one, "binding", "name", default=""))) or {}
        told = there.get(pod_interface(one["name"]))
        if told is not None and ("sriov" in one or plugin.get("downwardAPI") == _DEVICE):
            found = {"deviceInfo": told.get("device-info"), "mac": told.get("mac")}
            yield {"network": one["name"], **{key: value for key, value in found.items() if value}}


def _selected(vmi: Obj, present: Collection[str], config: ClusterConfig) -> str:
    chosen = list(_elements(vmi, present, config))
    return json.dumps(chosen, separators=(",", ":")) if chosen else ""


def _elements(vmi: Obj, present: Collection[str], config: ClusterConfig) -> Iterator[Object]:
    interfaces = {one["name"]: one for one in _interfaces(vmi["spec"]) if one["name"] in present}
    for one in vmi["spec"].get("networks") or ():
        interface = interfaces.get(one["name"])
        if interface is None:
            continue
        if is_secondary(one):
            space, own = definition(vmi, str(one["multus"].get("networkName", "")))
            mac = {"mac": interface["macAddress"]} if interface.get("macAddress") else {}
            yield {"name": own, "namespace": space, **mac, "interface": pod_interface(one["name"])}
        plugin = config.binding(str(dig(interface, "binding", "name", default="")))
        if plugin and plugin.get("networkAttachmentDefinition"):
            space, own = definition(vmi, plugin["networkAttachmentDefinition"])
            yield {"name": own, "namespace": space, "cni-args": {"logicNetworkName": one["name"]}}


def unknown_binding(vmi: Obj, config: ClusterConfig) -> str:
    """What is said of a binding that is not registered; empty: all are."""
    for own in _bindings(vmi):
        if config.binding(own) is None:
            return f"couldn't find configuration for network binding: {own}"
    return ""


def plugins(vmi: Obj, config: ClusterConfig) -> list[Obj]:
    """The registered bindings a VMI uses, each once."""
    return [found for own in dict.fromkeys(_bindings(vmi)) if (found := config.binding(own)) is not None]


def helper_images(vmi: Obj, config: ClusterConfig) -> list[str]:
    """What the containers that bring bindings about run from."""
    return [str(one["sidecarImage"]) for one in plugins(vmi, config) if one.get("sidecarImage")]


def volumes(vmi: Obj, config: ClusterConfig) -> list[Object]:
    if not has_cards(vmi, config):
        return []
    field = {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{CARDS}']"}
    return [{"name": _CARDS, "downwardAPI": {"items": [{"path": "network-info", "fieldRef": field}]}}]


def mounts(vmi: Obj, config: ClusterConfig) -> list[Object]:
    """Those of the guest's own container."""
    return [{"name": _CARDS, "mountPath": "/etc/podinfo"}] if has_cards(vmi, config) else []


def overhead(vmi: Obj, config: ClusterConfig) -> int:
    """Bytes the bindings need in the guest's own container."""
    member = ("computeResourceOverhead", "requests", "memory")
    return sum(quantities.whole(str(dig(one, *member, default="0"))) for one in plugins(vmi, config))


def passes_a_card(vmi: Obj) -> bool:
    return any("sriov" in one for one in _interfaces(vmi["spec"]))


def has_cards(vmi: Obj, config: ClusterConfig) -> bool:
    """Whether the launcher has to be told which cards of the node are its guest's."""
    return passes_a_card(vmi) or any(one.get("downwardAPI") == _DEVICE for one in plugins(vmi, config))


def has_mesh(vmi: Obj) -> bool:
    """Whether a service mesh puts its proxy into the pod, which asks the API server with the pod's own token."""
    return annotations(vmi).get(_ISTIO, "").lower() == "true"


def _bindings(vmi: Obj) -> Iterator[str]:
    for one in _interfaces(vmi["spec"]):
        if own := dig(one, "binding", "name"):
            yield str(own)


def _interfaces(spec: Obj) -> list[Object]:
    return ((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or []
