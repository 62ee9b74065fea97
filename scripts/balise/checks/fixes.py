"""Fixes that are safe: what is meant is certain, and only the text of the value changes.

A fix is a function registered under the code whose findings it mends. Fixes are shown as a diff first, and written to a
temporary file that then takes the old one's place, so that no reader ever sees half a file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from balise.model.atomic_file import write_atomically
from balise.model.errors import InputError
from balise.model.yaml_editing import Change, NotEditableError, edited

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from balise.model.bundle import Bundle
    from balise.model.documents import Document, FieldPath

__all__ = ["FIXABLE", "FileFix", "bundle_fixes", "write_fixes"]

_Changes = Iterator[tuple["Document", Change]]
_Fix = Callable[["Bundle"], _Changes]

_ANNOTATIONS: Final = ("metadata", "annotations")


@dataclass(frozen=True, slots=True)
class FileFix:
    """What fixes make of one file."""

    file: str
    before: bytes
    after: bytes
    codes: tuple[str, ...]
    """The codes of the checks whose findings it mends."""

    def diff(self) -> str:
        """A unified diff."""
        import difflib  # noqa: PLC0415 (reports ask this module what can be mended: it must load fast)

        old, new = (text.decode("utf-8").splitlines(keepends=True) for text in (self.before, self.after))
        lines = difflib.unified_diff(old, new, self.file, self.file)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def bundle_fixes(bundle: Bundle, codes: Collection[str]) -> tuple[FileFix, ...]:
    """The files that fixes for the findings of the given codes change. A fix that cannot be made safely is left out."""
    changes: dict[str, dict[Change, str]] = {}
    for code, fix in _FIXES.items():
        for document, change in fix(bundle) if code in codes else ():
            changes.setdefault(document.file, {}).setdefault(change, code)
    found = (_file_fix(bundle, file, wanted) for file, wanted in sorted(changes.items()))
    return tuple(each for each in found if each.codes)


def _file_fix(bundle: Bundle, file: str, changes: dict[Change, str]) -> FileFix:
    before = bundle.files[os.path.relpath(file, bundle.path).replace(os.sep, "/")]
    after, made = before, []
    for change, code in changes.items():
        # One after the other: what cannot be edited must not keep the rest from being mended.
        try:
            after = edited(after, [change])
        except NotEditableError:
            continue
        made.append(code)
    return FileFix(file, before, after, tuple(dict.fromkeys(made)))


def write_fixes(fixes: Iterable[FileFix]) -> None:
    """Write them. Raises InputError for a file that is a link, or that has changed since it was read."""
    for fix in fixes:
        path = Path(fix.file)
        if path.is_symlink():
            raise InputError("is a link: nothing was changed", place=fix.file, way_out="fix the file that it leads to")
        try:
            if path.read_bytes() != fix.before:
                raise InputError("has changed since it was checked", place=fix.file, way_out="run the command again")
            write_atomically(path, fix.after, mode=stat.S_IMODE(path.stat().st_mode))
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror or error}", place=fix.file) from None


def _annotation_case(bundle: Bundle) -> _Changes:
    from balise.checks.suites.csv import annotation_case_problems  # noqa: PLC0415 (slow, and only wanted with --fix)

    for key, known in annotation_case_problems(iter(bundle.csv.annotations)):
        yield bundle.csv.document, Change("rename", (*_ANNOTATIONS, key), known)


def _operator_group_annotation_case(bundle: Bundle) -> _Changes:
    from balise.checks.suites.csv import annotation_case_problems  # noqa: PLC0415

    for each in bundle.objects:
        metadata = each.data.get("metadata") if each.kind == "OperatorGroup" else None
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        for key, known in annotation_case_problems(iter(annotations if isinstance(annotations, dict) else ())):
            yield each.document, Change("rename", (*_ANNOTATIONS, key), known)


# Kinds whose fields mean the same in the version that took over: only the name of the version changes.
_SAME_IN_V1: Final = {
    "rbac.authorization.k8s.io/v1beta1": {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"},
    "scheduling.k8s.io/v1beta1": {"PriorityClass"},
    "coordination.k8s.io/v1beta1": {"Lease"},
    "apiregistration.k8s.io/v1beta1": {"APIService"},
    "storage.k8s.io/v1beta1": {"StorageClass", "CSIDriver", "CSINode", "VolumeAttachment"},
    "batch/v1beta1": {"CronJob"},
    "node.k8s.io/v1beta1": {"RuntimeClass"},
    "policy/v1beta1": {"PodDisruptionBudget"},
}


def _removed_apis(bundle: Bundle) -> _Changes:
    for each in bundle.objects:
        if each.kind not in _SAME_IN_V1.get(each.api_version, ()):
            continue
        spec = each.data.get("spec")
        if each.kind == "PodDisruptionBudget" and not (isinstance(spec, dict) and spec.get("selector")):
            continue  # an empty selector means no pods in v1beta1, and all pods in v1
        yield each.document, Change("set", ("apiVersion",), each.api_version.partition("/")[0] + "/v1")


def _minimum_version(bundle: Bundle) -> _Changes:
    from balise.model.semver import InvalidVersionError, Version  # noqa: PLC0415

    try:
        version = str(Version.parse_tolerant(bundle.csv.min_kube_version))
    except InvalidVersionError:
        return
    yield bundle.csv.document, Change("set", ("spec", "minKubeVersion"), version)


def _api_version(bundle: Bundle) -> _Changes:
    if not bundle.csv.fields.get("apiVersion"):
        yield bundle.csv.document, Change("insert", ("apiVersion",), "operators.coreos.com/v1alpha1")


def _in_known_case(text: str, known: Iterable[str]) -> str | None:
    """The known word that *text* is but for case, spaces and hyphens."""

    def plain(word: str) -> str:
        return "".join(character for character in word.lower() if character not in " -_")

    return next((word for word in known if plain(word) == plain(text)), None)


def _capabilities(bundle: Bundle) -> _Changes:
    from balise.checks.suites.standardcapabilities import CAPABILITY_LEVELS  # noqa: PLC0415

    if level := _in_known_case(bundle.csv.annotations.get("capabilities", ""), CAPABILITY_LEVELS):
        yield bundle.csv.document, Change("set", (*_ANNOTATIONS, "capabilities"), level)


def _categories(bundle: Bundle) -> _Changes:
    from balise.checks.suites.standardcategories import STANDARD_CATEGORIES  # noqa: PLC0415

    text = bundle.csv.annotations.get("categories", "")
    written = [each.strip() for each in text.split(",") if each.strip()]
    known = [_in_known_case(each, sorted(STANDARD_CATEGORIES)) or each for each in written]
    if known and ", ".join(known) != text:
        yield bundle.csv.document, Change("set", (*_ANNOTATIONS, "categories"), ", ".join(dict.fromkeys(known)))


def _bundle_annotation(name: str, value: str) -> _Fix:
    """Adds an annotation of annotations.yaml that has one right value in every registry+v1 bundle, or corrects it."""

    def fix(bundle: Bundle) -> _Changes:
        document = bundle.annotations.document
        if document is None or not isinstance(document.data, dict):
            return
        path: FieldPath = ("annotations", f"operators.operatorframework.io.bundle.{name}")
        found = document.data.get("annotations")
        if isinstance(found, dict) and found.get(path[1]) != value:
            yield document, Change("set" if path[1] in found else "insert", path, value)

    return fix


def _channels(bundle: Bundle) -> _Changes:
    annotations = bundle.annotations
    trimmed = [channel.strip() for channel in annotations.channels if channel.strip()]
    if annotations.document is not None and trimmed and tuple(trimmed) != annotations.channels:
        path = ("annotations", "operators.operatorframework.io.bundle.channels.v1")
        yield annotations.document, Change("set", path, ",".join(trimmed))


_FIXES: Final[dict[str, _Fix]] = {
    "BAL1114": _minimum_version,
    "BAL1116": _annotation_case,
    "BAL1118": _api_version,
    "BAL1501": _capabilities,
    "BAL1551": _categories,
    "BAL1701": _operator_group_annotation_case,
    "BAL1801": _removed_apis,
    "BAL1802": _removed_apis,
    "BAL1806": _minimum_version,
    "BAL3004": _bundle_annotation("mediatype.v1", "registry+v1"),
    "BAL3005": _bundle_annotation("manifests.v1", "manifests/"),
    "BAL3006": _bundle_annotation("metadata.v1", "metadata/"),
    "BAL3009": _channels,
}
FIXABLE: Final = frozenset(_FIXES)
"""The codes of findings that ``--fix`` may mend."""
