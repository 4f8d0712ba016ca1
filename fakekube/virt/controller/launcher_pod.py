"""From a VMI to its virt-launcher pod: the process around the guest, as the scheduler and the kubelet see it. Pure.

Origin: kubevirt: pkg/virt-controller/services/{template,rendercontainer,rendervolumes,renderresources,nodeselectorrenderer}.go
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, labels, name, namespace, owner_reference, uid
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.controller import instance, names

_MEBI = 2**20
_GRACE_UNSET = 30
_GRACE_EXTRA = 30  # what the launcher gets beyond the guest's own grace period
_NOT_INHERITED = (names.LATEST_OBSERVED, names.STORAGE_OBSERVED)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the KubeVirt configuration decides about launcher pods."""

    launcher_image: str = "virt-launcher:v1.9.0"
    image_volumes: bool = True  # feature gate ImageVolume
    use_emulation: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What sets the target pod of a migration apart from an ordinary launcher pod."""

    migration: Obj
    node_selector: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)  # volume name → image pinned by digest


def id_label(vmi_name: str) -> str:
    """The VMI's name as a label value; long names are cut and made unique by a hash."""
    if len(vmi_name) <= 63:
        return vmi_name
    return f"{vmi_name[:54]}-{hashlib.sha1(vmi_name.encode()).hexdigest()[:8]}"  # noqa: S324 - upstream's choice


def memory_overhead(vmi: Obj) -> int:
    """Bytes the launcher needs beside the guest's memory: fixed processes, 8Mi per vCPU, page tables."""
    cpu = dig(vmi, "spec", "domain", "cpu", default={})
    vcpus = int(cpu.get("sockets") or 1) * int(cpu.get("cores") or 1) * int(cpu.get("threads") or 1)
    requested = dig(vmi, "spec", "domain", "resources", "requests", "memory")
    page_tables = quantities.whole(requested) // 512 if requested else 0
    return 280 * _MEBI + vcpus * 8 * _MEBI + page_tables


def build(
    vmi: Obj,
    settings: Settings,
    *,
    temporary: bool = False,
    target: Target | None = None,
) -> Object:
    """The pod to create. `temporary` pods only make a WaitForFirstConsumer volume bind, and then exit."""
    spec = dig(vmi, "spec", default={})
    grace = spec.get("terminationGracePeriodSeconds")
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"virt-launcher-{name(vmi)}-",
            "namespace": namespace(vmi),
            "labels": _labels(vmi, target),
            "annotations": _annotations(vmi, temporary=temporary, target=target),
            "ownerReferences": [_owner(vmi)],
        },
        "spec": {
            "restartPolicy": "Never",
            "hostname": spec.get("hostname") or name(vmi),
            "terminationGracePeriodSeconds": (_GRACE_UNSET if grace is None else int(grace)) + _GRACE_EXTRA,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsUser": 107, "runAsGroup": 107, "runAsNonRoot": True, "fsGroup": 107},
            "readinessGates": [{"conditionType": names.UNPAUSED}],
            "nodeSelector": _node_selector(vmi, target),
            "affinity": _affinity(vmi, target),
            "volumes": _volumes(vmi, settings, target),
            "initContainers": _init_containers(vmi, settings, target),
            "containers": _containers(vmi, settings, temporary=temporary),
        },
    }
    if not pod["spec"]["initContainers"]:
        del pod["spec"]["initContainers"]
    for copied in (
        "tolerations",
        "schedulerName",
        "priorityClassName",
        "dnsPolicy",
        "dnsConfig",
        "subdomain",
    ):
        if spec.get(copied):
            pod["spec"][copied] = spec[copied]
    return pod


def _owner(vmi: Obj) -> dict[str, Any]:
    return owner_reference(
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": vmi["metadata"]}
    )


def _labels(vmi: Obj, target: Target | None) -> dict[str, str]:
    made = {
        **labels(vmi),
        names.APP: "virt-launcher",
        names.CREATED_BY: uid(vmi),
        names.VM_NAME: str(dig(vmi, "spec", "hostname") or name(vmi))[:63].rstrip("-."),
        names.VMI_ID: id_label(name(vmi)),
    }
    if target is not None:
        made[names.MIGRATION_JOB_UID] = uid(target.migration)
    return made


