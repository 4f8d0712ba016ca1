"""metrics-server and a custom-metrics server in one: an actor that answers three aggregated APIs and writes nothing.

What is used is computed when somebody asks, from profiles and the time (`profiles`, `usage`). Unlike the real servers
it polls nobody, so an amount is there as soon as the pod runs, and is that of the moment.
"""

from fakekube.agents.identities import MASTERS, as_account
from fakekube.agents.metrics import custom_metrics, external_metrics, resource_metrics, swagger
from fakekube.agents.metrics.custom_metrics import CustomMetrics
from fakekube.agents.metrics.external_metrics import ExternalMetrics
from fakekube.agents.metrics.resource_metrics import ResourceMetrics
from fakekube.agents.metrics.subjects import Subjects
from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.wire import Handler, Object, Request, Response

NAMESPACE, SERVICE = "kube-system", "metrics-server"
# group, version → (groupPriorityMinimum, versionPriority)
_SERVED = {
    (resource_metrics.GROUP, resource_metrics.VERSION): (100, 100),
    (custom_metrics.GROUP, "v1beta1"): (100, 100),
    (custom_metrics.GROUP, "v1beta2"): (100, 200),
    (external_metrics.GROUP, external_metrics.VERSION): (100, 100),
}


def manifests() -> list[Object]:
    """What registers the three APIs and lets people read usage, as the manifests of the real servers do."""
    aggregate = {
        f"rbac.authorization.k8s.io/aggregate-to-{role}": "true" for role in ("admin", "edit", "view")
    }
    rule = {
        "apiGroups": ["metrics.k8s.io"],
        "resources": ["pods", "nodes"],
        "verbs": ["get", "list", "watch"],
    }
    reader = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:aggregated-metrics-reader", "labels": {"k8s-app": SERVICE, **aggregate}},
        "rules": [rule],
    }
    services = [
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{version}.{group}", "labels": {"k8s-app": SERVICE}},
            "spec": {
                "group": group,
                "version": version,
                "service": {"namespace": NAMESPACE, "name": SERVICE, "port": 443},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": least,
                "versionPriority": priority,
            },
        }
        for (group, version), (least, priority) in _SERVED.items()
    ]
    return [*services, reader]


class Metrics:
    """An actor and a Handler. See the module text."""

    name = "metrics"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids) -> None:
        del ids
        own = as_account(client, NAMESPACE, SERVICE, MASTERS, user_agent="metrics-server")
        self._subjects = Subjects(own, clock)
        self._apis: dict[str, Handler] = {
            resource_metrics.GROUP: ResourceMetrics(self._subjects, clock),
            custom_metrics.GROUP: CustomMetrics(own, self._subjects, clock),
            external_metrics.GROUP: ExternalMetrics(own, clock),
        }

    async def run(self) -> None:
        """Follow whom metrics are asked of, until cancelled."""
        await self._subjects.run()

    async def __call__(self, request: Request) -> Response:
        if request.path == "/openapi/v2":
            return answers.json(swagger.document())
        steps = request.path.split("/")
        group = steps[2] if len(steps) > 2 else ""
        try:
            api = self._apis.get(group)
            if api is None or len(steps) < 4 or (group, steps[3]) not in _SERVED:
                raise NotFound("the server could not find the requested resource", details={})
            return await api(request)
        except ApiError as error:
            return answers.refusal(error)
