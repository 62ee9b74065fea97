"""Conversion of objects between v1alpha1, the simple form, and v1, the form that is stored. Pure, and lossless.

v1 says more than v1alpha1. What the spec of an object in v1alpha1 cannot show travels with it in an annotation, the
*stash*:

- `rest`: the v1 form without what v1alpha1's fields stand for;
- `fields`: for each group of fields whose v1 form is not the one that we would write ourselves (a port with a name of
  its own, a variable taken from a Secret), a fingerprint of what v1alpha1 shows, and the v1 form itself.

On the way back to v1 a group that still shows what it showed then gets its v1 form back, exactly. A group that somebody
edited is written anew, over its old v1 form, so that what the edit did not touch stays. Stored objects carry no stash.

The status is shown in full, as nothing of it may be in a user's hands: who writes an object, its status apart, has it
taken from what v1alpha1 showed before, and an annotation is theirs to write.
"""

import base64
import copy
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from timonier.api import application_lenses, backup_lenses
from timonier.api.lenses import Part, View, cut, merge
from timonier.api.resources import APPLICATIONS, BACKUPS, GROUP

__all__ = ["STASH", "VIEWS", "ConversionError", "convert", "to_v1", "to_v1alpha1"]

STASH: Final = f"{GROUP}/conversion-data"
TOO_LARGE: Final = "too-large"
"""The stash of an object whose rest does not fit into an annotation: it can be read in v1alpha1, and not written."""

VIEWS: Final[Mapping[str, View]] = {APPLICATIONS.kind: application_lenses.SPEC, BACKUPS.kind: backup_lenses.SPEC}
"""For each kind with two versions, how v1alpha1 shows the spec."""

_STATUS_NAMES: Final[Mapping[str, Mapping[str, str]]] = {BACKUPS.kind: {"phase": "state"}}
"""Fields of the status that have another name in v1alpha1, by the one of v1."""

# Kubernetes: all annotations of an object together hold at most 256 KiB, keys included.
_ANNOTATIONS_LIMIT: Final = 256 * 1024
_UNPACKED_LIMIT: Final = 2 * 1024 * 1024

Manifest = dict[str, Any]


class ConversionError(Exception):
    """An object cannot be written in the version that was asked for; the message says what to do."""


class _Kept(NamedTuple):
    """What a stash has."""

    rest: Part
    fields: Mapping[str, tuple[str, Part]]


def convert(manifest: Mapping[str, Any], version: str) -> Manifest:
    """The object in `version` (`v1` or `v1alpha1`), in either of which it may be given. The argument is not changed.

    Raises ConversionError for other versions and kinds, for a v1alpha1 object that lost what did not fit into its
    stash, and for one that is not what the schema of its version says.
    """
    kind, given = manifest.get("kind"), str(manifest.get("apiVersion", "")).rpartition("/")[2]
    directions = {("v1", "v1alpha1"): to_v1alpha1, ("v1alpha1", "v1"): to_v1}
    if kind in VIEWS and given == version and given in ("v1", "v1alpha1"):
        return dict(manifest)
    if kind not in VIEWS or (given, version) not in directions:
        raise ConversionError(f"{GROUP} has no conversion of {kind} from {given or 'no version'} to {version}")
    try:
        return directions[given, version](manifest)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # The API server asks before it looks at the schema, when it has somebody review the object.
        raise ConversionError(f"this {kind} is not what the schema of {given} says") from error


def to_v1alpha1(manifest: Mapping[str, Any]) -> Manifest:
    """The v1 object as v1alpha1, with a stash where that shows less."""
    kind = str(manifest["kind"])
    annotations = dict(manifest.get("metadata", {}).get("annotations") or {})
    annotations.pop(STASH, None)
    parts: dict[str, Part] = {}
    if "spec" in manifest:
        parts["spec"], kept = _simplified(_part(manifest, "spec"), VIEWS[kind])
        if kept.rest or kept.fields:
            annotations[STASH] = _fitting(_pack(kept._asdict()), annotations)
    if "status" in manifest:
        parts["status"] = _renamed(_part(manifest, "status"), _STATUS_NAMES.get(kind, {}))
    return _rewritten(manifest, "v1alpha1", parts, annotations)


