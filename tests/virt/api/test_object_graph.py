"""What volumes contribute to an object graph, as upstream's builder has it."""

from typing import Any

import pytest

from fakekube.virt.api.subresources import object_graph

Object = dict[str, Any]


def reference(group: str, kind: str, name: str) -> Object:
    return {"apiGroup": group, "kind": kind, "name": name, "namespace": "ns"}


@pytest.mark.parametrize(
    ("volume", "kind", "type_"),
    [
        ({"persistentVolumeClaim": {"claimName": "a"}}, "PersistentVolumeClaim", "storage"),
        ({"memoryDump": {"claimName": "a"}}, "PersistentVolumeClaim", "storage"),
        ({"configMap": {"name": "a"}}, "ConfigMap", "config"),
        ({"secret": {"secretName": "a"}}, "Secret", "config"),
        ({"cloudInitNoCloud": {"secretRef": {"name": "a"}}}, "Secret", "config"),
        ({"serviceAccount": {"serviceAccountName": "a"}}, "ServiceAccount", "network"),
    ],
)
def test_volumes(volume: Object, kind: str, type_: str) -> None:
    """A volume stands for the object it is filled from, among the others in the order of the spec."""
    volumes = [{"name": "x", **volume}, {"name": "y", "configMap": {"name": "last"}}]
    vmi = {"metadata": {"name": "vmi", "namespace": "ns"}, "spec": {"volumes": volumes}}
    first, last = object_graph.of_instance(vmi, "", "")["children"]
    assert first == {
        "objectReference": reference("", kind, "a"),
        "labels": {"kubevirt.io/dependency-type": type_},
    }
    assert last["objectReference"] == reference("", "ConfigMap", "last")


def test_volumes_of_nothing() -> None:
    """Volumes that come with the guest add nothing."""
    volumes = [
        {"name": "x", "containerDisk": {"image": "a"}},
        {"name": "y", "emptyDisk": {"capacity": "1Gi"}},
    ]
    vmi = {"metadata": {"name": "vmi", "namespace": "ns"}, "spec": {"volumes": volumes}}
    assert "children" not in object_graph.of_instance(vmi, "", "")
