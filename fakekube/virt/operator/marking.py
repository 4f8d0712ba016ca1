"""How virt-operator marks what it makes, and what it puts back of an object that was made. Pure.

Origin: kubevirt: pkg/virt-operator/resource/apply/{reconcile,core}.go
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.machinery.objects import Obj, annotations, labels
from fakekube.machinery.wire import Object
from fakekube.virt.operator.sources import Source

VERSION = "kubevirt.io/install-strategy-version"
MANAGED_BY, US = "app.kubernetes.io/managed-by", "virt-operator"
COMPONENT, _PRODUCT, _VERSION = (f"app.kubernetes.io/{one}" for one in ("component", "part-of", "version"))
_LABEL = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

EMPTY: Obj = {}

# What of each kind is virt-operator's; of others only the marks.
_CONTENT = {
    "Service": ("spec",),
    "APIService": ("spec",),
    "ClusterRole": ("rules",),
    "ClusterRoleBinding": ("subjects",),
    "CustomResourceDefinition": ("spec",),
    "MutatingWebhookConfiguration": ("webhooks",),
    "ValidatingWebhookConfiguration": ("webhooks",),
    "PrometheusRule": ("spec",),
    "ServiceMonitor": ("spec",),
    "Role": ("rules",),
    "RoleBinding": ("subjects",),
    "PodDisruptionBudget": ("spec",),
}


def annotations_of(space: str, source: Source) -> dict[str, str]:
    """What an object was installed from."""
    return {
        VERSION: source.version,
        "kubevirt.io/install-strategy-registry": source.registry,
        "kubevirt.io/install-strategy-identifier": source.identity(space)[1],
    }


def product(spec: Obj) -> dict[str, str]:
    """The labels that name the product KubeVirt is part of; what cannot be a label is left out."""
    given = {
        COMPONENT: spec.get("productComponent") or "",
        _PRODUCT: spec.get("productName") or "",
        _VERSION: spec.get("productVersion") or "",
    }
    named = {key: value for key, value in given.items() if _LABEL.fullmatch(value)}
    return {COMPONENT: "kubevirt", **named, MANAGED_BY: US}


def labels_of(spec: Obj, source: Source) -> dict[str, str]:
    """The labels of components and their pods, which always tell a version."""
    return {_VERSION: source.version, **product(spec)}


def marked(obj: Object, space: str, release: str, spec: Obj = EMPTY) -> Object:
    """An object as virt-operator makes it, for the spec of a KubeVirt object."""
    meta = {
        **obj["metadata"],
        "labels": {**labels(obj), **product(spec)},
        "annotations": {**annotations(obj), **annotations_of(space, Source(release))},
    }
    return {**obj, "metadata": meta}


def all_marked(objs: Iterable[Object], space: str, release: str, spec: Obj = EMPTY) -> list[Object]:
    return [marked(one, space, release, spec) for one in objs]


def restored(known: Object, wanted: Obj) -> Object:
    """A known object as it was installed, with what others have added beside that; itself when nothing is missing. One that
    is put back has no owners, where it is in no namespace."""
    meta, given = known["metadata"], wanted["metadata"]
    changed: Object = {
        member: {**(meta.get(member) or {}), **given[member]}
        for member in ("labels", "annotations")
        if not covers(meta.get(member) or {}, given.get(member) or {})
    }
    content: Object = {
        member: _merged(known.get(member), wanted[member])
        for member in _CONTENT.get(wanted["kind"], ())
        if member in wanted and not covers(known.get(member), wanted[member])
    }
    if not changed and not content:
        return known
    meta = {**meta, **changed}
    if not meta.get("namespace"):
        meta.pop("ownerReferences", None)
    return {**known, **content, "metadata": meta}


def covers(known: Any, wanted: Any) -> bool:
    """Whether everything wanted is known; what the server has added to it counts for nothing."""
    if isinstance(wanted, Mapping):
        return isinstance(known, Mapping) and all(
            covers(known.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(known, list)
            and len(known) == len(wanted)
            and all(covers(has, want) for has, want in zip(known, wanted, strict=True))
        )
    return bool(known == wanted) or (known is None and not wanted)


def _merged(known: Any, wanted: Any) -> Any:
    return {**known, **wanted} if isinstance(known, Mapping) and isinstance(wanted, Mapping) else wanted
