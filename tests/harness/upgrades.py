"""Upgrades for tests: how they end, and what they did."""

import json
from typing import Any

from harness.kube import Kube, Manifest
from timonier.api.moments import moment
from timonier.api.resources import UPGRADES

__all__ = ["seconds_to_roll_back", "step_states", "wait_upgrade", "wait_upgrade_step"]

_TERMINAL = ("Succeeded", "Failed", "Cancelled")


def wait_upgrade(kube: Kube, namespace: str, name: str, *, phase: str = "Succeeded", seconds: float = 120) -> Manifest:
    """Wait until an Upgrade is over, and see that it ended in that phase. Returns its status."""

    def reached() -> Manifest | None:
        found = kube.get(UPGRADES, namespace, name) or {}
        status: Manifest = found.get("status", {})
        return status if status.get("phase") in _TERMINAL else None

    status = _waited(kube, namespace, name, "is over", reached, seconds)
    assert status["phase"] == phase, json.dumps(status, indent=1)
    return status


def wait_upgrade_step(kube: Kube, namespace: str, name: str, step: str, *, seconds: float = 60) -> Manifest:
    """Wait until a step of an Upgrade is under way. Returns its status."""

    def reached() -> Manifest | None:
        status: Manifest = (kube.get(UPGRADES, namespace, name) or {}).get("status", {})
        running = [found["name"] for found in status.get("steps", ()) if found["state"] == "Running"]
        return status if running == [step] else None

    return _waited(kube, namespace, name, f"is in step {step}", reached, seconds)


def _waited(kube: Kube, namespace: str, name: str, what: str, reached: Any, seconds: float) -> Manifest:
    try:
        found = kube.wait(f"Upgrade {name} {what}", reached, seconds, 0.1)
    except AssertionError as error:
        status = (kube.get(UPGRADES, namespace, name) or {}).get("status")
        raise AssertionError(f"{error}; its status: {json.dumps(status, indent=1)}") from None
    result: Manifest = found
    return result


def step_states(status: Manifest) -> dict[str, str]:
    """The state of each step, by its name."""
    return {step["name"]: step["state"] for step in status["steps"]}


def seconds_to_roll_back(status: Manifest) -> tuple[float, float]:
    """From the start of the Upgrade until it was known to be bad, and from then until all was as before."""
    start, detected, end = (moment(status[name]) for name in ("startTime", "detectedTime", "completionTime"))
    return (detected - start).total_seconds(), (end - detected).total_seconds()
