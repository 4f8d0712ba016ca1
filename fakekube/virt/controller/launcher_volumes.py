"""The volumes of a launcher pod, and where its compute container mounts them. Pure.

Origin: kubevirt: pkg/virt-controller/services/rendervolumes.go
"""

from collections.abc import Iterator

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, launcher_networks, launcher_sidecars, persistent_state
from fakekube.virt.controller.launcher_facts import (
    KERNEL,
    Settings,
    Target,
    images,
    is_block,
    pull_policy,
)

_EMPTY_DIRS = ("private", "public", "sockets", "virt-bin-share-dir", "libvirt-runtime", "ephemeral-disks")
_PRIVATE = "/var/run/kubevirt-private"
_SECRETS = f"{_PRIVATE}/secret"
DISK_FILES = f"{_PRIVATE}/vmi-disks"
DISKS = "/var/run/kubevirt/container-disks"
_FILES = {"udata": ("userdata", "userData"), "ndata": ("networkdata", "networkData")}
_REFERENCES = {"udata": "secretRef", "ndata": "networkDataSecretRef"}
_PASSED_ON = {"configMap": ("name", "optional"), "secret": ("secretName", "optional")}
_CREDENTIAL = "-access-cred"
_CONFIGURATION = {"configMap": "config-map", "secret": "secret", "downwardAPI": "downwardapi"}
_HOST_DISKS = {"Disk": "Directory", "DiskOrCreate": "DirectoryOrCreate"}


def volumes(vmi: Obj, settings: Settings, target: Target | None, state: str = "") -> list[Object]:
    made: list[Object] = [{"name": each, "emptyDir": {}} for each in _EMPTY_DIRS]
    if not settings.image_volumes and images(vmi):
        made.append({"name": "container-disks", "emptyDir": {}})
    for volume in instance.volumes(vmi):
        if instance.is_hotplugged(volume):
            continue
        if "containerDisk" in volume and settings.image_volumes:
            made.append(_image(volume, target))
        elif source := _source(volume):
            made.append({"name": volume["name"], **source})
        made += [
            {"name": f"{volume['name']}-{kind}", "secret": {"secretName": secret}}
            for kind, secret in _data(volume)
        ]
    if settings.image_volumes:
        made += [_image(volume, target) for volume in images(vmi) if volume["name"] == KERNEL]
    if dig(vmi, "spec", "domain", "memory", "hugepages") is not None:
        made.append({"name": "hugepages", "emptyDir": {"medium": "HugePages"}})
        made.append({"name": "hugetblfs-dir", "emptyDir": {}})
    made += [
        {"name": f"{secret}{_CREDENTIAL}", "secret": {"secretName": secret}} for secret in _credentials(vmi)
    ]
    if images(vmi) and settings.image_volumes and (target is None or target.away_from):
        made.append(
            {
                "name": "launcher-volume",
                "image": {"reference": settings.launcher_image, "pullPolicy": "IfNotPresent"},
            }
        )
    made += launcher_sidecars.volumes(vmi, settings.config)
    if state:
        made.append({"name": persistent_state.POD_VOLUME, "persistentVolumeClaim": {"claimName": state}})
    if _takes_disks(vmi):
        made.append({"name": "hotplug-disks", "emptyDir": {}})
    return made + launcher_networks.volumes(vmi, settings.config)


def _image(volume: Obj, target: Target | None) -> Object:
    pinned = target.digests.get(volume["name"]) if target is not None else None
    reference = pinned or volume["containerDisk"].get("image", "")
    return {
        "name": volume["name"],
        "image": {"reference": reference, "pullPolicy": pull_policy(volume)},
    }