def _annotations(vmi: Obj, *, temporary: bool, target: Target | None) -> dict[str, str]:
    own = {
        key: value
        for key, value in annotations(vmi).items()
        if not key.startswith("kubectl.kubernetes.io") and key not in _NOT_INHERITED
    }
    freezer = f'"--name", "{name(vmi)}", "--namespace", "{namespace(vmi)}"]'
    made = {
        **own,
        names.DOMAIN: name(vmi),
        "kubectl.kubernetes.io/default-container": "compute",
        names.MIGRATION_TRANSPORT_UNIX: "true",
        "descheduler.alpha.kubernetes.io/request-evict-only": "",
        names.MEMORY_OVERHEAD: str(memory_overhead(vmi)),
        "pre.hook.backup.velero.io/container": "compute",
        "pre.hook.backup.velero.io/command": f'["/usr/bin/virt-freezer", "--freeze", {freezer}',
        "pre.hook.backup.velero.io/timeout": "60s",
        "post.hook.backup.velero.io/container": "compute",
        "post.hook.backup.velero.io/command": f'["/usr/bin/virt-freezer", "--unfreeze", {freezer}',
    }
    if any("masquerade" in one for one in dig(vmi, "spec", "domain", "devices", "interfaces", default=())):
        made["istio.io/reroute-virtual-interfaces"] = "k6t-eth0"
        made["traffic.sidecar.istio.io/kubevirtInterfaces"] = "k6t-eth0"
    if temporary:
        made[names.EPHEMERAL_PROVISIONING] = "true"
    if target is not None:
        made[names.MIGRATION_JOB_NAME] = name(target.migration)
    return made


def _node_selector(vmi: Obj, target: Target | None) -> dict[str, str]:
    spec = dig(vmi, "spec", default={})
    chosen: dict[str, str] = {**(spec.get("nodeSelector") or {}), names.SCHEDULABLE: "true"}
    if architecture := spec.get("architecture"):
        chosen["kubernetes.io/arch"] = architecture
    if machine := dig(spec, "domain", "machine", "type"):
        chosen[f"machine-type.node.kubevirt.io/{machine}"] = "true"
    cpu = dig(spec, "domain", "cpu", default={})
    if (model := cpu.get("model")) and model not in ("host-model", "host-passthrough"):
        chosen[f"cpu-model.node.kubevirt.io/{model}"] = "true"
    for feature in cpu.get("features") or ():
        if feature.get("policy") in (None, "", "require"):
            chosen[f"cpu-feature.node.kubevirt.io/{feature.get('name')}"] = "true"
    if cpu.get("dedicatedCpuPlacement"):
        chosen["cpumanager"] = "true"
    if target is not None:
        chosen |= target.node_selector
    return chosen


def _affinity(vmi: Obj, target: Target | None) -> Object:
    affinity: Object = {**dig(vmi, "spec", "affinity", default={})}
    if (dig(vmi, "spec", "domain", "cpu", "model") or "host-model") == "host-model":
        obsolete = {"key": "node-labeller.kubevirt.io/obsolete-host-model", "operator": "DoesNotExist"}
        nodes: Object = {**(affinity.get("nodeAffinity") or {})}
        required = dig(nodes, "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms") or [{}]
        terms = [
            {**term, "matchExpressions": [*(term.get("matchExpressions") or ()), obsolete]}
            for term in required
        ]
        nodes["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
        affinity["nodeAffinity"] = nodes
    if target is not None:
        elsewhere = {
            "labelSelector": {"matchLabels": {names.CREATED_BY: uid(vmi)}},
            "topologyKey": "kubernetes.io/hostname",
        }
        apart: Object = {**(affinity.get("podAntiAffinity") or {})}
        required = apart.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        apart["requiredDuringSchedulingIgnoredDuringExecution"] = [*required, elsewhere]
        affinity["podAntiAffinity"] = apart
    return affinity


_EMPTY_DIRS = ("private", "public", "sockets", "virt-bin-share-dir", "libvirt-runtime", "ephemeral-disks")


def _volumes(vmi: Obj, settings: Settings, target: Target | None) -> list[Object]:
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
                        "pullPolicy": _pull_policy(volume),
                    },
                }
            )
        elif "configMap" in volume:
            made.append(
                {
                    "name": own,
                    "configMap": {
                        key: volume["configMap"][key]
                        for key in ("name", "optional")
                        if key in volume["configMap"]
                    },
                }
            )
        elif "secret" in volume:
            made.append(
                {
                    "name": own,
                    "secret": {
                        key: volume["secret"][key]
                        for key in ("secretName", "optional")
                        if key in volume["secret"]
                    },
                }
            )
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
    if _container_disks(vmi) and settings.image_volumes and target is None:
        made.append(
            {
                "name": "launcher-volume",
                "image": {"reference": settings.launcher_image, "pullPolicy": "IfNotPresent"},
            }
        )
    made.append({"name": "hotplug-disks", "emptyDir": {}})
    return made


