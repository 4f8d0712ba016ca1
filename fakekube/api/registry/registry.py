"""The rules of reading and writing one resource, over the store.

Every write is a function from old to new that can be run again: PUT, PATCH and apply differ only in that function.
Admission's second half comes in as `validate`, so the registry never knows who objects.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/registry/generic/registry/store.go
"""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from fakekube.api.patching import managed_fields
from fakekube.api.registry import codec, deletion, metadata
from fakekube.api.registry.deletion import DeleteOptions
from fakekube.api.registry.kept import Kept
from fakekube.api.registry.ownership import reset_fields
from fakekube.api.registry.reading import Reading
from fakekube.api.registry.strategy import ServedResource
from fakekube.clock import Clock, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import digits, errors
from fakekube.machinery.errors import MODIFIED, ApiError
from fakekube.machinery.field_errors import invalid
from fakekube.machinery.wire import Object
from fakekube.store import interface as stores
from fakekube.store.interface import Entry, Store

Transform = Callable[[Object], Awaitable[Object]]  # stored, not to be changed → wanted, may share its parts
Validate = Callable[[Object, Object | None], Awaitable[None]]  # (new, old): admission's second half
Committed = Callable[[ServedResource, Object, bool], Awaitable[None]]  # (resource, object, deleted)

_RETRIES = 16
_SPEC_WRITES = (
    "",
    "scale",
    "finalize",
)  # other subresources have hooks of their own, or judge their own writes
_KEEP_GENERATION = ("status", "binding")


class Written(Struct):
    """What a write left behind. In a dry run the entry is what would have been stored."""

    entry: Entry
    obj: Object
    created: bool = False
    deleted: bool = False


class WriteContext(Struct):
    """Who writes, how, and what was remarked upon on the way."""

    manager: str
    warnings: list[str]
    dry_run: bool = False
    subresource: str = ""
    validate: Validate | None = None
    recorded: bool = False  # ownership is recorded already: by apply, or by the verb before admission
    scope: str = ""  # apiVersion recorded in managedFields, where it is not the resource's


