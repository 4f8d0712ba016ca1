"""What of its volumes a launcher pod shares with the guest as files: a container of `virtiofsd` for each of them. Pure.

Origin: kubevirt: pkg/virt-controller/services/virtiofs.go, pkg/virtiofs
"""

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance
from fakekube.virt.controller.launcher_facts import SECURED, Settings
from fakekube.virt.controller.launcher_resources import helper

_SOCKETS: Object = {"name": "virtiofs-containers", "mountPath": "/var/run/kubevirt/virtiofs-containers"}
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_DIRECTORIES = {"configMap": "config-map", "secret": "secret", "downwardAPI": "downwardapi"}
_HOW = ("--sandbox=none", "--cache=auto", "--migration-on-error=guest-error", "--migration-mode=find-paths")


def share(pod: Object, vmi: Obj, settings: Settings) -> None:
    """Add to a launcher pod's spec whatever shares files, if the guest wants any."""
    wanted = {one["name"] for one in dig(vmi, "spec", "domain", "devices", "filesystems", default=())}
    if not wanted:
        return
    shared = [one for one in instance.volumes(vmi) if one["name"] in wanted]
    pod["volumes"].append({"name": _SOCKETS["name"], "emptyDir": {}})
    pod["containers"][0]["volumeMounts"].append(_SOCKETS)
    pod["containers"] += [_container(one, vmi, settings) for one in shared]


def _container(volume: Obj, vmi: Obj, settings: Settings) -> Object:
    own, directory = volume["name"], _directory(volume)
    arguments = [f"--socket-path={_SOCKETS['mountPath']}/{own}.sock", f"--shared-dir={directory}", *_HOW]
    if instance.claim_name(volume):
        arguments.append("--migration-verify-handles")
    mounts = [_SOCKETS]
    if not {"serviceAccount", "containerPath"} & volume.keys():  # the pod has those anyway
        mounts.append({"name": own, "mountPath": directory})
    return {
        "name": f"virtiofs-{own}",
        "image": settings.launcher_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/libexec/virtiofsd"],
        "args": arguments,
        "volumeMounts": mounts,
        "resources": helper("virtiofs", vmi, settings),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "securityContext": {**SECURED, "runAsGroup": 107},
    }


def _directory(volume: Obj) -> str:
    own = volume["name"]
    if "serviceAccount" in volume:
        return _ACCOUNT
    if "containerPath" in volume:
        return str(volume["containerPath"]["path"])
    kind = next((_DIRECTORIES[one] for one in _DIRECTORIES if one in volume), "")
    return f"/var/run/kubevirt-private/{kind}/{own}" if kind else f"/{own}"