def _container_disks(vmi: Obj) -> list[dict[str, Any]]:
    return [volume for volume in instance.volumes(vmi) if "containerDisk" in volume]


def _pull_policy(volume: Obj) -> str:
    return str(dig(volume, "containerDisk", "imagePullPolicy") or "IfNotPresent")


_HELPER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
    "securityContext": {
        "capabilities": {"drop": ["ALL"]},
        "runAsUser": 107,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
    },
}
_DISK_RESOURCES = {
    "limits": {"cpu": "10m", "memory": "40M"},
    "requests": {"cpu": "1m", "ephemeral-storage": "50M", "memory": "1M"},
}


def _init_containers(vmi: Obj, settings: Settings, target: Target | None) -> list[Object]:
    made: list[Object] = []
    devices = dig(vmi, "spec", "domain", "devices", default={})
    if devices.get("autoattachSerialConsole") is not False and devices.get("logSerialConsole") is not False:
        made.append(
            {
                "name": "guest-console-log",
                "image": settings.launcher_image,
                "command": ["/usr/bin/virt-tail"],
                "args": ["--logfile", f"/var/run/kubevirt-private/{uid(vmi)}/virt-serial0-log"],
                "env": [{"name": "VIRT_LAUNCHER_LOG_VERBOSITY", "value": "2"}],
                "resources": {
                    "limits": {"cpu": "15m", "memory": "60M"},
                    "requests": {"cpu": "5m", "memory": "35M"},
                },
                "restartPolicy": "Always",
                "volumeMounts": [
                    {"name": "private", "readOnly": True, "mountPath": "/var/run/kubevirt-private"}
                ],
                **_HELPER,
            }
        )
    if target is not None:  # the images are pinned already, nothing has to resolve them
        return made
    if not settings.image_volumes and _container_disks(vmi):
        made.append(
            {
                "name": "container-disk-binary",
                "image": settings.launcher_image,
                "command": ["/usr/bin/cp", "/usr/bin/container-disk", "/init/usr/bin/container-disk"],
                "resources": {
                    "limits": {"cpu": "100m", "memory": "40M"},
                    "requests": {"cpu": "10m", "memory": "1M"},
                },
                "volumeMounts": [{"name": "virt-bin-share-dir", "mountPath": "/init/usr/bin"}],
                **_HELPER,
            }
        )
    made.extend(_disk_container(volume, settings) for volume in _container_disks(vmi))
    return made


def _disk_container(volume: Obj, settings: Settings) -> Object:
    """The init container that runs a containerDisk's image once, so that its digest becomes known."""
    if settings.image_volumes:
        suffix, mount = (
            "",
            {"name": "launcher-volume", "readOnly": True, "mountPath": "/container-disk-binary"},
        )
        command = ["/container-disk-binary/usr/bin/container-disk"]
    else:
        suffix, mount = "-init", {"name": "virt-bin-share-dir", "mountPath": "/usr/bin"}
        command = ["/usr/bin/container-disk"]
    return {
        "name": f"volume{volume['name']}{suffix}",
        "image": dig(volume, "containerDisk", "image", default=""),
        "command": command,
        "args": ["--no-op"],
        "resources": _DISK_RESOURCES,
        "volumeMounts": [mount],
        **_HELPER,
        "imagePullPolicy": _pull_policy(volume),
    }


