"""Single rules of the smaller kinds: what is filled in, what is refused, in which words."""

from typing import Any

import pytest

from tests.api.builtins.strategies.conftest import Obj, Send, said

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
NETWORKING = "/apis/networking.k8s.io/v1/namespaces/default"
HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
PDBS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
EVENTS = "/api/v1/namespaces/default/events"
NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
ENDPOINTS = "/api/v1/namespaces/default/endpoints"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
NODES = "/api/v1/nodes"
QUOTAS = "/api/v1/namespaces/default/resourcequotas"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
HOOK = {"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"]}
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize(
    ("path", "members", "refused"),
    [
        pytest.param(
            ENDPOINTS,
            {"subsets": [{"addresses": [{"ip": "127.0.0.1"}, {"ip": "x"}], "ports": [{"port": 80}]}]},
            [
                'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
                'subsets[0].addresses[1].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
                'subsets[0].addresses[1].ip: Invalid value: "x": must be a valid IP address',
            ],
            id="endpoints",
        ),
        pytest.param(
            SLICES,
            {"addressType": "Bogus", "endpoints": [{"addresses": []}]},
            [
                'addressType: Unsupported value: "Bogus": supported values: "FQDN", "IPv4", "IPv6"',
                "endpoints[0].addresses: Required value: must contain at least 1 address",
            ],
            id="slice",
        ),
        pytest.param(
            EVENTS,
            {"involvedObject": {"kind": "Pod", "namespace": "elsewhere", "name": "p"}},
            ['involvedObject.namespace: Invalid value: "elsewhere": does not match event.namespace'],
            id="event-elsewhere",
        ),
        pytest.param(
            EVENTS, {"involvedObject": {"kind": "Node", "name": "n"}}, [], id="event-of-the-cluster"
        ),
        pytest.param(
            NEW_EVENTS,
            {"regarding": {"kind": "Pod", "namespace": "default", "name": "p"}},
            ["eventTime: Required value", 'type: Invalid value: "": has invalid value: '],
            id="new-event",
        ),
        pytest.param(
            LEASES,
            {"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}},
            [
                "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
                "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
            ],
            id="lease",
        ),
        pytest.param(
            HPAS,
            {"spec": {"minReplicas": 5, "maxReplicas": 1, "scaleTargetRef": TARGET}},
            ["spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`"],
            id="autoscaler",
        ),
        pytest.param(
            HPAS,
            {"spec": {"maxReplicas": 0, "scaleTargetRef": {}, "metrics": [{"type": "Pods"}]}},
            [
                "spec.maxReplicas: Invalid value: 0: must be greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
                "spec.scaleTargetRef.kind: Required value",
                "spec.scaleTargetRef.name: Required value",
                (
                    "spec.metrics[0].pods: Required value: must populate information for the given metric source (only "
                    "allowed for type Pods)"
                ),
            ],
            id="empty-autoscaler",
        ),
        pytest.param(
            PDBS,
            {"spec": {"minAvailable": 1, "maxUnavailable": "50x", "selector": {}}},
            [
                (
                    'spec: Invalid value: {"MinAvailable":1,"Selector":{},"MaxUnavailable":"50x",'
                    '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set'
                ),
                (
                    'spec.maxUnavailable: Invalid value: "50x": a valid percent string must be a numeric string followed by '
                    "an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
                ),
            ],
            id="budget",
        ),
        pytest.param(
            f"{RBAC}/roles",
            {
                "rules": [
                    {"apiGroups": [""], "resources": ["pods"]},
                    {"nonResourceURLs": ["/x"], "verbs": ["get"]},
                ]
            },
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                'rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
            ],
            id="role",
        ),
        pytest.param(
            f"{RBAC}/rolebindings",
            {
                "subjects": [{"kind": "ServiceAccount", "name": "sa"}, {"kind": "Robot", "name": "x"}],
                "roleRef": {"kind": "Role", "name": "r"},
            },
            [
                'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"'
            ],
            id="binding",
        ),
        pytest.param(
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            {
                "subjects": [{"kind": "ServiceAccount", "name": "sa"}],
                "roleRef": {"kind": "Role", "name": "r"},
            },
            [
                'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
                "subjects[0].namespace: Required value",
            ],
            id="cluster-binding",
        ),
        pytest.param(
            CLASSES,
            {"value": 2_000_000_000},
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
            id="priority",
        ),
        pytest.param(
            NODES,
            {"spec": {"taints": [{"key": "k", "effect": "Sometimes"}]}},
            [
                (
                    'metadata.taints[0].effect: Unsupported value: "Sometimes": supported values: "NoSchedule", '
                    '"PreferNoSchedule", "NoExecute"'
                ),
            ],
            id="taint",
        ),
        pytest.param(
            f"{NETWORKING}/ingresses",
            {
                "spec": {
                    "rules": [
                        {
                            "host": "A_b",
                            "http": {
                                "paths": [
                                    {"path": "x", "pathType": "Prefix", "backend": {"service": {"name": "s"}}}
                                ]
                            },
                        }
                    ]
                }
            },
            [
                f'spec.rules[0].host: Invalid value: "A_b": {SUBDOMAIN}',
                'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
                "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
            ],
            id="ingress",
        ),
        pytest.param(
            f"{ADMISSION}/validatingwebhookconfigurations",
            {"webhooks": [{"name": "short"}]},
            [
                'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots',
                "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun",
                "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
                "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1",
            ],
            id="webhook",
        ),
        pytest.param(
            f"{ADMISSION}/validatingwebhookconfigurations",
            {"webhooks": [{**HOOK, "clientConfig": {"url": "http://example.com"}}]},
            [
                (
                    "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired "
                    "format: https://host[/path]"
                )
            ],
            id="webhook-url",
        ),
        pytest.param(
            QUOTAS,
            {"spec": {"hard": {"pods": "500m", "cpu": "-1"}}},
            [
                'spec.hard[pods]: Invalid value: "500m": must be an integer',
                'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            ],
            id="quota",
        ),
    ],
)
async def test_refusals(create: Send, path: str, members: Obj, refused: list[str]) -> None:
    """What may not be made, cause by cause."""
    assert said(await create(path, "a", **members)) == refused


@pytest.mark.parametrize(
    ("path", "members", "patch", "refused"),
    [
        pytest.param(
            SLICES,
            {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]},
            {"addressType": "IPv6", "endpoints": None},
            ['addressType: Invalid value: "IPv6": field is immutable'],
            id="slice",
        ),
        pytest.param(
            f"{RBAC}/rolebindings",
            {"roleRef": {"kind": "Role", "name": "r"}},
            {"roleRef": {"name": "other"}},
            [
                (
                    'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"other"}: cannot '
                    "change roleRef"
                )
            ],
            id="binding",
        ),
        pytest.param(
            CLASSES,
            {"value": 100},
            {"value": 5},
            ["value: Forbidden: may not be changed in an update."],
            id="priority",
        ),
        pytest.param(
            NODES,
            {"spec": {"podCIDR": "10.5.0.0/24"}},
            {"spec": {"podCIDR": "10.6.0.0/24", "podCIDRs": ["10.6.0.0/24"]}},
            ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'],
            id="node",
        ),
    ],
)
async def test_what_never_changes(  # noqa: PLR0917 - two fixtures and a table
    create: Send, change: Send, path: str, members: Obj, patch: Obj, refused: list[str]
) -> None:
    """What is fixed once it is made."""
    assert said(await create(path, "a", **members)) == []
    assert said(await change(f"{path}/a", patch)) == refused


