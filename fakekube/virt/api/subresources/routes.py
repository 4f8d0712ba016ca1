"""Path → operation of the aggregated API. Both versions serve the same paths.

Origin: kubevirt: pkg/virt-api/api.go
"""

from functools import lru_cache
from urllib.parse import unquote

from fakekube.client.client import Client
from fakekube.machinery import answers
from fakekube.machinery.errors import BadRequest, MethodNotAllowed, NotFound
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.node import Node
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import discovery, expanding, profiling, swagger
from fakekube.virt.api.subresources.authorizer import Authorizer
from fakekube.virt.api.subresources.instances import Instances
from fakekube.virt.api.subresources.machines import Machines
from fakekube.virt.api.subresources.profiling import Profiling

_ROOT = f"/apis/{discovery.GROUP}"
_WITH_PORT = (2, 3)  # parts of `portforward/{port}[/{protocol}]`


@lru_cache(maxsize=1024)
def split(path: str) -> tuple[str, tuple[str, ...]]:
    """(version, what follows it) of a path below the group."""
    parts = tuple(unquote(part) for part in path.removeprefix(_ROOT).strip("/").split("/") if part)
    return (parts[0], parts[1:]) if parts else ("", ())


class Subresources:
    """The aggregated API as one function of a request."""

    def __init__(self, client: Client, settings: Settings, node: Node | None, release: str) -> None:
        self._release = release
        self._authorizer = Authorizer(client)
        instances = Instances(client, settings, node)
        self._lookups = Lookups(client)
        self._profiling = Profiling(client, settings)
        self._settings = settings
        self._operations = {
            "virtualmachines": Machines(client, settings, instances).operations,
            "virtualmachineinstances": instances.operations,
        }

    async def __call__(self, request: Request) -> Response:
        """Answer, or raise an ApiError."""
        refusal = await self._authorizer.refusal(request)
        if refusal is not None:
            return refusal
        version, rest = split(request.path)
        if not version:
            return answers.json(discovery.group())
        if version not in discovery.VERSIONS:
            raise NotFound("the server could not find the requested resource")
        if len(rest) <= 1:
            return await self._plain(request, version, rest[0] if rest else "")
        if rest[0] != "namespaces":
            raise NotFound("the server could not find the requested resource")
        if len(rest) == 3 and rest[2] == "expand-vm-spec":
            return await self._expand(request, rest[1])
        if len(rest) < 5:
            raise NotFound("the server could not find the requested resource")
        return await self._operate(request, rest[1], rest[2], rest[3], rest[4:])

    def openapi(self) -> Object:
        return swagger.document(self._operations)

    async def _plain(self, request: Request, version: str, page: str) -> Response:
        if not page:
            return answers.json(discovery.resources(version))
        if page == "version":
            return answers.json(discovery.build(self._release))
        if page == "guestfs":
            launcher = (await self._settings.current()).launcher_image
            return answers.json(discovery.guest_file_systems(launcher))
        if page in profiling.DEEDS:
            return await self._profiling.answer(request, page)
        if page == "healthz":
            return answers.json({"apiserver": {"connectivity": "ok"}})
        raise NotFound("the server could not find the requested resource")

    async def _expand(self, request: Request, namespace: str) -> Response:
        if request.method != "PUT":
            raise _not_allowed()
        vm = expanding.given_machine(request.body, namespace)
        return answers.json(
            await expanding.expanded(vm, self._lookups, await self._settings.current(), BadRequest)
        )

    async def _operate(
        self, request: Request, namespace: str, plural: str, own: str, tail: tuple[str, ...]
    ) -> Response:
        operations = self._operations.get(plural, {})
        subresource = "/".join(tail)
        if tail[0] == "portforward":
            if len(tail) not in _WITH_PORT:
                raise NotFound("the server could not find the requested resource")
            subresource = tail[0]
        operation = operations.get((request.method, subresource))
        if operation is not None:
            return await operation(request, namespace, own)
        if any(known == subresource for _, known in operations):
            raise _not_allowed()
        raise NotFound("the server could not find the requested resource")


def _not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource")
