"""Stages users bring, played by a whole cluster: in place of standard ones, beside them, and for kinds of their own."""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakekube import stage_files
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.lifecycle.stage import StageError
from fakekube.machinery.objects import condition_is, dig
from fakekube.machinery.resources import (
    CRDS,
    DATA_VOLUMES,
    EVENTS,
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    Resource,
)
from fakekube.stage_files.cel import Condition
from fakekube.virt.handler.labeller import CAPABILITIES

EXAMPLES = Path(__file__).parents[1] / "examples" / "stages"
SLICES = Resource("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False)
WIDGETS = Resource("example.com", "v1", "widgets", "Widget")
WIDGET = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "default"}}
OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
WIDGET_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": OPEN}}],
    },
}


def vmi(name, **labels):
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
    }


def stage(kind, next_, name="mine", **more):
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return (
        "apiVersion: kwok.x-k8s.io/v1alpha1\nkind: Stage\n"
        f"metadata: {{name: {name}}}\nspec: {{resourceRef: {kind}, next: {next_}{extra}}}\n"
    )


@asynccontextmanager
async def running(*stages, **options):
    async with Cluster(clock=ManualClock(), seed=1, stages=stages, **options) as cluster:
        await cluster.settle()
        yield cluster


async def phase(cluster, name):
    found = await cluster.client().get(VIRTUAL_MACHINE_INSTANCES, name, "default")
    return dig(found, "status", "phase")


async def test_a_standard_stage_is_replaced_by_one_of_its_name():
    """A stage called guest-booted decides when guests boot; its delay holds as written, also at pace instant."""
    async with running(EXAMPLES / "slow-boot.yaml") as cluster:
        await cluster.client().create(VIRTUAL_MACHINE_INSTANCES, vmi("a"))
        await cluster.advance(39)
        assert await phase(cluster, "a") == "Scheduled"
        await cluster.advance(21)
        assert await phase(cluster, "a") == "Running"


async def test_weights_are_odds_for_guests():
    """Of many guests about a fifth dies at its boot, those without the label do not."""
    async with running(EXAMPLES / "one-in-five-crashes.yaml") as cluster:
        client = cluster.client()
        for number in range(60):
            await client.create(VIRTUAL_MACHINE_INSTANCES, vmi(f"f{number}", app="fragile"))
        await client.create(VIRTUAL_MACHINE_INSTANCES, vmi("sound"))
        await cluster.advance(10)
        phases = [await phase(cluster, f"f{number}") for number in range(60)]
        assert set(phases) == {"Running", "Failed"}
        assert 4 <= phases.count("Failed") <= 24
        assert await phase(cluster, "sound") == "Running"


async def test_nodes_have_stages():
    """A stage for Nodes writes their status and tells an event, after its delay."""
    async with running(EXAMPLES / "node-pressure.yaml") as cluster:
        client = cluster.client()
        label = {"metadata": {"labels": {"example.com/disk": "full"}}}
        await client.patch(NODES, "node01", None, label, type="merge")
        await cluster.advance(59)
        assert not condition_is(await client.get(NODES, "node01", None), "DiskPressure")
        await cluster.advance(2)
        assert condition_is(await client.get(NODES, "node01", None), "DiskPressure")
        told = [one["reason"] for one in (await client.list(EVENTS, "default")).items]
        assert "NodeHasDiskPressure" in told


async def test_pods_have_stages_beside_the_standard_ones(tmp_path):
    """A stage of another name comes before the kubelet's own, for the pods it selects."""
    fails = "{statusTemplate: {phase: Failed, reason: Unlucky}}"
    chosen = "{matchLabels: {app: unlucky}, matchExpressions: [{key: pod.startable, operator: Exists}]}"
    (tmp_path / "pod.yml").write_text(stage("{kind: Pod}", fails, selector=chosen))
    async with running(tmp_path) as cluster:
        client = cluster.client()
        for name in ("unlucky", "lucky"):
            meta = {"name": name, "namespace": "default", "labels": {"app": name}}
            spec = {"containers": [{"name": "c", "image": "busybox"}]}
            await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        await cluster.advance(5)
        found = {one["metadata"]["name"]: one["status"] for one in (await client.list(PODS, "default")).items}
        assert (found["unlucky"]["phase"], found["unlucky"]["reason"]) == ("Failed", "Unlucky")
        assert found["lucky"]["phase"] == "Running"


