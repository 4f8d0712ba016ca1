"""Members Go prints even when they are empty: structs are never left out, and some plain members are not either.

So `spec: {}` and `status: {}` show where a kind has them, and the kinds below show what their types do not omit.
k8s: the `json:"…"` tags without omitempty in staging/src/k8s.io/api
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery.wire import Object

_TEMPLATE = {"metadata": {}, "spec": {"containers": None}}
_NODE_INFO = dict.fromkeys(
    (
        "machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion",
        "kubeProxyVersion", "operatingSystem", "architecture",
    ),
    "",
)  # fmt: skip

_SPECIAL: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("", "Event"): {
        "involvedObject": {}, "source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": None,
        "reportingComponent": "", "reportingInstance": "",
    },
    ("events.k8s.io", "Event"): {
        "eventTime": None, "regarding": {}, "deprecatedSource": {}, "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
    },
    ("", "Node"): {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": _NODE_INFO}},
    ("", "Pod"): {"spec": {"containers": None}},
    ("", "PodTemplate"): {"template": _TEMPLATE},
    ("", "PersistentVolumeClaim"): {"spec": {"resources": {}}},
    ("", "ReplicationController"): {"status": {"replicas": 0}},
    ("", "LimitRange"): {"spec": {"limits": None}},
    ("", "Service"): {"status": {"loadBalancer": {}}},
    ("apps", "ControllerRevision"): {"revision": 0},
    ("apps", "DaemonSet"): {
        "spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}},
        "status": {
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        },
    },
    ("apps", "Deployment"): {"spec": {"selector": None, "template": _TEMPLATE, "strategy": {}}},
    ("apps", "ReplicaSet"): {"spec": {"selector": None, "template": {"metadata": {}}}, "status": {"replicas": 0}},
    ("apps", "StatefulSet"): {
        "spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}},
        "status": {"replicas": 0, "availableReplicas": 0},
    },
    ("batch", "CronJob"): {"spec": {"schedule": "", "jobTemplate": {"metadata": {}, "spec": {"template": _TEMPLATE}}}},
    ("batch", "Job"): {"spec": {"template": _TEMPLATE}},
    ("certificates.k8s.io", "CertificateSigningRequest"): {"spec": {"request": None, "signerName": ""}},
    ("discovery.k8s.io", "EndpointSlice"): {"addressType": "", "endpoints": None, "ports": None},
    ("networking.k8s.io", "Ingress"): {"status": {"loadBalancer": {}}},
    ("networking.k8s.io", "NetworkPolicy"): {"spec": {"podSelector": {}}},
    ("node.k8s.io", "RuntimeClass"): {"handler": ""},
    ("policy", "PodDisruptionBudget"): {
        "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    },
    ("rbac.authorization.k8s.io", "ClusterRole"): {"rules": None},
    ("rbac.authorization.k8s.io", "Role"): {"rules": None},
    ("scheduling.k8s.io", "PriorityClass"): {"value": 0},
    ("storage.k8s.io", "CSIStorageCapacity"): {"storageClassName": ""},
    ("storage.k8s.io", "StorageClass"): {"provisioner": ""},
}  # fmt: skip

# The two versions of a kind may differ.
_BY_VERSION: Mapping[tuple[str, str, str], Mapping[str, Any]] = {
    ("autoscaling", "v1", "HorizontalPodAutoscaler"): {
        "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
        "status": {"currentReplicas": 0, "desiredReplicas": 0},
    },
    ("autoscaling", "v2", "HorizontalPodAutoscaler"): {
        "spec": {"scaleTargetRef": {"kind": "", "name": ""}, "maxReplicas": 0},
        "status": {"desiredReplicas": 0, "currentMetrics": None},
    },
}


def members(group: str, version: str, kind: str, *, spec: bool, status: bool) -> Mapping[str, Any]:
    """What an empty object of that kind shows; `spec` and `status` say which of the two its type has."""
    plain: dict[str, Any] = {"spec": {}} if spec else {}
    plain |= {"status": {}} if status else {}
    return {**plain, **_SPECIAL.get((group, kind), {}), **_BY_VERSION.get((group, version, kind), {})}


def fill(obj: Object, zeros: Mapping[str, Any]) -> None:
    """Add what is missing, deeply; what is there stays. A spec gets no nulls: rules and defaults would trip over them."""
    for name, zero in zeros.items():
        present = obj.get(name)
        if zero.__class__ is dict:
            if present is None:
                present = obj[name] = {}
            if zero and isinstance(present, dict):
                fill(present, _without_nulls(zero) if name == "spec" else zero)
        elif name not in obj:
            obj[name] = zero


def _without_nulls(zeros: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        name: _without_nulls(zero) if isinstance(zero, Mapping) else zero
        for name, zero in zeros.items()
        if zero is not None
    }
