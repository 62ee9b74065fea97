"""A bundle as the ``olm.bundle`` of a file-based catalog, with the properties that ``opm render`` derives for it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from balise.model.bundle import Bundle
from balise.model.csv_metadata import csv_metadata
from balise.model.errors import InputError
from balise.model.go_json import compact
from balise.model.go_types import MismatchError, decode
from balise.model.yaml_text import Json, SyntaxProblem, load

__all__ = ["Blob", "RenderedBundle", "held_csv", "render_bundle"]

Blob = dict[str, Any]

_BREAKS = re.compile(r"[\r\n]")


class RenderedBundle(NamedTuple):
    """The blob, and what of the ClusterServiceVersion a package shows: its description and first icon."""

    blob: Blob
    description: str
    icon: Blob | None


class _Property(NamedTuple):
    """A property with its value's JSON text, by which properties are compared and sorted."""

    type: str
    text: str

    def blob(self) -> Blob:
        return {"type": self.type, "value": json.loads(self.text)}


def render_bundle(bundle: Bundle, image: str, *, inline: bool = False) -> RenderedBundle:
    """The ``olm.bundle`` of a loaded bundle.

    Args:
        bundle: the bundle, as read from its directory.
        image: where it can be pulled from; empty for a bundle that the catalog holds wholly, which implies ``inline``.
        inline: keep every object in an ``olm.bundle.object``, as ``opm render`` does, instead of the CSV's metadata.

    Raises:
        InputError: for what opm would refuse: an owned CRD that is not there, a property of the wrong form. And for a
            bundle that does not say its package, of which opm makes an olm.bundle that it refuses later.
    """
    if not bundle.annotations.package:
        raise InputError(
            "metadata/annotations.yaml does not say which package it belongs to",
            place=bundle.path,
            way_out="add the annotation operators.operatorframework.io.bundle.package.v1",
        )
    _must_have_owned_crds(bundle)
    properties = [each.blob() for each in sorted(_facts(bundle))]
    if inline or not image:
        properties += [{"type": "olm.bundle.object", "value": {"data": data}} for data in sorted(_objects(bundle))]
    else:
        properties.append({"type": "olm.csv.metadata", "value": csv_metadata(bundle.csv.fields)})
    blob: Blob = {
        "schema": "olm.bundle",
        "name": bundle.csv.name,
        "package": bundle.annotations.package,
        "image": image,
        "properties": properties,
    }
    if not bundle.csv.name:
        del blob["name"]
    if related := _related_images(bundle, image):
        blob["relatedImages"] = related
    return RenderedBundle(blob, str(bundle.csv.spec.get("description") or ""), _icon(bundle))


def _must_have_owned_crds(bundle: Bundle) -> None:
    """Raise InputError where the CSV owns, or requires, what cannot be told apart, or owns what the bundle lacks."""
    csv = bundle.csv
    for api in (*csv.crds("owned"), *csv.crds("required")):
        if "." not in api.name:
            raise InputError(
                f"{csv.name} names a CRD {api.name!r}", place=bundle.path, way_out="a CRD's name is PLURAL.GROUP"
            )
    provided = {
        (str((crd.spec.get("names") or {}).get("plural", "")), *gvk) for crd in bundle.crds for gvk in crd.gvks
    } | {(api.name, api.group, api.version, api.kind) for api in csv.api_services("owned")}
    for api in csv.crds("owned"):
        plural, _, group = api.name.partition(".")
        if (plural, group, api.version, api.kind) not in provided:
            raise InputError(
                f"{csv.name} owns {api.name} {api.version}, kind {api.kind}, and the bundle has no such CRD",
                place=bundle.path,
                way_out="add the CRD, or correct name, version and kind where the CSV lists it",
            )


def _icon(bundle: Bundle) -> Blob | None:
    """The first icon; none at all where one of them is not base64."""
    icons: list[Blob] = bundle.csv.spec.get("icon") or []
    try:
        data = [base64.b64decode(_BREAKS.sub("", each.get("base64data", "")), validate=True) for each in icons]
    except ValueError:
        return None
    if not data:
        return None
    return {"base64data": base64.b64encode(data[0]).decode(), "mediatype": icons[0].get("mediatype", "")}


def _objects(bundle: Bundle) -> list[str]:
    return [base64.b64encode(compact(each.data).encode()).decode() for each in bundle.objects if each.data]


