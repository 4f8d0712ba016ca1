"""A namespace of a test's own, and the verbs of its story: create, change, wait, and let the controller settle.

Waiting is for something that comes. That something does *not* come is judged after `settled`: a mark is put into the
pool's status, which only a controller's pass over the pool wipes off. What it has not done by then, it does not do.
"""

import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

from conformance import manifests
from conformance.following import Follower
from conformance.kube import (
    CONFIG_MAP,
    DV,
    EVENT,
    JSON,
    MERGE,
    NAMESPACE,
    POOL,
    PVC,
    REVISION,
    VM,
    VMI,
    Kind,
    Kube,
    Object,
    Refusal,
)
from conformance.manifests import FINALIZER
from conformance.refusing import a_moment, refusing

_MARKS = itertools.count()


class World:
    """See the module text. The properties are views of what is there now, by name."""

    def __init__(self, kube: Kube, namespace: str, follower: Follower) -> None:
        self.kube, self.namespace, self.follower = kube, namespace, follower
        self.until = follower.until
        self.refusing = functools.partial(refusing, follower)

    @property
    def quarter(self) -> float:
        """Of the patience, but some seconds: for what implementations are known not to do, so that the wait in vain is short."""
        return max(8.0, self.follower.patience / 4)

    # Looking

    @property
    def pools(self) -> dict[str, Object]:
        return self.follower.now[POOL]

    @property
    def vms(self) -> dict[str, Object]:
        return self.follower.now[VM]

    @property
    def vmis(self) -> dict[str, Object]:
        return self.follower.now[VMI]

    @property
    def revisions(self) -> dict[str, Object]:
        """Those of pools; KubeVirt keeps some for VMs as well."""
        found = self.follower.now[REVISION].items()
        return {name: one for name, one in found if controller(one).get("kind") != VM.kind}

    @property
    def dvs(self) -> dict[str, Object]:
        return self.follower.now[DV]

    @property
    def pvcs(self) -> dict[str, Object]:
        return self.follower.now[PVC]

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """Type, reason and message of the events about pools."""
        return [
            (one["type"], one["reason"], one["message"])
            for one in self.follower.now[EVENT].values()
            if one["involvedObject"]["kind"] == POOL.kind
        ]

    def told(self, reason: str) -> int:
        """How often the events about pools with this reason have happened."""
        found = self.follower.now[EVENT].values()
        return sum(one.get("count") or 1 for one in found if one["reason"] == reason)

    def status(self, name: str = "p") -> Object:
        found: Object = self.pools[name].get("status") or {}
        return found

    def condition(self, type_: str, name: str = "p") -> Object:
        """A condition of the pool; empty when there is none."""
        found = [one for one in self.status(name).get("conditions") or () if one["type"] == type_]
        return found[0] if found else {}

    def lively(self) -> set[str]:
        """The names of VMs that are not terminating."""
        return {name for name, one in self.vms.items() if not terminating(one)}

    def deleted(self, kind: Kind = VM) -> list[str]:
        """Names in the order in which deletion was asked for."""
        found: dict[str, str] = {}
        for moment in self.follower.history:
            if moment.kind is kind and (moment.type == "DELETED" or terminating(moment.obj)):
                found.setdefault(uid(moment.obj), moment.name)
        return list(found.values())

    def counted(self, kind: Kind, counts: Any, since: float = 0.0) -> Iterator[int]:
        """For how many objects of a kind `counts` held, after each of their changes."""
        now: dict[str, Object] = {}
        for moment in self.follower.history:
            if moment.kind is not kind:
                continue
            if moment.type == "DELETED":
                now.pop(moment.name, None)
            else:
                now[moment.name] = moment.obj
            if moment.at >= since:
                yield sum(map(bool, map(counts, now.values())))

    def most(self, kind: Kind, counts: Any, since: float = 0.0) -> int:
        """The most objects of a kind for which `counts` held at any one time."""
        return max(self.counted(kind, counts, since), default=0)

    # Acting

    async def create(self, obj: Object, kind: Kind | None = None) -> Object:
        """Create a pool, or something else when its kind is given."""
        kind = kind or POOL
        return await self.follower.seen(kind, await self.kube.create(kind, obj, self.namespace))

    async def change(self, name: str = "p", **spec: Any) -> Object:
        """Change members of a pool's spec."""
        return await self.patch(POOL, name, {"spec": spec})

    async def change_template(self, template: Object, name: str = "p", **spec: Any) -> Object:
        """Give a pool another template, whole."""
        operations = [{"op": "replace", "path": "/spec/virtualMachineTemplate", "value": template}]
        operations += [{"op": "add", "path": f"/spec/{key}", "value": value} for key, value in spec.items()]
        return await self.patch(POOL, name, operations)

    async def patch(self, kind: Kind, name: str, patch: Any, subresource: str = "") -> Object:
        """Change something: a list of operations is a JSON patch, anything else is merged."""
        content = JSON if isinstance(patch, list) else MERGE
        answer = await self.kube.patch(kind, self.namespace, name, patch, subresource, content=content)
        return answer if subresource == "scale" else await self.follower.seen(kind, answer)

    async def delete(self, kind: Kind, name: str, propagation: str = "Background") -> None:
        await self.follower.seen(kind, await self.kube.delete(kind, self.namespace, name, propagation))

    async def detach(self, name: str, *, cleanly: bool = False) -> None:
        """Take a VM out of its pool by removing its owner; `cleanly` with the pool's finalizer."""
        meta: Object = {"ownerReferences": None}
        if cleanly:
            held = self.vms[name]["metadata"].get("finalizers") or []
            meta["finalizers"] = [one for one in held if one != FINALIZER]
        await self.patch(VM, name, {"metadata": meta})

    async def hold(self, kind: Kind, *names: str) -> None:
        """Keep objects visible when they are deleted, until `let_go`."""
        for name in names:
            current = await self.kube.get(kind, self.namespace, name)
            at: Object = {"op": "add", "path": "/metadata/finalizers/-", "value": "conformance/hold"}
            if not finalizers(current):
                at = {"op": "add", "path": "/metadata/finalizers", "value": ["conformance/hold"]}
            await self.patch(kind, name, [at])

    async def let_go(self, kind: Kind, *names: str) -> None:
        for name in names:
            for _ in range(10):
                current = await self.kube.get(kind, self.namespace, name)
                meta = current["metadata"]
                meta["finalizers"] = [one for one in meta["finalizers"] if one != "conformance/hold"]
                with contextlib.suppress(Refusal):
                    await self.kube.replace(kind, current)
                    break

    async def set_status(self, kind: Kind, name: str, **status: Any) -> Object:
        """Write members of a status by hand. VMIs have no status subresource."""
        return await self.patch(kind, name, {"status": status}, "" if kind is VMI else "status")

    async def command(self, vmi: str, verb: str) -> None:
        """`pause`, `unpause`, … a guest."""
        path = f"/apis/subresources.kubevirt.io/v1/namespaces/{self.namespace}/virtualmachineinstances/{vmi}/{verb}"
        answer = await self.kube.ask_raw("PUT", path, {})
        assert answer < 300, f"{verb} was answered {answer}"

    # Waiting

    async def pool_of(self, *names: str, ready: int | None = None, name: str = "p") -> None:
        """Wait until exactly these VMs exist, none of them terminating, and the pool's status says so."""
        wanted = set(names)

        def holds() -> bool:
            status = self.status(name)
            return (
                set(self.vms) == wanted
                and self.lively() == wanted
                and status.get("replicas", 0) == len(wanted)
                and (ready is None or status.get("readyReplicas", 0) == ready)
            )

        await self.until(
            holds, f"the VMs {', '.join(names)}, {'any number' if ready is None else ready} of them ready"
        )

    async def size(self, count: int, *, ready: int | None = None, name: str = "p") -> None:
        """Wait until that many VMs are owned, and none is terminating."""

        def holds() -> bool:
            status, mine = self.status(name), self.owned(name)
            return (
                len(mine) == count
                and not any(map(terminating, mine.values()))
                and status.get("replicas", 0) == count
                and (ready is None or status.get("readyReplicas", 0) == ready)
            )

        await self.until(
            holds, f"{count} VMs of {name}, {'any number' if ready is None else ready} of them ready"
        )

    def owned(self, name: str = "p") -> dict[str, Object]:
        """The VMs a pool controls."""
        pool_uid = uid(self.pools[name])
        return {vm: one for vm, one in self.vms.items() if controller(one).get("uid") == pool_uid}

    async def reconciled(self, name: str = "p") -> None:
        """Return after a pass of the controller that began after this call."""
        mark = f"fence={next(_MARKS)}"
        marked = await self.set_status(POOL, name, labelSelector=mark)
        version = int(marked["metadata"]["resourceVersion"])
        wanted = f"the status of {name} as the controller writes it"
        try:
            await self.until(
                lambda: (
                    name not in self.pools
                    or (
                        int(self.pools[name]["metadata"]["resourceVersion"]) > version
                        and self.status(name).get("labelSelector") != mark
                    )
                ),
                wanted,
            )
        except AssertionError as error:  # nobody has written it, or nobody has told us
            live = await self.kube.get(POOL, self.namespace, name)
            written = (live.get("status") or {}).get("labelSelector") != mark
            why = "it was written, but no watch has told of it" if written else "it was not written"
            raise AssertionError(f"{error}\n  Asked again, the server says: {why}") from None

    async def settled(self, name: str = "p") -> None:
        """Return after two passes: what the first has caused, the second has seen. Views are up to date then."""
        await self.reconciled(name)
        await self.reconciled(name)
        await self.follower.catch_up()

    async def a_second(self) -> None:
        """Return when the server's clock, which counts in seconds, has moved on: a probe per look, each dated by it."""
        started = ""
        while True:
            probe = await self.kube.create(
                CONFIG_MAP, {"metadata": {"generateName": "clock-"}}, self.namespace, dryRun="All"
            )
            now = probe["metadata"]["creationTimestamp"]
            started = started or now
            if now != started:
                return
            await a_moment()

    async def event(self, reason: str, message: str, type_: str = "Normal") -> None:
        """Wait for an event about the pool whose message begins so."""
        await self.until(
            lambda: any(one[:2] == (type_, reason) and one[2].startswith(message) for one in self.events),
            f"{type_} {reason}: {message}",
        )


