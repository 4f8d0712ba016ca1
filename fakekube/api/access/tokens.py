"""Service account tokens: JSON Web Tokens that name their subject. They are not signed: nothing behind them is a secret."""

import base64

import orjson

from fakekube.machinery.wire import Object


def make(claims: Object) -> str:
    """A token with these claims."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in parts) + "."
    )


def read(text: str) -> Object | None:
    """The claims of a token made here, else None."""
    parts = text.split(".")
    if len(parts) != 3 or parts[2]:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) and isinstance(claims.get("sub"), str) else None
