"""What an exporter's pod serves to who has its token: the manifests of its machine, and its volumes (`export_volumes`).

Everything it knows is what its pod is given, as upstream: a token, paths in its environment, a config map about the machine.
Origin: kubevirt: pkg/storage/export/virt-exportserver/exportserver.go
"""

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from fakekube.agents.node_server import volume_images
from fakekube.agents.volume_contents import VolumeContents, volume_of
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, condition_is, dig, is_terminating, name, namespace
from fakekube.machinery.resources import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt import export_volumes
from fakekube.virt.claims import behind

LABEL, COMPONENT, PORT = "kubevirt.io", "virt-exporter", 8443
SERVICE = "kubevirt.io.virt-export-service"  # a label of its pod: the name of the export
_TOKEN = "x-kubevirt-export-token"
_YAML, _PLAIN = "application/yaml", "text/plain; charset=utf-8"
_SIDES = ("internal", "external")
_IMAGES = ("RAW", "RAW_GZIP")
_OK = 200


def of_pod(pod: Obj, port: int, client: Client, contents: VolumeContents) -> "ExportServer | None":
    """What listens on a port, where the pod is an exporter."""
    labelled = dig(pod, "metadata", "labels", LABEL) == COMPONENT
    runs = dig(pod, "status", "phase") == "Running"
    return ExportServer(pod, client, contents) if labelled and runs and port == PORT else None


async def ready(client: Client, contents: VolumeContents, space: str, own: str) -> "ExportServer | None":
    """What is behind the service of an export, if its pod is ready."""
    for pod in (await client.list(PODS, space, label_selector=f"{SERVICE}={own}")).items:
        server = of_pod(pod, PORT, client, contents)
        if server is not None and condition_is(pod, "Ready") and not is_terminating(pod):
            return server
    return None


class _Volume(Struct, frozen=True):
    """Where a volume is to be had, by kind (`RAW`, `RAW_GZIP`, `DIR`, `ARCHIVE`), and its claim."""

    uris: Mapping[str, str]
    claim: str


class ExportServer:
    """A Handler, see the module text. `contents`: of volumes."""

    def __init__(self, pod: Obj, client: Client, contents: VolumeContents) -> None:
        self._client = client
        self._contents = contents
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
        if any(path == uri.rstrip("/") != uri for one in self._volumes for uri in one.uris.values()):
            asked = f"?{request.query}" if request.query else ""
            return Response(301, content_type="", headers=[("Location", f"{path}/{asked}")])
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

    async def data(self, request: Request) -> bytes | int:
        """What a GET brings, disks without the zeros after them, whatever their format; or the status that refuses it."""
        answer = await self(request)
        if answer.status != _OK:
            return answer.status
        path = unquote(request.path)
        kind, volume = self._about(path) or ("", None)
        if volume is not None and (kind in _IMAGES or path.endswith(f"/{volume_images.FILE}")):
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, volume.claim, self._space)
            return volume_images.image(self._contents.of(volume_of(claim or {})))
        return b"".join([answer.body, *([piece async for piece in answer.stream] if answer.stream else ())])

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
        claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, volume.claim, self._space)
        if claim is None:
            return Response(500, content_type="")
        on = volume_images.claimed(claim, volume_of(claim))
        held = self._contents.of(on.volume)
        if kind == "DIR":
            return export_volumes.below(held, on, path.removeprefix(volume.uris[kind]), request)
        if kind == "ARCHIVE":
            return export_volumes.archive(held, on)
        return export_volumes.image(held, on, request, compressed=kind == "RAW_GZIP")


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
