"""Service account tokens: JSON Web Tokens that name their subject, signed with a key of this process (RS256).

The key is made for the first token, and tokens end with the process that made them.

Origin: k8s: pkg/serviceaccount/{jwt,openidmetadata}.go
"""

import base64
import hashlib
from functools import cache

import orjson

from fakekube.api.access import rsa
from fakekube.machinery.wire import Object

ALGORITHM = "RS256"


@cache
def _key() -> rsa.Key:
    return rsa.generate()


def make(claims: Object) -> str:
    """A token with these claims."""
    head = {"alg": ALGORITHM, "kid": _key_id(_key())}
    said = f"{_text(orjson.dumps(head))}.{_text(orjson.dumps(claims))}"
    return f"{said}.{_text(_key().sign(said.encode()))}"


def read(text: str) -> Object | None:
    """The claims of a token made here, else None."""
    said, _, signature = text.rpartition(".")
    if said.count(".") != 1 or not text.isascii():
        return None
    try:
        if not _key().verify(said.encode(), _bytes(signature)):
            return None
        claims = orjson.loads(_bytes(said.partition(".")[2]))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) and isinstance(claims.get("sub"), str) else None


def public_keys() -> Object:
    """The key set with which anybody can check a token."""
    key = _key()
    number, exponent = key.modulus.to_bytes(key.size), rsa.EXPONENT.to_bytes(3)
    shown = {"use": "sig", "kty": "RSA", "kid": _key_id(key), "alg": ALGORITHM}
    return {"keys": [{**shown, "n": _text(number), "e": _text(exponent)}]}


def _key_id(key: rsa.Key) -> str:
    return _text(hashlib.sha256(key.modulus.to_bytes(key.size)).digest())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
