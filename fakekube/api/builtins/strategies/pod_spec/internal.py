"""A pod spec in the shape of Go's internal types, every member shown: what the diff of a refused update is made of.

Types that are rare in pods are shown with the members they have.
Origin: k8s: pkg/apis/core/types.go
"""

from collections.abc import Mapping
from typing import Any

from fakekube.api.builtins.strategies.go_diff import go_shape

_NAMES = {
    "os": "OS", "tty": "TTY", "dnsPolicy": "DNSPolicy", "dnsConfig": "DNSConfig", "httpGet": "HTTPGet", "grpc": "GRPC",
    "tcpSocket": "TCPSocket", "fsGroup": "FSGroup", "fsGroupChangePolicy": "FSGroupChangePolicy", "nfs": "NFS",
    "seLinuxOptions": "SELinuxOptions", "seLinuxChangePolicy": "SELinuxChangePolicy", "apiVersion": "APIVersion",
    "gcePersistentDisk": "GCEPersistentDisk", "awsElasticBlockStore": "AWSElasticBlockStore", "iscsi": "ISCSI",
    "rbd": "RBD", "cephfs": "CephFS", "fc": "FC", "scaleIO": "ScaleIO", "storageos": "StorageOS", "csi": "CSI",
    "httpHeaders": "HTTPHeaders", "flexVolume": "FlexVolume", "podIP": "PodIP",
}  # fmt: skip

# Members in the order of the Go struct. `name=""`, `name=0`, `name=-`: what an absent one shows (null otherwise; `-`: false);
# `name>shape`: its type; `name>shape[]`: a list of them; `name>!`: a struct that is never null.
_SHAPES: Mapping[str, str] = {
    "spec": (
        'volumes>volume[] initContainers>container[] containers>container[] ephemeralContainers>container[] '
        'restartPolicy="" terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy="" nodeSelector '
        'serviceAccountName="" automountServiceAccountToken nodeName="" securityContext>podSecurity imagePullSecrets '
        'hostname="" subdomain="" setHostnameAsFQDN affinity>affinity schedulerName="" tolerations>toleration[] '
        'hostAliases priorityClassName="" priority preemptionPolicy dnsConfig readinessGates runtimeClassName overhead '
        "enableServiceLinks topologySpreadConstraints os schedulingGates resourceClaims resources>resources "
        "hostnameOverride workloadRef"
    ),
    "podSecurity": (
        "hostNetwork=- hostPID=- hostIPC=- shareProcessNamespace hostUsers seLinuxOptions windowsOptions runAsUser runAsGroup "
        "runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup fsGroupChangePolicy sysctls seccompProfile "
        "appArmorProfile seLinuxChangePolicy"
    ),
    "container": (
        'name="" image="" command args workingDir="" ports>port[] envFrom env>variable[] resources>!resources resizePolicy '
        "restartPolicy restartPolicyRules volumeMounts>mount[] volumeDevices livenessProbe>probe readinessProbe>probe "
        'startupProbe>probe lifecycle terminationMessagePath="" terminationMessagePolicy="" imagePullPolicy="" '
        "securityContext>security stdin=- stdinOnce=- tty=-"
    ),
    "resources": "limits requests claims",
    "port": 'name="" hostPort=0 containerPort=0 protocol="" hostIP=""',
    "variable": 'name="" value="" valueFrom>source',
    "source": "fieldRef resourceFieldRef configMapKeyRef secretKeyRef fileKeyRef",
    "mount": 'name="" readOnly=- recursiveReadOnly mountPath="" subPath="" mountPropagation subPathExpr=""',
    "probe": (
        "exec httpGet>http tcpSocket grpc initialDelaySeconds=0 timeoutSeconds=0 periodSeconds=0 successThreshold=0 "
        "failureThreshold=0 terminationGracePeriodSeconds"
    ),
    "http": 'path="" port=0 host="" scheme="" httpHeaders',
    "security": (
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem "
        "allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
    "affinity": "nodeAffinity podAffinity podAntiAffinity",
    "toleration": 'key="" operator="" value="" effect="" tolerationSeconds',
    "volume": (
        'name="" hostPath>hostPath emptyDir>emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret>secret nfs iscsi '
        "glusterfs persistentVolumeClaim>claim rbd quobyte flexVolume cinder cephfs flocker downwardAPI>files fc azureFile "
        "configMap>configMap vsphereVolume azureDisk photonPersistentDisk projected>projected portworxVolume scaleIO "
        "storageos csi ephemeral image"
    ),
    "hostPath": 'path="" type',
    "emptyDir": 'medium="" sizeLimit',
    "secret": 'secretName="" items defaultMode optional',
    "configMap": 'name="" items defaultMode optional',
    "claim": 'claimName="" readOnly=-',
    "files": "items defaultMode",
    "projected": "sources defaultMode",
}  # fmt: skip
_ZEROS: Mapping[str, Any] = {"": None, '""': "", "0": 0, "-": False}
_ON_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_AS_THEY_ARE = frozenset(
    {"nodeSelector", "limits", "requests", "overhead", "labelSelector", "namespaceSelector"}
)


def pod_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec as the server holds it: what a client writes beside the security context stands inside it."""
    held = dict(spec)
    held["securityContext"] = {
        **(spec.get("securityContext") or {}),
        **{member: spec[member] for member in _ON_HOST if member in spec},
    }
    return _shape(held, "spec")


def container(one: Mapping[str, Any]) -> dict[str, Any]:
    """An ephemeral container: a container and whom it looks at."""
    return _shape(one, "container") | {"TargetContainerName": one.get("targetContainerName") or ""}


def _shape(value: Mapping[str, Any], shape: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for entry in _SHAPES[shape].split():
        name, _, of = entry.partition(">")
        name, _, zero = name.partition("=")
        member = value.get(name)
        if member is None and of.startswith("!"):
            member = {}
        shown[_NAMES.get(name) or name[0].upper() + name[1:]] = _member(name, member, of, zero)
    return shown


def _member(name: str, member: Any, of: str, zero: str) -> Any:
    if member is None:
        return _ZEROS[zero]
    if of.endswith("[]"):
        return [_shape(one, of[:-2]) for one in member]
    if of:
        return _shape(member, of.removeprefix("!"))
    if name in _AS_THEY_ARE:
        return dict(sorted(member.items()))
    return go_shape(member, maps=_AS_THEY_ARE)
