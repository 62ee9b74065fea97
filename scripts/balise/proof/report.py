"""A proof as a table, as data, and one upgrade of it explained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from balise.model.errors import InputError
from balise.model.semver import Version
from balise.proof.hazards import HAZARDS, Finding
from balise.proof.journeys import Journey
from balise.proof.proof import Proof

__all__ = ["as_data", "as_text", "explained_edge"]


def as_data(proofs: Sequence[Proof], refused: Sequence[str] = ()) -> dict[str, Any]:
    """All proofs as JSON values; ``refused`` says why opm takes nothing of a catalog."""
    return {
        "safe": all(proof.safe for proof in proofs) and not refused,
        "refused": list(refused),
        "packages": [_package_data(proof) for proof in proofs],
    }


def _package_data(proof: Proof) -> dict[str, Any]:
    scene = proof.scene
    return {
        "package": scene.package,
        "safe": proof.safe,
        "journeys": [_journey_data(journey, scene.kube_versions) for journey in scene.journeys],
        "edges": [
            {
                "from": source,
                "to": target,
                "proven": (source, target) not in proof.unproven,
                "changes": [
                    {"kind": change.kind, "text": change.text, "breaks": list(change.breaks)}
                    for change in scene.changes(source, target)
                ],
            }
            for source, target in scene.edges
        ],
        "findings": [
            {
                "code": finding.code,
                "title": HAZARDS[finding.code].title,
                "level": finding.level,
                "channel": finding.channel,
                "subject": finding.subject,
                "text": finding.text,
            }
            for finding in proof.findings
        ],
    }


def _journey_data(journey: Journey, kube_versions: Iterable[Version]) -> dict[str, Any]:
    return {
        "olm": journey.olm,
        "channel": journey.channel,
        "from": journey.start.name,
        "published": journey.start.published,
        "through": [hop.target for hop in journey.hops],
        "steps": len(journey.hops),
        "head": journey.head,
        "reachesHead": journey.reaches_head,
        "stop": journey.stop,
        "kubernetes": {_minor(version): _on(journey, version) for version in kube_versions},
    }


def _minor(version: Version) -> str:
    return f"{version.major}.{version.minor}"


def _on(journey: Journey, version: Version) -> str:
    if journey.olm == "v0" and not journey.exists_on(version):
        return "does not run there"
    held = journey.held_by(version) if journey.olm == "v0" else None
    if held is not None:
        return f"stays Pending at {held.target}"
    return "reaches the head" if journey.reaches_head else "does not reach the head"


def as_text(proofs: Sequence[Proof], refused: Sequence[str] = (), *, everything: bool = False) -> str:
    """Tables for a person: every version in its channels, with ``everything`` also where it would have to switch to."""
    lines = [line for proof in proofs for line in _package_lines(proof, everything=everything)]
    if refused:
        lines += ["UNSAFE: opm refuses the catalog as a whole, so that no cluster can serve it:"]
        lines += [f"  - {problem}" for problem in refused]
    return "\n".join(lines) + "\n"


def _package_lines(proof: Proof, *, everything: bool) -> list[str]:
    scene = proof.scene
    members = {(c.name, e.name) for c in scene.catalog.channels_of(scene.package) for e in c.entries}
    rows = []
    for journey in scene.journeys:
        inside = not journey.start.name or (journey.channel, journey.start.name) in members
        if everything or inside:
            rows.append(_row(journey, scene.kube_versions))
    lines = [f"Package {scene.package}", *_table(["channel", "from", "OLM", "steps", "through", "ends"], rows), ""]
    lines += _finding_lines(proof.findings, everything=everything)
    if proof.unproven:
        edges = ", ".join(f"{source} -> {target}" for source, target in proof.unproven[:4])
        more = f" and {len(proof.unproven) - 4} more" if len(proof.unproven) > 4 else ""
        lines.append(f"Not looked into, because the manifests are not at hand (--bundles DIR): {edges}{more}")
    unsafe = sum(finding.level == "unsafe" for finding in proof.findings)
    notes = len(proof.findings) - unsafe
    verdict = "safe" if proof.safe else f"UNSAFE ({unsafe})"
    counts = f"{_count(len(scene.edges), 'upgrade')}, {_count(notes, 'note')}"
    lines.append(f"{scene.package}: {verdict}, {counts}")
    return [*lines, ""]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _row(journey: Journey, kube_versions: Sequence[Version]) -> list[str]:
    ends = f"at the head, {journey.head}" if journey.reaches_head else f"at {journey.end or 'nothing'}"
    if journey.refused:
        ends += "; OLM v1 refuses the bundle"
    held = [version for version in kube_versions if journey.olm == "v0" and journey.held_by(version)]
    if held:
        ends += f"; stuck on Kubernetes {', '.join(map(_minor, held))}"
    through = " ".join(hop.target for hop in journey.hops[:-1])
    through = through if len(through) <= 60 else f"{through[:57]}…"
    return [journey.channel, journey.start.name or "(nothing)", journey.olm, str(len(journey.hops)), through, ends]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *rows]
    ]


def _finding_lines(findings: Sequence[Finding], *, everything: bool) -> list[str]:
    lines = []
    hidden = 0
    for finding in findings:
        if finding.level == "note" and finding.code == "BAL5002" and not everything:
            hidden += 1
            continue
        where = f"channel {finding.channel}, " if finding.channel else ""
        lines.append(f"{finding.level} {finding.code} {where}{finding.subject}: {finding.text}")
    if hidden:
        whose = "users who would have to switch channels, or whom OLM v1 refuses"
        lines.append(
            f"{_count(hidden, 'way')} of {whose}, {'ends' if hidden == 1 else 'end'} before a head (see --all)"
        )
    return [*lines, ""] if lines else []


def explained_edge(proofs: Sequence[Proof], edge: str) -> str:
    """Everything about one upgrade, given as ``FROM..TO`` or as one of the two names.

    Raises:
        InputError: when nobody makes that upgrade.
    """
    source, _, target = edge.partition("..")
    lines: list[str] = []
    for proof in proofs:
        for known in proof.scene.edges:
            if (source, target) == known or (not target and source in known):
                lines += _edge_lines(proof, *known)
    if not lines:
        edges = [f"{a}..{b}" for proof in proofs for a, b in proof.scene.edges]
        raise InputError(
            f"nobody makes the upgrade {edge}", way_out=f"Upgrades are: {', '.join(edges[:20]) or 'none'}."
        )
    return "\n".join(lines) + "\n"


def _edge_lines(proof: Proof, source: str, target: str) -> list[str]:
    scene = proof.scene
    users = sorted(
        {
            f"{journey.start.name or 'a fresh installation'} on {journey.channel} (OLM {journey.olm})"
            for journey in scene.journeys
            for hop in journey.hops
            if (hop.source, hop.target) == (source, target)
        }
    )
    lines = [f"{source} -> {target}", f"  taken by: {', '.join(users)}"]
    if (source, target) in proof.unproven:
        return [*lines, "  what it changes is not known: the manifests are not at hand (--bundles DIR)"]
    found = scene.changes(source, target)
    for change in found:
        breaks = f"  BREAKS OLM {' and '.join(change.breaks)}" if change.breaks else ""
        lines.append(f"  {change.kind}: {change.text}{breaks}")
    about = [f for f in proof.findings if f.subject in (f"{source} -> {target}", target) and f.code != "BAL5010"]
    lines += [f"  {finding.code} {finding.text}" for finding in about]
    return lines if found or about else [*lines, "  changes nothing that matters"]