CPU_80 = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


@pytest.mark.parametrize(
    ("path", "members", "shown"),
    [
        pytest.param(
            HPAS,
            {"spec": {"maxReplicas": 5, "scaleTargetRef": TARGET}},
            {"minReplicas": 1, "metrics": [CPU_80]},
            id="hpa",
        ),
        pytest.param(
            f"{NETWORKING}/networkpolicies",
            {"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}},
            {"policyTypes": ["Ingress", "Egress"], "egress": [{"ports": [{"port": 53, "protocol": "TCP"}]}]},
            id="network-policy",
        ),
        pytest.param(
            f"{ADMISSION}/validatingadmissionpolicybindings",
            {"spec": {"policyName": "p", "validationActions": ["Deny"], "matchResources": {}}},
            {"matchResources": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}},
            id="policy-binding",
        ),
        pytest.param(
            "/api/v1/namespaces/default/limitranges",
            {
                "spec": {
                    "limits": [{"type": "Container", "default": {"cpu": "500m"}, "max": {"memory": "1Gi"}}]
                }
            },
            {
                "limits": [
                    {
                        "type": "Container",
                        "default": {"cpu": "500m", "memory": "1Gi"},
                        "defaultRequest": {"cpu": "500m", "memory": "1Gi"},
                        "max": {"memory": "1Gi"},
                    }
                ]
            },
            id="limit-range",
        ),
        pytest.param(
            NODES,
            {"spec": {"unschedulable": True}},
            {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
            id="node",
        ),
        pytest.param(
            "/apis/storage.k8s.io/v1/csidrivers",
            {"spec": {}},
            {"attachRequired": True, "volumeLifecycleModes": ["Persistent"]},
            id="csi-driver",
        ),
    ],
)
async def test_defaults(create: Send, path: str, members: Obj, shown: dict[str, Any]) -> None:
    """What of a spec the server fills in."""
    spec = (await create(path, "a", **members))["spec"]
    assert {name: spec.get(name) for name in shown} == shown


async def test_autoscaler_behavior_is_completed(create: Send) -> None:
    """Whoever says something about scaling gets the rest of both directions said too."""
    spec = {
        "maxReplicas": 5,
        "scaleTargetRef": TARGET,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
    }
    behavior = (await create(HPAS, "a", spec=spec))["spec"]["behavior"]
    hundred = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert behavior["scaleDown"] == {
        "stabilizationWindowSeconds": 5,
        "selectPolicy": "Max",
        "policies": [hundred],
    }
    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 4, "periodSeconds": 15}, hundred]


