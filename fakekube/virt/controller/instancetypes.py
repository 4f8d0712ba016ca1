"""Instancetypes and preferences of VMs: kept as they were when the VM first met them, written out when it starts.

What an instancetype means is `virt.instancetypes`' business; what a kept copy looks like, `kept_sizes`'. A copy is
kept in a ControllerRevision, which never changes, so each is read once. One of an older version is written anew.

With the reference policy `expand` nothing is kept: the template is written out for good, which virt-api knows how to do.
Origin: kubevirt: pkg/instancetype/controller/vm/controller.go, pkg/instancetype/{revision,upgrade}
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from fakekube.client.client import Client
from fakekube.client.controller import RetryError
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.machinery.resources import CONTROLLER_REVISIONS, MACHINE_ACTIONS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import kept_sizes, vmi_template
from fakekube.virt.controller.conditions import Failure
from fakekube.virt.instancetypes import applying, checking, kinds

_REASONS: Mapping[kinds.Member, str] = {
    "instancetype": "FailedFindInstancetype",
    "preference": "FailedFindPreference",
}


class FailedError(RetryError):
    """What a VM names is not there, or cannot be kept."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class ConflictError(Exception):
    """A VM's template says what its instancetype says, too."""


class Found(Struct, frozen=True):
    """What a VM's matchers stand for; `refs` are the members of its status that tell so, `outdated` the copies that are not
    needed once these are written."""

    size: Mapping[str, Any] | None = None
    preference: Mapping[str, Any] | None = None
    refs: Mapping[str, Object] | None = None
    outdated: tuple[str, ...] = ()


NONE = Found()


class Instancetypes:
    """Finds and keeps, through one client."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kept: dict[tuple[str, str], Mapping[str, Any]] = {}  # (namespace, revision) → spec

    async def of(self, vm: Object) -> Found:
        """What the VM's matchers stand for, kept from now on. Raises FailedError."""
        specs: dict[str, Mapping[str, Any]] = {}
        refs: dict[str, Object] = {}
        outdated = []
        for member, matcher in _matchers(vm):
            with _failing(member):
                kept, old = await self._one(vm, member, matcher)
                refs[f"{member}Ref"] = _ref(member, matcher, kept)
            specs[member] = self._kept[namespace(vm), kept]
            outdated += [old] if old else []
        if not refs:
            return NONE
        return Found(specs.get("instancetype"), specs.get("preference"), refs, tuple(outdated))

    async def meant(self, vm: Object) -> Found:
        """What the matchers of a VM that was mean today; nothing is kept. Raises FailedError."""
        specs: dict[str, Mapping[str, Any]] = {}
        for member, matcher in _matchers(vm):
            with _failing(member):
                specs[member] = (await self._find(vm, member, matcher)).get("spec") or {}
        return Found(specs.get("instancetype"), specs.get("preference"))

    async def written_out(self, vm: Object) -> Object:
        """The VM with its matchers gone and what they stood for in its template. Raises FailedError."""
        for member, matcher in _matchers(vm):
            with _failing(member):
                await self._find(vm, member, matcher)
        try:
            return await self._client.get(MACHINE_ACTIONS, name(vm), namespace(vm), subresource="expand-spec")
        except ApiError as error:
            text = f"error encountered while expanding into VirtualMachine: {error.message}"
            raise FailedError(Failure("FailedCreate", text)) from error

    async def discard(self, vm: Object, *revisions: str) -> None:
        """Delete copies nobody needs any more."""
        for own in revisions:
            self._kept.pop((namespace(vm), own), None)
            await self._client.delete_if_present(CONTROLLER_REVISIONS, own, namespace(vm))

    async def _one(self, vm: Object, member: kinds.Member, matcher: Object) -> tuple[str, str]:
        """The revision that stands for a matcher, and the one it replaces, if any."""
        kept = matcher.get("revisionName") or kinds.known_revision(vm, member)
        if not kept:
            found = await self._find(vm, member, matcher)
            if member == "instancetype":
                _check(vm, found.get("spec") or {})
            return await self._keep(vm, found), ""
        if (namespace(vm), kept) in self._kept:
            return kept, ""
        stored = await self._client.get(CONTROLLER_REVISIONS, kept, namespace(vm))
        if kept_sizes.is_latest(stored):
            self._kept[namespace(vm), kept] = dig(stored, "data", "spec", default={})
            return kept, ""
        return await self._keep(vm, kept_sizes.upgraded(stored, member), "upgrading"), kept

    async def _find(self, vm: Object, member: kinds.Member, matcher: Object) -> Object:
        resource = kinds.resource_of(matcher, member)
        scope = namespace(vm) if resource.namespaced else None
        found = await self._client.get(resource, matcher["name"], scope)
        return {**found, "apiVersion": resource.api_version, "kind": resource.kind}

    async def _keep(self, vm: Object, found: Object, doing: str = "storing") -> str:
        wanted = kept_sizes.revision(vm, found)
        own, spec = name(wanted), wanted["data"]["spec"]
        made = await self._client.create_if_absent(CONTROLLER_REVISIONS, wanted)
        if made is None:  # an earlier pass may have got this far
            stored = await self._client.get(CONTROLLER_REVISIONS, own, namespace(vm))
            if dig(stored, "data", "spec") != spec:
                raise _not_kept(f"found existing ControllerRevision with unexpected data: {own}", doing)
        self._kept[namespace(vm), own] = spec
        return own

    def forget(self, space: str, own: str) -> None:
        """A VM is gone: its revisions go with it."""
        for kept in [one for one in self._kept if one[0] == space and one[1].startswith(f"{own}-")]:
            del self._kept[kept]


