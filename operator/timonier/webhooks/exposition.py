"""`/metrics` over TLS, for those who may: whoever asks shows a token, and needs the permission `get` on that path."""

from typing import Final

from aiohttp import web

from timonier.engine.errors import ApiError
from timonier.engine.server import exposition
from timonier.webhooks.access import Access

__all__ = ["METRICS_PATH", "Exposition"]

METRICS_PATH: Final = "/metrics"
_LONGEST_TOKEN: Final = 16_384


class Exposition:
    """Answers Prometheus. What cannot be found out is refused."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def answer(self, request: web.Request) -> web.Response:
        """200 with the metrics, 401 without a good token, 403 without the permission, 503 where nobody can tell."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(token) <= _LONGEST_TOKEN:
            return _refused(401, "a bearer token is needed, such as that of a service account")
        try:
            subject = await self._access.subject_of(token)
            if subject is None:
                return _refused(401, "the token is not valid in this cluster")
            if not await self._access.may_get(subject, METRICS_PATH):
                return _refused(403, f"{subject.username} may not get {METRICS_PATH}: bind timonier-metrics-reader")
        except ApiError as error:
            return _refused(503, f"it could not be found out who may read this: {error.message}")
        return exposition()


def _refused(status: int, text: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.Response(status=status, text=f"{text}\n", headers=headers)
