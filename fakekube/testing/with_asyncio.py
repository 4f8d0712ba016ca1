"""`afakekube` for pytest-asyncio (and so pytest-aiohttp), in all of its modes. Imported where that plugin is active."""

import pytest_asyncio

from fakekube.testing import fixture

afakekube = pytest_asyncio.fixture(fixture.afakekube)
