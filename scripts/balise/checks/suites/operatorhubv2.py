"""Suite ``operatorhubv2``: what OperatorHub.io asks for (operator-framework/api, validation/internal/operatorhub.go).

The suite also has the checks of ``removedapis`` and those of minKubeVersion, which say that they belong here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from balise.checks.registry import Options, Violation, check
from balise.model.email_address import InvalidEmailError, check_email
from balise.model.semver import Version
from balise.model.urls import InvalidUrlError, parse_request_uri

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__: list[str] = []

_SUITE: Final = "operatorhubv2"
_TYPE: Final = "CSVFileNotValid"


@check(
    "BAL1401",
    suites=_SUITE,
    type=_TYPE,
    hint="set spec.provider.name to who provides the operator",
    reference="operatorhub.go: checkSpecProviderName",
    example="""
        spec:
          provider: {}
        # instead
        spec:
          provider:
            name: Example Ltd
        """,
)
def provider(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The provider has no name.

    OperatorHub shows who provides an operator, and lets people filter by it.
    """
    if not (bundle.csv.spec.get("provider") or {}).get("name", "").strip():
        yield Violation("spec.provider.name is missing", bundle.csv.document, ("spec", "provider", "name"))


@check(
    "BAL1402",
    suites=_SUITE,
    type=_TYPE,
    hint="give each maintainer a name and an email address",
    reference="operatorhub.go: checkSpecMaintainers",
    example="""
        spec:
          maintainers:
            - name: Jane Doe
        # instead
        spec:
          maintainers:
            - name: Jane Doe
              email: jane@example.com
        """,
)
def maintainer_complete(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A maintainer has no name or no email address.

    Each maintainer needs both, so that people can reach a person.
    """
    for index, maintainer in enumerate(bundle.csv.spec.get("maintainers") or ()):
        missing = next((field for field in ("name", "email") if not maintainer.get(field)), None)
        if missing:
            path = ("spec", "maintainers", index, missing)
            yield Violation(f"maintainer {index} has no {missing}", bundle.csv.document, path)


@check(
    "BAL1403",
    suites=_SUITE,
    type=_TYPE,
    hint="write an address such as jane@example.com",
    reference="operatorhub.go: checkSpecMaintainers",
    example="""
        maintainers:
          - {name: Jane Doe, email: jane at example.com}
        # instead
        maintainers:
          - {name: Jane Doe, email: jane@example.com}
        """,
)
def maintainer_email(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A maintainer's email address is invalid.

    It must be one address by RFC 5322.
    """
    for index, maintainer in enumerate(bundle.csv.spec.get("maintainers") or ()):
        email = maintainer.get("email")
        try:
            if email:
                check_email(email)
        except InvalidEmailError as error:
            path = ("spec", "maintainers", index, "email")
            yield Violation(f"{email!r} is no email address: {error}", bundle.csv.document, path)


@check(
    "BAL1404",
    suites=_SUITE,
    type=_TYPE,
    hint="give each link a name and a url",
    reference="operatorhub.go: checkSpecLinks",
    example="""
        links:
          - url: https://example.com/docs
        # instead
        links:
          - name: Documentation
            url: https://example.com/docs
        """,
)
def link_complete(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A link has no name or no URL.

    A link is shown by its name and leads to its URL; it needs both.
    """
    for index, link in enumerate(bundle.csv.spec.get("links") or ()):
        missing = next((field for field in ("name", "url") if not link.get(field)), None)
        if missing:
            yield Violation(f"link {index} has no {missing}", bundle.csv.document, ("spec", "links", index, missing))


@check(
    "BAL1405",
    suites=_SUITE,
    type=_TYPE,
    hint="write the URL in full, with https://",
    reference="operatorhub.go: checkSpecLinks",
    example="""
        links:
          - {name: Documentation, url: example.com/docs}
        # instead
        links:
          - {name: Documentation, url: https://example.com/docs}
        """,
)
def link_url(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """A link's URL is invalid.

    It must be an absolute URL, or an absolute path.
    """
    for index, link in enumerate(bundle.csv.spec.get("links") or ()):
        url = link.get("url")
        try:
            if url:
                parse_request_uri(url)
        except InvalidUrlError as error:
            path = ("spec", "links", index, "url")
            yield Violation(f"{url!r} is no URL: {error}", bundle.csv.document, path)


@check(
    "BAL1406",
    suites=_SUITE,
    type=_TYPE,
    hint="set spec.version to MAJOR.MINOR.PATCH",
    reference="operatorhub.go: checkSpecVersion",
    example="""
        spec:
          displayName: Example
        # instead
        spec:
          displayName: Example
          version: 1.0.0
        """,
)
def version(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The operator has no version.

    spec.version must be set, and be more than 0.0.0, which stands for none.
    """
    if bundle.csv.version == Version():
        yield Violation("spec.version is missing or 0.0.0", bundle.csv.document, ("spec", "version"))


_ICON: Final = ("spec", "icon")
_MEDIA_TYPES: Final = ("image/gif", "image/jpeg", "image/png", "image/svg+xml")


@check(
    "BAL1407",
    suites=_SUITE,
    level="warning",
    type=_TYPE,
    hint="add the icon as base64 with its media type",
    reference="operatorhub.go: checkSpecIcon",
    example="""
        spec:
          displayName: Example
        # instead
        spec:
          displayName: Example
          icon:
            - base64data: PHN2Zy8+
              mediatype: image/svg+xml
        """,
)
def icon_missing(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """There is no icon.

    A catalog shows a grey default instead, and the operator is hard to recognise.
    """
    if bundle.csv.spec.get("icon") is None:
        yield Violation("spec.icon is missing", bundle.csv.document, _ICON)


@check(
    "BAL1408",
    suites=_SUITE,
    type=_TYPE,
    hint="keep one icon",
    reference="operatorhub.go: checkSpecIcon",
    example="""
        icon:
          - {base64data: PHN2Zy8+, mediatype: image/svg+xml}
          - {base64data: R0lGODlh, mediatype: image/gif}
        # instead
        icon:
          - {base64data: PHN2Zy8+, mediatype: image/svg+xml}
        """,
)
def icon_count(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """There is not exactly one icon.

    spec.icon is a list for historical reasons; exactly one icon is used.
    """
    icons = bundle.csv.spec.get("icon")
    if icons is not None and len(icons) != 1:
        path = (*_ICON, 1) if icons else _ICON
        yield Violation(f"spec.icon must have one element, not {len(icons)}", bundle.csv.document, path)


@check(
    "BAL1409",
    suites=_SUITE,
    type=_TYPE,
    hint="give the icon base64data and mediatype",
    reference="operatorhub.go: checkSpecIcon",
    example="""
        icon:
          - base64data: PHN2Zy8+
        # instead
        icon:
          - base64data: PHN2Zy8+
            mediatype: image/svg+xml
        """,
)
def icon_complete(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The icon has no data or no media type.

    A browser needs both to show it.
    """
    for icon in (bundle.csv.spec.get("icon") or ())[:1]:
        missing = next((field for field in ("base64data", "mediatype") if not icon.get(field)), None)
        if missing:
            yield Violation(f"the icon has no {missing}", bundle.csv.document, (*_ICON, 0, missing))


@check(
    "BAL1410",
    suites=_SUITE,
    type=_TYPE,
    hint=f"use one of {', '.join(_MEDIA_TYPES)}",
    reference="operatorhub.go: checkSpecIcon",
    example="""
        icon:
          - {base64data: SUkqAA==, mediatype: image/tiff}
        # instead
        icon:
          - {base64data: PHN2Zy8+, mediatype: image/svg+xml}
        """,
)
def icon_media_type(bundle: Bundle, _: Options) -> Iterator[Violation]:
    """The icon's media type is not one that is shown.

    GIF, JPEG, PNG and SVG images are shown by every user interface.
    """
    for icon in (bundle.csv.spec.get("icon") or ())[:1]:
        kind = icon.get("mediatype")
        if kind and kind not in _MEDIA_TYPES:
            message = f"the icon's media type {kind!r} is not among {', '.join(_MEDIA_TYPES)}"
            yield Violation(message, bundle.csv.document, (*_ICON, 0, "mediatype"))
