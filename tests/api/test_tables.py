"""Tables and bare metadata: columns and cells as the real server prints them."""

from datetime import UTC, datetime

import pytest

from fakekube.api import tables
from fakekube.api.ages import human_duration
from fakekube.api.builtins.tables import resources
from fakekube.api.printers import PRINTERS
from fakekube.api.registry.strategy import Column, ServedResource

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BORN = "2026-01-01T11:00:00Z"
BY_KIND = {(one.group, one.version, one.kind): one for one in resources()}


def table(group, kind, *objects, version="v1", **options):
    return tables.to_table(
        BY_KIND[group, version, kind], objects, now=NOW, list_meta={"resourceVersion": "7"}, **options
    )


def obj(name="a", **members):
    return {"metadata": {"name": name, "creationTimestamp": BORN}, **members}


def cells(group, kind, one, **options):
    return table(group, kind, one, **options)["rows"][0]["cells"]


def names(group, kind, version="v1"):
    return [one["name"] for one in table(group, kind, version=version)["columnDefinitions"]]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"),
        (10799, "179m"), (10800, "3h"), (11000, "3h3m"), (8 * 3600, "8h"), (47 * 3600, "47h"), (48 * 3600, "2d"),
        (51 * 3600, "2d3h"), (8 * 86400, "8d"), (729 * 86400, "729d"), (730 * 86400, "2y"), (731 * 86400, "2y1d"),
        (8 * 365 * 86400 + 86400, "8y"),
    ],
)  # fmt: skip
def test_ages(seconds, shown):
    """Two units at most, coarser the longer it is."""
    assert human_duration(seconds) == shown


def test_a_table_has_columns_rows_and_the_lists_metadata():
    """Rows carry the object's metadata unless asked otherwise."""
    found = table("", "ConfigMap", obj(data={"x": "1"}, binaryData={"z": "AAEC"}))
    assert found["kind"] == "Table"
    assert found["apiVersion"] == "meta.k8s.io/v1"
    assert found["metadata"] == {"resourceVersion": "7"}
    assert found["columnDefinitions"][0] == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "Name must be unique within a namespace. Is required when creating resources, although some resources "
        "may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for "
        "creation idempotence and configuration definition. Cannot be updated. More info: "
        "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names",
        "priority": 0,
    }
    assert found["rows"] == [
        {
            "cells": ["a", 2, "60m"],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"name": "a", "creationTimestamp": BORN},
            },
        }
    ]


def test_what_rows_carry():
    """None leaves null, Object the whole; v1beta1 clients get v1beta1 throughout."""
    one = obj()
    assert table("", "Secret", one, include_object="None")["rows"][0]["object"] is None
    assert table("", "Secret", one, include_object="Object")["rows"][0]["object"] is one
    old = tables.to_table(BY_KIND["", "v1", "Secret"], [one], now=NOW, list_meta={}, version="v1beta1")
    assert old["apiVersion"] == old["rows"][0]["object"]["apiVersion"] == "meta.k8s.io/v1beta1"


def test_kinds_without_a_printer_show_their_creation_time():
    """Such a table has null rows when it is empty."""
    assert names("apiextensions.k8s.io", "CustomResourceDefinition") == ["Name", "Created At"]
    assert table("apiextensions.k8s.io", "CustomResourceDefinition")["rows"] is None
    assert cells("rbac.authorization.k8s.io", "Role", obj()) == ["a", BORN]
    assert table("coordination.k8s.io", "Lease")["rows"] == []


def test_every_printer_fills_its_columns_even_for_an_empty_object():
    """No printer needs a field to be there, and cells match columns one to one."""
    printed = 0
    for resource in BY_KIND.values():
        if (resource.group, resource.kind) not in PRINTERS:
            continue
        bookmark = tables.bookmark_table(resource, 9, initial_end=True, columns=True)
        assert len(bookmark["rows"][0]["cells"]) == len(bookmark["columnDefinitions"]), resource.kind
        assert bookmark["rows"][0]["object"]["metadata"]["annotations"] == {
            "k8s.io/initial-events-end": "true"
        }
        printed += 1
    assert printed > 40


def test_every_described_column_is_described():
    """A reference to a type's documentation that leads nowhere would show as an empty text."""
    silent = {
        (kind, header.name)
        for (_, kind), printer in PRINTERS.items()
        for header in printer.headers
        if header.text and not header.definition()["description"]
    }
    assert silent == set()


def test_a_pending_pod():
    """Nothing is ready, nothing is known; without status the phase shows."""
    pod = obj(
        spec={"nodeName": "n", "containers": [{"name": "c"}, {"name": "d"}]}, status={"phase": "Pending"}
    )
    assert cells("", "Pod", pod) == ["a", "0/2", "Pending", "0", "60m", "<none>", "n", "<none>", "<none>"]


