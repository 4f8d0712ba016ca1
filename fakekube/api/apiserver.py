"""The API server: filters around a router, over a store. A Handler.

errors → identity → router → verb → admission → registry → store
"""

from collections.abc import Iterable, Iterator, Mapping

from fakekube.api.access import bootstrap
from fakekube.api.access.authentication import Authentication
from fakekube.api.access.authorizer import AlwaysAllow, Authorizer
from fakekube.api.access.rbac import Rbac
from fakekube.api.admission.chain import Chain, Plugin
from fakekube.api.admission.hooks import WebhookConfigs
from fakekube.api.admission.mutating_policies import MutatingPolicies
from fakekube.api.admission.plugins.namespace_lifecycle import NamespaceLifecycle
from fakekube.api.admission.policies import Applicable, PolicyConfigs
from fakekube.api.admission.validating_policies import ValidatingPolicies
from fakekube.api.admission.webhooks import Webhooks
from fakekube.api.builtins import tables as builtins
from fakekube.api.builtins.accounts import Accounts, TokenError
from fakekube.api.builtins.bootstrap import objects as builtin_objects
from fakekube.api.builtins.equipment import equip
from fakekube.api.builtins.expiry import Expiry
from fakekube.api.extend.aggregation import Aggregation
from fakekube.api.extend.establishing import Establishing
from fakekube.api.filters.authorization import authorization
from fakekube.api.filters.errors import errors
from fakekube.api.filters.identity import identity
from fakekube.api.registry import codec, watching
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Committed, Registry, WriteContext
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.router import Router
from fakekube.api.services import Services
from fakekube.clock import Clock, RealClock
from fakekube.ids import Ids
from fakekube.machinery.errors import AlreadyExists, Unauthorized
from fakekube.machinery.versions import Versions
from fakekube.machinery.wire import Handler, Object, Request, Response, User
from fakekube.store.interface import Store

