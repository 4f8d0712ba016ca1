"""What an export is made of: its service, the pod that serves it, the claims of a snapshot it serves. Pure.

What the pod answers is `virt.export_server`'s.
Origin: kubevirt: pkg/storage/export/export/export.go
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from fakekube.clock import parse_rfc3339, rfc3339
from fakekube.machinery.durations import given as seconds
from fakekube.machinery.objects import (
    Obj,
    annotations,
    dig,
    is_final,
    labels,
    name,
    namespace,
    owner_reference,
    uid,
)
from fakekube.machinery.resources import EXPORTS
from fakekube.machinery.wire import Object
from fakekube.virt import config
from fakekube.virt.controller.storage import export_links
from fakekube.virt.controller.storage.export_source import Offer

SELECTED = {"kubevirt.io": "virt-exporter"}  # labels of services and pods of all exports
CERTIFICATES = "certificates"  # the volume of the secret that is made anew with every pod
MANIFEST = "manifest-data"  # the volume of what is kept of its machine
_LABEL = "kubevirt.io.virt-export-service"
_PARAMETERS = "kubevirt.io/export.certParameters"
_CONTENT = "cdi.kubevirt.io/storage.contentType"
_IMAGE = "quay.io/kubevirt/virt-exportserver:v1.9.0"
_TTL = 7200.0
_DAY = 86_400.0
_RENEW = 0.2  # of the duration, before its end
_NANO = 10**9
_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "200Mi"},
    "limits": {"cpu": "1", "memory": "1Gi"},
}
_URIS = {
    "raw": "RAW",
    "gzip": "RAW_GZIP",
    "dir": "DIR",
    "tar.gz": "ARCHIVE",
}  # of formats, as its exporter calls them


class Certificate(Struct, frozen=True):
    """How long the certificate of an exporter lives, and how long before its end it is renewed. Seconds."""

    duration: float
    renew_before: float

    def text(self) -> str:
        said = {"Duration": int(self.duration * _NANO), "RenewBefore": int(self.renew_before * _NANO)}
        return json.dumps(said, separators=(",", ":"))


def certificate(kubevirt: Obj | None) -> Certificate:
    """As KubeVirt is configured."""
    server = dig(kubevirt, "spec", "certificateRotateStrategy", "selfSigned", "server", default={})
    duration = seconds(server.get("duration"), _DAY)
    return Certificate(duration, seconds(server.get("renewBefore"), duration * _RENEW))


def ends(export: Obj) -> datetime:
    """When it has lived long enough."""
    span = seconds(dig(export, "spec", "ttlDuration"), _TTL)
    return parse_rfc3339(export["metadata"]["creationTimestamp"]) + timedelta(seconds=span)


def owned(export: Obj, kind: str, own: str, **members: Any) -> Object:
    """An object of the core group that belongs to the export."""
    owner = owner_reference({**export, "apiVersion": EXPORTS.api_version, "kind": EXPORTS.kind})
    meta = {"name": own, "namespace": namespace(export), "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **members}


def service(export: Obj) -> Object:
    spec = {
        "ports": [{"name": "export", "port": 443, "targetPort": 8443, "protocol": "TCP"}],
        "selector": {_LABEL: name(export)},
    }
    made = owned(export, "Service", export_links.named(export), spec=spec)
    made["metadata"]["labels"] = dict(SELECTED)
    return made


def pod(
    export: Obj,
    claims: Sequence[Obj],
    secret: str,
    *,
    given: Certificate,
    now: datetime,
    kubevirt: Obj | None,
    manifest: str = "",
) -> Object:
    """The pod that serves an export for as long as its certificate and the export live. `manifest`: the config map about its
    machine, if it has one."""
    token = dig(export, "status", "tokenSecretRef", default="")
    rotates = now + timedelta(seconds=given.duration - given.renew_before)
    variables = {
        "CERT_FILE": "/cert/tls.crt",
        "KEY_FILE": "/cert/tls.key",
        "TOKEN_FILE": "/token/token",
        "DEADLINE": rfc3339(min(rotates, ends(export))),
        "EXPORT_VM_DEF_URI": "/manifests/all",
        "EXPORT_SECRET_DEF_URI": "/manifests/secret",
    }
    volumes: list[Object] = [
        {"name": CERTIFICATES, "secret": {"secretName": secret}},
        {"name": "token", "secret": {"secretName": token}},
    ]
    mounts: list[Object] = [
        {"name": CERTIFICATES, "mountPath": "/cert"},
        {"name": "token", "mountPath": "/token"},
    ]
    if manifest:
        volumes.append({"name": MANIFEST, "configMap": {"name": manifest}})
        mounts.append({"name": MANIFEST, "mountPath": "/manifest_data"})
    devices = []
    for index, claim in enumerate(claims):
        volume = f"volume{index}"
        volumes.append({"name": volume, "persistentVolumeClaim": {"claimName": name(claim)}})
        block = dig(claim, "spec", "volumeMode") == "Block"
        path = f"/dev/{volume}" if block else f"/export-volumes/{name(claim)}"
        variables[f"VOLUME{index}_EXPORT_PATH"] = path
        for kind, file in export_links.files(claim).items():
            slash = "/" if kind == "dir" else ""
            variables[f"VOLUME{index}_EXPORT_{_URIS[kind]}_URI"] = f"{export_links.at(claim)}/{file}{slash}"
        if block:
            devices.append({"name": volume, "devicePath": path})
        else:
            mounts.append({"name": volume, "mountPath": path, "readOnly": True})
    container = {
        "name": export_links.named(export),
        "image": _IMAGE,
        "command": ["/usr/bin/virt-exportserver", "-v", "2"],
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "readinessProbe": {
            "httpGet": {"scheme": "HTTPS", "path": "/healthz", "port": 8443},
            "initialDelaySeconds": 5,
            "periodSeconds": 5,
        },
        "resources": config.from_object(kubevirt).helper_resources("vmexport", _RESOURCES),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": mounts,
        **({"volumeDevices": devices} if devices else {}),
    }
    user = {"runAsNonRoot": True, "runAsUser": 107, "fsGroup": 107}
    spec = {
        "containers": [container],
        "restartPolicy": "Never",
        "securityContext": {**user, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": volumes,
    }
    made = owned(export, "Pod", export_links.named(export), spec=spec)
    made["metadata"]["labels"] = {**labels(export), **SELECTED, _LABEL: name(export)}
    made["metadata"]["annotations"] = {**annotations(export), _PARAMETERS: given.text()}
    return made


def backup_variables(backup: Obj) -> list[Object]:
    """What the pod is told of a backup that is fetched through it."""
    made: dict[str, str] = {}
    for index, one in enumerate(export_links.included(backup)):
        made[f"BACKUP{index}_BACKUP_PATH"] = one
        made[f"BACKUP{index}_DATA_URI"] = export_links.end(one, "data")
        made[f"BACKUP{index}_MAP_URI"] = export_links.end(one, "map")
    made["BACKUP_UID"] = uid(backup)
    made["BACKUP_TYPE"] = dig(backup, "status", "type", default="")
    made["BACKUP_CHECKPOINT"] = dig(backup, "status", "checkpointName", default="")
    return [{"name": key, "value": value} for key, value in made.items()]


def goes(pod: Obj, offer: Offer, given: Certificate) -> tuple[str, str] | None:
    """Why a pod has to go, as it is told: there is nothing to serve now, it has ended, or serves with a certificate of other parameters."""
    if not offer.available:
        return "ExportPaused", offer.message
    if is_final(pod):
        where, phase = f"{namespace(pod)}/{name(pod)}", pod["status"]["phase"]
        return "ExporterPodFailedOrCompleted", f"Exporter pod {where} is in phase {phase}"
    if annotations(pod).get(_PARAMETERS) != given.text():
        return "CertificateParametersChanged", "Exporter TLS certificate parameters updated"
    return None


def claim(export: Obj, backup: Obj, taken: Obj | None) -> Object:
    """What is exported of a snapshot's volume: a claim of its own, filled from the volume snapshot."""
    kept = backup["persistentVolumeClaim"]
    wanted = kept.get("spec") or {}
    spec = {
        member: wanted[member] for member in ("accessModes", "resources", "volumeMode") if member in wanted
    }
    if "storageClassName" in wanted:
        spec["storageClassName"] = wanted["storageClassName"]
    if size := dig(taken, "status", "restoreSize"):
        spec["resources"] = {"requests": {"storage": size}}
    source = {"kind": "VolumeSnapshot", "name": backup.get("volumeSnapshotName", "")}
    spec["dataSource"] = {"apiGroup": "snapshot.storage.k8s.io", **source}
    made = owned(export, "PersistentVolumeClaim", f"{name(export)}-{kept['metadata']['name']}", spec=spec)
    if _CONTENT in annotations(kept):
        made["metadata"]["annotations"] = {_CONTENT: annotations(kept)[_CONTENT]}
    return made
