"""Uploads of images into claims, as far as `virtctl image-upload` goes: claims that are ready for them, and tokens.

    claim or DataVolume for an upload ──► UploadReady ──► POST uploadtokenrequests ──► POST the image ──► Succeeded

Who takes the bytes is `upload_proxy`.
Origin: cdi: pkg/apiserver/apiserver.go (uploadHandler), pkg/controller/upload-controller.go
"""

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import orjson

from fakekube.client.controller import Controller, Result
from fakekube.client.recorder import NORMAL, WARNING, Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import annotations, dig, is_terminating, name, namespace
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.cdi import in_use, sources
from fakekube.virt.cdi.claims import USES_POPULATOR
from fakekube.virt.cdi.in_use import Awaited
from fakekube.virt.cdi.setting import Setting
from fakekube.virt.cdi.sources import READY

GROUP, VERSION = "upload.cdi.kubevirt.io", "v1beta1"
_ROOT = f"/apis/{GROUP}"
TARGET = "cdi.kubevirt.io/storage.upload.target"
PRIME = "cdi.kubevirt.io/storage.populator.pvcPrime"  # on a claim: that is filled in its place
_LASTS = 300.0  # seconds a token is good for
_AGAIN = 2.0


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
        if not hmac.compare_digest(self._signature(signed).encode(), _bytes(signature)):
            return None
        content: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        if content["exp"] < self._clock.now().timestamp():
            return None
        return content["namespace"], content["name"]

    def _signature(self, signed: str) -> str:
        return _text(hmac.new(self._key, _bytes(signed), hashlib.sha256).digest())


def _packed(value: Object) -> str:
    return _text(orjson.dumps(value))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(told: str) -> bytes:
    return told.encode(errors="surrogateescape")


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


class Targets:
    """An actor: says of claims for uploads that somebody is ready to receive, once they are bound and nobody uses them."""

    def __init__(self, at: Setting) -> None:
        self._at = at
        self._told: dict[str, list[str]] = {}  # who was in the way
        self._ready: set[str] = set()  # keys of claims that wait for somebody to send
        self._recorder = Recorder(at.client, "upload-controller", clock=at.clock, ids=at.ids)
        self._controller = Controller("upload-controller", self._reconcile, clock=at.clock)
        self._controller.source(at.claims, self._target)
        self._controller.reads(at.users.pods)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return self._controller.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._controller.run())

    def _target(self, old: Object | None, new: Object | None) -> list[str]:
        claim = new or old or {}
        return [f"{namespace(claim)}/{name(claim)}"] if TARGET in annotations(claim) else []

    async def _reconcile(self, key: str) -> Result | None:
        claim = self._at.claims.get(key)
        if claim is None or is_terminating(claim) or sources.uploaded(claim):
            if claim is not None and sources.uploaded(claim) and key in self._ready:
                self._recorder.event(claim, NORMAL, "UploadSucceeded", "Upload Successful")
            self._told.pop(key, None)
            self._ready.discard(key)
            return None
        if READY in annotations(claim):
            self._told.pop(key, None)
            if not _is_populated(claim):
                self._ready.add(key)
            return None
        marks = {"metadata": {"annotations": {sources.POD_PHASE: "Running", READY: "true"}}}
        try:
            if dig(claim, "status", "phase") != "Bound":
                await self._at.consumers.stand_in(claim)
                return None
            if not await self._is_free(key, claim):
                return Result(requeue_after=_AGAIN)
            await self._at.client.patch(
                PERSISTENT_VOLUME_CLAIMS, name(claim), namespace(claim), marks, type="merge"
            )
        except NotFound:
            return None
        return None

    async def _is_free(self, key: str, claim: Object) -> bool:
        """Whether nobody uses it, which matters where no populator has it for itself; who does is told."""
        if _is_populated(claim):
            return True
        users = await self._at.users.of(Awaited(key, "UploadTargetInUse", may_be_read=False))
        told = in_use.words(users, name(claim))
        if self._told.get(key, []) != told:
            self._told[key] = told
            for text in told:
                self._recorder.event(claim, WARNING, "UploadTargetInUse", text)
        return not told


def _is_populated(claim: Object) -> bool:
    """Whether a populator fills it, for a DataVolume."""
    return annotations(claim).get(USES_POPULATOR) == "true"


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