async def test_an_autoscaler_tolerates_nothing_negative(create: Send) -> None:
    """A tolerance below zero is refused; none at all is one."""
    spec = {"maxReplicas": 5, "scaleTargetRef": TARGET, "behavior": {"scaleUp": {"tolerance": "-1"}}}
    (complaint,) = said(await create(HPAS, "a", spec=spec))
    assert complaint.startswith('spec.behavior.scaleUp.tolerance: Invalid value: "-1"')
    assert complaint.endswith("must be greater than or equal to 0")
    spec["behavior"]["scaleUp"]["tolerance"] = "0"
    assert said(await create(HPAS, "a", spec=spec)) == []


async def test_webhook_defaults(create: Send) -> None:
    """A mutating webhook fails closed within ten seconds, once, for everything its rules match."""
    hook = {**HOOK, "clientConfig": {"service": {"name": "s", "namespace": "n"}}}
    made = (await create(f"{ADMISSION}/mutatingwebhookconfigurations", "a", webhooks=[hook]))["webhooks"][0]
    defaults = {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "reinvocationPolicy": "Never",
        "timeoutSeconds": 10,
    }
    assert {name: made[name] for name in defaults} == defaults
    assert made["clientConfig"]["service"]["port"] == 443


async def test_binding_subjects_get_their_group(create: Send) -> None:
    """Users and groups belong to the RBAC group, accounts to none."""
    subjects = [
        {"kind": "User", "name": "alice"},
        {"kind": "ServiceAccount", "name": "sa", "namespace": "default"},
    ]
    made = await create(f"{RBAC}/rolebindings", "a", subjects=subjects, roleRef={"kind": "Role", "name": "r"})
    group = "rbac.authorization.k8s.io"
    assert made["roleRef"]["apiGroup"] == group
    assert [one.get("apiGroup") for one in made["subjects"]] == [group, None]