# What a cluster has before anybody has made anything.
_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class ApiServer:
    """One Kubernetes API. Call `start` once before the first request."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        services: Services | None = None,
        authentication: Authentication | None = None,
        rbac: bool = False,
        service_accounts: bool = False,
        versions: Versions | None = None,
    ) -> None:
        self.store = store
        self.clock = clock or RealClock()
        self.ids = ids or Ids()
        self.services = services or Services()
        self.catalog = Catalog(builtins.resources())
        self.registry = Registry(store, clock=self.clock, ids=self.ids)
        self.webhooks = WebhookConfigs(self.catalog)
        self.mutating = PolicyConfigs(self.catalog)
        self.validating = PolicyConfigs(self.catalog)
        self.aggregation = Aggregation(self.services)
        self.rbac = Rbac()
        self._namespaces = self._builtin("", "v1", "namespaces")
        self._crds = self._builtin("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        self._establishing = Establishing(self.registry, self.catalog, self.services)
        self._equipment = equip(
            self.catalog,
            self.registry,
            self.rbac if rbac else None,
            service_accounts=service_accounts,
        )
        authorizer: Authorizer = self.rbac if rbac else AlwaysAllow()
        known = authentication or Authentication()
        plugins: list[Plugin] = [
            NamespaceLifecycle(self.registry, self._namespaces),
            self._equipment.plugin,
            MutatingPolicies(self._applicable(self.mutating, authorizer)),
            ValidatingPolicies(self._applicable(self.validating, authorizer)),
            Webhooks(self.webhooks, self.services, self.ids, self._namespace_labels, authorizer),
            self._equipment.last,
        ]
        self.admission = Chain(plugins)
        self._expiry = Expiry(self.registry, self._builtin("", "v1", "events"))
        self._follow()
        self._router = Router(
            self.catalog,
            self.registry,
            self.admission,
            self.aggregation,
            authorizer,
            services=self.services,
            authentication=known,
            versions=versions or Versions(),
        )
        router: Handler = authorization(self._router, authorizer) if rbac else self._router
        self._accounts = Accounts(self.catalog, self.registry)
        self._handler = errors(identity(router, known, authorizer, self._account))

    async def __call__(self, request: Request) -> Response:
        if self._expiry.due:
            await self._expiry.sweep()
        return await self._handler(request)

    @property
    def controls(self) -> Handler | None:
        """Who answers below /fakekube/."""
        return self._router.controls

    @controls.setter
    def controls(self, handler: Handler) -> None:
        self._router.controls = handler

    async def start(self, like: "ApiServer | None" = None) -> None:
        """Read what the store holds, and make what every cluster has.

        `like` is a server whose store this one's was forked from: what it knows of definitions need not be worked out anew.
        """
        if like is not None:
            self._establishing.adopt(like._establishing)  # noqa: SLF001 - one class, two of its kind
        else:
            await self._establishing.load(self._crds)
        for resource, follow in self._followed():
            page = await self.store.list(resource.prefix)
            for entry in page.entries:
                await follow(resource, codec.decode(resource, entry), False)
        for name in _NAMESPACES:
            await self._ensure(
                self._namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        for obj in bootstrap.objects():
            await self._ensure(
                self._builtin("rbac.authorization.k8s.io", "v1", f"{obj['kind'].lower()}s"), obj
            )
        for plural, obj in builtin_objects():
            group, _, version = obj["apiVersion"].rpartition("/")
            await self._ensure(self._builtin(group, version, plural), obj)

    async def preload_crds(self, crds: Iterable[Object]) -> None:
        """Serve these CRDs from now on, trusting that they are valid; see `Establishing.preload`."""
        await self._establishing.preload(self._crds, crds)

    async def preload(self, objects: Iterable[Object]) -> None:
        """Have these cluster-scoped objects, trusting that they are valid; see `Registry.implant`."""
        for obj in objects:
            if obj["kind"] == self._crds.kind:
                await self.preload_crds([obj])
                continue
            group, _, version = obj["apiVersion"].rpartition("/")
            resource = self.catalog.by_kind(group, version, obj["kind"])
            assert resource is not None, f"{obj['apiVersion']} {obj['kind']} is not served"
            await self.registry.implant(resource, obj)

    async def _account(self, token: str) -> User | None:
        try:
            return await self._accounts.user(token)
        except TokenError:
            raise Unauthorized("Unauthorized") from None

    def close(self) -> None:
        """End all watches."""
        self.store.close()
        watching.forget()

    async def _ensure(self, resource: ServedResource, obj: Object) -> None:
        meta = obj["metadata"]
        namespace = meta.get("namespace") or ""
        if await self.store.get(resource.key(namespace, meta["name"])) is not None:
            return
        resource.strategy.default(obj)
        try:
            await self.registry.create(resource, obj, namespace, WriteContext("kube-apiserver", []))
        except AlreadyExists:
            return

    def _builtin(self, group: str, version: str, plural: str) -> ServedResource:
        found = self.catalog.find(group, version, plural)
        assert found is not None, f"{plural}.{group} is missing from the built-in tables"
        return found

    def _applicable(self, configs: PolicyConfigs, authorizer: Authorizer) -> Applicable:
        return Applicable(configs, self.registry, self.catalog, self._namespace, authorizer)

    def _follow(self) -> None:
        for resource, follow in self._followed():
            self.registry.committed[resource.prefix] = follow
        self.registry.committed[self._crds.prefix] = self._establishing.committed
        self.registry.committed[self._builtin("", "v1", "events").prefix] = self._expiry.written

    def _followed(self) -> Iterator[tuple[ServedResource, Committed]]:
        for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
            yield self._builtin("admissionregistration.k8s.io", "v1", plural), self._webhook_written
        for kind, follow in (("mutating", self._mutating_written), ("validating", self._validating_written)):
            for plural in (f"{kind}admissionpolicies", f"{kind}admissionpolicybindings"):
                yield self._builtin("admissionregistration.k8s.io", "v1", plural), follow
        yield self._builtin("apiregistration.k8s.io", "v1", "apiservices"), self._api_service_written
        for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"):
            yield self._builtin("rbac.authorization.k8s.io", "v1", plural), self._rbac_written
        yield from self._equipment.followers

    async def _webhook_written(self, _resource: ServedResource, obj: Object, deleted: bool) -> None:
        self.webhooks.update(obj, deleted=deleted)

    async def _mutating_written(self, _resource: ServedResource, obj: Object, deleted: bool) -> None:
        self.mutating.update(obj, deleted=deleted)

    async def _validating_written(self, _resource: ServedResource, obj: Object, deleted: bool) -> None:
        self.validating.update(obj, deleted=deleted)

    async def _rbac_written(self, _resource: ServedResource, obj: Object, deleted: bool) -> None:
        self.rbac.update(obj, deleted=deleted)

    async def _api_service_written(self, _resource: ServedResource, obj: Object, deleted: bool) -> None:
        self.aggregation.update(obj, deleted=deleted)
        self.catalog.aggregated = self.aggregation.versions()
        self.catalog.aggregated_resources.clear()
        self.catalog.aggregated_documents.clear()
        self.catalog.revision += 1

    async def _namespace(self, name: str) -> Object | None:
        entry = await self.store.get(self._namespaces.key("", name))
        return None if entry is None else codec.decode(self._namespaces, entry)

    async def _namespace_labels(self, name: str) -> Mapping[str, str]:
        entry = await self.store.get(self._namespaces.key("", name))
        return {} if entry is None else codec.memo(self._namespaces, entry).labels
