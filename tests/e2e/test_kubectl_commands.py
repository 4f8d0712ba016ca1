"""The rest of kubectl, command by command: generators, rollouts, nodes, certificates, and what there is to know."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Kubectl

RBAC = "rbac.authorization.k8s.io"
CREATED = [
    ("configmap c2 --from-literal=a=b", "configmap/c2"),
    ("secret generic s --from-literal=a=b", "secret/s"),
    ("secret docker-registry d --docker-server=r --docker-username=u --docker-password=p", "secret/d"),
    ("deployment gen --image=example.com/x:1 --replicas=2 --port=80", "deployment.apps/gen"),
    ("job j --image=example.com/x:1 -- true", "job.batch/j"),
    ("role r2 --verb=get,list --resource=pods,deployments.apps --resource-name=x", f"role.{RBAC}/r2"),
    ("rolebinding rb --role=r2 --user=a --group=g --serviceaccount=x:y", f"rolebinding.{RBAC}/rb"),
    ("quota q --hard=configmaps=100", "resourcequota/q"),
    ("pdb b --selector=app=gen --min-available=1", "poddisruptionbudget.policy/b"),
    ("ingress i --rule=h/p=svc:80,tls=s --class=x", "ingress.networking.k8s.io/i"),
    ("service nodeport np --tcp=80:8080", "service/np"),
    ("service loadbalancer lb --tcp=80", "service/lb"),
    ("service externalname en --external-name=example.com", "service/en"),
    ("serviceaccount sa", "serviceaccount/sa"),
]


def test_generators(k: Kubectl) -> None:
    """Every `create` of a kind makes it; what cannot be is refused."""
    for line, name in CREATED:
        assert k("create", *line.split()) == f"{name} created\n"
    assert k("create", "job", "again", "--image=x", "--dry-run=server", "-o", "name") == "job.batch/again\n"
    crontab = ("create", "cronjob", "cj", "--image=x", "--schedule=*/5 * * * *", "--", "date")
    assert k(*crontab) == "cronjob.batch/cj created\n"
    assert k("create", "job", "manual", "--from=cronjob/cj") == "job.batch/manual created\n"
    refused = k.run("create", "service", "nodeport", "np2", "--tcp=80", "--node-port=80")
    assert "The range of valid ports is 30000-32767" in refused.stderr


def test_cluster_generators(k: Kubectl) -> None:
    """Those of the whole cluster too."""
    own = k.namespace
    for line, kind in (
        ("clusterrole {} --verb=get --non-resource-url=/x", f"clusterrole.{RBAC}"),
        ("clusterrolebinding {} --clusterrole=view --user=u", f"clusterrolebinding.{RBAC}"),
        ("priorityclass {} --value=7 --description=d", "priorityclass.scheduling.k8s.io"),
    ):
        assert k("create", *line.format(own).split()) == f"{kind}/{own} created\n"
        assert k("delete", line.split()[0], own) == f'{kind} "{own}" deleted\n'


def test_set_and_expose(k: Kubectl) -> None:
    """Parts of what exists change by `set`; `expose` and `autoscale` make what goes with it."""
    k("create", "deployment", "app", "--image=example.com/x:1")
    assert k("set", "image", "deploy/app", "x=example.com/x:2") == "deployment.apps/app image updated\n"
    assert k("set", "env", "deploy/app", "A=b") == "deployment.apps/app env updated\n"
    limits = k("set", "resources", "deploy/app", "--limits=cpu=1,memory=64Mi")
    assert limits == "deployment.apps/app resource requirements updated\n"
    assert k("expose", "deploy", "app", "--port=80") == "service/app exposed\n"
    assert k("set", "selector", "service/app", "x=y") == "service/app selector updated\n"
    assert "autoscaled" in k("autoscale", "deploy", "app", "--max=3")
    shown = k("get", "deploy", "app", "-o", "jsonpath={.spec.template.spec.containers[0]}")
    found = json.loads(shown)
    assert (found["image"], found["env"]) == ("example.com/x:2", [{"name": "A", "value": "b"}])
    assert found["resources"]["limits"] == {"cpu": "1", "memory": "64Mi"}


def test_rollouts(k: Kubectl) -> None:
    """A rollout is waited for by its status, has the history of its replica sets, and goes back to one of them."""
    k("create", "deployment", "roll", "--image=example.com/x:1")
    assert k("rollout", "pause", "deploy/roll") == "deployment.apps/roll paused\n"
    assert k("rollout", "resume", "deploy/roll") == "deployment.apps/roll resumed\n"
    assert k("rollout", "restart", "deploy/roll") == "deployment.apps/roll restarted\n"
    assert "timed out" in k.run("rollout", "status", "deploy/roll", "--timeout=200ms").stderr
    live = json.loads(k("get", "deploy", "roll", "-o", "json"))
    status = {"observedGeneration": live["metadata"]["generation"]}
    status |= dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    patch = json.dumps({"status": status})
    assert k("patch", "deploy", "roll", "--subresource=status", "--type=merge", "-p", patch) == (
        "deployment.apps/roll patched\n"
    )
    assert k("rollout", "status", "deploy/roll") == 'deployment "roll" successfully rolled out\n'
    meta = live["metadata"]
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "roll",
        "uid": meta["uid"],
        "controller": True,
    }
    for revision in ("1", "2"):
        template = json.loads(json.dumps(live["spec"]["template"]))
        template["metadata"]["labels"]["pod-template-hash"] = revision
        template["spec"]["containers"][0]["image"] = f"example.com/x:{revision}"
        replica_set = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"roll-{revision}",
                "labels": template["metadata"]["labels"],
                "annotations": {"deployment.kubernetes.io/revision": revision},
                "ownerReferences": [owner],
            },
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": template["metadata"]["labels"]},
                "template": template,
            },
        }
        k("create", "-f", "-", stdin=json.dumps(replica_set))
    assert [line.split()[0] for line in k("rollout", "history", "deploy/roll").splitlines()[2:4]] == [
        "1",
        "2",
    ]
    undone = k("rollout", "undo", "deploy/roll", "--to-revision=2")
    assert undone.startswith("deployment.apps/roll rolled back")
    image = k("get", "deploy", "roll", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    assert image == "example.com/x:2"


def test_nodes(k: Kubectl) -> None:
    """A node is tainted, cordoned, drained of its pods, and taken into service again."""
    node = k("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    k("run", "drained", "--image=example.com/x:1")
    k("wait", "pod/drained", "--for=condition=Ready", "--timeout=20s")
    assert k("taint", "nodes", node, "k=v:NoSchedule") == f"node/{node} tainted\n"
    assert k("taint", "nodes", node, "k-") == f"node/{node} untainted\n"
    assert k("cordon", node) == f"node/{node} cordoned\n"
    assert "SchedulingDisabled" in k("get", "nodes")
    drained = k("drain", node, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=20s")
    assert f"node/{node} drained" in drained
    assert k.run("get", "pod", "drained").returncode == 1
    assert k("uncordon", node) == f"node/{node} uncordoned\n"


def test_apply_more(k: Kubectl, tmp_path: Path) -> None:
    """apply prunes, remembers and shows what it last applied; folders with a kustomization are built first."""
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {0}, labels: {{set: p}}}}\ndata: {{a: b}}\n"
    both = config.format("p1") + "---\n" + config.format("p2")
    k("apply", "-f", "-", stdin=both)
    pruned = k(
        "apply",
        "-f",
        "-",
        "--prune",
        "-l",
        "set=p",
        "--prune-allowlist=core/v1/ConfigMap",
        stdin=config.format("p1"),
    )
    assert pruned.splitlines() == ["configmap/p1 unchanged", "configmap/p2 pruned"]
    assert "a: b" in k("apply", "view-last-applied", "cm/p1")
    (tmp_path / "one.yaml").write_text(config.format("p1"))
    (tmp_path / "kustomization.yaml").write_text("namePrefix: k-\nresources: [one.yaml]\n")
    assert k("apply", "-k", str(tmp_path)) == "configmap/k-p1 created\n"
    assert k("delete", "-k", str(tmp_path)).startswith('configmap "k-p1" deleted')
    replaced = k("replace", "--force", "-f", str(tmp_path / "one.yaml")).splitlines()
    assert (replaced[0].startswith('configmap "p1" deleted'), replaced[1]) == (True, "configmap/p1 replaced")
    if "1.33" in k.binary:  # older ones cannot wait for what is not there yet
        assert k("wait", "cm/p1", "--for=create") == "configmap/p1 condition met\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the requests")
def test_certificates(k: Kubectl, tmp_path: Path) -> None:
    """A request names who made it, and is approved or denied once."""
    key, request = tmp_path / "key.pem", tmp_path / "request.pem"
    line = [
        "openssl",
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=alice",
        "-keyout",
        str(key),
    ]
    subprocess.run([*line, "-out", str(request)], check=True, capture_output=True)
    spec = {
        "request": base64.b64encode(request.read_bytes()).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client",
        "usages": ["client auth"],
    }
    name = k.namespace
    body = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": spec,
    }
    k("create", "-f", "-", stdin=json.dumps(body))
    assert k("get", "csr", name, "-o", "jsonpath={.spec.username}") == "kubernetes-admin"
    assert (
        k("certificate", "approve", name)
        == f"certificatesigningrequest.certificates.k8s.io/{name} approved\n"
    )
    assert k("get", "csr", name, "--no-headers").split()[-1] == "Approved"
    assert "already Approved" in k.run("certificate", "deny", name).stderr
    k("delete", "csr", name)
    certificate = tmp_path / "certificate.pem"
    line = ["openssl", "req", "-x509", "-key", str(key), "-subj", "/CN=x", "-out", str(certificate)]
    subprocess.run(line, check=True, capture_output=True)
    made = k("create", "secret", "tls", "t", f"--cert={certificate}", f"--key={key}")
    assert made == "secret/t created\n"


def test_information(k: Kubectl) -> None:
    """What the cluster is, and what its kinds mean."""
    assert "is running at" in k("cluster-info")
    assert "v1.36." in k("version")
    assert "terminationGracePeriodSeconds" in k("explain", "pods", "--recursive")
    assert json.loads(k("get", "--raw", f"/api/v1/namespaces/{k.namespace}"))["kind"] == "Namespace"
    assert "[+]ping ok" in k("get", "--raw", "/readyz?verbose")
    wide = k("api-resources", "--api-group=apps", "-o", "wide", "--no-headers")
    assert "deploy" in wide
