"""What a node reports of a guest: the statuses it writes, at a moment. Pure.

Origin: kubevirt: pkg/virt-handler/vm.go
"""

from datetime import datetime

from fakekube.clock import rfc3339
from fakekube.machinery.objects import condition_is, conditions, dig
from fakekube.machinery.wire import Object
from fakekube.virt import sides
from fakekube.virt.handler import agent, commands, domain, migratability, migration, systems

SYNC_ERROR = (
    "server error. command SyncVMI failed: \"LibvirtError(Code=1, Domain=10, Message='internal error: "
    "process exited while connecting to monitor')\""
)
STRANDED = "source VMI failed"

_UNSUPPORTED = "UnsupportedAgent"
_SYNCHRONIZED = {
    "type": "AccessCredentialsSynchronized",
    "status": "True",
    "lastProbeTime": None,
    "lastTransitionTime": None,
}


class Reports:
    """Statuses of one guest; `pod` is the launcher it runs in, as far as there is one."""

    def __init__(self, vmi: Object, pod: Object, moment: datetime, movable: migratability.Movable) -> None:
        self._vmi = vmi
        self._pod = pod
        self._now = rfc3339(moment)
        self._movable = movable
        self._status: Object = vmi.get("status") or {}

    def running(self) -> Object:
        starts_paused = dig(self._vmi, "spec", "startStrategy") == "Paused"
        return self._running([commands.paused(*commands.BY_USER, self._now)] if starts_paused else [])

    def talking(self) -> Object:
        return self._with_agent(self.running())

    def arrived(self, source: Object | None) -> Object:
        """A guest that comes from another instance goes on as it was there; what paused it for the copying is over."""
        there = [one for one in conditions(source or {}) if one["type"] == "Paused"]
        stands = [
            commands.paused(one["reason"], one["message"], self._now)
            for one in there
            if one["reason"] != migration.BY_MONITOR
        ]
        status = self._running(stands)
        talks = source is not None and condition_is(source, "AgentConnected")
        return self._with_agent(status) if talks else status

    def _running(self, stands: list[Object]) -> Object:
        status: Object = dict(self._status)
        told = [*migratability.conditions(self._vmi, self._movable), *stands]
        kinds = {one["type"] for one in told}
        listed = [one for one in conditions(self._vmi) if one["type"] not in kinds]
        status["conditions"] = [*listed, *told]
        status |= {
            "phase": "Running",
            "phaseTransitionTimestamps": self._transitions("Running"),
            "interfaces": domain.interfaces(self._vmi, self._pod, agent=False),
            "volumeStatus": domain.volume_statuses(self._vmi),
            "machine": {"type": domain.machine_type(self._vmi)},
            "memory": domain.memory(self._vmi),
            "migrationMethod": migratability.method(self._vmi),
            "selinuxContext": "none",
        }
        status.setdefault("currentCPUTopology", domain.cpu_topology(self._vmi))
        status.setdefault("guestOSInfo", {})
        return {member: value for member, value in status.items() if value != []}

    def unsynced(self) -> Object:
        told: Object = {
            "type": "Synchronized",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": self._now,
            "reason": "Synchronizing with the Domain failed.",
            "message": SYNC_ERROR,
        }
        return self._with_condition(told)

    def connected(self) -> Object:
        return self._with_agent(self._status)

    def disconnected(self) -> Object:
        """What the agent told stays known; addresses are the domain's again."""
        listed = [one for one in conditions(self._vmi) if one["type"] != "AgentConnected"]
        interfaces = domain.interfaces(self._vmi, self._pod, agent=False)
        told = [{k: v for k, v in one.items() if k != "interfaceName"} for one in interfaces]
        return {**self._status, "conditions": listed, "interfaces": told}

    def paused(self) -> Object:
        reason, text = "PausedIOError", "VMI was paused, low-level IO error detected"
        return self._with_condition(commands.paused(reason, text, self._now))

    def thawed(self) -> Object:
        return {key: value for key, value in self._status.items() if key != "fsFreezeStatus"}

    def ended(self, phase: str) -> Object:
        told: Object = {
            **self._status,
            "phase": phase,
            "phaseTransitionTimestamps": self._transitions(phase),
        }
        if self.is_stranded():
            told["migrationState"] = {
                **self._status["migrationState"],
                "migrationUid": sides.of(self._vmi, sides.SOURCE)["migrationUID"],
                "failed": True,
                "completed": True,
                "endTimestamp": self._now,
                "failureReason": STRANDED,
            }
        return told

    def is_stranded(self) -> bool:
        """Whether it was about to leave for another instance."""
        begun = sides.sends(self._vmi) and sides.met(self._vmi)
        return begun and not dig(self._status, "migrationState", "completed")

    def _with_agent(self, status: Object) -> Object:
        connected = {
            "type": "AgentConnected",
            "status": "True",
            "lastTransitionTime": None,
            "lastProbeTime": self._now,
        }
        told: list[Object] = [connected]
        if lacks := agent.shortcoming(self._vmi):
            told.append({**connected, "type": _UNSUPPORTED, "reason": lacks})
        elif agent.brings(self._vmi):
            told.append(_SYNCHRONIZED)
        kinds = {*(one["type"] for one in told), _UNSUPPORTED}
        listed = [one for one in status.get("conditions") or () if one["type"] not in kinds]
        return {
            **status,
            "conditions": [*listed, *told],
            "guestOSInfo": systems.guest_os(self._vmi),
            "interfaces": domain.interfaces(self._vmi, self._pod, agent=True),
        }

    def _with_condition(self, told: Object) -> Object:
        changed: Object = commands.with_condition(self._vmi, told)["status"]
        return changed

    def _transitions(self, phase: str) -> list[Object]:
        known = list(self._status.get("phaseTransitionTimestamps") or ())
        if any(one.get("phase") == phase for one in known):
            return known
        return [*known, {"phase": phase, "phaseTransitionTimestamp": self._now}]
