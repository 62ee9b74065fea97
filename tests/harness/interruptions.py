"""Ctrl-C for programs under test."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["heeding_ctrl_c"]


@contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """Programs that are started in the block heed Ctrl-C.

    A shell that starts the tests in the background lets them ignore it, and they would hand that down.
    """
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
