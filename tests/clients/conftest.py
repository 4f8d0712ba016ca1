"""A served API for clients that other people wrote: a process of its own, reached by a kubeconfig like any cluster."""

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakekube.client.kubeconfig import load

ROOT = Path(__file__).parents[2]
_ACTORS = ("namespaces", "garbage-collector", "nodes", "scheduler", "kubelet")


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """Of a `fakekube up` that runs for all tests here."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fakekube", "up", *(f"--only={actor}" for actor in _ACTORS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    process.stdout.readline()
    export = process.stdout.readline().strip()
    assert export, process.communicate()[1] if process.poll() is not None else "no kubeconfig"
    yield Path(export.partition("=")[2])
    process.terminate()
    assert process.communicate(timeout=30)[1] == "", "the server had nothing to complain about"


@pytest.fixture
def server(kubeconfig: Path) -> str:
    """Its address."""
    return load(kubeconfig).server


@pytest.fixture(autouse=True)
def _only_this_cluster(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients look around for clusters: let them find this one only."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for name in [name for name in os.environ if name.startswith("KUBERNETES_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _sweep() -> Iterator[None]:
    """These clients leave sockets to the garbage collector; that is theirs, and must not fail anybody else's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
