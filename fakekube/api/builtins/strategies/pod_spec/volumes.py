"""Volumes of a pod: exactly one source each, and what the sources people use must say.

Sources that upstream kept for plugins long gone (Flocker, Quobyte, ScaleIO …) are only held to being alone.
Origin: k8s: pkg/apis/core/validation/validation.go (ValidateVolumes, validateVolumeSource)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fakekube.api.builtins.strategies.checks import Causes, dns_label
from fakekube.api.builtins.strategies.pod_spec.environment import (
    IN_FILES,
    field_reference,
    resource_reference,
)
from fakekube.api.builtins.strategies.pod_spec.paths import descending, no_backsteps, not_reserved
from fakekube.api.builtins.strategies.pod_spec.resources import amount
from fakekube.machinery.field_checks import dns_subdomain, one_of
from fakekube.machinery.field_errors import FieldError, duplicate, forbidden, invalid, not_supported, required

Member = Mapping[str, Any]

_HOST_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_ALONE = "may not specify more than 1 volume type"
_PVC = "must not reference a PVC that gets created for an ephemeral volume"
# Where several sources are given, upstream takes the first of this order and refuses the rest.
_SOURCES = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi", "glusterfs",
    "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc", "flexVolume", "configMap",
    "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO",
    "csi", "ephemeral", "image",
)  # fmt: skip
_MISSPELT = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}  # upstream's own paths of this one error
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "csi": ("driver",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "gitRepo": ("repository",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "persistentVolumeClaim": ("claimName",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "rbd": ("monitors", "image"),
    "vsphereVolume": ("volumePath",),
}


def volumes(items: Sequence[Member], pod_name: str, path: str) -> tuple[dict[str, Member], Causes]:
    """The sound volumes by name, and what is wrong with the others. `pod_name` is empty in a template."""
    found: Causes = []
    sound: dict[str, Member] = {}
    created = {f"{pod_name}-{one.get('name')}" for one in items if pod_name and "ephemeral" in one}
    for index, one in enumerate(items):
        at, name = f"{path}[{index}]", one.get("name") or ""
        wrong = _source(one, name, pod_name, at)
        wrong += dns_label(name, f"{at}.name") if name else [required(f"{at}.name")]
        if name in sound:
            wrong.append(duplicate(f"{at}.name", name))
        if wrong:
            found += wrong
        else:
            sound[name] = one
        if created:
            claim = (one.get("persistentVolumeClaim") or {}).get("claimName")
            if claim in created:
                found.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim, _PVC))
    return sound, found


def _source(volume: Member, name: str, pod_name: str, path: str) -> Causes:
    given = [kind for kind in volume if kind != "name"]
    if len(given) != 1:
        if not given:
            return [required(path, "must specify a volume type")]
        given = [kind for kind in _SOURCES if kind in volume]
    kind = given[0]
    source: Member = volume[kind]
    check, needs = _CHECKS.get(kind), _NEEDS.get(kind)
    found = check(source, f"{path}.{kind}") if check is not None else []
    if needs is not None:
        found += [required(f"{path}.{kind}.{member}") for member in needs if not source.get(member)]
    if kind == "ephemeral" and pod_name and name:
        claim = f"{pod_name}-{name}"
        found += [
            invalid(f"{path}.name", name, f'PVC name "{claim}": {error.detail}')
            for error in dns_subdomain(claim, "")
        ]
    if len(given) > 1:
        found += [forbidden(f"{path}.{_MISSPELT.get(one, one)}", _ALONE) for one in given[1:]]
    return found


def _mode(source: Member, member: str, path: str) -> Causes:
    mode = source.get(member)
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(f"{path}.{member}", mode, _MODE)]


def _empty_dir(source: Member, path: str) -> Causes:
    limit = source.get("sizeLimit")
    if limit is None or amount(limit) >= 0:
        return []
    return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]


def _host_path(source: Member, path: str) -> Causes:
    if not source.get("path"):
        return [required(f"{path}.path")]
    found = no_backsteps(source["path"], f"{path}.path")
    kind = source.get("type") or ""
    return found if kind in _HOST_TYPES else [*found, not_supported(f"{path}.type", kind, list(_HOST_TYPES))]


def _git_repo(source: Member, path: str) -> Causes:
    return descending(source.get("directory") or "", f"{path}.directory")


def _secret(source: Member, path: str) -> Causes:
    found = [] if source.get("secretName") else [required(f"{path}.secretName")]
    return found + _mode(source, "defaultMode", path) + _items(source, path)


def _config_map(source: Member, path: str) -> Causes:
    found = [] if source.get("name") else [required(f"{path}.name")]
    return found + _mode(source, "defaultMode", path) + _items(source, path)


def _items(source: Member, path: str) -> Causes:
    found: Causes = []
    for index, one in enumerate(source.get("items") or ()):
        at = f"{path}.items[{index}]"
        found += [required(f"{at}.{member}") for member in ("key", "path") if not one.get(member)]
        found += not_reserved(one.get("path") or "", f"{at}.path") + _mode(one, "mode", at)
    return found


def _nfs(source: Member, path: str) -> Causes:
    found = [required(f"{path}.{member}") for member in ("server", "path") if not source.get(member)]
    where = source.get("path") or ""
    return (
        found
        if where.startswith("/")
        else [*found, invalid(f"{path}.path", where, "must be an absolute path")]
    )


def _downward(source: Member, path: str) -> Causes:
    return _mode(source, "defaultMode", path) + _files(source.get("items") or (), path)


def _files(items: Iterable[Member], path: str) -> Causes:
    """Files of the downward API. Upstream names the volume, not the item."""
    found: Causes = []
    for one in items:
        if not one.get("path"):
            found.append(required(f"{path}.path"))
        found += not_reserved(one.get("path") or "", f"{path}.path")
        if "fieldRef" in one:
            found += field_reference(one["fieldRef"], IN_FILES, f"{path}.fieldRef")
            if "resourceFieldRef" in one:
                said = "fieldRef and resourceFieldRef can not be specified simultaneously"
                found.append(invalid(path, "resource", said))
        elif "resourceFieldRef" in one:
            found += resource_reference(one["resourceFieldRef"], f"{path}.resourceFieldRef", of_file=True)
        else:
            found.append(required(path, "one of fieldRef and resourceFieldRef is required"))
        found += _mode(one, "mode", path)
    return found


def _projected(source: Member, path: str) -> Causes:
    found = _mode(source, "defaultMode", path)
    seen: set[str] = set()
    for index, part in enumerate(source.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for kind in ("secret", "configMap"):
            if kind in part:
                one = part[kind]
                if not one.get("name"):
                    found.append(required(f"{at}.{kind}.name"))
                found += _items(one, f"{at}.{kind}")
                found += _taken(one.get("items") or (), seen, path, one.get("name") or "")
        if "downwardAPI" in part:
            files = part["downwardAPI"].get("items") or ()
            found += _files(files, f"{at}.downwardAPI") + _taken(files, seen, path, None)
        if "serviceAccountToken" in part:
            found += _token(part["serviceAccountToken"], f"{at}.serviceAccountToken", path)
        if "clusterTrustBundle" in part:
            found += _trust_bundle(part["clusterTrustBundle"], f"{at}.clusterTrustBundle")
            found += _taken([part["clusterTrustBundle"]], seen, path, None)
        if len(part) > 1:
            found.append(forbidden(at, "may not specify more than 1 volume type per source"))
    return found


def _taken(items: Iterable[Member], seen: set[str], path: str, shown: str | None) -> Causes:
    """Paths that two sources would both write. What is shown is the source's name, or the path where it has none."""
    found: Causes = []
    for one in items:
        file = one.get("path") or ""
        if file and file in seen:
            found.append(invalid(path, file if shown is None else shown, "conflicting duplicate paths"))
        seen.add(file)
    return found


