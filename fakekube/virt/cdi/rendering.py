"""Claims that are rendered as they are made: those whose label asks for it get the class, the access modes and the size they leave
open as a DataVolume would, from StorageProfiles.

Left out: sizes that are corrected for a file system.
Origin: cdi: pkg/apiserver/webhooks/pvc-mutate.go, pkg/controller/datavolume/util.go (RenderPvc)
"""

from collections.abc import Mapping

from fakekube.agents import volume_binding as binding
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, annotations, dig, labels, name, namespace
from fakekube.machinery.resources import (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    STORAGE_PROFILES,
    VOLUME_SNAPSHOTS,
    Resource,
)
from fakekube.machinery.wire import Object
from fakekube.virt import storage_classes
from fakekube.virt.cdi import profiles
from fakekube.virt.cdi.profiles import ClaimNotValid

LABEL = "cdi.kubevirt.io/applyStorageProfile"
_AUTO = "FromStorageProfile"  # a volume mode: the API server would set one that is left open
_CONTENT = "cdi.kubevirt.io/storage.contentType"
_CLONES = ("cdi.kubevirt.io", "VolumeCloneSource")
_CLONE_SOURCES = Resource("cdi.kubevirt.io", "v1beta1", "volumeclonesources", "VolumeCloneSource")
_SPACE = "cdi.kubevirt.io/dataSourceNamespace"
_LEAST = 10**9 << 20  # billionths of a byte
_ORIGINS = {
    "PersistentVolumeClaim": (PERSISTENT_VOLUME_CLAIMS, ("spec", "resources", "requests", "storage")),
    "VolumeSnapshot": (VOLUME_SNAPSHOTS, ("status", "restoreSize")),
}


def is_asked(obj: Obj) -> bool:
    """Whether a claim is to be rendered, or that of a DataVolume."""
    return labels(obj).get(LABEL) == "true"


def opened(wanted: Mapping[str, object]) -> Object:
    """With the volume mode open, if that is asked for."""
    return {member: value for member, value in wanted.items() if (member, value) != ("volumeMode", _AUTO)}


async def rendered(client: Client, claim: Object) -> Object:
    """A claim with what it left open. Raises ClaimNotValid."""
    archive = annotations(claim).get(_CONTENT) == "archive"
    spec = opened(claim["spec"])
    if archive:
        spec = dict(profiles.as_archive(spec))
    classes = {name(one): one for one in (await client.list(STORAGE_CLASSES)).items}
    said = spec.get("storageClassName")
    chosen = storage_classes.default(classes.values(), of_machines=not archive) if said is None else said
    if chosen in classes:
        profile = await client.find(STORAGE_PROFILES, chosen, None) or profiles.empty(chosen, {})
        spec = profiles.completed({**spec, "storageClassName": chosen}, profile)
    else:
        if said is not None:
            spec = dict(profiles.as_spare(spec, (await client.list(PERSISTENT_VOLUMES)).items))
        spec = profiles.completed(spec, None)
    if size := await _size(client, {**claim, "spec": spec}):
        resources = spec.get("resources") or {}
        requests = {**(resources.get("requests") or {}), "storage": size}
        spec["resources"] = {**resources, "requests": requests}
    return {**claim, "spec": spec}


async def _size(client: Client, claim: Object) -> str:
    """That of what it is to be a clone of, where it says none; empty where it does. Raises ClaimNotValid."""
    said = dig(claim, "spec", "resources", "requests", "storage")
    reference = dig(claim, "spec", "dataSourceRef", default={})
    if (reference.get("apiGroup"), reference.get("kind")) == _CLONES:
        return "" if said else await _size_of_origin(client, claim, reference["name"])
    if said is None:
        raise ClaimNotValid("", "PVC Spec is not valid - missing storage size")
    check_size(said)
    return ""


def check_size(said: str | None) -> None:
    """No machine has a smaller disk. Raises ClaimNotValid."""
    if said is not None and binding.amount(said) < _LEAST:
        raise ClaimNotValid("", "PVC Spec is not valid - storage size should be at least 1MiB")


async def _size_of_origin(client: Client, claim: Object, own: str) -> str:
    space = annotations(claim).get(_SPACE) or namespace(claim)
    clone = await client.find(_CLONE_SOURCES, own, space)
    source = dig(clone, "spec", "source", default={})
    if source.get("kind") not in _ORIGINS:
        return ""
    resource, path = _ORIGINS[source["kind"]]
    return str(dig(await client.find(resource, source.get("name") or "", space), *path, default=""))
