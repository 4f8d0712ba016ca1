"""From a VMI to its virt-launcher pod: the process around the guest, as the scheduler and the kubelet see it. Pure.

What runs in it is in `launcher_containers` and `launcher_volumes`; here is what the cluster sees of it.
Origin: kubevirt: pkg/virt-controller/services/{template,nodeselectorrenderer}.go
"""

import hashlib
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, labels, name, namespace, owner_reference, uid
from fakekube.machinery.wire import Object
from fakekube.virt.controller import (
    instance,
    launcher_containers,
    launcher_networks,
    launcher_placing,
    launcher_volumes,
    names,
)
from fakekube.virt.controller.launcher_facts import Settings, Target, grace_seconds, images
from fakekube.virt.controller.launcher_filesystems import share
from fakekube.virt.controller.launcher_resources import memory_overhead
from fakekube.virt.hostname import hostname

_GRACE_EXTRA = 30  # what the launcher gets beyond the guest's own grace period
_ISTIO = "sidecar.istio.io/inject"
_NOT_INHERITED = (names.LATEST_OBSERVED, names.STORAGE_OBSERVED)


def id_label(vmi_name: str) -> str:
    """The VMI's name as a label value; long names are cut and made unique by a hash."""
    if len(vmi_name) <= 63:
        return vmi_name
    return f"{vmi_name[:54]}-{hashlib.sha1(vmi_name.encode()).hexdigest()[:8]}"  # noqa: S324 - upstream's choice


def build(
    vmi: Obj,
    settings: Settings,
    *,
    temporary: bool = False,
    target: Target | None = None,
    state: str = "",
) -> Object:
    """The pod to create. `state`: the claim of a persistent TPM or EFI. `temporary` pods only make a WaitForFirstConsumer volume bind, and then exit."""
    spec = dig(vmi, "spec", default={})
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"virt-launcher-{name(vmi)}-",
            "namespace": namespace(vmi),
            "labels": _labels(vmi, target),
            "annotations": _annotations(vmi, settings, temporary=temporary, target=target),
            "ownerReferences": [_owner(vmi)],
        },
        "spec": {
            "restartPolicy": "Never",
            "hostname": hostname(vmi),
            "terminationGracePeriodSeconds": grace_seconds(vmi) + _GRACE_EXTRA,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _security(vmi, settings, target),
            "readinessGates": [{"conditionType": names.UNPAUSED}],
            "nodeSelector": launcher_placing.node_selector(vmi, settings.config, target),
            "affinity": launcher_placing.affinity(vmi, target),
            "volumes": launcher_volumes.volumes(vmi, settings, target, state),
            "initContainers": launcher_containers.init_containers(vmi, settings, target),
            "containers": launcher_containers.containers(vmi, settings, temporary=temporary),
        },
    }
    if image := (annotations(target.migration).get(names.TARGET_IMAGE) if target else None):
        pod["metadata"]["annotations"][names.TARGET_IMAGE] = image
        pod["spec"]["containers"][0]["image"] = image
    _identity(pod["spec"], vmi, settings)
    share(pod["spec"], vmi, settings)
    if not pod["spec"]["initContainers"]:
        del pod["spec"]["initContainers"]
    for copied in (
        "tolerations",
        "topologySpreadConstraints",
        "schedulerName",
        "priorityClassName",
        "dnsPolicy",
        "dnsConfig",
        "subdomain",
        "resourceClaims",
    ):
        if spec.get(copied):
            pod["spec"][copied] = spec[copied]
    return pod


