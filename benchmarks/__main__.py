"""`make bench`: the first table. Ratios compare servers measured in the same run on the same machine; the rest is for
orientation. Nothing here passes or fails: a figure out of line is for people to look into.
"""

import asyncio
import json
import shutil
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import Load, rate
from benchmarks.processes import BARE, Running, bare, fakekube
from benchmarks.watching import fan_out

STARTS = 5
LOAD = Load(seconds=3.0, connections=16)
MANIFEST = Path(__file__).parents[1] / "examples" / "vm-pool-cirros.yaml"
SPACE = "/api/v1/namespaces/default/configmaps"

Row = tuple[str, str, str]  # what, figure, goal or remark


def main() -> None:
    tool = "wrk" if shutil.which("wrk") else "the load generator of this folder (wrk is not on PATH)"
    print(
        f"Python {sys.version.split()[0]}, load by {tool}, {LOAD['connections']} connections, {LOAD['seconds']:.0f} s each\n"
    )
    for what, figure, remark in rows():
        print(f"{what:<44}{figure:>14}   {remark}", flush=True)


def rows() -> Iterator[Row]:
    starts = []
    for _ in range(STARTS):
        with fakekube() as server:
            starts.append(server.first_answer)
    yield (
        "start to first answer, KubeVirt included",
        f"{statistics.median(starts) * 1000:.0f} ms",
        "goal: 500 ms or less",
    )
    with fakekube() as server:
        yield "memory when idle (RSS)", f"{server.rss_mb():.0f} MB", "goal: 80 MB or less"
        yield "three VMs of the page, create to Ready", f"{three_vms(server):.2f} s", "goal: 1 s or less"
    with fakekube("--only", "api") as server:
        yield from requests(server)
    with fakekube("--only", "api") as server:
        events, seconds = asyncio.run(fan_out(server.url, watchers=100, writes=300))
        yield (
            "watch, 100 watchers of one namespace",
            f"{events / seconds:,.0f}/s",
            f"{events:,} events in {seconds:.2f} s",
        )


def requests(server: Running) -> Iterator[Row]:
    """GET against a bare server with the same bytes, then writes and lists."""
    pad = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one"},
        "data": {"k": "v", "pad": "x" * 400},
    }
    call(server, "POST", SPACE, pad)
    body = fetch(server, f"{SPACE}/one")
    with bare(body) as reference:
        most, ours = [], []
        for _ in range(3):  # in turns, so that what else the machine does falls on both
            most.append(rate(reference.url, f"{SPACE}/one", **LOAD))
            ours.append(rate(server.url, f"{SPACE}/one", **LOAD))
    top, got = statistics.median(most), statistics.median(ours)
    yield f"{BARE}, {len(body)} bytes", f"{top:,.0f}/s", "the most this machine can do with aiohttp"
    yield "GET of one object", f"{got:,.0f}/s", f"{got / top:.0%} of it; goal: 50 % or more"
    made = json.dumps(pad | {"metadata": {"generateName": "made-"}}).encode()
    yield "create", f"{rate(server.url, SPACE, method='POST', body=made, **LOAD):,.0f}/s", ""
    listed = rate(server.url, f"{SPACE}?limit=500", **LOAD)
    yield "LIST of 500", f"{listed:,.0f}/s", f"{listed * 500:,.0f} objects/s"


def three_vms(server: Running) -> float:
    """Seconds from creating the page's pool to three ready replicas, over HTTP."""
    import yaml  # noqa: PLC0415 - the one place

    manifest = yaml.safe_load(MANIFEST.read_text())
    pools = "/apis/pool.kubevirt.io/v1alpha1/namespaces/default/virtualmachinepools"
    began = time.perf_counter()
    call(server, "POST", pools, manifest)
    while (json.loads(fetch(server, f"{pools}/vm-pool-cirros")).get("status") or {}).get(
        "readyReplicas"
    ) != 3:
        if time.perf_counter() - began > 30:
            raise SystemExit("the three VMs did not become ready in 30 s")
        time.sleep(0.005)
    return time.perf_counter() - began


def fetch(server: Running, path: str) -> bytes:
    with urllib.request.urlopen(server.url + path, timeout=30) as answer:
        body: bytes = answer.read()
    return body


def call(server: Running, method: str, path: str, body: object) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


if __name__ == "__main__":
    main()
