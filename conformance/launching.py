"""Starting what is to be judged, as child processes: `fakekube up`, and the pool controller beside it."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# With nobody but the API server, garbage collection and the pool controller, tests can play KubeVirt themselves.
NO_KUBEVIRT = ("virt-controller", "virt-handler", "virt-api", "cdi", "kubelet", "scheduler")


@contextlib.contextmanager
def fakekube(*without: str) -> Iterator[str]:
    """A fakekube of its own; the path of its kubeconfig."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        kubeconfig = str(Path(folder, "kubeconfig"))
        command = [sys.executable, "-m", "fakekube", "up", "--kubeconfig", kubeconfig]
        for name in without:
            command += ["--without", name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None, "it was asked for"
            if not process.stdout.readline():
                raise RuntimeError(f"fakekube ended with {process.wait()}")
            process.stdout.readline()
            yield kubeconfig
        finally:
            _end(process)


@contextlib.contextmanager
def controller(kubeconfig: str, *more: str) -> Iterator[subprocess.Popen[str]]:
    """The pool controller of this project, beside a cluster."""
    command = [sys.executable, "-m", "controller", "--kubeconfig", kubeconfig, "--metrics-port", "-1", *more]
    process = subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
