"""The webhook configurations and APIServices of a KubeVirt installation, as data.

Left out: `virt-launcher-pod-mutator`, and `kubevirt-crd-status-validator`, which
would be asked at every status write of a machine and has nothing to refuse that the main webhook does not refuse.

Origin: kubevirt: pkg/virt-operator/resource/generate/components/{webhooks,apiservices}.go
"""

from typing import Any

from fakekube.machinery.wire import Object
from fakekube.virt.operator import validation

SERVICE = "kubevirt-operator-webhook"  # virt-operator's own

CORE = ("kubevirt.io", ("v1alpha3", "v1"))
POOL = ("pool.kubevirt.io", ("v1beta1",))
SNAPSHOT = ("snapshot.kubevirt.io", ("v1beta1",))
BACKUP = ("backup.kubevirt.io", ("v1alpha1",))
EXPORT = ("export.kubevirt.io", ("v1",))
CLONE = ("clone.kubevirt.io", ("v1alpha1", "v1beta1"))
SIZES = ("instancetype.kubevirt.io", ("v1beta1",))
POLICY = ("migrations.kubevirt.io", ("v1alpha1",))
PODS = ("", ("v1",))
CREATE, UPDATE, DELETE, BOTH, ANY = ("CREATE",), ("UPDATE",), ("DELETE",), ("CREATE", "UPDATE"), ("*",)

Group = tuple[str, tuple[str, ...]]
Row = tuple[str, str, tuple[str, ...], Group, str]  # name, path, operations, group and versions, resource

MUTATING: tuple[Row, ...] = (
    ("virtualmachines-mutator", "/virtualmachines-mutate", BOTH, CORE, "virtualmachines"),
    (
        "virtualmachineinstances-mutator",
        "/virtualmachineinstances-mutate",
        BOTH,
        CORE,
        "virtualmachineinstances",
    ),
    ("migrations-mutator", "/migration-mutate-create", CREATE, CORE, "virtualmachineinstancemigrations"),
    ("virtualmachineclones-mutator", "/vm-clone-mutate-create", CREATE, CLONE, "virtualmachineclones"),
)
VALIDATING: tuple[Row, ...] = (
    ("virt-launcher-eviction-interceptor", "/pod-eviction-validate", ANY, PODS, "pods/eviction"),
    ("hotplug-pod-eviction-interceptor", "/pod-eviction-validate", ANY, PODS, "pods/eviction"),
    (
        "virtualmachineinstances-create-validator",
        "/virtualmachineinstances-validate-create",
        CREATE,
        CORE,
        "virtualmachineinstances",
    ),
    (
        "virtualmachineinstances-update-validator",
        "/virtualmachineinstances-validate-update",
        UPDATE,
        CORE,
        "virtualmachineinstances",
    ),
    ("virtualmachine-validator", "/virtualmachines-validate", BOTH, CORE, "virtualmachines"),
    (
        "virtualmachinereplicaset-validator",
        "/virtualmachinereplicaset-validate",
        BOTH,
        CORE,
        "virtualmachineinstancereplicasets",
    ),
    ("virtualmachinepool-validator", "/virtualmachinepool-validate", BOTH, POOL, "virtualmachinepools"),
    ("virtualmachinepreset-validator", "/vmipreset-validate", BOTH, CORE, "virtualmachineinstancepresets"),
    (
        "migration-create-validator",
        "/migration-validate-create",
        CREATE,
        CORE,
        "virtualmachineinstancemigrations",
    ),
    (
        "migration-update-validator",
        "/migration-validate-update",
        UPDATE,
        CORE,
        "virtualmachineinstancemigrations",
    ),
    (
        "virtualmachinesnapshot-validator.snapshot",
        "/virtualmachinesnapshots-validate",
        BOTH,
        SNAPSHOT,
        "virtualmachinesnapshots",
    ),
    (
        "virtualmachinerestore-validator.snapshot",
        "/virtualmachinerestores-validate",
        BOTH,
        SNAPSHOT,
        "virtualmachinerestores",
    ),
    (
        "virtualmachinebackup-validator.backup",
        "/virtualmachinebackups-validate",
        BOTH,
        BACKUP,
        "virtualmachinebackups",
    ),
    (
        "virtualmachineexport-validator.export",
        "/virtualmachineexports-validate",
        BOTH,
        EXPORT,
        "virtualmachineexports",
    ),
    *(
        (
            f"virtualmachine{kind}-validator.instancetype",
            f"/virtualmachine{kind}s-validate",
            BOTH,
            SIZES,
            f"virtualmachine{kind}s",
        )
        for kind in ("instancetype", "clusterinstancetype", "preference", "clusterpreference")
    ),
    ("migration-policy-validator", "/migration-policy-validate-create", BOTH, POLICY, "migrationpolicies"),
    ("vm-clone-validator", "/vm-clone-validate-create", BOTH, CLONE, "virtualmachineclones"),
)
_POD_PREFIX = {
    "virt-launcher-eviction-interceptor": ("only-vms", "virt-launcher"),
    "hotplug-pod-eviction-interceptor": ("only-hotplug-pods", "hp-volume-"),
}
_CERTIFICATE = {"certificates.kubevirt.io/secret": "kubevirt-virt-api-certs"}


