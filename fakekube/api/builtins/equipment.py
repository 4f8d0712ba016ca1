"""What built-in kinds need of their server beyond pure rules: its clock, its addresses, and who follows whose writes.

Called once, while the server is put together.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct, field

from fakekube.api.access.rbac import Rbac
from fakekube.api.admission.chain import Plugin
from fakekube.api.admission.plugins.concerned import Concerned
from fakekube.api.admission.plugins.default_storage_class import DefaultStorageClass
from fakekube.api.admission.plugins.escalation import Escalation
from fakekube.api.admission.plugins.following import Followed
from fakekube.api.admission.plugins.limit_ranger import LimitRanger
from fakekube.api.admission.plugins.pod_defaults import DefaultTolerationSeconds, Priority, RuntimeClass
from fakekube.api.admission.plugins.requester import Requester
from fakekube.api.admission.plugins.resource_quota import ResourceQuota
from fakekube.api.admission.plugins.service_account import ServiceAccount
from fakekube.api.admission.plugins.storage_protection import StorageProtection
from fakekube.api.builtins.strategies.apiservices import ApiServiceStrategy
from fakekube.api.builtins.strategies.certificates import SigningRequestStrategy
from fakekube.api.builtins.strategies.service_addresses import Addresses
from fakekube.api.builtins.strategies.services import ServiceStrategy
from fakekube.api.builtins.strategies.volumes import PersistentVolumeStrategy
from fakekube.api.registry.catalog import Catalog
from fakekube.api.registry.registry import Committed, Registry
from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.wire import Object

_TIMED = (ApiServiceStrategy, PersistentVolumeStrategy, SigningRequestStrategy)


class Equipment(Struct, frozen=True):
    """`plugin` and `last` belong into the admission chain; `followers` are told of writes and of what is stored."""

    plugin: Plugin
    last: Plugin  # counts what nobody may refuse any more
    followers: list[tuple[ServedResource, Committed]] = field(default_factory=list)


def equip(
    catalog: Catalog, registry: Registry, rbac: Rbac | None = None, *, service_accounts: bool = False
) -> Equipment:
    """Hand the server's parts to the strategies that need them; the plugins and followers that go with them.

    `rbac`, where it is enforced, judges roles and bindings too; `service_accounts` lets pods get theirs.
    """
    addresses = Addresses(registry.ids.random)
    for resource in catalog:
        if isinstance(resource.strategy, _TIMED):
            resource.strategy.clock = registry.clock
        elif isinstance(resource.strategy, ServiceStrategy):
            resource.strategy.addresses = addresses
    ranges, priorities, runtimes, classes = Followed(), Followed(), Followed(), Followed()
    accounts = Followed()
    plugin = Concerned(
        [
            LimitRanger(ranges),
            *([ServiceAccount(accounts)] if service_accounts else []),
            Priority(priorities),
            RuntimeClass(runtimes),
            DefaultTolerationSeconds(),
            DefaultStorageClass(classes),
            StorageProtection(),
            Requester(),
            *([Escalation(rbac)] if rbac else []),
        ]
    )

    quota = ResourceQuota(registry, catalog)

    async def follow_service(_resource: ServedResource, obj: Object, deleted: bool) -> None:
        addresses.follow(obj, deleted=deleted)

    followed: dict[tuple[str, str, str], Committed] = {
        ("", "v1", "services"): follow_service,
        ("", "v1", "limitranges"): ranges.committed,
        ("", "v1", "resourcequotas"): quota.committed,
        ("scheduling.k8s.io", "v1", "priorityclasses"): priorities.committed,
        ("node.k8s.io", "v1", "runtimeclasses"): runtimes.committed,
        ("storage.k8s.io", "v1", "storageclasses"): classes.committed,
    }
    if service_accounts:
        followed["", "v1", "serviceaccounts"] = accounts.committed
    return Equipment(plugin, quota, list(_resolved(catalog.find, followed)))


def _resolved(
    find: Callable[[str, str, str], ServedResource | None], followed: dict[tuple[str, str, str], Committed]
) -> Iterator[tuple[ServedResource, Committed]]:
    for address, committed in followed.items():
        resource = find(*address)
        assert resource is not None, address
        yield resource, committed
