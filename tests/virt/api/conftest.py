"""A cluster in memory with KubeVirt's operator and virt-api, and no controllers: what admission and subresources need."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fakekube.api.apiserver import ApiServer
from fakekube.api.services import Services
from fakekube.client.client import Client
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import KUBEVIRTS, VIRTUAL_MACHINE_INSTANCES, VIRTUAL_MACHINES, Resource
from fakekube.machinery.wire import Object, Response, User
from fakekube.store.memory import MemoryStore
from fakekube.virt.api.handler import VirtApi
from fakekube.virt.operator import crds, webhooks
from fakekube.virt.operator.actor import VirtOperator
from fakekube.virt.operator.validation import Validator

NS = "default"
ROOT = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"


@dataclass
class RecordingNode:
    """A node that remembers what it was told."""

    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    async def command(self, namespace, name, verb, options):
        self.told.append((f"{namespace}/{name}", verb, options))
        return {"guestAgentVersion": "9", "items": []} if verb.endswith(("info", "list")) else None

    async def open(self, namespace, name, kind, port=0, protocol="tcp"):
        self.told.append((f"{namespace}/{name}", kind, {"port": port, "protocol": protocol}))
        return self.conversation

    conversation = staticmethod(lambda socket: socket.close())


class Cluster:
    """The pieces a test works with."""

    def __init__(self) -> None:
        self.clock, self.ids, self.services = ManualClock(), Ids(1), Services()
        self.server = ApiServer(MemoryStore(), clock=self.clock, ids=self.ids, services=self.services)
        self.client = Client(self.server, user=User("admin", ("system:masters",)))
        self.controller = self.client.as_user("system:serviceaccount:kubevirt:kubevirt-controller")
        self.node = RecordingNode()
        self.api = VirtApi(self.client, clock=self.clock, ids=self.ids, node=self.node)
        self.operator = VirtOperator(self.client, clock=self.clock, ids=self.ids)

    async def start(self) -> None:
        await self.server.start()
        self.services.set("kubevirt", "virt-api", self.api)
        self.services.set("kubevirt", webhooks.SERVICE, Validator(self.client))
        await self.server.preload_crds(crds.crds())
        await self.operator.install()

    async def vm(self, name: str = "x", status: Object | None = None, **spec: Any) -> Object:
        """A machine; `status` is written as the controller would."""
        made = await self.client.create(VIRTUAL_MACHINES, machine(name, **spec))
        if status is not None:
            made = await self.client.update(
                VIRTUAL_MACHINES, {**made, "status": status}, subresource="status"
            )
        return made

    async def vmi(
        self, name: str = "x", phase: str = "Running", status: Object | None = None, **spec: Any
    ) -> Object:
        """An instance in a phase."""
        obj = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {"name": name, "namespace": NS},
            "spec": {"domain": {"devices": {}, "memory": {"guest": "1Gi"}}, **spec},
        }
        made = await self.controller.create(VIRTUAL_MACHINE_INSTANCES, obj)
        made["status"] |= {"phase": phase, **(status or {})}
        return await self.controller.update(VIRTUAL_MACHINE_INSTANCES, made)

    async def get(self, resource: Resource, name: str = "x") -> Object:
        return await self.client.get(resource, name, NS)

    async def put(self, path: str, body: Any = b"") -> Response:
        """PUT as the Go client sends it: without a Content-Type."""
        return await self.client.request("PUT", f"{ROOT}/{path}", body=body or None)

    async def refused(self, path: str, body: Any = None, method: str = "PUT") -> ApiError:
        with pytest.raises(ApiError) as caught:
            await self.client.request(method, f"{ROOT}/{path}", body=body)
        return caught.value

    async def configure(self, **configuration: Any) -> None:
        """Change the configuration of KubeVirt."""
        obj = await self.client.get(KUBEVIRTS, "kubevirt", "kubevirt")
        obj["spec"]["configuration"] |= configuration
        await self.client.update(KUBEVIRTS, obj)


def machine(name: str = "x", **spec: Any) -> Object:
    """A machine that virt-api accepts."""
    strategy = {} if "running" in spec or "runStrategy" in spec else {"runStrategy": "Halted"}
    template = {"spec": {"domain": {"devices": {}, "memory": {"guest": "1Gi"}}}}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "namespace": NS},
        "spec": {"template": template, **strategy, **{k: v for k, v in spec.items() if v is not None}},
    }


def condition(kind: str, status: str = "True", **more: Any) -> Object:
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": None, **more}


@pytest.fixture
async def cluster():
    """A started cluster."""
    one = Cluster()
    await one.start()
    yield one
    one.server.close()
