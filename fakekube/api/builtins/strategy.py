"""The strategy every built-in kind has: typed decoding, members that always show, and flags from the resource tables.

Per-kind rules are subclasses in `strategies/`; they extend `default` and the hooks, and call what is here first.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct

from fakekube.api import typed
from fakekube.api.builtins import zeros
from fakekube.api.builtins.selectable import SELECTABLE
from fakekube.api.registry.strategy import Strategy
from fakekube.api.schema.model import Schema
from fakekube.api.types import definitions
from fakekube.machinery.wire import Object


class Traits(Struct, frozen=True):
    """How a kind differs from most, as the tables say it."""

    generation: bool = False  # its objects carry metadata.generation
    graceful: bool = False
    create_on_update: bool = False
    conditional_update: bool = False  # PUT must name a resourceVersion
    returns_deleted: bool = False
    names: str = "subdomain"
    propagation: str = "Background"


PLAIN = Traits()
# What a `/status` write leaves alone is the spec; who writes status may also label, annotate and finalize.
_WITH_STATUS = ("labels", "annotations", "finalizers", "ownerReferences")
_STATUS_METADATA: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): ("annotations", "finalizers", "ownerReferences"),
    ("", "Pod"): ("labels", "annotations", "finalizers"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (),
    ("apiregistration.k8s.io", "APIService"): (),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): (),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): (),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): (),
    ("resource.k8s.io", "ResourceClaim"): (),
}

_ANY_FINALIZERS = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "coordination.k8s.io",
        "policy",
    }
)


class BuiltinStrategy(Strategy):
    """One kind in one version. Everything that needs the schema waits until a request asks for it."""

    def __init__(
        self,
        group: str,
        version: str,
        kind: str,
        definition: str,
        *,
        status: bool = False,
        traits: Traits = PLAIN,
    ) -> None:
        self.group = group
        self.version = version
        self.kind = kind
        self.definition = definition
        self.status_subresource = status
        self.status_metadata = _STATUS_METADATA.get((group, kind), _WITH_STATUS)
        self.selectable = SELECTABLE.get((group, kind), {})
        self.has_generation = traits.generation
        self.graceful = traits.graceful
        self.allow_create_on_update = traits.create_on_update
        self.unconditional_update = not traits.conditional_update
        self.delete_returns_object = traits.returns_deleted
        self.name_rule = traits.names
        self.qualified_finalizers = group not in _ANY_FINALIZERS
        self.default_propagation = traits.propagation

    @cached_property
    def schema(self) -> Schema | None:  # type: ignore[override]  # lazily: start-up must not load every type
        return definitions()[self.definition]

    @cached_property
    def empty_members(self) -> Mapping[str, Any]:  # type: ignore[override]
        properties = definitions().raw[self.definition].get("properties") or {}
        return zeros.members(
            self.group, self.version, self.kind, spec="spec" in properties, status="status" in properties
        )

    def prune(self, obj: Object) -> Sequence[str]:
        """Decode into the type. Raises BadRequest where Go's decoder refuses."""
        return typed.decode(obj, self.definition)

    def default(self, obj: Object) -> None:
        zeros.fill(obj, self.empty_members)
