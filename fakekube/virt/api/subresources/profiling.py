"""The cluster profiler: KubeVirt's components are told to take profiles of themselves, and to hand them out. They are empty.

Origin: kubevirt: pkg/virt-api/rest/profiler.go
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import orjson

from fakekube.client.client import Client
from fakekube.machinery import answers
from fakekube.machinery.errors import ApiError, BadRequest
from fakekube.machinery.objects import condition_is, dig, is_terminating, name
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import replies

DEEDS: Mapping[str, str] = {  # page of the group → what it is for
    "start-cluster-profiler": "start profiler",
    "stop-cluster-profiler": "stop profiler",
    "dump-cluster-profiler": "dump profiler results",
}
_COMPONENTS = ("virt-api-", "virt-operator-", "virt-handler-", "virt-controller-")
_PAGE, _LARGEST_PAGE = 10, 20
_MEMBERS = {"labelSelector": "string", "continue": "string", "pageSize": "int64"}


class Profiling:
    """Whether there are components to be told, and what they hand out. Refusals are plain text."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    async def answer(self, request: Request, page: str) -> Response:
        if not (await self._settings.current()).profiles:
            return _text(403, f'Unable to {DEEDS[page]}. "ClusterProfiler" feature gate must be enabled')
        if page.startswith("dump"):
            return await self._dump(request)
        if not (await self._components(labelSelector="kubevirt.io"))[0]:
            return _text(500, "Internal error, no component pods found")
        return Response(200)

    async def _dump(self, request: Request) -> Response:
        try:
            given = replies.options(request.body, "ClusterProfilerRequest", **_MEMBERS)
        except BadRequest as error:
            return _unread(error.message.removeprefix(replies.UNREADABLE))
        if not request.body:
            return _unread("EOF")
        query = {
            "labelSelector": given.get("labelSelector") or "",
            "continue": given.get("continue") or "",
            "limit": str(min(max(given.get("pageSize") or 0, 0) or _PAGE, _LARGEST_PAGE)),
        }
        try:
            found, more = await self._components(**query)
        except ApiError as error:
            said = f"Internal error while looking up component pods for profiling: {error.message}"
            return _text(400, said)
        if not found:
            return Response(204)
        results: Object = {"componentResults": {one: {} for one in found}}
        return answers.json({**results, **({"continue": more} if more else {})})

    async def _components(self, **query: str) -> tuple[list[str], str]:
        """Pods that can be asked, and where the next page begins."""
        path = PODS.path(self._settings.namespace)
        listed = orjson.loads((await self._client.request("GET", path, query=urlencode(query))).body)
        ready = [name(pod) for pod in listed.get("items") or () if _is_ready_component(pod)]
        return ready, str(dig(listed, "metadata", "continue") or "")


def _is_ready_component(pod: Object) -> bool:
    runs = dig(pod, "status", "phase") == "Running" and not is_terminating(pod)
    return name(pod).startswith(_COMPONENTS) and runs and condition_is(pod, "Ready")


def _unread(why: str) -> Response:
    return _text(400, f"failed to parse cluster profiler request: {why}")


def _text(code: int, text: str) -> Response:
    return Response(code, text.encode(), "text/plain; charset=utf-8")
