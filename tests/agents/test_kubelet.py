import pytest

from fakekube.agents.containers import image_names
from fakekube.agents.kubelet import Kubelet, standard_stages
from fakekube.clock import rfc3339
from fakekube.lifecycle import loading
from fakekube.lifecycle.stage import FAST, REALISTIC
from fakekube.machinery.resources import NODES, PODS

GATE = "kubevirt.io/virtual-machine-unpaused"


@pytest.fixture
async def running(world):
    await world.node("n1")
    world.start(Kubelet)
    await world.settle()
    return world


async def _pod(world, name="p", **spec):
    await world.pod(name, nodeName="n1", **spec)
    await world.settle()
    return await world.find(PODS, name)


async def _report(world, name="p", **status):
    await world.client.patch(
        PODS, name, "default", {"status": status}, type="strategic", subresource="status"
    )
    await world.settle()
    return await world.find(PODS, name)


async def test_a_bound_pod_runs_and_is_ready(running, conditions):
    """Phase, addresses, containers and conditions of a pod that runs, as a kubelet reports them."""
    pod = await _pod(running)
    status = pod["status"]
    assert (status["phase"], status["hostIP"], status["podIP"]) == ("Running", "192.0.2.1", "10.244.0.2")
    assert status["podIPs"] == [{"ip": "10.244.0.2"}]
    assert status["hostIPs"] == [{"ip": "192.0.2.1"}]
    assert status["startTime"] == "2026-01-01T00:00:00Z"
    assert status["observedGeneration"] == pod["metadata"]["generation"]
    [container] = status["containerStatuses"]
    assert container["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert (container["ready"], container["started"], container["restartCount"]) == (True, True, 0)
    assert container["image"] == "example.com/app:1"
    assert container["imageID"].startswith("example.com/app@sha256:")
    assert container["containerID"].startswith("containerd://")
    assert {kind: found[0] for kind, found in conditions(pod).items()} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )


async def test_starting_is_told_per_container(running):
    """Each container is pulled, created and started, in the words of the kubelet."""
    await _pod(running, containers=[{"name": "a", "image": "x"}, {"name": "b", "image": "y"}])
    assert await running.events("p") == [
        ("Pulled", 'Container image "x" already present on machine and can be accessed by the pod'),
        ("Created", "Container created"),
        ("Started", "Container started"),
        ("Pulled", 'Container image "y" already present on machine and can be accessed by the pod'),
        ("Created", "Container created"),
        ("Started", "Container started"),
    ]


async def test_init_containers_have_done_their_work_and_sidecars_run(running):
    """Once a pod runs, init containers are completed and sidecars keep running."""
    init = [{"name": "setup", "image": "x"}, {"name": "log", "image": "y", "restartPolicy": "Always"}]
    pod = await _pod(running, initContainers=init)
    setup, log = pod["status"]["initContainerStatuses"]
    assert setup["state"]["terminated"]["reason"] == "Completed"
    assert "running" in log["state"]
    assert (setup["ready"], log["ready"]) == (True, True)


async def test_readiness_gates_decide_with_the_containers(running, conditions):
    """Ready needs every gate's condition; each change of the gate is followed, in the real words."""
    pod = await _pod(running, readinessGates=[{"conditionType": GATE}])
    said = f'corresponding condition of pod readiness gate "{GATE}" does not exist.'
    assert conditions(pod)["Ready"] == ("False", "ReadinessGatesNotReady", said)
    assert conditions(pod)["ContainersReady"] == ("True", None, None)
    pod = await _report(running, conditions=[{"type": GATE, "status": "True"}])
    assert conditions(pod)["Ready"] == ("True", None, None)
    assert conditions(pod)[GATE][0] == "True"
    pod = await _report(running, conditions=[{"type": GATE, "status": "False", "reason": "Paused"}])
    said = f'the status of pod readiness gate "{GATE}" is not "True", but False'
    assert conditions(pod)["Ready"] == ("False", "ReadinessGatesNotReady", said)


async def test_a_deleted_pod_stops_and_goes(running):
    """After a DELETE containers are stopped, the end is reported, and the pod is removed."""
    await _pod(running)
    revision = running.api.store.revision
    await running.client.delete(PODS, "p", "default")
    await running.settle()
    assert await running.find(PODS, "p") is None
    assert ("Killing", "Stopping container main") in await running.events("p")
    seen = []
    async for kind, pod in running.client.watch(PODS, "default", resource_version=str(revision)):
        seen.append((kind, pod["status"]["phase"]))
        if kind == "DELETED":
            break
    assert ("MODIFIED", "Running") in seen
    assert ("MODIFIED", "Succeeded") in seen


