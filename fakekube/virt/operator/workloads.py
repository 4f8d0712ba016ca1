"""KubeVirt's and CDI's own Deployments and DaemonSet, as data, with the status they have when all their pods are ready.

How many there are and where they run, the KubeVirt object may say. Whether there are pods is up to the workload
controllers that run; where none does, the status stays as it is here.
Origin: kubevirt: pkg/virt-operator/resource/generate/components/{deployments,daemonsets}.go, …/resource/apply/apps.go,
cdi: pkg/operator/resources/namespaced
"""

from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, generation, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt import config, deployed_cdi
from fakekube.virt.operator import customizing, marking, pods
from fakekube.virt.operator.components import CDI_REGISTRY
from fakekube.virt.operator.pods import API, CONTROLLER, HANDLER, OPERATOR, PROXY, SYNCHRONIZATION
from fakekube.virt.operator.sources import Source

_GATES = {PROXY: "VMExport", SYNCHRONIZATION: "DecentralizedLiveMigration"}
_CDI = ("cdi-operator", "cdi-apiserver", "cdi-deployment", "cdi-uploadproxy")
_CDI_IMAGES = {"cdi-deployment": "cdi-controller"}
_REPLICAS = 2
_PODS_ONLY = ("prometheus.kubevirt.io", "name")  # labels
GENERATION = "kubevirt.io/generation"


def kubevirt(space: str, nodes: int, now: str, source: Source) -> list[Object]:
    """virt-operator, what it deploys, and a virt-handler for each of so many nodes."""
    counts = dict.fromkeys((OPERATOR, API, CONTROLLER, *_GATES), _REPLICAS) | {API: api_replicas(nodes)}
    deployments = [
        _deployment(own, space, _spec(own, space, source, {}), count, now) for own, count in counts.items()
    ]
    found = [*deployments, _daemon_set(HANDLER, space, nodes, source)]
    for one in found:  # so that the first KubeVirt object finds nothing to change
        one["metadata"]["annotations"] = {
            **one["spec"]["template"]["metadata"]["annotations"],
            **(
                {}
                if name(one) == OPERATOR
                else {GENERATION: "1", customizing.MARK: customizing.identifier({})}
            ),
        }
    return found


def api_replicas(nodes: int) -> int:
    """How many virt-apis serve so many nodes."""
    return 1 if nodes == 1 else max(_REPLICAS, nodes // 10)


def is_wanted(workload: Object, kubevirt: Object) -> bool:
    """Whether the gate of a component is open; most have none."""
    gate = _GATES.get(name(workload))
    return gate is None or config.ClusterConfig(raw=kubevirt["spec"].get("configuration") or {}).gate(gate)


def following(workload: Object, kubevirt: Object, source: Source, nodes: int) -> Object:
    """The same as the KubeVirt object wants it: as it was installed, where it runs, of `infra` how often, for so many nodes,
    and customized; marked with the generation that wants it so. What somebody else changed is undone. Raises Misfit.

    virt-operator is not its own business.
    """
    own, given = name(workload), kubevirt["spec"]
    spec = _spec(own, namespace(workload), source, kubevirt)
    if own == HANDLER:
        spec["updateStrategy"] = _replacing(workload)
    else:
        usual = api_replicas(nodes) if own == API else _REPLICAS
        spec["replicas"] = (given.get("infra") or {}).get("replicas") or usual
    marks = {**annotations(workload), **marking.annotations_of(namespace(workload), source)}
    marks |= {GENERATION: str(generation(kubevirt)), customizing.MARK: customizing.identifier(given)}
    meta = {**workload["metadata"], "labels": _labels(own, spec), "annotations": marks}
    return customizing.applied({**workload, "metadata": meta, "spec": spec}, given)


def _replacing(handler: Object) -> Object:
    """How virt-handlers are replaced: one to begin with; once it works, a tenth of them at a time, until all are new."""
    status = handler.get("status") or {}
    current = int(status.get("observedGeneration") or 0) >= generation(handler)
    fast = current and status.get("updatedNumberScheduled") and not has_rolled_out(handler)
    one_works = status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 0) or _is_fast(handler)
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%" if fast and one_works else 1}}


def _is_fast(handler: Object) -> bool:
    unavailable = dig(handler, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable", default=1)
    return bool(unavailable != 1)


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


def budget(deployment: Object) -> Object:
    """All but one of a Deployment's pods are to stay."""
    own = f"{name(deployment)}-pdb"
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": own, "namespace": namespace(deployment), "labels": {"kubevirt.io": own}},
        "spec": {
            "minAvailable": deployment["spec"]["replicas"] - 1,
            "selector": deployment["spec"]["selector"],
        },
    }


def cdi(namespace: str, now: str) -> list[Object]:
    return [_deployment(name, namespace, _cdi_spec(name), 1, now) for name in _CDI]


def _spec(own: str, space: str, source: Source, kubevirt: Obj) -> Object:
    return {
        "selector": {"matchLabels": {"kubevirt.io": own}},
        "template": pods.template(own, space, source, kubevirt),
    }


def _cdi_spec(name: str) -> Object:
    labels = {
        "cdi.kubevirt.io": name,
        "app.kubernetes.io/component": "storage",
        "app.kubernetes.io/managed-by": "cdi-operator",
    }
    image = f"{CDI_REGISTRY}/{_CDI_IMAGES.get(name, name)}:{deployed_cdi.VERSION}"
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
            "labels": _labels(name, spec),
        },
        "spec": spec,
        "status": status,
    }


def _labels(own: str, spec: Object) -> dict[str, str]:
    of_pods = spec["template"]["metadata"]["labels"]
    found = {key: value for key, value in of_pods.items() if key not in _PODS_ONLY}
    return found if own in (OPERATOR, HANDLER) else {**found, "app.kubernetes.io/name": own}


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
    return _workload("DaemonSet", name, namespace, _spec(name, namespace, source, {}), status)
