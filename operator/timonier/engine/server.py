"""The operator's own HTTP endpoints: `/metrics` on one port, `/livez` and `/readyz` on another."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from timonier.engine import metrics

__all__ = ["Check", "exposition", "serving"]

Check = Callable[[], str | None]
"""A health question: None when all is well, else what is wrong."""


@asynccontextmanager
async def serving(
    *, health_address: str, metrics_address: str, livez: Mapping[str, Check], readyz: Mapping[str, Check]
) -> AsyncIterator[None]:
    """Serve while the `async with` block runs. Addresses are `host:port`; an empty one serves nothing.

    Raises OSError when a port is taken.
    """
    health = web.Application()
    health.router.add_get("/livez", _probe(livez))
    health.router.add_get("/readyz", _probe(readyz))
    exposed = web.Application()
    exposed.router.add_get("/metrics", _metrics)
    runners: list[web.AppRunner] = []
    try:
        for address, application in ((health_address, health), (metrics_address, exposed)):
            if address:
                runners.append(await _listen(application, address))
        yield
    finally:
        for runner in runners:
            await runner.cleanup()


async def _listen(application: web.Application, address: str) -> web.AppRunner:
    host, _, port = address.rpartition(":")
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host or None, int(port)).start()
    return runner


def _probe(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        results = {name: check() for name, check in checks.items()}
        lines = [f"[{'-' if problem else '+'}] {name}: {problem or 'ok'}" for name, problem in results.items()]
        return web.Response(text="\n".join(lines) + "\n", status=503 if any(results.values()) else 200)

    return handler


async def _metrics(_: web.Request) -> web.Response:
    return exposition()


def exposition() -> web.Response:
    """All metrics, as Prometheus reads them."""
    # Prometheus' content type carries a charset, which aiohttp wants apart: the header is set whole instead.
    return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})