def test_a_crashing_pod():
    """The first container's reason wins, restarts add up, finished init containers are passed over."""
    pod = obj(
        spec={"initContainers": [{"name": "i"}], "containers": [{"name": "c"}, {"name": "d"}]},
        status={
            "phase": "Running",
            "podIP": "10.0.0.1",
            "podIPs": [{"ip": "10.0.0.1"}],
            "initContainerStatuses": [
                {"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
            ],
            "containerStatuses": [
                {
                    "name": "c",
                    "ready": True,
                    "restartCount": 2,
                    "state": {"running": {"startedAt": BORN}},
                    "lastState": {"terminated": {"finishedAt": "2026-01-01T11:58:30Z"}},
                },
                {"name": "d", "restartCount": 0, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            ],
        },
    )
    assert cells("", "Pod", pod)[1:4] == ["1/2", "CrashLoopBackOff", "2 (90s ago)"]


def test_a_pod_that_initializes():
    """A waiting init container shows how far the pod got."""
    pod = obj(
        spec={"initContainers": [{"name": "i"}, {"name": "j"}], "containers": [{"name": "c"}]},
        status={
            "phase": "Pending",
            "initContainerStatuses": [
                {"name": "i", "state": {"terminated": {"exitCode": 0}}},
                {"name": "j", "state": {"waiting": {"reason": "PodInitializing"}}},
            ],
        },
    )
    assert cells("", "Pod", pod)[2] == "Init:1/2"
    failed = {"terminated": {"exitCode": 3}}
    pod["status"]["initContainerStatuses"][1]["state"] = failed
    assert cells("", "Pod", pod)[2] == "Init:ExitCode:3"


def test_sidecars_count_as_containers():
    """A running sidecar is ready with the others, and holds nothing up."""
    pod = obj(
        spec={"initContainers": [{"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "c"}]},
        status={
            "phase": "Running",
            "initContainerStatuses": [
                {"name": "s", "started": True, "ready": True, "restartCount": 1, "state": {}}
            ],
            "containerStatuses": [{"name": "c", "ready": True, "state": {"running": {}}}],
        },
    )
    assert cells("", "Pod", pod)[1:4] == ["2/2", "Running", "1"]


def test_a_pod_on_its_way_out():
    """Deletion shows, unless the pod is over; a finished pod's row says so to `kubectl get`."""
    pod = obj(spec={}, status={"phase": "Running"})
    pod["metadata"]["deletionTimestamp"] = BORN
    assert cells("", "Pod", pod)[2] == "Terminating"
    pod["status"]["phase"] = "Succeeded"
    row = table("", "Pod", pod)["rows"][0]
    assert row["cells"][2] == "Succeeded"
    assert row["conditions"] == [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Succeeded",
            "message": "The pod has completed successfully.",
        }
    ]


def test_deployments():
    """Counts, containers and the selector as one line."""
    one = obj(
        spec={
            "replicas": 3,
            "selector": {
                "matchLabels": {"b": "c"},
                "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["y", "x"]},
                    {"key": "z", "operator": "DoesNotExist"},
                ],
            },
            "template": {
                "spec": {"containers": [{"name": "c", "image": "x:1"}, {"name": "e", "image": "y:1"}]}
            },
        },
        status={"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
    )
    assert cells("apps", "Deployment", one) == [
        "a",
        "1/3",
        2,
        1,
        "60m",
        "c,e",
        "x:1,y:1",
        "a in (x,y),b=c,!z",
    ]


def test_events():
    """The names of columns differ from most kinds; counts of series win."""
    assert names("", "Event") == [
        "Last Seen", "Type", "Reason", "Object", "Subobject", "Source", "Message", "First Seen", "Count", "Name",
    ]  # fmt: skip
    event = obj(
        "e1",
        involvedObject={"kind": "Pod", "name": "p"},
        reason="R",
        message=" hi\n",
        type="Normal",
        count=3,
        firstTimestamp=BORN,
        lastTimestamp="2026-01-01T11:59:00Z",
        source={"component": "me", "host": "h"},
    )
    assert cells("", "Event", event) == ["60s", "Normal", "R", "pod/p", "", "me, h", "hi", "60m", 3, "e1"]


def test_services():
    """Addresses and ports by type."""
    spec = {
        "type": "ClusterIP",
        "clusterIPs": ["None"],
        "ports": [{"port": 80, "protocol": "TCP"}],
        "selector": {"a": "b"},
    }
    assert cells("", "Service", obj(spec=spec)) == [
        "a",
        "ClusterIP",
        "None",
        "<none>",
        "80/TCP",
        "60m",
        "a=b",
    ]
    spec = {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}]}
    assert cells("", "Service", obj(spec=spec))[3:5] == ["<pending>", "80:30000/TCP"]


def test_nodes():
    """Roles come from labels, readiness from the condition."""
    node = obj(
        spec={"unschedulable": True},
        status={
            "conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2"},
        },
    )
    node["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "extra"}
    assert cells("", "Node", node) == [
        "a", "Ready,SchedulingDisabled", "control-plane,extra", "60m", "v1.36.2", "10.0.0.1", "<none>", "<unknown>",
        "<unknown>", "<unknown>",
    ]  # fmt: skip


def test_autoscalers_show_their_metrics():
    """Current over target; unknown until somebody measured."""
    one = obj(
        spec={
            "scaleTargetRef": {"kind": "Deployment", "name": "d"},
            "minReplicas": 1,
            "maxReplicas": 5,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 70}}},
                {"type": "Pods", "pods": {"target": {"averageValue": "5"}}},
                {"type": "Odd"},
            ],
        },
        status={
            "currentMetrics": [{"resource": {"current": {"averageUtilization": 12}}}],
            "currentReplicas": 2,
        },
    )
    row = cells("autoscaling", "HorizontalPodAutoscaler", one, version="v2")
    assert row == ["a", "Deployment/d", "cpu: 12%/70%, <unknown>/5 + 1 more...", "1", 5, 2, "60m"]


