"""Every kind the tables know, there and back: objects made at random, encoded field by field, are decoded as they were."""

import base64
import random
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from fakekube.api.protobuf import tables
from fakekube.api.protobuf.decoder import MAGIC, decode
from fakekube.api.types import definitions
from tests.api.protobuf.encoding import blob, varint, whole

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
DEPTH = 4  # of messages within messages: some contain themselves
MOMENT = 1_800_000_000


class Maker:
    """Random values with their encodings. None is empty, so that JSON leaves none out."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def text(self) -> str:
        return "".join(self.random.choices("abcäß-./😀", k=self.random.randint(1, 8)))

    def message(self, name: str, depth: int = 0) -> tuple[Any, bytes]:
        """A message's JSON and its content."""
        if name in SPECIAL:
            return SPECIAL[name](self)
        rows = tables.messages()[name]
        if name not in definitions() and [row[1:3] for row in rows] == [["items", "*string"]]:
            texts = [self.text(), self.text()]
            return texts, b"".join(blob(1, text.encode()) for text in texts)
        members: dict[str, Any] = {}
        content = b""
        for number, member, type_, _ in rows:
            if depth >= DEPTH and "." in type_ and type_.lstrip("*%") not in SPECIAL:
                continue
            if self.random.random() < 0.3:
                continue
            value, encoded = self.field(number, type_, depth)
            content += encoded
            if member:
                members[member] = value
            else:
                members |= value
        return members, content

    def field(self, number: int, type_: str, depth: int) -> tuple[Any, bytes]:
        if type_[0] == "*":
            made = [self.field(number, type_[1:], depth) for _ in range(self.random.randint(1, 2))]
            return [value for value, _ in made], b"".join(encoded for _, encoded in made)
        if type_[0] == "%":
            key = self.text()
            value, encoded = self.field(2, type_[1:], depth)
            return {key: value}, blob(number, blob(1, key.encode()) + encoded)
        match type_:
            case "string":
                value = self.text()
                return value, blob(number, value.encode())
            case "int":
                value = self.random.choice([1, 127, 128, 2**31 - 1, -1, -(2**31)])
                return value, whole(number, value)
            case "bool":
                return True, whole(number, 1)
            case "double":
                return 0.5, varint(number << 3 | 1) + struct.pack("<d", 0.5)
            case "bytes":
                data = self.random.randbytes(3)
                return base64.b64encode(data).decode(), blob(number, data)
        value, content = self.message(type_, depth + 1)
        return value, blob(number, content)

    # What JSON writes otherwise.

    def time(self) -> tuple[str, bytes]:
        at = MOMENT + self.random.randint(0, 10**6)
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), whole(1, at) + whole(2, 0)

    def microtime(self) -> tuple[str, bytes]:
        text, _ = self.time()
        at = int(datetime.fromisoformat(text).timestamp())
        return text[:-1] + ".000250Z", whole(1, at) + whole(2, 250_000)

    def quantity(self) -> tuple[str, bytes]:
        return "1500m", blob(1, b"1500m")

    def intorstring(self) -> tuple[int | str, bytes]:
        if self.random.random() < 0.5:
            return 8080, whole(1, 0) + whole(2, 8080) + blob(3, b"")
        return "http", whole(1, 1) + whole(2, 0) + blob(3, b"http")

    def rawextension(self) -> tuple[Any, bytes]:
        value = {"a": [1, {"b": None}]}
        return value, blob(1, orjson.dumps(value))

    def fieldsv1(self) -> tuple[Any, bytes]:
        value = {"f:spec": {".": {}}}
        return value, blob(1, orjson.dumps(value))


SPECIAL: dict[str, Callable[[Maker], tuple[Any, bytes]]] = {
    f"{META}Time": Maker.time,
    f"{META}MicroTime": Maker.microtime,
    f"{META}FieldsV1": Maker.fieldsv1,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": Maker.rawextension,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": Maker.quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": Maker.intorstring,
}


@pytest.mark.parametrize(
    "group", sorted({version.rpartition("/")[0] or "core" for version, _ in tables.by_kind()})
)
def test_there_and_back(group: str) -> None:
    """Whatever a kind can hold survives, nested messages, maps and lists included."""
    kinds = [one for one in tables.by_kind() if (one[0].rpartition("/")[0] or "core") == group]
    assert kinds
    for api_version, kind in kinds:
        message = tables.by_kind()[api_version, kind]
        for attempt in range(3):
            members, content = Maker(f"{message} {attempt}").message(message)
            type_meta = blob(1, api_version.encode()) + blob(2, kind.encode())
            body = MAGIC + blob(1, type_meta) + blob(2, content) + blob(3, b"") + blob(4, b"")
            assert decode(body) == {**members, "apiVersion": api_version, "kind": kind}, (kind, attempt)
