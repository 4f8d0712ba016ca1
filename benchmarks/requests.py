"""Each verb at one and at many connections, lists of collections that grow, and how near that is to what can be had.

Everything here goes over HTTP and is the same for any Kubernetes API: `--against` measures another one for comparison.
"""

import json
import statistics
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import machines
from benchmarks.asking import call, fetch, fill
from benchmarks.load import Ask, Load, Measured, Target, measure
from benchmarks.processes import bare
from benchmarks.records import Record, exponent

MANY = 32
SIZES = (1_000, 10_000, 100_000)
# How often kube-apiserver with etcd answered on a machine like this one, and how many times as often we want to.
_GOALS = {
    "GET": 4 * 4_000,
    "create": 3 * 1_700,
    "merge patch": 10 * 170,
    "apply": 10 * 170,
    "LIST of 500": 5 * 140,
}
_SELECTED, _SELECTED_SIZE = 10 * 16, 10_000
_VM_GOAL = 3 * 600
PAD = "x" * 400
MAPS = "/api/v1/namespaces/default/configmaps"
MERGE, STRATEGIC, APPLY = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)


def verbs(target: Target, seconds: float, *, virtual_machines: bool = True) -> Iterator[Record]:
    """Requests per second and latency of each verb, on one object or one small collection."""
    with _space(target) as space:
        maps = f"{space}/configmaps"
        call(target, "POST", maps, config("one"))
        asks = {
            "GET": Ask(f"{maps}/one"),
            "merge patch": Ask(f"{maps}/one", "PATCH", '{"data":{"k":"@N@"}}', MERGE),
            "strategic merge patch": Ask(f"{maps}/one", "PATCH", '{"data":{"k":"@N@"}}', STRATEGIC),
            "apply": Ask(f"{maps}/one?fieldManager=bench&force=true", "PATCH", _applied("one"), APPLY),
            "create": Ask(maps, "POST", _text({"metadata": {"generateName": "made-"}, "data": {"pad": PAD}})),
        }
        for name, ask in asks.items():
            yield from _at_both(target, name, ask, seconds)
        fill(target, f"{space}/secrets", (config(f"s-{number}", kind="Secret") for number in range(500)))
        yield from _at_both(target, "LIST of 500", Ask(f"{space}/secrets?limit=500"), seconds)
        if virtual_machines:
            made = machines.machine("@N@")
            made["metadata"] = {"generateName": "made-"}
            made["spec"]["runStrategy"] = "Halted"
            path = f"/apis/kubevirt.io/v1{space.removeprefix('/api/v1')}/virtualmachines"
            done = measure(target, Ask(path, "POST", _text(made)), Load(seconds, MANY))
            yield Record(
                "create VirtualMachine, full schema",
                done.rate,
                "/s",
                _VM_GOAL,
                most=False,
                remark=_late(done),
            )


def _at_both(target: Target, name: str, ask: Ask, seconds: float) -> Iterator[Record]:
    for connections in (1, MANY):
        done = measure(target, ask, Load(seconds, connections))
        goal = _GOALS.get(name) if connections == MANY else None
        yield Record(
            f"{name}, {connections} connections", done.rate, "/s", goal, most=False, remark=_late(done)
        )


def growing(target: Target, seconds: float, sizes: tuple[int, ...] = SIZES) -> Iterator[Record]:
    """Lists of ever larger collections, and what a GET costs beside them."""
    with _space(target) as space:
        maps = f"{space}/configmaps"
        there = 0
        took: dict[str, dict[int, float]] = {}
        for size in sizes:
            fill(
                target,
                maps,
                (config(f"c-{number}", {"n": str(number % 100)}) for number in range(there, size)),
            )
            there = size
            asks = {
                "GET beside": Ask(f"{maps}/c-500"),
                "LIST, page of 500 of": Ask(f"{maps}?limit=500"),
                "LIST, label that one in a hundred has, of": Ask(f"{maps}?labelSelector=n%3D7"),
                "LIST, label that nobody has, of": Ask(f"{maps}?labelSelector=n%3Dnone"),
            }
            for name, ask in asks.items():
                done = measure(target, ask, Load(seconds, 16))
                is_goal = "nobody" in name and size == _SELECTED_SIZE
                goal = _SELECTED if is_goal else None
                yield Record(
                    f"{name} {size:,} objects", done.rate, "/s", goal, most=False, remark=_late(done)
                )
                took.setdefault(name, {})[size] = 1 / done.rate
        for name, seconds_by_size in took.items():
            if len(sizes) > 1:
                flat = 1.1 if "label" in name else 0.1
                yield Record(f"{name} n objects, exponent", exponent(seconds_by_size), "", flat)


def limits(target: Target, seconds: float) -> Iterator[Record]:
    """A GET in turns with a bare server that sends the same bytes: what else the machine does falls on all of them."""
    with _space(target) as space:
        path = f"{space}/configmaps/one"
        call(target, "POST", f"{space}/configmaps", config("one"))
        body, load, ask = fetch(target, path), Load(seconds, 16), Ask(path)
        rates: dict[str, list[float]] = {"raw": [], "bare": [], "ours": []}
        with bare(body) as plain, bare(body, "--raw") as raw:
            for _ in range(3):
                for name, url in (("raw", Target(raw.url)), ("bare", Target(plain.url)), ("ours", target)):
                    rates[name].append(measure(url, ask, load).rate)
    top, most, got = (statistics.median(rates[name]) for name in ("bare", "raw", "ours"))
    yield Record("raw loopback, a constant answer", most, "/s", remark=f"{len(body)} bytes, asyncio protocol")
    yield Record("aiohttp's low-level server, the same answer", top, "/s")
    yield Record("GET as a share of aiohttp's", got / top * 100, "%", 50, most=False, remark=f"{got:,.0f}/s")


@contextmanager
def _space(target: Target) -> Iterator[str]:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    call(target, "POST", "/api/v1/namespaces", space)
    yield f"/api/v1/namespaces/{name}"
    call(target, "DELETE", f"/api/v1/namespaces/{name}")


def config(name: str, labels: dict[str, str] | None = None, kind: str = "ConfigMap") -> dict[str, object]:
    member = "data" if kind == "ConfigMap" else "stringData"
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, member: {"k": "v", "pad": PAD}}


def _applied(name: str) -> str:
    return _text({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "@N@"}})


def _text(obj: object) -> str:

    return json.dumps(obj)


def _late(done: Measured) -> str:
    return f"p50 {done.p50:.2f} ms, p99 {done.p99:.2f} ms"
