"""Upstream's functional specs of memory dumps: to claims that are there, by name once, and taken away again.

Origin: kubevirt: tests/storage/memorydump.go, tests/virtctl/memorydump.go
"""

import pytest

from fakekube.agents.volume_contents import volume_of
from tests.upstream import storage
from tests.upstream.conftest import Object, Suite
from tests.upstream.storage import CLAIMS, Machine

FIRST, SECOND = "fs-pvc", "fs-pvc2"
MARK = "kubevirt.io/memory-dump"


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    await suite.create(CLAIMS, storage.claim(FIRST, size="500Mi"))
    return suite


@pytest.fixture
async def vm(suite: Suite) -> Machine:
    return await Machine.of(suite, storage.machine(strategy="Always"))


async def complete(vm: Machine, claim: str = FIRST, than: str = "") -> str:
    """The time the dump was done, later than another; it is told, and a volume of the machine, not of the instance."""

    async def look() -> Object | None:
        found = (await vm.get())["status"].get("memoryDumpRequest", {})
        done = found.get("phase") == "Completed" and found["startTimestamp"] != than
        return found if done else None

    request = dict(await vm.suite.eventually(look, 90))
    assert (request["claimName"], "message" in request) == (claim, False)
    assert request["endTimestamp"]
    volumes = (await vm.get())["spec"]["template"]["spec"]["volumes"]
    assert [one["memoryDump"]["claimName"] for one in volumes if "memoryDump" in one] == [claim]
    found = await vm.suite.get(f"{CLAIMS}/{claim}")
    assert found["metadata"]["annotations"][MARK] == request["fileName"]
    assert list(vm.suite.cluster.contents.read(volume_of(found), "files")) == [request["fileName"]]
    status, vmi = await vm.suite.call("GET", vm.instance)
    if status == 200:
        assert claim not in [one["name"] for one in vmi["spec"]["volumes"]]
        assert claim not in [one["name"] for one in vmi["status"].get("volumeStatus", ())]
    return str(request["startTimestamp"])


async def removed(vm: Machine, claim: str = FIRST) -> None:
    """Dump and claim have nothing to do with the machine any more."""
    assert await vm.act("removememorydump") == {}

    async def look() -> bool:
        found = await vm.get()
        volumes = [one["name"] for one in found["spec"]["template"]["spec"]["volumes"]]
        return "memoryDumpRequest" not in found["status"] and claim not in volumes

    await vm.suite.eventually(look, 90)


async def test_several_dumps(suite: Suite, vm: Machine) -> None:
    """The first names the claim, the others need not; then it is removed, and the claim still says what it holds."""
    began = ""
    for body in ({"claimName": FIRST}, {}, {}):
        assert await vm.act("memorydump", body) == {}
        began = await complete(vm, than=began)
        await suite.cluster.advance(1)
    await removed(vm)
    assert (await suite.get(f"{CLAIMS}/{FIRST}"))["metadata"]["annotations"][MARK]


async def test_another_claim(suite: Suite, vm: Machine) -> None:
    """After the first has been removed, another claim takes the next; before that it is refused."""
    assert await vm.act("memorydump", {"claimName": FIRST}) == {}
    await complete(vm)
    await suite.create(CLAIMS, storage.claim(SECOND, size="500Mi"))
    assert (await vm.act("memorydump", {"claimName": SECOND}))["code"] == 409
    await removed(vm)
    assert await vm.act("memorydump", {"claimName": SECOND}) == {}
    await complete(vm, SECOND)
    await removed(vm, SECOND)


async def test_a_machine_that_stops_and_starts(suite: Suite, vm: Machine) -> None:
    """The dump stays told while it is off, and does not come back into the instance."""
    assert await vm.act("memorydump", {"claimName": FIRST}) == {}
    await complete(vm)
    await vm.stop()
    await complete(vm)
    await vm.start()
    await complete(vm)
    await vm.stop()
    await removed(vm)


async def test_a_claim_too_small(suite: Suite, vm: Machine) -> None:
    """It is refused with what it would have to hold."""
    await suite.create(CLAIMS, storage.claim("fs-pvc-small", size="200Mi"))
    refusal = await vm.act("memorydump", {"claimName": "fs-pvc-small"})
    assert "should be bigger then" in refusal["message"]
    assert "memoryDumpRequest" not in (await vm.get())["status"]


async def test_a_dump_that_is_stuck(suite: Suite, vm: Machine) -> None:
    """While its claim is not bound the dump is in progress, and can be removed; the claim holds nothing."""
    await suite.create(CLAIMS, storage.claim(SECOND, size="500Mi", storage="no-exist"))
    assert await vm.act("memorydump", {"claimName": SECOND}) == {}

    async def in_progress() -> bool:
        return (await vm.get())["status"].get("memoryDumpRequest", {}).get("phase") == "InProgress"

    await suite.eventually(in_progress, 90)
    await removed(vm, SECOND)
    assert MARK not in (await suite.get(f"{CLAIMS}/{SECOND}"))["metadata"].get("annotations", {})
    assert SECOND not in [one["name"] for one in (await vm.vmi())["spec"]["volumes"]]
