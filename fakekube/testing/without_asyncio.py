"""`afakekube` for everybody who runs asynchronous fixtures without a mark of their own, as anyio does."""

import pytest

from fakekube.testing import fixture

afakekube = pytest.fixture(fixture.afakekube)
