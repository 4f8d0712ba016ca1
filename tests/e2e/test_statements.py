"""What KubeVirt's page about pools says, statement by statement, played with a real kubectl.

The server's time runs with the machine's and can be pushed ahead, so that an autoscaler's minutes take none.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakekube

from .conftest import MANIFEST, Kubectl, kubectls, versioned

POOL = "vm-pool-cirros"
READY = "--for=jsonpath={.status.readyReplicas}="
LABEL = f"kubevirt.io/vmpool={POOL}"
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: vm-pool-cirros-ssh}
spec:
  type: %s
  %s
  selector: {kubevirt.io/vmpool: vm-pool-cirros}
  ports: [{protocol: TCP, port: 2222, targetPort: 22}]
"""
SLICES = "kubernetes.io/service-name=vm-pool-cirros-ssh"
MIGRATION = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstanceMigration
metadata: {name: move}
spec: {vmiName: vm-pool-cirros-1}
"""
HPA = """\
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: hpa}
spec:
  maxReplicas: 10
  minReplicas: 3
  scaleTargetRef: {apiVersion: pool.kubevirt.io/v1alpha1, kind: VirtualMachinePool, name: vm-pool-cirros}
  targetCPUUtilizationPercentage: 50
"""
DISKS = """\
apiVersion: pool.kubevirt.io/v1alpha1
kind: VirtualMachinePool
metadata: {name: disks}
spec:
  replicas: 2
  selector: {matchLabels: {pool: disks}}
  virtualMachineTemplate:
    metadata: {labels: {pool: disks}}
    spec:
      runStrategy: Always
      dataVolumeTemplates:
      - metadata: {name: alpine-dv}
        spec:
          pvc: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
          source: {http: {url: "http://images.example/alpine.iso"}}
      template:
        metadata: {labels: {pool: disks}}
        spec:
          domain:
            devices: {disks: [{name: root, disk: {bus: virtio}}]}
            memory: {guest: 64Mi}
          terminationGracePeriodSeconds: 0
          volumes: [{name: root, dataVolume: {name: alpine-dv}}]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[fakekube.Server]:
    if not kubectls():
        pytest.skip("no kubectl on PATH and none in $FAKEKUBE_KUBECTLS")
    with fakekube.Server(nodes=2) as running:
        yield running


def tool(server: fakekube.Server, binary: str, test: str, home: Any) -> Kubectl:
    namespace = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:50].strip("-")
    made = Kubectl(binary, server.kubeconfig, home, namespace)
    made("create", "namespace", namespace)
    return made


