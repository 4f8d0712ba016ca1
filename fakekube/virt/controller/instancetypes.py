"""Instancetypes and preferences of VMs: kept as they were when the VM first met them, written out when it starts.

What an instancetype means is `virt.instancetypes`' business. A copy is kept in a ControllerRevision, which never changes,
so each is read once.
Origin: kubevirt: pkg/instancetype/controller/vm/controller.go, pkg/instancetype/revision/store.go
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fakekube.client.client import Client
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import AlreadyExists, ApiError
from fakekube.machinery.objects import Obj, dig, generation, name, namespace, owner_reference, uid
from fakekube.machinery.resources import CONTROLLER_REVISIONS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.controller import vmi_template
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.instancetypes import applying, kinds

_LABEL = "instancetype.kubevirt.io/object-"
_REASONS: Mapping[kinds.Member, str] = {
    "instancetype": "FailedFindInstancetype",
    "preference": "FailedFindPreference",
}


class NotFoundError(Exception):
    """A VM names an instancetype or preference that is not there."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class ConflictError(Exception):
    """A VM's template says what its instancetype says, too."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a VM's matchers stand for; `refs` are the members of its status that tell so."""

    size: Mapping[str, Any] | None = None
    preference: Mapping[str, Any] | None = None
    refs: Mapping[str, Object] | None = None


NONE = Found()


class Instancetypes:
    """Finds and keeps, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kept: dict[tuple[str, str], Mapping[str, Any]] = {}  # (namespace, revision) → spec

    async def of(self, vm: Object) -> Found:
        """What the VM's matchers stand for, kept from now on. Raises NotFoundError."""
        spec = vm["spec"]
        if not spec.get("instancetype") and not spec.get("preference"):
            return NONE
        specs: dict[str, Mapping[str, Any]] = {}
        refs: dict[str, Object] = {}
        for member in kinds.MEMBERS:
            matcher = spec.get(member)
            if not matcher or not (matcher.get("name") or matcher.get("revisionName")):
                continue
            try:
                specs[member], refs[f"{member}Ref"] = await self._one(vm, member, matcher)
            except ApiError as error:
                raise NotFoundError(Failure(_REASONS[member], error.message)) from error
        return Found(specs.get("instancetype"), specs.get("preference"), refs)

    async def _one(
        self, vm: Object, member: kinds.Member, matcher: Object
    ) -> tuple[Mapping[str, Any], Object]:
        space, known = namespace(vm), dig(vm, "status", f"{member}Ref", default={})
        resource = kinds.resource_of(matcher, member)
        same = known.get("name") == matcher.get("name") and known.get("kind") == resource.kind.lower()
        kept = matcher.get("revisionName") or (
            dig(known, "controllerRevisionRef", "name", default="") if same else ""
        )
        if not kept:
            scope = space if resource.namespaced else None
            found = await self._client.get(resource, matcher["name"], scope)
            kept = await self._keep(vm, found, resource)
        ref: Object = {"kind": resource.kind.lower(), "controllerRevisionRef": {"name": kept}}
        if matcher.get("name"):
            ref["name"] = matcher["name"]
        for copied in ("inferFromVolume", "inferFromVolumeFailurePolicy"):
            if matcher.get(copied):
                ref[copied] = matcher[copied]
        return await self._read(space, kept), ref

    async def _keep(self, vm: Object, found: Object, resource: Resource) -> str:
        wanted = revision(vm, found, resource)
        with suppress(AlreadyExists):  # an earlier pass may have got this far
            await self._client.create(CONTROLLER_REVISIONS, wanted)
        self._kept[namespace(vm), name(wanted)] = wanted["data"]["spec"]
        return name(wanted)

    async def _read(self, space: str, own: str) -> Mapping[str, Any]:
        spec = self._kept.get((space, own))
        if spec is None:
            stored = await self._client.get(CONTROLLER_REVISIONS, own, space)
            spec = self._kept[space, own] = dig(stored, "data", "spec", default={})
        return spec

    def forget(self, space: str, own: str) -> None:
        """A VM is gone: its revisions go with it."""
        for kept in [one for one in self._kept if one[0] == space and one[1].startswith(f"{own}-")]:
            del self._kept[kept]


def revision(vm: Obj, found: Obj, resource: Resource) -> Object:
    """The ControllerRevision that keeps an instancetype or preference for a VM."""
    meta = found["metadata"]
    version = resource.version
    owner = owner_reference(
        {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": vm["metadata"]}
    )
    told = {
        "generation": str(generation(found)),
        "kind": resource.kind,
        "name": name(found),
        "uid": uid(found),
        "version": version,
    }
    kept = {member: meta[member] for member in ("name", "namespace", "uid", "generation") if member in meta}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name(vm)}-{name(found)}-{version}-{uid(found)}-{generation(found)}",
            "namespace": namespace(vm),
            "labels": {f"{_LABEL}{member}": value for member, value in told.items()},
            "ownerReferences": [owner],
        },
        "data": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": kept,
            "spec": found.get("spec") or {},
        },
        "revision": 0,
    }


def expanded(vm: Object, found: Found) -> Object:
    """The VM as it starts: its template with size and preference written out, and annotated with their names.

    The VM given stays as it is. Raises ConflictError.
    """
    if found.size is None and found.preference is None:
        return vm
    template: Object = copy_of(vm["spec"]["template"])
    template["spec"] = vmi_template.with_default_devices(template.get("spec") or {})
    clashing = applying.conflicts("spec", template, found.size)
    if clashing:
        raise ConflictError(f"VMI conflicts with instancetype spec in fields: [{', '.join(clashing)}]")
    applying.expand(template, found.size, found.preference)
    marks = template.setdefault("metadata", {}).setdefault("annotations", {})
    for member in kinds.MEMBERS:
        ref = (found.refs or {}).get(f"{member}Ref", {})
        if own := ref.get("name"):
            cluster = "cluster-" if "cluster" in ref["kind"] else ""
            marks[f"kubevirt.io/{cluster}{member}-name"] = own
    return {**vm, "spec": {**vm["spec"], "template": template}}
