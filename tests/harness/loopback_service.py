"""What a Service is to pods, for replicas that run as processes beside the cluster: one address, whoever is ready."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence

from harness.operator_process import OperatorProcess

__all__ = ["LoopbackService"]


class LoopbackService:
    """Passes each new connection on to a replica that says it is ready, the newest first.

    `replicas` is asked at each connection. Without a ready one the connection is closed, as it is where no pod is.
    """

    def __init__(self, replicas: Callable[[], Sequence[OperatorProcess]]) -> None:
        self._replicas = replicas
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="loopback service", daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, connection: socket.socket) -> None:
        with connection:
            for replica in reversed(self._replicas()):
                if replica.process.poll() is None and replica.ready():
                    with (
                        contextlib.suppress(OSError),
                        socket.create_connection(("127.0.0.1", replica.webhooks), timeout=2) as onward,
                    ):
                        onward.settimeout(None)
                        for end in (connection, onward):  # else small pieces wait for one another, 40 ms each
                            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        back = threading.Thread(target=_copy, args=(onward, connection), daemon=True)
                        back.start()
                        _copy(connection, onward)
                        back.join()
                        return


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
