"""What single built-in kinds do differently: defaults, allocation, validation. Each is a subclass of BuiltinStrategy.

`STRATEGIES` is the only place they are looked up in; a kind without an entry gets the general strategy.
"""

from fakekube.api.builtins.strategies.apiservices import ApiServiceStrategy
from fakekube.api.builtins.strategies.autoscalers import AutoscalerStrategy
from fakekube.api.builtins.strategies.certificates import SigningRequestStrategy
from fakekube.api.builtins.strategies.configuration import ConfigMapStrategy, SecretStrategy
from fakekube.api.builtins.strategies.coordination import LeaseStrategy
from fakekube.api.builtins.strategies.crds import CrdStrategy
from fakekube.api.builtins.strategies.disruption import DisruptionBudgetStrategy
from fakekube.api.builtins.strategies.endpoints import EndpointSliceStrategy, EndpointsStrategy
from fakekube.api.builtins.strategies.events import CoreEventStrategy, NewEventStrategy
from fakekube.api.builtins.strategies.flowcontrol import FlowSchemaStrategy, PriorityLevelStrategy
from fakekube.api.builtins.strategies.limits import LimitRangeStrategy, ResourceQuotaStrategy
from fakekube.api.builtins.strategies.namespaces import NamespaceStrategy
from fakekube.api.builtins.strategies.networking import (
    IngressClassStrategy,
    IngressStrategy,
    NetworkPolicyStrategy,
)
from fakekube.api.builtins.strategies.nodes import NodeStrategy
from fakekube.api.builtins.strategies.pods import PodStrategy
from fakekube.api.builtins.strategies.policies import (
    MutatingPolicyStrategy,
    PolicyBindingStrategy,
    PolicyStrategy,
)
from fakekube.api.builtins.strategies.rbac import BindingStrategy, ClusterRoleStrategy, RoleStrategy
from fakekube.api.builtins.strategies.scheduling import PriorityClassStrategy, RuntimeClassStrategy
from fakekube.api.builtins.strategies.services import ServiceStrategy
from fakekube.api.builtins.strategies.storage import (
    CsiDriverStrategy,
    CsiNodeStrategy,
    StorageClassStrategy,
    VolumeAttachmentStrategy,
    VolumeAttributesClassStrategy,
)
from fakekube.api.builtins.strategies.volumes import PersistentVolumeClaimStrategy, PersistentVolumeStrategy
from fakekube.api.builtins.strategies.webhooks import (
    WebhookConfigurationStrategy,
)
from fakekube.api.builtins.strategies.workloads.cron_jobs import CronJobStrategy
from fakekube.api.builtins.strategies.workloads.daemon_sets import DaemonSetStrategy
from fakekube.api.builtins.strategies.workloads.jobs import JobStrategy
from fakekube.api.builtins.strategies.workloads.replicas import (
    DeploymentStrategy,
    ReplicaSetStrategy,
    ReplicationControllerStrategy,
)
from fakekube.api.builtins.strategies.workloads.revisions import (
    ControllerRevisionStrategy,
    PodTemplateStrategy,
)
from fakekube.api.builtins.strategies.workloads.stateful_sets import StatefulSetStrategy
from fakekube.api.builtins.strategy import BuiltinStrategy

_ADMISSION = "admissionregistration.k8s.io"
_FLOW = "flowcontrol.apiserver.k8s.io"
_RBAC = "rbac.authorization.k8s.io"

STRATEGIES: dict[tuple[str, str], type[BuiltinStrategy]] = {
    ("", "ConfigMap"): ConfigMapStrategy,
    ("", "Endpoints"): EndpointsStrategy,
    ("", "Event"): CoreEventStrategy,
    ("", "LimitRange"): LimitRangeStrategy,
    ("", "Namespace"): NamespaceStrategy,
    ("", "Node"): NodeStrategy,
    ("", "PersistentVolume"): PersistentVolumeStrategy,
    ("", "PersistentVolumeClaim"): PersistentVolumeClaimStrategy,
    ("", "Pod"): PodStrategy,
    ("", "PodTemplate"): PodTemplateStrategy,
    ("", "ReplicationController"): ReplicationControllerStrategy,
    ("", "ResourceQuota"): ResourceQuotaStrategy,
    ("", "Secret"): SecretStrategy,
    ("", "Service"): ServiceStrategy,
    (_ADMISSION, "MutatingAdmissionPolicy"): MutatingPolicyStrategy,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): PolicyBindingStrategy,
    (_ADMISSION, "MutatingWebhookConfiguration"): WebhookConfigurationStrategy,
    (_ADMISSION, "ValidatingAdmissionPolicy"): PolicyStrategy,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): PolicyBindingStrategy,
    (_ADMISSION, "ValidatingWebhookConfiguration"): WebhookConfigurationStrategy,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): CrdStrategy,
    ("apiregistration.k8s.io", "APIService"): ApiServiceStrategy,
    ("apps", "ControllerRevision"): ControllerRevisionStrategy,
    ("apps", "DaemonSet"): DaemonSetStrategy,
    ("apps", "Deployment"): DeploymentStrategy,
    ("apps", "ReplicaSet"): ReplicaSetStrategy,
    ("apps", "StatefulSet"): StatefulSetStrategy,
    ("autoscaling", "HorizontalPodAutoscaler"): AutoscalerStrategy,
    ("batch", "CronJob"): CronJobStrategy,
    ("batch", "Job"): JobStrategy,
    ("certificates.k8s.io", "CertificateSigningRequest"): SigningRequestStrategy,
    ("coordination.k8s.io", "Lease"): LeaseStrategy,
    ("discovery.k8s.io", "EndpointSlice"): EndpointSliceStrategy,
    ("events.k8s.io", "Event"): NewEventStrategy,
    (_FLOW, "FlowSchema"): FlowSchemaStrategy,
    (_FLOW, "PriorityLevelConfiguration"): PriorityLevelStrategy,
    ("networking.k8s.io", "Ingress"): IngressStrategy,
    ("networking.k8s.io", "IngressClass"): IngressClassStrategy,
    ("networking.k8s.io", "NetworkPolicy"): NetworkPolicyStrategy,
    ("node.k8s.io", "RuntimeClass"): RuntimeClassStrategy,
    ("policy", "PodDisruptionBudget"): DisruptionBudgetStrategy,
    (_RBAC, "ClusterRole"): ClusterRoleStrategy,
    (_RBAC, "ClusterRoleBinding"): BindingStrategy,
    (_RBAC, "Role"): RoleStrategy,
    (_RBAC, "RoleBinding"): BindingStrategy,
    ("scheduling.k8s.io", "PriorityClass"): PriorityClassStrategy,
    ("storage.k8s.io", "CSIDriver"): CsiDriverStrategy,
    ("storage.k8s.io", "CSINode"): CsiNodeStrategy,
    ("storage.k8s.io", "StorageClass"): StorageClassStrategy,
    ("storage.k8s.io", "VolumeAttachment"): VolumeAttachmentStrategy,
    ("storage.k8s.io", "VolumeAttributesClass"): VolumeAttributesClassStrategy,
}
