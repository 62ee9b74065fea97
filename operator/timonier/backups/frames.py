"""How a dump travels to and from the mover, so that one that broke off is never taken for one that ended.

The mover has the other end, and says how it is made: `timonier.mover.frames`. Each frame is the length of its payload
in 4 bytes, the highest first, and the payload; an empty one ends the data, and one with a trailer follows.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["LARGEST", "Decoder", "Encoder", "FramesError", "Trailer"]

LARGEST: Final = 1 << 20
"""Bytes that a payload has at most."""

_LENGTH: Final = struct.Struct(">I")


class FramesError(Exception):
    """What came is not a whole stream, or not what was sent; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Trailer:
    """What the data amounts to. `exit_code` is that of the program that it comes from."""

    bytes: int
    sha256: str
    exit_code: int


class Encoder:
    """Puts data into frames, and sums it up."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._bytes = 0

    def frame(self, data: bytes) -> bytes:
        """The frame with that data, at most LARGEST bytes of it; nothing for none, which would be the end.

        >>> Encoder().frame(b"data")
        b'\\x00\\x00\\x00\\x04data'
        """
        if len(data) > LARGEST:
            raise ValueError(f"a frame holds {LARGEST} bytes, not {len(data)}")
        self._digest.update(data)
        self._bytes += len(data)
        return _LENGTH.pack(len(data)) + data if data else b""

    def trailer(self, exit_code: int) -> Trailer:
        """The sum of what was put into frames."""
        return Trailer(self._bytes, self._digest.hexdigest(), exit_code)

    def end(self, exit_code: int) -> bytes:
        """The frames that end the stream."""
        sum_ = self.trailer(exit_code)
        said = json.dumps({"bytes": sum_.bytes, "sha256": sum_.sha256, "exitCode": exit_code}).encode()
        return _LENGTH.pack(0) + _LENGTH.pack(len(said)) + said


class Decoder:
    """Takes data out of frames, however they were cut on their way.

    >>> sent = Encoder()
    >>> stream = sent.frame(b"da") + sent.frame(b"ta") + sent.end(0)
    >>> received = Decoder()
    >>> received.feed(stream[:7]), received.feed(stream[7:])
    ([b'da'], [b'ta'])
    >>> received.finish() == sent.trailer(0)
    True
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._rest = bytearray()
        self._ended = False
        self._trailer: Trailer | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are whole now; of one that is not, less than a frame is kept. Raises FramesError."""
        self._rest += data
        payloads, at = [], 0
        while (payload := self._payload(at)) is not None:
            at += _LENGTH.size + len(payload)
            if self._take(payload):
                payloads.append(payload)
        del self._rest[:at]
        return payloads

    def finish(self) -> Trailer:
        """Once nothing comes any more: the trailer, with which the data agrees. Raises FramesError."""
        if self._trailer is None or self._rest:
            raise FramesError("The stream broke off before its end.")
        if (self._trailer.bytes, self._trailer.sha256) != (self._bytes, self._digest.hexdigest()):
            raise FramesError(f"The stream came with {self._bytes} bytes, and is not what was sent.")
        return self._trailer

    def _payload(self, at: int) -> bytes | None:
        begin = at + _LENGTH.size
        if len(self._rest) < begin:
            return None
        (length,) = _LENGTH.unpack_from(self._rest, at)
        if length > LARGEST:
            raise FramesError(f"The stream is not made of frames: one would have {length} bytes.")
        return bytes(self._rest[begin : begin + length]) if len(self._rest) >= begin + length else None

    def _take(self, payload: bytes) -> bool:
        """True for a payload that is data."""
        if self._trailer is not None:
            raise FramesError("The stream goes on after its end.")
        if self._ended:
            self._trailer = _trailer_in(payload)
        elif payload:
            self._digest.update(payload)
            self._bytes += len(payload)
            return True
        else:
            self._ended = True
        return False


def _trailer_in(payload: bytes) -> Trailer:
    try:
        said = json.loads(payload)
        return Trailer(int(said["bytes"]), str(said["sha256"]), int(said["exitCode"]))
    except (ValueError, KeyError, TypeError) as error:
        raise FramesError("The stream has no trailer that can be read.") from error
