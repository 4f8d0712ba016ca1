"""Who asked the API for what during a test, where the server remembers it: fakekube does, a real one does not."""

import json
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from conformance.kube import AGENT

_SECONDS = 5.0
_MOST = 400


def requests(server: str, namespace: str, now: float) -> list[list[Any]]:
    """[seconds, client, what, status, message] of each write in the namespace but our own; `now` is the test's clock."""
    if not server.startswith("http:"):  # one with a password is no fakekube that this suite has started
        return []
    query = urlencode({"namespace": namespace, "verb": "write", "limit": _MOST})
    try:
        moment = datetime.fromisoformat(_get(f"{server}/fakekube/clock")["now"])
        items = _get(f"{server}/fakekube/requests?{query}")["items"]
    except (OSError, ValueError, KeyError):
        return []
    return [
        [
            round(now - (moment - datetime.fromisoformat(one["time"])).total_seconds(), 3),
            one.get("userAgent", "").partition("/")[0] or one.get("user", ""),
            _what(one),
            one.get("status", 0),
            one.get("message", ""),
        ]
        for one in items
        if not one.get("userAgent", "").startswith(AGENT)
    ]


def _what(one: dict[str, Any]) -> str:
    kind = "/".join(one[part] for part in ("resource", "subresource") if part in one)
    return " ".join(part for part in (one["verb"], kind, one.get("name", "")) if part)


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
        return json.load(answer)
