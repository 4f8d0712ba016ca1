"""The objects that stand for the installations themselves: KubeVirt, CDI and its configuration. Pure.

Origin: kubevirt: pkg/virt-operator/util/client.go, cdi: pkg/operator/controller
"""

from typing import Any

from fakekube.machinery.objects import Obj, dig, generation, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt.operator.components import CDI_VERSION
from fakekube.virt.operator.sources import Source

FINALIZER = "kubevirt.io/foregroundDeleteKubeVirt"
ARCHITECTURE = "amd64"
FILESYSTEM_OVERHEAD = "0.06"
_OUTDATED = "outdatedVirtualMachineInstanceWorkloads"  # virt-controller counts them
_ADDRESSES = "synchronizationAddresses"  # where other sides of migrations reach this cluster
_READY = ("AllComponentsReady", "All components are ready.")
_CREATED = ("AllResourcesCreated", "All resources were created.")
_DELETING = ("DeletionInProgress", "Deletion was triggered")
_SECOND = ("ExistingDeployment", "There is an active KubeVirt deployment")


def kubevirt(space: str) -> Object:
    """The object a user creates to install KubeVirt."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"name": "kubevirt", "namespace": space, "finalizers": [FINALIZER]},
        "spec": {
            "certificateRotateStrategy": {},
            "configuration": {"developerConfiguration": {}},
            "customizeComponents": {},
            "imagePullPolicy": "IfNotPresent",
            "workloadUpdateStrategy": {},
        },
    }


def deployed(obj: Object, generations: list[Object], now: str, source: Source, operator: str) -> Object:
    """The status of an installation that is complete, for the object as it is. `operator`: the version of virt-operator."""
    config, identifier = source.identity(obj["metadata"]["namespace"])
    return {
        "phase": "Deployed",
        "observedGeneration": generation(obj),
        "operatorVersion": operator,
        "targetKubeVirtVersion": source.version,
        "observedKubeVirtVersion": source.version,
        "targetKubeVirtRegistry": source.registry,
        "observedKubeVirtRegistry": source.registry,
        "targetDeploymentID": identifier,
        "observedDeploymentID": identifier,
        "targetDeploymentConfig": config,
        "observedDeploymentConfig": config,
        "defaultArchitecture": _architecture(obj),
        "outdatedVirtualMachineInstanceWorkloads": dig(obj, "status", _OUTDATED) or 0,
        "generations": generations,
        **({_ADDRESSES: told} if (told := dig(obj, "status", _ADDRESSES)) else {}),
        "conditions": [
            _condition("Available", _READY, now),
            _condition("Progressing", _READY, now, status="False"),
            _condition("Degraded", _READY, now, status="False"),
            _condition("Created", _CREATED, now),
        ],
    }


def updating(obj: Object, now: str, source: Source) -> Object:
    """The status while components are replaced by those of another source: everything works, but not all as it is to."""
    status: Object = obj.get("status") or {}
    config, identifier = source.identity(obj["metadata"]["namespace"])
    was = (status.get("observedKubeVirtVersion", ""), status.get("observedKubeVirtRegistry", ""))
    text = f"Transitioning from previous version {was[0]} with registry {was[1]} to target version {source.version} using registry {source.registry}"
    said = ("UpdateInProgress", text)
    return {
        **status,
        "targetKubeVirtVersion": source.version,
        "targetKubeVirtRegistry": source.registry,
        "targetDeploymentID": identifier,
        "targetDeploymentConfig": config,
        "conditions": [
            _condition("Available", said, now),
            _condition("Progressing", said, now),
            _condition("Degraded", said, now),
            _condition("Created", _CREATED, now),
        ],
    }


def is_updating(obj: Obj) -> bool:
    status = obj.get("status") or {}
    observed = status.get("observedDeploymentID")
    return bool(observed and observed != status.get("targetDeploymentID"))


def deleting(obj: Object, now: str) -> dict[str, Any]:
    """The status while an installation goes."""
    return {
        **(obj.get("status") or {}),
        "phase": "Deleting",
        "conditions": [
            _condition("Available", _DELETING, now, status="False"),
            _condition("Progressing", _DELETING, now, status="False"),
            _condition("Degraded", _DELETING, now),
        ],
    }


def superfluous(obj: Object, now: str) -> dict[str, Any]:
    """The status of a second installation, which does nothing."""
    return {
        **(obj.get("status") or {}),
        "conditions": [_condition("Synchronized", _SECOND, now, status="False")],
    }


def generations(made: list[Object]) -> list[Object]:
    """What the KubeVirt object remembers of its workloads, their budgets, and definitions."""
    return [
        {
            "group": one["apiVersion"].partition("/")[0],
            "resource": f"{one['kind'].lower()}s",
            **({"namespace": space} if (space := namespace(one)) else {}),
            "name": name(one),
            "lastGeneration": generation(one),
        }
        for one in made
    ]


def cdi(now: str) -> list[Object]:
    """CDI, and the configuration the importers and virt-controller read."""
    condition = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return [
        {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "CDI",
            "metadata": {"name": "cdi"},
            "spec": {
                "config": {"featureGates": ["HonorWaitForFirstConsumer"]},
                "imagePullPolicy": "IfNotPresent",
                "infra": {},
                "workload": {},
            },
            "status": {
                "phase": "Deployed",
                "operatorVersion": CDI_VERSION,
                "targetVersion": CDI_VERSION,
                "observedVersion": CDI_VERSION,
                "conditions": [
                    {"type": "Available", "status": "True", "reason": "DeployCompleted", **condition},
                    {"type": "Progressing", "status": "False", **condition},
                    {"type": "Degraded", "status": "False", **condition},
                ],
            },
        },
        {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "CDIConfig",
            "metadata": {"name": "config"},
            "spec": {"featureGates": ["HonorWaitForFirstConsumer"]},
            "status": {
                "filesystemOverhead": {"global": FILESYSTEM_OVERHEAD},
                "preallocation": False,
                "defaultPodResourceRequirements": {
                    "limits": {"cpu": "750m", "memory": "600M"},
                    "requests": {"cpu": "100m", "memory": "60M"},
                },
            },
        },
    ]


def _architecture(obj: Object) -> str:
    configuration = (obj.get("spec") or {}).get("configuration") or {}
    chosen = (configuration.get("architectureConfiguration") or {}).get("defaultArchitecture")
    return str(chosen or ARCHITECTURE)


def _condition(type_: str, said: tuple[str, str], now: str, *, status: str = "True") -> dict[str, Any]:
    reason, message = said
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastProbeTime": now,
        "lastTransitionTime": now,
    }