def _containers(vmi: Obj, settings: Settings, *, temporary: bool) -> list[Object]:
    made = [_compute(vmi, settings, temporary=temporary)]
    if not settings.image_volumes:
        for volume in _container_disks(vmi):
            helper = _disk_container(volume, settings)
            helper |= {
                "name": f"volume{volume['name']}",
                "args": ["--copy-path", f"/var/run/kubevirt-ephemeral-disks/{volume['name']}"],
            }
            made.append(helper)
    return made


def _compute(vmi: Obj, settings: Settings, *, temporary: bool) -> Object:
    if temporary:
        command, args = ["/bin/bash"], ["-c", "echo", "bound PVCs"]
    else:
        command, args = ["/usr/bin/virt-launcher-monitor"], _launcher_arguments(vmi, settings)
    return {
        "name": "compute",
        "image": settings.launcher_image,
        "command": command,
        "args": args,
        "env": [
            {"name": "XDG_CACHE_HOME", "value": "/var/run/kubevirt-private"},
            {"name": "XDG_CONFIG_HOME", "value": "/var/run/kubevirt-private"},
            {"name": "XDG_RUNTIME_DIR", "value": "/var/run"},
            {
                "name": "POD_NAME",
                "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}},
            },
        ],
        "resources": _resources(vmi, settings),
        "volumeMounts": _mounts(vmi, settings),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "runAsUser": 107,
            "runAsGroup": 107,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
        },
    }


def _launcher_arguments(vmi: Obj, settings: Settings) -> list[str]:
    grace = dig(vmi, "spec", "terminationGracePeriodSeconds")
    arguments = {
        "--qemu-timeout": "300s",  # upstream adds up to a minute at random
        "--name": name(vmi),
        "--uid": uid(vmi),
        "--namespace": namespace(vmi),
        "--kubevirt-share-dir": "/var/run/kubevirt",
        "--ephemeral-disk-dir": "/var/run/kubevirt-ephemeral-disks",
        "--container-disk-dir": "/var/run/kubevirt/container-disks",
        "--grace-period-seconds": str((_GRACE_UNSET if grace is None else int(grace)) + 15),
        "--hook-sidecars": "0",
        "--ovmf-path": "/usr/share/edk2/ovmf",
        "--disk-memory-limit": "2097152000",
        "--hypervisor": "kvm",
    }
    flat = [text for pair in arguments.items() for text in pair]
    return [
        *flat,
        "--run-as-nonroot",
        *(["--image-volume"] if settings.image_volumes else []),
        "--upgrade-ordinal-ifaces",
    ]


def _resources(vmi: Obj, settings: Settings) -> Object:
    domain = dig(vmi, "spec", "domain", default={})
    given = domain.get("resources") or {}
    cpu = domain.get("cpu") or {}
    vcpus = int(cpu.get("sockets") or 1) * int(cpu.get("cores") or 1) * int(cpu.get("threads") or 1)
    overhead = memory_overhead(vmi)
    guest = dig(domain, "memory", "guest") or dig(given, "requests", "memory") or "0"
    requested = dig(given, "requests", "memory") or guest
    devices = {"devices.kubevirt.io/tun": "1", "devices.kubevirt.io/vhost-net": "1"}
    if not settings.use_emulation:
        devices = {"devices.kubevirt.io/kvm": "1", **devices}
    requests = {**(given.get("requests") or {})}
    requests |= {"memory": quantities.binary(quantities.whole(requested) + overhead), **devices}
    requests.setdefault("cpu", f"{vcpus * 100}m" if vcpus % 10 else str(vcpus // 10))
    requests.setdefault("ephemeral-storage", "50M")
    limits = {**(given.get("limits") or {}), **devices}
    if "memory" in limits:
        limits["memory"] = quantities.binary(quantities.whole(limits["memory"]) + overhead)
    return {"limits": limits, "requests": requests}


def _mounts(vmi: Obj, settings: Settings) -> list[Object]:
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
    made.append(
        {
            "name": "hotplug-disks",
            "mountPath": "/var/run/kubevirt/hotplug-disks",
            "mountPropagation": "HostToContainer",
        }
    )
    return made
