"""Try a probe that is a command until it has failed, or succeeded, often enough in a row."""

import asyncio
from collections.abc import Awaitable, Callable

from timonier.api.probes import Probe
from timonier.engine.client import Client
from timonier.engine.errors import ApiError
from timonier.engine.exec import Container, run_command
from timonier.runs.outcome import Outcome
from timonier.runs.reasons import Reason, Words

__all__ = ["tried"]


async def tried(client: Client, probe: Probe, where: Callable[[], Awaitable[Container | Words]]) -> Outcome:
    """How it ended. Each attempt asks anew `where` its command is executed: pods come and go meanwhile."""
    good = bad = 0
    while True:
        told = await _executed(client, probe, await where())
        good, bad = (good + 1, 0) if told is None else (0, bad + 1)
        if told is None and good >= probe.success_threshold:
            return Outcome()
        if told is not None and bad >= probe.failure_threshold:
            return Outcome(Reason.VERIFICATION_FAILED, f"the probe {probe.name} failed {bad} times in a row: {told}")
        await asyncio.sleep(probe.interval_seconds)


async def _executed(client: Client, probe: Probe, where: Container | Words) -> str | None:
    """Why the command failed; None when it did not."""
    assert probe.exec is not None  # noqa: S101 - that is what it is
    if not isinstance(where, Container):
        return where[1]
    try:
        ended = await run_command(client, where, probe.exec.command, seconds=probe.timeout_seconds)
    except ApiError as error:
        return error.message
    said = (ended.error_output or ended.output).decode(errors="replace").strip()[-200:]
    return None if ended.exit_code == 0 else f"it ended with exit code {ended.exit_code}: {said}"
