"""Every resource a Kubernetes 1.36 cluster serves by default, in the order of its discovery documents.

One line per resource. What a kind does beyond this stands in `strategies/`; how it prints, in `printers/`.
k8s: api/discovery/*.json, pkg/registry/*/*/storage/storage.go (short names, categories, scale), */strategy.go (traits)
"""

from fakekube.api.builtins import conversion
from fakekube.api.builtins.strategies import STRATEGIES
from fakekube.api.builtins.strategy import PLAIN, BuiltinStrategy, Traits
from fakekube.api.registry.strategy import ALL_VERBS, Converter, Scale, ServedResource, Subresource

_PROXY_VERBS = ("create", "delete", "get", "patch", "update")
_ALL = ("all",)
_EXTENSION = ("api-extensions",)
_SCALE = Scale(".spec.replicas", ".status.replicas", ".spec.selector")

_PACKAGES = {
    "": "io.k8s.api.core",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    "flowcontrol.apiserver.k8s.io": "io.k8s.api.flowcontrol",
    "rbac.authorization.k8s.io": "io.k8s.api.rbac",
}


def definition_name(group: str, version: str, kind: str) -> str:
    """What OpenAPI calls a built-in kind: `io.k8s.api.apps.v1.Deployment`."""
    package = _PACKAGES.get(group) or f"io.k8s.api.{group.partition('.')[0]}"
    return f"{package}.{version}.{kind}"


class _Group:
    """Collects the resources of one group and version."""

    def __init__(self, group: str, version: str = "v1") -> None:
        self.group = group
        self.version = version
        self.resources: list[ServedResource] = []

    def add(
        self,
        plural: str,
        kind: str,
        *short_names: str,
        cluster: bool = False,
        status: bool = False,
        scale: bool = False,
        more: tuple[Subresource, ...] = (),
        categories: tuple[str, ...] = (),
        verbs: tuple[str, ...] = ALL_VERBS,
        traits: Traits = PLAIN,
        storage: tuple[str, str] | None = None,
        converters: tuple[Converter, Converter] | None = None,
        deprecation: str = "",
    ) -> None:
        subresources = list(more)
        if scale:
            subresources.append(Subresource("scale", "Scale", group="autoscaling", version="v1"))
        if status:
            subresources.append(Subresource("status", kind))
        definition = definition_name(self.group, self.version, kind)
        strategy = STRATEGIES.get((self.group, kind), BuiltinStrategy)
        group, version = storage or (self.group, self.version)
        to_storage, from_storage = converters or (None, None)
        self.resources.append(
            ServedResource(
                self.group,
                self.version,
                plural,
                kind,
                namespaced=not cluster,
                short_names=short_names,
                categories=categories,
                verbs=verbs,
                strategy=strategy(self.group, self.version, kind, definition, status=status, traits=traits),
                subresources=tuple(sorted(subresources, key=lambda one: one.name)),
                scale=_SCALE if scale else None,
                storage_group=group,
                storage_version=version,
                to_storage=to_storage,
                from_storage=from_storage,
                deprecation=deprecation,
                schema_name=definition,
            )
        )

    def review(self, plural: str, kind: str, *, cluster: bool = True) -> None:
        """A question asked by creating it; nothing is stored."""
        self.add(plural, kind, cluster=cluster, verbs=("create",))


def _connect(name: str, kind: str, verbs: tuple[str, ...]) -> Subresource:
    return Subresource(name, kind, verbs)


_GENERATION = Traits(generation=True)
_UPSERT = Traits(create_on_update=True)
_RETURNED = Traits(returns_deleted=True)
_RBAC = Traits(create_on_update=True, names="path")
_CONFIGURATION = Traits(generation=True, conditional_update=True)


