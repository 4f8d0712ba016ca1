"""What an exporter's pod serves to who has its token: the manifests of its machine, and its volumes. Those are blank disks and
empty archives here, whatever has been written on them.

Everything it knows is what its pod is given, as upstream: a token, paths in its environment, a config map about the machine.
Origin: kubevirt: pkg/storage/export/virt-exportserver/exportserver.go
"""

import hmac
import json
import re
import zlib
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.machinery.resources import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, SECRETS
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt import quantities
from fakekube.virt.claims import behind

LABEL, COMPONENT, PORT = "kubevirt.io", "virt-exporter", 8443
_TOKEN = "x-kubevirt-export-token"
_YAML, _PLAIN, _BYTES = "application/yaml", "text/plain; charset=utf-8", "application/octet-stream"
_PIECE = 1024 * 1024
_BLANK = bytes(_PIECE)
_NO_TAR = bytes(10240)  # an archive without files
_SIDES = ("internal", "external")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")  # the rest may be answered with the whole, and is


def of_pod(pod: Obj, port: int, client: Client) -> "ExportServer | None":
    """What listens on a port, where the pod is an exporter."""
    labelled = dig(pod, "metadata", "labels", LABEL) == COMPONENT
    runs = dig(pod, "status", "phase") == "Running"
    return ExportServer(pod, client) if labelled and runs and port == PORT else None


class _Volume(Struct, frozen=True):
    """Where a volume is to be had, by kind (`RAW`, `RAW_GZIP`, `DIR`, `ARCHIVE`), and its claim."""

    uris: Mapping[str, str]
    claim: str


class ExportServer:
    """A Handler, see the module text."""

    def __init__(self, pod: Obj, client: Client) -> None:
        self._client = client
        self._space = namespace(pod)
        self._env = {
            one["name"]: str(one.get("value") or "") for one in dig(pod, "spec", "containers", 0, "env") or ()
        }
        self._mounted = {one["name"]: one for one in dig(pod, "spec", "volumes", default=())}
        self._volumes = _volumes(pod, self._env)

    async def __call__(self, request: Request) -> Response:
        path = unquote(request.path)
        if path == "/healthz":
            return Response(200, b"OK", _PLAIN)
        about = self._about(path)
        if about is None:
            return Response(404, b"404 page not found\n", _PLAIN)
        token = await self._token()
        if token is None:
            return Response(500, content_type="")
        given = [*parse_qs(request.query).get(_TOKEN, [""])[:1], request.headers.get(_TOKEN) or ""]
        if not any(hmac.compare_digest(one.encode(errors="surrogateescape"), token) for one in given):
            return Response(401, content_type="")
        kind, volume = about
        if kind not in ("RAW", "DIR") and request.method != "GET":
            return Response(400, content_type="")
        if volume is not None:
            return await self._content(kind, volume, path, request)
        if kind == "secret":
            return _told([_header(self._mounted_name(), token.decode())], request)
        return await self._manifests(kind, request)

    def _about(self, path: str) -> tuple[str, _Volume | None] | None:
        """What a path leads to."""
        for side in _SIDES:
            if path == f"/{side}{self._env.get('EXPORT_VM_DEF_URI')}":
                return side, None
            if path == f"/{side}{self._env.get('EXPORT_SECRET_DEF_URI')}":
                return "secret", None
        for volume in self._volumes:
            for kind, uri in volume.uris.items():
                if path == uri or (kind == "DIR" and path.startswith(uri)):
                    return kind, volume
        return None

    async def _token(self) -> bytes | None:
        own = dig(self._mounted, "token", "secret", "secretName", default="")
        kept = dig(await self._client.find(SECRETS, own, self._space), "data", "token")
        return None if kept is None else b64decode(kept)

    def _mounted_name(self) -> str:
        """The name of the export, which its config map has after this."""
        return str(dig(self._mounted, "manifest-data", "configMap", "name", default="")).removeprefix(
            "exporter-vm-manifest-"
        )

    # --- manifests -----------------------------------------------------------------------------------------------

    async def _manifests(self, side: str, request: Request) -> Response:
        own = dig(self._mounted, "manifest-data", "configMap", "name", default="")
        kept = await self._client.find(CONFIG_MAPS, own, self._space) if own else None
        data: Mapping[str, str] = dig(kept, "data", default={})
        if f"{side}_host" not in data:
            return Response(404, content_type="")
        if "virtualmachine-manifest" not in data:
            return Response(500, content_type="")
        return _told(manifests(data, side, [one.uris.get("RAW_GZIP", "") for one in self._volumes]), request)

    # --- volumes -------------------------------------------------------------------------------------------------

    async def _content(self, kind: str, volume: _Volume, path: str, request: Request) -> Response:
        if kind == "DIR":
            if path != volume.uris[kind]:
                return Response(404, b"404 page not found\n", _PLAIN)
            return Response(200, b"<!doctype html>\n<pre>\n</pre>\n", "text/html; charset=utf-8")
        if kind == "ARCHIVE":
            return Response(200, _packed(_NO_TAR), "application/x-gzip")
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, volume.claim, self._space)
        if claim is None:
            return Response(500, content_type="")
        size = quantities.whole(dig(claim, "spec", "resources", "requests", "storage"))
        if kind == "RAW":
            return _part(size, request.headers.get("range") or "")
        return Response(200, content_type="application/x-gzip", stream=_blank_packed(size))


