"""Memory dumps asked for and let go, as decisions: what to change, or why not. Pure.

Origin: kubevirt: pkg/virt-api/rest/memorydump.go, pkg/storage/types/cdi.go (GetSizeIncludingFSOverhead)
"""

from math import ceil

from fakekube.machinery.errors import BadRequest
from fakekube.machinery.objects import dig, name
from fakekube.machinery.wire import Object
from fakekube.virt import filesystem_overhead
from fakekube.virt.api.subresources.hotplug import Operations, replaced
from fakekube.virt.api.subresources.replies import INSTANCE, MACHINE, conflicting, internal, unknown
from fakekube.virt.quantities import exact, like, whole

_CLAIM = "persistentvolumeclaim"
_MIB = 2**20
_OVERHEAD = 100 * _MIB
_PATH = "/status/memoryDumpRequest"


def claim(vm: Object, wanted: str) -> str:
    """The claim a dump goes to: the one that is named, or else that of the dump before."""
    present = dig(vm, "status", "memoryDumpRequest")
    if not present:
        if not wanted:
            raise BadRequest("Memory dump requires claim name to be set")
        return wanted
    known = str(present.get("claimName") or "")
    if wanted and wanted != known:
        raise conflicting(
            MACHINE,
            name(vm),
            f"can't request memory dump for pvc [{wanted}] while pvc [{known}] is still associated as the memory dump pvc",
        )
    return known


def check_running(vmi: Object) -> None:
    if dig(vmi, "status", "phase") != "Running":
        raise conflicting(INSTANCE, name(vmi), "VMI is not running")


def check_claim(vmi: Object, found: Object | None, own: str, cdi: Object | None) -> None:
    """Whether an instance's memory can be dumped to a claim. `cdi`: its configuration, which tells what filesystems need."""
    if found is None:
        raise unknown(_CLAIM, own)
    if dig(found, "spec", "volumeMode") == "Block":
        raise conflicting(_CLAIM, own, "pvc should be filesystem pvc")
    if (dig(found, "spec", "accessModes") or ["ReadWriteOnce"])[0] == "ReadOnlyMany":
        raise conflicting(_CLAIM, own, "pvc access mode can't be read only")
    overhead = filesystem_overhead.of(found, cdi)
    if overhead is None:
        raise internal("CDI config not initialized")
    requested = dig(vmi, "spec", "domain", "resources", "requests", "memory") or "0Mi"
    needed = ceil((1 + exact(overhead)) * (_OVERHEAD + whole(requested)) / _MIB) * _MIB
    kilobytes = -(-whole(dig(found, "spec", "resources", "requests", "storage")) // 1000)
    if kilobytes * 1000 < needed:
        said = f"pvc size [{like(kilobytes * 1000, '1k')}] should be bigger then [{like(needed, requested)}]"
        raise conflicting(_CLAIM, own, said)


def asked(vm: Object, own: str) -> Operations:
    """The patch that asks for a dump."""
    present = dig(vm, "status", "memoryDumpRequest")
    phase = present.get("phase") if present else "Completed"
    if phase == "Dissociating":
        text = f"can't dump memory for pvc [{own}] a remove memory dump request is in progress"
        raise conflicting(MACHINE, name(vm), text)
    if phase not in ("Completed", "Failed"):
        raise conflicting(MACHINE, name(vm), f"memory dump request for pvc [{own}] already in progress")
    return _written(vm, {"claimName": own, "phase": "Associating"})


def forgotten(vm: Object) -> Operations:
    """The patch that lets a dump's claim go."""
    present = dig(vm, "status", "memoryDumpRequest")
    if not present:
        text = f"can't remove memory dump association for vm {name(vm)}, no association found"
        raise conflicting(MACHINE, name(vm), text)
    own = present.get("claimName")
    if present.get("remove"):
        raise conflicting(MACHINE, name(vm), f"memory dump remove request for pvc [{own}] already exists")
    return _written(vm, {"claimName": own, "phase": "Dissociating", "remove": True})


def _written(vm: Object, request: Object) -> Operations:
    if not vm.get("status"):
        return [{"op": "add", "path": "/status", "value": {"memoryDumpRequest": request}}]
    return replaced(_PATH, dig(vm, "status", "memoryDumpRequest"), request)
