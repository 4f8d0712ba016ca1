"""The containers of a launcher pod: the guest's own, the log's, and one for each container disk. Pure.

Origin: kubevirt: pkg/virt-controller/services/{template,rendercontainer,renderresources}.go
"""

from collections import Counter

from fakekube.machinery.objects import Obj, annotations, dig, name, namespace, uid
from fakekube.machinery.wire import Object
from fakekube.virt import quantities
from fakekube.virt.controller import instance, launcher_networks, names
from fakekube.virt.controller.launcher_facts import (
    Settings,
    Target,
    container_disks,
    grace_seconds,
    is_guaranteed,
    memory_overhead,
    pull_policy,
    vcpus,
)
from fakekube.virt.controller.launcher_volumes import mounts

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
_AUTOMATIC_RATIO = 2
_STARTUP_DELAY = 10  # seconds a guest's probes leave libvirt
_LOG_RESOURCES = {
    "limits": {"cpu": "15m", "memory": "60M"},
    "requests": {"cpu": "5m", "memory": "35M"},
}
_BINARY_RESOURCES = {
    "limits": {"cpu": "100m", "memory": "40M"},
    "requests": {"cpu": "10m", "memory": "1M"},
}
_DISK_RESOURCES = {
    "limits": {"cpu": "10m", "memory": "40M"},
    "requests": {"cpu": "1m", "ephemeral-storage": "50M", "memory": "1M"},
}
_NONE: dict[str, dict[str, str]] = {"limits": {}, "requests": {}}
_HOOK_RESOURCES = {**_NONE, "limits": {"cpu": "200m", "memory": "64M"}}


def init_containers(vmi: Obj, settings: Settings, target: Target | None) -> list[Object]:
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
                "resources": _helper("guest-console-log", _LOG_RESOURCES, vmi, settings),
                "restartPolicy": "Always",
                "volumeMounts": [
                    {"name": "private", "readOnly": True, "mountPath": "/var/run/kubevirt-private"}
                ],
                **_HELPER,
            }
        )
    if target is not None and not target.away_from:  # the images are pinned, nothing has to resolve them
        return made
    if not settings.image_volumes and container_disks(vmi):
        made.append(
            {
                "name": "container-disk-binary",
                "image": settings.launcher_image,
                "command": ["/usr/bin/cp", "/usr/bin/container-disk", "/init/usr/bin/container-disk"],
                "resources": _helper("container-disk", _BINARY_RESOURCES, vmi, settings),
                "volumeMounts": [{"name": "virt-bin-share-dir", "mountPath": "/init/usr/bin"}],
                **_HELPER,
            }
        )
    made.extend(_disk_container(vmi, volume, settings) for volume in container_disks(vmi))
    return made


def _helper(kind: str, usual: dict[str, dict[str, str]], vmi: Obj, settings: Settings) -> Object:
    """The resources of a container beside the guest's; limits are requested in full where the pod has to be guaranteed them."""
    resources = settings.config.helper_resources(kind, usual)
    if not is_guaranteed(vmi):
        return resources
    return {**resources, "requests": {**resources["requests"], **resources["limits"]}}


def _disk_container(vmi: Obj, volume: Obj, settings: Settings) -> Object:
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
        "resources": _helper("container-disk", _DISK_RESOURCES, vmi, settings),
        "volumeMounts": [mount],
        **_HELPER,
        "imagePullPolicy": pull_policy(volume),
    }


def containers(vmi: Obj, settings: Settings, *, temporary: bool) -> list[Object]:
    images = launcher_networks.helper_images(vmi, settings.config)
    made = [_compute(vmi, settings, helpers=len(images), temporary=temporary)]
    if not settings.image_volumes:
        for volume in container_disks(vmi):
            helper = _disk_container(vmi, volume, settings)
            helper |= {
                "name": f"volume{volume['name']}",
                "args": ["--copy-path", f"/var/run/kubevirt-ephemeral-disks/{volume['name']}"],
            }
            made.append(helper)
    return [*made, *(_hook(number, image, vmi, settings) for number, image in enumerate(images))]


def _hook(number: int, image: str, vmi: Obj, settings: Settings) -> Object:
    """The container that brings a network binding about."""
    own = f"hook-sidecar-{number}"
    return {
        "name": own,
        "image": image,
        "env": [{"name": "CONTAINER_NAME", "value": own}],
        "resources": _helper("sidecar", _HOOK_RESOURCES if is_guaranteed(vmi) else _NONE, vmi, settings),
        "volumeMounts": [launcher_networks.hook_mount(own)],
        **_HELPER,
        "imagePullPolicy": str(settings.config.raw.get("imagePullPolicy") or "IfNotPresent"),
    }


def _compute(vmi: Obj, settings: Settings, *, helpers: int, temporary: bool) -> Object:
    if temporary:
        command, args = ["/bin/bash"], ["-c", "echo", "bound PVCs"]
    else:
        command, args = ["/usr/bin/virt-launcher-monitor"], _launcher_arguments(vmi, settings, helpers)
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
        "volumeMounts": mounts(vmi, settings),
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
        **({} if temporary else _probes(vmi)),
    }


