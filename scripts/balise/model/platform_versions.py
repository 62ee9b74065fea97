"""Which OpenShift versions a bundle is for: the annotation ``com.redhat.openshift.versions``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from balise.model.semver import Version

__all__ = ["PLATFORM_ANNOTATION", "InvalidPlatformError", "PlatformRange"]

PLATFORM_ANNOTATION: Final = "com.redhat.openshift.versions"
_VERSION: Final = re.compile(r"v?4\.([0-9]{1,3})")
_ANY: Final = 999


class InvalidPlatformError(ValueError):
    """The annotation cannot be read; the message says why."""


class PlatformRange(NamedTuple):
    """Minor versions of OpenShift 4, both ends included."""

    least: int
    most: int = _ANY

    @classmethod
    def parse(cls, text: str) -> PlatformRange:
        """The versions that the annotation selects.

        >>> PlatformRange.parse("v4.10-v4.12"), PlatformRange.parse("=v4.9"), PlatformRange.parse("v4.6, v4.5").least
        (PlatformRange(least=10, most=12), PlatformRange(least=9, most=9), 5)
        """
        text = text.strip()
        if text.startswith("="):
            return cls(_minor(text[1:]), _minor(text[1:]))
        if "-" in text:
            first, _, last = text.partition("-")
            return cls(_minor(first), _minor(last))
        # A list is an old form: its least version, and whatever comes later.
        return cls(min(map(_minor, text.split(","))))

    def covers(self, other: PlatformRange) -> bool:
        """Whether every version of *other* is in it."""
        return self.least <= other.least and self.most >= other.most

    @property
    def oldest_kubernetes(self) -> Version:
        """The Kubernetes of the oldest of these platforms: OpenShift 4.N has had Kubernetes 1.(N+13) since 4.3."""
        return Version(1, self.least + 13, 0)

    def __str__(self) -> str:
        if self.least == self.most:
            return f"4.{self.least}"
        return f"4.{self.least} and later" if self.most == _ANY else f"4.{self.least} to 4.{self.most}"


def _minor(text: str) -> int:
    found = _VERSION.fullmatch(text.strip())
    if found is None:
        raise InvalidPlatformError(f"{text.strip()!r} is no version such as v4.12")
    return int(found[1])
