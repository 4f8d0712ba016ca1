"""ConfigMaps and Secrets: keys, sizes, immutability, and what a Secret's type demands of its data.

Origin: k8s: pkg/apis/core/validation/validation.go (ValidateConfigMap, ValidateSecret), pkg/registry/core/{configmap,secret}/strategy.go
"""

import base64
import binascii
from typing import Any

import orjson

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks
from fakekube.machinery.field_errors import FieldError, forbidden, invalid, required, too_long
from fakekube.machinery.wire import Object

_LIMIT = 1024 * 1024
_OPAQUE = "Opaque"
_ACCOUNT = "kubernetes.io/service-account.name"
_FROZEN = "field is immutable when `immutable` is set"


class _Immutable(BuiltinStrategy):
    """What ConfigMaps and Secrets share: `immutable: true` freezes the data and stays."""

    metadata_rechecks = 2  # as recorded: a bad label is listed four times in all
    _frozen: tuple[str, ...] = ()

    def validate_update(self, new: Object, old: Object) -> Causes:
        found: Causes = []
        if old.get("immutable"):
            if not new.get("immutable"):
                found.append(forbidden("immutable", _FROZEN))
            found += [
                forbidden(member, _FROZEN)
                for member in self._frozen
                if (new.get(member) or {}) != (old.get(member) or {})
            ]
        return found + self.validate_create(new)


class ConfigMapStrategy(_Immutable):
    """Text in `data`, bytes in `binaryData`, no key in both, one mebibyte in all."""

    _frozen = ("data", "binaryData")

    def validate_create(self, obj: Object) -> Causes:
        found: Causes = []
        data, binary, size = obj.get("data"), obj.get("binaryData"), 0
        if data:
            for key, value in data.items():
                if not checks.is_config_key(key):
                    found += field_checks.texts(f"data[{key}]", key, checks.config_key(key))
                if binary and key in binary:
                    found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
                size += len(value) if value.isascii() else len(value.encode())
        if binary:
            for key, value in binary.items():
                if not checks.is_config_key(key):
                    found += field_checks.texts(f"binaryData[{key}]", key, checks.config_key(key))
                size += _decoded_size(value)
        if size > _LIMIT:
            found.append(too_long("[]", _LIMIT))
        return found


class SecretStrategy(_Immutable):
    """`stringData` goes into `data`; the type is fixed, and says which keys there must be."""

    _frozen = ("data",)

    def default(self, obj: Object) -> None:
        super().default(obj)
        strings = obj.pop("stringData", None)
        if strings:
            data = obj["data"] = obj.get("data") or {}
            for key, text in strings.items():
                data[key] = base64.b64encode(text.encode()).decode()
        if not obj.get("type"):
            obj["type"] = _OPAQUE

    def validate_update(self, new: Object, old: Object) -> Causes:
        return checks.immutable(new.get("type"), old.get("type"), "type") + super().validate_update(new, old)

    def validate_create(self, obj: Object) -> Causes:
        data: dict[str, str] = obj.get("data") or {}
        found: Causes = []
        size = 0
        for key, value in data.items():
            if not checks.is_config_key(key):
                found += field_checks.texts(f"data[{key}]", key, checks.config_key(key))
            size += _decoded_size(value)
        if size > _LIMIT:
            found.append(too_long("data", _LIMIT))
        kind = obj.get("type") or _OPAQUE
        if kind != _OPAQUE:
            found += _demands(kind, data, obj["metadata"])
        return found


def _demands(kind: str, data: dict[str, str], meta: dict[str, Any]) -> list[FieldError]:
    match kind:
        case "kubernetes.io/service-account-token":
            if not (meta.get("annotations") or {}).get(_ACCOUNT):
                return [required(f"metadata.annotations[{_ACCOUNT}]")]
        case "kubernetes.io/dockercfg":
            return _docker(data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            return _docker(data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                return [required("data[username]"), required("data[password]")]
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                return [required("data[ssh-privatekey]")]
        case "kubernetes.io/tls":
            return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    return []


def _docker(data: dict[str, str], key: str) -> list[FieldError]:
    if key not in data:
        return [required(f"data[{key}]")]
    try:
        orjson.loads(base64.b64decode(data[key]))
    except (binascii.Error, orjson.JSONDecodeError) as error:
        from fakekube.api.patching.go_syntax import error_text  # noqa: PLC0415 - only bad requests need it

        said = str(error) if isinstance(error, binascii.Error) else error_text(base64.b64decode(data[key]))
        return [invalid(f"data[{key}]", "<secret contents redacted>", said)]
    return []


def _decoded_size(text: str) -> int:
    return len(text) // 4 * 3 - text.count("=", -2) if text else 0
