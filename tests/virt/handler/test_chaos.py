"""The pace at which things go wrong by themselves."""

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.resources import EVENTS, VIRTUAL_MACHINES

SPEC = {"domain": {"devices": {}, "memory": {"guest": "128Mi"}}, "terminationGracePeriodSeconds": 0}
MACHINES = [
    {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": f"vm-{number}", "namespace": "default"},
        "spec": {"runStrategy": "Always", "template": {"spec": SPEC}},
    }
    for number in range(4)
]


async def story(seed: int) -> tuple[list[tuple[str, str, str]], set[str]]:
    """What was told of guests in three minutes, and how the machines are then."""
    async with Cluster(clock=ManualClock(), pace="chaos", seed=seed, nodes=1) as cluster:
        await cluster.settle()
        await cluster.apply(MACHINES)
        await cluster.advance("3m")
        client = cluster.client()
        told = [
            (one["firstTimestamp"], one["involvedObject"]["name"], one["message"])
            for one in (await client.list(EVENTS, "default")).items
            if one["reason"] == "Stopped"
        ]
        machines = (await client.list(VIRTUAL_MACHINES, "default")).items
        return sorted(told), {one["status"]["printableStatus"] for one in machines}


async def test_guests_end_and_their_machines_bear_it() -> None:
    """Guests crash and shut down, and machines that always run start them again, or back off; by the seed, at the same times."""
    told, machines = await story(3)
    assert {message for _, _, message in told} == {
        "The VirtualMachineInstance crashed.",
        "The VirtualMachineInstance was shut down.",
    }
    assert machines <= {"Running", "Starting", "CrashLoopBackOff", "Stopping", "Stopped"}
    assert (await story(3))[0] == told
    assert (await story(1))[0] != told
