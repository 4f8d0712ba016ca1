"""Deployments and their kin through the server: defaults, rules, generations, and what their status may say."""

from typing import Any

import pytest

from tests.api.builtins.strategies.conftest import Send, said
from tests.api.conftest import Ask, json_of

APPS = "/apis/apps/v1/namespaces/default"
RC = "/api/v1/namespaces/default/replicationcontrollers"
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "x:1"}]},
}
SPEC: dict[str, Any] = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
MISMATCH = "`selector` does not match template `labels`"


def spec(**more: Any) -> dict[str, Any]:
    return {**SPEC, **more}


async def test_deployment_defaults(create: Send) -> None:
    """One replica, rolling by quarters, ten old revisions, ten minutes; a template gets no pod-only defaults."""
    made = await create(f"{APPS}/deployments", "d", spec=SPEC, status={"replicas": 5})
    assert made["status"] == {}
    assert made["spec"] | {"template": None} == {
        "replicas": 1,
        "selector": {"matchLabels": {"a": "b"}},
        "template": None,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    inner = made["spec"]["template"]["spec"]
    assert (inner["restartPolicy"], inner["schedulerName"], "enableServiceLinks" in inner) == (
        "Always",
        "default-scheduler",
        False,
    )


async def test_recreate_has_no_numbers(create: Send) -> None:
    """The strategy Recreate is left alone, and takes no rolling numbers."""
    made = await create(f"{APPS}/deployments", "d", spec=spec(strategy={"type": "Recreate"}))
    assert made["spec"]["strategy"] == {"type": "Recreate"}
    refused = await create(
        f"{APPS}/deployments", "e", spec=spec(strategy={"type": "Recreate", "rollingUpdate": {}})
    )
    assert said(refused) == [
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"
    ]


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (
            {},
            [
                "spec.selector: Required value",
                f"spec.template.metadata.labels: Invalid value: null: {MISMATCH}",
                "spec.template.spec.containers: Required value",
            ],
        ),
        (
            spec(selector={"matchLabels": {"a": "c"}}),
            [f'spec.template.metadata.labels: Invalid value: {{"a":"b"}}: {MISMATCH}'],
        ),
        (spec(selector={}), ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
        (spec(replicas=-1), ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (
            spec(strategy={"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}),
            ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
        ),
        (
            spec(progressDeadlineSeconds=5, minReadySeconds=5),
            ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
        ),
        (
            spec(template={**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never", "activeDeadlineSeconds": 5}}),
            [
                'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
                "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
            ],
        ),
    ],
)  # fmt: skip
async def test_deployment_rules(create: Send, given: dict[str, Any], texts: list[str]) -> None:
    """Selector, template and strategy have to go together."""
    assert said(await create(f"{APPS}/deployments", "d", spec=given)) == texts


async def test_generation_of_deployments(create: Send, change: Send) -> None:
    """Annotations and spec raise it, labels do not."""
    await create(f"{APPS}/deployments", "d", spec=SPEC)
    at = f"{APPS}/deployments/d"
    generations = [
        (await change(at, patch))["metadata"]["generation"]
        for patch in (
            {"metadata": {"labels": {"l": "m"}}},
            {"metadata": {"annotations": {"a": "b"}}},
            {"spec": {"replicas": 2}},
        )
    ]
    assert generations == [1, 2, 3]


async def test_status_of_deployments(create: Send, ask: Ask, change: Send) -> None:
    """A status write keeps annotations and drops labels; counts fit together."""
    made = await create(f"{APPS}/deployments", "d", spec=SPEC)
    at = f"{APPS}/deployments/d/status"
    made["metadata"] |= {"labels": {"x": "y"}, "annotations": {"x": "y"}}
    made["spec"]["replicas"] = 9
    made["status"] = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 2, "availableReplicas": 2}
    after = json_of(await ask("PUT", at, made))
    assert (after["metadata"].get("labels"), after["metadata"]["annotations"]) == (None, {"x": "y"})
    assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (1, 1)
    refused = await change(at, {"status": {"replicas": -1, "readyReplicas": 5, "availableReplicas": 7}})
    more = "cannot be greater than status.replicas"
    assert said(refused) == [
        "status.replicas: Invalid value: -1: must be greater than or equal to 0",
        f"status.updatedReplicas: Invalid value: 3: {more}",
        f"status.readyReplicas: Invalid value: 5: {more}",
        f"status.availableReplicas: Invalid value: 7: {more}",
        "status.availableReplicas: Invalid value: 7: cannot be greater than readyReplicas",
    ]


@pytest.mark.parametrize("plural", ["deployments", "replicasets", "daemonsets"])
async def test_selectors_are_fixed(create: Send, change: Send, plural: str) -> None:
    """Whose pods they are does not change."""
    await create(f"{APPS}/{plural}", "w", spec=SPEC)
    patch = {
        "spec": {"selector": {"matchLabels": {"a": "z"}}, "template": {"metadata": {"labels": {"a": "z"}}}}
    }
    refused = await change(f"{APPS}/{plural}/w", patch)
    assert said(refused) == ['spec.selector: Invalid value: {"matchLabels":{"a":"z"}}: field is immutable']


async def test_replication_controllers_take_after_their_template(create: Send) -> None:
    """Selector and labels come from the template where they are missing."""
    made = await create(RC, "r", spec={"template": TEMPLATE})
    assert (made["spec"]["replicas"], made["spec"]["selector"]) == (1, {"a": "b"})
    assert made["metadata"]["labels"] == {"a": "b"}
    assert made["status"] == {"replicas": 0}


async def test_stateful_set_defaults(create: Send) -> None:
    """Ordered, rolling from ordinal 0, claims kept; claim templates become claims."""
    claim = {"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    made = await create(f"{APPS}/statefulsets", "s", spec=spec(serviceName="x", volumeClaimTemplates=[claim]))
    assert {
        key: made["spec"][key] for key in made["spec"].keys() - {"template", "selector", "serviceName"}
    } == {
        "replicas": 1,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
        "revisionHistoryLimit": 10,
        "volumeClaimTemplates": [
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "v"},
                "spec": {"accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem", "resources": {}},
                "status": {"phase": "Pending"},
            }
        ],
    }
    assert made["status"] == {"replicas": 0, "availableReplicas": 0}


async def test_stateful_sets_keep_their_service(create: Send, change: Send) -> None:
    """Only a few members of the spec may change."""
    await create(f"{APPS}/statefulsets", "s", spec=spec(serviceName="x"))
    (text,) = said(await change(f"{APPS}/statefulsets/s", {"spec": {"serviceName": "y"}}))
    assert text.startswith(
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals',"
    )
    assert (await change(f"{APPS}/statefulsets/s", {"spec": {"replicas": 3}}))["metadata"]["generation"] == 2


async def test_daemon_sets_count_templates(create: Send, change: Send) -> None:
    """An annotation of the server's counts the templates; what the client writes there is ignored."""
    key = "deprecated.daemonset.template.generation"
    made = await create(f"{APPS}/daemonsets", "d", spec=SPEC)
    assert made["metadata"]["annotations"] == {key: "1"}
    assert made["spec"]["updateStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
    }
    at = f"{APPS}/daemonsets/d"
    made = await change(at, {"metadata": {"annotations": {key: "9"}}})
    assert made["metadata"]["annotations"][key] == "1"
    made = await change(at, {"spec": {"template": {"spec": {"hostNetwork": True}}}})
    assert made["metadata"]["annotations"][key] == "2"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (
            {"maxUnavailable": 1, "maxSurge": 1},
            "maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ),
        (
            {"maxUnavailable": 0, "maxSurge": 0},
            "maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
        ),
        ({"maxUnavailable": "101%"}, 'maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
    ],
)
async def test_daemons_are_missing_or_doubled(create: Send, numbers: dict[str, Any], text: str) -> None:
    """Of the two numbers exactly one is more than nothing, and no more than all."""
    refused = await create(f"{APPS}/daemonsets", "d", spec=spec(updateStrategy={"rollingUpdate": numbers}))
    assert said(refused) == [f"spec.updateStrategy.rollingUpdate.{text}"]


async def test_revisions_are_written_once(create: Send, change: Send) -> None:
    """A ControllerRevision's data is fixed, its number is not."""
    at = f"{APPS}/controllerrevisions"
    assert said(await create(at, "none", revision=1)) == ["data: Required value: data is mandatory"]
    await create(at, "r", data={"any": [1]}, revision=3)
    refused = await change(f"{at}/r", {"data": {"any": "other"}})
    assert said(refused) == ['data: Invalid value: {"any":"other"}: field is immutable']
    assert (await change(f"{at}/r", {"revision": 4}))["revision"] == 4


async def test_pod_templates_are_templates(create: Send) -> None:
    """A PodTemplate is defaulted and checked like any other."""
    at = "/api/v1/namespaces/default/podtemplates"
    made = await create(at, "t", template=TEMPLATE)
    assert made["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert said(await create(at, "u", template={})) == ["template.spec.containers: Required value"]


async def test_remarks_on_templates(ask: Ask) -> None:
    """A workload is told about its template and its name, on create and when the spec changes."""
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "nodeSelector": {"beta.kubernetes.io/arch": "arm"}}}
    body = {"metadata": {"name": "d.e"}, "spec": spec(template=template)}
    answer = await ask("POST", f"{APPS}/deployments", body)
    texts = [value for name, value in answer.headers if name == "Warning"]
    assert len(texts) == 2
    assert "this is used in Pod names and hostnames" in texts[0]
    assert "spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14" in texts[1]
    patch = {"metadata": {"labels": {"a": "b"}}}
    quiet = await ask("PATCH", f"{APPS}/deployments/d.e", patch, media="application/merge-patch+json")
    assert not [value for name, value in quiet.headers if name == "Warning"]
