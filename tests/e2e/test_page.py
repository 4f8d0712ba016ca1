"""The pool page, played with the real kubectl against a running `fakekube up`: what a new user types, and what they see."""

import json
import re
from typing import Any

import pytest

from .conftest import MANIFEST, Kubectl

POOL = "vm-pool-cirros"
READY = "--for=jsonpath={.status.readyReplicas}="


def table(text: str) -> list[list[str]]:
    """Rows of cells; columns are separated by two spaces or more."""
    return [re.split(r"\s{2,}", line.rstrip()) for line in text.splitlines() if line.strip()]


def items(kubectl: Kubectl, kind: str, *more: str) -> list[Any]:
    found: list[Any] = json.loads(kubectl("get", kind, "-o", "json", *more))["items"]
    return found


def names(kubectl: Kubectl, kind: str) -> list[str]:
    return sorted(one["metadata"]["name"] for one in items(kubectl, kind))


@pytest.fixture
def pool(kubectl: Kubectl) -> Kubectl:
    """The page's pool, created and ready."""
    assert kubectl("create", "-f", str(MANIFEST)) == f"virtualmachinepool.pool.kubevirt.io/{POOL} created\n"
    kubectl("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    return kubectl


def test_get(pool: Kubectl) -> None:
    """`get` shows pool, VMs, instances and pods with the columns of a real cluster."""
    assert table(pool("get", "vmpool"))[0] == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert table(pool("get", "vmpool"))[1][:4] == [POOL, "3", "3", "3"]
    header, *rows = table(pool("get", "vm"))
    assert header == ["NAME", "AGE", "STATUS", "READY"]
    assert [(row[0], *row[2:]) for row in rows] == [(f"{POOL}-{n}", "Running", "True") for n in range(3)]
    header, *rows = table(pool("get", "vmi"))
    assert header == ["NAME", "AGE", "PHASE", "IP", "NODENAME", "READY"]
    assert [(row[0], row[2], row[4], row[5]) for row in rows] == [
        (f"{POOL}-{n}", "Running", "node01", "True") for n in range(3)
    ]
    header, *rows = table(pool("get", "pods"))
    assert header == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert [re.fullmatch(rf"virt-launcher-{POOL}-\d-.{{5}}", row[0]) is not None for row in rows] == [
        True
    ] * 3
    together = pool("get", "vmpool,vm,vmi,pods")
    assert together.count("virtualmachineinstance.kubevirt.io/") == 3


def test_get_wide(pool: Kubectl) -> None:
    """`-o wide` adds the columns of lower priority."""
    header, row, *_ = table(pool("get", "vmi", "-o", "wide"))
    assert header[:6] == ["NAME", "AGE", "PHASE", "IP", "NODENAME", "READY"]
    assert header[6:8] == ["LIVE-MIGRATABLE", "PAUSED"]
    assert row[0] == f"{POOL}-0"
    assert "NODE" in table(pool("get", "pods", "-o", "wide"))[0]


def test_get_formats(pool: Kubectl) -> None:
    """`-o name`, `json`, `yaml` and `jsonpath` give the object as it is."""
    assert pool("get", "vmpool", "-o", "name") == f"virtualmachinepool.pool.kubevirt.io/{POOL}\n"
    one = json.loads(pool("get", "vmpool", POOL, "-o", "json"))
    assert one["status"]["replicas"] == one["spec"]["replicas"] == 3
    assert one["status"]["labelSelector"] == f"kubevirt.io/vmpool={POOL}"
    assert f"\n  name: {POOL}\n" in pool("get", "vmpool", POOL, "-o", "yaml")
    assert pool("get", "vm", "-o", "jsonpath={.items[*].status.printableStatus}") == "Running Running Running"
    both = [
        json.loads(pool("get", f"virtualmachinepools.{v}.pool.kubevirt.io", POOL, "-o", "json"))
        for v in ("v1alpha1", "v1beta1")
    ]
    assert [one["apiVersion"] for one in both] == ["pool.kubevirt.io/v1alpha1", "pool.kubevirt.io/v1beta1"]


def test_watch(kubectl: Kubectl) -> None:
    """`get -w` shows what is there, then each change as it comes, and ends when it is told to."""
    watcher = kubectl.start("get", "vm", "-w", "-o", "name")
    try:
        kubectl("create", "-f", str(MANIFEST))
        assert watcher.stdout is not None
        seen = {watcher.stdout.readline().strip() for _ in range(3)}
        while len(seen) < 3:
            seen.add(watcher.stdout.readline().strip())
        assert seen == {f"virtualmachine.kubevirt.io/{POOL}-{n}" for n in range(3)}
    finally:
        watcher.terminate()
        watcher.communicate(timeout=30)


def test_describe(pool: Kubectl) -> None:
    """`describe` shows the status block and the events of the controller."""
    text = pool("describe", "vmpool", POOL)
    status = text[text.index("\nStatus:") :]
    assert re.search(
        rf"Label Selector:\s+kubevirt\.io/vmpool={POOL}\n\s+Ready Replicas:\s+3\n\s+Replicas:\s+3\n", status
    )
    told = re.findall(
        r"Normal\s+SuccessfulCreate\s+\S+\s+virtualmachinepool-controller\s+Created VM (\S+)", text
    )
    assert sorted(told) == [f"{pool.namespace}/{POOL}-{n}" for n in range(3)]


def test_scale(pool: Kubectl) -> None:
    """`scale` goes through the scale subresource, up and down."""
    assert "scaled" in pool("scale", "vmpool", POOL, "--replicas", "5")
    pool("wait", f"vmpool/{POOL}", f"{READY}5", "--timeout=30s")
    assert names(pool, "vm") == [f"{POOL}-{n}" for n in range(5)]
    pool("scale", "vmpool", POOL, "--current-replicas", "5", "--replicas", "1")
    pool("wait", f"vmpool/{POOL}", "--for=jsonpath={.status.replicas}=1", "--timeout=30s")
    assert (
        "Expected replicas to be 4"
        in pool.run("scale", "vmpool", POOL, "--current-replicas=4", "--replicas=2").stderr
    )
    scale = json.loads(
        pool(
            "get",
            "--raw",
            f"/apis/pool.kubevirt.io/v1beta1/namespaces/{pool.namespace}/virtualmachinepools/{POOL}/scale",
        )
    )
    assert (scale["kind"], scale["spec"]["replicas"], scale["status"]["replicas"]) == ("Scale", 1, 1)


def test_detach(pool: Kubectl) -> None:
    """A VM whose owner references are removed goes on by itself, and the pool makes a replacement."""
    before = json.loads(pool("get", "vm", f"{POOL}-0", "-o", "json"))
    patch = '{"metadata":{"ownerReferences":null}}'
    assert "patched" in pool("patch", "vm", f"{POOL}-0", "--type", "merge", "--patch", patch)
    wait_for(pool, "vm", f"{POOL}-3")
    pool("wait", "vm", f"{POOL}-3", "--for=jsonpath={.status.ready}=true", "--timeout=30s")
    after = json.loads(pool("get", "vm", f"{POOL}-0", "-o", "json"))
    assert (after["metadata"]["uid"], after["status"]["printableStatus"]) == (
        before["metadata"]["uid"],
        "Running",
    )
    assert "ownerReferences" not in after["metadata"]
    owned = [one["metadata"]["name"] for one in items(pool, "vm") if one["metadata"].get("ownerReferences")]
    assert len(owned) == 3
    assert len(names(pool, "vm")) == 4


def test_heal(pool: Kubectl) -> None:
    """A VM that is deleted is made again."""
    before = {one["metadata"]["uid"] for one in items(pool, "vm")}
    pool("delete", "vm", f"{POOL}-1")
    pool("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    after = {one["metadata"]["uid"] for one in items(pool, "vm")}
    assert len(after) == 3
    assert len(after & before) == 2


def test_edit(pool: Kubectl) -> None:
    """What an editor saves goes in as a patch, and shows."""
    editor = "sed -i 's/replicas: 3/replicas: 2/'"
    pool.environment |= {"KUBE_EDITOR": editor}
    assert "edited" in pool("edit", "vmpool", POOL)
    pool("wait", f"vmpool/{POOL}", "--for=jsonpath={.status.replicas}=2", "--timeout=30s")


def test_apply(kubectl: Kubectl) -> None:
    """Client-side apply creates, then says unchanged, then configures."""
    text = MANIFEST.read_text()
    kind = f"virtualmachinepool.pool.kubevirt.io/{POOL}"
    assert kubectl("apply", "-f", "-", stdin=text) == f"{kind} created\n"
    kubectl("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    assert kubectl("apply", "-f", "-", stdin=text) == f"{kind} unchanged\n"
    assert (
        kubectl("apply", "-f", "-", stdin=text.replace("replicas: 3", "replicas: 4"))
        == f"{kind} configured\n"
    )
    kubectl("wait", f"vmpool/{POOL}", f"{READY}4", "--timeout=30s")
    assert "replicas: 3" in kubectl.run("diff", "-f", "-", stdin=text).stdout


def test_server_side_apply(kubectl: Kubectl) -> None:
    """Server-side apply creates, conflicts with other owners of a field, and takes over when forced."""
    text = MANIFEST.read_text()
    kind = f"virtualmachinepool.pool.kubevirt.io/{POOL}"
    assert kubectl("apply", "--server-side", "-f", "-", stdin=text) == f"{kind} serverside-applied\n"
    kubectl("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    other = text.replace("replicas: 3", "replicas: 2")
    refused = kubectl.run("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert refused.returncode == 1
    assert 'conflict with "kubectl"' in refused.stderr
    assert ".spec.replicas" in refused.stderr
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    kubectl("wait", f"vmpool/{POOL}", "--for=jsonpath={.status.replicas}=2", "--timeout=30s")


def test_delete(pool: Kubectl) -> None:
    """Deleting the pool takes everything below with it."""
    assert f'virtualmachinepool.pool.kubevirt.io "{POOL}" deleted' in pool("delete", "vmpool", POOL)
    for kind in ("vm", "vmi", "pods"):
        pool("wait", kind, "--all", "--for=delete", "--timeout=30s")
    assert pool("get", "vmpool,vm,vmi,pods") == ""


def test_delete_orphans(pool: Kubectl) -> None:
    """With --cascade=orphan the VMs stay, without owner."""
    pool("delete", "vmpool", POOL, "--cascade=orphan")
    found = items(pool, "vm")
    assert len(found) == 3
    assert not any(one["metadata"].get("ownerReferences") for one in found)


def test_events(pool: Kubectl) -> None:
    """`get events` tells the story, and can be asked about one object."""
    header, *_ = table(pool("get", "events"))
    assert header == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    told = pool(
        "get",
        "events",
        "--field-selector",
        f"involvedObject.name={POOL}",
        "--sort-by",
        ".metadata.creationTimestamp",
    )
    assert told.count("SuccessfulCreate") == 3


def test_discovery(kubectl: Kubectl) -> None:
    """`api-resources`, `api-versions`, `version` and `explain` read what the server says about itself."""
    lines = [line.split() for line in kubectl("api-resources").splitlines()]
    rows = {
        row[0]: row for row in reversed(lines)
    }  # the metrics of pods are called pods, too, and come later
    assert rows["virtualmachinepools"][1:] == [
        "vmpool,vmpools",
        "pool.kubevirt.io/v1beta1",
        "true",
        "VirtualMachinePool",
    ]
    assert rows["configmaps"][1:] == ["cm", "v1", "true", "ConfigMap"]
    assert rows["pods"][1:] == ["po", "v1", "true", "Pod"]
    assert "kubevirt.io/v1\n" in kubectl("api-versions")
    assert json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"].startswith("v1.36")
    text = kubectl("explain", "vmpool.spec")
    assert "virtualMachineTemplate" in text
    assert "VirtualMachinePool" in text
    assert "containers" in kubectl("explain", "pod.spec")
    assert "ok" in kubectl("get", "--raw", "/readyz")


@pytest.mark.parametrize(
    ("arguments", "stdin", "complaint"),
    [
        (["get", "nonsense"], None, 'the server doesn\'t have a resource type "nonsense"'),
        (["get", "vm", "missing"], None, 'virtualmachines.kubevirt.io "missing" not found'),
        (["create", "-f", "-"], "a: [", "error converting YAML to JSON|error parsing STDIN"),
        (
            ["create", "-f", "-"],
            "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}",
            'no matches for kind "Nonsense"',
        ),
        (["create", "configmap", "No_Name"], None, "a lowercase RFC 1123 subdomain"),
        (["create", "-f", str(MANIFEST), "--namespace=nowhere"], None, 'namespaces "nowhere" not found'),
    ],
)
def test_mistakes(kubectl: Kubectl, arguments: list[str], stdin: str | None, complaint: str) -> None:
    """Mistakes are answered in the real server's words, and the server lives on."""
    done = kubectl.run(*arguments, stdin=stdin)
    assert done.returncode == 1
    assert re.search(complaint, done.stderr), done.stderr
    assert kubectl("get", "vm") == ""


def test_typed_commands(kubectl: Kubectl) -> None:
    """Commands that send protobuf are understood."""
    kubectl("create", "configmap", "c", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl("create", "serviceaccount", "a")
    kubectl("create", "deployment", "d", "--image=nginx", "--replicas=0")
    assert kubectl("get", "configmap", "c", "-o", "jsonpath={.data.a}") == "b"
    kubectl("label", "configmap", "c", "x=y")
    kubectl("annotate", "configmap", "c", "x=z")
    assert names_with_label(kubectl) == "c"


def names_with_label(kubectl: Kubectl) -> str:
    return kubectl("get", "configmaps", "-l", "x=y", "-o", "jsonpath={.items[*].metadata.name}")


def wait_for(kubectl: Kubectl, kind: str, name: str) -> None:
    """Return when an object has come to be; old kubectls cannot `wait --for=create`."""
    watcher = kubectl.start("get", kind, "-w", "-o", "name")
    assert watcher.stdout is not None
    try:
        while not watcher.stdout.readline().strip().endswith(f"/{name}"):
            assert watcher.poll() is None, "the watch ended before the object came"
    finally:
        watcher.terminate()
        watcher.communicate(timeout=30)
