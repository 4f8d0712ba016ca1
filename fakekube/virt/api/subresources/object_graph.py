"""What a machine or an instance depends on, as a tree: pods, volumes, credentials, instancetypes, networks. Pure.

Names are followed, objects are not looked at: a volume that does not exist yet is part of the tree, too.
Origin: kubevirt: pkg/virt-api/rest/objectgraph.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakekube.machinery import selectors
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.machinery.wire import Object

TYPE = "kubevirt.io/dependency-type"
_NETWORK = "k8s.cni.cncf.io"
_TYPES: Mapping[str, tuple[str, str]] = {  # kind → its group, and what kind of dependency it is
    "VirtualMachine": ("kubevirt.io", "compute"),
    "VirtualMachineInstance": ("kubevirt.io", "compute"),
    "Pod": ("", "compute"),
    "DataVolume": ("cdi.kubevirt.io", "storage"),
    "PersistentVolumeClaim": ("", "storage"),
    "ConfigMap": ("", "config"),
    "Secret": ("", "config"),
    "ControllerRevision": ("apps", "config"),
    "VirtualMachineInstancetype": ("instancetype.kubevirt.io", "config"),
    "VirtualMachineClusterInstancetype": ("instancetype.kubevirt.io", "config"),
    "VirtualMachinePreference": ("instancetype.kubevirt.io", "config"),
    "VirtualMachineClusterPreference": ("instancetype.kubevirt.io", "config"),
    "NetworkAttachmentDefinition": (_NETWORK, "network"),
    "ServiceAccount": ("", "network"),
}
_MATCHED = {  # member of a machine's spec → kind it names unless told otherwise, and where its revision is kept
    "instancetype": ("VirtualMachineClusterInstancetype", "instancetypeRef"),
    "preference": ("VirtualMachineClusterPreference", "preferenceRef"),
}


def of_machine(vm: Obj, pod: str, state: str) -> Object:
    """The tree of a machine; `pod` and `state` are its launcher and the claim of its persistent state, or empty."""
    space, children = namespace(vm), []
    if dig(vm, "status", "created"):
        children.append(_node("VirtualMachineInstance", name(vm), space, _launcher(pod, space)))
    children += [one for member in _MATCHED for one in _matched(vm, member)]
    children += _of_spec(dig(vm, "spec", "template", "spec", default={}), space, state)
    return _node("VirtualMachine", name(vm), space, children)


def of_instance(vmi: Obj, pod: str, state: str) -> Object:
    """The tree of an instance."""
    space = namespace(vmi)
    children = [*_launcher(pod, space), *_of_spec(dig(vmi, "spec", default={}), space, state)]
    return _node("VirtualMachineInstance", name(vmi), space, children)


def narrowed(tree: Object, options: Obj) -> Object:
    """The tree without what the options leave out, and without what hangs on that. The root always stays."""
    optional = options.get("includeOptionalNodes") is not False
    try:
        chosen = selectors.from_object(options.get("labelSelector") or {})
    except selectors.SelectorError:
        chosen = selectors.from_object({})  # upstream includes everything then

    def stays(node: Object) -> bool:
        return (optional or not node.get("optional")) and chosen.matches(node["labels"])

    def cut(node: Object) -> Object:
        kept = [cut(child) for child in node.get("children") or () if stays(child)]
        return {**{k: v for k, v in node.items() if k != "children"}, **({"children": kept} if kept else {})}

    return cut(tree)


def _node(
    kind: str, own: str, space: str, children: Sequence[Object] = (), *, optional: bool = False
) -> Object:
    group, type_ = _TYPES[kind]
    node: Object = {
        "objectReference": {"apiGroup": group, "kind": kind, "name": own, "namespace": space},
        "labels": {TYPE: type_},
    }
    if optional:
        node["optional"] = True
    if children:
        node["children"] = list(children)
    return node


def _launcher(pod: str, space: str) -> list[Object]:
    return [_node("Pod", pod, space)] if pod else []


def _matched(vm: Obj, member: str) -> Iterator[Object]:
    """An instancetype or a preference, and the revision of it the machine goes by."""
    matcher = dig(vm, "spec", member)
    if not matcher:
        return
    usual, ref = _MATCHED[member]
    wanted = str(matcher.get("kind") or usual).lower()
    kind = next((one for one in _TYPES if one.lower() == wanted), "")
    if kind and matcher.get("name"):
        space = "" if "Cluster" in kind else namespace(vm)
        yield _node(kind, matcher["name"], space, optional=True)
    told = dig(vm, "status", ref)
    revision = dig(told, "controllerRevisionRef", "name") if told else matcher.get("revisionName")
    if revision:
        yield _node("ControllerRevision", revision, namespace(vm))


def _of_spec(spec: Obj, space: str, state: str) -> Iterator[Object]:
    for credential in spec.get("accessCredentials") or ():
        for source in ("sshPublicKey", "userPassword"):
            if secret := dig(credential, source, "source", "secret", "secretName"):
                yield _node("Secret", secret, space)
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume, space)
    if state:
        yield _node("PersistentVolumeClaim", state, space)
    for network in spec.get("networks") or ():
        if target := dig(network, "multus", "networkName"):
            other, _, own = target.rpartition("/")
            yield _node("NetworkAttachmentDefinition", own, other or space, optional=True)


def _of_volume(volume: Obj, space: str) -> Iterator[Object]:
    source: dict[str, Any]
    if source := volume.get("dataVolume") or {}:
        claim = _node("PersistentVolumeClaim", source["name"], space)
        yield _node("DataVolume", source["name"], space, [claim])
    elif source := volume.get("persistentVolumeClaim") or volume.get("memoryDump") or {}:
        yield _node("PersistentVolumeClaim", source["claimName"], space)
    elif source := volume.get("configMap") or {}:
        yield _node("ConfigMap", source["name"], space)
    elif source := volume.get("secret") or {}:
        yield _node("Secret", source["secretName"], space)
    elif source := volume.get("serviceAccount") or {}:
        yield _node("ServiceAccount", source["serviceAccountName"], space)
    elif source := volume.get("cloudInitNoCloud") or volume.get("cloudInitConfigDrive") or {}:
        for member in ("secretRef", "networkDataSecretRef"):
            if secret := dig(source, member, "name"):
                yield _node("Secret", secret, space)