def _facts(bundle: Bundle) -> list[_Property]:
    """Everything that the bundle says about itself: its package, APIs, dependencies, and properties given by hand."""
    package = _Property("olm.package", _package(bundle))
    provided: dict[str, None] = {}
    others: list[_Property] = []
    for each in dict.fromkeys(_given_properties(bundle)):
        if each.type == "olm.package":
            package = _Property("olm.package", _typed(each, "property.Package", bundle))
        elif each.type == "olm.gvk":
            provided[_gvk(_typed_fields(each, "GVK", bundle))] = None
        else:
            others.append(each)
    for gvk in (gvk for crd in bundle.crds for gvk in crd.gvks):
        provided[_gvk(gvk._asdict())] = None
    for api in bundle.csv.api_services("owned"):
        provided[_gvk({"group": api.group, "version": api.version, "kind": api.kind})] = None
    required: dict[str, None] = {}
    for each in _entries(bundle, "dependencies"):
        if each.type == "olm.gvk":
            required[_gvk(_typed_fields(each, "GVK", bundle))] = None
        elif each.type == "olm.package":
            fields = _typed_fields(each, "property.Package", bundle)
            value = {"packageName": fields.get("packageName", ""), "versionRange": fields.get("version", "")}
            others.append(_Property("olm.package.required", _ordered(value)))
        else:
            others.append(each)
    for api in bundle.csv.crds("required"):
        required[_gvk({"group": api.crd_group, "version": api.version, "kind": api.kind})] = None
    for api in bundle.csv.api_services("required"):
        required[_gvk({"group": api.group, "version": api.version, "kind": api.kind})] = None
    return [
        package,
        *(_Property("olm.gvk", text) for text in provided),
        *(_Property("olm.gvk.required", text) for text in required),
        *others,
    ]


def _given_properties(bundle: Bundle) -> Iterator[_Property]:
    """Those of metadata/properties.yaml, then those of the CSV's annotation: of two olm.package the later counts."""
    yield from _entries(bundle, "properties")
    annotation = bundle.csv.annotations.get("olm.properties")
    if annotation is None:
        return
    try:
        entries = json.loads(annotation)
        decoded = decode(entries, "[]Property") or []
    except (ValueError, RecursionError, MismatchError):
        return  # opm warns and goes on
    for entry, raw in zip(decoded, entries, strict=True):
        yield _Property(entry.get("type", ""), _ordered(raw.get("value")))


def _entries(bundle: Bundle, field: str) -> Iterator[_Property]:
    """The list *field* of the first file in metadata/ that has one."""
    for path in sorted(path for path in bundle.files if path.startswith("metadata/") and path.count("/") == 1):
        try:
            data = load(bundle.files[path])
            entries = data.get(field) if isinstance(data, dict) else None
            decoded = decode(entries, "[]Property", yaml=True) or []
        except (SyntaxProblem, MismatchError):
            continue  # opm tries each file as each kind, and takes what fits
        if decoded:
            for entry in decoded:
                yield _Property(entry.get("type", ""), compact(entry.get("value")))
            return


def _package(bundle: Bundle) -> str:
    spec = (bundle.csv.document.data or {}).get("spec") or {}
    version, release = spec.get("version"), spec.get("release")
    if isinstance(release, (int, float)):
        release = f"{release:g}"
    value = {"packageName": bundle.annotations.package, "version": version or ""}
    return _ordered({**value, "release": release} if release else value)


def _typed_fields(found: _Property, type_name: str, bundle: Bundle) -> Mapping[str, Any]:
    try:
        return decode(json.loads(found.text), type_name) or {}
    except MismatchError as error:
        raise InputError(f"property or dependency {found.type}: {error}", place=bundle.path) from None


def _typed(found: _Property, type_name: str, bundle: Bundle) -> str:
    fields = _typed_fields(found, type_name, bundle)
    value = {"packageName": fields.get("packageName", ""), "version": fields.get("version", "")}
    return _ordered({**value, "release": fields["release"]} if fields.get("release") else value)


def _gvk(fields: Mapping[str, Any]) -> str:
    return _ordered({name: fields.get(name, "") for name in ("group", "kind", "version")})


def _ordered(value: Json) -> str:
    """JSON with the keys as they come: the order of a Go struct's fields."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _related_images(bundle: Bundle, image: str) -> list[Blob]:
    """What the CSV lists, the bundle's own image, and what its containers run."""
    listed = bundle.csv.spec.get("relatedImages") or []
    found = [{"name": each.get("name", ""), "image": each.get("image", "")} for each in listed]
    known = {each["image"] for each in found}
    more = [image] if image and image not in known else []
    if (bundle.csv.spec.get("install") or {}).get("strategy") == "deployment":
        for deployment in bundle.csv.deployments or ():
            pod = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
            containers = [*(pod.get("containers") or ()), *(pod.get("initContainers") or ())]
            more += [each.get("image", "") for each in containers]
    found += [{"name": "", "image": each} for each in dict.fromkeys(more) if each not in known]
    return sorted(found, key=lambda each: each["image"])


def held_csv(properties: Iterable[Blob]) -> Blob | None:
    """The ClusterServiceVersion that a bundle holds as an object; None where it holds none that can be read."""
    for found in properties:
        if found["type"] != "olm.bundle.object":
            continue
        try:
            text = base64.b64decode(found["value"]["data"])
            data = json.loads(text) if text.lstrip().startswith(b"{") else load(text)
        except (ValueError, KeyError, TypeError, SyntaxProblem, RecursionError):
            continue
        if isinstance(data, dict) and data.get("kind") == "ClusterServiceVersion":
            return data
    return None
