"""Uploads of images into claims, as far as `virtctl image-upload` goes: a token, and a proxy that takes the bytes.

    claim or DataVolume for an upload ──► UploadReady ──► POST uploadtokenrequests ──► POST the image ──► Succeeded

What is sent is thrown away: claims have names and phases here, no contents.
Origin: cdi: pkg/apiserver/apiserver.go (uploadHandler), pkg/uploadproxy/uploadproxy.go, pkg/controller/upload-controller.go
"""

import base64
import hashlib
import hmac
from typing import Any

import orjson

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import annotations, dig, is_terminating, name, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.cdi import rules, sources
from fakekube.virt.cdi.consuming import Consumers

GROUP, VERSION = "upload.cdi.kubevirt.io", "v1beta1"
_ROOT = f"/apis/{GROUP}"
_PATHS = tuple(f"/{version}/upload{mode}" for version in ("v1beta1", "v1alpha1") for mode in ("", "-async"))
_FORM_PATHS = tuple(path.replace("upload", "upload-form") for path in _PATHS)
TARGET = "cdi.kubevirt.io/storage.upload.target"
PRIME = "cdi.kubevirt.io/storage.populator.pvcPrime"  # on a claim: that is filled in its place
_READY = "cdi.kubevirt.io/storage.pod.ready"
_METHODS = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE")  # that pages of other origins may use
_LASTS = 300.0  # seconds a token is good for


def api_service(cdi: str) -> Object:
    """What makes the API server send requests for tokens here."""
    spec = {
        "group": GROUP,
        "version": VERSION,
        "service": {"namespace": cdi, "name": "cdi-api", "port": 443},
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
    }
    meta = {"name": f"{VERSION}.{GROUP}", "labels": {"cdi.kubevirt.io": "cdi-apiserver"}}
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": spec}


class Tokens:
    """Which claim a bearer may upload to, signed and dated."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._key = ids.uid().encode()

    def issue(self, space: str, claim: str) -> str:
        expires = self._clock.now().timestamp() + _LASTS
        content = _packed({"operation": "Upload", "namespace": space, "name": claim, "exp": expires})
        signed = f"{_packed({'alg': 'HS256', 'typ': 'JWT'})}.{content}"
        return f"{signed}.{self._signature(signed)}"

    def read(self, token: str) -> tuple[str, str] | None:
        """(namespace, claim); None for a token that is not ours, or not any more."""
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed), signature):
            return None
        content: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        if content["exp"] < self._clock.now().timestamp():
            return None
        return content["namespace"], content["name"]

    def _signature(self, signed: str) -> str:
        return _text(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())


def _packed(value: Object) -> str:
    return _text(orjson.dumps(value))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenApi:
    """cdi-apiserver's aggregated API, a Handler: its one resource can only be created."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def __call__(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if request.method == "GET" and path == _ROOT:
            return _json(_group())
        if request.method == "GET" and path == f"{_ROOT}/{VERSION}":
            return _json(_resources())
        parts = path.removeprefix(f"{_ROOT}/{VERSION}/").split("/")
        if len(parts) != 3 or (parts[0], parts[2]) != ("namespaces", "uploadtokenrequests"):
            return Response(404, b"404: Page Not Found", "text/plain")
        if request.method != "POST":
            return Response(405, b"405: Method Not Allowed", "text/plain")
        try:
            wanted = orjson.loads(request.body)
            claim = wanted["spec"]["pvcName"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            return Response(400, str(error).encode(), "text/plain")
        return _json({**wanted, "status": {"token": self._tokens.issue(parts[1], str(claim))}})


class Proxy:
    """cdi-uploadproxy, a Handler: takes the bytes for the claim that the token names, from pages of whatever origin, too."""

    def __init__(self, client: Client, tokens: Tokens) -> None:
        self._client = client
        self._tokens = tokens

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
        if request.method == "HEAD":
            return Response(200, b"", "text/plain")
        done = {"metadata": {"annotations": {sources.POD_PHASE: "Succeeded", _READY: "false"}}}
        try:
            await self._client.patch(PERSISTENT_VOLUME_CLAIMS, name(claim), meant[0], done, type="merge")
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
    return "" if annotations(claim).get(_READY) == "true" else "timed out waiting for the condition"


class Targets:
    """An actor: says of claims for uploads that somebody is ready to receive, once they are bound."""

    def __init__(self, client: Client, *, clock: Clock, consumers: Consumers) -> None:
        self._client = client
        self._consumers = consumers
        self._claims = Informer(client, PERSISTENT_VOLUME_CLAIMS, clock=clock)
        self.controller = Controller("upload-controller", self._reconcile, clock=clock)
        self.controller.source(self._claims, self._target)

    def _target(self, _old: Object | None, new: Object | None) -> list[str]:
        return [f"{namespace(new)}/{name(new)}"] if new is not None and TARGET in annotations(new) else []

    async def _reconcile(self, key: str) -> Result | None:
        claim = self._claims.get(key)
        if claim is None or is_terminating(claim) or sources.uploaded(claim) or _READY in annotations(claim):
            return None
        marks = {"metadata": {"annotations": {sources.POD_PHASE: "Running", _READY: "true"}}}
        try:
            if dig(claim, "status", "phase") != "Bound":
                await self._consumers.stand_in(claim)
                return None
            await self._client.patch(
                PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), marks, type="merge"
            )
        except NotFound:
            return None
        return None


def _group() -> Object:
    version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": [version],
        "preferredVersion": version,
    }


def _resources() -> Object:
    listed = {
        "name": "uploadtokenrequests",
        "singularName": "uploadtokenrequest",
        "namespaced": True,
        "group": GROUP,
        "version": VERSION,
        "kind": "UploadTokenRequest",
        "verbs": ["create"],
        "shortNames": ["utr", "utrs"],
    }
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": [listed],
    }


def _json(value: Object) -> Response:
    return Response(200, orjson.dumps(value))


def _unavailable(text: str) -> Response:
    return Response(503, text.encode(), "text/plain")
