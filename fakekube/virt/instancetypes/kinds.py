"""What a machine's `instancetype` and `preference` may name. Pure.

Kinds are taken in any case, singular or plural; without one, the cluster-wide kind is meant.
Origin: kubevirt: pkg/instancetype/find, staging/src/kubevirt.io/api/instancetype/register.go
"""

from typing import Literal

from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.resources import Resource

Member = Literal["instancetype", "preference"]
MEMBERS: tuple[Member, Member] = ("instancetype", "preference")


def _resource(kind: str, *, namespaced: bool) -> Resource:
    return Resource("instancetype.kubevirt.io", "v1beta1", f"{kind.lower()}s", kind, namespaced=namespaced)


INSTANCETYPES = _resource("VirtualMachineInstancetype", namespaced=True)
CLUSTER_INSTANCETYPES = _resource("VirtualMachineClusterInstancetype", namespaced=False)
PREFERENCES = _resource("VirtualMachinePreference", namespaced=True)
CLUSTER_PREFERENCES = _resource("VirtualMachineClusterPreference", namespaced=False)
_KINDS = {
    one.kind.lower(): one for one in (INSTANCETYPES, CLUSTER_INSTANCETYPES, PREFERENCES, CLUSTER_PREFERENCES)
}
_DEFAULTS = {"instancetype": CLUSTER_INSTANCETYPES.kind, "preference": CLUSTER_PREFERENCES.kind}


def resource_of(matcher: Obj, member: str) -> Resource:
    """The resource a matcher names. Raises NotFound."""
    kind = kind_of(matcher, member).lower()
    resource = _KINDS.get(_one(kind))
    if resource is None:
        raise NotFound(f"got unexpected kind in {member.capitalize()}Matcher: {kind}")
    return resource


def known_revision(vm: Obj, member: str) -> str:
    """The revision the VM's status names for the matcher it has now, or empty. Raises NotFound for a kind that there is not."""
    matcher, ref = dig(vm, "spec", member, default={}), dig(vm, "status", f"{member}Ref", default={})
    if not ref or ref.get("name") != matcher.get("name"):
        return ""
    same = _KINDS.get(_one(ref.get("kind") or "")) is resource_of(matcher, member)
    return str(dig(ref, "controllerRevisionRef", "name") or "") if same else ""


def kind_of(matcher: Obj, member: str) -> str:
    """The kind as the matcher spells it, or the default one as virt-api does."""
    return str(matcher.get("kind") or _DEFAULTS[member].lower())


def _one(kind: str) -> str:
    return kind.lower().removesuffix("s")
