"""The ``[tool.balise]`` table of pyproject.toml: everything about an operator's bundle that its code does not say."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from balise.model.errors import InputError

__all__ = ["CAPABILITY_LEVELS", "CATEGORIES", "INSTALL_MODES", "CodeFacts", "Configuration", "Person", "read"]

Read = TypeVar("Read")

# OperatorHub's own lists.
CAPABILITY_LEVELS: Final = ("Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot")
CATEGORIES: Final = (
    "AI/Machine Learning", "Application Runtime", "Big Data", "Cloud Provider", "Database", "Developer Tools",
    "Integration & Delivery", "Logging & Tracing", "Modernization & Migration", "Monitoring", "Networking",
    "Observability", "OpenShift Optional", "Security", "Storage", "Streaming & Messaging",
)  # fmt: skip
INSTALL_MODES: Final = ("OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces")
_MATURITIES: Final = ("planning", "pre-alpha", "alpha", "beta", "stable", "mature", "inactive", "deprecated")

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
# https://semver.org, without build metadata: the version is part of an object's name, where "+" may not stand.
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
)
_ENTRY_POINT = re.compile(r"[\w.]+:\w+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL = re.compile(r"https?://[^\s/]+\S*")
_ICON_TYPES: Final = {".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif", ".jpg": "image/jpeg",
                      ".jpeg": "image/jpeg"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """A maintainer (``email`` in ``address``), the provider or a link (``url`` in ``address``)."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """Where the facts are that only the operator's code knows: for each, an entry point or globs of YAML files.

    An entry point is ``module:function``. ``crds`` gives a list of CustomResourceDefinitions; ``rules`` gives
    ``{"cluster": [rule], "namespaced": [rule]}``; ``deployment`` takes the operator's image and gives the Deployment.
    ``webhooks``, an entry point or empty, gives ``{"definitions": [webhookdefinition], "served": [path]}``.
    """

    crds: str | tuple[str, ...]
    rules: str | tuple[str, ...]
    deployment: str | tuple[str, ...]
    webhooks: str = ""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The validated ``[tool.balise]`` table; ``root`` is the folder of pyproject.toml, which paths start from.

    ``created_at`` is RFC 3339 or empty; ``icon_type`` is the media type of ``icon``; images are full references.
    """

    root: Path
    package: str
    version: str
    display_name: str
    summary: str
    description: Path
    icon: Path
    icon_type: str
    maintainers: tuple[Person, ...]
    provider: Person
    links: tuple[Person, ...]
    keywords: tuple[str, ...]
    categories: tuple[str, ...]
    maturity: str
    capability: str
    min_kube_version: str
    install_modes: tuple[str, ...]
    channels: tuple[str, ...]
    default_channel: str
    image: str
    related_images: tuple[tuple[str, str], ...]
    samples: tuple[str, ...]
    manifests: tuple[str, ...]
    output: Path
    api_reference: Path | None
    architectures: tuple[str, ...]
    annotations: tuple[tuple[str, str], ...]
    resources: tuple[tuple[str, tuple[str, ...]], ...]
    suggested_namespace: str
    repository: str
    created_at: str
    replaces: str
    skips: tuple[str, ...]
    skip_range: str
    code: CodeFacts


def read(pyproject: Path, *, registry: str | None = None) -> Configuration:
    """Read and validate ``[tool.balise]``; ``registry`` replaces the table's own ``registry`` in image references.

    Raises :class:`InputError` with the line of the key that is wrong or missing, and what to write there.
    """
    try:
        text = pyproject.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}",
            place=str(pyproject),
            way_out="run balise where the operator's pyproject.toml is, or name it with --config",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not valid TOML: {error}", place=str(pyproject)) from error
    table = document.get("tool", {}).get("balise")
    if not isinstance(table, dict):
        raise InputError("has no [tool.balise] table", place=str(pyproject), way_out="describe the operator there")
    table = {name: value for name, value in table.items() if name != "check"}  # balise check's own table
    place = _Place(pyproject, tuple(text.splitlines()))
    own_version = document.get("project", {}).get("version", "")
    return _configuration(_Table(table, "tool.balise", place), pyproject.parent, own_version, registry)


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    lines: tuple[str, ...]

    def of(self, table: str, key: str) -> str:
        """``file:line`` of a key, or of its table's header; ``file`` alone when neither stands on a line of its own."""
        header = 0
        found = 0
        inside = False
        for number, line in enumerate(self.lines, 1):
            stripped = line.strip()
            if stripped.startswith("["):
                inside = stripped.strip("[] ") == table
                header = number if inside else header
            elif inside and re.match(rf"[\"']?{re.escape(key)}[\"']?\s*[=.]", stripped):
                found = number
                break
        line_number = found or header
        return f"{self.path}:{line_number}" if line_number else str(self.path)


