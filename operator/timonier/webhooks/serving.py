"""One replica's webhook server: waits for its first certificate, serves, and takes up each new one as it comes."""

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from timonier.engine import metrics
from timonier.engine.errors import ApiError
from timonier.webhooks import server
from timonier.webhooks.certificates import Pair, pace
from timonier.webhooks.reviews import Answer

__all__ = ["Webhooks", "from_files"]

_FIRST_POLL: Final = 0.5

Source = Callable[[], Awaitable[Pair | None]]

logger = logging.getLogger(__name__)


def from_files(folder: Path) -> Source:
    """The certificate that OLM, or cert-manager, mounts and renews."""

    async def read() -> Pair | None:
        try:
            return Pair((folder / "tls.crt").read_text(), (folder / "tls.key").read_text())
        except OSError:
            return None

    return read


class Webhooks:
    """Serves `answers` and `pages` at `address` with the certificate of `source`, asked again `every` such seconds."""

    def __init__(
        self,
        answers: Mapping[tuple[str, str], Answer],
        address: str,
        source: Source,
        *,
        every: Callable[[str], float] = pace,
        pages: Mapping[str, server.Page] | None = None,
    ) -> None:
        self._application = server.application(answers, pages)
        self._address = address
        self._source = source
        self._every = every
        self._context = server.server_context()
        self._served: Pair | None = None
        self._serving: server.Serving | None = None

    def problem(self) -> str | None:
        """A health question: is a certificate there, the server up, and here to stay?"""
        if self._application[server.LEAVING].is_set():
            return "about to stop"
        return self._serving.problem() if self._serving is not None else "no certificate yet"

    async def run(self) -> None:
        """Serve until cancelled; then requests that are being answered are. Raises OSError when the port is taken.

        Raises RuntimeError when no connections are taken any more: only a new process can help.
        """
        try:
            while True:
                await self._refresh()
                if self._serving is not None and (problem := self._serving.problem()):
                    raise RuntimeError(f"the webhooks' server {problem}")
                await asyncio.sleep(self._every(self._served.certificate) if self._served else _FIRST_POLL)
        finally:
            if self._serving is not None:
                await self._serving.close()

    def leave(self) -> None:
        """Close each connection after its next answer, so that the API server turns to another replica."""
        self._application[server.LEAVING].set()

    async def _refresh(self) -> None:
        try:
            pair = await self._source()
        except ApiError as error:
            logger.warning("could not read the webhooks' certificate: %s", error)
            return
        if pair is None or pair == self._served:
            return
        try:
            ends = x509.load_pem_x509_certificate(pair.certificate.encode()).not_valid_after_utc
            load(server.server_context(), pair)  # a pair that does not fit would spoil the context that is in use
        except (ssl.SSLError, ValueError) as error:
            # Files are replaced one after the other: the next look finds them both.
            logger.warning("the webhooks' certificate does not fit its key yet: %s", error)
            return
        if ends <= datetime.now(UTC):
            logger.warning("the webhooks' certificate ended at %s", ends.isoformat(timespec="seconds"))
            return
        load(self._context, pair)
        self._served = pair
        metrics.CERTIFICATE_EXPIRY.set(ends.timestamp())
        logger.info("serving webhooks with a certificate until %s", ends.isoformat(timespec="seconds"))
        if self._serving is None:
            self._serving = await server.listen(self._application, self._address, self._context)


def load(context: ssl.SSLContext, pair: Pair) -> None:
    """Serve new connections with this certificate. Raises ssl.SSLError when it and the key do not belong together.

    Python's ssl reads files only: this one has no name and never reaches a disk.
    """
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f"{pair.certificate}\n{pair.key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
