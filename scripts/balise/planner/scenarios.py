"""Scenarios as JSON: a universe a line in, the plan a line out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from balise.model.catalog import Property, catalog_from_blobs
from balise.model.errors import InputError
from balise.planner.rounds import Plan
from balise.planner.universe import CatalogSource, InstalledCSV, SourceKey, Subscription, Universe

__all__ = ["outcome", "universe_of", "universes"]


def universes(lines: Iterable[str], place: str = "") -> Iterator[tuple[Any, Universe]]:
    """The identifier and the universe of each scenario of a JSON-lines file; blank lines are passed over.

    Raises:
        InputError: at the first line that is no scenario.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{place}:{number}"
        try:
            scenario = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"is no JSON: {error}", place=where) from None
        universe = universe_of(scenario, where)
        yield scenario.get("id"), universe


def universe_of(scenario: Any, place: str = "") -> Universe:
    """The universe that a scenario describes."""
    reader = _Reader(scenario, place)
    return Universe(
        catalogs=tuple(_catalog(each) for each in reader.parts("catalogs")),
        subscriptions=tuple(_subscription(each) for each in reader.parts("subscriptions")),
        csvs=tuple(_csv(each) for each in reader.parts("csvs")),
    )


def outcome(planned: Plan) -> dict[str, Any]:
    """A plan in the form of a scenario's outcome."""
    return {
        "rounds": [
            {
                "installs": [
                    {"csv": install.csv, "replaces": install.replaces, "catalog": install.catalog.name}
                    for install in each.installs
                ],
                "newSubscriptions": sorted(
                    f"{subscription.package}/{subscription.channel}@{subscription.source.name}"
                    for subscription in each.new_subscriptions
                ),
            }
            for each in planned.rounds
        ],
        "blocked": None if planned.blocked is None else str(planned.blocked),
        "final": sorted(csv.name for csv in planned.final.csvs),
    }


class _Reader:
    """An object of a scenario under reading."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, Mapping):
            raise InputError(f"expected an object, found {type(value).__name__}", place=place)
        self._value = value
        self.place = place

    def get(self, key: str, kind: type, default: Any) -> Any:
        value = self._value.get(key)
        if value is None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError(f"{key!r} must be of type {kind.__name__}, found {value!r}", place=self.place)
        return value

    def text(self, key: str) -> str:
        value: str = self.get(key, str, "")
        return value

    def parts(self, key: str) -> Iterator[_Reader]:
        for number, part in enumerate(self.get(key, list, [])):
            yield _Reader(part, f"{self.place}: {key}[{number}]")


def _catalog(reader: _Reader) -> CatalogSource:
    key = SourceKey(reader.text("name"), reader.text("namespace"))
    return CatalogSource(key, catalog_from_blobs(reader.get("fbc", list, []), place=reader.place),
                         reader.get("priority", int, 0))  # fmt: skip


def _subscription(reader: _Reader) -> Subscription:
    return Subscription(
        name=reader.text("name"),
        package=reader.text("package"),
        channel=reader.text("channel"),
        source=SourceKey(reader.text("source"), reader.text("sourceNamespace")),
        starting_csv=reader.text("startingCSV"),
        installed_csv=reader.text("installedCSV"),
        current_csv=reader.text("currentCSV"),
    )


def _csv(reader: _Reader) -> InstalledCSV:
    properties = tuple(
        Property(part.text("type"), part.get("value", object, None)) for part in reader.parts("properties")
    )
    return InstalledCSV(reader.text("name"), reader.text("version"), reader.text("replaces"), properties=properties)
