"""Creating and changing built-in objects, with what the server says to it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.conftest import Ask, json_of

Obj = dict[str, Any]
Send = Callable[..., Awaitable[Obj]]


@pytest.fixture
def create(ask: Ask) -> Send:
    """create(collection path, name, **members) → the stored object, or the Status that refuses it."""

    async def send(path: str, name: str, /, **members: Any) -> Obj:
        meta = {"name": name, **members.pop("metadata", {})}
        return json_of(await ask("POST", path, {"metadata": meta, **members}))

    return send


@pytest.fixture
def change(ask: Ask) -> Send:
    """change(object path, merge patch) → the changed object, or the Status that refuses it."""

    async def send(path: str, patch: Obj, /) -> Obj:
        return json_of(await ask("PATCH", path, patch, media="application/merge-patch+json"))

    return send


def said(status: Obj) -> list[str]:
    """`field: message` of every cause; empty for an object."""
    causes = (status.get("details") or {}).get("causes") or []
    return [f"{cause.get('field')}: {cause['message']}" for cause in causes]
