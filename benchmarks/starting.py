"""Starting, importing, and the memory of a server at rest and full."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks import requests
from benchmarks.asking import call, fill
from benchmarks.load import Target
from benchmarks.processes import ROOT, Running, fakekube
from benchmarks.records import Record

STARTS = 5
_POOLS = "/apis/pool.kubevirt.io/v1alpha1/namespaces/default/virtualmachinepools"
_MANIFEST = ROOT / "examples" / "vm-pool-cirros.yaml"
_FULL = {10_000: 935 / 5, 100_000: None}  # objects, and how many MB are few: a fifth of kube-apiserver's
_IMPORTS = {"fakekube": 0.25, "fakekube.cluster": None, "pytest, then the plugin": 0.03}


def starting() -> Iterator[Record]:
    """Until the first answer, and until the three VMs of the pool page are ready."""
    starts = []
    for _ in range(STARTS):
        with fakekube() as server:
            starts.append(server.first_answer)
    yield Record("start to first answer, KubeVirt included", statistics.median(starts) * 1000, "ms", 500)
    with fakekube() as server:
        yield Record("memory when idle (RSS)", server.rss_mb(), "MB", 80)
        yield Record("three VMs of the page, create to Ready", _three_vms(server), "s", 1)


def importing() -> Iterator[Record]:
    """Seconds of CPU time in a fresh interpreter, the median of some; the plugin's without pytest's own."""
    for name, goal in _IMPORTS.items():
        before, module = ("import pytest", "fakekube.pytest_plugin") if "plugin" in name else ("", name)
        code = (
            f"{before}\nimport time; t = time.process_time(); import {module}; print(time.process_time() - t)"
        )
        said = [
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
            for _ in range(STARTS)
        ]
        yield Record(f"import {name}", statistics.median(map(float, said)), "s", goal)


def filling() -> Iterator[Record]:
    """Resident memory with ever more small objects."""
    with fakekube("--only", "api") as server:
        target, there, empty = Target(server.url), 0, server.rss_mb()
        for size, goal in _FULL.items():
            fill(target, requests.MAPS, (requests.config(f"c-{number}") for number in range(there, size)))
            there, full = size, server.rss_mb()
            remark = f"{(full - empty) / size * 1024:.2f} KB an object of {len(requests.PAD)} bytes, history included"
            yield Record(f"memory with {size:,} objects (RSS)", full, "MB", goal, remark=remark)


def _three_vms(server: Running) -> float:
    """Seconds from creating the page's pool to three ready replicas, over HTTP."""
    import yaml  # noqa: PLC0415 - the one place

    target = Target(server.url)
    began = time.perf_counter()
    call(target, "POST", _POOLS, yaml.safe_load(_MANIFEST.read_text()))
    while (call(target, "GET", f"{_POOLS}/vm-pool-cirros").get("status") or {}).get("readyReplicas") != 3:
        if time.perf_counter() - began > 30:
            raise SystemExit("the three VMs did not become ready in 30 s")
        time.sleep(0.005)
    return time.perf_counter() - began
