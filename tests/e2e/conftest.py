"""A running `fakekube up` and the kubectls of this machine."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "examples" / "vm-pool-cirros.yaml"


@cache
def kubectls() -> dict[str, str]:
    """Name → path: kubectl on PATH, its oldest and newest versioned sibling (the Google Cloud SDK has such), and every
    file or folder that $FAKEKUBE_KUBECTLS lists."""
    found: dict[str, str] = {}
    default = shutil.which("kubectl")
    if default:
        found["kubectl"] = default
        siblings = versioned(Path(default).resolve().parent)
        found |= {path.name: str(path) for path in siblings[:1] + siblings[-1:]}
    for entry in filter(None, os.environ.get("FAKEKUBE_KUBECTLS", "").split(os.pathsep)):
        paths = versioned(Path(entry)) if Path(entry).is_dir() else [Path(entry)]
        found |= {path.name: str(path) for path in paths}
    return found


def versioned(folder: Path) -> list[Path]:
    """`kubectl.1.27`, `kubectl.1.28`, …, oldest first."""
    found = [path for path in folder.glob("kubectl.1.*") if re.fullmatch(r"kubectl\.1\.\d+", path.name)]
    return sorted((path for path in found if os.access(path, os.X_OK)), key=lambda path: int(path.suffix[1:]))


class Kubectl:
    """One kubectl, talking to one server, in a namespace of its own."""

    def __init__(self, binary: str, kubeconfig: Path, home: Path, namespace: str) -> None:
        self.binary = binary
        self.namespace = namespace
        self.environment = os.environ | {"KUBECONFIG": str(kubeconfig), "HOME": str(home)}

    def __call__(self, *arguments: str, stdin: str | None = None, code: int = 0) -> str:
        """The standard output; the command must end with `code`."""
        done = self.run(*arguments, stdin=stdin)
        said = f"kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, said
        return done.stdout

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.line(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command that goes on until it is ended."""
        return subprocess.Popen(
            self.line(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def line(self, *arguments: str) -> list[str]:
        return [self.binary, "--namespace", self.namespace, *arguments]


class Up:
    """`fakekube up` as a user starts it."""

    def __init__(self, *flags: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakekube", "up", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.title = self.process.stdout.readline()
        self.export = self.process.stdout.readline().strip()
        if not self.export.startswith("export KUBECONFIG="):
            self.process.kill()
            raise AssertionError(self.title + self.export + self.process.communicate()[1])
        self.kubeconfig = Path(self.export.partition("=")[2])

    def stop(self) -> str:
        """End it as Ctrl-C does; its complaints."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=30)[1]


@pytest.fixture(scope="session")
def up() -> Iterator[Up]:
    if not kubectls():
        pytest.skip("no kubectl on PATH and none in $FAKEKUBE_KUBECTLS")
    running = Up()
    yield running
    assert running.stop() == "", "the server had nothing to complain about"


@pytest.fixture(params=kubectls() or ["kubectl"])
def kubectl(
    request: pytest.FixtureRequest, up: Up, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """Each kubectl in turn, in a fresh namespace."""
    binary = kubectls()[request.param]
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    tool = Kubectl(binary, up.kubeconfig, tmp_path_factory.mktemp("home"), test[:50].strip("-"))
    tool("create", "namespace", tool.namespace)
    yield tool
    tool("delete", "namespace", tool.namespace, "--wait=false")


GENERATIONS = {
    path.name: str(path)
    for known in kubectls().values()
    for path in versioned(Path(known).resolve().parent)
    if path.name in ("kubectl.1.27", "kubectl.1.30", "kubectl.1.33")
}


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    if not GENERATIONS:
        pytest.skip("none of kubectl.1.27, kubectl.1.30, kubectl.1.33 is here")
    with pytest.MonkeyPatch.context() as patch:  # kubectl shows tokens only over TLS
        patch.setenv("FAKEKUBE_STATE", str(tmp_path_factory.mktemp("state")))
        running = Up(
            "--without",
            "kubevirt",
            "--without",
            "workloads",
            "--authorization",
            "rbac",
            "--token",
            "admin",
            "--tls",
        )
    yield running
    assert running.stop() == "", "the server had nothing to complain about"


@pytest.fixture(params=sorted(GENERATIONS) or ["kubectl"], scope="module")
def k(
    request: pytest.FixtureRequest, served: Up, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """One kubectl, in a namespace of its own; the tests of one module share it."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{request.param} {request.path.stem.removeprefix('test_')}")
    tool = Kubectl(GENERATIONS[request.param], served.kubeconfig, tmp_path_factory.mktemp("home"), name)
    assert tool("create", "namespace", name) == f"namespace/{name} created\n"
    yield tool
    tool("delete", "namespace", name, "--wait=false")
