"""How a stream travels, so that one that broke off is never taken for one that ended.

Each frame is the length of its payload in 4 bytes, the highest first, and the payload. A frame without payload ends
the data; one more frame follows it, whose payload is JSON: `{"bytes": n, "sha256": hex, "exitCode": n}`, where
`exitCode` is that of the program that the data comes from.
"""

import hashlib
import json
import struct
from collections.abc import Iterator
from typing import IO, Any

from timonier.mover.outcome import MoverError

__all__ = ["LARGEST", "Reader", "Writer"]

LARGEST = 1 << 20
"""Bytes that a payload has at most."""

_LENGTH = struct.Struct(">I")


class Writer:
    """Writes frames, and what they amount to at their end."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """The hash over what was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Write some data, at most LARGEST bytes of it; nothing when there is none."""
        if data:
            self._digest.update(data)
            self.bytes += len(data)
            self._frame(data)

    def end(self, exit_code: int) -> None:
        """Say that this was all."""
        self._frame(b"")
        self._frame(json.dumps({"bytes": self.bytes, "sha256": self.sha256, "exitCode": exit_code}).encode())
        self._sink.flush()

    def _frame(self, payload: bytes) -> None:
        self._sink.write(_LENGTH.pack(len(payload)) + payload)


class Reader:
    """The payloads of frames. The iteration ends only where all the data came, whole, from a program that ended well.

    >>> import io
    >>> sent = io.BytesIO()
    >>> writer = Writer(sent)
    >>> writer.write(b"data")
    >>> writer.end(0)
    >>> list(Reader(io.BytesIO(sent.getvalue())))
    [b'data']
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        """Raises MoverError when the stream is not whole; what came until then is then worth nothing."""
        digest, count = hashlib.sha256(), 0
        while payload := self._frame():
            digest.update(payload)
            count += len(payload)
            yield payload
        try:
            trailer: dict[str, Any] = json.loads(self._frame())
            found = (trailer["bytes"], trailer["sha256"])
            exit_code = trailer["exitCode"]
        except (ValueError, KeyError, TypeError) as error:
            raise MoverError("Failed", "The stream has no trailer that can be read.") from error
        if found != (count, digest.hexdigest()):
            raise MoverError("Mismatch", f"The stream came with {count} bytes, and is not what was sent.")
        if exit_code != 0:
            raise MoverError("Failed", f"The program that the data comes from ended with exit code {exit_code}.")

    def _frame(self) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > LARGEST:
            raise MoverError("Failed", f"The stream is not made of frames: one would have {length} bytes.")
        return self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        data = self._source.read(length)
        if len(data) < length:
            raise MoverError("Interrupted", "The stream broke off before its end.")
        return data
