"""KubeVirt's and CDI's own Deployments and DaemonSet, as data, with the status they have when all their pods are ready.

How many there are and where they run, the KubeVirt object may say. Whether there are pods is up to the workload controllers that run; where none does, the status stays as it is here.
Origin: kubevirt: pkg/virt-operator/resource/generate/components/{deployments,daemonsets}.go, pkg/virt-operator/resource/{apply/apps,placement/placement}.go,
cdi: pkg/operator/resources/namespaced
"""

from typing import Any

from fakekube.machinery.objects import annotations, generation, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt import config
from fakekube.virt.operator import customizing, marking
from fakekube.virt.operator.components import CDI_REGISTRY, CDI_VERSION
from fakekube.virt.operator.sources import Source

_ACCOUNTS = {
    "virt-api": "kubevirt-apiserver",
    "virt-controller": "kubevirt-controller",
    "virt-handler": "kubevirt-handler",
    "virt-operator": "kubevirt-operator",
    "virt-exportproxy": "kubevirt-exportproxy",
    "virt-synchronization-controller": "kubevirt-synchronization-controller",
}
_GATES = {"virt-exportproxy": "VMExport", "virt-synchronization-controller": "DecentralizedLiveMigration"}
_CONTAINERS = {"virt-exportproxy": "exportproxy"}  # the name of the component is too long
_CDI = ("cdi-operator", "cdi-apiserver", "cdi-deployment", "cdi-uploadproxy")
_CDI_IMAGES = {"cdi-deployment": "cdi-controller"}
_REPLICAS = 2
_RESERVING: tuple[Object, ...] = (  # directories of the node
    {
        "name": "pr-helper-socket-vol",
        "hostPath": {"path": "/var/run/kubevirt/daemons/pr", "type": "DirectoryOrCreate"},
    },
    {"name": "dev-dir", "hostPath": {"path": "/dev"}},
    {"name": "etc-multipath", "hostPath": {"path": "/etc/multipath", "type": "DirectoryOrCreate"}},
)
OPERATOR, HANDLER, API = "virt-operator", "virt-handler", "virt-api"
GENERATION = "kubevirt.io/generation"


def kubevirt(space: str, nodes: int, now: str, source: Source) -> list[Object]:
    """virt-operator, what it deploys, and a virt-handler for each of so many nodes."""
    names = (OPERATOR, "virt-api", "virt-controller", *_GATES)
    deployments = [
        _deployment(own, space, _kubevirt_spec(own, space, source), _REPLICAS, now) for own in names
    ]
    found = [*deployments, _daemon_set(HANDLER, space, nodes, source)]
    for one in found:  # so that the first KubeVirt object finds nothing to change
        one["metadata"]["annotations"] = {
            **one["spec"]["template"]["metadata"]["annotations"],
            GENERATION: "1",
        }
    return found


def is_wanted(workload: Object, kubevirt: Object) -> bool:
    """Whether the gate of a component is open; most have none."""
    gate = _GATES.get(name(workload))
    return gate is None or config.ClusterConfig(raw=kubevirt["spec"].get("configuration") or {}).gate(gate)


def following(workload: Object, kubevirt: Object, source: Source) -> Object:
    """The same as the KubeVirt object wants it: as it was installed, where it runs, of `infra` how often, with secrets to pull
    with, and customized; marked with the generation that wants it so. What somebody else changed is undone.

    virt-operator is not its own business.
    """
    own, given = name(workload), kubevirt["spec"]
    spec = _kubevirt_spec(own, namespace(workload), source)
    config = given.get("workloads" if own == HANDLER else "infra") or {}
    template = spec["template"]
    pod = {**template["spec"], **_placed(template["spec"], config.get("nodePlacement") or {})}
    if secrets := given.get("imagePullSecrets"):
        pod["imagePullSecrets"] = secrets
        if own == HANDLER:
            pod["containers"] = [*pod["containers"], _image_holder(source)]
    settings = given.get("configuration") or {}
    if own == HANDLER and (settings.get("persistentReservationConfiguration") or {}).get("enabled"):
        pod["volumes"] = list(_RESERVING)
        pod["containers"] = [*pod["containers"], _reservation_helper(source)]
    found = {**spec, "template": {**template, "spec": pod}}
    if own != HANDLER:
        found["replicas"] = config.get("replicas") or _REPLICAS
    meta = {**workload["metadata"], "labels": _labels(spec)}
    marks = {**annotations(workload), **template["metadata"]["annotations"]}
    marks[GENERATION] = str(generation(kubevirt))
    marks.pop(customizing.MARK, None)
    if mark := customizing.identifier(given):
        marks[customizing.MARK] = mark
    wanted = {**workload, "metadata": {**meta, "annotations": marks}, "spec": found}
    return customizing.applied(wanted, given) if mark else wanted


def is_ready(workload: Object) -> bool:
    """Whether a component works: one pod of a Deployment is enough, virt-handler has to work wherever it is to, and somewhere."""
    status = workload.get("status") or {}
    if workload["kind"] == "DaemonSet":
        return bool(status.get("desiredNumberScheduled")) and has_rolled_out(workload)
    return bool(status.get("replicas") and status.get("readyReplicas"))


def has_rolled_out(workload: Object) -> bool:
    """Whether all pods are of what is wanted now, and work."""
    status = workload.get("status") or {}
    if int(status.get("observedGeneration") or 0) < generation(workload):
        return False
    if workload["kind"] == "DaemonSet":
        wanted, *counts = "desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"
        return all(status.get(one, 0) == status.get(wanted, 0) for one in counts)
    counts = ["replicas", "updatedReplicas", "availableReplicas"]
    return all(status.get(one, 0) == workload["spec"]["replicas"] for one in counts)


