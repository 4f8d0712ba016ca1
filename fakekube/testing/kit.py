"""The helpers of a test in the cluster's own loop. The same ones work on a real cluster, except where time, faults or
the request log are asked for: only a cluster of ours has those.
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import orjson

from fakekube import apply_files, passage
from fakekube.api.access.authentication import OPEN_TOKEN
from fakekube.apply_files import Manifest, ManifestError
from fakekube.client import own_kubeconfig
from fakekube.client.client import Client
from fakekube.clock import RealClock
from fakekube.cluster import Cluster
from fakekube.lookup import Condition, Look, Lookup, Ref, condition
from fakekube.machinery import objects
from fakekube.machinery.durations import seconds_of
from fakekube.machinery.resources import EVENTS, NAMESPACES
from fakekube.machinery.wire import Handler, Object
from fakekube.passage import NeverSettles, Span
from fakekube.testing.options import Options
from fakekube.traffic.injector import Faults
from fakekube.traffic.log import Recorded

What = str | PathLike[str] | Object | Iterable[Object]
Objects = list[Object]
History = list[Object | None]
Requests = list[Recorded]
Manifests = list[Manifest]

_LOOK_EVERY = 0.1  # seconds, at a real cluster


class OnlyHere(Exception):
    """Something only a cluster of ours can do, asked of a real one."""


class Failed(AssertionError):
    """A helper did not get what the test wanted; the text tells what there was instead."""


class Fakekube:
    """See the module text. `client` is an admin; `namespace` is where objects go that name none."""

    def __init__(
        self, client: Client, cluster: Cluster | None = None, *, namespace: str = "default", seed: int = 0
    ) -> None:
        self.client = client
        self.namespace = namespace
        self.seed = seed
        self._cluster = cluster
        self._lookup = Lookup(client)
        self._stack = contextlib.AsyncExitStack()
        self._kubeconfig: Path | None = None
        self.url = ""  # once `serve` was called

    # --- objects ---------------------------------------------------------------------------------------------

    async def apply(self, what: What) -> Any:
        """Server-side apply of YAML text, a file or folder, an object or several. One object, or a list of them."""
        manifests = self._manifests(what)
        clock = self._cluster.clock if self._cluster is not None else RealClock()
        applied = await apply_files.apply(self.client, manifests, clock)
        return applied[0] if len(applied) == 1 else applied

    async def get(self, what: Ref, name: str = "", *, namespace: str = "") -> Object:
        """`get("vm/a")`, `get("vm", "a")`, or an object as it is now. Raises NotFound."""
        resource, name, space = await self._lookup.find(what, name, namespace or self.namespace)
        return await self.client.get(resource, name, space)

    async def list(self, kind: str, *, namespace: str = "", selector: str = "") -> Objects:
        """All objects of a kind in the namespace (`*`: in all), by label selector."""
        resource = await self._lookup.resource(kind)
        space = namespace or self.namespace
        scope = space if resource.namespaced and space != "*" else None
        return (await self.client.list(resource, scope, label_selector=selector)).items

    async def delete(self, what: Ref, name: str = "", *, namespace: str = "") -> Object:
        resource, name, space = await self._lookup.find(what, name, namespace or self.namespace)
        return await self.client.delete(resource, name, space)

    async def wait(
        self,
        what: Ref,
        until: str | Condition = "condition=Ready",
        *,
        namespace: str = "",
        timeout: Span = "10m",  # noqa: ASYNC109 - of the cluster's time
    ) -> Object | None:
        """Let time pass until it is so; the object then. Raises Failed with the object as it stands.

        `until`: `condition=Ready`, `jsonpath={.status.phase}=Running`, `delete`, `create`, or a function of the object.
        """
        resource, name, space = await self._lookup.find(what, "", namespace or self.namespace)
        holds = condition(until) if isinstance(until, str) else until
        look = Look(self.client, resource, name, space, holds)
        try:
            await self.run_until(look, timeout=timeout)
        except TimeoutError as error:
            wanted = until if isinstance(until, str) else "the condition"
            missed = f"; at last it raised {look.missed!r}" if look.missed else ""
            raise Failed(
                f"{resource.plural}/{name}: {wanted}: {error}{missed}\n{_shown(look.last)}"
            ) from None
        return look.last

    async def events(self, about: Ref) -> Objects:
        """The core/v1 Events about an object, in the order in which they were made."""
        resource, name, space = await self._lookup.find(about, "", self.namespace)
        fields = f"involvedObject.name={name},involvedObject.kind={resource.kind}"
        found = (await self.client.list(EVENTS, space, field_selector=fields)).items
        return sorted(found, key=lambda one: int(objects.resource_version(one)))

    # --- time ------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Return once nothing more happens without time passing."""
        await self.cluster.settle()

    async def advance(self, span: Span) -> None:
        """Let time pass: seconds, `"10m"`, or a timedelta."""
        await self.cluster.advance(span)

    async def run_until(
        self,
        holds: Callable[[], Any],
        *,
        timeout: Span = "10m",  # noqa: ASYNC109 - of the cluster's time
    ) -> Any:
        """Let time pass until the condition holds; its value. Raises TimeoutError."""
        if self._cluster is not None:
            return await passage.run_until(self._cluster, holds, timeout=timeout)
        clock, left = RealClock(), seconds_of(timeout)
        while True:
            value = holds()
            if isinstance(value, Awaitable):
                value = await value
            if value:
                return value
            if left <= 0:
                raise TimeoutError(f"not so within {timeout}")
            await clock.sleep(_LOOK_EVERY)
            left -= _LOOK_EVERY

    async def reset(self) -> None:
        """Go back to how the test began; see `Cluster.reset`."""
        await self.cluster.reset()

    # --- what only a cluster of ours has ---------------------------------------------------------------------

    @property
    def is_ours(self) -> bool:
        """Whether this is no real cluster."""
        return self._cluster is not None

    @property
    def cluster(self) -> Cluster:
        """The cluster itself. Raises OnlyHere when the test runs on a real one."""
        if self._cluster is None:
            _only_here()
        return self._cluster

    @property
    def faults(self) -> Faults:
        return self.cluster.faults

    def requests(self, *, status: int | None = None, body: Any = None, **pattern: Any) -> Requests:
        """What was asked, by everybody, oldest first; see `RequestLog.find`."""
        return self.cluster.requests.find(status=status, body=body, **pattern)

    async def history(self, what: Ref, name: str = "", *, namespace: str = "") -> History:
        """Every state an object has had, oldest first; None where it was gone."""
        resource, name, space = await self._lookup.find(what, name, namespace or self.namespace)
        return await self.cluster.history(resource, name, space)

    # --- other programs --------------------------------------------------------------------------------------

    async def serve(self) -> Path:
        """Put the cluster on a port of its own, if it is not yet; the kubeconfig that leads there."""
        if self._kubeconfig is None:
            from fakekube.server import Server  # noqa: PLC0415 - most tests need no socket

            server = await self._stack.enter_async_context(Server(self.cluster))
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fakekube-"))
            self.url = server.url
            self._kubeconfig = Path(folder, "kubeconfig")
            own_kubeconfig.write(self._kubeconfig, server.url, token=OPEN_TOKEN)
        return self._kubeconfig

    async def kubectl(self, arguments: str | Iterable[str], *, stdin: str = "", check: bool = True) -> str:
        """The output of a kubectl command; Failed, with what it said, when it fails and `check` is not off."""
        binary = shutil.which("kubectl")
        if binary is None:
            raise FileNotFoundError("there is no kubectl on PATH")
        path = await self.serve()
        words = shlex.split(arguments) if isinstance(arguments, str) else list(arguments)
        process = await asyncio.create_subprocess_exec(
            binary,
            *(["--namespace", self.namespace] if self.namespace != "default" else []),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"KUBECONFIG": str(path)},
        )
        out, err = await process.communicate(stdin.encode())
        if check and process.returncode:
            raise Failed(
                f"kubectl {shlex.join(words)} ended with {process.returncode}:\n{(out + err).decode()}"
            )
        return out.decode()

    # --- beginning and end -----------------------------------------------------------------------------------

    @classmethod
    async def started(cls, cluster: Cluster, options: Options) -> Self:
        """The helpers on a cluster of ours, which is started and loaded as the options say."""
        await cluster.start()
        with contextlib.suppress(NeverSettles):  # chaos: as it is, then
            await cluster.settle()
        cluster.requests.clear()  # how it began is no part of the test's story
        cluster.born = cluster.store.revision
        kit = cls(cluster.client(user_agent="test"), cluster, seed=options.seed)
        for manifest in options.manifests:
            await kit.apply(manifest)
        if options.manifests:
            await cluster.keep()
        return kit

    @classmethod
    async def on(
        cls, handler: Handler, *, namespace: str, kubeconfig_path: Path, close: Callable[[], Awaitable[None]]
    ) -> Self:
        """The helpers on a real cluster, in a new namespace that goes with them; `close` ends the connection."""
        kit = cls(Client(handler, user_agent="fakekube-test"), namespace=namespace)
        kit._kubeconfig = kubeconfig_path
        kit._stack.push_async_callback(close)
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await kit.client.create(NAMESPACES, made)
        kit._stack.push_async_callback(kit.client.delete, NAMESPACES, namespace)
        return kit

    async def close(self) -> None:
        await self._stack.aclose()
        if self._cluster is not None:
            await self._cluster.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _manifests(self, what: What) -> Manifests:
        if isinstance(what, str) and "apiVersion" in what:
            found = apply_files.read(["-"], stdin=lambda: what)
        elif isinstance(what, str | PathLike):
            found = apply_files.read([os.fspath(what)])
        elif isinstance(what, Iterable):
            given = [what] if isinstance(what, dict) else what
            found = [manifest for one in given for manifest in apply_files.objects_in("object", one)]
        else:
            raise ManifestError(f"{what!r} cannot be applied; give YAML, a path, an object or several")
        if self.namespace == "default":
            return found
        return [Manifest(self._placed(one.object), one.where) for one in found]

    def _placed(self, obj: Object) -> Object:
        """The object in this test's namespace, unless it names one; what has none ignores it."""
        meta = obj.get("metadata") or {}
        if meta.get("namespace") or obj.get("kind") in ("Namespace", "CustomResourceDefinition", "Node"):
            return obj
        return {**obj, "metadata": {**meta, "namespace": self.namespace}}


def _only_here() -> NoReturn:
    raise OnlyHere("a real cluster has no virtual time, no faults and no request log")


def _shown(obj: Object | None) -> str:
    if obj is None:
        return "there is no such object"
    return orjson.dumps(obj.get("status") or obj, option=orjson.OPT_INDENT_2).decode()