class Registry:
    """Reads and writes by the rules; `reading` is for collections. `committed` is called after every write to a listed store prefix."""

    def __init__(self, store: Store, *, clock: Clock, ids: Ids) -> None:
        self.store = store
        self.reading = Reading(store, clock)
        self.clock = clock
        self.ids = ids
        self.committed: dict[str, Committed] = {}
        self.follower: Committed | None = None  # of every write, once there is one
        self._kept = Kept()

    async def get(self, resource: ServedResource, namespace: str, name: str) -> Entry:
        """The entry. Raises NotFound."""
        entry = await self.store.get(resource.key(namespace, name))
        if entry is None:
            raise errors.not_found(resource.plural, resource.group, name)
        return await self._in_version(resource, entry)

    @staticmethod
    async def _in_version(resource: ServedResource, entry: Entry) -> Entry:
        return entry if resource.conversion is None else (await resource.conversion.read([entry]))[0]

    async def create(
        self, resource: ServedResource, obj: Object, namespace: str, context: WriteContext
    ) -> Written:
        """Store a new object. Raises AlreadyExists, Invalid and what `validate` raises."""
        meta = obj["metadata"]
        versioned = bool(meta.get("resourceVersion"))
        generate = "" if meta.get("name") else str(meta.get("generateName") or "")
        strategy = resource.strategy
        strategy.prepare_create(obj)
        for attempt in range(_RETRIES):
            name = str(meta.get("name") or (generate[:58] + self.ids.suffix() if generate else ""))
            metadata.fill_create(
                obj,
                namespace=namespace if resource.namespaced else "",
                name=name,
                uid=self.ids.uid(),
                now=rfc3339(self.clock.now()),
                with_generation=strategy.has_generation,
            )
            strategy.complete_create(obj)
            causes = metadata.validate_create(
                obj,
                rule=strategy.name_rule,
                generate_name=generate,
                qualified=strategy.qualified_finalizers,
            )
            causes += strategy.validate_create(obj)
            if causes:
                raise errors.invalid(resource.kind, resource.storage_group or "", name, causes)
            context.warnings += strategy.warnings(obj, None)
            if not context.recorded:
                obj = self.record(resource, None, obj, context)
            if context.validate is not None:
                await context.validate(obj, None)
            if (
                versioned and not context.dry_run
            ):  # the storage's complaint: everybody else has been heard before
                raise ApiError("resourceVersion should not be set on objects to be created")
            try:
                entry = await self._store_new(resource, obj, namespace, name, context)
            except stores.Exists:
                if generate and attempt < _RETRIES - 1:
                    continue
                raise await self._taken(resource, namespace, name) from None
            obj["metadata"]["resourceVersion"] = str(entry.modified)
            await self._after(resource, obj, context)
            return Written(await self._in_version(resource, entry), obj, created=True)
        raise AssertionError("unreachable")

    async def update(
        self, resource: ServedResource, namespace: str, name: str, transform: Transform, context: WriteContext
    ) -> Written:
        """Run `transform` on the stored object and store the result; again when somebody else was quicker.

        Raises NotFound, Conflict (the result names another resourceVersion), Invalid.
        """
        for _ in range(_RETRIES):
            entry = await self.get(resource, namespace, name)
            old = codec.stored(resource, entry)
            new = await transform(old)
            written = await self._attempt(resource, entry, new, old, context)
            if written is not None:
                return written
        raise errors.conflict(resource.plural, resource.group, name, MODIFIED)

    async def delete(
        self,
        resource: ServedResource,
        namespace: str,
        name: str,
        options: DeleteOptions,
        validate: Validate | None = None,
    ) -> Written:
        """Mark or remove the object. Raises NotFound, Conflict for failed preconditions."""
        for _ in range(_RETRIES):
            entry = await self.get(resource, namespace, name)
            obj = codec.stored(resource, entry)
            deletion.check_preconditions(resource, obj, options)
            if validate is not None:
                await validate(obj, obj)
            verdict = deletion.decide(resource, obj, options, self.clock.now())
            if options.dry_run:
                return Written(entry, verdict.mark or obj, deleted=verdict.remove)
            try:
                if verdict.mark is not None:
                    obj = verdict.mark
                    entry = await self._put(resource, obj, entry)
                    obj["metadata"]["resourceVersion"] = str(entry.modified)
                if verdict.remove:
                    gone = await self.store.delete(entry.key, entry.modified)
                    self._kept.forget(entry)
                    # The answer shows the object as it was, at the revision of its end.
                    entry = Entry(entry.key, entry.value, entry.created, gone.revision)
                    obj["metadata"]["resourceVersion"] = str(gone.revision)
            except (stores.Conflict, stores.NotFound):
                continue
            await self._after(resource, obj, None, deleted=verdict.remove)
            return Written(await self._in_version(resource, entry), obj, deleted=verdict.remove)
        raise errors.conflict(resource.plural, resource.group, name, MODIFIED)

    async def _attempt(
        self, resource: ServedResource, entry: Entry, new: Object, old: Object, context: WriteContext
    ) -> Written | None:
        """One try; None when the store has moved on and the caller should look again."""
        strategy, name = resource.strategy, old["metadata"]["name"]
        self._check_version(resource, new, old, name)
        metadata.keep_on_update(new, old)
        if context.subresource == "status":
            strategy.prepare_status_update(new, old)
        elif context.subresource in _SPEC_WRITES:
            strategy.prepare_update(new, old)
        else:
            strategy.prepare_subresource_update(context.subresource, new, old)
        if (
            strategy.has_generation
            and context.subresource not in _KEEP_GENERATION
            and strategy.changes_generation(new, old)
        ):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        causes = metadata.validate_update(new, old) * 2  # upstream looks twice, and lists what it finds twice
        if strategy.qualified_finalizers:
            causes += metadata.unqualified_finalizers(new["metadata"])
        if context.subresource == "status":
            causes += strategy.validate_status_update(new, old)
        elif context.subresource in _SPEC_WRITES:
            if strategy.metadata_rechecks:
                causes += metadata.validate_create(new, rule=strategy.name_rule) * strategy.metadata_rechecks
            causes += strategy.validate_update(new, old)
        else:
            causes += strategy.validate_subresource_update(context.subresource, new, old)
        if causes:
            raise errors.invalid(resource.kind, resource.storage_group or "", name, causes)
        context.warnings += strategy.warnings(new, old)
        if not context.recorded:
            new = self.record(resource, old, new, context)
        if context.validate is not None:
            await context.validate(new, old)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if deletion.is_released(resource, new):
            return await self._release(resource, entry, new, context)
        wanted = new
        if context.dry_run or resource.to_storage is not None:
            changed = Entry(entry.key, codec.encode(resource, new), entry.created, entry.modified)
            wanted = codec.decode(
                resource, changed
            )  # what would be read: defaults come and fields go on the way
        if metadata.same_ignoring_version(wanted, old):
            return Written(entry, old)
        if context.dry_run:
            return Written(changed, wanted)
        try:
            stored = await self._put(resource, new, entry)
        except (stores.Conflict, stores.NotFound):
            return None
        new["metadata"]["resourceVersion"] = str(stored.modified)
        await self._after(resource, new, context)
        return Written(await self._in_version(resource, stored), new)

    async def _release(
        self, resource: ServedResource, entry: Entry, new: Object, context: WriteContext
    ) -> Written | None:
        """The last finalizer is gone: the object is removed, the answer shows the wanted state at the old version."""
        answer = Entry(entry.key, codec.encode(resource, new), entry.created, entry.modified)
        if not context.dry_run:
            try:
                await self.store.delete(entry.key, entry.modified)
            except (stores.Conflict, stores.NotFound):
                return None
            self._kept.forget(entry)
            await self._after(resource, new, context, deleted=True)
        return Written(answer, new, deleted=True)

    async def _put(self, resource: ServedResource, obj: Object, entry: Entry) -> Entry:
        """The entry as it lies in the store, which need not be in this version."""
        value = codec.encode(resource, obj)
        if resource.conversion is not None:
            value = await resource.conversion.write(value)
            return await self.store.update(entry.key, value, entry.modified)
        return await self.store.update(
            entry.key, value, entry.modified, self._kept.memo(resource, obj, value, entry)
        )

    async def _store_new(
        self, resource: ServedResource, obj: Object, namespace: str, name: str, context: WriteContext
    ) -> Entry:
        key = resource.key(namespace, name)
        if not context.dry_run:
            value = codec.encode(resource, obj)
            if resource.conversion is not None:
                return await self.store.create(key, await resource.conversion.write(value))
            return await self.store.create(key, value, self._kept.memo(resource, obj, value))
        if await self.store.get(key) is not None:
            raise stores.Exists(key)
        return Entry(key, codec.encode(resource, obj), 0, 0)

    async def _taken(self, resource: ServedResource, namespace: str, name: str) -> ApiError:
        error = errors.already_exists(resource.plural, resource.group, name)
        entry = await self.store.get(resource.key(namespace, name))
        if entry is not None and "deletionTimestamp" in codec.decode(resource, entry)["metadata"]:
            error.message = f"object is being deleted: {error.message}"
        return error

    def record(
        self, resource: ServedResource, old: Object | None, new: Object, context: WriteContext
    ) -> Object:
        """`new` with the writer credited for what it changes, in metadata.managedFields."""
        return managed_fields.record_update(
            old,
            new,
            manager=context.manager,
            api_version=context.scope or resource.api_version,
            subresource=context.subresource,
            now=self.clock.now(),
            schema=resource.strategy.schema,
            reset=reset_fields(resource, context.subresource),
        )

    async def implant(self, resource: ServedResource, obj: Object) -> None:
        """Store a cluster-scoped object that is known to be valid: what creating it leaves behind, unchecked.

        For what comes with the package, whose tests have created it the long way; checking it costs start-up time.
        """
        strategy, name = resource.strategy, str(obj["metadata"]["name"])
        strategy.default(obj)
        strategy.prepare_create(obj)
        now = rfc3339(self.clock.now())
        uid = self.ids.uid()
        metadata.fill_create(
            obj, namespace="", name=name, uid=uid, now=now, with_generation=strategy.has_generation
        )
        strategy.complete_create(obj)
        await self.store.create(resource.key("", name), codec.encode(resource, obj), codec.memo_of(obj))
        await self._after(resource, obj, None)

    async def _after(
        self, resource: ServedResource, obj: Object, context: WriteContext | None, *, deleted: bool = False
    ) -> None:
        if context and context.dry_run:
            return
        for hook in (self.committed.get(resource.prefix), self.follower):
            if hook is not None:
                await hook(resource, obj, deleted)

    @staticmethod
    def check_identity(resource: ServedResource, new: Object, old: Object, namespace: str, name: str) -> None:
        """A PUT that names a uid is about that object alone; a patch would change the uid. Raises Conflict."""
        uid = new["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise errors.conflict(
                resource.plural,
                resource.group,
                name,
                f"StorageError: invalid object, Code: 4, Key: {resource.key(namespace, name)}, ResourceVersion: 0, "
                f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
                f"UID in object meta: {old['metadata']['uid']}",
            )

    @staticmethod
    def _check_version(resource: ServedResource, new: Object, old: Object, name: str) -> None:
        text = str(new["metadata"].get("resourceVersion") or "")
        if not text or text == "0":
            if resource.strategy.unconditional_update:
                return
            cause = invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise errors.invalid(resource.plural, resource.group, name, [cause])
        if text != old["metadata"]["resourceVersion"]:
            try:
                digits.parsed("ParseUint", text)
            except ValueError as error:
                raise ApiError(str(error)) from None
            raise errors.conflict(resource.plural, resource.group, name, MODIFIED)
