"""What pod specs are held to: paths, reasons and texts of every refusal."""

from typing import Any

import pytest

from fakekube.api.builtins.strategies.pod_spec import defaults
from fakekube.api.builtins.strategies.pod_spec.spec import new_pod, pod_spec

Spec = dict[str, Any]


def refusals(spec: Spec, **meta: Any) -> list[str]:
    """What a defaulted pod with this spec is told."""
    spec = {"containers": [{"name": "c", "image": "x"}]} | spec
    defaults.pod(spec)
    return [str(error) for error in new_pod({"metadata": {"name": "p", **meta}, "spec": spec})]


def of_container(container: Spec, **spec: Any) -> list[str]:
    """The same for one container, without the prefix they share."""
    said = refusals({"containers": [{"name": "c", "image": "x"} | container], **spec})
    return [text.removeprefix("spec.containers[0].") for text in said]


def test_a_sound_pod_has_nothing_to_hear() -> None:
    """A pod that uses much of what there is passes."""
    container = {
        "ports": [{"containerPort": 80, "name": "web"}],
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}}],
        "envFrom": [{"configMapRef": {"name": "x"}, "prefix": "P_"}],
        "resources": {"limits": {"cpu": "1", "example.com/gpu": "2", "hugepages-2Mi": "4Mi"}},
        "livenessProbe": {"httpGet": {"port": "web"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {"runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a/b"}],
    }
    spec = {
        "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
        "tolerations": [{"operator": "Exists"}, {"key": "k", "effect": "NoExecute", "tolerationSeconds": 5}],
        "nodeSelector": {"a": "b"},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
    }
    assert of_container(container, **spec) == []


def test_a_pod_needs_containers() -> None:
    """No containers, no pod."""
    assert refusals({"containers": []}) == ["spec.containers: Required value"]