class _Table:
    """Typed access to one TOML table; remembers what was asked for, so that the rest can be called unknown."""

    def __init__(self, values: dict[str, Any], name: str, place: _Place) -> None:
        self._values = values
        self._name = name
        self._place = place
        self._asked: set[str] = set()

    def wrong(self, key: str, message: str, way_out: str = "") -> InputError:
        return InputError(f"{self._name}.{key} {message}", place=self._place.of(self._name, key), way_out=way_out)

    def get(self, key: str, kind: type[Read], default: Read | None, expected: str) -> Read:
        self._asked.add(key)
        if key not in self._values:
            if default is None:
                raise self.wrong(key, "is missing", f"add it: {expected}")
            return default
        value = self._values[key]
        if not isinstance(value, kind):
            raise self.wrong(key, f"is {value!r}", f"expected {expected}")
        return value

    def text(self, key: str, default: str | None, expected: str) -> str:
        value = self.get(key, str, default, expected).strip()
        if not value and default is None:
            raise self.wrong(key, "is empty", f"expected {expected}")
        return value

    def texts(self, key: str, default: list[str] | None, expected: str) -> tuple[str, ...]:
        values = self.get(key, list, default, expected)
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise self.wrong(key, f"is {values!r}", f"expected {expected}")
        if default is None and not values:
            raise self.wrong(key, "is empty", f"expected {expected}")
        return tuple(values)

    def among(self, key: str, values: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if value not in known:
                near = difflib.get_close_matches(value, known, 1, 0.4)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise self.wrong(key, f"has {value!r}", f"{hint}known: {', '.join(known)}")
        return values

    def matching(self, key: str, pattern: re.Pattern[str], value: str, expected: str) -> str:
        if not pattern.fullmatch(value):
            raise self.wrong(key, f"is {value!r}", f"expected {expected}")
        return value

    def file(self, key: str, root: Path, expected: str) -> Path:
        path = root / self.text(key, None, expected)
        if not path.is_file():
            raise self.wrong(key, f"names {path}, which is not a file", f"expected {expected}")
        return path

    def people(self, key: str, address: str, pattern: re.Pattern[str]) -> tuple[Person, ...]:
        expected = f'a list such as [{{ name = "…", {address} = "…" }}]'
        return tuple(self._person(key, entry, address, pattern) for entry in self.get(key, list, None, expected))

    def person(self, key: str, address: str, pattern: re.Pattern[str]) -> Person:
        return self._person(key, self.get(key, dict, None, f'{{ name = "…", {address} = "…" }}'), address, pattern)

    def _person(self, key: str, entry: object, address: str, pattern: re.Pattern[str]) -> Person:
        match entry:
            case {"name": str(name), **rest} if name.strip() and set(rest) == {address}:
                found = rest[address]
                if isinstance(found, str) and pattern.fullmatch(found):
                    return Person(name, found)
        raise self.wrong(key, f"has {entry!r}", f'expected {{ name = "…", {address} = "…" }} with a full {address}')

    def table(self, key: str) -> _Table:
        values = self.get(key, dict, None, f"a table [{self._name}.{key}]")
        return _Table(values, f"{self._name}.{key}", self._place)

    def pairs(self, key: str) -> dict[str, str]:
        values = self.get(key, dict, {}, "a table of strings")
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.wrong(key, f"has {name} = {value!r}", "expected a string")
        return values

    def finish(self) -> None:
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, sorted(self._asked), 1, 0.6)
                raise self.wrong(
                    key,
                    "is not known",
                    f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(self._asked))}",
                )


