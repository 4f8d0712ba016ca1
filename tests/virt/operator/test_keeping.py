"""What comes back of objects that are marked as KubeVirt's own."""

from fakekube.virt.operator.keeping import restored

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


def test_only_services_have_ports():
    """Of everything else the labels are looked at."""
    secret = {"kind": "Secret", "metadata": {"name": "s", "labels": {"a": "b"}}, "data": {}}
    assert restored({"metadata": {"name": "s"}, "data": {"mine": "eA=="}}, secret) == {
        "metadata": {"name": "s", "labels": {"a": "b"}},
        "data": {"mine": "eA=="},
    }
