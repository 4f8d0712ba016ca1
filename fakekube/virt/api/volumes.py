"""Volumes of an instance's spec: names, sources, cloud-init data. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.virt.api import disks
from fakekube.virt.causes import Cause, required
from fakekube.virt.config import ClusterConfig

SOURCES = frozenset(
    {
        *("persistentVolumeClaim", "sysprep", "cloudInitNoCloud", "cloudInitConfigDrive", "containerDisk"),
        *("ephemeral", "emptyDisk", "hostDisk", "dataVolume", "configMap", "secret", "downwardAPI"),
        *("serviceAccount", "downwardMetrics", "memoryDump", "containerPath"),
    }
)
_ONCE = (
    ("serviceAccount", "serviceAccount"),
    ("downwardMetrics", "downwardMetric"),
    ("memoryDump", "memory dump"),
)
_NAMED = (
    ("configMap", "name"),
    ("secret", "secretName"),
    ("serviceAccount", "serviceAccountName"),
)
_CLOUD_INIT_LIMIT = 2048


def volumes(path: str, spec: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    """Everything about `spec.volumes`."""
    field = f"{path}.volumes"
    seen: dict[str, int] = {}
    listed = spec.get("volumes") or ()
    for index, volume in enumerate(listed):
        here = f"{field}[{index}]"
        other = seen.setdefault(volume["name"], index)
        if other != index:
            yield Cause(f"{here} and {field}[{other}] must not have the same Name.", f"{here}.name")
        yield from _volume(here, volume, config)
    for source, word in _ONCE:
        if sum(volume.get(source) is not None for volume in listed) > 1:
            yield Cause(f"{field} must have max one {word} volume set", field)


def _volume(here: str, volume: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    data_volume = volume.get("dataVolume")
    if data_volume is not None and not config.has_data_volumes:
        text = "DataVolume api is not present in cluster. CDI must be installed for DataVolume support."
        yield Cause(text, here)
    if data_volume is not None and not data_volume.get("name"):
        yield required("DataVolume 'name' must be set", f"{here}.name")
    if sum(volume.get(source) is not None for source in SOURCES) != 1:
        yield Cause(f"{here} must have exactly one source type set", here)
    for kind in ("cloudInitNoCloud", "cloudInitConfigDrive"):
        if volume.get(kind) is not None:
            yield from _cloud_init(f"{here}.{kind}", kind, volume[kind])
            break
    if volume.get("downwardMetrics") is not None and not config.gate("DownwardMetrics"):
        yield Cause(
            "downwardMetrics disks are not allowed: DownwardMetrics feature gate is not enabled.", here
        )
    if volume.get("hostDisk") is not None:
        yield from _host_disk(here, volume["hostDisk"], config)
    for source, member in _NAMED:
        if volume.get(source) is not None and not volume[source].get(member):
            yield Cause(f"{here}.{source}.{member} is a required field", f"{here}.{source}.{member}")


def _cloud_init(here: str, kind: str, data: Mapping[str, Any]) -> Iterator[Cause]:
    user = yield from _data(
        here, kind, data, ("secretRef", "userDataBase64", "userData"), ("userdatasource", "userdata")
    )
    network = yield from _data(
        here,
        kind,
        data,
        ("networkDataSecretRef", "networkDataBase64", "networkData"),
        ("networkdata source", "networkdata"),
    )
    if not user and not network:
        yield Cause(f"{here} must have at least one userdatasource or one networkdatasource set.", here)


def _data(
    here: str, kind: str, data: Mapping[str, Any], members: tuple[str, str, str], words: tuple[str, str]
) -> Any:
    """One of the two kinds of data; returns how many sources it has."""
    secret, encoded, plain = members
    sources = [name for name in members if (data.get(name) or {}) not in ({}, "")]
    if secret in sources and not data[secret].get("name"):
        sources.remove(secret)
    size = 0
    if data.get(encoded):
        try:
            size = len(base64.b64decode(data[encoded], validate=True))
        except binascii.Error:
            where = f"{here}.{encoded}"
            yield Cause(f"{where}.{kind}.{encoded} is not a valid base64 value.", where)
    if data.get(plain):
        size = len(data[plain].encode())
    source_word, data_word = words
    if len(sources) > 1:
        yield Cause(f"{here} must have only one {source_word} set.", here)
    if size > _CLOUD_INIT_LIMIT:
        secret_word = "UserDataSecretRef" if plain == "userData" else "NetworkDataSecretRef"
        yield Cause(
            f"{here} {data_word} exceeds {_CLOUD_INIT_LIMIT} byte limit. "
            f"Should use {secret_word} for larger data.",
            here,
        )
    return len(sources)


def _host_disk(here: str, disk: Mapping[str, Any], config: ClusterConfig) -> Iterator[Cause]:
    if not config.gate("HostDisk"):
        yield Cause("HostDisk feature gate is not enabled", here)
    if not disk.get("path"):
        where = f"{here}.hostDisk.path"
        yield Cause(f"{where} is required for hostDisk volume", where, "FieldValueNotFound")
    type_ = disk.get("type")
    where = f"{here}.hostDisk.type"
    if type_ not in ("Disk", "DiskOrCreate"):
        yield Cause(f"{where} has invalid value '{type_}', allowed are 'Disk' or 'DiskOrCreate'", where)
    if type_ == "Disk" and disk.get("capacity") not in (None, 0, "0"):
        capacity = f"{here}.hostDisk.capacity"
        yield Cause(f"{capacity} is allowed to pass only with {where} equal to 'DiskOrCreate'", capacity)


def container_disks(path: str, spec: Mapping[str, Any]) -> Iterator[Cause]:
    """Paths inside container disks: absolute, and not the root."""
    for index, volume in enumerate(spec.get("volumes") or ()):
        if given := (volume.get("containerDisk") or {}).get("path"):
            yield from disks.file_path(f"{path}.volumes[{index}].containerDisk", given)
