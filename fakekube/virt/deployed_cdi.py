"""CDI as an installation that is complete: its version, and the status of its object. Pure.

Origin: cdi: pkg/operator/controller
"""

from fakekube.machinery.wire import Object

VERSION = "v1.66.0"


def status(now: str) -> Object:
    """The status of a CDI object."""
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {
        "phase": "Deployed",
        "operatorVersion": VERSION,
        "targetVersion": VERSION,
        "observedVersion": VERSION,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "DeployCompleted", **times},
            {"type": "Progressing", "status": "False", **times},
            {"type": "Degraded", "status": "False", **times},
        ],
    }
