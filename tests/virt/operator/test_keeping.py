"""What comes back of objects that are KubeVirt's own."""

from fakekube.virt.operator.marking import marked, restored

WANTED = {
    "kind": "Service",
    "metadata": {"name": "s", "labels": {"a": "b"}},
    "spec": {"ports": [{"port": 443, "targetPort": 8443, "protocol": "TCP"}]},
}


def test_whole_objects_are_left_alone():
    """More labels and more members of ports than were installed are nobody's business: the very same object comes back."""
    known = {
        "metadata": {"name": "s", "labels": {"a": "b", "mine": "x"}},
        "spec": {"ports": [{**WANTED["spec"]["ports"][0], "nodePort": 30000}], "clusterIP": "10.0.0.1"},
    }
    assert restored(known, WANTED) is known


def test_labels_and_ports_come_back():
    """Labels join those of others; ports are all replaced."""
    known = {
        "metadata": {"name": "s", "labels": {"a": "c", "mine": "x"}},
        "spec": {"ports": [{"port": 123}], "clusterIP": "10.0.0.1"},
    }
    found = restored(known, WANTED)
    assert found["metadata"]["labels"] == {"a": "b", "mine": "x"}
    assert found["spec"] == {"ports": WANTED["spec"]["ports"], "clusterIP": "10.0.0.1"}


def test_content_comes_back():
    """Of services what they are, of webhooks, roles and definitions everything; of accounts only the marks."""
    role = {"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [{"verbs": ["get"]}]}
    assert restored({"metadata": {"name": "r"}, "rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]}, role) == {
        "metadata": {"name": "r"},
        "rules": role["rules"],
    }
    account = {"kind": "ServiceAccount", "metadata": {"name": "a"}}
    known = {"metadata": {"name": "a"}, "imagePullSecrets": [{"name": "mine"}]}
    assert restored(known, account) is known


def test_owners_of_what_is_put_back():
    """Owners are nobody's business until something has to be put back; then what is in no namespace loses them."""
    role = {"kind": "ClusterRole", "metadata": {"name": "r", "labels": {"a": "b"}}}
    owned = {"name": "r", "ownerReferences": [{"name": "x"}]}
    known = {"metadata": {**owned, "labels": {"a": "b"}}}
    assert restored(known, role) is known
    assert restored({"metadata": owned}, role)["metadata"] == {"name": "r", "labels": {"a": "b"}}


def test_marks():
    """What is made says by whom, for whom, and from which release."""
    made = marked({"kind": "Service", "metadata": {"name": "s", "labels": {"a": "b"}}}, "kubevirt", "v1")[
        "metadata"
    ]
    assert made["labels"].items() >= {"a": "b", "app.kubernetes.io/managed-by": "virt-operator"}.items()
    assert made["annotations"]["kubevirt.io/install-strategy-version"] == "v1"