def is_to_expand(vm: Obj, policy: str) -> bool:
    """Whether the VM's matchers are to be written out for good."""
    if policy == "expand":
        return not any(kinds.known_revision(vm, member) for member in kinds.MEMBERS)
    return policy == "expandAll"


@contextmanager
def _failing(member: kinds.Member) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        raise FailedError(Failure(_REASONS[member], error.message)) from error


def _check(vm: Object, size: Object) -> None:
    """An instancetype that came after the VM may contradict it, which virt-api could not know. Raises FailedError."""
    clashing = checking.conflicts("spec.template.spec", dig(vm, "spec", "template", default={}), size)
    if clashing:
        raise _not_kept(f"VM field(s) {', '.join(clashing)} conflicts with selected instance type")


def _not_kept(why: str, doing: str = "storing") -> FailedError:
    text = f"error encountered while {doing} instancetype.kubevirt.io controllerRevisions: {why}"
    return FailedError(Failure("FailedCreate", text))


def _matchers(vm: Obj) -> list[tuple[kinds.Member, Object]]:
    spec = vm["spec"]
    found = [(member, spec.get(member) or {}) for member in kinds.MEMBERS]
    return [(member, one) for member, one in found if one.get("name") or one.get("revisionName")]


def _ref(member: kinds.Member, matcher: Object, kept: str) -> Object:
    ref: Object = {"kind": kinds.kind_of(matcher, member), "controllerRevisionRef": {"name": kept}}
    for copied in ("name", "inferFromVolume", "inferFromVolumeFailurePolicy"):
        if matcher.get(copied):
            ref[copied] = matcher[copied]
    return ref


def expanded(vm: Object, found: Found) -> Object:
    """The VM as it starts: its template with size and preference written out, and annotated with their names.

    The VM given stays as it is. Raises ConflictError.
    """
    if found.size is None and found.preference is None:
        return vm
    template: Object = copy_of(vm["spec"]["template"])
    template["spec"] = vmi_template.with_default_devices(template.get("spec") or {})
    clashing = checking.conflicts("spec", template, found.size)
    if clashing:
        raise ConflictError(f"VMI conflicts with instancetype spec in fields: [{', '.join(clashing)}]")
    applying.expand(template, found.size, found.preference)
    marks = template.setdefault("metadata", {}).setdefault("annotations", {})
    for member in kinds.MEMBERS:
        ref = (found.refs or {}).get(f"{member}Ref", {})
        if own := ref.get("name"):
            cluster = "cluster-" if "cluster" in ref["kind"].lower() else ""
            marks[f"kubevirt.io/{cluster}{member}-name"] = own
    return {**vm, "spec": {**vm["spec"], "template": template}}
