"""A broad script of kubectl commands on Kubernetes' own kinds: three generations of kubectl, and all of them see the same.

Every expectation is one text for all of them, so what passes is identical.
"""

import json
import re
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Kubectl

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  paused: true
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "example.com/web:1"}]}
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '%s'}\n"


def data(k: Kubectl) -> str:
    return k("get", "cm", "c", "-o", "jsonpath={.data.a}")


def have_web(k: Kubectl) -> None:
    """The Deployment and its Service, for tests that may come to another worker than the one that makes them."""
    k.run("create", "-f", "-", stdin=DEPLOYMENT)
    k.run("create", "service", "clusterip", "web", "--tcp=80:8080")


def test_create_and_get(k: Kubectl) -> None:
    """Generators, manifests, and the forms of get."""
    assert k("create", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    assert "AlreadyExists" in k.run("create", "-f", "-", stdin=DEPLOYMENT).stderr
    assert k("create", "service", "clusterip", "web", "--tcp=80:8080") == "service/web created\n"
    assert (
        k("create", "role", "r", "--verb=get", "--resource=pods")
        == "role.rbac.authorization.k8s.io/r created\n"
    )
    header, row = k("get", "deploy").splitlines()
    assert header.split() == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:2] == ["web", "0/2"]
    assert k("get", "deploy,svc", "-o", "name") == "deployment.apps/web\nservice/web\n"
    assert k("get", "deploy", "web", "--show-labels", "--no-headers").split()[-1] == "app=web"
    assert k("get", "deploy", "-l", "app!=web", "-o", "name") == ""
    assert k("get", "svc", "-o", "custom-columns=N:.metadata.name", "--no-headers") == "web\n"
    assert "Selector:" in k("describe", "deployment", "web")
    assert "NotFound" in k.run("get", "deploy", "none").stderr


def test_apply_and_diff(k: Kubectl) -> None:
    """apply creates, configures and leaves alone; diff shows what it would do and changes nothing."""
    assert k("apply", "-f", "-", stdin=CONFIG % "1") == "configmap/c created\n"
    assert k("apply", "-f", "-", stdin=CONFIG % "1") == "configmap/c unchanged\n"
    shown = k("diff", "-f", "-", stdin=CONFIG % "2", code=1)
    assert re.search(r"^-  a: \"1\"\n\+  a: \"2\"$", shown, re.MULTILINE)
    assert data(k) == "1"
    assert k("diff", "-f", "-", stdin=CONFIG % "1") == ""
    assert (
        k("apply", "-f", "-", "--dry-run=server", stdin=CONFIG % "2")
        == "configmap/c configured (server dry run)\n"
    )
    assert k("apply", "-f", "-", stdin=CONFIG % "2") == "configmap/c configured\n"
    assert data(k) == "2"
    without = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
    k("apply", "-f", "-", stdin=without)
    assert data(k) == "", "what is no longer applied goes"


def test_server_side_apply(k: Kubectl) -> None:
    """Two appliers disagree: a conflict that names them, until one insists."""
    apply = ("apply", "--server-side", "-f", "-")
    text = CONFIG.replace("name: c", "name: shared")
    assert k(*apply, stdin=text % "1") == "configmap/shared serverside-applied\n"
    refused = k.run(*apply, "--field-manager=other", stdin=text % "2")
    assert refused.returncode == 1
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.a' in refused.stderr
    k(*apply, "--field-manager=other", "--force-conflicts", stdin=text % "2")
    managers = k(
        "get", "cm", "shared", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[*].manager}"
    )
    assert managers == "other"