OPERATOR: tuple[Row, ...] = (
    ("kubevirt-validator", validation.DELETED, DELETE, CORE, "kubevirts"),
    ("kubevirt-update-validator", validation.CHANGED, UPDATE, CORE, "kubevirts"),
    ("kubevirt-create-validator", validation.CREATED, CREATE, CORE, "kubevirts"),
)


def configurations(namespace: str, bundle: str = "") -> list[Object]:
    """The webhook configurations: two of virt-api, and that of virt-operator. `bundle`: whom they are to be signed by."""
    config = {"caBundle": bundle} if bundle else {}
    found = [
        _configuration("MutatingWebhookConfiguration", "virt-api-mutator", namespace, MUTATING),
        _configuration("ValidatingWebhookConfiguration", "virt-api-validator", namespace, VALIDATING),
        _configuration(
            "ValidatingWebhookConfiguration", "virt-operator-validator", namespace, OPERATOR, SERVICE
        ),
    ]
    for hook in (hook for one in found for hook in one["webhooks"]):
        hook["clientConfig"] |= config
    return found


def api_services(namespace: str, bundle: str = "") -> list[Object]:
    """The aggregated group, once per version; the newer one is preferred."""
    return [
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {
                "name": f"{version}.subresources.kubevirt.io",
                "labels": {
                    "kubevirt.io": "virt-api-aggregator",
                    "app.kubernetes.io/managed-by": "virt-operator",
                },
                "annotations": dict(_CERTIFICATE),
            },
            "spec": {
                "group": "subresources.kubevirt.io",
                "version": version,
                "service": {"namespace": namespace, "name": "virt-api", "port": 443},
                **({"caBundle": bundle} if bundle else {}),
                "groupPriorityMinimum": 1000,
                "versionPriority": 15,
            },
        }
        for version in ("v1", "v1alpha3")
    ]


def _configuration(
    kind: str, name: str, namespace: str, rows: tuple[Row, ...], service: str = "virt-api"
) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"kubevirt.io": name, "app.kubernetes.io/managed-by": "virt-operator"},
            "annotations": dict(_CERTIFICATE),
        },
        "webhooks": [_hook(namespace, row, service) for row in rows],
    }


def _hook(namespace: str, row: Row, service: str) -> dict[str, Any]:
    name, path, operations, (own_group, versions), resource = row
    hook: dict[str, Any] = {
        "name": f"{name}.kubevirt.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun" if resource == "pods/eviction" else "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 10,
        "rules": [
            {
                "operations": list(operations),
                "apiGroups": [own_group],
                "apiVersions": list(versions),
                "resources": [resource],
            }
        ],
        "clientConfig": {"service": {"namespace": namespace, "name": service, "path": path}},
    }
    if name in _POD_PREFIX:
        condition, prefix = _POD_PREFIX[name]
        hook["matchConditions"] = [
            {"name": condition, "expression": f'object.metadata.name.startsWith("{prefix}")'}
        ]
    return hook
