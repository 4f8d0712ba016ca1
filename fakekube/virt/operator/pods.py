"""The pods of KubeVirt's own components, as data: images, commands, ports, labels, and where they would rather not be.

Left out is what nobody here would look at: probes, volumes, what they request and may do.
Origin: kubevirt: pkg/virt-operator/resource/generate/components/{deployments,daemonsets}.go, …/resource/placement/placement.go
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import Object
from fakekube.virt import multus
from fakekube.virt.operator import marking
from fakekube.virt.operator.sources import Source

OPERATOR, HANDLER, API, CONTROLLER = "virt-operator", "virt-handler", "virt-api", "virt-controller"
PROXY, SYNCHRONIZATION = "virt-exportproxy", "virt-synchronization-controller"

_VERBOSITY = "2"
_METRICS, _CONSOLES, _WEBHOOKS = 8443, 8186, 8444
_PORT = ("--port", str(_METRICS))
_SYNCHRONIZATION_PORT = "9185"
_GRACE = 315  # seconds virt-handler takes to end
_NODE, _ADDRESS = {"NODE_NAME": "spec.nodeName"}, {"MY_POD_IP": "status.podIP"}


class _Component(Struct, frozen=True):
    account: str
    container: str = ""  # where the name of the component is too long
    args: tuple[str, ...] = ()
    in_command: bool = False  # its arguments stand there
    ports: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)  # environment from fields of the pod
    avoids: str = ""  # the component whose pods are to be on other nodes; its own, where nothing is said
    scraped: bool = True


_COMPONENTS = {
    OPERATOR: _Component("kubevirt-operator", args=_PORT, ports={"webhooks": _WEBHOOKS}),
    API: _Component(
        "kubevirt-apiserver",
        args=(*_PORT, "--console-server-port", str(_CONSOLES), "--subresources-only"),
        ports={API: _METRICS},
    ),
    CONTROLLER: _Component("kubevirt-controller", args=_PORT),
    HANDLER: _Component(
        "kubevirt-handler",
        args=(
            *(*_PORT, "--hostname-override", "$(NODE_NAME)", "--pod-ip-address", "$(MY_POD_IP)"),
            *("--max-metric-requests", "3", "--console-server-port", str(_CONSOLES)),
            *("--graceful-shutdown-seconds", str(_GRACE)),
        ),
        told={**_NODE, **_ADDRESS},
    ),
    PROXY: _Component(
        "kubevirt-exportproxy",
        container="exportproxy",
        args=_PORT,
        in_command=True,
        ports={"exportproxy": _METRICS},
        avoids=API,
    ),
    SYNCHRONIZATION: _Component(
        "kubevirt-synchronization-controller",
        container="sync",
        in_command=True,
        told=_ADDRESS,
        scraped=False,
    ),
}


def template(own: str, space: str, source: Source, kubevirt: Obj) -> Object:
    """The pods of a component as a KubeVirt object wants them; virt-operator's own follow none, and nobody's marks are on them."""
    given: Obj = {} if own == OPERATOR else kubevirt.get("spec") or {}
    component = _COMPONENTS[own]
    meta: Object = {
        "labels": {
            "kubevirt.io": own,
            **({"prometheus.kubevirt.io": "true"} if component.scraped else {}),
            **({"name": own} if own == OPERATOR else marking.labels_of(given, source)),
        },
        "annotations": {} if own == OPERATOR else marking.annotations_of(space, source),
    }
    containers = [_container(own, component, source, given)]
    pod: Object = {
        "serviceAccountName": component.account,
        "priorityClassName": "kubevirt-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        **({} if own == HANDLER else {"affinity": _apart(component.avoids or own)}),
        "containers": containers,
    }
    if secrets := given.get("imagePullSecrets"):
        pod["imagePullSecrets"] = secrets
        if own == HANDLER:
            containers.append(_image_holder(source))
    if own == HANDLER and dig(given, "configuration", "persistentReservationConfiguration", "enabled"):
        pod["volumes"] = list(_RESERVING)
        containers.append(_reservation_helper(source, given))
    network = dig(given, "configuration", "migrations", "network")
    if own == HANDLER and network:
        meta["annotations"] = {**meta["annotations"], multus.NETWORKS: f"{network}@{multus.MIGRATION}"}
    config = given.get("workloads" if own == HANDLER else "infra") or {}
    if own == SYNCHRONIZATION:
        config = given.get("synchronizationPlacement") or config
    return {"metadata": meta, "spec": _placed(pod, config.get("nodePlacement") or {})}


def _container(own: str, component: _Component, source: Source, given: Obj) -> Object:
    args = [*component.args]
    ports = dict(component.ports)
    if own == CONTROLLER:
        images = (("launcher", "virt-launcher"), ("exporter", "virt-exportserver"))
        args = [*(part for word, image in images for part in (f"--{word}-image", source.image(image))), *args]
    if own == SYNCHRONIZATION:
        port = str(given.get("synchronizationPort") or _SYNCHRONIZATION_PORT)
        args, ports = ["--v", _VERBOSITY, "--port", port], {"sync": int(port)}
    else:
        args += ["-v", _VERBOSITY]
    command, limit = [own], dig(given, "configuration", "virtualMachineInstancesPerNode")
    if own == HANDLER and limit is not None:
        command += ["--max-devices", str(limit)]
    env: list[Object] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in component.told.items()
    ]
    if own == CONTROLLER:
        env.append({"name": "SIDECAR_SHIM_IMAGE", "value": source.image("sidecar-shim")})
    return {
        "name": component.container or own,
        "image": source.image(own),
        "imagePullPolicy": _policy(given),
        **({"command": command + args} if component.in_command else {"command": command, "args": args}),
        "ports": [
            {"name": name, "containerPort": port, "protocol": "TCP"}
            for name, port in {"metrics": _METRICS, **ports}.items()
        ],
        **({"env": env} if env else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _policy(given: Obj) -> str:
    return str(given.get("imagePullPolicy") or "IfNotPresent")


def _apart(component: str) -> Object:
    """Rather not where such a pod is already."""
    chosen = {"matchExpressions": [{"key": "kubevirt.io", "operator": "In", "values": [component]}]}
    term = {"labelSelector": chosen, "topologyKey": "kubernetes.io/hostname"}
    preferred = [{"weight": 1, "podAffinityTerm": term}]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}


def _placed(pod: Object, placement: Obj) -> Object:
    """A pod that runs where it is told to; what it says itself counts for more."""
    affinity = _joined(pod.get("affinity") or {}, placement.get("affinity") or {})
    return {
        **pod,
        **({"affinity": affinity} if affinity else {}),
        "nodeSelector": {**(placement.get("nodeSelector") or {}), **pod["nodeSelector"]},
        "tolerations": [*pod["tolerations"], *(placement.get("tolerations") or ())],
    }


def _joined(own: Any, more: Any) -> Any:
    """Both of two affinities: their terms, one after the other."""
    if isinstance(own, list) and isinstance(more, list):
        return [*own, *more]
    if isinstance(own, dict) and isinstance(more, dict):
        return {**own, **{key: _joined(own.get(key), value) for key, value in more.items()}}
    return more


def _image_holder(source: Source) -> Object:
    """Keeps the launcher's image on the node, so that whoever runs a machine needs no secret to pull it."""
    return {
        "name": "virt-launcher-image-holder",
        "image": source.image("virt-launcher"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c"],
        "args": ["sleep infinity"],
        "resources": {"limits": {"cpu": "100m", "memory": "20Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


_RESERVING: tuple[Object, ...] = (  # directories of the node
    {
        "name": "pr-helper-socket-vol",
        "hostPath": {"path": "/var/run/kubevirt/daemons/pr", "type": "DirectoryOrCreate"},
    },
    {"name": "dev-dir", "hostPath": {"path": "/dev"}},
    {"name": "etc-multipath", "hostPath": {"path": "/etc/multipath", "type": "DirectoryOrCreate"}},
)


def _reservation_helper(source: Source, given: Obj) -> Object:
    """Reserves SCSI devices on the node for guests, which may not do so themselves."""
    sockets, devices, paths = _RESERVING
    return {
        "name": "pr-helper",
        "image": source.image("pr-helper"),
        "imagePullPolicy": _policy(given),
        "command": ["/entrypoint.sh"],
        "args": ["-k", f"{sockets['hostPath']['path']}/pr-helper.sock"],
        "volumeMounts": [
            _mounted(sockets, "Bidirectional"),
            _mounted(devices, "HostToContainer"),
            _mounted(paths, "Bidirectional"),
        ],
        "securityContext": {"runAsUser": 0, "privileged": True},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _mounted(volume: Object, propagation: str) -> Object:
    return {
        "name": volume["name"],
        "mountPath": volume["hostPath"]["path"],
        "mountPropagation": propagation,
    }
