"""The exports that backups are fetched from: each has one of its own name, for as long as it may be fetched.

Origin: kubevirt: pkg/storage/cbt/pull_mode.go
"""

from fakekube.client.informer import Informer
from fakekube.clock import parse_rfc3339
from fakekube.machinery import durations
from fakekube.machinery.errors import InternalError
from fakekube.machinery.objects import Obj, controller_of, dig, key, name, namespace, owner_reference, uid
from fakekube.machinery.resources import BACKUPS, EXPORTS
from fakekube.machinery.wire import Object
from fakekube.virt.controller.wiring import Wiring

_TTL = 7200.0


class Offers:
    """See the module text."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._clock = wiring.clock
        self._exports: Informer | None = None

    def follow(self, exports: Informer) -> None:
        """Know which exports there are."""
        self._exports = exports

    def left(self, backup: Obj) -> float:
        """For how many seconds it may still be fetched."""
        span = durations.given(dig(backup, "spec", "ttlDuration"), _TTL)
        begun = parse_rfc3339(backup["metadata"]["creationTimestamp"])
        return span - (self._clock.now() - begun).total_seconds()

    async def of(self, backup: Obj) -> Object | None:
        """Its export; None if it has just been made. Raises InternalError where its name is taken."""
        found = self._known(backup)
        if found is None:
            await self._client.create(EXPORTS, wanted(backup, self.left(backup)))
        elif dig(controller_of(found), "uid") != uid(backup):
            text = f"VMExport {name(found)} already exists but is not owned by backup {name(backup)}"
            raise InternalError(text)
        return found

    async def withdraw(self, backup: Obj) -> None:
        if self._known(backup) is not None:
            await self._client.delete_if_present(EXPORTS, name(backup), namespace(backup))

    def _known(self, backup: Obj) -> Object | None:
        return self._exports.get(key(backup)) if self._exports is not None else None


def wanted(backup: Obj, left: float) -> Object:
    """The export of a backup that may be fetched for so many seconds."""
    owner = owner_reference({**backup, "apiVersion": BACKUPS.api_version, "kind": BACKUPS.kind})
    meta = {"name": name(backup), "namespace": namespace(backup), "ownerReferences": [owner]}
    spec = {
        "source": {"apiGroup": BACKUPS.group, "kind": BACKUPS.kind, "name": name(backup)},
        "tokenSecretRef": dig(backup, "spec", "tokenSecretRef"),
        "ttlDuration": durations.spelled(left),
    }
    kind = {"apiVersion": EXPORTS.api_version, "kind": EXPORTS.kind}
    return {**kind, "metadata": meta, "spec": spec}


def address(export: Obj) -> dict[str, str]:
    """Where its server is, as the launcher is told; empty until that is known."""
    service = dig(export, "status", "serviceName")
    if not service:
        return {}
    host = f"{service}.{namespace(export)}.svc"
    return {"exportServerAddr": f"{host}:443", "exportServerName": f"{host}.cluster.local"}