def _part(manifest: Mapping[str, Any], name: str) -> Part:
    value = manifest[name]
    if value is not None and not isinstance(value, dict):
        raise TypeError
    return value or {}


def _simplified(part: Part, view: View) -> tuple[Part, _Kept]:
    shown: Part = {}
    forms: dict[str, Any] = {}
    rest = copy.deepcopy(part)
    for lens in view.lenses:
        values = lens.get(part)
        form = cut(rest, lens.paths)
        ours: Part = {}
        if values:
            lens.put(values, ours)
        if ours != form:
            forms[lens.fields[0]] = (_fingerprint(values), form)
        shown |= values
    return shown, _Kept(rest, forms)


def to_v1(manifest: Mapping[str, Any]) -> Manifest:
    """The v1alpha1 object as v1: what its stash kept comes back, and what was edited since wins, field by field."""
    kind = str(manifest["kind"])
    annotations = dict(manifest.get("metadata", {}).get("annotations") or {})
    text = annotations.pop(STASH, "")
    if text == TOO_LARGE:
        raise ConversionError(
            f"this {kind} says more than v1alpha1 can carry along, and would lose it: write it in v1, or take the "
            f"annotation {STASH} away to keep only what v1alpha1 shows"
        )
    parts: dict[str, Part] = {}
    if "spec" in manifest:
        shown = _part(manifest, "spec")
        parts["spec"] = _restored(kind, shown, text) if text else _assembled(shown, _Kept({}, {}), VIEWS[kind])
    if "status" in manifest:
        names = {name: ours for ours, name in _STATUS_NAMES.get(kind, {}).items()}
        parts["status"] = _renamed(_part(manifest, "status"), names)
    return _rewritten(manifest, "v1", parts, annotations)


def _restored(kind: str, shown: Part, text: str) -> Part:
    """The spec with what the stash kept. Nobody else looks at what comes out of a stash, which is in the user's hands.

    One that is not ours, or that gives a spec which v1 does not know, is refused rather than ignored: ignoring it would
    lose what it may have kept.
    """
    view = VIEWS[kind]
    try:
        spec = _assembled(shown, _unpack(text), view)
        broken = view.broken(view.model.model_validate(spec))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, zlib.error) as error:
        raise ConversionError(
            f"the annotation {STASH} does not lead to a {kind} of v1 ({_first_line(error)}): read the object "
            "again, or take the annotation away to keep only what v1alpha1 shows"
        ) from error
    if broken:
        raise ConversionError(f"with what v1alpha1 does not show, {broken}: write this {kind} in v1")
    return spec


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    return {names.get(name, name): value for name, value in part.items()}


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "it is not one that was handed out"


def _assembled(shown: Part, kept: _Kept, view: View) -> Part:
    part = copy.deepcopy(kept.rest)
    for lens in view.lenses:
        values = {name: shown[name] for name in lens.fields if name in shown}
        then, form = kept.fields.get(lens.fields[0], ("", {}))
        if then and then == _fingerprint(values):
            merge(part, form)
        else:
            own = copy.deepcopy(form)
            lens.put(values, own)
            merge(part, own)
    return part


def _rewritten(
    manifest: Mapping[str, Any], version: str, parts: Mapping[str, Part], annotations: dict[str, str]
) -> Manifest:
    metadata = {name: value for name, value in manifest.get("metadata", {}).items() if name != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {**manifest, "apiVersion": f"{GROUP}/{version}", "metadata": metadata, **parts}


def _pack(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 6)).decode()


def _fitting(packed: str, annotations: Mapping[str, str]) -> str:
    others = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    return packed if others + len(STASH) + len(packed) <= _ANNOTATIONS_LIMIT else TOO_LARGE


def _unpack(text: str) -> _Kept:
    """The stash. A small text cannot unfold into a large one. Raises ValueError or zlib.error when it is not ours."""
    unfolding = zlib.decompressobj()
    unfolded = unfolding.decompress(base64.b64decode(text, validate=True), _UNPACKED_LIMIT)
    value = json.loads(unfolded)
    match value:
        case {"rest": dict(rest), "fields": dict(fields)} if unfolding.eof:
            return _Kept(rest, {name: (str(mark), dict(form)) for name, (mark, form) in fields.items()})
    raise ValueError


def _fingerprint(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
