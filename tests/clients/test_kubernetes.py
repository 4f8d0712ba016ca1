"""The official client: synchronous, generated from OpenAPI, and strict about what comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

kubernetes = pytest.importorskip("kubernetes", reason="needs the dependency group `clients`")
SPACE = "default"
LABEL = "client=kubernetes"


@pytest.fixture
def core(kubeconfig: Path) -> Iterator[kubernetes.client.CoreV1Api]:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    with kubernetes.client.ApiClient(configuration) as client:
        core = kubernetes.client.CoreV1Api(client)
        yield core
        core.delete_collection_namespaced_config_map(SPACE, label_selector=LABEL)


def config_map(name: str, **data: str):
    key, _, value = LABEL.partition("=")
    return {"metadata": {"name": f"official-{name}", "labels": {key: value}}, "data": data}


def test_list_in_pages(core: kubernetes.client.CoreV1Api) -> None:
    """A page tells how to get the next one and how many remain."""
    for name in ("a", "b", "c"):
        core.create_namespaced_config_map(SPACE, config_map(name))
    page = core.list_namespaced_config_map(SPACE, limit=2)
    assert len(page.items) == 2
    assert page.metadata.remaining_item_count >= 1
    rest = core.list_namespaced_config_map(SPACE, limit=500, _continue=page.metadata._continue)
    names = [one.metadata.name for one in page.items + rest.items]
    assert names == sorted(names)
    assert {"official-a", "official-b", "official-c"} <= set(names)


def test_watch_and_resume(core: kubernetes.client.CoreV1Api) -> None:
    """Watches follow by label and go on from a version."""
    first = core.create_namespaced_config_map(SPACE, config_map("a", v="1"))
    name = first.metadata.name
    core.patch_namespaced_config_map(name, SPACE, {"data": {"v": "2"}})
    watch = kubernetes.watch.Watch()
    seen = []
    for event in watch.stream(
        core.list_namespaced_config_map,
        SPACE,
        label_selector=LABEL,
        resource_version=first.metadata.resource_version,
        timeout_seconds=10,
    ):
        seen.append((event["type"], event["object"].data["v"]))
        watch.stop()
    core.delete_namespaced_config_map(name, SPACE)
    again = kubernetes.watch.Watch()
    for event in again.stream(
        core.list_namespaced_config_map,
        SPACE,
        label_selector=LABEL,
        resource_version=watch.resource_version,
        timeout_seconds=10,
    ):
        seen.append((event["type"], event["object"].data["v"]))
        again.stop()
    assert seen == [("MODIFIED", "2"), ("DELETED", "2")]


def test_patch_and_status(core: kubernetes.client.CoreV1Api) -> None:
    """Strategic merge patches are the client's default; a status is written apart."""
    core.create_namespaced_config_map(SPACE, config_map("a", v="1"))
    patched = core.patch_namespaced_config_map("official-a", SPACE, {"data": {"w": "2"}})
    assert patched.data == {"v": "1", "w": "2"}
    pod = {"metadata": {"name": "official"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert core.create_namespaced_pod(SPACE, pod).status.phase == "Pending"
    running = core.patch_namespaced_pod_status("official", SPACE, {"status": {"phase": "Running"}})
    assert running.status.phase == "Running"
    core.delete_namespaced_pod("official", SPACE, grace_period_seconds=0)


def test_refusals_are_statuses(core: kubernetes.client.CoreV1Api) -> None:
    """Errors carry code, reason and the Status as body."""
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.read_namespaced_config_map("none", SPACE)
    assert (refused.value.status, refused.value.reason) == (404, "Not Found")
    assert '"reason":"NotFound"' in refused.value.body


def test_streams_into_a_pod(core: kubernetes.client.CoreV1Api) -> None:
    """A shell that is typed to answers line by line and tells how it ended; a forwarded port is a socket."""
    from kubernetes.stream import portforward, stream

    container = {"name": "c", "image": "example.com/x:1", "ports": [{"containerPort": 80}]}
    core.create_namespaced_pod(SPACE, {"metadata": {"name": "official"}, "spec": {"containers": [container]}})
    watch = kubernetes.watch.Watch()
    for event in watch.stream(core.list_namespaced_pod, SPACE, field_selector="metadata.name=official"):
        if event["object"].status.phase == "Running":
            break
    asked = {"command": ["sh"], "stdin": True, "stdout": True, "stderr": True}
    shell = stream(core.connect_get_namespaced_pod_exec, "official", SPACE, _preload_content=False, **asked)
    for line in ("one", "two"):
        shell.write_stdin(f"echo {line}\n")
        assert shell.readline_stdout(timeout=30) == line
    shell.write_stdin("exit 4\n")
    shell.run_forever(timeout=30)
    assert shell.returncode == 4
    forward = portforward(core.connect_get_namespaced_pod_portforward, "official", SPACE, ports="80")
    socket = forward.socket(80)
    socket.setblocking(True)
    socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b"".join(iter(lambda: socket.recv(4096), b""))
    socket.close()
    assert answer.endswith(b"Hello from official\n")
    assert forward.error(80) is None
    core.delete_namespaced_pod("official", SPACE)


def test_every_group_is_discovered(core: kubernetes.client.CoreV1Api) -> None:
    """The dynamic client finds kinds by discovery and works on them."""
    dynamic = kubernetes.dynamic.DynamicClient(core.api_client)
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    assert deployments.get(namespace=SPACE).items == []
    slices = dynamic.resources.get(api_version="discovery.k8s.io/v1", kind="EndpointSlice")
    assert slices.namespaced
