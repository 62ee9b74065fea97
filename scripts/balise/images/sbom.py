"""The bill of materials of an image, in CycloneDX: the same bytes for the same image.

What is no input has no place in it: its time is that of the image, its serial number comes of the image's digest.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from balise.images.layout import Image
from balise.images.packages import Package
from balise.model.errors import InputError

__all__ = ["document"]

_TITLE = "org.opencontainers.image.title"
_VERSION = "org.opencontainers.image.version"
_REVISION = "org.opencontainers.image.revision"


def document(image: Image, packages: Iterable[Package], *, name: str = "") -> str:
    """CycloneDX 1.6 in JSON. The image is called as its labels say, unless a name is given."""
    settings: Mapping[str, Any] = image.configuration.get("config") or {}
    labels: Mapping[str, str] = settings.get("Labels") or {}
    described = _image(image, name or labels.get(_TITLE) or "image", labels)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"oci:{image.digest}"),
        metadata=BomMetaData(component=described, timestamp=_created(image.configuration)),
        components=[_component(package) for package in _once(packages)],
    )
    bom.register_dependency(described, bom.components)
    written: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return written + "\n"


def _image(image: Image, name: str, labels: Mapping[str, str]) -> Component:
    revision = labels.get(_REVISION)
    return Component(
        name=name,
        type=ComponentType.CONTAINER,
        version=labels.get(_VERSION) or None,
        bom_ref=f"{name}@{image.digest}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=image.digest.removeprefix("sha256:"))],
        purl=PackageURL("oci", name=name, version=image.digest),
        properties=[Property(name=_REVISION, value=revision)] if revision else None,
    )


def _created(configuration: Mapping[str, Any]) -> datetime:
    # OCI Image Format, config.md: RFC 3339; an image without it is as old as SOURCE_DATE_EPOCH=0 would say.
    text = configuration.get("created")
    if not text:
        return datetime.fromtimestamp(0, UTC)
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise InputError(f"was created at {text!r}, which is no time", place="the image's configuration") from None


def _once(packages: Iterable[Package]) -> Iterator[Package]:
    """Each by its name and version: what is installed twice is one component, the first of what its files say."""
    seen = set[tuple[str, ...]]()
    for package in packages:
        key = (package.type, package.namespace, package.name, package.version, package.architecture)
        if key not in seen:
            seen.add(key)
            yield package


def _component(package: Package) -> Component:
    qualifiers = {"arch": package.architecture, "distro": package.distribution}
    purl = PackageURL(
        package.type,
        package.namespace,
        package.name,
        package.version,
        {key: value for key, value in qualifiers.items() if value},
    )
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=[LicenseFactory().make_from_string(package.license)] if package.license else None,
        # Which of the archives it was depends on the platform: these are those that the lock lets in.
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(f"https://pypi.org/simple/{package.name}/"),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes],
            )
        ]
        if package.hashes
        else None,
    )