def test_edit_and_replace(k: Kubectl, tmp_path: Path) -> None:
    """edit sends what the editor left; replace what the file says, or anew with --force."""
    k("apply", "-f", "-", stdin=CONFIG % "2")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/a: "2"/a: edited/\' "$1"\n')
    editor.chmod(0o755)
    k.environment["KUBE_EDITOR"] = str(editor)
    assert k("edit", "configmap", "c") == "configmap/c edited\n"
    assert data(k) == "edited"
    assert "Edit cancelled" in k.run("edit", "configmap", "c").stderr, "nothing to change"
    assert k("replace", "-f", "-", stdin=CONFIG % "3") == "configmap/c replaced\n"
    before = k("get", "cm", "c", "-o", "jsonpath={.metadata.uid}")
    forced = k("replace", "--force", "-f", "-", stdin=CONFIG % "4")
    assert forced.endswith("configmap/c replaced\n")
    assert k("get", "cm", "c", "-o", "jsonpath={.metadata.uid}") != before


def test_patch_label_annotate(k: Kubectl) -> None:
    """The three kinds of patches, and what label and annotate make of them."""
    have_web(k)
    k("apply", "-f", "-", stdin=CONFIG % "1")
    assert k("patch", "cm", "c", "-p", '{"data":{"a":"5"}}') == "configmap/c patched\n"
    assert k("patch", "cm", "c", "-p", '{"data":{"a":"5"}}') == "configmap/c patched (no change)\n"
    k("patch", "cm", "c", "--type=merge", "-p", '{"data":{"b":"6"}}')
    k("patch", "cm", "c", "--type=json", "-p", '[{"op":"remove","path":"/data/b"}]')
    assert k("get", "cm", "c", "-o", "jsonpath={.data}") == '{"a":"5"}'
    assert k("label", "cm", "c", "x=y") == "configmap/c labeled\n"
    assert "already has a value (y)" in k.run("label", "cm", "c", "x=z").stderr
    assert k("label", "cm", "c", "x=z", "--overwrite") == "configmap/c labeled\n"
    assert k("label", "cm", "c", "x-") == "configmap/c unlabeled\n"
    assert k("annotate", "cm", "c", "note=1").startswith(
        "configmap/c annotate"
    )  # 1.27 says no more than that
    patch = '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"example.com/side:1"}]}}}}'
    k("patch", "deployment", "web", "-p", patch)
    names = k("get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].name}")
    assert sorted(names.split()) == ["main", "side"], "strategic merge patch joins by name"
    assert (
        k("set", "image", "deployment/web", "main=example.com/web:2") == "deployment.apps/web image updated\n"
    )
    status = '{"status":{"replicas":1}}'
    k("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", status)
    assert k("get", "deploy", "web", "-o", "jsonpath={.status.replicas}") == "1"


