"""What a bundle requires of other bundles: its dependency properties, read as OLM v0 reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from balise.model.catalog import Property
from balise.model.errors import BaliseError
from balise.model.semver import InvalidRangeError, VersionRange
from balise.planner.cel import InvalidRuleError, Rule, compile_rule
from balise.planner.universe import GVK, Entry

__all__ = [
    "AllOf",
    "AnyOf",
    "InvalidRequirementError",
    "MatchesRule",
    "NoneOf",
    "OfPackage",
    "Provides",
    "Requirement",
    "WithLabel",
    "requirement_of",
    "requirements_of",
]

#: A bigger olm.constraint is refused.
_MAX_CONSTRAINT_BYTES: Final = 131072

#: Ours: OLM nests as deep as the size allows, which nobody needs.
_MAX_DEPTH: Final = 100


class InvalidRequirementError(BaliseError):
    """A dependency that cannot be read: OLM then resolves nothing at all in the namespace."""


@dataclass(frozen=True, slots=True)
class Provides:
    """The bundle provides an API."""

    gvk: GVK

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return self.gvk in entry.facts.provided

    def __str__(self) -> str:
        return f"that provides the API {self.gvk}"


@dataclass(frozen=True, slots=True)
class OfPackage:
    """The bundle is of a package and has a version within a range."""

    package: str
    versions: VersionRange

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return entry.in_package(self.package) and entry.in_range(self.versions)

    def __str__(self) -> str:
        return f"of package {self.package} with a version in {self.versions.text!r}"


@dataclass(frozen=True, slots=True)
class WithLabel:
    """The bundle has an ``olm.label`` property."""

    label: str

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return self.label in entry.facts.labels

    def __str__(self) -> str:
        return f"with the label {self.label!r}"


@dataclass(frozen=True, slots=True)
class AllOf:
    """One bundle meets all parts by itself; no parts are met by any."""

    parts: tuple[Requirement, ...]

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return all(part.met_by(entry) for part in self.parts)

    def __str__(self) -> str:
        return " and ".join(map(_bracketed, self.parts)) or "of any kind"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The bundle meets at least one part; no parts are met by none."""

    parts: tuple[Requirement, ...]

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return any(part.met_by(entry) for part in self.parts)

    def __str__(self) -> str:
        return " or ".join(map(_bracketed, self.parts)) or "that cannot exist (any of nothing)"


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The bundle meets none of the parts: one such bundle is required, nothing is forbidden."""

    parts: tuple[Requirement, ...]

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return not any(part.met_by(entry) for part in self.parts)

    def __str__(self) -> str:
        return f"other than one {' or '.join(map(_bracketed, self.parts))}" if self.parts else "of any kind"


@dataclass(frozen=True, slots=True)
class MatchesRule:
    """The bundle's properties satisfy a CEL rule."""

    rule: Rule
    message: str

    def met_by(self, entry: Entry) -> bool:
        """Whether the entry meets the requirement."""
        return self.rule.matches(entry.facts.as_data)

    def __str__(self) -> str:
        return f"for which {self.rule.text!r} holds" + (f" ({self.message})" if self.message else "")


Requirement = Provides | OfPackage | WithLabel | AllOf | AnyOf | NoneOf | MatchesRule


def _bracketed(requirement: Requirement) -> str:
    compound = isinstance(requirement, (AllOf, AnyOf)) and len(requirement.parts) > 1
    return f"({requirement})" if compound else str(requirement)


def requirements_of(properties: Sequence[Property]) -> list[Requirement]:
    """The requirements among a bundle's properties, in their order; raises :class:`InvalidRequirementError`."""
    found = (requirement_of(each) for each in properties)
    return [requirement for requirement in found if requirement is not None]