def _security(vmi: Obj, settings: Settings, target: Target | None) -> Object:
    made: Object = {"runAsUser": 107, "runAsGroup": 107, "runAsNonRoot": True, "fsGroup": 107}
    if instance.is_root(vmi):
        made = {"runAsUser": instance.ROOT, "fsGroup": 107}  # virtiofs is no root
    linux = {"level": target.selinux_level} if target is not None and target.selinux_level else {}
    if type_ := settings.config.raw.get("selinuxLauncherType"):
        linux["type"] = type_
    if linux:
        made["seLinuxOptions"] = linux
    profile = dig(
        settings.config.raw, "seccompConfiguration", "virtualMachineInstanceProfile", "customProfile"
    )
    if local := dig(profile, "localhostProfile"):
        made["seccompProfile"] = {"type": "Localhost", "localhostProfile": local}
    elif dig(profile, "runtimeDefaultProfile"):
        made["seccompProfile"] = {"type": "RuntimeDefault"}
    return made


def _identity(spec: Object, vmi: Obj, settings: Settings) -> None:
    """As whom it runs, in what, and with what it pulls its images."""
    if runtime := settings.config.raw.get("defaultRuntimeClass"):
        spec["runtimeClassName"] = runtime
    listed = dig(vmi, "spec", "volumes", default=())
    if pulls := [one for each in images(vmi) if (one := dig(each, "containerDisk", "imagePullSecret"))]:
        spec["imagePullSecrets"] = [{"name": one} for one in dict.fromkeys(pulls)]
    accounts = [dig(one, "serviceAccount", "serviceAccountName") for one in listed if "serviceAccount" in one]
    if own := dig(vmi, "spec", "serviceAccountName"):
        accounts.insert(0, own)
    if accounts:
        spec["serviceAccountName"] = accounts[0]
    if accounts or launcher_networks.has_mesh(vmi):
        spec["automountServiceAccountToken"] = True


def _owner(vmi: Obj) -> dict[str, Any]:
    return owner_reference(
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": vmi["metadata"]}
    )


def _labels(vmi: Obj, target: Target | None) -> dict[str, str]:
    made = {
        **labels(vmi),
        names.APP: "virt-launcher",
        names.CREATED_BY: uid(vmi),
        names.VM_NAME: hostname(vmi)[:63].rstrip("-."),
        names.VMI_ID: id_label(name(vmi)),
    }
    if (injected := annotations(vmi).get(_ISTIO)) is not None:
        made[_ISTIO] = injected
    if target is not None:
        made[names.MIGRATION_JOB_UID] = uid(target.migration)
    return made


def _annotations(vmi: Obj, settings: Settings, *, temporary: bool, target: Target | None) -> dict[str, str]:
    own = {
        key: value
        for key, value in annotations(vmi).items()
        if not key.startswith("kubectl.kubernetes.io") and key not in _NOT_INHERITED
    }
    freezer = f'"--name", "{name(vmi)}", "--namespace", "{namespace(vmi)}"]'
    made = {
        **own,
        names.DOMAIN: name(vmi),
        "kubectl.kubernetes.io/default-container": "compute",
        names.MIGRATION_TRANSPORT_UNIX: "true",
        names.EVICT_ONLY: "",
        names.MEMORY_OVERHEAD: str(memory_overhead(vmi, settings.config)),
        "pre.hook.backup.velero.io/container": "compute",
        "pre.hook.backup.velero.io/command": f'["/usr/bin/virt-freezer", "--freeze", {freezer}',
        "pre.hook.backup.velero.io/timeout": "60s",
        "post.hook.backup.velero.io/container": "compute",
        "post.hook.backup.velero.io/command": f'["/usr/bin/virt-freezer", "--unfreeze", {freezer}',
    }
    if any("masquerade" in one for one in dig(vmi, "spec", "domain", "devices", "interfaces", default=())):
        made["istio.io/reroute-virtual-interfaces"] = "k6t-eth0"
        made["traffic.sidecar.istio.io/kubevirtInterfaces"] = "k6t-eth0"
    made |= launcher_networks.told_to_multus(vmi, settings.config)
    if temporary:
        made[names.EPHEMERAL_PROVISIONING] = "true"
    if target is not None:
        made[names.MIGRATION_JOB_NAME] = name(target.migration)
    return made