def _probes(vmi: Obj) -> Object:
    """The guest's, a little later than it asks for; what its agent is asked goes through `virt-probe`."""
    made: Object = {}
    for kind in ("readinessProbe", "livenessProbe"):
        given = dig(vmi, "spec", kind)
        if given is None:
            continue
        probe = {key: value for key, value in given.items() if key != "guestAgentPing"}
        probe["initialDelaySeconds"] = int(probe.get("initialDelaySeconds") or 0) + _STARTUP_DELAY
        through = ["virt-probe", "--domainName", f"{namespace(vmi)}_{name(vmi)}"]
        through += ["--timeoutSeconds", str(probe.get("timeoutSeconds") or 0)]
        command = dig(probe, "exec", "command", default=[])
        if "guestAgentPing" in given:
            through.append("--guestAgentPing")
        elif command:
            through += ["--command", command[0], "--", *command[1:]]
        if "guestAgentPing" in given or command:
            probe["exec"] = {"command": through}
            probe["timeoutSeconds"] = int(probe.get("timeoutSeconds") or 0) + 1
        made[kind] = probe
    return made


def _launcher_arguments(vmi: Obj, settings: Settings, helpers: int) -> list[str]:
    arguments = {
        "--qemu-timeout": "300s",  # upstream adds up to a minute at random
        "--name": name(vmi),
        "--uid": uid(vmi),
        "--namespace": namespace(vmi),
        "--kubevirt-share-dir": "/var/run/kubevirt",
        "--ephemeral-disk-dir": "/var/run/kubevirt-ephemeral-disks",
        "--container-disk-dir": "/var/run/kubevirt/container-disks",
        "--grace-period-seconds": str(grace_seconds(vmi) + 15),
        "--hook-sidecars": str(helpers),
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
        *(["--keep-after-failure"] if annotations(vmi).get(names.KEEP_LAUNCHER) == "true" else []),
        *(["--simulate-crash"] if names.FAIL_FAST in annotations(vmi) else []),
    ]


def _network_devices(domain: Obj, settings: Settings) -> dict[str, str]:
    """What the guest's interfaces need of the host."""
    devices = domain.get("devices") or {}
    interfaces = devices.get("interfaces") or ()
    wanted = {}
    if interfaces or devices.get("autoattachPodInterface") is not False:
        wanted["devices.kubevirt.io/tun"] = "1"
    if not _is_emulated(settings) and any(one.get("model", "virtio") == "virtio" for one in interfaces):
        wanted["devices.kubevirt.io/vhost-net"] = "1"
    return wanted


def _resources(vmi: Obj, settings: Settings) -> Object:
    domain = dig(vmi, "spec", "domain", default={})
    given = domain.get("resources") or {}
    cpus = vcpus(vmi)
    overhead = memory_overhead(vmi, settings.config)
    guest = dig(domain, "memory", "guest") or dig(given, "requests", "memory") or "0"
    requested = dig(given, "requests", "memory") or guest
    devices = _network_devices(domain, settings)
    if not _is_emulated(settings):
        devices = {"devices.kubevirt.io/kvm": "1", **devices}
    if instance.has_vsock(vmi):
        devices["devices.kubevirt.io/vhost-vsock"] = "1"
    devices |= _host_devices(domain)
    devices |= {own: str(number) for own, number in Counter(settings.cards).items()}
    requests = {**(given.get("requests") or {})}
    huge = _huge_pages(domain, quantities.whole(requested))
    small = quantities.whole(requested) - huge[1] if huge else quantities.whole(requested)
    requests |= {"memory": quantities.binary(small + overhead), **devices}
    requests.setdefault("cpu", _cpu(cpus, settings.config.cpu_allocation_ratio))
    requests.setdefault("ephemeral-storage", "50M")
    limits = {**(given.get("limits") or {}), **devices}
    if huge:
        pages = quantities.binary(huge[1])
        requests[huge[0]] = limits[huge[0]] = pages
        if "memory" in limits:
            limits["memory"] = quantities.binary(max(quantities.whole(limits["memory"]) - huge[1], 0))
    if instance.has_dedicated_cpus(vmi):
        spare = 1 if dig(domain, "cpu", "isolateEmulatorThread") else 0
        requests["cpu"] = limits["cpu"] = str(cpus + spare)
    if "memory" in limits:
        limits["memory"] = quantities.binary(quantities.whole(limits["memory"]) + overhead)
    if is_guaranteed(vmi):
        limits["memory"] = requests["memory"]
    if "cpu" in settings.limits:
        limits.setdefault("cpu", str(cpus))
    if "memory" in settings.limits and "memory" not in limits:
        limits["memory"] = quantities.binary(quantities.whole(requests["memory"]) * _AUTOMATIC_RATIO)
    return {"limits": limits, "requests": requests}


def _is_emulated(settings: Settings) -> bool:
    developer = settings.config.raw.get("developerConfiguration") or {}
    return settings.use_emulation or bool(developer.get("useEmulation"))


def _cpu(cpus: int, ratio: int) -> str:
    """What so many virtual CPUs request of a node that counts each of its own `ratio` times."""
    thousandths = cpus * 1000 // ratio
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def _host_devices(domain: Obj) -> dict[str, str]:
    """GPUs and other devices of the node, so many of each kind."""
    devices = domain.get("devices") or {}
    listed = [one for kind in ("gpus", "hostDevices") for one in devices.get(kind) or ()]
    counts = Counter(str(one["deviceName"]) for one in listed if one.get("deviceName"))
    return {own: str(number) for own, number in counts.items()}


def _huge_pages(domain: Obj, requested: int) -> tuple[str, int] | None:
    """The resource, and how many bytes of the memory that is requested are to be of it."""
    size = dig(domain, "memory", "hugepages", "pageSize")
    if not size:
        return None
    guest = quantities.whole(dig(domain, "memory", "guest") or requested)
    return f"hugepages-{size}", min(guest, requested)
