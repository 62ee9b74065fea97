"""Frames: the operator's side and the mover's understand each other, and nothing broken is ever taken for whole."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonier.backups.frames import LARGEST, Decoder, Encoder, FramesError
from timonier.mover.frames import Reader, Writer
from timonier.mover.outcome import MoverError

PAYLOADS = st.lists(st.binary(min_size=1, max_size=200), max_size=8)


def encoded(payloads: list[bytes], exit_code: int = 0) -> bytes:
    encoder = Encoder()
    return b"".join(map(encoder.frame, payloads)) + encoder.end(exit_code)


def decoded(stream: bytes) -> list[bytes]:
    """The payloads of a whole stream."""
    decoder = Decoder()
    payloads = decoder.feed(stream)
    decoder.finish()
    return payloads


@given(PAYLOADS)
def test_the_mover_reads_what_the_operator_writes(payloads: list[bytes]) -> None:
    assert list(Reader(io.BytesIO(encoded(payloads)))) == payloads


@given(PAYLOADS, st.lists(st.integers(0, 2000), max_size=10))
def test_the_operator_reads_what_the_mover_writes_however_it_was_cut(payloads: list[bytes], cuts: list[int]) -> None:
    sink = io.BytesIO()
    writer = Writer(sink)
    for payload in payloads:
        writer.write(payload)
    writer.end(0)
    sent = sink.getvalue()
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    decoder = Decoder()
    received = [payload for start, end in pairwise(places) for payload in decoder.feed(sent[start:end])]
    trailer = decoder.finish()
    assert received == payloads
    assert (trailer.bytes, trailer.sha256, trailer.exit_code) == (writer.bytes, writer.sha256, 0)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=4), st.data())
def test_a_stream_that_lacks_its_end_is_not_whole(payloads: list[bytes], data: st.DataObject) -> None:
    sent = encoded(payloads)
    cut = sent[: data.draw(st.integers(0, len(sent) - 1))]
    with pytest.raises(FramesError):
        decoded(cut)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=4), st.data())
def test_a_stream_with_another_byte_in_its_data_is_not_what_was_sent(
    payloads: list[bytes], data: st.DataObject
) -> None:
    sent = bytearray(encoded(payloads))
    place = 4 + data.draw(st.integers(0, len(payloads[0]) - 1))
    sent[place] ^= 0xFF
    decoder = Decoder()
    decoder.feed(bytes(sent))
    with pytest.raises(FramesError, match="not what was sent"):
        decoder.finish()


@pytest.mark.parametrize("stream", [b"plain text, not frames", b"\0\0\0\0\0\0\0\2{}", encoded([b"x"]) + b"\0\0\0\1y"])
def test_what_is_no_stream_of_ours_is_refused(stream: bytes) -> None:
    with pytest.raises(FramesError):
        decoded(stream)


def test_the_exit_code_of_the_command_travels_with_the_data() -> None:
    decoder = Decoder()
    decoder.feed(encoded([b"part"], exit_code=4))
    assert decoder.finish().exit_code == 4
    with pytest.raises(MoverError, match="exit code 4"):
        list(Reader(io.BytesIO(encoded([b"part"], exit_code=4))))


def test_a_frame_is_no_larger_than_both_sides_agree() -> None:
    with pytest.raises(ValueError, match="a frame holds"):
        Encoder().frame(b"x" * (LARGEST + 1))
