"""Speaking to a cluster: lightkube reads the kubeconfig and authenticates, requests and answers are plain JSON.

Plain, because the suite judges status codes, causes and what an object does *not* contain; typed models would hide that.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx2 as httpx
import orjson
from lightkube import KubeConfig
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.models import User

Object = dict[str, Any]

MERGE, JSON = "application/merge-patch+json", "application/json-patch+json"
AGENT = "conformance"
_SECONDS = 30.0  # until a request counts as unanswered; watches are silent for as long as they like


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource of the API."""

    api: str  # group/version, or a version of the core group
    plural: str
    kind: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        root = f"/apis/{self.api}" if "/" in self.api else f"/api/{self.api}"
        parts = [
            root,
            *(("namespaces", namespace) if self.namespaced else ()),
            self.plural,
            name,
            subresource,
        ]
        return "/".join(part for part in parts if part)


POOL = Kind("pool.kubevirt.io/v1beta1", "virtualmachinepools", "VirtualMachinePool")
OLD_POOL = Kind("pool.kubevirt.io/v1alpha1", "virtualmachinepools", "VirtualMachinePool")
VM = Kind("kubevirt.io/v1", "virtualmachines", "VirtualMachine")
VMI = Kind("kubevirt.io/v1", "virtualmachineinstances", "VirtualMachineInstance")
DV = Kind("cdi.kubevirt.io/v1beta1", "datavolumes", "DataVolume")
REVISION = Kind("apps/v1", "controllerrevisions", "ControllerRevision")
PVC = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
EVENT = Kind("v1", "events", "Event")
POD = Kind("v1", "pods", "Pod")
SERVICE = Kind("v1", "services", "Service")
ENDPOINT_SLICE = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
QUOTA = Kind("v1", "resourcequotas", "ResourceQuota")
CONFIG_MAP = Kind("v1", "configmaps", "ConfigMap")
NAMESPACE = Kind("v1", "namespaces", "Namespace", namespaced=False)
CRD = Kind(
    "apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
WEBHOOK = Kind(
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)


class Refusal(Exception):
    """The server said no; `status` is its answer."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(f"{code} {status.get('reason', '')}: {status.get('message', '')}")
        self.code = code
        self.status = status
        self.reason: str = status.get("reason") or ""
        self.message: str = status.get("message") or ""
        self.causes: list[Object] = (status.get("details") or {}).get("causes") or []

    @property
    def fields(self) -> list[str]:
        """The fields at fault, in the order of the causes."""
        return [cause.get("field", "") for cause in self.causes]


class Kube:
    """One cluster, as one user. Use it within one event loop."""

    def __init__(self, kubeconfig: str) -> None:
        config = KubeConfig.from_file(kubeconfig).get()
        if config is None:
            raise ValueError(f"{kubeconfig} has no current context")
        self.server: str = config.cluster.server
        config = config._replace(user=config.user or User())  # where nobody has to say who he is
        self._http = AsyncClient(config, ConnectionParams(timeout=httpx.Timeout(_SECONDS)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        """One request, one JSON answer. Raises Refusal."""
        answer = await self._http.request(
            method,
            f"{path}?{urlencode(query)}" if query else path,
            content=None if body is None else orjson.dumps(body),
            headers={"content-type": content, "accept": accept, "user-agent": AGENT},
        )
        found: Object = orjson.loads(answer.content)
        if answer.status_code >= 300:
            raise Refusal(answer.status_code, found)
        return found

    async def ask_raw(self, method: str, path: str, body: Any) -> int:
        """The status code of an answer that need not be JSON."""
        return (await self._http.request(method, path, content=orjson.dumps(body))).status_code

    async def get(self, kind: Kind, namespace: str, name: str, subresource: str = "") -> Object:
        return await self.ask("GET", kind.path(namespace, name, subresource))

    async def list(self, kind: Kind, namespace: str, **query: str) -> list[Object]:
        found: list[Object] = (await self.ask("GET", kind.path(namespace), query=query))["items"]
        return found

    async def create(self, kind: Kind, obj: Object, namespace: str = "", **query: str) -> Object:
        body = {"apiVersion": kind.api, "kind": kind.kind, **obj}
        return await self.ask("POST", kind.path(namespace), body, query=query)

    async def replace(self, kind: Kind, obj: Object, subresource: str = "") -> Object:
        meta = obj["metadata"]
        return await self.ask("PUT", kind.path(meta.get("namespace", ""), meta["name"], subresource), obj)

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        subresource: str = "",
        *,
        content: str = MERGE,
    ) -> Object:
        return await self.ask("PATCH", kind.path(namespace, name, subresource), patch, content=content)

    async def delete(self, kind: Kind, namespace: str, name: str, propagation: str = "Background") -> Object:
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        return await self.ask("DELETE", kind.path(namespace, name), options)

    @asynccontextmanager
    async def watch(
        self, kind: Kind, namespace: str, version: str = ""
    ) -> AsyncIterator[AsyncIterator[Object]]:
        """Watch events as they come. Entered when the server has begun the watch; without `version`, with what exists."""
        query = {"watch": "true", **({"resourceVersion": version} if version else {})}
        endless = httpx.Timeout(_SECONDS, read=None)
        async with self._http.stream(
            "GET", f"{kind.path(namespace)}?{urlencode(query)}", timeout=endless
        ) as answer:
            if answer.status_code != 200:
                raise Refusal(answer.status_code, orjson.loads(await answer.aread()))
            yield _events(answer)


async def trouble(kubeconfig: str) -> str:
    """Why the cluster of a kubeconfig cannot be judged, as one sentence; empty if it can."""
    try:
        async with Kube(kubeconfig) as cluster:
            await cluster.list(POOL, "default", limit="1")
    except Refusal as refusal:
        if refusal.code == 404:
            return f"the cluster of {kubeconfig} knows no VirtualMachinePools: install KubeVirt there first"
        return f"the cluster of {kubeconfig} lists no pools for this user: {refusal.message}"
    except Exception as error:  # noqa: BLE001 - files, YAML, certificates and sockets fail in many ways
        unread = isinstance(error, TypeError | KeyError | AttributeError)
        why = "it is no kubeconfig" if unread else " ".join(str(error).split())
        return f"{kubeconfig} leads to no cluster: {why}"
    return ""


async def _events(answer: httpx.Response) -> AsyncIterator[Object]:
    """A connection that breaks is an end like any other: whoever wants more begins anew from the last version."""
    rest = b""
    with suppress(httpx.TransportError):
        async for chunk in answer.aiter_raw():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line:
                    yield orjson.loads(line)
