"""The pages of the checks' manual, made from their register."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from balise.checks.fixes import FIXABLE
from balise.checks.registry import OPTIONAL_SUITES, REFERENCE_SUITES, Check, checks, suites

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SUITES", "as_markdown", "as_text", "example_parts", "manual"]

SUITES: Final = {
    "load": "what keeps a folder from being read as a bundle",
    "csv": "the ClusterServiceVersion by itself",
    "crd": "CustomResourceDefinitions, as the API server validates them",
    "bundle": "ClusterServiceVersion, CRDs and other objects together",
    "operatorhubv2": "what OperatorHub.io asks for",
    "standardcategories": "the headings under which a catalog lists the operator",
    "standardcapabilities": "the operator's capability level",
    "object": "other objects of the bundle",
    "operatorgroup": "annotations of OperatorGroups",
    "removedapis": "APIs that Kubernetes has removed",
    "goodpractices": "what is allowed and yet unwise",
    "catalog": "file-based catalogs, as opm validates them",
    "bundleformat": "layout, annotations, dependencies and labels of a bundle",
    "communityoperators": "what the community-operators repositories ask for",
    "crdschema": "the schemas inside CRDs, as the API server judges them",
    "examples": "the example custom resources against their CRDs' schemas",
    "ignores": "comments that ignore findings",
    "multiarch": "platform labels, scheduling and image indexes",
    "packagemanifest": "the package-manifest format of old",
    "scorecard": "the scorecard's tests that need no cluster",
}
"""Each suite in a line."""


def as_text(check: Check) -> str:
    """A check for a terminal."""
    faulty, note, mended = example_parts(check)
    parts = [f"{check.code}: {check.title}", "", *_facts(check), "", *_wrapped(check.explanation, 100)]
    parts += ["", "For example:", "", *_indented(faulty)]
    if mended:
        parts += ["", f"Instead{note.rstrip(':')}:", "", *_indented(mended)]
    return "\n".join([*parts, "", f"To fix: {check.hint}"]) + "\n"


def example_parts(check: Check) -> tuple[str, str, str]:
    """The example's faulty part, what is said of the other, and that: the example as it should be."""
    faulty, _, rest = check.example.partition("\n# instead")
    note, _, mended = rest.partition("\n")
    return faulty, note, mended


def as_markdown(check: Check) -> str:
    """A check as a section of the manual."""
    facts = "  \n".join(_facts(check))
    example = f"```yaml\n{check.example}\n```"
    anchor = f'<a id="{check.code.lower()}"></a>'
    parts = [
        f"### {check.code}",
        anchor,
        f"**{check.title}.** {check.explanation}",
        example,
        f"To fix: {check.hint}.",
        facts,
    ]
    return "\n\n".join(parts) + "\n"


def _facts(check: Check) -> Iterator[str]:
    mends = ", `--fix` may mend it" if check.code in FIXABLE else ""
    yield f"{check.level}, in {' and '.join(check.suites)}{mends}"
    yield f"reference: {check.reference}"


def _indented(text: str) -> list[str]:
    return [f"    {line}" if line else "" for line in text.splitlines()]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap  # noqa: PLC0415

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def manual() -> str:
    """All checks, by suite."""
    known = suites()
    names = [name for name in SUITES if name in known] + sorted(known.keys() - SUITES.keys())
    lines = [
        "# Checks",
        "",
        f"What `balise check` looks for: {len(checks())} checks in {len(names)} suites. This page is generated from",
        "them; `balise explain CODE` shows the same on a terminal. A code that goes is not used again.",
        "",
        "| suite | what it looks at | checks | when it runs |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| [{name}](#suite-{name}) | {SUITES.get(name, '')} | {len(known[name])} | {_when(name)} |" for name in names
    ]
    told: set[str] = set()
    for name in names:
        lines += ["", f"## Suite {name}", ""]
        shared = [f"[{each.code}](#{each.code.lower()})" for each in known[name] if each.code in told]
        lines += [f"As above: {', '.join(shared)}.", ""] if shared else []
        lines += [as_markdown(each) for each in known[name] if each.code not in told]
        told.update(each.code for each in known[name])
    return "\n".join(lines).rstrip("\n") + "\n"


def _when(suite: str) -> str:
    if suite in ("load", "catalog"):
        return "always"
    if suite in REFERENCE_SUITES:
        return "profiles `default` and `reference`"
    return "with `--suite`" if suite in OPTIONAL_SUITES else "profile `default`"
