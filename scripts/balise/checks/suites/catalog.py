"""Suite ``catalog``: a file-based catalog, as ``opm validate`` sees it (operator-registry, alpha/declcfg, alpha/model).

These checks have no rules of their own kind: they look at a whole catalog (:mod:`balise.checks.catalog`), not a bundle.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Final

from balise.checks.registry import Check, declare

__all__ = ["CATALOG_CHECKS", "CATALOG_SUITE"]

CATALOG_SUITE: Final = "catalog"
CATALOG_CHECKS: Final[dict[str, Check]] = {}
"""The checks by the names under which the rules refer to them."""

_LOAD: Final = "alpha/declcfg: load.go, declcfg.go"
_CONVERT: Final = "alpha/declcfg: declcfg_to_model.go"
_MODEL: Final = "alpha/model: model.go"


def _declare(name: str, code: str, title: str, explanation: str, example: str, hint: str, *, reference: str) -> None:
    text = " ".join(explanation.split())
    CATALOG_CHECKS[name] = declare(
        Check(code, title, (CATALOG_SUITE,), "error", "CatalogNotValid", text, cleandoc(example), hint, reference, None)
    )


_declare(
    "unreadable",
    "BAL2001",
    "A file of the catalog cannot be read",
    """Every file below the catalog's folder belongs to it, unless a .indexignore names it. One that cannot be opened,
    a link to a folder for example, makes the whole catalog unreadable.""",
    """
    # .indexignore
    # instead
    docs
    """,
    "remove it, or name it in .indexignore",
    reference=_LOAD,
)
_declare(
    "syntax",
    "BAL2002",
    "A file of the catalog is neither YAML nor JSON",
    """Whatever its name, a file below the catalog's folder is read as a stream of YAML or JSON documents. A README is
    read, too, unless .indexignore names it.""",
    """
    schema: olm.channel
    \tname: stable
    # instead
    schema: olm.channel
    name: stable
    """,
    "correct the syntax at that place, or name the file in .indexignore",
    reference=_LOAD,
)
_declare(
    "no-schema",
    "BAL2003",
    "A document is not a blob with a schema",
    """Every document of a catalog is a mapping with a schema. An empty document is not: comments alone before the first
    --- are one, and so is a blank line after the last ---.""",
    """
    name: stable
    package: example
    # instead
    schema: olm.channel
    name: stable
    package: example
    """,
    "add the schema; remove a document that holds nothing but comments",
    reference=_LOAD,
)
_declare(
    "keys",
    "BAL2004",
    "Two keys of a blob differ only in case",
    """The keys of a blob count without regard to case, so that Name and name are the same key, given twice.""",
    """
    schema: olm.channel
    name: stable
    Name: fast
    # instead
    schema: olm.channel
    name: stable
    """,
    "remove one of them",
    reference=_LOAD,
)
_declare(
    "type",
    "BAL2005",
    "A value is of the wrong type",
    """Blobs of OLM's schemas are read into types: text where a list belongs, a number where text belongs, or an icon
    that is not base64 cannot be read. A name that looks like a number needs quotes. Unknown fields do not matter.""",
    """
    schema: olm.channel
    entries: example.v1.0.0
    # instead
    schema: olm.channel
    entries: [{name: example.v1.0.0}]
    """,
    "write a value of the type that is named",
    reference=_LOAD,
)
_declare(
    "bundle-object",
    "BAL2006",
    "An object inside of a bundle cannot be read",
    """The data of an olm.bundle.object property is a manifest, YAML or JSON, in base64.""",
    """
    type: olm.bundle.object
    value: {data: "kind: ConfigMap"}
    # instead
    type: olm.bundle.object
    value: {data: a2luZDogQ29uZmlnTWFwCg==}
    """,
    "encode the manifest in base64",
    reference=_LOAD,
)
_declare(
    "package-no-name",
    "BAL2011",
    "A package has no name",
    """An olm.package needs a name: channels and bundles refer to it.""",
    """
    schema: olm.package
    defaultChannel: stable
    # instead
    schema: olm.package
    name: example
    defaultChannel: stable
    """,
    "add the name",
    reference=_CONVERT,
)
_declare(
    "package-twice",
    "BAL2012",
    "A package is defined twice",
    """There is one olm.package for each package in the whole catalog.""",
    """
    {schema: olm.package, name: example, defaultChannel: stable}
    {schema: olm.package, name: example, defaultChannel: fast}
    # instead
    {schema: olm.package, name: example, defaultChannel: stable}
    """,
    "remove one of them",
    reference=_CONVERT,
)
_declare(
    "package-name",
    "BAL2013",
    "A package's name is not a DNS label",
    """A package's name has at most 63 lower-case letters, digits and hyphens, and neither begins nor ends with a
    hyphen.""",
    """
    schema: olm.package
    name: Example_Operator
    # instead
    schema: olm.package
    name: example-operator
    """,
    "rename it in the package, its channels and its bundles",
    reference=_CONVERT,
)
_declare(
    "channel-package",
    "BAL2021",
    "A channel belongs to a package that is not there",
    """An olm.channel names the package that it belongs to, and the catalog needs an olm.package of that name.""",
    """
    schema: olm.channel
    name: stable
    # instead
    schema: olm.channel
    name: stable
    package: example
    """,
    "add the olm.package, or correct the name",
    reference=_CONVERT,
)
_declare(
    "channel-no-name",
    "BAL2022",
    "A channel has no name",
    """Subscriptions ask for a channel by its name.""",
    """
    schema: olm.channel
    package: example
    # instead
    schema: olm.channel
    package: example
    name: stable
    """,
    "add the name",
    reference=_CONVERT,
)
_declare(
    "channel-twice",
    "BAL2023",
    "A channel is defined twice",
    """A package has one olm.channel of each name; all its entries stand there.""",
    """
    {schema: olm.channel, package: example, name: stable, entries: [{name: example.v1.0.0}]}
    {schema: olm.channel, package: example, name: stable, entries: [{name: example.v1.1.0}]}
    # instead
    schema: olm.channel
    package: example
    name: stable
    entries: [{name: example.v1.0.0}, {name: example.v1.1.0, replaces: example.v1.0.0}]
    """,
    "merge their entries",
    reference=_CONVERT,
)
_declare(
    "entry-twice",
    "BAL2024",
    "A channel lists a bundle twice",
    """Each bundle has one entry in a channel, which holds all its edges.""",
    """
    entries:
    - {name: example.v1.1.0, replaces: example.v1.0.0}
    - {name: example.v1.1.0, skips: [example.v1.0.1]}
    # instead
    entries:
    - {name: example.v1.1.0, replaces: example.v1.0.0, skips: [example.v1.0.1]}
    """,
    "merge the two entries",
    reference=_CONVERT,
)
_declare(
    "bundle-no-package",
    "BAL2031",
    "A bundle does not say which package it belongs to",
    """An olm.bundle names its package in a field of its own, beside the olm.package property.""",
    """
    schema: olm.bundle
    name: example.v1.0.0
    # instead
    schema: olm.bundle
    name: example.v1.0.0
    package: example
    """,
    "add the package",
    reference=_CONVERT,
)
_declare(
    "bundle-package",
    "BAL2032",
    "A bundle belongs to a package that is not there",
    """An olm.bundle names the package that it belongs to, and the catalog needs an olm.package of that name.""",
    """
    schema: olm.bundle
    package: exmaple
    # instead
    schema: olm.bundle
    package: example
    """,
    "add the olm.package, or correct the name",
    reference=_CONVERT,
)
_declare(
    "bundle-twice",
    "BAL2033",
    "A bundle is defined twice",
    """A bundle in several channels is still one olm.bundle, listed by each of them.""",
    """
    {schema: olm.bundle, package: example, name: example.v1.0.0, image: example.org/bundle:v1.0.0}
    {schema: olm.bundle, package: example, name: example.v1.0.0, image: example.org/bundle:v1.0.1}
    # instead
    {schema: olm.bundle, package: example, name: example.v1.0.0, image: example.org/bundle:v1.0.0}
    """,
    "remove one of them, or correct its name",
    reference=_CONVERT,
)
_declare(
    "property",
    "BAL2034",
    "A property of a bundle cannot be read",
    """Properties of OLM's types have values of a fixed form, and every property has a value.""",
    """
    type: olm.gvk
    value: Example
    # instead
    type: olm.gvk
    value: {group: example.org, version: v1, kind: Example}
    """,
    "write the value in the form that the property's type has",
    reference="alpha/property: property.go",
)
_declare(
    "package-property",
    "BAL2035",
    "A bundle does not have exactly one olm.package property",
    """The olm.package property says which package and version a bundle is. It must be there, once.""",
    """
    properties: []
    # instead
    properties:
    - type: olm.package
      value: {packageName: example, version: 1.0.0}
    """,
    "leave one olm.package property",
    reference=_CONVERT,
)
_declare(
    "package-mismatch",
    "BAL2036",
    "A bundle and its olm.package property name different packages",
    """The field package and the packageName of the olm.package property say the same.""",
    """
    package: example
    properties:
    - type: olm.package
      value: {packageName: sample, version: 1.0.0}
    # instead
    package: example
    properties:
    - type: olm.package
      value: {packageName: example, version: 1.0.0}
    """,
    "correct one of them",
    reference=_CONVERT,
)
_declare(
    "image",
    "BAL2037",
    "An image is not an image reference",
    """A bundle's image and its related images must be references that can be pulled, as HOST/PATH:TAG or
    HOST/PATH@DIGEST.""",
    """
    image: https://example.org/bundle:v1.0.0
    # instead
    image: example.org/bundle:v1.0.0
    """,
    "write it as HOST/PATH:TAG or HOST/PATH@DIGEST",
    reference=_CONVERT,
)
_declare(
    "version",
    "BAL2038",
    "A bundle's version is not a semantic version",
    """The version in the olm.package property has the form MAJOR.MINOR.PATCH, without a leading v.""",
    """
    value: {packageName: example, version: v1.0}
    # instead
    value: {packageName: example, version: 1.0.0}
    """,
    "write MAJOR.MINOR.PATCH",
    reference=_CONVERT,
)
_declare(
    "release",
    "BAL2039",
    "A bundle's release is not valid",
    """The release in the olm.package property has identifiers of letters, digits and hyphens, joined by dots, numbers
    without leading zeros, and at most 20 characters.""",
    """
    value: {packageName: example, version: 1.0.0, release: "01"}
    # instead
    value: {packageName: example, version: 1.0.0, release: "1"}
    """,
    "write identifiers joined by dots",
    reference="alpha/model: versionrelease.go",
)
_declare(
    "bundle-no-entry",
    "BAL2040",
    "A bundle is in no channel",
    """Nobody could install a bundle that no channel lists, so opm refuses it.""",
    """
    entries: []
    # instead
    entries: [{name: example.v1.0.0}]
    """,
    "list it in a channel, or remove it",
    reference=_CONVERT,
)
_declare(
    "entry-no-bundle",
    "BAL2041",
    "A channel lists a bundle that is not there",
    """Every entry of a channel names an olm.bundle of the same package. The names in replaces and skips may be of
    bundles that are gone.""",
    """
    entries: [{name: exmaple.v1.0.0}]
    # instead
    entries: [{name: example.v1.0.0}]
    """,
    "add the olm.bundle, or correct or remove the entry",
    reference=_CONVERT,
)
_declare(
    "deprecation-package",
    "BAL2051",
    "A deprecation is for a package that is not there",
    """An olm.deprecations names a package of the same catalog.""",
    """
    schema: olm.deprecations
    entries: []
    # instead
    schema: olm.deprecations
    package: example
    entries: []
    """,
    "name a package of this catalog",
    reference=_CONVERT,
)
_declare(
    "deprecation-twice",
    "BAL2052",
    "A package has two olm.deprecations",
    """All deprecations of a package stand in one blob.""",
    """
    {schema: olm.deprecations, package: example, entries: []}
    {schema: olm.deprecations, package: example, entries: []}
    # instead
    {schema: olm.deprecations, package: example, entries: []}
    """,
    "merge their entries",
    reference=_CONVERT,
)
_declare(
    "deprecation-entry-twice",
    "BAL2053",
    "Something is deprecated twice",
    """Each package, channel or bundle has one deprecation, with one message.""",
    """
    - {reference: {schema: olm.channel, name: alpha}, message: Use stable.}
    - {reference: {schema: olm.channel, name: alpha}, message: Use fast.}
    # instead
    - {reference: {schema: olm.channel, name: alpha}, message: Use stable.}
    """,
    "remove one of them",
    reference=_CONVERT,
)
_declare(
    "deprecation-schema",
    "BAL2054",
    "A deprecation does not say what it deprecates",
    """The schema of a deprecation's reference is olm.package, olm.channel or olm.bundle.""",
    """
    reference: {name: alpha}
    # instead
    reference: {schema: olm.channel, name: alpha}
    """,
    "write olm.package, olm.channel or olm.bundle",
    reference=_CONVERT,
)
_declare(
    "deprecation-target",
    "BAL2055",
    "What is deprecated is not there",
    """A deprecation refers to a channel or bundle of its own package that is in the catalog.""",
    """
    reference: {schema: olm.bundle, name: exmaple.v1.0.0}
    # instead
    reference: {schema: olm.bundle, name: example.v1.0.0}
    """,
    "correct the name, or remove the entry",
    reference=_CONVERT,
)
_declare(
    "deprecation-named",
    "BAL2056",
    "The deprecation of a package names something",
    """A deprecation whose schema is olm.package is about the package of its blob, and has no name.""",
    """
    reference: {schema: olm.package, name: example}
    # instead
    reference: {schema: olm.package}
    """,
    "remove the name",
    reference=_CONVERT,
)
_declare(
    "deprecation-message",
    "BAL2057",
    "A deprecation has no message",
    """The message is what users see: why, and what to use instead.""",
    """
    - reference: {schema: olm.channel, name: alpha}
    # instead
    - reference: {schema: olm.channel, name: alpha}
      message: alpha gets no fixes any more; use stable.
    """,
    "say why, and what to use instead",
    reference=_MODEL,
)
_declare(
    "default-unset",
    "BAL2071",
    "A package has no default channel",
    """The default channel is what a user gets who does not ask for one.""",
    """
    schema: olm.package
    name: example
    # instead
    schema: olm.package
    name: example
    defaultChannel: stable
    """,
    "name one of the package's channels in defaultChannel",
    reference=_MODEL,
)
_declare(
    "package-empty",
    "BAL2072",
    "A package has no channel",
    """A package without a channel offers nothing to install.""",
    """
    {schema: olm.package, name: example}
    # instead
    {schema: olm.package, name: example, defaultChannel: stable}
    {schema: olm.channel, package: example, name: stable, entries: [{name: example.v1.0.0}]}
    """,
    "add a channel, or remove the package",
    reference=_MODEL,
)
_declare(
    "default-missing",
    "BAL2073",
    "The default channel is not there",
    """The default channel must be one of the package's channels.""",
    """
    defaultChannel: stabel
    # instead
    defaultChannel: stable
    """,
    "name one of the package's channels in defaultChannel",
    reference=_MODEL,
)
_declare(
    "channel-empty",
    "BAL2074",
    "A channel has no entries",
    """A channel offers at least one bundle; a Subscription to an empty one would get nothing, for ever.""",
    """
    entries: []
    # instead
    entries: [{name: example.v1.0.0}]
    """,
    "list a bundle in it, or remove the channel",
    reference=_MODEL,
)
_declare(
    "no-head",
    "BAL2075",
    "A channel has no head",
    """The head of a channel is the one entry that no other entry replaces or skips; new users get it. Where every entry
    is replaced or skipped by one, there is a cycle, and nothing to begin with.""",
    """
    entries:
    - {name: example.v1.0.0, replaces: example.v1.1.0}
    - {name: example.v1.1.0, replaces: example.v1.0.0}
    # instead
    entries:
    - {name: example.v1.0.0}
    - {name: example.v1.1.0, replaces: example.v1.0.0}
    """,
    "remove the edge that leads to the newest entry",
    reference=_MODEL,
)
_declare(
    "several-heads",
    "BAL2076",
    "A channel has several heads",
    """The head of a channel is the one entry that no other entry replaces or skips. A skipRange is no edge here: the
    newest entry must also replace or skip the others by name.""",
    """
    entries:
    - {name: example.v1.0.0}
    - {name: example.v1.1.0, skipRange: "<1.1.0"}
    # instead
    entries:
    - {name: example.v1.0.0}
    - {name: example.v1.1.0, skipRange: "<1.1.0", replaces: example.v1.0.0}
    """,
    "let the newest of them replace or skip the others",
    reference=_MODEL,
)
_declare(
    "cycle",
    "BAL2077",
    "The upgrades of a channel go in a circle",
    """From the head, replaces must lead back through older bundles and end.""",
    """
    - {name: example.v1.0.0, replaces: example.v1.1.0}
    - {name: example.v1.1.0, replaces: example.v1.0.0}
    - {name: example.v1.2.0, replaces: example.v1.1.0}
    # instead
    - {name: example.v1.0.0}
    - {name: example.v1.1.0, replaces: example.v1.0.0}
    - {name: example.v1.2.0, replaces: example.v1.1.0}
    """,
    "remove the edge from the older to the newer bundle",
    reference=_MODEL,
)
_declare(
    "stranded",
    "BAL2078",
    "Bundles of a channel are stranded",
    """From the head, replaces leads from bundle to bundle, up to one that is skipped or not in the channel. Every entry
    must be on that way or be skipped by an entry: whoever runs another one never gets an upgrade.""",
    """
    - {name: example.v1.0.0}
    - {name: example.v1.1.0, replaces: example.v1.0.0, skips: [example.v1.0.0]}
    - {name: example.v0.9.0, replaces: example.v0.9.0}
    # instead
    - {name: example.v0.9.0}
    - {name: example.v1.0.0, replaces: example.v0.9.0}
    - {name: example.v1.1.0, replaces: example.v1.0.0}
    """,
    "let an entry on the way from the head replace or skip them",
    reference=_MODEL,
)
_declare(
    "version-twice",
    "BAL2079",
    "Two bundles of a package have the same version",
    """Versions tell the bundles of a package apart, across all its channels.""",
    """
    {name: example.v1.0.0, version: 1.0.0}
    {name: example-v1.0.0, version: 1.0.0}
    # instead
    {name: example.v1.0.0, version: 1.0.0}
    {name: example.v1.0.1, version: 1.0.1}
    """,
    "give each its own version",
    reference=_MODEL,
)
_declare(
    "skip-empty",
    "BAL2080",
    "A skip is empty",
    """The list skips holds names of bundles; an empty name skips nothing.""",
    """
    skips: [""]
    # instead
    skips: [example.v1.0.1]
    """,
    "write a bundle's name, or remove it",
    reference=_MODEL,
)
_declare(
    "skip-range",
    "BAL2081",
    "A skipRange is not a version range",
    """A skipRange has comparisons with < <= > >= = and !=, joined by spaces (and) or || (or), and neither ^ nor ~.""",
    """
    skipRange: ^1.0.0
    # instead
    skipRange: ">=1.0.0 <2.0.0"
    """,
    "write comparisons, such as >=1.0.0 <1.2.0",
    reference=_MODEL,
)
_declare(
    "bundle-no-image",
    "BAL2082",
    "A bundle has no image",
    """OLM pulls a bundle's content from its image. Only a bundle that holds its objects as olm.bundle.object properties
    can do without one.""",
    """
    schema: olm.bundle
    name: example.v1.0.0
    # instead
    schema: olm.bundle
    name: example.v1.0.0
    image: example.org/bundle:v1.0.0
    """,
    "add the image",
    reference=_MODEL,
)
_declare(
    "bundle-no-name",
    "BAL2083",
    "A bundle has no name",
    """A bundle's name is that of its ClusterServiceVersion.""",
    """
    entries: [{name: ""}]
    # instead
    entries: [{name: example.v1.0.0}]
    """,
    "add the name, in the bundle and in its channels",
    reference=_MODEL,
)
_declare(
    "release-name",
    "BAL2084",
    "A bundle with a release is not named after it",
    """A bundle that has a release is named PACKAGE-vVERSION-RELEASE, and its version has no build metadata.""",
    """
    name: example.v1.0.0
    value: {packageName: example, version: 1.0.0, release: "1"}
    # instead
    name: example-v1.0.0-1
    value: {packageName: example, version: 1.0.0, release: "1"}
    """,
    "rename it, or remove the release",
    reference=_MODEL,
)
