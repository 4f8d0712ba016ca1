"""`kubectl drain` of a node with virtual machines and pods on it: who moves, who goes, and who is in the way."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Kubectl, Up, kubectls

MACHINE = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}}}
spec:
  runStrategy: Always
  template:
    metadata: {{labels: {{vm: {name}}}}}
    spec:
      evictionStrategy: {strategy}
      nodeSelector: {{{selector}}}
      terminationGracePeriodSeconds: 0
      domain:
        devices: {{interfaces: [{{name: default, {binding}: {{}}}}]}}
        memory: {{guest: 64Mi}}
      networks: [{{name: default, pod: {{}}}}]
"""
BUDGET = """\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
"""
WAIT = "--timeout=20s"
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=0")


@pytest.fixture
def k(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """A server of two nodes of its own: draining is nobody else's business."""
    if not kubectls():
        pytest.skip("no kubectl on PATH and none in $FAKEKUBE_KUBECTLS")
    up = Up("--nodes", "2")
    yield Kubectl(next(iter(kubectls().values())), up.kubeconfig, tmp_path_factory.mktemp("home"), "default")
    assert up.stop() == ""


def machine(name: str, strategy: str = "LiveMigrate", binding: str = "masquerade", selector: str = "") -> str:
    return MACHINE.format(name=name, strategy=strategy, binding=binding, selector=selector)


def node_of(k: Kubectl, name: str) -> str:
    return k("get", "vmi", name, "-o", "jsonpath={.status.nodeName}")


def test_drain(k: Kubectl) -> None:
    """A guest that may migrate moves with its uid, pods under a budget are replaced elsewhere, the node ends up empty."""
    k("wait", "--for=jsonpath={.status.phase}=Deployed", "kubevirt/kubevirt", "-n", "kubevirt", WAIT)
    k("apply", "-f", "-", stdin=machine("mover"))
    k("wait", "--for=condition=Ready", "vm/mover", WAIT)
    node = node_of(k, "mover")
    k("create", "deployment", "web", "--image=example.com/web:1", "--replicas=2")
    k("apply", "-f", "-", stdin=BUDGET)
    k("rollout", "status", "deployment/web", WAIT)
    uid = k("get", "vmi", "mover", "-o", "jsonpath={.metadata.uid}")
    said = k("drain", node, *DRAIN, WAIT)
    assert f"node/{node} drained" in said
    assert "pod/virt-launcher-mover-" in said
    k("wait", "--for=condition=Ready", "vm/mover", WAIT)
    assert node_of(k, "mover") != node
    assert k("get", "vmi", "mover", "-o", "jsonpath={.metadata.uid}") == uid
    assert k("get", "vmim", "-o", "jsonpath={.items[*].status.phase}") == "Succeeded"
    left = k("get", "pods", "--field-selector", f"spec.nodeName={node},status.phase=Running", "-o", "name")
    assert left == ""
    assert f"node/{node} uncordoned" in k("uncordon", node)


def test_who_is_in_the_way(k: Kubectl) -> None:
    """A guest that is to migrate and cannot blocks the drain; one without a strategy goes with its pod, and comes back elsewhere."""
    k("wait", "--for=jsonpath={.status.phase}=Deployed", "kubevirt/kubevirt", "-n", "kubevirt", WAIT)
    k("apply", "-f", "-", stdin=machine("stuck", binding="bridge"))
    k("wait", "--for=condition=Ready", "vm/stuck", WAIT)
    node = node_of(k, "stuck")
    k(
        "apply",
        "-f",
        "-",
        stdin=machine("mortal", strategy="None", selector=f"kubernetes.io/hostname: {node}"),
    )
    k("wait", "--for=condition=Ready", "vm/mortal", WAIT)
    done = k.run("drain", node, *DRAIN, "--timeout=3s")
    assert done.returncode != 0
    assert "VMI stuck is configured with an eviction strategy but is not live-migratable" in done.stderr
    assert node_of(k, "stuck") == node
    k("wait", "--for=jsonpath={.status.printableStatus}=ErrorUnschedulable", "vm/mortal", WAIT)
    k("uncordon", node)
    k("wait", "--for=condition=Ready", "vm/mortal", WAIT)
