"""Has Prometheus find KubeVirt's pods, and know its rules, once somebody defines what prometheus-operator reads.

Rules come with their definition; a ServiceMonitor, and the right to look, only where there is a service account of a Prometheus:
`prometheus-k8s` in `openshift-monitoring` or `monitoring`, unless the KubeVirt object says otherwise.
Origin: kubevirt: pkg/virt-operator/resource/apply/prometheus.go, …/generate/{components/prometheus,rbac/servicemonitor}.go,
pkg/virt-operator/resource/generate/install
"""

from fakekube.client.client import Client
from fakekube.client.controller import Result
from fakekube.client.late import LateInformer, WantedInformer
from fakekube.clock import Clock
from fakekube.machinery.objects import dig, name, namespace
from fakekube.machinery.resources import SERVICE_ACCOUNTS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt.operator import alarms, marking
from fakekube.virt.operator.late import Late

_GROUP, _RBAC = "monitoring.coreos.com", "rbac.authorization.k8s.io"
RULES = Resource(_GROUP, "v1", "prometheusrules", "PrometheusRule")
MONITORS = Resource(_GROUP, "v1", "servicemonitors", "ServiceMonitor")
_ROLES = Resource(_RBAC, "v1", "roles", "Role")
_BINDINGS = Resource(_RBAC, "v1", "rolebindings", "RoleBinding")
_RESOURCES = {one.kind: one for one in (RULES, MONITORS, _ROLES, _BINDINGS)}
_OWN, _ROLE = "prometheus-kubevirt-rules", "kubevirt-monitoring"
_ACCOUNT, _SPACES = "prometheus-k8s", ("openshift-monitoring", "monitoring")
_FOUND_BY = {"prometheus.kubevirt.io": "true"}


class Monitoring(Late):
    """See the module text."""

    concern = "monitoring"

    def _follow(self, client: Client, clock: Clock) -> None:
        self._rules, self._monitors = (LateInformer(client, one, clock=clock) for one in (RULES, MONITORS))
        self._accounts = WantedInformer(client, SERVICE_ACCOUNTS, clock=clock)  # only monitors need one
        for informer in (self._rules, self._monitors):
            self.controller.source(informer, self._ours)
            informer.definition.on_change(self._defined)
        self.controller.source(self._accounts, self._ours)

    def _defined(self, _old: Object | None, _new: Object | None) -> None:
        if self._monitors.established:
            self._accounts.begin()
        self.look()

    def _ours(self, old: Object | None, new: Object | None) -> tuple[str, ...]:
        obj = new or old or {}
        wanted = dig(self._kubevirt(), "spec", "monitorAccount") or _ACCOUNT
        return (self._namespace,) if name(obj) in (_OWN, wanted) else ()

    async def _reconcile(self, _space: str) -> Result | None:
        if not self._resting():
            for one in marking.all_marked(self._wanted(), self._namespace, self._release):
                await self._ensure(one)
        return None

    def _wanted(self) -> list[Object]:
        found = [rules(self._namespace)] if self._rules.established else []
        spec = self._kubevirt().get("spec") or {}
        account, chosen = spec.get("monitorAccount") or _ACCOUNT, spec.get("monitorNamespace")
        spaces = [chosen] if chosen else _SPACES
        where = next((one for one in spaces if self._accounts.get(f"{one}/{account}") is not None), "")
        if where and self._monitors.established:
            found.append(monitor(self._namespace, spec.get("serviceMonitorNamespace") or where))
            found.extend(rights(self._namespace, account, where))
        return found

    async def _ensure(self, wanted: Object) -> None:
        resource = _RESOURCES[wanted["kind"]]
        known = await self._client.find(resource, name(wanted), namespace(wanted))
        if known is None:
            await self._client.create_if_absent(resource, wanted)
            return
        as_it_was = marking.restored(known, wanted)
        if as_it_was is not known:
            await self._client.update(resource, as_it_was)


def rules(space: str) -> Object:
    """What Prometheus is to reckon and alarm about."""
    labels = {**_FOUND_BY, "k8s-app": "kubevirt"}
    return _object(RULES, _OWN, space, labels, spec={"groups": alarms.groups(space)})


def monitor(space: str, where: str) -> Object:
    """Which service leads to the pods, and how they are asked."""
    labels = {"openshift.io/cluster-monitoring": "", **_FOUND_BY, "k8s-app": "kubevirt"}
    endpoint = {
        "port": "metrics",
        "scheme": "https",
        "tlsConfig": {"insecureSkipVerify": True},
        "honorLabels": True,
    }
    spec = {
        "selector": {"matchLabels": _FOUND_BY},
        "namespaceSelector": {"matchNames": [space]},
        "endpoints": [endpoint],
    }
    return _object(MONITORS, _OWN, where, labels, spec=spec)


def rights(space: str, account: str, where: str) -> list[Object]:
    """The right to find what is behind the service."""
    looking = {
        "apiGroups": [""],
        "resources": ["services", "endpoints", "pods"],
        "verbs": ["get", "list", "watch"],
    }
    subject = {"kind": "ServiceAccount", "name": account, "namespace": where}
    role = {"apiGroup": _RBAC, "kind": "Role", "name": _ROLE}
    labels = {"kubevirt.io": ""}
    return [
        _object(_ROLES, _ROLE, space, labels, rules=[looking]),
        _object(_BINDINGS, _ROLE, space, labels, roleRef=role, subjects=[subject]),
    ]


def _object(resource: Resource, own: str, space: str, labels: Object, **content: object) -> Object:
    meta = {"name": own, "namespace": space, "labels": labels}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta, **content}
