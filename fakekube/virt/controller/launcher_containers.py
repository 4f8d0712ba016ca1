"""The containers of a launcher pod: the guest's own, the log's, and one for each container disk. Pure.

Origin: kubevirt: pkg/virt-controller/services/{template,rendercontainer,renderresources}.go
"""

from fakekube.machinery.objects import Obj, annotations, dig, name, namespace, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, launcher_sidecars, names
from fakekube.virt.controller.launcher_facts import (
    SECURED,
    XDG,
    Settings,
    Target,
    grace_seconds,
    images,
    is_block,
    is_logged,
    pull_policy,
)
from fakekube.virt.controller.launcher_resources import compute, helper, is_emulated
from fakekube.virt.controller.launcher_volumes import DISK_FILES, DISKS, mounts

_HELPER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "imagePullPolicy": "IfNotPresent",
    "securityContext": SECURED,
}
_AS_NOBODY = {
    "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
    "runAsUser": 107,
    "runAsGroup": 107,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
}
_AS_ROOT = {
    "capabilities": {"add": ["NET_BIND_SERVICE", "SYS_NICE"]},
    "runAsUser": instance.ROOT,
    "runAsNonRoot": False,
}
_STARTUP_DELAY = 10  # seconds a guest's probes leave libvirt
_VERBOSITY = "VIRT_LAUNCHER_LOG_VERBOSITY"
_PROGRAM = ("/usr/bin/container-disk", "/init/usr/bin/container-disk")
_LOG_FILTERS = "kubevirt.io/libvirt-log-filters"


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
                "env": [{"name": _VERBOSITY, "value": is_logged(vmi, settings).get(_VERBOSITY, "2")}],
                "resources": helper("guest-console-log", vmi, settings),
                "restartPolicy": "Always",
                "volumeMounts": [
                    {"name": "private", "readOnly": True, "mountPath": "/var/run/kubevirt-private"}
                ],
                **_HELPER,
            }
        )
    if target is not None and not target.away_from:  # the images are pinned, nothing has to resolve them
        return made
    if not settings.image_volumes and images(vmi):
        made.append(
            {
                "name": "container-disk-binary",
                "image": settings.launcher_image,
                "command": ["/usr/bin/cp", "--preserve=all", *_PROGRAM],
                "resources": helper("copier", vmi, settings),
                "volumeMounts": [{"name": "virt-bin-share-dir", "mountPath": "/init/usr/bin"}],
                **_HELPER,
            }
        )
    made.extend(_disk_container(vmi, volume, settings) for volume in images(vmi))
    return made


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
        "resources": helper("container-disk", vmi, settings),
        "volumeMounts": [mount],
        **_HELPER,
        "imagePullPolicy": pull_policy(volume),
    }


def containers(vmi: Obj, settings: Settings, *, temporary: bool) -> list[Object]:
    made = [_compute(vmi, settings, temporary=temporary)]
    for index, volume in enumerate(images(vmi) if not settings.image_volumes else ()):
        one = _disk_container(vmi, volume, settings)
        directory = f"{DISKS}/{uid(vmi)}"
        shared = {"name": "container-disks", "mountPath": directory}
        made.append(
            {
                **one,
                "name": f"volume{volume['name']}",
                "args": ["--copy-path", f"{directory}/disk_{index}"],
                "volumeMounts": [shared, *one["volumeMounts"]],
            }
        )
    return made + launcher_sidecars.containers(vmi, settings)


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
        "env": _environment(vmi, settings),
        "resources": compute(vmi, settings),
        "volumeMounts": mounts(vmi, settings),
        **_block_devices(vmi, settings),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": _AS_ROOT if instance.is_root(vmi) else _AS_NOBODY,
        **({} if temporary else _probes(vmi)),
        **_ports(vmi),
    }


def _environment(vmi: Obj, settings: Settings) -> list[Object]:
    told = is_logged(vmi, settings)
    shared = [f"{DISK_FILES}/{own}" for own, claim in _own_claims(vmi, settings) if _is_shared(claim)]
    if shared:
        told["SHARED_FILESYSTEM_PATHS"] = ":".join(shared)
    named = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    variables: list[Object] = [{"name": key, "value": value} for key, value in told.items()]
    homes = () if instance.is_root(vmi) else XDG
    return [*homes, *variables, {"name": "POD_NAME", "valueFrom": named}]


def _block_devices(vmi: Obj, settings: Settings) -> Object:
    made = [
        {"name": own, "devicePath": f"/dev/{own}"}
        for own, claim in _own_claims(vmi, settings)
        if is_block(claim)
    ]
    return {"volumeDevices": made} if made else {}


def _own_claims(vmi: Obj, settings: Settings) -> list[tuple[str, Obj]]:
    """(volume, its claim), where the pod itself brings it."""
    listed = [one for one in instance.volumes(vmi) if not instance.is_hotplugged(one)]
    claims = [(one["name"], settings.claims.get(instance.claim_name(one))) for one in listed]
    return [(own, claim) for own, claim in claims if claim is not None]


def _is_shared(claim: Obj) -> bool:
    return not is_block(claim) and "ReadWriteMany" in dig(claim, "spec", "accessModes", default=())


def _ports(vmi: Obj) -> Object:
    """Those its interfaces open."""
    made = [
        {
            "protocol": port.get("protocol") or "TCP",
            "containerPort": port["port"],
            **({"name": port["name"]} if port.get("name") else {}),
        }
        for one in dig(vmi, "spec", "domain", "devices", "interfaces", default=())
        for port in one.get("ports") or ()
        if port.get("port")
    ]
    return {"ports": made} if made else {}


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


def _launcher_arguments(vmi: Obj, settings: Settings) -> list[str]:
    arguments = {
        "--qemu-timeout": "300s",  # upstream adds up to a minute at random
        "--name": name(vmi),
        "--uid": uid(vmi),
        "--namespace": namespace(vmi),
        "--kubevirt-share-dir": "/var/run/kubevirt",
        "--ephemeral-disk-dir": "/var/run/kubevirt-ephemeral-disks",
        "--container-disk-dir": "/var/run/kubevirt/container-disks",
        "--grace-period-seconds": str(grace_seconds(vmi) + 15),
        "--hook-sidecars": str(len(launcher_sidecars.wanted(vmi, settings.config))),
        "--ovmf-path": "/usr/share/edk2/ovmf",
        "--disk-memory-limit": "2097152000",
        "--hypervisor": "kvm",
    }
    own = annotations(vmi)
    kept = own.get(names.KEEP_LAUNCHER)
    filters = own.get(_LOG_FILTERS)
    return [
        *(text for pair in arguments.items() for text in pair),
        *([] if instance.is_root(vmi) else ["--run-as-nonroot"]),
        *(["--image-volume"] if settings.image_volumes else []),
        "--upgrade-ordinal-ifaces",
        *(["--libvirt-log-filters", filters] if filters else []),
        *(["--allow-emulation"] if is_emulated(settings) else []),
        *(["--keep-after-failure"] if kept is not None and (not kept or kept.startswith("true")) else []),
        *(["--simulate-crash"] if names.FAIL_FAST in own else []),
    ]
