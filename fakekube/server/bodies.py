"""Bodies of requests: read within their limits."""

from aiohttp import web

from fakekube.agents.node_server.sparse import Body
from fakekube.machinery.errors import TooLarge

BODY_LIMIT = 3 * 1024 * 1024  # k8s: staging/src/k8s.io/apiserver/pkg/server/config.go: MaxRequestBodyBytes
_SNAPSHOT = "/fakekube/snapshot"
_SNAPSHOT_LIMIT = 256 * 1024 * 1024


async def read(http: web.BaseRequest) -> bytes:
    upload = _is_upload(http)
    if "Expect" in http.headers and http.headers["Expect"].lower() == "100-continue":
        if not upload and (http.content_length or 0) > limit(http.raw_path):
            raise _too_large(http)
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0  # what aiohttp's own application does: the answer is yet to come
    if upload:
        return await _image(http)
    try:
        return await http.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(http) from error


def _is_upload(http: web.BaseRequest) -> bool:
    """A disk image on its way through a Service's proxy: gigabytes, most of which nobody behind it would keep."""
    return http.content_type == "application/octet-stream" and "/proxy/" in http.raw_path


async def _image(http: web.BaseRequest) -> bytes:
    """What was sent, once all of it has come."""
    body = Body()
    async for chunk in http.content.iter_any():
        body.add(chunk)
    return body.whole()


def limit(path: str) -> int:
    return _SNAPSHOT_LIMIT if path == _SNAPSHOT else BODY_LIMIT


def _too_large(http: web.BaseRequest) -> TooLarge:
    return TooLarge(f"Request entity too large: limit is {limit(http.raw_path)}")