async def test_vms_have_stages(tmp_path):
    """kwok's form for a KubeVirt kind: a VM is annotated a while after it runs."""
    chosen = "{matchExpressions: [{key: .status.printableStatus, operator: In, values: [Running]}]}"
    does = '{patches: [{root: metadata, template: {annotations: {seen: "at {now}"}}}]}'
    ref = "{apiGroup: kubevirt.io/v1, kind: VirtualMachine}"
    (tmp_path / "vm.yaml").write_text(
        stage(ref, does, selector=chosen, once="true", delay="{durationMilliseconds: 30000}")
    )
    async with running(tmp_path / "vm.yaml") as cluster:
        client = cluster.client()
        meta = {"name": "vm", "namespace": "default"}
        spec = {"runStrategy": "Always", "template": {"spec": vmi("vm")["spec"]}}
        machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": meta, "spec": spec}
        await client.create(VIRTUAL_MACHINES, machine)
        await cluster.advance(40)
        assert (await client.get(VIRTUAL_MACHINES, "vm", "default"))["metadata"]["annotations"]["seen"]


async def test_volumes_have_stages():
    """A DataVolume goes by the pace and tells the progress that somebody's own stages say."""
    volume = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataVolume",
        "metadata": {"name": "v", "namespace": "default"},
        "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
    }
    async with running(EXAMPLES / "import-in-steps.yaml") as cluster:
        await cluster.apply([volume])
        seen = []
        for span in ("0s", "21s", "20s", "20s"):
            await cluster.advance(span)
            status = (await cluster.client().get(DATA_VOLUMES, "v", "default"))["status"]
            seen.append((status["phase"], status["progress"]))
        assert seen == [
            ("ImportInProgress", "42.00%"),
            ("ImportInProgress", "33.33%"),
            ("ImportInProgress", "66.66%"),
            ("Succeeded", "100.0%"),
        ]


async def test_guests_have_stages_without_a_virt_handler(tmp_path):
    """Without virt-handler instances still have stages, which then know nothing of guests: statusTemplate is the object's own status."""
    chosen = "{matchExpressions: [{key: .status.phase, operator: In, values: [Scheduled]}]}"
    ref = "{apiGroup: kubevirt.io/v1, kind: VirtualMachineInstance}"
    (tmp_path / "vmi.yaml").write_text(stage(ref, "{statusTemplate: {phase: Running}}", selector=chosen))
    async with running(tmp_path, without=["virt-handler"]) as cluster:
        node = (await cluster.client().list(NODES)).items[0]
        ready = {"labels": CAPABILITIES}
        await cluster.client().patch(NODES, node["metadata"]["name"], None, {"metadata": ready}, type="merge")
        devices = {f"devices.kubevirt.io/{one}": "1k" for one in ("kvm", "tun", "vhost-net")}
        status = {"status": {"capacity": devices, "allocatable": devices}}
        await cluster.client().patch(
            NODES, node["metadata"]["name"], None, status, type="merge", subresource="status"
        )
        await cluster.client().create(VIRTUAL_MACHINE_INSTANCES, vmi("a"))
        await cluster.advance(5)
        assert await phase(cluster, "a") == "Running"


WITHOUT_KUBELETS = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-comes-up}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"]}
  next:
    statusTemplate: |
      addresses: [{type: InternalIP, address: {{ NodeIP | Quote }}}]
      allocatable: {cpu: "8", memory: 8Gi, pods: "10"}
      conditions:
      {{ range NodeConditions }}
      - {type: {{ .type }}, status: {{ .status | Quote }}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-breaks-down}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchLabels: {broken: "yes"}
  weight: 10000
  delay: {durationMilliseconds: 1000}
  next:
    statusTemplate: |
      conditions: [{type: Ready, status: "False", reason: Broken}]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: node-lives-on}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  delay: {durationMilliseconds: 600000}
  next:
    statusTemplate: |
      conditions: [{type: Ready, status: "True", lastHeartbeatTime: {{ Now | Quote }}}]
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-runs}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .status.podIP, operator: DoesNotExist}
  next:
    statusTemplate: |
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) | Quote }}
      phase: Running
