"""Workloads and their pods as people use them: rolled out, scaled, looked into, connected to, deleted."""

import http.client
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import Kubectl, Up, kubectls

STATEFUL = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: "example.com/db:1"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: main, image: "example.com/agent:1"}]}
"""
WAIT = "--timeout=20s"


@pytest.fixture
def k(up: Up, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """One kubectl, in a namespace of its own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    tool = Kubectl(next(iter(kubectls().values())), up.kubeconfig, tmp_path_factory.mktemp("home"), name)
    tool("create", "namespace", name)
    yield tool
    tool("delete", "namespace", name, "--wait=false")


def test_a_deployment(k: Kubectl) -> None:
    """Created, exposed, rolled out, undone, restarted, paused, scaled, deleted."""
    k("create", "deployment", "web", "--image=example.com/web:1", "--replicas=2", "--port=8080")
    assert "successfully rolled out" in k("rollout", "status", "deployment/web", WAIT)
    assert k("expose", "deployment", "web", "--port=80") == "service/web exposed\n"
    k("wait", "--for=jsonpath={.subsets[0].addresses[1].ip}", "endpoints/web", WAIT)
    k("set", "image", "deployment/web", "web=example.com/web:2")
    k("rollout", "status", "deployment/web", WAIT)
    assert re.findall(r"^(\d)", k("rollout", "history", "deployment/web"), re.MULTILINE) == ["1", "2"]
    assert k("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    k("rollout", "status", "deployment/web", WAIT)
    assert k("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}") == " ".join(
        ["example.com/web:1"] * 2
    )
    before = k("get", "pods", "-o", "name")
    k("rollout", "restart", "deployment/web")
    k("rollout", "status", "deployment/web", WAIT)
    assert not set(before.split()) & set(k("get", "pods", "-o", "name").split())
    k("rollout", "pause", "deployment/web")
    k("set", "image", "deployment/web", "web=example.com/web:3")
    k("scale", "deployment/web", "--replicas=3")
    k("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", WAIT)
    assert "web:3" not in k("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}")
    k("rollout", "resume", "deployment/web")
    k("rollout", "status", "deployment/web", WAIT)
    _, row = k("get", "deployment").splitlines()
    assert row.split()[:4] == ["web", "3/3", "3", "3"]
    assert "ScalingReplicaSet" in k("describe", "deployment", "web")
    k("delete", "deployment", "web", "--cascade=foreground", WAIT)
    assert k("get", "pods,replicasets", "-o", "name") == ""


def test_sets(k: Kubectl) -> None:
    """A StatefulSet and a DaemonSet are rolled out, updated, and leave their pods behind if they are told to."""
    k("apply", "-f", "-", stdin=STATEFUL)
    for what in ("statefulset/db", "daemonset/agent"):
        k("rollout", "status", what, WAIT)
        k("set", "image", what, "main=example.com/new:2")
        k("rollout", "status", what, WAIT)
        assert re.findall(r"^(\d)", k("rollout", "history", what), re.MULTILINE) == ["1", "2"]
        k("rollout", "undo", what)
        k("rollout", "status", what, WAIT)
    assert k("get", "pods", "-l", "app=db", "-o", "name") == "pod/db-0\npod/db-1\n"
    k("delete", "statefulset", "db", "--cascade=orphan")
    assert k("get", "pods", "-l", "app=db", "-o", "name") == "pod/db-0\npod/db-1\n"


def test_jobs(k: Kubectl) -> None:
    """A Job completes, one made of a CronJob too, and its log can be read afterwards."""
    k("create", "job", "once", "--image=example.com/work:1")
    k("wait", "--for=condition=Complete", "job/once", WAIT)
    assert k("logs", "job/once").splitlines()[-1] == "once: finished"
    k("create", "job", "script", "--image=busybox", "--", "sh", "-c", "echo 'it works'; exit $(echo 0)")
    k("wait", "--for=condition=Complete", "job/script", WAIT)
    assert k("logs", "job/script") == "it works\n"
    k("create", "cronjob", "tick", "--image=example.com/work:1", "--schedule=0 0 1 1 *")
    k("create", "job", "now", "--from=cronjob/tick")
    k("wait", "--for=condition=Complete", "job/now", WAIT)
    _, row = k("get", "cronjob").splitlines()
    assert row.split()[0] == "tick"
    k("delete", "job", "once", WAIT)
    assert k("get", "pods", "-l", "job-name=once", "-o", "name") == ""


def test_a_look_inside(kubectl: Kubectl) -> None:
    """logs, exec with input and exit code, and port-forward, as every generation of kubectl asks for them."""
    k = kubectl
    k("run", "p", "--image=example.com/app:1", "--port=7000", "--env=A=1", "--labels=app=p")
    k("wait", "--for=condition=Ready", "pod/p", WAIT)
    assert k("logs", "p").splitlines() == ["p: started example.com/app:1", "p: listening on port 7000"]
    assert k("exec", "p", "--", "printenv", "A") == "1\n"
    assert k("exec", "-i", "p", "--", "cat", stdin="typed\n") == "typed\n"
    failed = k.run("exec", "p", "--", "sh", "-c", "echo why >&2; exit 3")
    assert (failed.returncode, failed.stderr.splitlines()[0]) == (3, "why")
    assert 'exec: "nope": executable file not found in $PATH' in k.run("exec", "p", "--", "nope").stderr
    assert "container nope is not valid for pod p" in k.run("logs", "p", "-c", "nope").stderr
    k("expose", "pod", "p", "--port=80", "--target-port=7000")
    assert through(k, "service/p", 80) == b"Hello from p\n"


def test_copies(kubectl: Kubectl, tmp_path: Path) -> None:
    """`kubectl cp` brings files and folders into a container and back, byte for byte, and says what is not there."""
    k, data = kubectl, bytes(range(256)) * 100
    k("run", "p", "--image=example.com/app:1")
    k("wait", "--for=condition=Ready", "pod/p", WAIT)
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "f").write_bytes(data)
    (tmp_path / "tree" / "name with spaces").write_text("text\n")
    k("cp", str(tmp_path / "tree" / "deep" / "f"), "p:/tmp/f")
    k("cp", str(tmp_path / "tree" / "name with spaces"), "p:/tmp", "--no-preserve")
    k("cp", str(tmp_path / "tree"), "p:/new")
    assert k(
        "exec", "p", "--", "sh", "-c", "wc -c /tmp/f; cat '/tmp/name with spaces'; cd /new; find . -type f"
    ).splitlines() == [
        "25600 /tmp/f",
        "text",
        "./deep/f",
        "./name with spaces",
    ]
    k("exec", "-i", "p", "--", "sh", "-c", "cat > /new/more", stdin="more\n")
    k("cp", "p:/new", str(tmp_path / "back"))
    k("cp", "p:tmp/f", str(tmp_path / "one"), "--retries=2")
    assert (tmp_path / "back" / "deep" / "f").read_bytes() == (tmp_path / "one").read_bytes() == data
    assert (tmp_path / "back" / "more").read_text() == "more\n"
    assert "Cannot stat" in k("cp", "p:/none", str(tmp_path / "none"), code=2)
    (tmp_path / "large").write_bytes(bytes(1 << 21))
    full = k.run("cp", str(tmp_path / "large"), "p:/tmp/large")
    assert "No space left on device" in full.stdout + full.stderr


