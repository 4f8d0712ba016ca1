"""What admission sees of a write."""

from dataclasses import dataclass, field
from typing import Any

from fakekube.api.registry.strategy import ServedResource
from fakekube.machinery.wire import Object, User

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass(slots=True)
class Attributes:
    """One write on its way to the registry. Mutating admission may replace `obj`."""

    operation: str
    resource: ServedResource
    namespace: str
    name: str
    obj: Object | None
    old: Object | None
    user: User
    subresource: str = ""
    kind: tuple[str, str, str] | None = None  # (group, version, kind) of obj where a subresource has its own
    dry_run: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
