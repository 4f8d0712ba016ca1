"""The objects that stand for the installations themselves: KubeVirt, CDI and its configuration. Pure. What they say of
KubeVirt's is the business of `phases`.

Origin: kubevirt: manifests/release/kubevirt-cr.yaml.in, cdi: pkg/operator/controller
"""

from fakekube.machinery.objects import generation, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt import deployed_cdi
from fakekube.virt.operator import pods

FINALIZER, _FORMER = "kubevirt.io/foregroundDeleteKubeVirt", "foregroundDeleteKubeVirt"
FILESYSTEM_OVERHEAD = "0.06"


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


def held(finalizers: list[str]) -> list[str]:
    """What keeps the object until its components are gone: our finalizer, in place of the one it had in older releases."""
    others = released(finalizers)
    return finalizers if FINALIZER in finalizers and _FORMER not in finalizers else [*others, FINALIZER]


def released(finalizers: list[str]) -> list[str]:
    """What others still keep it for."""
    return [one for one in finalizers if one not in (FINALIZER, _FORMER)]


def generations(made: list[Object]) -> list[Object]:
    """What the KubeVirt object remembers of its workloads, their budgets, and definitions; virt-operator is not its own."""
    return [
        {
            "group": one["apiVersion"].partition("/")[0],
            "resource": f"{one['kind'].lower()}s",
            **({"namespace": space} if (space := namespace(one)) else {}),
            "name": name(one),
            "lastGeneration": generation(one),
        }
        for one in made
        if name(one) != pods.OPERATOR
    ]


def cdi(now: str) -> list[Object]:
    """CDI, and the configuration the importers and virt-controller read."""
    return [
        {
            "apiVersion": "cdi.kubevirt.io/v1beta1",
            "kind": "CDI",
            "metadata": {"name": "cdi", "annotations": {"cdi.kubevirt.io/configAuthority": ""}},
            "spec": {
                "config": {"featureGates": ["HonorWaitForFirstConsumer"]},
                "imagePullPolicy": "IfNotPresent",
                "infra": {},
                "workload": {},
            },
            "status": deployed_cdi.status(now),
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
