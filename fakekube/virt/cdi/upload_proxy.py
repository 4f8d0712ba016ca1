"""cdi-uploadproxy, and the servers behind it: takes the bytes for the claim that a token names, from pages of whatever origin, too.
What they leave on the volume is `uploaded`'s.

Origin: cdi: pkg/uploadproxy/uploadproxy.go, pkg/uploadserver/uploadserver.go
"""

from fakekube.agents.node_server import volume_images
from fakekube.agents.volume_contents import VolumeContents, volume_of
from fakekube.client.client import Client
from fakekube.clock import Clock
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import annotations, dig, name, namespace, uid
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.cdi import rules, sources, uploaded
from fakekube.virt.cdi.sources import READY
from fakekube.virt.cdi.uploads import PRIME, TARGET, Tokens

_PATHS = tuple(f"/{version}/upload{mode}" for version in ("v1beta1", "v1alpha1") for mode in ("", "-async"))
_FORM_PATHS = tuple(path.replace("upload", "upload-form") for path in _PATHS)
_METHODS = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE")  # that pages of other origins may use


class Proxy:
    """A Handler, see the module text."""

    def __init__(self, client: Client, tokens: Tokens, *, clock: Clock, contents: VolumeContents) -> None:
        self._client = client
        self._tokens = tokens
        self._clock = clock
        self._contents = contents
        self._receiving: set[str] = set()  # uids of claims

    async def __call__(self, request: Request) -> Response:
        wanted = request.headers.get("access-control-request-method")
        if request.method == "OPTIONS" and wanted:
            return Response(204, content_type="", headers=_preflight(request, wanted))
        answer = await self._answer(request)
        answer.headers += [("Vary", "Origin"), *_allowed_origin(request)]
        return answer

    async def _answer(self, request: Request) -> Response:
        if request.path == "/healthz":
            return Response(200, b"OK", "text/plain")
        if request.path not in (*_PATHS, *_FORM_PATHS):
            return Response(404, b"404 page not found\n", "text/plain")
        scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return Response(400, b"", "")
        meant = self._tokens.read(token.strip())
        if meant is None:
            return Response(401, b"", "")
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, meant[1], meant[0])
        if claim is None:
            return _unavailable(f"rejecting Upload Request for PVC {meant[1]} that doesn't exist")
        if (prime := annotations(claim).get(PRIME)) is not None:
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, prime, meant[0]) or claim
        if why := _impossible(claim, meant[1]):
            return _unavailable(why)
        content = annotations(claim).get(rules.CONTENT, "kubevirt")
        if content not in ("kubevirt", "archive"):
            import html  # noqa: PLC0415 - nobody has such a claim

            why = f"rejecting upload request for PVC {meant[1]} - upload content-type {content} is invalid"
            return Response(400, html.escape(why).encode(), "text/plain")
        at_once = not request.path.endswith("-async")
        if request.method == "HEAD" and not at_once:
            return Response(200, b"", "text/plain")
        if request.method != "POST":
            return Response(404, content_type="")
        if uid(claim) in self._receiving:
            return Response(503, content_type="")
        sent = uploaded.in_form(request) if request.path in _FORM_PATHS else request.body
        if sent is None:
            return Response(400, content_type="")
        self._receiving.add(uid(claim))
        try:
            return await self._receive(sent, claim, content, at_once=at_once)
        finally:
            self._receiving.discard(uid(claim))

    async def _receive(self, sent: bytes, claim: Object, content: str, *, at_once: bool) -> Response:
        on = volume_images.claimed(claim, volume_of(claim))
        try:
            held = await uploaded.held(sent, on, archive=content == "archive", clock=self._clock)
        except uploaded.UnreadableError as error:
            return Response(500, b"" if at_once else f"Saving stream failed: {error}".encode(), "text/plain")
        self._contents.put(on.volume, held)
        done = {"metadata": {"annotations": {sources.POD_PHASE: "Succeeded", READY: "false"}}}
        try:
            await self._client.patch(
                PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), done, type="merge"
            )
        except ApiError as error:
            return Response(500, error.message.encode(), "text/plain")
        return Response(200, b"", "text/plain")


def _allowed_origin(request: Request) -> list[tuple[str, str]]:
    """CORS: a page of whatever origin may read the answer."""
    return [("Access-Control-Allow-Origin", "*")] if request.headers.get("origin") else []


def _preflight(request: Request, method: str) -> list[tuple[str, str]]:
    """CORS: whether a page may send the request it is about to send."""
    named = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
    told = [("Vary", ", ".join(named)), *_allowed_origin(request)]
    if len(told) == 1 or method.upper() not in _METHODS:
        return told[:1]
    headers = request.headers.get("access-control-request-headers")
    said = [("Access-Control-Allow-Headers", headers)] if headers else []
    return [*told, ("Access-Control-Allow-Methods", method.upper()), *said]


def _impossible(claim: Object, own: str) -> str:
    """Why nothing can be sent into it, the claim of that name or the one filled in its place."""
    populated = dig(claim, "spec", "dataSourceRef", "kind") == "VolumeUploadSource"
    if TARGET not in annotations(claim) and not populated:
        return f"PVC {own} is not an upload target"
    if sources.uploaded(claim):
        return f"rejecting Upload Request for PVC {own} that already finished uploading"
    return "" if annotations(claim).get(READY) == "true" else "timed out waiting for the condition"


def _unavailable(text: str) -> Response:
    return Response(503, text.encode(), "text/plain")
