"""The hook sidecars an instance's annotation asks for: containers beside the guest's that may change its domain. Pure.

Origin: kubevirt: pkg/hooks/hooks.go, pkg/virt-controller/services/{template,rendervolumes}.go
"""

from typing import Any

import orjson

from fakekube.machinery.objects import Obj, annotations
from fakekube.machinery.wire import Object
from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import launcher_networks
from fakekube.virt.controller.launcher_facts import SECURED, XDG, Settings
from fakekube.virt.controller.launcher_resources import helper

ANNOTATION = "hooks.kubevirt.io/hookSidecars"
_SOCKETS, _SHARED = "hook-sidecar-sockets", "/var/run/kubevirt-hooks"
_SHIM = "sidecar-shim"


def wanted(vmi: Obj, config: ClusterConfig) -> list[dict[str, Any]]:
    """What the annotation lists, and the helpers of network bindings."""
    policy = str(config.raw.get("imagePullPolicy") or "IfNotPresent")
    helpers = launcher_networks.helper_images(vmi, config)
    return [*_listed(vmi), *({"image": one, "imagePullPolicy": policy} for one in helpers)]


def mistake(vmi: Obj) -> str:
    """What is wrong with the annotation; empty: nothing."""
    try:
        _listed(vmi)
    except ValueError as error:
        return str(error)
    return ""


def _listed(vmi: Obj) -> list[dict[str, Any]]:
    if not (text := annotations(vmi).get(ANNOTATION)):
        return []
    try:
        found = orjson.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("the annotation is no list of hook sidecars")
    return found


def containers(vmi: Obj, settings: Settings) -> list[Object]:
    listed = wanted(vmi, settings.config)
    return [_container(index, one, vmi, settings) for index, one in enumerate(listed)]


def _container(index: int, one: dict[str, Any], vmi: Obj, settings: Settings) -> Object:
    name = f"hook-sidecar-{index}"
    mounts: list[Object] = [{"name": _SOCKETS, "mountPath": _SHARED, "subPath": name}]
    if claim := one.get("pvc"):
        mounts.append({"name": claim["name"], "mountPath": claim["volumePath"]})
    if script := one.get("configMap"):
        mounts.append({"name": script["name"], "mountPath": script["hookPath"], "subPath": script["key"]})
    made: Object = {
        "name": name,
        "image": one.get("image") or settings.launcher_image.replace("virt-launcher", _SHIM),
        "env": [*XDG, {"name": "CONTAINER_NAME", "value": name}],
        "resources": helper("sidecar", vmi, settings),
        "volumeMounts": mounts,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": one.get("imagePullPolicy") or "IfNotPresent",
        "securityContext": SECURED,
    }
    return made | {key: one[key] for key in ("command", "args") if one.get(key)}


def volumes(vmi: Obj, config: ClusterConfig) -> list[Object]:
    listed = wanted(vmi, config)
    made: list[Object] = [{"name": _SOCKETS, "emptyDir": {}}] if listed else []
    for one in listed:
        if claim := one.get("pvc"):
            made.append({"name": claim["name"], "persistentVolumeClaim": {"claimName": claim["name"]}})
        if script := one.get("configMap"):
            source = {"name": script["name"], "defaultMode": 0o755}
            made.append({"name": script["name"], "configMap": source})
    return made


def mounts_of_guest(vmi: Obj, config: ClusterConfig) -> list[Object]:
    """Where the guest's container meets them."""
    listed = wanted(vmi, config)
    made: list[Object] = [{"name": _SOCKETS, "mountPath": _SHARED}] if listed else []
    shared = [one["pvc"] for one in listed if (one.get("pvc") or {}).get("sharedComputePath")]
    return made + [{"name": one["name"], "mountPath": one["sharedComputePath"]} for one in shared]