def test_health(kubectl: Kubectl) -> None:
    """KubeVirt's own pods tell which version of the configuration they know, to whoever forwards their port."""
    version = kubectl(
        "get", "kubevirt", "kubevirt", "-n", "kubevirt", "-o", "jsonpath={.metadata.resourceVersion}"
    )
    said = json.loads(
        through(kubectl, "deployment/virt-api", 8443, "-n", "kubevirt", path="//healthz", secure=True)
    )
    assert int(said["config-resource-version"]) >= int(version)


def test_uploads(kubectl: Kubectl) -> None:
    """CDI's proxy for uploads listens behind a forwarded port of its Service, where CDI's own documentation looks for it."""
    proxy = ("service/cdi-uploadproxy", 443, "-n", "cdi")
    assert through(kubectl, *proxy, path="/healthz", secure=True) == b"OK"


def test_run_and_remove(kubectl: Kubectl) -> None:
    """`kubectl run -i --rm` feeds a shell, shows what it says, and removes the pod when it ends."""
    image = ("--image=example.com/sh:1", "--restart=Never")
    said = kubectl("run", "once", "-i", "--rm", "--quiet", *image, stdin="echo one\necho two\n")
    assert said.splitlines()[:2] == ["one", "two"]
    assert kubectl("get", "pods", "-o", "name") == ""


def test_run_a_command(kubectl: Kubectl) -> None:
    """`kubectl run -i --rm … -- echo hi` shows what the command says, in an image that has no program of its own."""
    said = kubectl(
        "run", "once", "-i", "--rm", "--quiet", "--image=busybox", "--restart=Never", "--", "echo", "hi"
    )
    assert said.splitlines()[0] == "hi"
    assert kubectl("get", "pods", "-o", "name") == ""


def test_debugging(kubectl: Kubectl) -> None:
    """`kubectl debug` adds a container to a running pod, waits until it runs and talks to it."""
    k = kubectl
    k("run", "p", "--image=example.com/app:1")
    k("wait", "--for=condition=Ready", "pod/p", WAIT)
    image = ("--image=example.com/sh:1", "--profile=general")
    said = k("debug", "p", "-i", "-c", "look", "--target=p", *image, stdin="echo one\n")
    assert "one" in said.splitlines()
    state = "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.reason}"
    assert k("get", "pod", "p", "-o", state) == "Completed"
    assert k("get", "pod", "p", "-o", "jsonpath={.status.phase}") == "Running"


def through(k: Kubectl, what: str, port: int, *options: str, path: str = "/", secure: bool = False) -> bytes:
    """A page fetched through `kubectl port-forward`; `secure` asks by TLS and trusts whoever answers."""
    process = k.start("port-forward", what, f":{port}", *options)
    try:
        assert process.stdout is not None
        local = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert local is not None
        kind = (
            partial(http.client.HTTPSConnection, context=trusting()) if secure else http.client.HTTPConnection
        )
        with closing(kind("127.0.0.1", int(local[1]), timeout=30)) as connection:
            connection.request("GET", path)
            return connection.getresponse().read()
    finally:
        process.terminate()
        process.communicate(timeout=30)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_following(kubectl: Kubectl) -> None:
    """logs -f ends when its pod does."""
    kubectl("run", "p", "--image=example.com/app:1")
    kubectl("wait", "--for=condition=Ready", "pod/p", WAIT)
    process = kubectl.start("logs", "-f", "p")
    assert process.stdout is not None
    assert process.stdout.readline() == "p: started example.com/app:1\n"
    kubectl("delete", "pod", "p", "--wait=false")
    try:
        rest, _ = process.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert rest == "p: finished\n"
    assert json.loads(kubectl("get", "pods", "-o", "json"))["items"] == []