def _configuration(table: _Table, root: Path, own_version: str, registry: str | None) -> Configuration:
    package = table.matching("package", _NAME, table.text("package", None, "the operator's package name"),
                             "lower-case letters, digits and '-'")  # fmt: skip
    version = table.matching("version", _VERSION, table.text("version", own_version or None, "a version"),
                             "a semantic version without build metadata, such as 1.2.3 or 1.2.3-rc.1")  # fmt: skip
    names = {"registry": registry or table.text("registry", "", "a registry"), "version": version, "package": package}
    if registry:
        table.text("registry", "", "a registry")
    icon = table.file("icon", root, "a PNG, SVG, GIF or JPEG file")
    if icon.suffix.lower() not in _ICON_TYPES:
        raise table.wrong("icon", f"names {icon.name}", f"expected one of {', '.join(sorted(_ICON_TYPES))}")
    channels = table.texts("channels", None, 'a list such as ["stable-v1"]')
    modes = table.texts("install-modes", None, f"some of {', '.join(INSTALL_MODES)}")
    reference = table.text("api-reference", "", "a Markdown file to write")
    found = Configuration(
        root=root,
        package=package,
        version=version,
        display_name=_sized(table, "display-name", 3, 50),
        summary=_sized(table, "summary", 10, 160),
        description=table.file("description", root, "a Markdown file for the operator's page"),
        icon=icon,
        icon_type=_ICON_TYPES[icon.suffix.lower()],
        maintainers=table.people("maintainers", "email", _EMAIL),
        provider=table.person("provider", "url", _URL),
        links=table.people("links", "url", _URL),
        keywords=table.texts("keywords", None, "a list of search words"),
        categories=table.among("categories", table.texts("categories", None, "some of OperatorHub's"), CATEGORIES),
        maturity=table.among("maturity", (table.text("maturity", None, "how mature"),), _MATURITIES)[0],
        capability=table.among("capability", (table.text("capability", None, "a level"),), CAPABILITY_LEVELS)[0],
        min_kube_version=table.matching(
            "min-kube-version", _VERSION, table.text("min-kube-version", None, 'such as "1.28.0"'), 'such as "1.28.0"'
        ),
        install_modes=table.among("install-modes", modes, INSTALL_MODES),
        channels=channels,
        default_channel=table.among("default-channel", (table.text("default-channel", channels[0], ""),), channels)[0],
        image=_image(table, "image", table.text("image", None, "the operator's image"), names),
        related_images=tuple(
            (name, _image(table, "related-images", image, names))
            for name, image in sorted(table.pairs("related-images").items())
        ),
        samples=table.texts("samples", None, "globs of YAML files, one sample for each kind and version"),
        manifests=table.texts("manifests", [], "globs of YAML files"),
        output=root / table.text("output", "bundle", "a folder"),
        api_reference=root / reference if reference else None,
        architectures=table.texts("architectures", [], 'a list such as ["amd64", "arm64"]'),
        annotations=tuple(sorted(table.pairs("annotations").items())),
        resources=_resources(table),
        suggested_namespace=table.text("suggested-namespace", f"{package}-system", "a namespace"),
        repository=table.matching("repository", _URL, table.text("repository", None, "a URL"), "a full URL"),
        created_at=_created_at(table),
        replaces=table.text("replaces", "", "the name of the ClusterServiceVersion before this one"),
        skips=table.texts("skips", [], "names of ClusterServiceVersions"),
        skip_range=table.text("skip-range", "", 'a range such as ">=1.0.0 <1.2.0"'),
        code=_code(table.table("code")),
    )
    table.finish()
    return found


def _sized(table: _Table, key: str, shortest: int, longest: int) -> str:
    value = table.text(key, None, f"a text of {shortest} to {longest} characters")
    if not shortest <= len(value) <= longest:
        raise table.wrong(key, f"has {len(value)} characters", f"expected {shortest} to {longest}")
    return value


def _image(table: _Table, key: str, template: str, names: dict[str, str]) -> str:
    try:
        image = template.format_map(names)
    except (KeyError, ValueError, IndexError) as error:
        raise table.wrong(key, f"is {template!r}", "it may hold {registry}, {package} and {version}") from error
    if image.startswith("/"):
        raise table.wrong(key, f"is {template!r}, and there is no registry", "set tool.balise.registry or --registry")
    if image != image.lower() or any(character.isspace() for character in image):
        raise table.wrong(key, f"is {image!r}", "an image reference has no spaces and no capital letters")
    return image


def _created_at(table: _Table) -> str:
    """The configured time, else that of SOURCE_DATE_EPOCH (reproducible-builds.org), else none: never the clock's."""
    if value := table.text("created-at", "", "a date"):
        return table.matching(
            "created-at", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), value, "2026-01-31T12:00:00Z"
        )
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return ""
    try:
        return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(
            f"is {epoch!r}", place="$SOURCE_DATE_EPOCH", way_out="give seconds since 1970, or unset it"
        ) from error


def _resources(table: _Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    values = table.get("resources", dict, {}, "a table: a kind, and what it makes")
    for kind, made in values.items():
        if not isinstance(made, list) or not all(isinstance(item, str) and "/" in item for item in made):
            raise table.wrong("resources", f"has {kind} = {made!r}", 'expected a list such as ["v1/Service"]')
    return tuple((kind, tuple(sorted(made))) for kind, made in sorted(values.items()))


def _code(table: _Table) -> CodeFacts:
    crds, rules, deployment = (_entry_point_or_globs(table, key) for key in ("crds", "rules", "deployment"))
    webhooks = table.text("webhooks", "", '"module:function"')
    if webhooks:
        table.matching("webhooks", _ENTRY_POINT, webhooks, '"module:function"')
    found = CodeFacts(crds, rules, deployment, webhooks)
    table.finish()
    return found


def _entry_point_or_globs(table: _Table, key: str) -> str | tuple[str, ...]:
    expected = '"module:function", or a list of globs of YAML files'
    value = table.get(key, object, None, expected)
    if isinstance(value, str):
        return table.matching(key, _ENTRY_POINT, value, expected)
    return table.texts(key, None, expected)
