"""The types of Kubernetes that KubeVirt's resources embed: selectors, affinity, probes, claims.

Origin: k8s: staging/src/k8s.io/api/core/v1/types.go, staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go
"""

from fakekube.virt.operator.models.base import (
    Duration,
    Int32,
    Int64,
    IntOrString,
    Labels,
    Model,
    Quantity,
    ResourceList,
    Time,
    opt,
    req,
)


class LocalObjectReference(Model):
    """An object of the same namespace, by name."""

    name: str | None = opt("Name of the object.", default="")


class TypedLocalObjectReference(Model):
    """An object of the same namespace, by group, kind and name."""

    api_group: str | None = opt("API group of the object; empty is the core group.")
    kind: str
    name: str


class TypedObjectReference(TypedLocalObjectReference):
    """An object, by group, kind, namespace and name."""

    namespace: str | None = opt("Namespace of the object.")


class LabelSelectorRequirement(Model):
    """One condition on a label."""

    key: str = req("The label.")
    operator: str = req("In, NotIn, Exists or DoesNotExist.")
    values: list[str] | None = opt("Values for In and NotIn.", list_type="atomic")


class LabelSelector(Model):
    """A query over labels; everything in it must hold. Empty matches all."""

    match_expressions: list[LabelSelectorRequirement] | None = opt("Conditions.", list_type="atomic")
    match_labels: Labels | None = opt("Labels that must have these values.")


class NodeSelectorRequirement(Model):
    """One condition on a node."""

    key: str
    operator: str = req("In, NotIn, Exists, DoesNotExist, Gt or Lt.")
    values: list[str] | None = opt("Values the operator compares with.", list_type="atomic")


class NodeSelectorTerm(Model):
    """Conditions that must all hold."""

    match_expressions: list[NodeSelectorRequirement] | None = opt("Conditions on labels.", list_type="atomic")
    match_fields: list[NodeSelectorRequirement] | None = opt("Conditions on fields.", list_type="atomic")


class NodeSelector(Model):
    """Terms of which at least one must hold."""

    node_selector_terms: list[NodeSelectorTerm] = req("The terms.", list_type="atomic")


class PreferredSchedulingTerm(Model):
    """A wish with a weight."""

    preference: NodeSelectorTerm = req(map_type="atomic")
    weight: Int32 = req("1 to 100.")


class NodeAffinity(Model):
    """Which nodes are required or preferred."""

    preferred_during_scheduling_ignored_during_execution: list[PreferredSchedulingTerm] | None = opt(
        "Wishes.", list_type="atomic"
    )
    required_during_scheduling_ignored_during_execution: NodeSelector | None = opt(
        "What a node must satisfy.", map_type="atomic"
    )


class PodAffinityTerm(Model):
    """Pods to be near to, or far from."""

    label_selector: LabelSelector | None = opt("Which pods.", map_type="atomic")
    match_label_keys: list[str] | None = opt("Labels whose own values join the selector.", list_type="atomic")
    mismatch_label_keys: list[str] | None = opt("Labels whose own values are excluded.", list_type="atomic")
    namespace_selector: LabelSelector | None = opt("In which namespaces, by label.", map_type="atomic")
    namespaces: list[str] | None = opt("In which namespaces, by name.", list_type="atomic")
    topology_key: str = req("The node label whose value makes a place.")


class WeightedPodAffinityTerm(Model):
    """A wish with a weight."""

    pod_affinity_term: PodAffinityTerm
    weight: Int32 = req("1 to 100.")


class PodAffinity(Model):
    """Pods to run beside."""

    preferred_during_scheduling_ignored_during_execution: list[WeightedPodAffinityTerm] | None = opt(
        "Wishes.", list_type="atomic"
    )
    required_during_scheduling_ignored_during_execution: list[PodAffinityTerm] | None = opt(
        "Conditions.", list_type="atomic"
    )


class PodAntiAffinity(PodAffinity):
    """Pods to keep away from."""


