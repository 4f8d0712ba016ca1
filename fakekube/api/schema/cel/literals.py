"""String and byte literals: quotes, raw forms, escapes.

cel-spec: doc/langdef.md (String and Bytes Values)
"""

import re

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ITSELF = "\\?\"'`"
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)


def text(token: str) -> str | bytes:
    """The value of a literal with its quotes. Raises ValueError for an escape that means nothing."""
    body = token.lstrip("rRbB")
    flags = token[: len(token) - len(body)].lower()
    quotes = 3 if body[:3] in ("'''", '"""') and len(body) >= 6 else 1
    body = body[quotes:-quotes]
    if "b" in flags:
        return body.encode() if "r" in flags else b"".join(_byte_parts(body))
    return body if "r" in flags else _ESCAPE.sub(_char, body)


def _char(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code:
        return _chr(int(code, 16), match)
    return chr(int(match[4], 8)) if match[4] else _named(match)


def _chr(code: int, match: re.Match[str]) -> str:
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"unable to unescape string: {match[0]}")
    return chr(code)


def _named(match: re.Match[str]) -> str:
    if match[5] not in _ESCAPES and match[5] not in _ITSELF:
        raise ValueError(f"unable to unescape string: {match[0]}")
    return _ESCAPES.get(match[5], match[5])


def _byte_parts(body: str) -> list[bytes]:
    r"""In bytes, `\x` and octal escapes are single bytes, everything else is UTF-8."""
    found = []
    at = 0
    for match in _ESCAPE.finditer(body):
        found.append(body[at : match.start()].encode())
        if match[1] or match[4]:
            found.append(bytes([int(match[1], 16) if match[1] else int(match[4], 8)]))
        else:
            found.append(_char(match).encode())
        at = match.end()
    return [*found, body[at:].encode()]