@pytest.fixture
def kubectl(
    request: pytest.FixtureRequest, server: fakekube.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """In a fresh namespace."""
    made = tool(server, next(iter(kubectls().values())), request.node.name, tmp_path_factory.mktemp("home"))
    yield made
    made("delete", "namespace", made.namespace, "--wait=false")


@pytest.fixture
def pool(kubectl: Kubectl) -> Kubectl:
    """The page's pool, created and ready."""
    kubectl("create", "-f", str(MANIFEST))
    kubectl("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    return kubectl


@pytest.fixture(scope="module")
def shared(server: fakekube.Server, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The page's pool once for all tests that leave it as it is."""
    made = tool(server, next(iter(kubectls().values())), "shared", tmp_path_factory.mktemp("home"))
    made("create", "-f", str(MANIFEST))
    made("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    return made


def one(kubectl: Kubectl, kind: str, name: str) -> Any:
    return json.loads(kubectl("get", kind, name, "-o", "json"))


def items(kubectl: Kubectl, kind: str, *more: str) -> list[Any]:
    found: list[Any] = json.loads(kubectl("get", kind, "-o", "json", *more))["items"]
    return found


def names(kubectl: Kubectl, kind: str) -> list[str]:
    return sorted(found["metadata"]["name"] for found in items(kubectl, kind))


def seen(look: Callable[[], Any], wanted: Any) -> None:
    """Look until what is wanted shows; the last look is judged."""
    end = time.monotonic() + 20
    while (found := look()) != wanted and time.monotonic() < end:
        pass
    assert found == wanted


def test_S_01_as_many_as_wanted_are_kept_ready(pool: Kubectl) -> None:
    """S-01: What is deleted or dies comes again, until there are as many ready VMs and instances as before."""
    before = {found["metadata"]["uid"] for found in items(pool, "vm")}
    pool("delete", "vm", f"{POOL}-1")
    pool("delete", "vmi", f"{POOL}-0", "--wait=false")
    pool("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    seen(lambda: [found["status"].get("phase") for found in items(pool, "vmi")], ["Running"] * 3)
    assert len(before & {found["metadata"]["uid"] for found in items(pool, "vm")}) == 2


def test_S_02_replacements_are_not_counted_against_a_bound(pool: Kubectl) -> None:
    """S-02: A VM of which nobody knows is replaced; both may then run."""
    pool("label", "vm", f"{POOL}-0", "lost=yes")
    pool("patch", "vm", f"{POOL}-0", "--type=merge", "-p", '{"metadata":{"ownerReferences":null}}')
    pool("wait", "vm", f"{POOL}-3", "--for=create", "--timeout=30s")
    pool("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    running = [
        found["metadata"]["name"] for found in items(pool, "vmi") if found["status"]["phase"] == "Running"
    ]
    assert sorted(running) == [f"{POOL}-{number}" for number in range(4)]


def test_S_03_a_template_is_metadata_and_a_spec(shared: Kubectl) -> None:
    """S-03: Every VM has the labels of the template, and its spec."""
    template = one(shared, "vmpool", POOL)["spec"]["virtualMachineTemplate"]
    for vm in items(shared, "vm"):
        assert template["metadata"]["labels"].items() <= vm["metadata"]["labels"].items()
        devices = vm["spec"]["template"]["spec"]["domain"]["devices"]["disks"]
        assert devices == template["spec"]["template"]["spec"]["domain"]["devices"]["disks"]


def test_S_04_one_replica_unless_told_otherwise(kubectl: Kubectl) -> None:
    """S-04: Without `replicas` there is one VM; a later number is followed."""
    kubectl("create", "-f", "-", stdin=MANIFEST.read_text().replace("  replicas: 3\n", ""))
    kubectl("wait", f"vmpool/{POOL}", f"{READY}1", "--timeout=30s")
    kubectl("patch", "vmpool", POOL, "--type=merge", "-p", '{"spec":{"replicas":2}}')
    kubectl("wait", f"vmpool/{POOL}", f"{READY}2", "--timeout=30s")


def test_S_05_the_selector_must_match_the_template(kubectl: Kubectl) -> None:
    """S-05: A selector that does not match the labels of the template is refused."""
    wrong = MANIFEST.read_text().replace("vmpool: vm-pool-cirros", "vmpool: other", 1)
    done = kubectl.run("create", "-f", "-", stdin=wrong)
    assert done.returncode == 1
    assert "selector does not match labels" in done.stderr


def test_S_06_without_a_selector_nothing_is_made(kubectl: Kubectl) -> None:
    """S-06: A pool without a selector is refused, and no VM is made."""
    text = re.sub(r"  selector:\n    matchLabels:\n      .*\n", "", MANIFEST.read_text())
    assert "selector" not in text
    done = kubectl.run("create", "-f", "-", stdin=text)
    assert (done.returncode, names(kubectl, "vm")) == (1, [])
    assert "spec.selector: Required value" in done.stderr


def test_S_07_nobody_keeps_users_from_colliding(pool: Kubectl) -> None:
    """S-07: A second pool with the same labels is accepted; each counts its own, and none takes the other's."""
    again = (
        MANIFEST.read_text()
        .replace("name: vm-pool-cirros\n", "name: twin\n", 1)
        .replace("replicas: 3", "replicas: 1")
    )
    pool("create", "-f", "-", stdin=again)
    pool("wait", "vmpool/twin", f"{READY}1", "--timeout=30s")
    pool("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    assert names(pool, "vm") == ["twin-0", *(f"{POOL}-{number}" for number in range(3))]


def test_S_08_the_example_is_accepted(kubectl: Kubectl) -> None:
    """S-08: The page's manifest, in v1alpha1, is created with the page's words."""
    assert "apiVersion: pool.kubevirt.io/v1alpha1\n" in MANIFEST.read_text()
    assert kubectl("create", "-f", str(MANIFEST)) == f"virtualmachinepool.pool.kubevirt.io/{POOL} created\n"


def test_S_09_the_short_name(shared: Kubectl) -> None:
    """S-09: `vmpool` is short for virtualmachinepools."""
    assert shared("get", "vmpool", POOL, "-o", "name") == f"virtualmachinepool.pool.kubevirt.io/{POOL}\n"


def test_S_10_the_status(pool: Kubectl) -> None:
    """S-10: Selector, replicas and ready replicas; what is there and not ready counts in the former only."""
    assert one(pool, "vmpool", POOL)["status"] == {"labelSelector": LABEL, "readyReplicas": 3, "replicas": 3}
    pool("patch", "vm", f"{POOL}-1", "--type=merge", "-p", '{"spec":{"running":false}}')
    pool("wait", f"vmpool/{POOL}", f"{READY}2", "--timeout=30s")
    assert one(pool, "vmpool", POOL)["status"]["replicas"] == 3


def test_S_11_creations_are_told(shared: Kubectl) -> None:
    """S-11: An event of the pool for every VM."""
    told = re.findall(
        r"Normal\s+SuccessfulCreate\s+\S+\s+virtualmachinepool-controller\s+Created VM (\S+)",
        shared("describe", "vmpool", POOL),
    )
    assert sorted(told) == [f"{shared.namespace}/{POOL}-{number}" for number in range(3)]


def test_S_12_who_writes_the_status(shared: Kubectl) -> None:
    """S-12: Field manager virt-controller, subresource status."""
    shown = json.loads(shared("get", "vmpool", POOL, "-o", "json", "--show-managed-fields"))
    writers = {(entry["manager"], entry.get("subresource")) for entry in shown["metadata"]["managedFields"]}
    assert ("virt-controller", "status") in writers


def test_S_13_scale(pool: Kubectl) -> None:
    """S-13: `kubectl scale` makes it five."""
    assert pool("scale", "vmpool", POOL, "--replicas", "5").endswith(" scaled\n")
    pool("wait", f"vmpool/{POOL}", f"{READY}5", "--timeout=30s")


def test_S_14_and_S_15_a_vm_leaves_while_a_service_runs(pool: Kubectl) -> None:
    """S-14, S-15: Without owner a VM is the pool's no more, yet serves on; once relabelled it is behind no Service."""
    pool("create", "-f", "-", stdin=SERVICE % ("ClusterIP", ""))
    seen(lambda: behind(pool), [f"{POOL}-0", f"{POOL}-1", f"{POOL}-2"])
    pool("patch", "vm", f"{POOL}-0", "--type", "merge", "--patch", '{"metadata":{"ownerReferences":null}}')
    pool("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    seen(lambda: behind(pool), [f"{POOL}-{number}" for number in range(4)])
    assert "ownerReferences" not in one(pool, "vm", f"{POOL}-0")["metadata"]
    pod = next(found["metadata"]["name"] for found in items(pool, "pods") if vm_of(found) == f"{POOL}-0")
    for kind, name in (("vm", f"{POOL}-0"), ("vmi", f"{POOL}-0"), ("pod", pod)):
        pool("label", kind, name, "kubevirt.io/vmpool-")
    seen(lambda: behind(pool), [f"{POOL}-{number}" for number in (1, 2, 3)])
    assert one(pool, "vmi", f"{POOL}-0")["status"]["phase"] == "Running"


GENERATIONS = {
    path.name: str(path)
    for known in list(kubectls().values())[:1]
    for path in versioned(Path(known).resolve().parent)
    if path.name in ("kubectl.1.27", "kubectl.1.30", "kubectl.1.33")
}


@pytest.fixture(params=sorted(GENERATIONS) or ["kubectl"])
def any_kubectl(
    request: pytest.FixtureRequest, server: fakekube.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    """Three generations of kubectl, each in a namespace of its own with the page's pool."""
    if request.param not in GENERATIONS:
        pytest.skip("none of kubectl.1.27, kubectl.1.30, kubectl.1.33 is here")
    made = tool(server, GENERATIONS[request.param], request.node.name, tmp_path_factory.mktemp("home"))
    made("create", "-f", str(MANIFEST))
    made("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")
    yield made
    made("delete", "namespace", made.namespace, "--wait=false")


def test_S_16_autoscaling(server: fakekube.Server, any_kubectl: Kubectl) -> None:
    """S-16: `kubectl autoscale vmpool` lets the pool grow under load, and shrink five minutes after it."""
    k = any_kubectl
    load = "fakekube.io/cpu=shared %s"
    k("annotate", "vmpool", POOL, load % "500m")
    assert k("autoscale", "vmpool", POOL, "--min=3", "--max=10", "--cpu-percent=50").endswith(" autoscaled\n")
    server.advance("1m")
    assert one(k, "vmpool", POOL)["spec"]["replicas"] == 10
    assert re.search(rf"VirtualMachinePool/{POOL}\s+(cpu: )?\d+%/50%\s+3\s+10\s+10", k("get", "hpa", POOL))
    text = k("describe", "hpa", POOL)
    assert re.search(r"AbleToScale\s+True\s+(ReadyForNewScale|ScaleDownStabilized)", text)
    assert "New size: 6; reason: cpu resource utilization (percentage of request) above target" in text
    k("annotate", "vmpool", POOL, load % "50m", "--overwrite")
    server.advance("3m")
    assert one(k, "vmpool", POOL)["spec"]["replicas"] == 10
    server.advance("150s")
    assert one(k, "vmpool", POOL)["spec"]["replicas"] == 3
    assert "New size: 3; reason: All metrics below target" in k("describe", "hpa", POOL)


def test_S_16_the_manifest(server: fakekube.Server, pool: Kubectl) -> None:
    """S-16: The page's autoscaling/v1 manifest, whose target is the v1alpha1 pool, scales it as well."""
    pool("annotate", "vmpool", POOL, "fakekube.io/cpu=90%")
    pool("create", "-f", "-", stdin=HPA)
    server.advance("16s")
    assert one(pool, "vmpool", POOL)["spec"]["replicas"] == 6


def vm_of(pod: Any) -> str:
    return str(pod["metadata"]["labels"].get("vmi.kubevirt.io/id", ""))


def behind(kubectl: Kubectl, ready: bool = True) -> list[str]:
    """The VMs whose launcher pods stand ready behind the page's Service."""
    pods = {found["metadata"]["name"]: vm_of(found) for found in items(kubectl, "pods")}
    return sorted(
        pods.get(endpoint["targetRef"]["name"], "gone")
        for found in items(kubectl, "endpointslices", "-l", SLICES)
        for endpoint in found["endpoints"] or ()
        if endpoint["conditions"]["ready"] == ready
    )


def test_S_17_every_type_of_service(shared: Kubectl) -> None:
    """S-17: ClusterIP, NodePort, LoadBalancer and headless Services get what is theirs, and every ready VM behind them."""
    for kind, more, columns in (
        ("ClusterIP", "", r"ClusterIP\s+10\.96\.\d+\.\d+\s+<none>\s+2222/TCP"),
        ("NodePort", "", r"NodePort\s+10\.96\.\d+\.\d+\s+<none>\s+2222:3\d{4}/TCP"),
        ("LoadBalancer", "", r"LoadBalancer\s+10\.96\.\d+\.\d+\s+<pending>\s+2222:3\d{4}/TCP"),
        ("ClusterIP", "clusterIP: None", r"ClusterIP\s+None\s+<none>\s+2222/TCP"),
    ):
        shared("create", "-f", "-", stdin=SERVICE % (kind, more))
        assert re.search(rf"vm-pool-cirros-ssh\s+{columns}", shared("get", "svc"))
        seen(lambda: behind(shared), [f"{POOL}-0", f"{POOL}-1", f"{POOL}-2"])
        (found,) = items(shared, "endpointslices", "-l", SLICES)
        assert found["ports"] == [{"name": "", "port": 22, "protocol": "TCP"}]
        shared("delete", "svc", "vm-pool-cirros-ssh")
        seen(lambda: items(shared, "endpointslices", "-l", SLICES), [])


def test_S_17_the_service_follows_the_pool(pool: Kubectl) -> None:
    """S-17: A VM that stops leaves, one that comes is added, and those that are scaled in go."""
    pool("create", "-f", "-", stdin=SERVICE % ("ClusterIP", ""))
    pool("patch", "vm", f"{POOL}-1", "--type=merge", "-p", '{"spec":{"running":false}}')
    seen(lambda: behind(pool), [f"{POOL}-0", f"{POOL}-2"])
    pool("patch", "vm", f"{POOL}-1", "--type=merge", "-p", '{"spec":{"running":true}}')
    pool("scale", "vmpool", POOL, "--replicas=4")
    seen(lambda: behind(pool), [f"{POOL}-{number}" for number in range(4)])
    pool("scale", "vmpool", POOL, "--replicas=1")
    seen(lambda: len(behind(pool)), 1)


def test_S_17_the_service_follows_a_migration(kubectl: Kubectl) -> None:
    """S-17: A VM that has moved stands behind its Service with its new pod, and no longer with the old one."""
    interfaces = "devices:\n              interfaces: [{name: default, masquerade: {}}]\n"
    movable = MANIFEST.read_text().replace("devices:\n", interfaces)
    movable = movable.replace(
        "          volumes:\n", "          networks: [{name: default, pod: {}}]\n          volumes:\n"
    )
    kubectl("create", "-f", "-", stdin=movable)
    kubectl("create", "-f", "-", stdin=SERVICE % ("ClusterIP", ""))
    seen(lambda: behind(kubectl), [f"{POOL}-0", f"{POOL}-1", f"{POOL}-2"])
    kubectl("create", "-f", "-", stdin=MIGRATION)
    kubectl("wait", "vmim/move", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    status = one(kubectl, "vmi", f"{POOL}-1")["status"]["migrationState"]
    seen(lambda: behind(kubectl), [f"{POOL}-0", f"{POOL}-1", f"{POOL}-2"])
    targets = {
        endpoint["targetRef"]["name"]
        for found in items(kubectl, "endpointslices", "-l", SLICES)
        for endpoint in found["endpoints"]
        if endpoint["conditions"]["ready"]
    }
    assert (status["targetPod"] in targets, status["sourcePod"] in targets) == (True, False)


def test_S_17_expose_knows_no_pools(shared: Kubectl) -> None:
    """S-17: `kubectl expose` refuses kinds it does not know, without asking the server: the manifest is the way."""
    done = shared.run("expose", "vmpool", POOL, "--port=2222", "--target-port=22")
    assert done.returncode == 1
    assert "VirtualMachinePool" in done.stderr
    assert names(shared, "svc") == []


def test_S_18_storage_of_its_own(kubectl: Kubectl) -> None:
    """S-18: Every VM gets a DataVolume and a claim of its own, named by its ordinal, which go with it."""
    kubectl("create", "-f", "-", stdin=DISKS)
    kubectl("wait", "vmpool/disks", f"{READY}2", "--timeout=30s")
    assert names(kubectl, "dv") == names(kubectl, "pvc") == ["alpine-dv-0", "alpine-dv-1"]
    assert re.search(r"alpine-dv-0\s+Succeeded\s+100\.0%", kubectl("get", "dv"))
    assert [found["status"]["phase"] for found in items(kubectl, "pvc")] == ["Bound", "Bound"]
    for number in range(2):
        volumes = one(kubectl, "vmi", f"disks-{number}")["spec"]["volumes"]
        assert volumes == [{"name": "root", "dataVolume": {"name": f"alpine-dv-{number}"}}]
    kubectl("scale", "vmpool", "disks", "--replicas=1")
    seen(
        lambda: (len(names(kubectl, "vm")), len(names(kubectl, "dv")), len(names(kubectl, "pvc"))), (1, 1, 1)
    )


def test_S_18_state_can_be_kept(kubectl: Kubectl) -> None:
    """S-18: With `statePreservation: Offline` the storage of a VM that is scaled in stays, and is taken up again."""
    strategy = "  scaleInStrategy: {proactive: {selectionPolicy: {sortPolicy: DescendingOrder}, statePreservation: Offline}}\n"
    text = DISKS.replace("v1alpha1", "v1beta1").replace("  replicas: 2\n", "  replicas: 2\n" + strategy)
    kubectl("create", "-f", "-", stdin=text)
    kubectl("wait", "vmpool/disks", f"{READY}2", "--timeout=30s")
    before = one(kubectl, "pvc", "alpine-dv-1")["metadata"]["uid"]
    kubectl("scale", "vmpool", "disks", "--replicas=1")
    seen(lambda: names(kubectl, "vm"), ["disks-0"])
    assert names(kubectl, "pvc") == ["alpine-dv-0", "alpine-dv-1"]
    kubectl("scale", "vmpool", "disks", "--replicas=2")
    kubectl("wait", "vmpool/disks", f"{READY}2", "--timeout=30s")
    assert one(kubectl, "pvc", "alpine-dv-1")["metadata"]["uid"] == before


def test_S_19_null_timestamps(kubectl: Kubectl) -> None:
    """S-19: `creationTimestamp: null` in templates is accepted."""
    assert MANIFEST.read_text().count("creationTimestamp: null") == 2
    kubectl("create", "-f", str(MANIFEST))
    kubectl("wait", f"vmpool/{POOL}", f"{READY}3", "--timeout=30s")


def test_top(any_kubectl: Kubectl) -> None:
    """`kubectl top` shows pods, their containers, and nodes; it selects, sorts and adds up."""
    k = any_kubectl
    vms = sorted((vm_of(found), found["metadata"]["name"]) for found in items(k, "pods"))
    k("annotate", "vm", vms[1][0], "fakekube.io/cpu=700m", "fakekube.io/memory=1Gi")
    header, *rows = [line.split() for line in k("top", "pod").splitlines()]
    assert header == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert {row[0]: row[1:] for row in rows}[vms[1][1]] == ["700m", "1024Mi"]
    first, *_ = k("top", "pod", "--sort-by=cpu", "-l", LABEL, "--no-headers").splitlines()
    assert first.split()[0] == vms[1][1]
    containers = [
        line.split() for line in k("top", "pod", vms[1][1], "--containers", "--no-headers").splitlines()
    ]
    assert containers[0] == [vms[1][1], "compute", "700m", "1024Mi"]
    assert k("top", "pod", "--sum", "--no-headers").splitlines()[-1].split()[0] in ("721m", "722m")
    assert re.search(r"node01\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%", k("top", "node"))
    missing = k.run("top", "pod", "nobody")
    assert missing.stderr == f'Error from server (NotFound): pods "{k.namespace}/nobody" not found\n'
    nothing = k.run("top", "pod", "-l", "no=such")
    assert (nothing.returncode, nothing.stderr) == (0, f"No resources found in {k.namespace} namespace.\n")
