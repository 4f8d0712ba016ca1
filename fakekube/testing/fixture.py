"""The body of `afakekube`, for whoever runs the loop."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakekube.testing import requested


async def afakekube(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A cluster in the test's own event loop, whose time stands still until it is moved."""
    if asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises, which would be shown as well
        pytest.fail(
            "afakekube lives in asyncio's event loop, and anyio runs this test in another one: have the fixture "
            "`anyio_backend` return 'asyncio'",
            pytrace=False,
        )
    from fakekube.testing import templates  # noqa: PLC0415 - see the plugin: nothing before it is asked for
    from fakekube.testing.kit import Fakekube  # noqa: PLC0415

    real = request.config.getoption("--fakekube-kubeconfig")
    if real:
        from fakekube.testing.real import on_real_cluster  # noqa: PLC0415

        kit = await on_real_cluster(real, request.node.name)
    else:
        chosen = requested.options(request)
        cluster = await templates.cluster(chosen, chosen.clock or "manual", requested.origin(request))
        kit = await Fakekube.started(cluster, chosen)
    requested.remember(request.node, kit)
    async with kit:
        yield kit
