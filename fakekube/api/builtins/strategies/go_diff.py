"""How a change of an immutable spec is shown: a unified diff of Go's internal structs printed as JSON.

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/diff
"""

import difflib
import json
from typing import Any

_SPECIAL = {
    "fsType": "FSType",
    "pdName": "PDName",
    "volumeID": "VolumeID",
    "iscsiInterface": "ISCSIInterface",
    "targetWWNs": "TargetWWNs",
    "wwids": "WWIDs",
    "iqn": "IQN",
    "uid": "UID",
    "apiGroup": "APIGroup",
    "apiVersion": "APIVersion",
    "nfs": "NFS",
    "iscsi": "ISCSI",
    "rbd": "RBD",
    "cephfs": "CephFS",
    "fc": "FC",
    "csi": "CSI",
    "gcePersistentDisk": "GCEPersistentDisk",
    "awsElasticBlockStore": "AWSElasticBlockStore",
    "scaleIO": "ScaleIO",
    "storageos": "StorageOS",
}


def go_name(member: str) -> str:
    """What a Go struct calls a JSON member."""
    return _SPECIAL.get(member) or member[:1].upper() + member[1:]


def go_shape(value: Any, *, maps: frozenset[str] = frozenset()) -> Any:
    """`value` with Go's member names; the members named in `maps` hold keys, not members."""
    if isinstance(value, dict):
        return {
            go_name(name): member if name in maps else go_shape(member, maps=maps)
            for name, member in value.items()
        }
    return [go_shape(one, maps=maps) for one in value] if isinstance(value, list) else value


def diff(old: Any, new: Any) -> str:
    """The difference of two values in Go's shape, three lines of context around each change."""
    before, after = (
        [f"{line}\n" for line in json.dumps(one, indent=1, ensure_ascii=False).split("\n")]
        for one in (old, new)
    )
    return "".join(list(difflib.unified_diff(before, after, n=3))[2:])