def requirement_of(found: Property) -> Requirement | None:
    """The requirement that a property states, or None for a property of another kind."""
    match found.type:
        case "olm.gvk.required":
            return Provides(_gvk(_Fields(found.value, found.type)))
        case "olm.package.required":
            return _package(_Fields(found.value, found.type))
        case "olm.label.required":
            return WithLabel(_Fields(found.value, found.type).text("label"))
        case "olm.constraint":
            size = len(json.dumps(found.value, separators=(",", ":"), ensure_ascii=False).encode())
            if size > _MAX_CONSTRAINT_BYTES:
                raise InvalidRequirementError(f"an olm.constraint of {size} bytes: at most {_MAX_CONSTRAINT_BYTES}")
            return _constraint(_Fields(found.value, found.type))
        case _:
            return None


class _Fields:
    """Fields of an object as Go's JSON decoder takes them: names in any case, null as absent."""

    def __init__(self, value: Any, place: str, known: Sequence[str] = ()) -> None:
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise InvalidRequirementError(f"{place} must be an object, found {value!r}")
        self.place = place
        self._values = {str(key).lower(): found for key, found in value.items() if found is not None}
        unknown = [key for key in value if str(key).lower() not in known] if known else []
        if unknown:
            raise InvalidRequirementError(
                f"{place} has the unknown field {unknown[0]!r}", way_out=f"Known are {', '.join(sorted(known))}."
            )

    def text(self, key: str) -> str:
        value = self._values.get(key.lower(), "")
        if not isinstance(value, str):
            raise InvalidRequirementError(f"{self.place}.{key} must be text, found {value!r}")
        return value

    def inner(self, key: str, *known: str) -> _Fields | None:
        if key not in self._values:
            return None
        return _Fields(self._values[key], f"{self.place}.{key}", [name.lower() for name in known])

    def items(self, key: str) -> list[Any]:
        value = self._values.get(key, [])
        if not isinstance(value, list):
            raise InvalidRequirementError(f"{self.place}.{key} must be a list, found {value!r}")
        return value


def _gvk(fields: _Fields) -> GVK:
    return GVK(fields.text("group"), fields.text("version"), fields.text("kind"))


def _package(fields: _Fields) -> OfPackage:
    package, text = fields.text("packageName"), fields.text("versionRange")
    try:
        return OfPackage(package, VersionRange.parse(text))
    except InvalidRangeError as error:
        raise InvalidRequirementError(
            f"{fields.place} on {package} has the version range {text!r}, which OLM cannot read: {error}",
            way_out="Ranges are comparisons like '>=1.2.0 <2.0.0'; there is no ^, no ~ and no comma.",
        ) from None


_CONSTRAINT_FIELDS: Final = ("failuremessage", "cel", "package", "gvk", "all", "any", "not")


def _constraint(fields: _Fields, depth: int = 0) -> Requirement:
    if depth > _MAX_DEPTH:
        raise InvalidRequirementError(f"an olm.constraint is nested more than {_MAX_DEPTH} levels deep")
    fields = _Fields(fields._values, fields.place, _CONSTRAINT_FIELDS)
    message = fields.text("failureMessage")
    # All parts are decoded before one is looked at: a mistake in a part that does not count is a mistake, too.
    gvk = fields.inner("gvk", "group", "kind", "version")
    package = fields.inner("package", "packageName", "versionRange")
    compounds = {key: fields.inner(key, "constraints") for key in ("all", "any", "not")}
    cel = fields.inner("cel", "rule")
    if gvk is not None:
        return Provides(_gvk(gvk))
    if package is not None:
        return _package(package)
    for key, kind in (("all", AllOf), ("any", AnyOf), ("not", NoneOf)):
        compound = compounds[key]
        if compound is not None:
            places = (f"{compound.place}[{index}]" for index in range(len(compound.items("constraints"))))
            parts = zip(compound.items("constraints"), places, strict=True)
            return kind(tuple(_constraint(_Fields(part, place), depth + 1) for part, place in parts))
    if cel is not None:
        try:
            return MatchesRule(compile_rule(cel.text("rule")), message)
        except InvalidRuleError as error:
            raise InvalidRequirementError(f"{cel.place}.rule {cel.text('rule')!r} does not compile: {error}") from None
    raise InvalidRequirementError(
        f"{fields.place} is empty", way_out="Give it one of gvk, package, all, any, not or cel."
    )
