"""cdi-apiserver: tokens for uploads, and what it refuses of CDI objects: being deleted while there are DataVolumes, where
the uninstall strategy says so.

Left out: the affinity of CDI's own pods is not looked at; what it says of DataVolumes, DataImportCrons and populators.
Origin: cdi: pkg/apiserver/apiserver.go, pkg/apiserver/webhooks/cdi-validate.go, pkg/operator/resources/namespaced/apiserver.go
"""

from fakekube.client.client import Client
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import DATA_VOLUMES
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Handler, Object, Request, Response
from fakekube.virt import review

_PATH = "/cdi-validate"
_STILL_THERE = (
    "Rejecting the uninstall request, since there are still DataVolumes present. Either delete all DataVolumes or "
    "change the uninstall strategy before uninstalling CDI."
)


def configuration(cdi: str) -> Object:
    """What makes the API server ask here."""
    rule = {
        "operations": ["DELETE"],
        "apiGroups": ["cdi.kubevirt.io"],
        "apiVersions": ["v1beta1"],
        "resources": ["cdis"],
    }
    hook = {
        "name": "cdi-validate.cdi.kubevirt.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "rules": [rule],
        "clientConfig": {"service": {"namespace": cdi, "name": "cdi-api", "path": _PATH}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "cdi-api-validate", "labels": {"cdi.kubevirt.io": "cdi-apiserver"}},
        "webhooks": [hook],
    }


class ApiServer:
    """A Handler, and a Reviewer for questions from this process. `tokens` is the aggregated API."""

    def __init__(self, client: Client, tokens: Handler) -> None:
        self._client = client
        self._tokens = tokens
        self._hooks = review.Hooks({_PATH: self._judge})

    async def __call__(self, request: Request) -> Response:
        return await self._hooks(request) or await self._tokens(request)

    async def review(self, path: str, question: Question) -> Answer | None:
        """The answer; None when this is another path."""
        return await self._hooks.review(path, question)

    async def _judge(self, asked: Question) -> Answer:
        old = asked.old or {}
        blocks = dig(old, "spec", "uninstallStrategy") == "BlockUninstallIfWorkloadsExist"
        if asked.operation != "DELETE" or not blocks or dig(old, "status", "phase") in (None, "", "Error"):
            return review.allowed()
        there = await self._client.metadata_only().list(DATA_VOLUMES)
        return review.refused(_STILL_THERE) if there.items else review.allowed()