def test_scale_and_wait(k: Kubectl) -> None:
    """scale goes through the subresource, minds its precondition; wait waits for conditions, fields and ends."""
    have_web(k)
    assert k("scale", "deployment", "web", "--replicas=5") == "deployment.apps/web scaled\n"
    assert k("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "5"
    assert (
        "Expected replicas to be 9, was 5"
        in k.run("scale", "deploy", "web", "--current-replicas=9", "--replicas=1").stderr
    )
    assert k("run", "p", "--image=example.com/x:1") == "pod/p created\n"
    assert k("wait", "pod/p", "--for=condition=Ready", "--timeout=20s") == "pod/p condition met\n"
    assert (
        k("wait", "pod/p", "--for=jsonpath={.status.phase}=Running", "--timeout=20s")
        == "pod/p condition met\n"
    )
    assert "timed out waiting" in k.run("wait", "pod/p", "--for=condition=Nonsense", "--timeout=100ms").stderr
    header, row = k("get", "pods", "-o", "wide").splitlines()
    assert header.split()[:5] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["p", "1/1", "Running", "0"]
    assert k("delete", "pod", "p", "--now").startswith('pod "p" deleted')
    assert k("wait", "pod/p", "--for=delete", "--timeout=10s") == ""


def test_access(k: Kubectl) -> None:
    """auth can-i and --as follow roles and bindings."""
    assert k("auth", "can-i", "delete", "nodes") == "yes\n"
    assert k("auth", "can-i", "get", "pods", "--as=alice", code=1) == "no\n"
    k("create", "role", "reader", "--verb=get,list", "--resource=pods")
    assert k("create", "rolebinding", "b", "--role=reader", "--user=alice") == (
        "rolebinding.rbac.authorization.k8s.io/b created\n"
    )
    assert k("auth", "can-i", "get", "pods", "--as=alice") == "yes\n"
    assert "pods" in k("auth", "can-i", "--list", "--as=alice")
    refused = k.run("get", "configmaps", "--as=alice")
    assert refused.returncode == 1
    assert 'User "alice" cannot list resource "configmaps" in API group ""' in refused.stderr
    if "1.27" not in k.binary:  # which knows that question only in its first versions
        assert "kubernetes-admin" in k("auth", "whoami")
    token = k("create", "token", "default")
    assert token.count(".") == 2


def test_watch(k: Kubectl) -> None:
    """get -w prints a row for every change, and only the asked-for objects."""
    watching = k.start(
        "get",
        "cm",
        "-l",
        "watched=yes",
        "-w",
        "-o",
        "custom-columns=N:.metadata.name,V:.data.v",
        "--no-headers",
    )
    assert watching.stdout is not None
    try:
        deadline = time.monotonic() + 10
        k("create", "configmap", "w", "--from-literal=v=1")
        k("label", "cm", "w", "watched=yes")
        assert watching.stdout.readline().split() == ["w", "1"]
        k("patch", "cm", "w", "-p", '{"data":{"v":"2"}}')
        assert watching.stdout.readline().split() == ["w", "2"]
        assert time.monotonic() < deadline
    finally:
        watching.terminate()
        watching.communicate(timeout=30)


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_cascades(k: Kubectl, cascade: str) -> None:
    """Dependents go with their owner, before it, or stay behind."""
    owner, child = f"o-{cascade}", f"d-{cascade}"
    k("create", "configmap", owner)
    uid = k("get", "cm", owner, "-o", "jsonpath={.metadata.uid}")
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner,
        "uid": uid,
        "blockOwnerDeletion": True,
    }
    dependent = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": child, "ownerReferences": [reference]},
    }
    k("create", "-f", "-", stdin=json.dumps(dependent))
    deleted = k("delete", "cm", owner, f"--cascade={cascade}")
    assert deleted.startswith(f'configmap "{owner}" deleted')
    if cascade == "orphan":
        assert k("get", "cm", child, "-o", "jsonpath={.metadata.ownerReferences}") == ""
    else:
        k("wait", f"cm/{child}", "--for=delete", "--timeout=10s")
        assert k.run("get", "cm", child).returncode == 1
    assert k.run("get", "cm", owner).returncode == 1


def test_discovery(k: Kubectl) -> None:
    """What is there, and what it means."""
    have_web(k)
    rows = {line.split()[0] for line in k("api-resources", "--no-headers").splitlines()}
    assert {"pods", "deployments", "endpointslices", "customresourcedefinitions", "apiservices"} <= rows
    assert "apps/v1\n" in k("api-versions")
    assert "containers" in k("explain", "deploy.spec.template.spec")
    assert k("get", "--raw", "/healthz") == "ok"
    services = k(
        "get", "endpointslices", "-o", "jsonpath={.items[*].metadata.labels.kubernetes\\.io/service-name}"
    )
    assert "web" in services.split()


def test_delete_collections(k: Kubectl) -> None:
    """delete by selector and --all."""
    for name in ("x", "y"):
        k("create", "configmap", f"all-{name}")
    k("label", "cm", "all-x", "all-y", "set=it")
    deleted = k("delete", "cm", "-l", "set=it")
    assert [line.split('"')[1] for line in deleted.splitlines()] == ["all-x", "all-y"]
    k("delete", "deploy,svc,role,rolebinding", "--all")
    assert k("get", "deploy,svc", "-o", "name") == ""