class Affinity(Model):
    """Scheduling rules on nodes and pods."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class Toleration(Model):
    """A taint the pod may stand."""

    effect: str | None = opt("NoSchedule, PreferNoSchedule or NoExecute; empty is any.")
    key: str | None = opt("Key of the taint; empty is any.")
    operator: str | None = opt("Exists or Equal.")
    toleration_seconds: Int64 | None = opt("For how long a NoExecute taint is stood.")
    value: str | None = opt("Value of the taint.")


class TopologySpreadConstraint(Model):
    """How evenly pods are spread over places."""

    label_selector: LabelSelector | None = opt("Which pods count.", map_type="atomic")
    match_label_keys: list[str] | None = opt("Labels whose own values join the selector.", list_type="atomic")
    max_skew: Int32 = req("How uneven the spread may be.")
    min_domains: Int32 | None = opt("How many places there must be.")
    node_affinity_policy: str | None = opt("Honor or Ignore the node affinity.")
    node_taints_policy: str | None = opt("Honor or Ignore node taints.")
    topology_key: str = req("The node label whose value makes a place.")
    when_unsatisfiable: str = req("DoNotSchedule or ScheduleAnyway.")


class PodDNSConfigOption(Model):
    """One resolver option."""

    name: str | None = opt("Name of the option.")
    value: str | None = opt("Its value.")


class PodDNSConfig(Model):
    """Resolver settings added to those of the DNS policy."""

    nameservers: list[str] | None = opt("Name servers.", list_type="atomic")
    options: list[PodDNSConfigOption] | None = opt("Resolver options.", list_type="atomic")
    searches: list[str] | None = opt("Search domains.", list_type="atomic")


class ExecAction(Model):
    """A command run inside the guest."""

    command: list[str] | None = opt("The command and its arguments.", list_type="atomic")


class HTTPHeader(Model):
    """One header of a request."""

    name: str
    value: str


class HTTPGetAction(Model):
    """An HTTP request."""

    host: str | None = opt("Host to ask; the pod's address when empty.")
    http_headers: list[HTTPHeader] | None = opt("Headers to send.", list_type="atomic")
    path: str | None = opt("Path to ask for.")
    port: IntOrString = req("Port, by number or name.")
    scheme: str | None = opt("HTTP or HTTPS.")


class TCPSocketAction(Model):
    """A TCP connection."""

    host: str | None = opt("Host to connect to; the pod's address when empty.")
    port: IntOrString = req("Port, by number or name.")


class ObjectFieldSelector(Model):
    """A field of the pod."""

    api_version: str | None = opt("Version the path is written in.")
    field_path: str = req("Path of the field.")


class ResourceFieldSelector(Model):
    """A resource of a container."""

    container_name: str | None = opt("Which container.")
    divisor: Quantity | None = opt("Unit of the output.")
    resource: str


class DownwardAPIVolumeFile(Model):
    """One file with facts about the pod."""

    field_ref: ObjectFieldSelector | None = opt("A field of the pod.", map_type="atomic")
    mode: Int32 | None = opt("Permission bits.")
    path: str = req("Path of the file, relative to the volume.")
    resource_field_ref: ResourceFieldSelector | None = opt("A resource of a container.", map_type="atomic")


class VolumeResourceRequirements(Model):
    """Storage asked for."""

    limits: ResourceList | None = opt("The most.")
    requests: ResourceList | None = opt("The least.")


class ClaimTypedObjectReference(TypedObjectReference):
    """What a claim is filled from."""


class PersistentVolumeClaimSpec(Model):
    """What a claim asks for."""

    access_modes: list[str] | None = opt("How the volume is mounted.", list_type="atomic")
    data_source: TypedLocalObjectReference | None = opt(
        "A snapshot or claim to start from.", map_type="atomic"
    )
    data_source_ref: ClaimTypedObjectReference | None = opt("Any object to start from.")
    resources: VolumeResourceRequirements | None = None
    selector: LabelSelector | None = opt("Which volumes may be bound.", map_type="atomic")
    storage_class_name: str | None = opt("Class of the storage.")
    volume_attributes_class_name: str | None = opt("Class of changeable attributes.")
    volume_mode: str | None = opt("Filesystem or Block.")
    volume_name: str | None = opt("The volume to bind.")


class SecretKeySelector(Model):
    """One key of a secret."""

    key: str
    name: str | None = opt("Name of the secret.", default="")
    optional: bool | None = opt("Whether it may be missing.")


class ObjectReference(Model):
    """An object, by any of its marks."""

    api_version: str | None = None
    field_path: str | None = None
    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    resource_version: str | None = None
    uid: str | None = None


class OwnerReference(Model):
    """An object this one belongs to."""

    api_version: str
    block_owner_deletion: bool | None = None
    controller: bool | None = None
    kind: str
    name: str
    uid: str


class ContainerResources(Model):
    """CPU and memory of a container."""

    limits: ResourceList | None = opt("The most.")
    requests: ResourceList | None = opt("The least.")


class CertConfig(Model):
    """Life of certificates."""

    duration: Duration | None = opt("How long one is valid.")
    renew_before: Duration | None = opt("How long before its end it is renewed.")


class MetaCondition(Model):
    """One observed aspect of an object, in the form all of Kubernetes shares."""

    last_transition_time: Time
    message: str
    observed_generation: Int64 | None = None
    reason: str
    status: str
    type: str
