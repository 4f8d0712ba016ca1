"""Service account tokens: JSON Web Tokens that name their subject, signed with a key of this process.

The real server signs with an RSA key whose public half anybody may read; here nobody but this server reads tokens, so a
symmetric key does. Tokens end with the process that made them.
"""

import base64
import hashlib
import hmac
import secrets

import orjson

from fakekube.machinery.wire import Object

_KEY = secrets.token_bytes(32)
_HEAD = {"alg": "HS256", "typ": "JWT"}


def make(claims: Object) -> str:
    """A token with these claims."""
    said = f"{_text(orjson.dumps(_HEAD))}.{_text(orjson.dumps(claims))}"
    return f"{said}.{_signature(said)}"


def read(text: str) -> Object | None:
    """The claims of a token made here, else None."""
    said, _, signature = text.rpartition(".")
    if said.count(".") != 1 or not hmac.compare_digest(signature.encode(), _signature(said).encode()):
        return None
    claims = orjson.loads(_bytes(said.partition(".")[2]))
    return claims if isinstance(claims, dict) and isinstance(claims.get("sub"), str) else None


def _signature(said: str) -> str:
    return _text(hmac.new(_KEY, said.encode(), hashlib.sha256).digest())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
