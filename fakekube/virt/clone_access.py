"""Who may clone what lies in another namespace: whoever may `create` its `datavolumes/source`, or may do there what a clone
does, make pods; of a snapshot claims, too. CDI asks it of users, virt-controller of the service accounts of machines.

Origin: cdi: staging/…/core/v1beta1/authorize.go
"""

from typing import NamedTuple

from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig
from fakekube.machinery.wire import User
from fakekube.virt import access

_SOURCE = {"group": "cdi.kubevirt.io", "resource": "datavolumes", "subresource": "source"}
_PODS, _CLAIMS = {"resource": "pods"}, {"resource": "pvcs"}  # sic: a resource there is not
_SUFFICIENT = {"pvc": ([_SOURCE], [_PODS]), "snapshot": ([_SOURCE], [_PODS, _CLAIMS])}


class Clone(NamedTuple):
    """What is to be cloned: a `pvc` or a `snapshot`."""

    kind: str
    name: str
    space: str


def cloned(source: Obj | None, space: str) -> Clone | None:
    """What a source, of a DataVolume or a DataSource in that namespace, clones."""
    for kind in _SUFFICIENT:
        if (found := dig(source, kind)) is not None:
            return Clone(kind, str(found.get("name") or ""), str(found.get("namespace") or space))
    return None


async def refusal(client: Client, user: User, clone: Clone, target: str) -> str:
    """Why the user may not clone this into the namespace `target`; empty where he may."""
    if clone.space == target:
        return ""
    where = {"verb": "create", "name": clone.name, "namespace": clone.space}
    for deeds in _SUFFICIENT[clone.kind]:
        for deed in deeds:
            if not (await access.ask(client, user, {**deed, **where}))[0]:
                break
        else:
            return ""
    return f"User {user.name} has insufficient permissions in clone source namespace {clone.space}"
