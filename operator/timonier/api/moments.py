"""Times and spans as objects state them: RFC 3339 in UTC, to the second."""

from datetime import UTC, datetime

__all__ = ["moment", "span", "stamp"]


def stamp(time: datetime) -> str:
    """A time as it is written; a naive one is taken for UTC.

    >>> stamp(datetime(2026, 11, 27, 8, 0, 5))
    '2026-11-27T08:00:05Z'
    """
    return (time.astimezone(UTC) if time.tzinfo else time).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The time that was written, in UTC. Raises ValueError for what is none."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def span(seconds: float) -> str:
    """A span for people, of its two largest units.

    >>> span(0), span(72), span(3600), span(90061)
    ('0s', '1m12s', '1h', '1d1h')
    """
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (whole % 60, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    shown = parts[first : first + 2]
    return "".join(f"{count}{unit}" for count, unit in shown if count) or "0s"
