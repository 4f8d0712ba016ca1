"""Make `fields.json.gz` from a Go program that carries the Kubernetes types: any kubectl does.

    python -m fakekube.api.protobuf.generate /path/to/kubectl

Such a program holds each `generated.proto` as a compressed descriptor (fields, numbers, types), and the struct tags of the
Go types, from which follows what JSON leaves out: protobuf always carries a field that is no pointer, JSON omits it when
it is empty. Only messages behind the served built-in types are kept, under their OpenAPI names.

A message in the table is a list of [number, name, type, omit]: `type` is string, bytes, int, bool, double, or a message;
with `*` in front it repeats, with `%` it is a map from text. An empty name means the members belong to the parent.
"""

import gzip
import re
import struct
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from fakekube.api.types import definitions

HERE = Path(__file__).parent
_SCALARS = {1: "double", 3: "int", 4: "int", 5: "int", 8: "bool", 9: "string", 12: "bytes", 13: "int"}
_MESSAGE, _REPEATED, _POINTER = 11, 3, 22
_TAG = re.compile(
    rb'(?:json:"(?P<json>[^"]*)" (?:[a-zA-Z]+:"[^"]*" )*)?protobuf:"(?P<proto>[^"]*)"(?: json:"(?P<later>[^"]*)")?'
)

# Types the kubectl at hand knows under an older version only; their fields kept their numbers.
_ALIASES = {
    "io.k8s.api.resource.v1.": "io.k8s.api.resource.v1beta2.",
    "io.k8s.api.storage.v1.VolumeAttributesClass": "io.k8s.api.storage.v1beta1.VolumeAttributesClass",
    "io.k8s.api.admissionregistration.v1.": "io.k8s.api.admissionregistration.v1alpha1.",
}
# Fields younger than it.
_CORE = "io.k8s.api.core.v1."
_YOUNGER: Mapping[str, list[list[Any]]] = {
    f"{_CORE}PodSpec": [[41, "hostnameOverride", "string", 0]],
    f"{_CORE}Container": [[25, "restartPolicyRules", f"*{_CORE}ContainerRestartRule", 1]],
    f"{_CORE}EphemeralContainerCommon": [[25, "restartPolicyRules", f"*{_CORE}ContainerRestartRule", 1]],
    f"{_CORE}ContainerRestartRule": [
        [1, "action", "string", 1],
        [2, "exitCodes", f"{_CORE}ContainerRestartRuleOnExitCodes", 0],
    ],
    f"{_CORE}ContainerRestartRuleOnExitCodes": [[1, "operator", "string", 1], [2, "values", "*int", 1]],
    f"{_CORE}EnvVarSource": [[5, "fileKeyRef", f"{_CORE}FileKeySelector", 0]],
    f"{_CORE}FileKeySelector": [
        [1, "volumeName", "string", 0],
        [2, "path", "string", 0],
        [3, "key", "string", 0],
        [4, "optional", "bool", 0],
    ],
}

Field = tuple[str, int, int, int, str]  # name, number, label, type, type name
Tags = Mapping[
    frozenset[tuple[int, str]], Mapping[int, bool]
]  # a struct's (number, name)s → number → omitted when empty


def main(program: str) -> None:
    binary = Path(program).read_bytes()
    messages = dict(_messages(binary))
    tags = _struct_tags(binary)
    table: dict[str, list[list[Any]]] = {}
    queue = [name for name in definitions().raw if _known(name, messages)]
    queue += ["io.k8s.apimachinery.pkg.runtime.Unknown"]
    while queue:
        name = queue.pop()
        if name in table:
            continue
        table[name] = [*_fields(name, messages, tags), *_YOUNGER.get(name, [])]
        for _, _, type_, _ in table[name]:
            below = type_.lstrip("*%")
            if "." in below:
                queue.append(below)
    packed = gzip.compress(orjson.dumps(table, option=orjson.OPT_SORT_KEYS), compresslevel=9, mtime=0)
    (HERE / "fields.json.gz").write_bytes(packed)
    print(f"fields.json.gz: {len(table)} messages, {len(packed)} bytes")  # noqa: T201 - a tool speaks on stdout


def _known(name: str, messages: Mapping[str, list[Field]]) -> str | None:
    """The name a type goes by in the program."""
    if name in messages:
        return name
    for new, old in _ALIASES.items():
        if name.startswith(new) and name.replace(new, old) in messages:
            return name.replace(new, old)
    return None


# ── descriptors ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _messages(binary: bytes) -> Iterator[tuple[str, list[Field]]]:
    at = -1
    while (at := binary.find(b"\x1f\x8b\x08", at + 1)) >= 0:
        try:
            text = zlib.decompressobj(wbits=31).decompress(binary[at : at + 400_000], 5_000_000)
        except zlib.error:
            continue
        if b"generated.proto" in text[:120]:
            yield from _file(text)


def _file(text: bytes) -> Iterator[tuple[str, list[Field]]]:
    package = next(value for number, value in _parse(text) if number == 2).decode()
    for number, value in _parse(text):
        if number == 4:
            yield from _message(value, package)


