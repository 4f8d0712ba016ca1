"""virt-api as one Handler: webhook calls and the aggregated API, as its own service account.

    VirtApi ── /virtualmachines-mutate, …          admission
            └─ /apis/subresources.kubevirt.io/…    subresources

While `run` runs it follows the KubeVirt object by a cache; without, it asks for it each time.
"""

from fakekube.agents.identities import MASTERS, as_account
from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Request, Response
from fakekube.virt.api.admission import Admission
from fakekube.virt.api.node import Node
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources.routes import Subresources

_API = "/apis/"
_OPENAPI = "/openapi/v2"
_HEALTH = "/healthz"


class VirtApi:
    """See the module text. `node` carries out what only virt-handler can do."""

    name = "virt-api"

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        ids: Ids,
        node: Node | None = None,
        namespace: str = "kubevirt",
        release: str = Versions().kubevirt,
        stand_ins: bool = False,
    ) -> None:
        own = as_account(client, namespace, "kubevirt-apiserver", MASTERS, user_agent=self.name)
        self._settings = Settings(own, clock=clock, namespace=namespace)
        self._admission = Admission(
            own, self._settings, clock=clock, ids=ids, namespace=namespace, stand_ins=stand_ins
        )
        self._subresources = Subresources(own, self._settings, node, release)

    async def run(self) -> None:
        """Follow the configuration; until cancelled."""
        await self._settings.run()

    async def review(self, path: str, question: Question) -> Answer | None:
        """Admission for the API server of this process."""
        return await self._admission.review(path, question)

    async def __call__(self, request: Request) -> Response:
        try:
            if request.path.startswith(_API):
                return await self._subresources(request)
            answered = await self._admission(request)
        except ApiError as error:
            return answers.refusal(error)
        if answered is not None:
            return answered
        if request.path == _OPENAPI:
            return answers.json(self._subresources.openapi())
        if request.path == _HEALTH:
            return answers.json({})
        return Response(404, b"404: Page Not Found", "text/plain; charset=utf-8")
