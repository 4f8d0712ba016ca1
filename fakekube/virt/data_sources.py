"""What DataSources stand for: a claim or a snapshot, or what another DataSource of the same namespace stands for. Pure.

Origin: cdi: pkg/controller/common/util.go (ResolveDataSourceChain), pkg/controller/datasource-controller.go
"""

from collections.abc import Callable

from fakekube.machinery.objects import Obj, dig, key, namespace
from fakekube.machinery.wire import Object


class UnresolvedError(Exception):
    """It stands for nothing; the text is why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def pointed(source: Obj) -> str:
    """The key of the DataSource it points to; or empty."""
    other = dig(source, "spec", "source", "dataSource")
    return f"{other.get('namespace') or namespace(source)}/{other.get('name')}" if other else ""


def resolved(source: Obj, find: Callable[[str], Obj | None]) -> Object:
    """Its `spec.source`, or that of the one it points to. Raises UnresolvedError."""
    own = pointed(source)
    if not own:
        return dict(dig(source, "spec", "source", default={}))
    if own == key(source):
        raise UnresolvedError("SelfReference", "DataSource cannot self-reference")
    space, _, name = own.partition("/")
    if space != namespace(source):
        text = "DataSource cannot reference a DataSource in another namespace"
        raise UnresolvedError("CrossNamespaceReference", text)
    target = find(own)
    if target is None:
        raise UnresolvedError("NotFound", f'datasources.cdi.kubevirt.io "{name}" not found')
    if pointed(target):
        text = "DataSource reference chain exceeds maximum depth of 1"
        raise UnresolvedError("MaxReferenceDepthReached", text)
    return dict(dig(target, "spec", "source", default={}))