def _message(text: bytes, parent: str) -> Iterator[tuple[str, list[Field]]]:
    name = f"{parent}.{next(value for number, value in _parse(text) if number == 1).decode()}"
    fields = []
    for number, value in _parse(text):
        if number == 2:
            one = dict(_parse(value))
            type_name = _openapi_name(one.get(6, b"").decode().lstrip("."))
            fields.append((one[1].decode(), one[3], one[4], one[5], type_name))
        elif number == 3:
            yield from _message(value, name)
    yield _openapi_name(name), fields


def _openapi_name(name: str) -> str:
    return name.replace("k8s.io.", "io.k8s.", 1).replace("_", "-")


def _parse(text: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(text):
        key, at = _varint(text, at)
        if key & 7 == 0:
            value, at = _varint(text, at)
            yield key >> 3, value
        else:
            size, at = _varint(text, at)
            yield key >> 3, text[at : at + size]
            at += size


def _varint(text: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = text[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


# ── struct tags ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _struct_tags(binary: bytes) -> Tags:
    """What the Go structs say. A field of a struct type is three words: name record, type, offset; they stand in a row.

    Go: src/internal/abi/type.go (Name, StructField, Type). Works on the 64-bit ELF executables Go links by default.
    """
    start, size, address = _read_only_data(binary)
    shift = address - start
    records = dict(_records(binary, shift))
    words = array("Q")
    words.frombytes(binary[start : start + size // 8 * 8])
    found: dict[frozenset[tuple[int, str]], dict[int, bool]] = {}
    row: list[tuple[int, str, bool]] = []
    last = -3
    for at, word in enumerate(words):
        record = records.get(word)
        if record is None:
            continue
        if at != last + 3 and row:
            _keep(found, row)
            row = []
        number, name, omits = record
        kind = binary[words[at + 1] - shift + 23] & 31
        row.append((number, name, omits and kind != _POINTER))
        last = at
    _keep(found, row)
    return found


def _keep(found: dict[frozenset[tuple[int, str]], dict[int, bool]], row: list[tuple[int, str, bool]]) -> None:
    key = frozenset((number, name) for number, name, _ in row)
    found.setdefault(key, {number: omit for number, _, omit in row})


def _read_only_data(binary: bytes) -> tuple[int, int, int]:
    """(offset, size, address) of the segment that is read only: Go keeps its types there."""
    table, entry, count = struct.unpack_from("<Q", binary, 32)[0], *struct.unpack_from("<HH", binary, 54)
    for index in range(count):
        kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", binary, table + index * entry)
        if kind == 1 and flags == 4:
            return offset, size, address
    raise SystemExit("no read-only segment: is this a 64-bit ELF program?")


def _records(binary: bytes, shift: int) -> Iterator[tuple[int, tuple[int, str, bool]]]:
    """Address of a name record → (protobuf number, protobuf name, omitted by JSON when empty)."""
    for match in _TAG.finditer(binary):
        at = _record_start(binary, match.start(), match.end() - match.start())
        parts = match["proto"].decode().split(",")
        name = next((part.removeprefix("name=") for part in parts if part.startswith("name=")), "")
        if at is None or len(parts) < 2 or not parts[1].isdigit():
            continue
        said = (match["json"] or match["later"] or b"").decode()
        yield at + shift, (int(parts[1]), name, "omit" in said)


def _record_start(binary: bytes, tag: int, size: int) -> int | None:
    """A record is a byte of flags, the name with its length, the tag with its length."""
    prefix = 1 if size < 128 else 2
    for length in range(1, 64):
        at = tag - prefix - length - 2
        if binary[at + 1] == length and binary[at] & 2 and binary[at + 2 : at + 2 + length].isalnum():
            return at
    return None


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fields(name: str, messages: Mapping[str, list[Field]], tags: Tags) -> list[list[Any]]:
    own = _known(name, messages)
    fields = messages[own] if own else []
    omitted = tags.get(frozenset((number, field) for field, number, *_ in fields), {})
    properties = {one.lower(): one for one in definitions().raw.get(name, {}).get("properties", {})}
    rows: list[list[Any]] = []
    for field, number, label, type_, type_name in fields:
        shown = properties.get(field.lower(), field)
        if properties and field.lower() not in properties:
            if type_ != _MESSAGE:
                continue  # a field of old that is no longer part of the type
            shown = ""
        kind = _SCALARS.get(type_) or _current(type_name)
        if (
            type_ == _MESSAGE
            and type_name.endswith("Entry")
            and type_name in messages
            and type_name.startswith(f"{own}.")
        ):
            value = messages[type_name][1]
            kind = "%" + (_SCALARS.get(value[3]) or _current(value[4]))
        elif label == _REPEATED:
            kind = f"*{kind}"
        rows.append([number, shown, kind, int(omitted.get(number, False))])
    return rows


def _current(type_name: str) -> str:
    for new, old in _ALIASES.items():
        if type_name.startswith(old):
            return type_name.replace(old, new)
    return type_name


if __name__ == "__main__":
    main(sys.argv[1])
