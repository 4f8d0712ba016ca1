"""A budget for the hot paths, in function calls: the same on every machine, and a change that doubles the work is seen.

Calls of Python functions are counted, not time. The figures are what a request costs today and a quarter more.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import pytest

from fakekube.api.registry import codec
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.wire import Request, Response
from fakekube.virt.api.encoding import encode_machine

MAPS = "/api/v1/namespaces/default/configmaps"
CONFIG = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"%s"},"data":{"k":"v"}}'
JSON = {"content-type": "application/json"}
MERGE = {"content-type": "application/merge-patch+json"}
APPLY = {"content-type": "application/apply-patch+yaml"}


@pytest.fixture
async def cluster():
    async with Cluster(clock=ManualClock(), seed=1, only=["api"]) as running:
        for name in (b"a", b"b"):
            assert (await running(Request("POST", MAPS, "", JSON, CONFIG % name))).status == 201
        yield running


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Counts the Python functions that are entered, as `call`."""
    counted: Counter[str] = Counter()
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _argument: counted.update((event,)))
    try:
        yield counted
    finally:
        sys.setprofile(before)


async def calls(act: Callable[[], Awaitable[Response]]) -> int:
    """Python functions entered during the second run: the first one fills caches."""
    assert (await act()).status < 300
    with counting() as counted:
        answer = await act()
    assert answer.status < 300
    return counted["call"]


BUDGET = {"get": 42, "list": 70, "create": 195, "merge patch": 260, "apply": 585}


@pytest.mark.parametrize("what", BUDGET)
async def test_requests_stay_within_their_budget(cluster, what):
    """What a request costs is counted in function calls."""
    numbers = iter(range(100))
    requests = {
        "get": lambda: Request("GET", f"{MAPS}/a", "", {}, b""),
        "list": lambda: Request("GET", MAPS, "limit=500", {}, b""),
        "create": lambda: Request("POST", MAPS, "", JSON, CONFIG % f"c-{next(numbers)}".encode()),
        "merge patch": lambda: Request(
            "PATCH", f"{MAPS}/a", "", MERGE, b'{"data":{"k":"%d"}}' % next(numbers)
        ),
        "apply": lambda: Request(
            "PATCH", f"{MAPS}/b", "fieldManager=m&force=true", APPLY, CONFIG % b"b" + b" " * next(numbers)
        ),
    }
    spent = await calls(lambda: cluster(requests[what]()))
    assert spent <= BUDGET[what], f"{spent} calls; if that is worth it, say so in the budget"


async def test_a_list_does_not_decode_what_it_sends(cluster, monkeypatch):
    """Bytes are stored once and sent many times: a longer list costs no decoding."""
    decoded = []
    monkeypatch.setattr(codec, "decode", lambda *arguments: decoded.append(arguments))
    assert (await cluster(Request("GET", MAPS, "", {}, b""))).status == 200
    assert not decoded


async def test_an_event_is_encoded_once_for_all_watchers(cluster, monkeypatch):
    """Watchers of one resource are sent the same bytes object, not equal ones."""
    streams = []
    for _ in range(20):
        answer = await cluster(
            Request("GET", MAPS, f"watch=true&resourceVersion={cluster.store.revision}", {}, b"")
        )
        streams.append(answer.stream)
    await cluster(Request("POST", MAPS, "", JSON, CONFIG % b"told"))
    chunks = [await anext(stream) for stream in streams]
    assert all(b'"told"' in chunk for chunk in chunks)
    assert len({id(chunk) for chunk in chunks}) == 1
    for stream in streams:
        await stream.aclose()


def test_a_machine_is_encoded_with_few_calls():
    """Every write of a machine's spec or metadata is encoded anew: what there is to look at is looked at once."""
    disks = [{"name": name, "disk": {"bus": "virtio"}} for name in ("root", "seed")]
    domain = {"devices": {"disks": disks}, "memory": {"guest": "1024Mi"}, "resources": {}}
    volumes = [{"name": "root", "containerDisk": {"image": "i"}}, {"name": "seed", "cloudInitNoCloud": {}}]
    machine = {"template": {"spec": {"domain": domain, "volumes": volumes}}}
    encode_machine(deepcopy(machine))  # which fills the memo of quantities
    with counting() as counted:
        encode_machine(machine)
    assert domain["memory"]["guest"] == "1Gi"
    assert counted["call"] <= 20