def _volumes(pod: Obj, env: Mapping[str, str]) -> list[_Volume]:
    claims = [
        one["persistentVolumeClaim"]["claimName"]
        for one in dig(pod, "spec", "volumes", default=())
        if "persistentVolumeClaim" in one
    ]
    kinds = ("RAW", "RAW_GZIP", "DIR", "ARCHIVE")
    found = []
    for index, claim in enumerate(claims):
        uris = {kind: env.get(f"VOLUME{index}_EXPORT_{kind}_URI", "") for kind in kinds}
        found.append(_Volume({kind: uri for kind, uri in uris.items() if uri}, claim))
    return found


def manifests(data: Mapping[str, str], side: str, packed: list[str]) -> list[Object]:
    """Whom to trust, the machine, and the volumes that are not its own, all of them pointing to this server. `data`: of the config map;
    `packed`: where the volumes are, one after the other."""
    host, export = data[f"{side}_host"], data["export-name"]
    trusted = {"kind": "ConfigMap", "apiVersion": "v1", **json.loads(data[f"{side}_ca_cm"])}

    def source(uri: str) -> Object:
        given = {"certConfigMap": name(trusted), "secretExtraHeaders": [_secret_of(export)]}
        return {"http": {"url": f"https://{host}{uri}", **given}}

    vm = {"kind": "VirtualMachine", "apiVersion": "kubevirt.io/v1"}
    vm |= json.loads(data["virtualmachine-manifest"])
    templates = dig(vm, "spec", "dataVolumeTemplates", default=())
    for one, uri in zip(templates, packed, strict=False):
        if "http" in (one["spec"].get("source") or {}):
            one["spec"]["source"] = source(uri)
    found: list[Object] = [trusted, vm]
    for volume in dig(vm, "spec", "template", "spec", "volumes", default=()):
        own = behind(volume)
        if (text := data.get(f"dv-{own}")) is not None:
            made = {"kind": "DataVolume", "apiVersion": "cdi.kubevirt.io/v1beta1", **json.loads(text)}
            made["spec"]["source"] = source(next((uri for uri in packed if own in uri), ""))
            found.append(made)
    return found


def _secret_of(export: str) -> str:
    return f"header-secret-{export}"


def _header(export: str, token: str) -> Object:
    """What CDI needs to be let in."""
    said = {"token": f"{_TOKEN}:{token}"}
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": _secret_of(export)},
        "stringData": said,
    }


def _told(objects: list[Object], request: Request) -> Response:
    if request.headers.get("accept") != _YAML:
        listed: dict[str, Any] = {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": objects}
        return Response(200, json.dumps(listed, indent=4).encode(), _PLAIN)
    import yaml  # noqa: PLC0415 - few servers are asked for manifests

    texts = [yaml.safe_dump(one, default_flow_style=False, allow_unicode=True) for one in objects]
    return Response(200, "".join(f"{text}---\n" for text in texts).encode(), _PLAIN)


def _part(size: int, asked: str) -> Response:
    """What is asked for of a blank disk: one range of it, or the whole."""
    found = _RANGE.fullmatch(asked)
    begin, end, status, told = 0, size, 200, [("Accept-Ranges", "bytes")]
    if found is not None and any(found.groups()):
        first, last = found.groups()
        begin = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if begin >= end:
            return Response(416, content_type=_PLAIN, headers=[("Content-Range", f"bytes */{size}")])
        status = 206
        told.append(("Content-Range", f"bytes {begin}-{end - 1}/{size}"))
    told.append(("Content-Length", str(end - begin)))
    return Response(status, content_type=_BYTES, headers=told, stream=_blank(end - begin))


async def _blank(size: int) -> AsyncIterator[bytes]:
    while size > 0:
        yield _BLANK[:size]
        size -= _PIECE


async def _blank_packed(size: int) -> AsyncIterator[bytes]:
    """The same as gzip has it: one member after the other, of which a whole one is packed once."""
    whole, rest = divmod(size, _PIECE)
    member = _packed(_BLANK)
    for _ in range(whole):
        yield member
    if rest or not whole:
        yield _packed(_BLANK[:rest])


def _packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()
