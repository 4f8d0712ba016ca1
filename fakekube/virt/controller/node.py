"""The node controller: a node whose virt-handler is silent takes no new guests, and guests without a launcher are lost.

Origin: kubevirt: pkg/virt-controller/watch/node/node.go
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from fakekube.client.controller import Result
from fakekube.client.recorder import NORMAL, WARNING
from fakekube.clock import parse_rfc3339
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import annotations, dig, is_final, labels, name, namespace, uid
from fakekube.machinery.resources import DAEMON_SETS, NODES, PODS, VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object
from fakekube.virt.controller import instance, names, patches
from fakekube.virt.controller.informers import BY_NODE, BY_OWNER
from fakekube.virt.controller.wiring import Wiring

log = logging.getLogger("fakekube.virt.controller.node")

LIMIT = timedelta(minutes=5)
_RECHECK = 60.0
_HANDLER = "kubevirt.io=virt-handler"


class NodeController:
    """See the module text. `controller` is what runs."""

    def __init__(self, wiring: Wiring) -> None:
        informers = wiring.informers
        self._client = wiring.client
        self._informers = informers
        self._recorder = wiring.recorder
        self._clock = wiring.clock
        self.controller = wiring.controller(
            "node", self._reconcile, (informers.nodes, _beaten), reads=(informers.vmis, informers.pods)
        )

    async def _reconcile(self, own: str) -> Result | None:
        node = self._informers.nodes.get(own)
        if node is not None:
            beat = annotations(node).get(names.HEARTBEAT)
            if beat is None:
                return None
            try:
                silent = self._clock.now() - parse_rfc3339(beat)
            except ValueError:
                return None
            if silent < LIMIT:
                return Result(requeue_after=(LIMIT - silent).total_seconds() + 1.0)
            await self._mark_unresponsive(node)
            if not await self._tell_of_orphans(node):
                return Result(requeue_after=_RECHECK)
        elif not self._informers.vmis.by_index(BY_NODE, own):
            return None
        await self._fail_instances(own)
        return Result(requeue_after=_RECHECK)

    async def _mark_unresponsive(self, node: Object) -> None:
        if labels(node).get(names.SCHEDULABLE) != "true":
            return
        message = "virt-handler is not responsive, marking node as unresponsive"
        self._recorder.event(node, NORMAL, "NodeUnresponsive", message)
        patch = {"metadata": {"labels": {names.SCHEDULABLE: "false"}}}
        await self._client.patch(NODES, name(node), None, patch, type="strategic")

    async def _tell_of_orphans(self, node: Object) -> bool:
        """Tell of guests on a node without a virt-handler pod, unless one is still to come. Nothing more is done where there is
        none, and not exactly one DaemonSet of them."""
        if not self._informers.vmis.by_index(BY_NODE, name(node)):
            return True
        here = f"spec.nodeName={name(node)}"
        if (await self._client.list(PODS, label_selector=_HANDLER, field_selector=here)).items:
            return True
        sets = (await self._client.list(DAEMON_SETS, label_selector=_HANDLER)).items
        if len(sets) != 1:
            log.error("shouuld only be running one virt-handler DaemonSet")  # sic
            return False
        if _has_settled(sets[0]):
            message = (
                "virt-handler is not present, there are orphaned vmis on this node. "
                "Run virt-handler on this node to migrate or remove them."
            )
            self._recorder.event(node, WARNING, "NodeUnresponsive", message)
        return True

    async def _fail_instances(self, node: str) -> None:
        """Every guest that is lost has failed, whatever becomes of the others. Raises ApiError, as one that is tried again."""
        refused: ApiError | None = None
        for vmi in self._informers.vmis.by_index(BY_NODE, node):
            phase = instance.phase(vmi)
            if phase not in (names.RUNNING, names.SCHEDULED) or self._has_living_pod(vmi, node):
                continue
            operations = patches.guarded("/status/phase", phase, names.FAILED)
            operations += patches.added("/status/reason", "NodeUnresponsive")
            message = f"virt-handler on node {node} is not responsive, marking VMI as failed"
            self._recorder.event(vmi, NORMAL, "NodeUnresponsive", message)
            try:
                await self._client.patch(
                    VIRTUAL_MACHINE_INSTANCES, name(vmi), namespace(vmi), operations, type="json"
                )
            except NotFound:
                continue
            except ApiError as error:
                refused = error
        if refused is not None:
            raise refused

    def _has_living_pod(self, vmi: Object, node: str) -> bool:
        return any(
            dig(pod, "spec", "nodeName") == node and not is_final(pod) and not _all_exited(pod)
            for pod in self._informers.pods.by_index(BY_OWNER, uid(vmi))
        )


def _has_settled(daemon_set: Object) -> bool:
    desired, *present = (
        dig(daemon_set, "status", member, default=0)
        for member in ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
    )
    return desired in present


def _all_exited(pod: Object) -> bool:
    statuses = dig(pod, "status", "containerStatuses", default=())
    return bool(statuses) and all(dig(one, "state", "terminated") for one in statuses)


def _beaten(old: Object | None, new: Object | None) -> Iterable[str]:
    """Wake for nodes that come, go, or change in what this controller looks at."""
    obj = new or old
    if obj is None:
        return ()
    if old is not None and new is not None:
        same = annotations(old).get(names.HEARTBEAT) == annotations(new).get(names.HEARTBEAT)
        if same and labels(old).get(names.SCHEDULABLE) == labels(new).get(names.SCHEDULABLE):
            return ()
    return (name(obj),)
