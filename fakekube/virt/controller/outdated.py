"""Guests whose launchers are of another release than is installed: counted in the KubeVirt object, and evicted, a few at a time,
where it says so and they cannot move. Moving them is `automatic_migration`'s business.

Origin: kubevirt: pkg/virt-controller/watch/workload-updater/workload-updater.go
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.machinery.durations import given
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import (
    Obj,
    condition_is,
    dig,
    is_final,
    is_terminating,
    key,
    labels,
    name,
    namespace,
    uid,
)
from fakekube.machinery.resources import KUBEVIRTS, PODS
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, names, pods
from fakekube.virt.controller.informers import BY_OWNER, BY_VMI
from fakekube.virt.controller.wiring import Wiring

_COUNT = "outdatedVirtualMachineInstanceWorkloads"
_BATCH, _INTERVAL = 10, 60.0
_AGAIN = 5.0


def is_marked(vmi: Obj) -> bool:
    """Whether the launcher is of another release."""
    return names.OUTDATED_LAUNCHER in labels(vmi)


def migrates(kubevirt: Obj) -> bool:
    """Whether such guests are to be moved now."""
    return _is_installed(kubevirt) and "LiveMigrate" in _methods(kubevirt)


def _methods(kubevirt: Obj) -> list[str]:
    return list(dig(kubevirt, "spec", "workloadUpdateStrategy", "workloadUpdateMethods") or ())


def _is_installed(kubevirt: Obj) -> bool:
    status = kubevirt.get("status") or {}
    return status.get("phase") == "Deployed" and status.get("observedDeploymentID") == status.get(
        "targetDeploymentID"
    )


class Outdated:
    """See the module text. `controller` is what runs; its keys are those of KubeVirt objects."""

    def __init__(self, wiring: Wiring) -> None:
        self._client = wiring.client
        self._informers = wiring.informers
        self._recorder = wiring.recorder
        self._clock = wiring.clock
        self._last: datetime | None = None  # when some were evicted
        self.controller = wiring.controller(
            "outdated guests",
            self._reconcile,
            wiring.informers.kubevirts,
            (wiring.informers.vmis, self._marked),
            reads=(wiring.informers.pods, wiring.informers.migrations),
        )

    def _marked(self, old: Object | None, new: Object | None) -> Iterable[str]:
        was, now = (one is not None and is_marked(one) for one in (old, new))
        if was == now and not (now and instance.phase(old or {}) != instance.phase(new or {})):
            return ()
        return [key(one) for one in self._informers.kubevirts.objects()]

    async def _reconcile(self, own: str) -> Result | None:
        kubevirt = self._informers.kubevirts.get(own)
        if kubevirt is None or not _is_installed(kubevirt):
            return None
        found = [vmi for vmi in self._informers.vmis.objects() if is_marked(vmi) and _counts(vmi)]
        if dig(kubevirt, "status", _COUNT) != len(found):
            patch = {"status": {_COUNT: len(found)}}
            await self._client.patch(
                KUBEVIRTS, name(kubevirt), namespace(kubevirt), patch, type="merge", subresource="status"
            )
        if "Evict" not in _methods(kubevirt):
            return None
        stuck = [vmi for vmi in found if not (migrates(kubevirt) and condition_is(vmi, "LiveMigratable"))]
        stuck = [vmi for vmi in stuck if not self._moves(vmi)]
        if not stuck:
            return None
        strategy = kubevirt["spec"]["workloadUpdateStrategy"]
        wait = timedelta(seconds=given(strategy.get("batchEvictionInterval"), _INTERVAL))
        if self._last is None or self._clock.now() - self._last >= wait:
            self._last = self._clock.now()
            for vmi in stuck[: int(strategy.get("batchEvictionSize") or _BATCH)]:
                await self._evict(vmi)
        return Result(requeue_after=_AGAIN)

    def _moves(self, vmi: Object) -> bool:
        known = self._informers.migrations.by_index(BY_VMI, key(vmi))
        return any(not is_final(one) for one in known)

    async def _evict(self, vmi: Object) -> None:
        pod = pods.current(vmi, self._informers.pods.by_index(BY_OWNER, uid(vmi)))
        if pod is None:
            return
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name(pod), "namespace": namespace(pod)},
        }
        try:
            await self._client.create(PODS, body, namespace(pod), subresource="eviction", name=name(pod))
        except NotFound:
            pass
        except ApiError as error:
            text = f"Error deleting VMI during automated workload update: {error}"
            self._recorder.event(vmi, WARNING, "FailedEvict", text)
            return
        text = (
            "Initiated eviction of VMI as part of automated workload update: <nil>"  # Go prints its nil error
        )
        self._recorder.event(vmi, NORMAL, "SuccessfulEvict", text)


def _counts(vmi: Object) -> bool:
    return instance.phase(vmi) == names.RUNNING and not is_terminating(vmi)