def _token(token: Member, at: str, path: str) -> Causes:
    found: Causes = []
    seconds = token.get("expirationSeconds", 3600)
    if seconds < 600:
        said = "may not specify a duration less than 10 minutes"
        found.append(invalid(f"{at}.expirationSeconds", seconds, said))
    if seconds > 1 << 32:
        said = "may not specify a duration larger than 2^32 seconds"
        found.append(invalid(f"{at}.expirationSeconds", seconds, said))
    file = token.get("path") or ""
    return found + (not_reserved(file, f"{path}.path") if file else [required(f"{path}.path")])


def _trust_bundle(bundle: Member, at: str) -> Causes:
    name, signer = bundle.get("name"), bundle.get("signerName")
    found: Causes = []
    if name is not None and signer is not None:
        found.append(invalid(at, bundle, "only one of name and signerName may be used"))
    elif name is not None and "labelSelector" in bundle:
        said = "labelSelector must be unset if name is specified"
        found.append(invalid(f"{at}.labelSelector", bundle["labelSelector"], said))
    elif name is None and signer is None:
        found.append(required(at, "either name or signerName must be specified"))
    if name == "":
        found.append(required(f"{at}.name", "must be a valid object name"))
    if signer == "":
        found.append(required(f"{at}.signerName", "must be a valid signer name"))
    if not bundle.get("path"):
        found.append(required(f"{at}.path"))
    return found + not_reserved(bundle.get("path") or "", f"{at}.path")


def _ephemeral(source: Member, path: str) -> Causes:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{path}.volumeClaimTemplate")]
    at, spec = f"{path}.volumeClaimTemplate.spec", template.get("spec") or {}
    found: list[FieldError] = []
    if not spec.get("accessModes"):
        found.append(required(f"{at}.accessModes", "at least one access mode is required"))
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        found.append(required(f"{at}.resources[storage]"))
    return found


def _image(source: Member, path: str) -> Causes:
    found = [] if source.get("reference") else [required(f"{path}.reference")]
    return found + one_of(source.get("pullPolicy"), f"{path}.pullPolicy", ("Always", "IfNotPresent", "Never"))


_CHECKS: Mapping[str, Callable[[Member, str], Causes]] = {
    "configMap": _config_map,
    "downwardAPI": _downward,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "gitRepo": _git_repo,
    "hostPath": _host_path,
    "image": _image,
    "nfs": _nfs,
    "projected": _projected,
    "secret": _secret,
}
