"""Protobuf as Go's clients send it: messages from field numbers, wrapped as the API expects them.

k8s: staging/src/k8s.io/api/*/generated.proto, apimachinery/pkg/runtime/serializer/protobuf
"""

from collections.abc import Mapping
from typing import Any

from tests.api.protobuf.encoding import blob, whole

PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPT = f"{PROTOBUF}, */*"  # of a typed client
METADATA = ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
ACCEPT_METADATA = f"{PROTOBUF}{METADATA},application/json{METADATA},application/json"
ACCEPT_METADATA_LIST = ACCEPT_METADATA.replace("PartialObjectMetadata", "PartialObjectMetadataList")

Fields = Mapping[int, Any]


def body(api_version: str, kind: str, fields: Fields) -> bytes:
    """A request body: the magic bytes and a runtime.Unknown."""
    unknown = {1: {1: api_version, 2: kind}, 2: message(fields), 3: "", 4: ""}
    return b"k8s\x00" + message(unknown)


def message(fields: Fields) -> bytes:
    """Numbers → values: text, bytes, numbers, messages as mappings, lists for repeated fields."""
    return b"".join(
        _field(number, one)
        for number, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    )


def pairs(values: Mapping[str, str]) -> list[Fields]:
    """A map of texts: its entries are messages."""
    return [{1: key, 2: value} for key, value in values.items()]


def meta(name: str = "", namespace: str = "", **more: Any) -> Fields:
    """ObjectMeta; as in Go, the empty time of creation is always there."""
    found = {1: name, 2: "", 3: namespace, 4: "", 5: more.get("uid", ""), 6: more.get("version", ""), 8: {}}
    return {**found, 11: pairs(more.get("labels", {})), 13: more.get("owners", [])}


def _field(number: int, value: Any) -> bytes:
    if isinstance(value, bool | int):
        return whole(number, int(value))
    if isinstance(value, Mapping):
        value = message(value)
    return blob(number, value)