@contextlib.asynccontextmanager
async def world(kube: Kube, namespace: str, patience: float) -> AsyncIterator[World]:
    """A new namespace, followed from its first moment; deleted at the end, without waiting for that."""
    await kube.create(NAMESPACE, {"metadata": {"name": namespace, "labels": {"conformance": "pool"}}})
    try:
        async with Follower(kube, namespace, patience) as follower:
            yield World(kube, namespace, follower)
    finally:
        with contextlib.suppress(Refusal):
            await kube.delete(NAMESPACE, "", namespace)


def uid(obj: Object) -> str:
    found: str = obj["metadata"]["uid"]
    return found


def uids(objects: dict[str, Object]) -> dict[str, str]:
    return {name: uid(one) for name, one in objects.items()}


def labels(obj: Object) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def finalizers(obj: Object) -> list[str]:
    found: list[str] = obj["metadata"].get("finalizers") or []
    return found


def owners(obj: Object) -> list[Object]:
    found: list[Object] = obj["metadata"].get("ownerReferences") or []
    return found


def controller(obj: Object) -> Object:
    return next((one for one in owners(obj) if one.get("controller")), {})


def terminating(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def revision(obj: Object) -> str:
    """The revision a VM or VMI names."""
    return labels(obj).get(manifests.REVISION_LABEL, "")


def ready(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def says(found: Any, wanted: Any) -> bool:
    """Whether something says all that is wanted, and beside it at most nothing, as `null` and `{}`, which Go's types are full of."""
    if not isinstance(found, dict) or not isinstance(wanted, dict):
        if isinstance(found, list) and isinstance(wanted, list):
            return len(found) == len(wanted) and all(map(says, found, wanted))
        return bool(found == wanted)
    return all(key in found and says(found[key], value) for key, value in wanted.items()) and not any(
        value for key, value in found.items() if key not in wanted
    )


def versions(objects: dict[str, Object]) -> dict[str, str]:
    return {name: one["metadata"]["resourceVersion"] for name, one in objects.items()}


def written(objects: dict[str, Object]) -> dict[str, Object]:
    """What stands in objects but for their status, which others may keep."""
    own = ("resourceVersion", "managedFields")
    return {
        name: {
            "metadata": {key: value for key, value in one["metadata"].items() if key not in own},
            "spec": one["spec"],
        }
        for name, one in objects.items()
    }


def specs(objects: dict[str, Object]) -> Iterator[Object]:
    return (one["spec"] for one in objects.values())