"""


async def test_pods_and_nodes_live_by_stages_alone(tmp_path):
    """Without kubelets of ours, stages of Pods play once a pod is bound, with an address of its own or its node's; a stage
    that comes to match Nodes by a label has its chance at once, whatever was planned."""
    file = tmp_path / "all.yaml"
    file.write_text(WITHOUT_KUBELETS)
    async with running(file, without=["nodes", "kubelet", "kubevirt"]) as cluster:
        client = cluster.client()
        for name, more in (("plain", {}), ("host", {"hostNetwork": True})):
            spec = {"containers": [{"name": "c", "image": "busybox"}], **more}
            meta = {"name": name, "namespace": "default"}
            await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        await cluster.advance("1m")
        assert {one["status"]["phase"] for one in (await client.list(PODS, "default")).items} == {"Pending"}
        await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
        await cluster.advance("1m")
        node = await client.get(NODES, "n")
        own = node["status"]["addresses"][0]["address"]
        assert condition_is(node, "Ready")
        found = {one["metadata"]["name"]: one["status"] for one in (await client.list(PODS, "default")).items}
        assert {one["phase"] for one in found.values()} == {"Running"}
        assert {one["hostIP"] for one in found.values()} == {found["host"]["podIP"]} == {own}
        assert found["plain"]["podIP"] == "10.244.0.2"
        await client.patch(NODES, "n", None, {"metadata": {"labels": {"broken": "yes"}}}, type="merge")
        await cluster.advance("2s")
        assert not condition_is(await client.get(NODES, "n"), "Ready")


async def test_a_kind_may_come_later(tmp_path):
    """Stages for a custom resource wait for its definition."""
    ref = "{apiGroup: example.com/v1, kind: Widget}"
    does = "{patches: [{root: spec, template: {done: true}}]}"
    (tmp_path / "w.yaml").write_text(stage(ref, does, once="true"))
    async with running(tmp_path, only=["stages"]) as cluster:
        client = cluster.client()
        await client.create(CRDS, WIDGET_CRD)
        await cluster.advance(1)
        await client.create(WIDGETS, WIDGET)
        await cluster.advance(1)
        assert (await client.get(WIDGETS, "w", "default"))["spec"] == {"done": True}


async def test_a_fork_keeps_stages_or_gets_others():
    """A fork plays the stages of its origin, unless it is given its own."""
    async with running(EXAMPLES / "slow-boot.yaml") as cluster:
        for fork, moment in ((cluster.fork(), "Scheduled"), (cluster.fork(stages=()), "Running")):
            async with fork:
                await fork.client().create(VIRTUAL_MACHINE_INSTANCES, vmi("a"))
                await fork.advance(5)
                assert await phase(fork, "a") == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            stage("{kind: Podd}", "{delete: true}"),
            ":4: spec.resourceRef: there is no kind Podd; did you mean Pod?",
        ),
        (
            stage("{apiGroup: v1, kind: VirtualMachine}", "{delete: true}"),
            ":4: spec.resourceRef: VirtualMachine is of the group kubevirt.io, not v1",
        ),
        (
            stage("{kind: Node}", '{statusTemplate: {phase: "{guest.running}"}}'),
            ":4: spec.next.statusTemplate: nobody provides {guest.running}; known here: now, object.…",
        ),
        (
            stage("{kind: Pod}", '{statusTemplate: "{{ NodeIPs }}"}'),
            ":4: spec.next.statusTemplate: function 'NodeIPs' in {{ NodeIPs }} is not known here",
        ),
        ("kind: Stage\n", ":1: apiVersion is missing"),
        ("a: [\n", ":2: not YAML"),
    ],
)
def test_impossible_stages_are_refused_at_load(tmp_path, text, told):
    """What cannot be is refused with the file, the line and the reason."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(StageError) as caught:
        stage_files.load([file])
    assert str(caught.value).startswith(f"{file}{told}")


def test_files_that_are_not_there_are_refused(tmp_path):
    """A missing file, an empty folder and two stages of one name in two files are refused."""
    with pytest.raises(StageError, match=r"none.yaml: cannot be read: No such file or directory"):
        stage_files.load([tmp_path / "none.yaml"])
    with pytest.raises(StageError, match="there is no YAML file in this folder"):
        stage_files.load([tmp_path])
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(stage("{kind: Pod}", "{delete: true}"))
    with pytest.raises(StageError, match="a second stage called mine for Pod"):
        stage_files.load([tmp_path / "a.yaml", tmp_path / "b.yaml"])