def _image_holder(source: Source) -> Object:
    """Keeps the launcher's image on the node, so that whoever runs a machine needs no secret to pull it."""
    return {
        "name": "virt-launcher-image-holder",
        "image": source.image("virt-launcher"),
        "command": ["/bin/sh", "-c", "sleep infinity"],
    }


def _reservation_helper(source: Source) -> Object:
    """Reserves SCSI devices on the node for guests, which may not do so themselves."""
    sockets, devices, paths = _RESERVING
    return {
        "name": "pr-helper",
        "image": source.image("pr-helper"),
        "command": ["/usr/bin/qemu-pr-helper"],
        "args": ["-k", f"{sockets['hostPath']['path']}/pr-helper.sock"],
        "volumeMounts": [
            _mounted(sockets, "Bidirectional"),
            _mounted(devices, "HostToContainer"),
            _mounted(paths, "Bidirectional"),
        ],
        "securityContext": {"runAsUser": 0, "privileged": True},
    }


def _mounted(volume: Object, propagation: str) -> Object:
    return {
        "name": volume["name"],
        "mountPath": volume["hostPath"]["path"],
        "mountPropagation": propagation,
    }


def budget(deployment: Object) -> Object:
    """All but one of a Deployment's pods are to stay."""
    own = f"{name(deployment)}-pdb"
    labels = {"kubevirt.io": own, "app.kubernetes.io/managed-by": "virt-operator"}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": own, "namespace": namespace(deployment), "labels": labels},
        "spec": {
            "minAvailable": deployment["spec"]["replicas"] - 1,
            "selector": deployment["spec"]["selector"],
        },
    }


def _placed(pod: Object, placement: Object) -> Object:
    """A pod that runs where it is told to; what it says itself counts for more."""
    return {
        **({"affinity": placement["affinity"]} if placement.get("affinity") else {}),
        "nodeSelector": {**(placement.get("nodeSelector") or {}), **pod["nodeSelector"]},
        "tolerations": [*pod["tolerations"], *(placement.get("tolerations") or ())],
    }


def cdi(namespace: str, now: str) -> list[Object]:
    return [_deployment(name, namespace, _cdi_spec(name), 1, now) for name in _CDI]


def _kubevirt_spec(name: str, space: str, source: Source) -> Object:
    labels = {
        "kubevirt.io": name,
        "prometheus.kubevirt.io": "true",
        "app.kubernetes.io/component": "kubevirt",
        "app.kubernetes.io/managed-by": "virt-operator",
        "app.kubernetes.io/version": source.version,
    }
    pod = {
        "serviceAccountName": _ACCOUNTS[name],
        "priorityClassName": "kubevirt-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "containers": [
            {
                "name": _CONTAINERS.get(name, name),
                "image": source.image(name),
                "ports": [{"name": "metrics", "containerPort": 8443, "protocol": "TCP"}],
                "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            }
        ],
    }
    marks = marking.annotations_of(space, source)
    return {
        "selector": {"matchLabels": {"kubevirt.io": name}},
        "template": {"metadata": {"labels": labels, "annotations": marks}, "spec": pod},
    }


def _cdi_spec(name: str) -> Object:
    labels = {
        "cdi.kubevirt.io": name,
        "app.kubernetes.io/component": "storage",
        "app.kubernetes.io/managed-by": "cdi-operator",
    }
    image = f"{CDI_REGISTRY}/{_CDI_IMAGES.get(name, name)}:{CDI_VERSION}"
    pod = {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "CriticalAddonsOnly", "operator": "Exists"}],
        "containers": [{"name": name, "image": image}],
    }
    return {
        "selector": {"matchLabels": {"cdi.kubevirt.io": name}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }


def _workload(kind: str, name: str, namespace: str, spec: Object, status: dict[str, Any]) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": _labels(spec),
        },
        "spec": spec,
        "status": status,
    }


def _labels(spec: Object) -> dict[str, str]:
    of_pods = spec["template"]["metadata"]["labels"]
    return {key: value for key, value in of_pods.items() if not key.startswith("prometheus")}


def _deployment(name: str, namespace: str, spec: Object, count: int, now: str) -> Object:
    times = {"lastTransitionTime": now, "lastUpdateTime": now}
    status = {
        "observedGeneration": 1,
        "replicas": count,
        "updatedReplicas": count,
        "readyReplicas": count,
        "availableReplicas": count,
        "conditions": [
            {
                "type": "Available",
                "status": "True",
                "reason": "MinimumReplicasAvailable",
                "message": "Deployment has minimum availability.",
                **times,
            },
            {
                "type": "Progressing",
                "status": "True",
                "reason": "NewReplicaSetAvailable",
                "message": f'ReplicaSet "{name}" has successfully progressed.',
                **times,
            },
        ],
    }
    return _workload("Deployment", name, namespace, {"replicas": count, **spec}, status)


def _daemon_set(name: str, namespace: str, nodes: int, source: Source) -> Object:
    status = {
        "observedGeneration": 1,
        "currentNumberScheduled": nodes,
        "desiredNumberScheduled": nodes,
        "updatedNumberScheduled": nodes,
        "numberAvailable": nodes,
        "numberReady": nodes,
        "numberMisscheduled": 0,
    }
    return _workload("DaemonSet", name, namespace, _kubevirt_spec(name, namespace, source), status)
