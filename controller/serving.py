"""/metrics, /healthz and /readyz over HTTP. The only module of the controller that knows aiohttp."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving(
    host: str, port: int, *, metrics: Callable[[], str], ready: Callable[[], bool]
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port, which the system chooses when asked for 0."""

    async def show_metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(text=metrics(), headers=headers)

    async def show_health(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def show_readiness(_: web.Request) -> web.Response:
        return web.Response(text="ok") if ready() else web.Response(text="caches are not filled", status=503)

    application = web.Application()
    application.router.add_get("/metrics", show_metrics)
    application.router.add_get("/healthz", show_health)
    application.router.add_get("/readyz", show_readiness)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