@pytest.mark.parametrize("file", sorted(EXAMPLES.iterdir()), ids=lambda file: file.stem)
def test_the_examples_are_possible(file):
    """Every example loads."""
    assert stage_files.load([file])


CEL = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: publish}
spec:
  resourceRef: {apiGroup: v1, kind: Node}
  selector:
    matchExpressions:
    - cel:
        expression: >-
          has(self.metadata.annotations) && 'e.com/gpus' in self.metadata.annotations
    - expression: int(self.metadata.annotations['e.com/gpus']) <= 8 && !('e.com/done' in self.metadata.annotations)
    - jq: {key: '.metadata.labels["kubernetes.io/os"] // "none"', operator: In, values: [linux]}
  weightFrom: {cel: {expression: "size(self.metadata.labels)"}}
  delay: {durationFrom: {cel: {expression: "self.metadata.creationTimestamp + duration('30s') - Now()"}}}
  steps:
  - apply:
      template: |
        {{ $count := atoi (index .metadata.annotations "e.com/gpus" | default "0") }}
        apiVersion: resource.k8s.io/v1
        kind: ResourceSlice
        metadata:
          name: {{ .metadata.name }}-gpu
        spec:
          driver: gpu.example.com
          nodeName: {{ .metadata.name | Quote }}
          pool: {name: {{ .metadata.name | Quote }}, generation: 1, resourceSliceCount: 1}
          devices:
          {{ range $index := until $count }}
          - name: gpu-{{ $index }}
          {{ end }}
  - patch:
      root: metadata
      template: |
        annotations:
          e.com/done: {{ printf "%s/%03d" "gpus" (index .metadata.annotations "e.com/gpus" | atoi) | Quote }}
"""


async def test_cel_selects_and_delays(tmp_path):
    """What kwok says in CEL holds here: conditions, moments of a Node, and another object made of it in the end."""
    file = tmp_path / "publish.yaml"
    file.write_text(CEL)
    async with running(file, only=["nodes", "stages"], nodes=2) as cluster:
        client = cluster.client()
        for node, count in (("node01", "2"), ("node02", "20")):
            note = {"metadata": {"annotations": {"e.com/gpus": count}}}
            await client.patch(NODES, node, None, note, type="merge")
        await cluster.advance("29s")
        assert (await client.list(SLICES)).items == []
        await cluster.advance("2s")
        [slice_] = (await client.list(SLICES)).items
        assert [one["name"] for one in slice_["spec"]["devices"]] == ["gpu-0", "gpu-1"]
        assert (await client.get(NODES, "node01"))["metadata"]["annotations"]["e.com/done"] == "gpus/002"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.spec.x == 1", True),
        ("self.spec.y == 1", None),
        ("self.SinceSecond() > 59.0", True),
        ("SinceSecond(self)", 60.0),
        ("Now() - self.metadata.creationTimestamp == duration('1m')", True),
        ("UnixSecond(Now())", 1767225660.0),
        ("Rand() < 1.0", True),
        ("Quantity('1Gi').isGreaterThan(Quantity('1M'))", True),
        ("'2'.Quantity() == Quantity('2000m')", True),
        ("self.status.conditions.exists(c, c.type == 'Ready' && c.lastTransitionTime < Now())", True),
    ],
)
def test_cel_knows_what_kwok_knows(expression, value):
    """kwok's functions are there, as functions and methods; what fails for an object has no value."""
    condition = {"type": "Ready", "lastTransitionTime": "2026-01-01T00:00:30Z"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"x": 1},
        "status": {"conditions": [condition]},
    }
    assert Condition(expression)(pod, {"now": "2026-01-01T00:01:00Z"}) == value


def test_cel_that_cannot_be_is_refused(tmp_path):
    """With file, line and what the compiler says."""
    file = tmp_path / "bad.yaml"
    file.write_text(CEL.replace("int(self", "nope(self"))
    with pytest.raises(
        StageError, match=r"bad.yaml:12: .*expression: not CEL: .*undeclared reference to 'nope'"
    ):
        stage_files.load([file])
