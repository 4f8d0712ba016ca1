"""Custom resources in the version they are stored in, and back: what the schema of each version does on the way.

Whatever lies in the store has the defaults of the version it was stored in: of its present schema, too, should the definition have
been edited since. The version somebody reads it in drops what its own schema does not know, and defaults nothing.

k8s: staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go (crdConversionRESTOptionsGetter)
"""

from collections.abc import Callable, Mapping
from typing import Any

from fakekube.api.registry.strategy import Converter
from fakekube.api.schema.model import Schema
from fakekube.api.schema.structural import Structural
from fakekube.machinery.copying import copy_of
from fakekube.machinery.wire import Object


class Schemas:
    """The schemas of one definition by apiVersion, read when they are first needed. `edited`: objects may have been written
    under others."""

    def __init__(
        self, read: Mapping[str, Callable[[], Mapping[str, Any]]], stored: str, *, edited: bool
    ) -> None:
        self._read = read
        self._known: dict[str, Structural] = {}
        self.stored = stored
        self.edited = edited

    def of(self, api_version: str) -> Structural:
        known = self._known.get(api_version)
        if known is None:
            known = self._known[api_version] = Structural(Schema(self._read[api_version]()))
        return known

    def refresh(self, obj: Object) -> None:
        """Bring an object as it lies in the store up to the present schema of its version, in place."""
        if self.edited and (version := obj["apiVersion"]) in self._read:
            self.complete(obj, version)

    def complete(self, obj: Object, api_version: str) -> None:
        """Make it an object of this version to be stored, in place: known fields only, and all defaults."""
        structural = self.of(api_version)
        structural.prune(obj)
        structural.default(obj)


def converters(schemas: Schemas, own: str) -> tuple[Converter | None, Converter | None]:
    """Ways from the version `own` to the stored one and back, where nobody is asked to convert. Objects of an untouched
    definition lie in the store as they are read in the stored version."""
    if own == schemas.stored and not schemas.edited:
        return None, None

    def to_storage(obj: Object) -> Object:
        converted = {**copy_of(obj), "apiVersion": schemas.stored}
        schemas.complete(converted, schemas.stored)
        return converted

    def from_storage(obj: Object) -> Object:
        schemas.refresh(obj)
        if obj["apiVersion"] != own:
            schemas.of(own).prune(obj)
        return obj

    return None if own == schemas.stored else to_storage, from_storage
