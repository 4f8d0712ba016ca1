"""What an installation of KubeVirt and CDI consists of, as data, in the order in which it is created.

Who starts a cluster may write the definitions and webhooks among it by itself and quicker.
Origin: kubevirt: pkg/virt-operator/resource/generate/install
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from fakekube.clock import rfc3339
from fakekube.machinery.objects import Obj
from fakekube.machinery.resources import (
    API_SERVICES,
    CDI_CONFIGS,
    CDIS,
    CONFIG_MAPS,
    CRDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    KUBEVIRTS,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    VALIDATING_WEBHOOKS,
    Resource,
)
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Object
from fakekube.virt.operator import (
    certificates,
    components,
    crds,
    customizing,
    installation,
    marking,
    roles,
    webhooks,
    workloads,
)
from fakekube.virt.operator.sources import Source

NAMESPACE, CDI_NAMESPACE = "kubevirt", "cdi"
RESOURCES: dict[str, Resource] = {
    resource.kind: resource
    for resource in (
        NAMESPACES,
        CRDS,
        SERVICE_ACCOUNTS,
        DEPLOYMENTS,
        DAEMON_SETS,
        KUBEVIRTS,
        CONFIG_MAPS,
        SERVICES,
        SECRETS,
        Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False),
        Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
        Resource(
            "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
        ),
        Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
        Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
        CDIS,
        CDI_CONFIGS,
        API_SERVICES,
        MUTATING_WEBHOOKS,
        VALIDATING_WEBHOOKS,
    )
}
RELEASE = Versions().kubevirt
NO_SPEC: Obj = {"spec": {}}


def manifests(
    now: datetime,
    *,
    nodes: int = 1,
    webhook: bool = True,
    release: str = RELEASE,
    signed: bool = True,
    present: Collection[str] = (),
) -> list[Object]:
    """Everything but the definitions that are `present`. Without `webhook`, nothing sends requests to virt-api; `signed` as
    for `hooks`."""
    time = rfc3339(now)
    return [
        components.namespace(NAMESPACE),
        *definitions(release, present),
        *components.installer(NAMESPACE),
        *kept(webhook=False, release=release, signed=signed),
        *certified(release),
        *workloads.kubevirt(NAMESPACE, nodes, time, Source(release)),
        installation.kubevirt(NAMESPACE),
        *cdi(time),
        *(hooks(release, signed=signed) if webhook else ()),
    ]


def cdi(now: str) -> list[Object]:
    """What CDI consists of, but for its definitions."""
    return [
        components.cdi_namespace(CDI_NAMESPACE),
        *components.cdi_services(CDI_NAMESPACE),
        *roles.cdi(),
        *workloads.cdi(CDI_NAMESPACE, now),
        *installation.cdi(now),
    ]


def definitions(release: str, present: Collection[str] = ()) -> Iterator[Object]:
    """Of KubeVirt, marked, and of CDI; without those that are `present`. One by one, since they are large."""
    ours = frozenset(crds.names())
    for one in crds.crds(present):
        yield marking.marked(one, NAMESPACE, release) if one["metadata"]["name"] in ours else one


def kept(
    *, webhook: bool, release: str, signed: bool, bundle: str = "", kubevirt: Obj = NO_SPEC
) -> list[Object]:
    """What virt-operator puts back when somebody changes it, beside definitions and workloads, as a KubeVirt object wants it.
    Raises Misfit."""
    spec = kubevirt["spec"]
    objs = [
        components.priority_class(),
        *components.accounts(NAMESPACE, kubevirt),
        *roles.following(kubevirt),
        *(customizing.applied(one, spec) for one in components.services(NAMESPACE)),
    ]
    marked = marking.all_marked(objs, NAMESPACE, release, spec)
    found = hooks(release, signed=signed, bundle=bundle, kubevirt=kubevirt) if webhook else ()
    return [components.monitored(NAMESPACE), *marked, *found]


def certified(release: str) -> list[Object]:
    """Secrets with authorities and certificates, and bundles of whom to trust, as they are at first."""
    return marking.all_marked(certificates.objects(NAMESPACE), NAMESPACE, release)


def hooks(release: str, *, signed: bool, bundle: str = "", kubevirt: Obj = NO_SPEC) -> list[Object]:
    """What sends requests to virt-api. Where it is ours it is `signed` by our authority, at first, then by those of a `bundle`;
    another has its own. Raises Misfit."""
    bundle = (bundle or certificates.bundle()) if signed else ""
    objs = [*webhooks.api_services(NAMESPACE, bundle), *webhooks.configurations(NAMESPACE, bundle)]
    made = [customizing.applied(one, kubevirt["spec"]) for one in objs]
    return marking.all_marked(made, NAMESPACE, release, kubevirt["spec"])