def _source(volume: Obj) -> Object:
    """What the pod's volume is made from; empty: it needs none, or another one."""
    if claim := instance.claim_name(volume):
        read_only = dig(volume, "persistentVolumeClaim", "readOnly")
        return {"persistentVolumeClaim": {"claimName": claim, **({"readOnly": True} if read_only else {})}}
    if kind := next((one for one in _PASSED_ON if one in volume), ""):
        return {kind: {key: volume[kind][key] for key in _PASSED_ON[kind] if key in volume[kind]}}
    if (told := volume.get("downwardAPI")) is not None:
        return {"downwardAPI": {"items": told.get("fields") or []}}
    if "downwardMetrics" in volume:
        return {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    if of_secret := dig(volume, "sysprep", "secret", "name"):
        return {"secret": {"secretName": of_secret}}
    if of_config := dig(volume, "sysprep", "configMap", "name"):
        return {"configMap": {"name": of_config}}
    if (disk := volume.get("hostDisk")) is not None:
        kind = _HOST_DISKS.get(disk.get("type", ""), "DirectoryOrCreate")
        return {"hostPath": {"path": disk.get("path", "").rpartition("/")[0], "type": kind}}
    return {}


def mounts(vmi: Obj, settings: Settings) -> list[Object]:
    made: list[Object] = [
        {"name": "private", "mountPath": _PRIVATE},
        {"name": "public", "mountPath": "/var/run/kubevirt"},
        {"name": "ephemeral-disks", "mountPath": "/var/run/kubevirt-ephemeral-disks"},
        {"name": "libvirt-runtime", "mountPath": "/var/run/libvirt"},
        {"name": "sockets", "mountPath": "/var/run/kubevirt/sockets"},
    ]
    if not settings.image_volumes and images(vmi):
        made.append({"name": "container-disks", "mountPath": DISKS, "mountPropagation": "HostToContainer"})
    for index, volume in enumerate(instance.volumes(vmi)):
        if not instance.is_hotplugged(volume):
            made += _mounts_of(index, volume, settings)
    if dig(vmi, "spec", "domain", "firmware", "kernelBoot", "container") and settings.image_volumes:
        made.append({"name": KERNEL, "readOnly": True, "mountPath": "/var/run/kubevirt-kernel-boot"})
    if dig(vmi, "spec", "domain", "memory", "hugepages") is not None:
        made.append({"name": "hugepages", "mountPath": "/dev/hugepages"})
        made.append({"name": "hugetblfs-dir", "mountPath": "/dev/hugepages/libvirt/qemu"})
    for secret in _credentials(vmi):
        name = f"{secret}{_CREDENTIAL}"
        made.append({"name": name, "mountPath": f"{_SECRETS}/{name}", "readOnly": True})
    made += launcher_sidecars.mounts_of_guest(vmi, settings.config)
    made += persistent_state.mounts(vmi)
    if _takes_disks(vmi):
        made.append(
            {
                "name": "hotplug-disks",
                "mountPath": "/var/run/kubevirt/hotplug-disks",
                "mountPropagation": "HostToContainer",
            }
        )
    return made + launcher_networks.mounts(vmi, settings.config)


def _mounts_of(index: int, volume: Obj, settings: Settings) -> list[Object]:
    own = volume["name"]
    made: list[Object] = []
    if claim := instance.claim_name(volume):
        if not is_block(settings.claims.get(claim)):
            made.append({"name": own, "mountPath": f"{DISK_FILES}/{own}"})
    elif "hostDisk" in volume:
        made.append({"name": own, "mountPath": f"{DISK_FILES}/{own}"})
    elif "containerDisk" in volume and settings.image_volumes:
        made.append(
            {"name": own, "readOnly": True, "mountPath": f"/var/run/kubevirt-image-volume/disk_{index}"}
        )
    elif "downwardMetrics" in volume:
        made.append({"name": own, "mountPath": f"{_PRIVATE}/downwardapi-disks"})
    elif "sysprep" in volume:
        made.append({"name": own, "mountPath": f"{_PRIVATE}/sysprep/{own}", "readOnly": True})
    for source, directory in _CONFIGURATION.items():
        if source in volume:
            made.append({"name": own, "mountPath": f"{_PRIVATE}/{directory}/{own}", "readOnly": True})
    for kind, _ in _data(volume):
        for file in _FILES[kind]:
            path = f"{_SECRETS}/{own}/{file}"
            made.append({"name": f"{own}-{kind}", "mountPath": path, "subPath": file, "readOnly": True})
    return made


def _takes_disks(vmi: Obj) -> bool:
    return not dig(vmi, "spec", "domain", "devices", "disableHotplug")


def _data(volume: Obj) -> Iterator[tuple[str, str]]:
    """(udata or ndata, the Secret it comes from) of a cloud-init volume."""
    source = volume.get("cloudInitNoCloud") or volume.get("cloudInitConfigDrive") or {}
    for kind, member in _REFERENCES.items():
        if secret := dig(source, member, "name"):
            yield kind, secret


def _credentials(vmi: Obj) -> list[str]:
    """The Secrets with what the guest's agent is to bring to its users."""
    found = (
        dig(one, kind, "source", "secret", "secretName")
        for one in dig(vmi, "spec", "accessCredentials", default=())
        for kind in ("sshPublicKey", "userPassword")
    )
    return list(dict.fromkeys(secret for secret in found if secret))
