"""Machines that are started by their subresource, with all of KubeVirt in place: from the call to what becomes of it."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import condition, dig, uid
from fakekube.machinery.resources import EVENTS, SECRETS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES
from fakekube.testing import factories
from fakekube.traffic import history

NS = "default"
START = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/virtualmachines/vm/start"


class Site:
    """A cluster whose time is moved by hand, and its VM named vm."""

    def __init__(self, cluster):
        self.cluster, self.client = cluster, cluster.client()

    async def create(self, strategy, *, memory="64Mi"):
        made = factories.vm("vm", run_strategy=strategy)
        if not memory:
            del made["spec"]["template"]["spec"]["domain"]["memory"]
        await self.client.create(VIRTUAL_MACHINES, made, NS)
        await self.cluster.settle()

    async def start(self, **options):
        answer = await self.client.request("PUT", START, body=options)
        assert (answer.status, answer.body) == (202, b"")

    async def vm(self):
        return await self.client.get(VIRTUAL_MACHINES, "vm", NS)

    async def vmi(self):
        try:
            return await self.client.get(VIRTUAL_MACHINE_INSTANCES, "vm", NS)
        except NotFound:
            return None

    async def values(self, *path):
        """The values a member of the VM went through."""
        served = self.cluster.api.catalog.find("kubevirt.io", "v1", "virtualmachines")
        found = []
        for state in await history.states(self.cluster.api.store, served, f"{served.prefix}{NS}/vm"):
            if (value := dig(state, *path)) not in found[-1:]:
                found.append(value)
        return found


@pytest.fixture
async def site():
    async with Cluster(clock=ManualClock(), seed=1, without=["pool-controller"]) as cluster:
        await cluster.settle()
        yield Site(cluster)


async def test_manual(site):
    """V-055: a manual machine has no instance until it is started; the request is gone once it has one."""
    await site.create("Manual")
    await site.cluster.advance(60)
    assert await site.vmi() is None
    await site.start()
    await site.cluster.advance(5)
    assert (await site.vmi())["status"]["phase"] == "Running"
    assert await site.values("status", "stateChangeRequests") == [None, [{"action": "Start"}], None]
    assert (await site.vm())["spec"]["runStrategy"] == "Manual"


async def test_paused(site):
    """V-059: started paused, a halted machine asks for it, becomes Always, and its instance runs paused."""
    await site.create("Halted")
    await site.start(paused=True)
    await site.cluster.advance(5)
    request = {"action": "Start", "data": {"paused": "true"}}
    assert await site.values("status", "stateChangeRequests") == [None, [request], None]
    vm, vmi = await site.vm(), await site.vmi()
    assert (vm["spec"]["runStrategy"], vmi["spec"]["startStrategy"]) == ("Always", "Paused")
    assert (vm["status"]["printableStatus"], condition(vm, "Paused")["status"]) == ("Paused", "True")


async def test_without_memory(site):
    """V-032: a machine without memory is accepted; no instance is made, which condition and event say."""
    await site.create("Always", memory="")
    vm = await site.vm()
    failure = condition(vm, "Failure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert failure["message"].startswith("Failure while starting VMI: ")
    assert "no memory requested" in failure["message"]
    assert (await site.vmi(), vm["status"]["printableStatus"]) == (None, "Stopped")
    told = [
        (one["type"], one["reason"])
        for one in (await site.client.list(EVENTS, NS)).items
        if one["involvedObject"]["uid"] == uid(vm)
    ]
    assert told == [("Warning", "FailedCreate")]


@pytest.mark.parametrize(
    ("volumes", "credentials", "missing"),
    [
        ([{"name": "conf", "secret": {"secretName": "s"}}], [], "conf"),
        ([{"name": "init", "cloudInitNoCloud": {"secretRef": {"name": "s"}}}], [], "init-udata"),
        (
            [
                {
                    "name": "init",
                    "cloudInitConfigDrive": {"networkDataSecretRef": {"name": "s"}, "userData": "#"},
                }
            ],
            [],
            "init-ndata",
        ),
        ([{"name": "prep", "sysprep": {"secret": {"name": "s"}}}], [], "prep"),
        (
            [],
            [
                {
                    "sshPublicKey": {
                        "source": {"secret": {"secretName": "s"}},
                        "propagationMethod": {"noCloud": {}},
                    }
                }
            ],
            "s-access-cred",
        ),
    ],
)
async def test_a_secret_that_comes_later(site, volumes, credentials, missing):
    """A machine whose volumes or users' credentials come from a Secret that is not there is Starting until it is."""
    made = factories.vm("vm", run_strategy="Always")
    spec = made["spec"]["template"]["spec"]
    if credentials:
        volumes = [{"name": "init", "cloudInitNoCloud": {"userData": "#"}}]
        spec["accessCredentials"] = credentials
    spec["volumes"] = [*(spec.get("volumes") or ()), *volumes]
    disks = spec["domain"].setdefault("devices", {}).setdefault("disks", [])
    disks += [{"name": one["name"], "disk": {"bus": "virtio"}} for one in volumes]
    await site.client.create(VIRTUAL_MACHINES, made, NS)
    await site.cluster.settle()
    assert (await site.vm())["status"]["printableStatus"] == "Starting"
    [told] = [one for one in (await site.client.list(EVENTS, NS)).items if one["reason"] == "FailedMount"]
    assert told["message"] == f'MountVolume.SetUp failed for volume "{missing}" : secret "s" not found'
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": NS}}
    await site.client.create(SECRETS, secret)
    await site.cluster.settle()
    assert (await site.vm())["status"]["printableStatus"] == "Running"