async def test_a_node_that_becomes_ready_loses_its_taint(create: Send, change: Send) -> None:
    """The not-ready taint goes with the status write that reports the node ready; other taints stay."""
    await create(NODES, "n", spec={"taints": [{"key": "k", "effect": "NoExecute"}]})
    status = {"capacity": {"cpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}]}
    node = await change(f"{NODES}/n/status", {"status": status})
    assert node["spec"]["taints"] == [{"key": "k", "effect": "NoExecute"}]
    assert node["status"]["allocatable"] == {"cpu": "4"}


async def test_system_priorities(create: Send) -> None:
    """Names that begin with `system-` are the system's."""
    refused = await create(CLASSES, "system-mine", value=100)
    assert said(refused) == [
        (
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: "
            "system-mine is not a known system priority class"
        )
    ]


async def test_local_api_service_is_available(create: Send) -> None:
    """An APIService without a service is served here, always."""
    spec = {"group": "g.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
    made = await create("/apis/apiregistration.k8s.io/v1/apiservices", "v1.g.example.com", spec=spec)
    [condition] = made["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")
    refused = await create("/apis/apiregistration.k8s.io/v1/apiservices", "other", spec=spec)
    assert said(refused) == [
        'metadata.name: Invalid value: "other": must be `spec.version+"."+spec.group`: "v1.g.example.com"'
    ]


async def test_signing_request(create: Send, change: Send) -> None:
    """Conditions of a request get their times; approval and denial exclude each other."""
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    request = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"
    spec = {"request": request, "signerName": "example.com/me", "usages": ["client auth"]}
    assert said(await create(path, "a", spec=spec)) == []
    approved = {"type": "Approved", "status": "True", "reason": "Me"}
    [condition] = (await change(f"{path}/a/status", {"status": {"conditions": [approved]}}))["status"][
        "conditions"
    ]
    assert {"lastUpdateTime", "lastTransitionTime"} < set(condition)
    both = {"status": {"conditions": [approved, {"type": "Denied", "status": "True"}]}}
    assert said(await change(f"{path}/a/status", both)) == [
        'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]


async def test_namespace_keeps_its_finalizers(create: Send, ask: Any) -> None:
    """A PUT without a spec leaves the `kubernetes` finalizer alone."""
    await create("/api/v1/namespaces", "n")
    await ask("PUT", "/api/v1/namespaces/n", {"metadata": {"name": "n"}, "spec": {"finalizers": []}})
    response = await ask("GET", "/api/v1/namespaces/n")
    assert b'"finalizers":["kubernetes"]' in response.body


async def test_endpoints_are_ordered(create: Send) -> None:
    """Addresses stand in numerical order, ports have a protocol."""
    subsets = [{"addresses": [{"ip": "10.0.0.10"}, {"ip": "10.0.0.9"}], "ports": [{"port": 80}]}]
    made = (await create(ENDPOINTS, "a", subsets=subsets))["subsets"]
    assert made == [
        {"addresses": [{"ip": "10.0.0.9"}, {"ip": "10.0.0.10"}], "ports": [{"port": 80, "protocol": "TCP"}]}
    ]


async def test_ingress_backends_name_something(create: Send) -> None:
    """A backend is a service or a resource: not both, and not nothing."""
    at = f"{NETWORKING}/ingresses"
    empty = {"defaultBackend": {}}
    assert said(await create(at, "a", spec=empty)) == [
        'spec.defaultBackend: Invalid value: "": resource or service backend is required'
    ]
    both = {"defaultBackend": {"service": {"name": "A_"}, "resource": {}}}
    assert said(await create(at, "a", spec=both)) == [
        'spec.defaultBackend: Invalid value: "": cannot set both resource and service backends'
    ]


@pytest.mark.parametrize("cidr", ["10.0.0.1", "10.0.0.0/255.0.0.0", "10.0.0.0/33", "x"])
async def test_networks_are_written_with_the_length_of_their_prefix(create: Send, cidr: str) -> None:
    """Neither an address nor a mask will do, in policies and for load balancers, there or in the annotation."""
    text = f'Invalid value: "{cidr}": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
    spec: Obj = {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": cidr}}]}]}
    refused = await create(f"{NETWORKING}/networkpolicies", "a", spec=spec)
    assert said(refused) == [f"spec.ingress[0].from[0].ipBlock.cidr: {text}"]
    services = "/api/v1/namespaces/default/services"
    spec = {
        "type": "LoadBalancer",
        "ports": [{"port": 1}],
        "loadBalancerSourceRanges": [" 10.0.0.0/8 ", f" {cidr}"],
    }
    assert said(await create(services, "a", spec=spec)) == [f"spec.LoadBalancerSourceRanges[1]: {text}"]
    del spec["loadBalancerSourceRanges"]
    key = "service.beta.kubernetes.io/load-balancer-source-ranges"
    refused = await create(services, "a", spec=spec, metadata={"annotations": {key: f"10.0.0.0/8, {cidr}"}})
    assert said(refused) == [f"metadata.annotations[{key}]: {text}"]


async def test_topologies_of_storage_classes(create: Send) -> None:
    """Keys are label names and differ; values are there and differ; terms differ."""
    good = {"key": "zone", "values": ["a"]}
    terms = [
        [{"key": "zone", "values": ["a", "a"]}, {"key": "zone"}],
        [good],
        [good],
    ]
    topologies = [{"matchLabelExpressions": one} for one in terms]
    made = await create(
        "/apis/storage.k8s.io/v1/storageclasses",
        "a",
        provisioner="x.example/y",
        allowedTopologies=topologies,
    )
    assert said(made) == [
        'allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "a"',
        "allowedTopologies[0].matchLabelExpressions[1].values: Required value",
        'allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: "zone"',
        'allowedTopologies[2].matchLabelExpressions: Duplicate value: ""',
    ]
