"""The volumes of a launcher pod, and where its compute container mounts them. Pure.

Origin: kubevirt: pkg/virt-controller/services/rendervolumes.go
"""

from collections.abc import Iterator

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, launcher_networks, persistent_state
from fakekube.virt.controller.launcher_facts import Settings, Target, container_disks, pull_policy

_EMPTY_DIRS = ("private", "public", "sockets", "virt-bin-share-dir", "libvirt-runtime", "ephemeral-disks")
_SECRETS = "/var/run/kubevirt-private/secret"
_FILES = {"udata": ("userdata", "userData"), "ndata": ("networkdata", "networkData")}
_REFERENCES = {"udata": "secretRef", "ndata": "networkDataSecretRef"}
_PASSED_ON = {"configMap": ("name", "optional"), "secret": ("secretName", "optional")}
_CREDENTIAL = "-access-cred"


def volumes(vmi: Obj, settings: Settings, target: Target | None, state: str = "") -> list[Object]:
    made: list[Object] = [{"name": each, "emptyDir": {}} for each in _EMPTY_DIRS]
    for volume in instance.volumes(vmi):
        if instance.is_hotplugged(volume):
            continue
        own = volume["name"]
        if claim := instance.claim_name(volume):
            made.append({"name": own, "persistentVolumeClaim": {"claimName": claim}})
        elif "containerDisk" in volume and settings.image_volumes:
            pinned = target.digests.get(own) if target is not None else None
            made.append(
                {
                    "name": own,
                    "image": {
                        "reference": pinned or volume["containerDisk"].get("image", ""),
                        "pullPolicy": pull_policy(volume),
                    },
                }
            )
        elif kind := next((one for one in _PASSED_ON if one in volume), ""):
            members = {key: volume[kind][key] for key in _PASSED_ON[kind] if key in volume[kind]}
            made.append({"name": own, kind: members})
        elif secret := dig(volume, "sysprep", "secret", "name"):
            made.append({"name": own, "secret": {"secretName": secret}})
        elif config := dig(volume, "sysprep", "configMap", "name"):
            made.append({"name": own, "configMap": {"name": config}})
        elif "hostDisk" in volume:
            made.append(
                {
                    "name": own,
                    "hostPath": {
                        "path": volume["hostDisk"].get("path", "").rpartition("/")[0],
                        "type": "DirectoryOrCreate",
                    },
                }
            )
        made += [
            {"name": f"{own}-{kind}", "secret": {"secretName": secret}} for kind, secret in _data(volume)
        ]
    made += [
        {"name": f"{secret}{_CREDENTIAL}", "secret": {"secretName": secret}} for secret in _credentials(vmi)
    ]
    if container_disks(vmi) and settings.image_volumes and (target is None or target.away_from):
        made.append(
            {
                "name": "launcher-volume",
                "image": {"reference": settings.launcher_image, "pullPolicy": "IfNotPresent"},
            }
        )
    if state:
        made.append({"name": persistent_state.POD_VOLUME, "persistentVolumeClaim": {"claimName": state}})
    made.append({"name": "hotplug-disks", "emptyDir": {}})
    return made + launcher_networks.volumes(vmi, settings.config)


def mounts(vmi: Obj, settings: Settings) -> list[Object]:
    made: list[Object] = [
        {"name": "private", "mountPath": "/var/run/kubevirt-private"},
        {"name": "public", "mountPath": "/var/run/kubevirt"},
        {"name": "ephemeral-disks", "mountPath": "/var/run/kubevirt-ephemeral-disks"},
        {"name": "libvirt-runtime", "mountPath": "/var/run/libvirt"},
        {"name": "sockets", "mountPath": "/var/run/kubevirt/sockets"},
    ]
    for index, volume in enumerate(instance.volumes(vmi)):
        own = volume["name"]
        if instance.claim_name(volume) and not instance.is_hotplugged(volume):
            made.append({"name": own, "mountPath": f"/var/run/kubevirt-private/vmi-disks/{own}"})
        elif "containerDisk" in volume and settings.image_volumes:
            made.append(
                {"name": own, "readOnly": True, "mountPath": f"/var/run/kubevirt-image-volume/disk_{index}"}
            )
        elif "sysprep" in volume:
            made.append(
                {"name": own, "mountPath": f"/var/run/kubevirt-private/sysprep/{own}", "readOnly": True}
            )
        for kind, _ in _data(volume):
            for file in _FILES[kind]:
                path = f"{_SECRETS}/{own}/{file}"
                made.append({"name": f"{own}-{kind}", "mountPath": path, "subPath": file, "readOnly": True})
    for secret in _credentials(vmi):
        name = f"{secret}{_CREDENTIAL}"
        made.append({"name": name, "mountPath": f"{_SECRETS}/{name}", "readOnly": True})
    made += persistent_state.mounts(vmi)
    made.append(
        {
            "name": "hotplug-disks",
            "mountPath": "/var/run/kubevirt/hotplug-disks",
            "mountPropagation": "HostToContainer",
        }
    )
    return made + launcher_networks.mounts(vmi, settings.config)


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
