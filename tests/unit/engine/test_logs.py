"""What a line of the log says of an error, and what it keeps to itself."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from timonier.engine.errors import ApiError
from timonier.engine.logs import configure, unheard, without_values

SECRET = "hunter2"


class Model(BaseModel):
    """Anything with a field."""

    count: int


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    sink = io.StringIO()
    monkeypatch.setattr("sys.stderr", sink)
    configure("debug")
    yield sink
    root.handlers[:] = before
    root.setLevel(level)


def misused() -> None:
    {}[SECRET]  # type: ignore[index]


def wrongly_typed() -> None:
    int(SECRET)


def unfit() -> None:
    Model.model_validate({"count": SECRET})


def within() -> None:
    try:
        misused()
    except KeyError as error:
        raise ApiError(500, "Unknown", "the cause is told apart") from error


def together() -> None:
    raise ExceptionGroup(SECRET, [KeyError(SECRET), OSError("no space left")])


@pytest.mark.parametrize("fails", [misused, wrongly_typed, unfit, within, together])
def test_an_error_says_where_and_not_what_it_was_given(lines: io.StringIO, fails: object) -> None:
    assert callable(fails)
    try:
        fails()
    except Exception:
        logging.getLogger("any").exception("it failed")
    told = json.loads(lines.getvalue())["exception"]
    assert SECRET not in told
    assert f"in {fails.__name__}" in told


def test_what_our_own_errors_say_is_kept(lines: io.StringIO) -> None:
    for fails in (within, together):
        try:
            fails()
        except Exception:
            logging.getLogger("any").exception("it failed")
    assert "ApiError: the cause is told apart (500 Unknown)" in lines.getvalue()
    assert "OSError: no space left" in lines.getvalue()
    assert "KeyError" in lines.getvalue()


def test_half_a_character_does_not_spoil_the_line(lines: io.StringIO) -> None:
    logging.getLogger("any").warning("name %s", "\ud800")
    assert json.loads(lines.getvalue())["message"] == "name \ud800"


def test_an_error_that_is_its_own_cause_is_told_once() -> None:
    error, other = KeyError(SECRET), ValueError(SECRET)
    error.__cause__, other.__cause__ = other, error
    assert without_values(error).count("builtins.KeyError") == 1


def test_what_nobody_has_caught_is_not_quoted(lines: io.StringIO) -> None:
    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(unheard)

        async def fails() -> None:
            raise KeyError(SECRET)

        task = asyncio.create_task(fails())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(whole())
    assert "never retrieved" in lines.getvalue()
    assert "builtins.KeyError" in lines.getvalue()
    assert SECRET not in lines.getvalue()
