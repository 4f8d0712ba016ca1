"""A structural schema at work on custom resources: prune, default, validate. The walks live in the modules beside it.

One instance per version of a CRD; the closures are compiled on first use and kept on the nodes.
k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/registry/customresource/strategy.go
"""

from functools import cached_property

from fakekube.api.schema import metadata, problems, ratcheting, validating
from fakekube.api.schema.defaulting import defaulter
from fakekube.api.schema.leaves import Check
from fakekube.api.schema.model import Schema
from fakekube.api.schema.problems import Problem
from fakekube.api.schema.pruning import pruner
from fakekube.api.schema.ratcheting import Glance
from fakekube.machinery import field_errors
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.wire import Object

RULES_NOT_CHECKED = FieldError(
    field_errors.INVALID,
    problems.NOWHERE,
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete"
    " validation",
)
_BLOCKING = frozenset(
    {
        field_errors.NOT_SUPPORTED,
        field_errors.REQUIRED,
        field_errors.TOO_LONG,
        field_errors.TOO_MANY,
        field_errors.TYPE_INVALID,
    }
)


class Structural:
    """What a CRD's schema does to its objects."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @cached_property
    def _check(self) -> Check | None:
        return validating.checker(self.schema)

    @cached_property
    def _glance(self) -> Glance | None:
        return ratcheting.glance(self.schema, root=True)

    def prune(self, obj: Object, stored: Object | None = None) -> list[str]:
        """Remove unknown fields, in place; their paths, in the order warnings name them. What is shared with `stored` has
        none."""
        unknown = metadata.prune(obj.get("metadata"), "metadata")
        prune = pruner(self.schema, root=True)
        if prune is not None and (gone := prune(obj, stored or {})):
            unknown += sorted(gone)
        return unknown + metadata.prune_embedded(self.schema, obj)

    def default_keeping_nulls(self, obj: Object) -> None:
        """Fill in defaults, in place; nulls that are not allowed stay, for validation to complain about."""
        default = defaulter(self.schema, keep=True)
        if default is not None:
            default(obj)

    def default(self, obj: Object, stored: Object | None = None) -> None:
        """Fill in defaults and drop nulls that are not allowed, in place; what is shared with `stored` has been done."""
        default = defaulter(self.schema)
        if default is not None:
            default(obj, stored or {})

    def validate(self, new: Object, old: Object | None = None) -> list[FieldError]:
        """Everything wrong with a new object, or with a change from `old`, where unchanged faults are forgiven."""
        if old is not None and (self._glance is None or not self._glance(new, old)):
            return []
        found = self.problems(new)
        if found and old is not None:
            found = ratcheting.remaining(found, new, old, self.schema, self.problems(old))
        return problems.field_errors_of(found) if found else []

    def problems(self, obj: Object) -> list[Problem]:
        return (self._check(obj) if self._check is not None else None) or []


def blocks_rules(errors: list[FieldError]) -> bool:
    """Whether these errors keep the CEL rules from being checked."""
    return any(error.type in _BLOCKING for error in errors)
