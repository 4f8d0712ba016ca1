"""What a claim says, in annotations, of what it is to be imported from; as a source of a DataVolume, and back. Pure.

Populators write them on the claims they fill; whoever makes a claim may, too.
Origin: cdi: pkg/controller/common/util.go (Update…Annotations, GetSource, GetEndpoint)
"""

from collections.abc import Mapping
from typing import Any

from fakekube.machinery.objects import Obj, annotations, dig, name, namespace
from fakekube.machinery.wire import Object

Source = Mapping[str, Any]

GROUP = "cdi.kubevirt.io"
POPULATOR = "cdi.kubevirt.io/storage.populator.kind"  # on a claim that is filled for another one: by which kind of populator

_IMPORT = "cdi.kubevirt.io/storage.import."
_SOURCE, _ENDPOINT = f"{_IMPORT}source", f"{_IMPORT}endpoint"
_NONE = "none"  # the source of a blank disk
_SECRET, _CERTIFICATES = f"{_IMPORT}secretName", f"{_IMPORT}certConfigMap"
_STREAM = f"{_IMPORT}registryImageStream"  # the endpoint is one
_LISTS = {"extraHeaders": f"{_IMPORT}extraHeaders", "secretExtraHeaders": f"{_IMPORT}secretExtraHeaders"}
_COMMON = {"url": _ENDPOINT, "secretRef": _SECRET, "certConfigMap": _CERTIFICATES}
_MEMBERS: Mapping[str, Mapping[str, str]] = {
    "http": _COMMON,
    "s3": _COMMON,
    "gcs": _COMMON,
    "registry": {**_COMMON, "pullMethod": f"{_IMPORT}registryImportMethod"},
    "imageio": {**_COMMON, "diskId": f"{_IMPORT}diskId"},
    "vddk": {
        **_COMMON,
        "backingFile": f"{_IMPORT}backingFile",
        "uuid": f"{_IMPORT}uuid",
        "thumbprint": f"{_IMPORT}vddk.thumbprint",
        "initImageURL": "cdi.kubevirt.io/storage.pod.vddk.initimageurl",
    },
}


def is_asked(claim: Obj) -> bool:
    """Whether it is to be imported."""
    notes = annotations(claim)
    return _ENDPOINT in notes or _SOURCE in notes


def is_waited_for(claim: Obj) -> bool:
    """Whether anything is to be done for it: an import, or what a populator of CDI's does."""
    return dig(claim, "spec", "dataSourceRef", "apiGroup") == GROUP or is_asked(claim)


def is_of_populator(claim: Obj) -> bool:
    """Whether it is only there to be filled for another one."""
    return POPULATOR in annotations(claim)


def notes(source: Source) -> dict[str, str]:
    """The annotations that ask for an import from one source."""
    for kind, members in _MEMBERS.items():
        if (told := source.get(kind)) is None:
            continue
        made = {note: str(told[member]) for member, note in members.items() if told.get(member)}
        for member, prefix in _LISTS.items():
            made |= {f"{prefix}.{index}": one for index, one in enumerate(told.get(member) or ())}
        if told.get("imageStream"):
            made |= {_ENDPOINT: str(told["imageStream"]), _STREAM: "true"}
        return {_SOURCE: kind, **made}
    return {_SOURCE: _NONE}


def source(claim: Obj) -> Object:
    """Where a claim is imported from: by HTTP, unless it says otherwise."""
    said = annotations(claim)
    kind = said.get(_SOURCE) or "http"
    if kind == _NONE:
        return {"blank": {}}
    kind = kind if kind in _MEMBERS else "http"
    told: Object = {member: said[note] for member, note in _MEMBERS[kind].items() if said.get(note)}
    if said.get(_STREAM) == "true":
        told["imageStream"] = told.pop("url", "")
    for member, prefix in _LISTS.items():
        if listed := [said[one] for one in sorted(said) if one.startswith(prefix)]:
            told[member] = listed
    return {kind: told}


def as_volume(claim: Obj) -> Object:
    """A DataVolume that would be imported as the claim is to be."""
    meta = {"name": name(claim), "namespace": namespace(claim), "annotations": dict(annotations(claim))}
    return {"metadata": meta, "spec": {"source": source(claim)}}
