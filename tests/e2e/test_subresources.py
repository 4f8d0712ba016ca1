"""KubeVirt's subresources by kubectl alone: read and written raw, refused in words, and with the token of a service account."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Kubectl, Up, kubectls

MACHINE = """\
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: vm}
spec:
  runStrategy: Manual
  template:
    spec:
      terminationGracePeriodSeconds: 0
      domain:
        devices: {interfaces: [{name: default, masquerade: {}}]}
        memory: {guest: 64Mi}
      networks: [{name: default, pod: {}}]
      volumes: [{name: disk, containerDisk: {image: quay.io/containerdisks/fedora:43}}]
"""
ROOT = "/apis/subresources.kubevirt.io/v1"
WAIT = "--timeout=20s"


def path(k: Kubectl, tail: str, kind: str = "virtualmachines") -> str:
    return f"{ROOT}/namespaces/{k.namespace}/{kind}/vm/{tail}"


def put(k: Kubectl, where: str, body: str = "{}", *flags: str) -> str:
    """What kubectl says: nothing where it is done, and why not on its standard error."""
    done = k.run(*flags, "replace", "--raw", where, "-f", "-", stdin=body)
    assert done.stdout == ""
    return done.stderr


def test_by_hand(kubectl: Kubectl) -> None:
    """Started, paused, asked and stopped by `replace --raw` and `get --raw`; refusals are told as of any other resource."""
    k = kubectl
    k("apply", "-f", "-", stdin=MACHINE)
    assert put(k, path(k, "start"), '{"paused": true}') == ""
    k("wait", "--for=jsonpath={.status.printableStatus}=Paused", "vm/vm", WAIT)
    assert put(k, path(k, "start")) == (
        'Error from server (Conflict): Operation cannot be fulfilled on virtualmachine.kubevirt.io "vm": '
        "VM is already running\n"
    )
    assert put(k, path(k, "unpause", "virtualmachineinstances")) == ""
    k("wait", "--for=condition=Ready", "vm/vm", WAIT)
    k("wait", "--for=condition=AgentConnected", "vmi/vm", WAIT)
    asked = json.loads(k("get", "--raw", path(k, "guestosinfo", "virtualmachineinstances")))
    assert asked["kind"] == "VirtualMachineInstanceGuestAgentInfo"
    assert json.loads(k("get", "--raw", path(k, "expand-spec")))["metadata"]["name"] == "vm"
    assert put(k, path(k, "stop"), '{"dryRun": ["All"]}') == ""
    assert put(k, path(k, "stop"), '{"gracePeriod": "none"}') == (
        "Error from server (BadRequest): Can not unmarshal Request body to struct, error: json: cannot unmarshal string "
        "into Go struct field StopOptions.gracePeriod of type int64\n"
    )
    assert put(k, path(k, "stop"), '{"gracePeriod": 0}') == ""
    k("wait", "--for=jsonpath={.status.printableStatus}=Stopped", "vm/vm", WAIT)
    unknown = k.run("get", "--raw", path(k, "guestosinfo", "virtualmachineinstances"))
    assert unknown.returncode == 1
    assert "InternalError" in unknown.stderr


def test_what_is_served(kubectl: Kubectl) -> None:
    """The group is discovered, its release told, and a stream is no answer to a plain question."""
    k = kubectl
    listed = json.loads(k("get", "--raw", ROOT))["resources"]
    assert {"virtualmachines/start", "virtualmachineinstances/console"} <= {one["name"] for one in listed}
    assert json.loads(k("get", "--raw", f"{ROOT}/version"))["gitVersion"].startswith("v1.")
    assert "subresources.kubevirt.io/v1" in k("api-versions")
    missing = k.run("get", "--raw", path(k, "dance"))
    assert (
        missing.stderr == "Error from server (NotFound): the server could not find the requested resource\n"
    )


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubectl]:
    """A server that asks who one is, and a namespace in it."""
    if not kubectls():
        pytest.skip("no kubectl on PATH and none in $FAKEKUBE_KUBECTLS")
    monkeypatch.setenv("FAKEKUBE_STATE", str(tmp_path_factory.mktemp("state")))
    up = Up("--authorization", "rbac", "--token", "admin", "--tls")
    k = Kubectl(next(iter(kubectls().values())), up.kubeconfig, tmp_path_factory.mktemp("home"), "default")
    k("wait", "--for=jsonpath={.status.phase}=Deployed", "kubevirt/kubevirt", "-n", "kubevirt", WAIT)
    yield k
    assert up.stop() == ""


def test_robots(guarded: Kubectl) -> None:
    """A service account's token opens what its roles open: nothing at first, then to look, then to start."""
    k = guarded
    k("apply", "-f", "-", stdin=MACHINE)
    k("create", "serviceaccount", "robot")
    token = f"--token={k('create', 'token', 'robot').strip()}"
    robot = "system:serviceaccount:default:robot"
    refused = k.run(token, "get", "--raw", path(k, "expand-spec"))
    assert refused.stderr == (
        f'Error from server (Forbidden): virtualmachines.subresources.kubevirt.io "vm" is forbidden: User "{robot}" cannot '
        'get resource "virtualmachines/expand-spec" in API group "subresources.kubevirt.io" in the namespace "default"\n'
    )
    k("create", "rolebinding", "looks", "--clusterrole=kubevirt.io:view", "--serviceaccount=default:robot")
    assert json.loads(k(token, "get", "--raw", path(k, "expand-spec")))["kind"] == "VirtualMachine"
    assert 'cannot update resource "virtualmachines/start"' in put(k, path(k, "start"), "{}", token)
    k("create", "rolebinding", "starts", "--clusterrole=kubevirt.io:edit", "--serviceaccount=default:robot")
    assert put(k, path(k, "start"), "{}", token) == ""
    k("wait", "--for=condition=Ready", "vm/vm", WAIT)
