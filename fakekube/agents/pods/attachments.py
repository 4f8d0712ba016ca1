"""Multus as pods meet it: those that name networks do not start before all of them are defined and have addresses for them, and
tell of them then. Addresses are given out as host-local does it, but once for all nodes; who gets none hears its words.

Without the type NetworkAttachmentDefinition every network is taken for granted. Its definitions are followed from the first pod
on that names one.
Upstream: multus-cni: pkg/multus/multus.go (CmdAdd), pkg/k8sclient/k8sclient.go; plugins: plugins/ipam/host-local
"""

import asyncio
import hashlib
from collections.abc import Callable
from itertools import count

from fakekube.agents.pods import networks
from fakekube.agents.pods.addresses import Addresses, usable
from fakekube.agents.pods.needs import Needs
from fakekube.agents.pods.networks import Wanted
from fakekube.client.client import Client
from fakekube.client.late import LateInformer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.objects import is_final, key, name, namespace, uid
from fakekube.machinery.resources import NETWORK_ATTACHMENT_DEFINITIONS
from fakekube.machinery.wire import Object

_KIND = "network"
_LOADING = "error loading k8s delegates k8s args: TryLoadPodDelegates: "
_OF_POD = "error in getting k8s network for pod: GetNetworkDelegates: failed getting the delegate: "
_OF_DEFAULT = (
    "error in loading K8S cluster default network from pod annotation: tryLoadK8sPodDefaultNetwork: "
    "failed getting the delegate: "
)


class Attachments:
    """`wake` is told the keys of pods for which something has changed."""

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, wake: Callable[[str], None]) -> None:
        self._definitions = LateInformer(client, NETWORK_ATTACHMENT_DEFINITIONS, clock=clock)
        self._needs = Needs({_KIND: self._definitions}, wake=wake)
        self._recorder = Recorder(client, "multus", clock=clock, ids=ids)
        self._told: set[tuple[str, str]] = set()  # pods and what they lack, of which Multus has told
        self._addresses: dict[str, Addresses] = {}  # by network
        self._definitions.on_change(self._redefined)
        self._short: set[str] = set()  # keys of pods for which there was no address
        self._wake = wake

    @property
    def idle(self) -> bool:
        return self._recorder.idle

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._needs.run())

    def unattached(self, pod: Object) -> list[dict[str, str]] | None:
        """What the kubelet says of a pod whose network cannot be set up; None: that is not known yet, the pod will be woken."""
        asked = networks.wanted(pod)
        if asked and self._needs.undecided(pod):
            return None
        missing = [one for one in asked if self._needs.find(_KIND, one.key) is None]
        if missing and self._definitions.established:
            return [{"message": _failed(pod, self._undefined(pod, missing))}]
        for one in asked:
            if not one.default and (why := self._allocate(pod, one)[1]):
                self._give_back(pod)
                self._short.add(key(pod))
                said = f"[{_called(pod)}:{one.name}]: error adding container to network"
                return [{"message": _failed(pod, f'{said} "{one.name}": {why}')}]
        return []

    def _undefined(self, pod: Object, missing: list[Wanted]) -> str:
        for one in missing:
            self._needs.wait(pod, _KIND, one.key)
        gone = missing[0]
        why = (
            f"cannot find a network-attachment-definition ({gone.name}) in namespace ({gone.namespace}): "
            f'{NETWORK_ATTACHMENT_DEFINITIONS.qualified} "{gone.name}" not found'
        )
        self._tell(pod, gone, why)
        of = _OF_DEFAULT if gone.default else _OF_POD
        return f"Multus: [{_called(pod)}]: {_LOADING}{of}getKubernetesDelegate: {why}"

    def status(self, pod: Object, address: str) -> str:
        """The annotation to be written when a pod's networks are set up."""
        asked = [one for one in networks.wanted(pod) if not one.default]
        ips = {one.interface: self._allocate(pod, one)[0] for one in asked}
        return networks.status(pod, address, ips, self._definitions.get)

    def note(self, old: Object | None, new: Object | None) -> None:
        """A pod has come, changed or gone: which addresses are taken."""
        pod = new or old or {}
        if not networks.wanted(pod):
            return
        if new is None:
            self._needs.forget(pod)
        over = new is None or is_final(new)
        if over:
            self._told = {one for one in self._told if one[0] != uid(pod)}
            self._release(pod)
            self._drop_unused()
            return
        for entry in networks.there(pod):
            addresses = self._addresses.setdefault(str(entry.get("name")), Addresses())
            for number, address in enumerate(entry.get("ips") or ()):
                addresses.take(_owner(pod, str(entry.get("interface")), number), address)

    def _redefined(self, _old: Object | None, new: Object | None) -> None:
        if new is None:
            self._drop_unused()

    def _drop_unused(self) -> None:
        """Networks that are not defined any more are forgotten when nobody has an address of them."""
        for network, addresses in list(self._addresses.items()):
            if not addresses and network not in self._definitions:
                del self._addresses[network]

    def _release(self, pod: Object) -> None:
        self._give_back(pod)
        self._short.discard(key(pod))
        for other in sorted(self._short):
            self._wake(other)
        self._short.clear()

    def _give_back(self, pod: Object) -> None:
        """All addresses of a pod, whether it has told of them or not."""
        told = ((str(one.get("name")), str(one.get("interface"))) for one in networks.there(pod))
        for network, interface in (*told, *((one.key, one.interface) for one in networks.wanted(pod))):
            addresses, number = self._addresses.get(network), count()
            while addresses and addresses.release(_owner(pod, interface, next(number))):
                pass

    def _allocate(self, pod: Object, one: Wanted) -> tuple[list[str], str]:
        """An address of each source of a network, as far as there are any; or why there are none."""
        addresses = self._addresses.setdefault(one.key, Addresses())
        found = []
        for number, source in enumerate(networks.sources(self._definitions.get(one.key) or {})):
            owner = _owner(pod, one.interface, number)
            if source.fixed:
                addresses.take(owner, source.range)
            address = addresses.of(owner, source.range)
            if address is None:
                plugin = f'plugin type="{source.plugin}" failed (add): ' if source.plugin else ""
                text = f"no IP addresses available in range set: {usable(source.range)}"
                return [], f"{plugin}failed to allocate for range {number}: {text}"
            found.append(address)
        return found, ""

    def _tell(self, pod: Object, gone: Wanted, why: str) -> None:
        if (uid(pod), gone.key) not in self._told:
            self._told.add((uid(pod), gone.key))
            self._recorder.event(pod, WARNING, "NoNetworkFound", why)


def _owner(pod: Object, interface: str, number: int) -> str:
    return f"{uid(pod)} {interface} {number}"


def _called(pod: Object) -> str:
    return f"{namespace(pod)}/{name(pod)}/{uid(pod)}"


def _failed(pod: Object, why: str) -> str:
    """What the kubelet says of a pod Multus does not attach."""
    return (
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
        f'"{_sandbox(pod)}": plugin type="multus" name="multus-cni-network" failed (add): {why}'
    )


def _sandbox(pod: Object) -> str:
    return hashlib.sha256(f"{uid(pod)} sandbox".encode()).hexdigest()