def _core() -> list[ServedResource]:
    v1 = _Group("")
    v1.add("bindings", "Binding", verbs=("create",))
    v1.add(
        "componentstatuses", "ComponentStatus", "cs", cluster=True, verbs=("get", "list"),
        deprecation="v1 ComponentStatus is deprecated in v1.19+",
    )  # fmt: skip
    v1.add("configmaps", "ConfigMap", "cm")
    v1.add(
        "endpoints", "Endpoints", "ep", traits=_UPSERT,
        deprecation="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    )  # fmt: skip
    v1.add("events", "Event", "ev", traits=_UPSERT)
    v1.add("limitranges", "LimitRange", "limits", traits=_UPSERT)
    v1.add(
        "namespaces", "Namespace", "ns", cluster=True, status=True, traits=Traits(names="namespace"),
        more=(_connect("finalize", "Namespace", ("update",)),),
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    )  # fmt: skip
    v1.add(
        "nodes", "Node", "no", cluster=True, status=True,
        more=(_connect("proxy", "NodeProxyOptions", _PROXY_VERBS),),
    )  # fmt: skip
    v1.add("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", status=True, traits=_RETURNED)
    v1.add("persistentvolumes", "PersistentVolume", "pv", cluster=True, status=True, traits=_RETURNED)
    v1.add(
        "pods", "Pod", "po", status=True, categories=_ALL,
        traits=Traits(generation=True, graceful=True, returns_deleted=True),
        more=(
            _connect("attach", "PodAttachOptions", ("create", "get")),
            _connect("binding", "Binding", ("create",)),
            Subresource("ephemeralcontainers", "Pod"),
            Subresource("eviction", "Eviction", ("create",), group="policy", version="v1"),
            _connect("exec", "PodExecOptions", ("create", "get")),
            _connect("log", "Pod", ("get",)),
            _connect("portforward", "PodPortForwardOptions", ("create", "get")),
            _connect("proxy", "PodProxyOptions", _PROXY_VERBS),
            Subresource("resize", "Pod"),
        ),
    )  # fmt: skip
    v1.add("podtemplates", "PodTemplate", traits=Traits(generation=True, returns_deleted=True))
    v1.add(
        "replicationcontrollers", "ReplicationController", "rc", status=True, scale=True, categories=_ALL,
        traits=Traits(generation=True, propagation="Orphan"),
    )  # fmt: skip
    v1.add("resourcequotas", "ResourceQuota", "quota", status=True, traits=_RETURNED)
    v1.add("secrets", "Secret")
    v1.add(
        "serviceaccounts", "ServiceAccount", "sa", traits=_RETURNED,
        more=(Subresource("token", "TokenRequest", ("create",), group="authentication.k8s.io", version="v1"),),
    )  # fmt: skip
    v1.add(
        "services", "Service", "svc", status=True, categories=_ALL,
        traits=Traits(create_on_update=True, returns_deleted=True, names="label"),
        more=(_connect("proxy", "ServiceProxyOptions", _PROXY_VERBS),),
    )  # fmt: skip
    return v1.resources


def _workloads() -> list[ServedResource]:
    apps = _Group("apps")
    apps.add("controllerrevisions", "ControllerRevision")
    apps.add("daemonsets", "DaemonSet", "ds", status=True, categories=_ALL, traits=_GENERATION)
    apps.add(
        "deployments", "Deployment", "deploy", status=True, scale=True, categories=_ALL, traits=_GENERATION
    )
    apps.add("replicasets", "ReplicaSet", "rs", status=True, scale=True, categories=_ALL, traits=_GENERATION)
    apps.add(
        "statefulsets", "StatefulSet", "sts", status=True, scale=True, categories=_ALL,
        traits=Traits(generation=True, names="label"),
    )  # fmt: skip
    autoscaler = ("horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa")
    v2 = _Group("autoscaling", "v2")
    v2.add(*autoscaler, status=True, categories=_ALL)
    v1 = _Group("autoscaling", "v1")
    v1.add(
        *autoscaler, status=True, categories=_ALL, storage=("autoscaling", "v2"),
        converters=(conversion.autoscaler_to_v2, conversion.autoscaler_from_v2),
    )  # fmt: skip
    batch = _Group("batch")
    batch.add("cronjobs", "CronJob", "cj", status=True, categories=_ALL, traits=_GENERATION)
    batch.add(
        "jobs", "Job", status=True, categories=_ALL, traits=Traits(generation=True, propagation="Orphan")
    )
    policy = _Group("policy")
    policy.add("poddisruptionbudgets", "PodDisruptionBudget", "pdb", status=True, traits=_CONFIGURATION)
    return apps.resources + v2.resources + v1.resources + batch.resources + policy.resources


def _access() -> list[ServedResource]:
    authentication = _Group("authentication.k8s.io")
    authentication.review("selfsubjectreviews", "SelfSubjectReview")
    authentication.review("tokenreviews", "TokenReview")
    authorization = _Group("authorization.k8s.io")
    authorization.review("localsubjectaccessreviews", "LocalSubjectAccessReview", cluster=False)
    authorization.review("selfsubjectaccessreviews", "SelfSubjectAccessReview")
    authorization.review("selfsubjectrulesreviews", "SelfSubjectRulesReview")
    authorization.review("subjectaccessreviews", "SubjectAccessReview")
    certificates = _Group("certificates.k8s.io")
    certificates.add(
        "certificatesigningrequests", "CertificateSigningRequest", "csr", cluster=True, status=True, traits=_UPSERT,
        more=(Subresource("approval", "CertificateSigningRequest"),),
    )  # fmt: skip
    rbac = _Group("rbac.authorization.k8s.io")
    rbac.add("clusterrolebindings", "ClusterRoleBinding", cluster=True, traits=_RBAC)
    rbac.add("clusterroles", "ClusterRole", cluster=True, traits=_RBAC)
    rbac.add("rolebindings", "RoleBinding", traits=_RBAC)
    rbac.add("roles", "Role", traits=_RBAC)
    return authentication.resources + authorization.resources + certificates.resources + rbac.resources


def _network_and_storage() -> list[ServedResource]:
    networking = _Group("networking.k8s.io")
    networking.add("ingressclasses", "IngressClass", cluster=True, traits=_GENERATION)
    networking.add("ingresses", "Ingress", "ing", status=True, traits=_GENERATION)
    networking.add("ipaddresses", "IPAddress", "ip", cluster=True)
    networking.add("networkpolicies", "NetworkPolicy", "netpol", traits=_GENERATION)
    networking.add("servicecidrs", "ServiceCIDR", cluster=True, status=True)
    discovery = _Group("discovery.k8s.io")
    discovery.add("endpointslices", "EndpointSlice", traits=_GENERATION)
    storage = _Group("storage.k8s.io")
    storage.add("csidrivers", "CSIDriver", cluster=True, traits=_RETURNED)
    storage.add("csinodes", "CSINode", cluster=True, traits=_RETURNED)
    storage.add("csistoragecapacities", "CSIStorageCapacity", traits=_RETURNED)
    storage.add("storageclasses", "StorageClass", "sc", cluster=True, traits=_RETURNED)
    storage.add("volumeattachments", "VolumeAttachment", cluster=True, status=True, traits=_RETURNED)
    storage.add("volumeattributesclasses", "VolumeAttributesClass", "vac", cluster=True, traits=_RETURNED)
    resource = _Group("resource.k8s.io")
    resource.add("deviceclasses", "DeviceClass", cluster=True, traits=_GENERATION)
    resource.add("resourceclaims", "ResourceClaim", status=True)
    resource.add("resourceclaimtemplates", "ResourceClaimTemplate")
    resource.add("resourceslices", "ResourceSlice", cluster=True, traits=_GENERATION)
    return networking.resources + discovery.resources + storage.resources + resource.resources


def _platform() -> list[ServedResource]:
    events = _Group("events.k8s.io")
    events.add(
        "events", "Event", "ev", traits=_UPSERT, storage=("", "v1"),
        converters=(conversion.event_to_core, conversion.event_from_core),
    )  # fmt: skip
    coordination = _Group("coordination.k8s.io")
    coordination.add("leases", "Lease", traits=Traits(create_on_update=True, conditional_update=True))
    scheduling = _Group("scheduling.k8s.io")
    scheduling.add("priorityclasses", "PriorityClass", "pc", cluster=True, traits=_GENERATION)
    node = _Group("node.k8s.io")
    node.add("runtimeclasses", "RuntimeClass", cluster=True, traits=Traits(conditional_update=True))
    flow = _Group("flowcontrol.apiserver.k8s.io")
    flow.add("flowschemas", "FlowSchema", cluster=True, status=True, traits=_GENERATION)
    flow.add(
        "prioritylevelconfigurations",
        "PriorityLevelConfiguration",
        cluster=True,
        status=True,
        traits=_GENERATION,
    )
    admission = _Group("admissionregistration.k8s.io")
    for plural, kind in (
        ("mutatingadmissionpolicies", "MutatingAdmissionPolicy"),
        ("mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding"),
        ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
        ("validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
        ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
        ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    ):
        status = kind == "ValidatingAdmissionPolicy"
        admission.add(plural, kind, cluster=True, status=status, categories=_EXTENSION, traits=_CONFIGURATION)
    extensions = _Group("apiextensions.k8s.io")
    extensions.add(
        "customresourcedefinitions", "CustomResourceDefinition", "crd", "crds", cluster=True, status=True,
        categories=_EXTENSION, traits=_CONFIGURATION,
    )  # fmt: skip
    registration = _Group("apiregistration.k8s.io")
    registration.add(
        "apiservices", "APIService", cluster=True, status=True, categories=_EXTENSION,
        traits=Traits(conditional_update=True, names="path"),  # `v1.`, of the core group, is one
    )  # fmt: skip
    groups = (events, coordination, scheduling, node, flow, admission, extensions, registration)
    return [resource for group in groups for resource in group.resources]


def resources() -> list[ServedResource]:
    """Fresh values: a catalog owns what it is given."""
    return _core() + _workloads() + _access() + _network_and_storage() + _platform()