def test_names_and_images() -> None:
    """Names are labels and unique, also between init and regular containers; an image has no blanks around it."""
    label = "a lowercase RFC 1123 label must consist of"
    containers = [{"name": "c", "image": "x"}, {"name": "c", "image": ""}, {"name": "C_d", "image": " x"}]
    said = refusals({"containers": containers, "initContainers": [{"name": "c", "image": "x"}]})
    assert [text.split(label)[0].rstrip() for text in said] == [
        "spec.containers[1].image: Required value",
        'spec.containers[1].name: Duplicate value: "c"',
        'spec.containers[2].name: Invalid value: "C_d":',
        'spec.initContainers[0].name: Duplicate value: "c"',
        'spec.containers[2].image: Invalid value: " x": must not have leading or trailing whitespace',
    ]


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"imagePullPolicy": "Maybe"}, ['imagePullPolicy: Unsupported value: "Maybe": supported values: "Always", "IfNotPresent", "Never"']),
        (
            {"terminationMessagePolicy": "Nope"},
            ['terminationMessagePolicy: Unsupported value: "Nope": supported values: "File", "FallbackToLogsOnError"'],
        ),
        ({"ports": [{"containerPort": 0}]}, ["ports[0].containerPort: Required value"]),
        (
            {"ports": [{"containerPort": 70000}]},
            ["ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"],
        ),
        (
            {"ports": [{"containerPort": 80, "protocol": "ICMP"}]},
            ['ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
        ),
        (
            {"ports": [{"containerPort": 80, "name": "too-long-a-port-name"}]},
            ['ports[0].name: Invalid value: "too-long-a-port-name": must be no more than 15 characters'],
        ),
        (
            {"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
            ['ports[1].name: Duplicate value: "a"'],
        ),
        (
            {"ports": [{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]},
            ['ports[1].hostPort: Duplicate value: "TCP//9"'],
        ),
        ({"env": [{"name": ""}]}, ["env[0].name: Required value"]),
        (
            {"env": [{"name": "A=B"}]},
            [
                ('env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII '
                "characters other than '='")
            ],
        ),
        (
            {"env": [{"name": "C", "value": "x", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            ['env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
        ),
        (
            {"env": [{"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "nope"}}}]},
            [
                ('env[0].valueFrom.fieldRef.fieldPath: Invalid value: "nope": error converting fieldPath: field label not '
                "supported: nope")
            ],
        ),
        (
            {"env": [{"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}]},
            [
                ('env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: '
                '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
                '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"')
            ],
        ),
        (
            {"env": [{"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]},
            [
                ('env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are '
                "supported with the cpu resource")
            ],
        ),
        ({"envFrom": [{}]}, ['envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`']),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            ['resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
        ),
        (
            {"resources": {"limits": {"memory": "-1"}, "requests": {"memory": "-1"}}},
            [
                'resources.limits[memory]: Invalid value: "-1": must be greater than or equal to 0',
                'resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
            ],
        ),
        (
            {"resources": {"requests": {"gpu": "1"}}},
            [
                'resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
                'resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
            ],
        ),
        (
            {"resources": {"requests": {"example.com/gpu": "1"}}},
            ["resources.limits: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            {"resources": {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "2"}}},
            ['resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'],
        ),
        (
            {"resources": {"limits": {"example.com/gpu": "1500m", "cpu": "1"}, "requests": {"example.com/gpu": "1500m"}}},
            [
                'resources.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
                'resources.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
            ],
        ),
        (
            {"resources": {"limits": {"hugepages-2Mi": "2Mi"}}},
            ["resources: Forbidden: HugePages require cpu or memory"],
        ),
        (
            {"livenessProbe": {"exec": {"command": ["x"]}, "httpGet": {"port": 0}, "successThreshold": 2}},
            [
                "livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
                "livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
        ),
        ({"readinessProbe": {}}, ["readinessProbe: Required value: must specify a handler type"]),
        (
            {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
            [
                ("lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
                "terminationGracePeriodSeconds (30)")
            ],
        ),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/x"}, {"name": "v", "mountPath": "/x"}]},
            [
                'volumeMounts[0].name: Not found: "v"',
                'volumeMounts[1].name: Not found: "v"',
                'volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
            ],
        ),
        (
            {"securityContext": {"privileged": True, "allowPrivilegeEscalation": False}},
            [
                ('securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set '
                "`allowPrivilegeEscalation` to false and `privileged` to true")
            ],
        ),
        (
            {"securityContext": {"runAsUser": -1, "seccompProfile": {"type": "Localhost"}}},
            [
                "securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
                ("securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is "
                "Localhost"),
            ],
        ),
        (
            {"restartPolicyRules": [{"action": "Restart"}]},
            ["restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
        ),
    ],
)  # fmt: skip
def test_containers(container: Spec, said: list[str]) -> None:
    """Each wrong member of a container is named with its path, in the real server's words."""
    assert of_container(container) == said


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        (
            {"emptyDir": {}, "hostPath": {"path": "/x"}},
            ["volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
        ),
        ({"configMap": {}}, ["volumes[0].configMap.name: Required value"]),
        ({"secret": {}}, ["volumes[0].secret.secretName: Required value"]),
        (
            {"secret": {"secretName": "s", "defaultMode": 512}},
            [
                (
                    "volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both "
                    "inclusive"
                )
            ],
        ),
        (
            {"configMap": {"name": "s", "items": [{"key": "k", "path": "../up"}]}},
            ["volumes[0].configMap.items[0].path: Invalid value: \"../up\": must not contain '..'"],
        ),
        ({"persistentVolumeClaim": {}}, ["volumes[0].persistentVolumeClaim.claimName: Required value"]),
        ({"hostPath": {}}, ["volumes[0].hostPath.path: Required value"]),
        (
            {"nfs": {"server": "s", "path": "rel"}},
            ['volumes[0].nfs.path: Invalid value: "rel": must be an absolute path'],
        ),
        (
            {"downwardAPI": {"items": [{"path": "a"}]}},
            ["volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
        ),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 10}}]}},
            [
                (
                    "volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 10: may not specify "
                    "a duration less than 10 minutes"
                ),
                (
                    "volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when "
                    "serviceAccountName is not set"
                ),
            ],
        ),
        (
            {"ephemeral": {}},
            ["volumes[0].ephemeral.volumeClaimTemplate: Required value"],
        ),
    ],
)
def test_volumes(volume: Spec, said: list[str]) -> None:
    """A volume has one source, and the source says what it must."""
    found = refusals({"volumes": [{"name": "v", **volume}]})
    assert [text.removeprefix("spec.") for text in found] == said


def test_only_sound_volumes_can_be_mounted_or_doubled() -> None:
    """A name that is taken by a broken volume counts as free, and its mounts find nothing."""
    volumes = [{"name": "v", "secret": {}}, {"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]
    said = refusals({"volumes": volumes})
    assert said == [
        "spec.volumes[0].secret.secretName: Required value",
        'spec.volumes[2].name: Duplicate value: "v"',
    ]
    mounts = [{"name": "v", "mountPath": "/v"}]
    assert of_container({"volumeMounts": mounts}, volumes=volumes[:1])[1:] == [
        'volumeMounts[0].name: Not found: "v"'
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"restartPolicy": "Sometimes"}, ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"']),
        (
            {"dnsPolicy": "Whatever"},
            [
                ('spec.dnsPolicy: Unsupported value: "Whatever": supported values: "ClusterFirstWithHostNet", "ClusterFirst", '
                '"Default", "None"')
            ],
        ),
        ({"dnsPolicy": "None"}, ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"]),
        (
            {"activeDeadlineSeconds": 0},
            ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        ),
        (
            {"nodeName": "n", "schedulingGates": [{"name": "a/b"}]},
            ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            {"ephemeralContainers": [{"name": "e", "image": "x"}]},
            ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        ),
        (
            {"schedulingGates": [{"name": "a"}, {"name": "a"}]},
            ['spec.schedulingGates[1]: Duplicate value: "a"'],
        ),
        (
            {"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]},
            ['spec.tolerations[0].operator: Invalid value: "v": value must be empty when `operator` is \'Exists\''],
        ),
        (
            {"tolerations": [{"key": "k", "effect": "Never"}]},
            [
                ('spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", '
                '"NoExecute"')
            ],
        ),
        (
            {"tolerations": [{"key": "k", "tolerationSeconds": 3}]},
            ['spec.tolerations[0].effect: Invalid value: "": effect must be \'NoExecute\' when `tolerationSeconds` is set'],
        ),
        (
            {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}},
            [
                ("spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: "
                "must have at least one node selector term")
            ],
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 0, "preference": {"matchExpressions": [{"key": "k", "operator": "In"}]}}
                        ]
                    }
                }
            },
            [
                ("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must "
                "be in the range 1-100"),
                ("spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference"
                ".matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"),
            ],
        ),
        (
            {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "X"}]},
            [
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
                "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
                ('spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "X": supported values: '
                '"DoNotSchedule", "ScheduleAnyway"'),
            ],
        ),
        (
            {"hostNetwork": True, "containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 1, "hostPort": 2}]}]},
            [
                "spec.containers[0].ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true"
            ],
        ),
        ({"hostUsers": False, "hostPID": True}, ["spec.HostPID: Forbidden: when `hostUsers` is false"]),
        (
            {"securityContext": {"sysctls": [{"name": "net.x"}]}, "hostNetwork": True},
            ['spec.securityContext.sysctls[0].name: Invalid value: "net.x": may not be specified when \'hostNetwork\' is true'],
        ),
        ({"os": {"name": "plan9"}}, ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']),
        ({"preemptionPolicy": "Always"}, ['spec.preemptionPolicy: Unsupported value: "Always": supported values: "PreemptLowerPriority", "Never"']),
        (
            {"resources": {"limits": {"cpu": "1"}}, "containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}]},
            ['spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1'],
        ),
        (
            {"resourceClaims": [{"name": "r"}]},
            [
                ('spec.resourceClaims[0]: Invalid value: {"name":"r"}: must specify one of: `resourceClaimName`, '
                "`resourceClaimTemplateName`")
            ],
        ),
    ],
)  # fmt: skip
def test_specs(spec: Spec, said: list[str]) -> None:
    """Each wrong member of the spec itself is named with its path, in the real server's words."""
    assert refusals(spec) == said


def test_order_of_names() -> None:
    """Account, node, host name: in this order, whatever the order in the object."""
    said = refusals({"hostname": "Bad.Host", "nodeName": "Bad_Node", "serviceAccountName": "Bad_SA"})
    assert [text.split(":")[0] for text in said] == [
        "spec.serviceAccountName",
        "spec.nodeName",
        "spec.hostname",
    ]


def test_an_anti_affinity_without_a_topology() -> None:
    """An empty topology key is missing, and no name either."""
    terms: Spec = {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}
    said = refusals({"affinity": {"podAntiAffinity": terms}})
    at = "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey"
    assert said[:2] == [
        f"{at}: Required value: can not be empty",
        f'{at}: Invalid value: "": name part must be non-empty',
    ]


def test_init_containers_without_end_are_sidecars() -> None:
    """Probes belong to containers that run on: sidecars may have them, other init containers not."""
    probe = {"exec": {"command": ["ls"]}}
    init = {"name": "i", "image": "x", "livenessProbe": probe}
    only = "may not be set for init containers without restartPolicy=Always"
    assert refusals({"initContainers": [dict(init)]}) == [
        f"spec.initContainers[0].livenessProbe: Forbidden: {only}"
    ]
    assert refusals({"initContainers": [{**init, "restartPolicy": "Always"}]}) == []


def test_templates_are_spared_a_little() -> None:
    """A blank around an image and a free host port pass in a template."""
    spec = {
        "hostNetwork": True,
        "containers": [{"name": "c", "image": " x", "ports": [{"containerPort": 1}]}],
    }
    defaults.pod_spec(spec)
    assert pod_spec(spec, "spec.template.spec") == []


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        (
            {"kubernetes.io/config.mirror": "m"},
            [
                (
                    'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "m": must set spec.nodeName if mirror pod '
                    "annotation is set"
                )
            ],
        ),
        (
            {"controller.kubernetes.io/pod-deletion-cost": "1.5"},
            [
                (
                    'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "1.5": must be a 32bit '
                    "integer"
                )
            ],
        ),
        ({"controller.kubernetes.io/pod-deletion-cost": "-7"}, []),
        (
            {"container.apparmor.security.beta.kubernetes.io/z": "runtime/default"},
            [
                (
                    'metadata.annotations[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: "z": container not '
                    "found"
                )
            ],
        ),
    ],
)
def test_annotations_with_a_meaning(notes: dict[str, str], said: list[str]) -> None:
    """Mirror pods name their node, deletion costs are numbers, AppArmor names containers that exist."""
    assert refusals({}, annotations=notes) == said