async def test_nobody_runs_pods_on_nodes_without_a_kubelet(running):
    """On a node that is not Ready, or does not exist, pods stay pending until it is."""
    await running.node("n2", ready=False)
    await running.pod("waits", nodeName="n2")
    await running.pod("lost", nodeName="nowhere")
    await running.settle()
    assert "containerStatuses" not in (await running.find(PODS, "waits"))["status"]
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await running.client.patch(NODES, "n2", None, ready, type="strategic", subresource="status")
    await running.settle()
    assert (await running.find(PODS, "waits"))["status"]["phase"] == "Running"
    assert (await running.find(PODS, "lost"))["status"]["phase"] == "Pending"


@pytest.fixture
async def hosting(world):
    await world.node("n1")
    world.start(Kubelet, ends_elsewhere=lambda pod: "vm" in pod["metadata"].get("labels", {}))
    await world.settle()
    await _pod(
        world,
        metadata={"labels": {"vm": "a"}},
        restartPolicy="Never",
        containers=[{"name": "compute", "image": "x"}, {"name": "hook", "image": "y"}],
    )
    return world


async def test_a_pod_whose_end_is_decided_elsewhere_runs_on_when_deleted(hosting):
    """Deleted, such a pod keeps running until the end is reported, then it goes."""
    await hosting.client.delete(PODS, "p", "default")
    await hosting.settle()
    pod = await hosting.find(PODS, "p")
    assert pod["metadata"]["deletionTimestamp"]
    assert pod["status"]["phase"] == "Running"
    await _report(hosting, phase="Succeeded")
    assert await hosting.find(PODS, "p") is None


async def test_one_reported_end_ends_the_whole_pod(hosting, conditions):
    """When one container is reported as ended, the rest ends with it, and the exit code decides the phase."""
    pod = await hosting.find(PODS, "p")
    compute, hook = pod["status"]["containerStatuses"]
    ended = {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}
    compute |= {"state": {"terminated": ended}, "ready": False}
    pod = await _report(hosting, containerStatuses=[compute, hook])
    assert pod["status"]["phase"] == "Failed"
    exits = [one["state"]["terminated"]["exitCode"] for one in pod["status"]["containerStatuses"]]
    assert exits[0] == 3
    assert conditions(pod)["Ready"] == ("False", "PodFailed", None)


async def test_a_reported_phase_ends_the_containers(hosting, conditions):
    """When the phase is reported as final, containers and conditions follow; the object stays."""
    pod = await _report(hosting, phase="Succeeded")
    assert [one["state"]["terminated"]["reason"] for one in pod["status"]["containerStatuses"]] == [
        "Completed",
        "Completed",
    ]
    assert conditions(pod)["Ready"] == ("False", "PodCompleted", None)
    assert conditions(pod)["Initialized"] == ("True", "PodCompleted", None)


async def test_the_grace_period_is_the_end_of_patience(hosting):
    """Whoever decides elsewhere has as long as the pod's grace period."""
    await hosting.client.delete(PODS, "p", "default")
    await hosting.advance(29)
    assert await hosting.find(PODS, "p")
    await hosting.advance(1)
    assert await hosting.find(PODS, "p") is None


async def test_an_ended_container_is_started_again_if_the_policy_says_so(running):
    """restartPolicy Always brings a container back, with its count and its last state."""
    pod = await _pod(running)
    [status] = pod["status"]["containerStatuses"]
    ended = {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}
    status |= {"state": {"terminated": ended}, "ready": False}
    pod = await _report(running, containerStatuses=[status])
    [status] = pod["status"]["containerStatuses"]
    assert (status["restartCount"], status["ready"]) == (1, True)
    assert status["lastState"]["terminated"]["exitCode"] == 1