def test_claims_and_volumes():
    """Access modes are abbreviated; an unbound claim shows neither size nor modes."""
    spec = {
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
        "storageClassName": "fast",
        "volumeMode": "Filesystem",
    }
    claim = obj(spec=spec, status={"phase": "Pending"})
    assert cells("", "PersistentVolumeClaim", claim) == [
        "a", "Pending", "", "", "", "fast", "<unset>", "60m", "Filesystem",
    ]  # fmt: skip
    spec = {**spec, "capacity": {"storage": "1Gi"}, "claimRef": {"namespace": "n", "name": "c"}}
    volume = obj(spec=spec, status={"phase": "Bound"})
    assert cells("", "PersistentVolume", volume) == [
        "a", "1Gi", "RWO,ROX", "", "Bound", "n/c", "fast", "<unset>", "", "60m", "Filesystem",
    ]  # fmt: skip


def test_jobs():
    """State, completions and how long it took."""
    job = obj(
        spec={"completions": 3, "selector": {"matchLabels": {"a": "b"}}},
        status={"succeeded": 1, "startTime": "2026-01-01T11:55:00Z"},
    )
    assert cells("batch", "Job", job)[1:4] == ["Running", "1/3", "5m"]
    job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
    job["status"]["completionTime"] = "2026-01-01T11:56:30Z"
    assert cells("batch", "Job", job)[1:4] == ["Complete", "1/3", "90s"]


def test_custom_columns():
    """Cells are what the columns find; only times are turned into ages, here and not before."""
    resource = ServedResource(
        "example.com",
        "v1",
        "items",
        "Item",
        custom=True,
        columns=(
            Column("Name", "string", lambda one: one["metadata"]["name"], "The name.", "name"),
            Column("Num", "integer", lambda one: one["spec"].get("num"), format="int32", priority=1),
            Column("Then", "date", lambda one: one["spec"].get("then")),
        ),
    )
    items = [
        obj("full", spec={"num": 5, "then": BORN}),
        obj("none", spec={}),
        obj("odd", spec={"then": "never"}),
    ]
    found = tables.to_table(resource, items, now=NOW, list_meta={})
    assert [row["cells"] for row in found["rows"]] == [
        ["full", 5, "60m"],
        ["none", None, None],
        ["odd", None, "<invalid>"],
    ]
    assert found["columnDefinitions"][1] == {
        "name": "Num", "type": "integer", "format": "int32", "description": "", "priority": 1,
    }  # fmt: skip
    assert tables.to_table(resource, [], now=NOW, list_meta={})["rows"] == []


def test_later_events_of_a_watch_carry_no_columns():
    """Columns are sent once."""
    assert table("", "Secret", obj(), columns=False)["columnDefinitions"] is None


def test_a_bookmark_is_a_row_of_nothing():
    """Its object carries only the version."""
    found = tables.bookmark_table(BY_KIND["coordination.k8s.io", "v1", "Lease"], 12)
    assert found["columnDefinitions"] is None
    assert found["rows"][0]["cells"] == ["", "", "<unknown>"]
    assert found["rows"][0]["object"]["metadata"] == {"resourceVersion": "12", "creationTimestamp": None}


def test_metadata_alone():
    """One object, and a list of them."""
    one = obj(data={"k": "v"})
    assert "data" not in tables.partial_metadata(one)
    found = tables.partial_metadata_list([one], {"resourceVersion": "3"})
    assert found["kind"] == "PartialObjectMetadataList"
    assert found["items"][0]["kind"] == "PartialObjectMetadata"
    assert found["metadata"] == {"resourceVersion": "3"}
