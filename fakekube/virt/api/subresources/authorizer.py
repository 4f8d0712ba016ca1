"""Who may call what of the aggregated API: virt-api asks the API server once more, by a SubjectAccessReview.

The API server has judged the request before it sent it here, by the same attributes; so who is refused here mostly asks for
what there is not, and is told so with a 401, before anybody looks for it.
Left out: requests that do not come through the API server, which have no certificate of its.
Origin: kubevirt: pkg/virt-api/rest/authorizer.go, pkg/virt-api/api.go (Compose)
"""

from urllib.parse import unquote

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError
from fakekube.machinery.verbs import OF_MANY, VERBS
from fakekube.machinery.wire import Request, Response
from fakekube.virt import access
from fakekube.virt.api.subresources.discovery import GROUP, VERSIONS
from fakekube.virt.api.subresources.profiling import DEEDS

_FREE = frozenset(
    f"/apis/{GROUP}{page}"
    for page in (
        "",
        *(f"/{version}" for version in VERSIONS),
        *(f"/{version}/{page}" for version in VERSIONS for page in ("version", "guestfs", "healthz", *DEEDS)),
    )
)  # what everybody may know
_PARTS_OF_BASE, _PARTS_OF_SUBRESOURCE = 7, 9


class Unknown(Exception):
    """There is nothing of the kind to be asked about."""


class Authorizer:
    """Asks in the name of virt-api."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def refusal(self, request: Request) -> Response | None:
        """None when the request may go on."""
        path = request.path.rstrip("/")
        if path in _FREE:
            return None
        if request.user is None:
            return _refused("request is not authenticated")
        try:
            wanted = attributes(request.method, path)
        except Unknown as unknown:
            return _refused(str(unknown))
        try:
            allowed, why = await access.ask(self._client, request.user, wanted)
        except ApiError:
            return Response(500, b"", "text/plain")
        return None if allowed else _refused(why)


def attributes(method: str, path: str) -> dict[str, str]:
    """What a request is about. Raises Unknown."""
    parts = [unquote(part) for part in path.split("/")]
    about = dict(zip(("group", "version", "namespace", "resource"), (*parts[2:4], *parts[5:7]), strict=False))
    if len(parts) >= _PARTS_OF_SUBRESOURCE:
        if about["resource"] not in ("virtualmachineinstances", "virtualmachines"):
            raise Unknown(f"unknown resource type {about['resource']}")
        return {**about, "name": parts[7], "subresource": parts[8], "verb": _verb(method)}
    if len(parts) == _PARTS_OF_BASE:
        if about["resource"] != "expand-vm-spec":
            raise Unknown(f"unknown resource type {about['resource']}")
        verb = _verb(method)
        return {**about, "verb": OF_MANY.get(verb, verb)}
    raise Unknown(f"unknown api endpoint: {path}")


def _verb(method: str) -> str:
    if method not in VERBS:
        raise Unknown(f"unknown http verb in request: {method}")
    return VERBS[method]


def _refused(reason: str) -> Response:
    return Response(401, reason.encode(), "text/plain")