async def test_an_ephemeral_container_runs_and_ends_with_the_pod(running):
    """One that is added to a pod is started, is never ready, and ends with the pod, whose phase it has no part in."""
    await _pod(running)
    added = {"ephemeralContainers": [{"name": "look", "image": "busybox:1"}]}
    await running.client.patch(
        PODS, "p", "default", {"spec": added}, type="strategic", subresource="ephemeralcontainers"
    )
    await running.settle()
    pod = await running.find(PODS, "p")
    [debugger] = pod["status"]["ephemeralContainerStatuses"]
    assert debugger["state"] == {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    assert (debugger["ready"], "started" in debugger) == (False, False)
    assert pod["status"]["observedGeneration"] == pod["metadata"]["generation"]
    assert (await running.events("p"))[-1] == ("Started", "Container started")
    ended = await _report(running, phase="Succeeded")
    [debugger] = ended["status"]["ephemeralContainerStatuses"]
    assert (debugger["state"]["terminated"]["exitCode"], "started" in debugger) == (0, False)


async def test_a_jobs_pod_completes(running):
    """A pod of a Job does its work and succeeds."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u"}
    pod = await _pod(running, metadata={"ownerReferences": [owner]}, restartPolicy="Never")
    assert pod["status"]["phase"] == "Succeeded"


async def test_images_that_cannot_be_pulled_are_somebody_elses_story(running):
    """While a pull error is reported the pod is not started behind the reporter's back."""
    trouble = {
        "name": "main",
        "state": {"waiting": {"reason": "ImagePullBackOff"}},
        "ready": False,
        "restartCount": 0,
    }
    await running.pod("p")
    await _report(running, containerStatuses=[trouble | {"image": "x", "imageID": ""}])
    binding = {"metadata": {"name": "p", "namespace": "default"}, "target": {"kind": "Node", "name": "n1"}}
    await running.client.create(PODS, binding, subresource="binding")
    await running.settle()
    assert (await running.find(PODS, "p"))["status"]["phase"] == "Pending"


async def test_the_pace_decides_how_long_things_take(world, conditions):
    """At pace realistic a pod is created first and runs some seconds later."""
    await world.node("n1")
    world.start(Kubelet, pace=REALISTIC)
    await world.settle()
    await world.pod("p", nodeName="n1")
    await world.settle()
    assert "startTime" not in (await world.find(PODS, "p"))["status"]
    await world.advance(0.05)
    pod = await world.find(PODS, "p")
    assert pod["status"]["phase"] == "Pending"
    waiting = pod["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "ContainerCreating"}
    said = "containers with unready status: [main]"
    assert conditions(pod)["Ready"] == ("False", "ContainersNotReady", said)
    await world.advance(3)
    assert (await world.find(PODS, "p"))["status"]["phase"] == "Running"


async def test_a_pod_may_ask_for_its_own_delay(world):
    """An annotation sets how long one pod takes to start, whatever the pace."""
    await world.node("n1")
    world.start(Kubelet, pace=FAST)
    await world.settle()
    annotation = {"pod-started.stage.fakekube.io/delay": "60s"}
    await world.pod("p", nodeName="n1", metadata={"annotations": annotation})
    await world.settle()
    await world.advance(1)
    await world.advance(30)
    assert (await world.find(PODS, "p"))["status"]["phase"] == "Pending"
    await world.advance(30)
    assert (await world.find(PODS, "p"))["status"]["phase"] == "Running"


async def test_own_stages_come_first(world):
    """A user's stages before the standard ones change the life of the pods they match."""
    [crash] = loading.parse("""
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-crash}
spec:
  resourceRef: {kind: Pod}
  selector:
    matchLabels: {crash: "yes"}
    matchExpressions: [{key: .status.phase, operator: In, values: [Running]}]
  next:
    statusTemplate: {phase: Failed, reason: Crashed}
""")
    await world.node("n1")
    world.start(Kubelet, stages=(crash, *standard_stages()))
    await world.settle()
    pod = await _pod(world, metadata={"labels": {"crash": "yes"}})
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Crashed")
    assert (await _pod(world, "other"))["status"]["phase"] == "Running"


async def test_stages_of_kwok_start_pods(world):
    """A pod's start as kwok's files tell it, with loops over containers and addresses of node and pod."""
    [started] = loading.parse("""
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.podIP, operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      containerStatuses:
      {{ range .spec.containers }}
      - name: {{ .name | Quote }}
        image: {{ .image | Quote }}
        {{ if eq .name "a" }}
        ready: true
        {{ end }}
        restartCount: 0
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) | Quote }}
      phase: Running
""")
    await world.node("n1")
    world.start(Kubelet, stages=(started, *standard_stages()))
    await world.settle()
    two = [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]
    status = (await _pod(world, containers=two))["status"]
    assert (status["phase"], status["hostIP"], status["podIP"]) == ("Running", "192.0.2.1", "10.244.0.2")
    assert [(one["name"], "ready" in one) for one in status["containerStatuses"]] == [
        ("a", True),
        ("b", False),
    ]


async def test_each_pod_costs_few_writes(running):
    """Starting a pod is one report of its status, beside the events."""
    before = running.api.store.revision
    await _pod(running)
    created, reported, told = 1, 1, 3
    assert running.api.store.revision - before == created + reported + told


async def test_waiting_costs_nothing(running):
    """A pod that runs causes no request, however much time passes."""
    await _pod(running)
    before = len(running.api.store)
    revision = running.api.store.revision
    await running.advance(86_400)
    assert (len(running.api.store), running.api.store.revision) == (before, revision)


@pytest.mark.parametrize(
    ("image", "name", "repository"),
    [
        ("nginx", "docker.io/library/nginx:latest", "docker.io/library/nginx"),
        (
            "kubevirt/virt-launcher:v1",
            "docker.io/kubevirt/virt-launcher:v1",
            "docker.io/kubevirt/virt-launcher",
        ),
        ("localhost:5000/a", "localhost:5000/a:latest", "localhost:5000/a"),
        ("example.com/a/b:2", "example.com/a/b:2", "example.com/a/b"),
    ],
)
def test_image_names_are_completed(image, name, repository):
    """A short image name is reported in full, with a digest that depends on nothing but the name."""
    full, image_id = image_names(image)
    assert full == name
    assert image_id.startswith(f"{repository}@sha256:")
    assert image_names(f"{repository}@sha256:abc") == (f"{repository}@sha256:abc",) * 2


async def _states(world, seconds, name="p"):
    """What the first container is about, each time it changes: seconds passed, why it waits or how it is, restarts."""
    seen = []
    for passed in range(seconds):
        pod = await world.find(PODS, name)
        one = pod["status"]["containerStatuses"][0]
        [(state, of)] = one["state"].items()
        found = (of.get("reason", state), one["restartCount"])
        if not seen or seen[-1][1:] != found:
            seen.append((passed, *found))
        await world.advance(1)
    return seen


async def test_f04_an_image_that_is_not_found_is_pulled_again_and_again(running):
    """F-04, F-05: ErrImagePull and ImagePullBackOff by turns; pulls are put off for 10 s, 20 s, 40 s, five minutes at most."""
    pod = await _pod(running, metadata={"annotations": {"fakekube.io/fate": "image-pull-error"}})
    full = "example.com/app:1"
    error = (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": '
        f'failed to resolve reference "{full}": {full}: not found'
    )
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == error
    assert (pod["status"]["phase"], pod["status"]["podIP"]) == ("Pending", "10.244.0.2")
    seen = await _states(running, 1000)
    pulls = [passed for passed, reason, _ in seen if reason == "ErrImagePull"]
    waits = [passed for passed, reason, _ in seen if reason == "ImagePullBackOff"]
    assert pulls == [0, 10, 30, 70, 150, 310, 610, 910]
    assert waits == [2, 20, 40, 80, 160, 320, 620, 920]
    waiting = (await running.find(PODS, "p"))["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["message"] == f'Back-off pulling image "{full}": ErrImagePull: {error}'
    assert set(await running.events("p")) == {
        ("Pulling", f'Pulling image "{full}"'),
        ("Failed", f'Failed to pull image "{full}": {error}'),
        ("Failed", "Error: ErrImagePull"),
        ("BackOff", f'Back-off pulling image "{full}"'),
        ("Failed", "Error: ImagePullBackOff"),
    }


@pytest.mark.parametrize(
    ("fate", "reasons", "at"),
    [
        ("image-pull-error=25s", ["ErrImagePull", "ImagePullBackOff"] * 2, 30),
        ("image-pull-backoff=1m", ["ImagePullBackOff"], 290),
    ],
)
async def test_an_image_may_come(running, fate, reasons, at):
    """An image that is not found for a while is pulled when it is tried again after that."""
    await _pod(running, metadata={"annotations": {"fakekube.io/fate": fate}})
    seen = await _states(running, at + 2)
    assert [reason for _, reason, _ in seen] == [*reasons, "running"]
    assert seen[-1][0] == at
    told = [reason for reason, _ in await running.events("p")]
    assert told[-3:] == ["Pulled", "Created", "Started"]


async def test_taking_the_fate_off_makes_the_image_come(running):
    """An image is found at once when the annotation is gone; what others have reported is left to them."""
    await _pod(running, metadata={"annotations": {"fakekube.io/fate": "image-pull-error"}})
    await running.client.patch(
        PODS, "p", "default", {"metadata": {"annotations": {"fakekube.io/fate": None}}}, type="merge"
    )
    await running.settle()
    assert (await running.find(PODS, "p"))["status"]["phase"] == "Running"


async def test_sidecars_are_up_when_a_main_container_has_no_image(running):
    """What comes before the container whose image is not found has been started."""
    init = [{"name": "log", "image": "y", "restartPolicy": "Always"}]
    fate = {"annotations": {"fakekube.io/fate": "image-pull-error"}}
    pod = await _pod(running, initContainers=init, metadata=fate)
    assert "running" in pod["status"]["initContainerStatuses"][0]["state"]
    assert "waiting" in pod["status"]["containerStatuses"][0]["state"]


async def test_containers_that_exit_at_once_are_put_off_longer_and_longer(running):
    """The first restart is at once; then CrashLoopBackOff for 10 s, 20 s, 40 s, five minutes at most."""
    fate = {"annotations": {"fakekube.io/fate": "fail-to-start"}}
    await _pod(running, metadata=fate)
    seen = await _states(running, 1000)
    assert seen == [
        (0, "CrashLoopBackOff", 1),
        (10, "CrashLoopBackOff", 2),
        (30, "CrashLoopBackOff", 3),
        (70, "CrashLoopBackOff", 4),
        (150, "CrashLoopBackOff", 5),
        (310, "CrashLoopBackOff", 6),
        (610, "CrashLoopBackOff", 7),
        (910, "CrashLoopBackOff", 8),
    ]
    pod = await running.find(PODS, "p")
    [one] = pod["status"]["containerStatuses"]
    full = f"p_default({pod['metadata']['uid']})"
    assert one["state"]["waiting"]["message"] == f"back-off 5m0s restarting failed container=main pod={full}"
    assert one["lastState"]["terminated"]["exitCode"] == 1
    assert ("BackOff", f"Back-off restarting failed container main in pod {full}") in await running.events(
        "p"
    )


async def test_a_container_that_ran_for_long_is_started_again_at_once(running):
    """Ten minutes are enough to forget that it had ended before; otherwise it has to wait."""
    await _pod(running)
    for long, waits in ((5, False), (5, True), (700, False)):
        await running.advance(long)
        before = (await running.find(PODS, "p"))["status"]["containerStatuses"][0]
        now = rfc3339(running.clock.now())
        ended = {
            "exitCode": 3,
            "reason": "Error",
            "startedAt": before["state"]["running"]["startedAt"],
            "finishedAt": now,
        }
        pod = await _report(running, containerStatuses=[{**before, "state": {"terminated": ended}}])
        [one] = pod["status"]["containerStatuses"]
        assert ("waiting" in one["state"]) is waits
        assert one["lastState"]["terminated"]["exitCode"] == 3
        await running.advance(10)
        pod = await running.find(PODS, "p")
        assert "running" in pod["status"]["containerStatuses"][0]["state"]


async def test_a_pod_that_is_active_for_too_long(running, conditions):
    """Past activeDeadlineSeconds it has failed, in the kubelet's words, whether it ever got to run or not."""
    await _pod(running, activeDeadlineSeconds=30)
    fate = {"annotations": {"fakekube.io/fate": "image-pull-error"}}
    await _pod(running, "q", metadata=fate, activeDeadlineSeconds=30)
    await running.advance(29)
    assert (await running.find(PODS, "p"))["status"]["phase"] == "Running"
    await running.advance(1)
    said = "Pod was active on the node longer than the specified deadline"
    for name in ("p", "q"):
        pod = await running.find(PODS, name)
        status = pod["status"]
        assert (status["phase"], status["reason"], status["message"]) == ("Failed", "DeadlineExceeded", said)
        assert conditions(pod)["Ready"][:2] == ("False", "PodFailed")
        assert ("DeadlineExceeded", said) in await running.events(name)
    [one] = (await running.find(PODS, "p"))["status"]["containerStatuses"]
    assert one["state"]["terminated"]["exitCode"] == 137
    assert ("Killing", "Stopping container main") in await running.events("p")
