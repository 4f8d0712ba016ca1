"""Clusters whose virt-controller comes from outside, and one that does: under its own account, which may do what its roles allow."""

import pytest

from tests.upstream.conftest import Make, Suite
from tests.upstream.foreign.go_migrations import VirtController

WITHOUT = ("virt-controller", "pool-controller")


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await suite_of(without=WITHOUT, service_accounts=True, rbac=True)


@pytest.fixture
async def go(suite: Suite) -> VirtController:
    return await VirtController.at(await suite.as_component("controller"))
