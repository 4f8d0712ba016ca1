"""`afakekube` for pytest-asyncio (and so pytest-aiohttp), in all of its modes. Imported where that plugin is active."""

import inspect
from collections.abc import Generator

import pytest
import pytest_asyncio

from fakekube.testing import fixture

afakekube = pytest_asyncio.fixture(fixture.afakekube)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Generator[None, object, object]:
    """Mark coroutines that ask for `afakekube`, before the other plugin looks for its mark: strict is what it is by default."""
    made = yield
    for item in made if isinstance(made, list) else [made]:
        if (
            isinstance(item, pytest.Function)
            and inspect.iscoroutinefunction(item.obj)
            and "afakekube" in item.fixturenames
            and not item.get_closest_marker("anyio")
        ):
            item.add_marker("asyncio")
    return made
