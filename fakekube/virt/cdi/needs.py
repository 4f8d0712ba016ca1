"""What an importer cannot begin without: certificates, keys and headers that its pod is given, and an image with VDDK. Pure.

A pod that names what is not there waits until it is; without that image CDI makes no pod.
Origin: cdi: pkg/controller/import-controller.go (getCertConfigMap, getSecretName, createImporterPod)
"""

from typing import NamedTuple

from fakekube.machinery.objects import Obj, annotations, dig, namespace
from fakekube.machinery.resources import CONFIG_MAPS, SECRETS, Resource

_CDI = "cdi"  # CDI's namespace
_IMAGE = "cdi.kubevirt.io/storage.pod.vddk.initimageurl"  # on a DataVolume: an image with VDDK


class Need(NamedTuple):
    """Something that has to be there."""

    resource: Resource
    space: str
    name: str


VDDK = Need(CONFIG_MAPS, _CDI, "v2v-vmware")  # says which image has VDDK, where nobody else does
NO_VDDK = f"waiting for {VDDK.name} configmap or {_IMAGE} annotation for VDDK image"


def of(volume: Obj) -> list[Need]:
    """What a DataVolume names, in the order in which it is asked for."""
    space, found = namespace(volume), []
    for kind, told in dig(volume, "spec", "source", default={}).items():
        if kind == "registry" and told.get("pullMethod") == "node":
            continue  # that is the node's affair
        if kind == "vddk" and not (told.get("initImageURL") or annotations(volume).get(_IMAGE)):
            found.append(VDDK)
        maps = [told.get("certConfigMap"), told.get("extraArgs") if kind == "vddk" else None]
        secrets = [told.get("secretRef"), *(told.get("secretExtraHeaders") or ())]
        found += [Need(CONFIG_MAPS, space, own) for own in maps if own]
        found += [Need(SECRETS, space, own) for own in secrets if own]
    return found
