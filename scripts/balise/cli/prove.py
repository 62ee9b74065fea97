"""`balise prove`: does everybody get to the head, and is every upgrade on the way safe?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from balise.model.errors import InputError

if TYPE_CHECKING:
    from balise.model.semver import Version
    from balise.proof.contents import Contents

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "prove"
HELP = "prove that every user of every version gets to the head, and that each upgrade on the way is safe"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--catalog", action="append", default=[], required=True, metavar="[NAME=]DIR",
                        help="a file-based catalog; further ones only offer dependencies")  # fmt: skip
    parser.add_argument(
        "--package", action="append", default=[], metavar="NAME", help="default: all of the first catalog"
    )
    parser.add_argument("--bundles", action="append", default=[], type=Path, metavar="DIR",
                        help="folders of bundles, to see what each upgrade changes; may be repeated")  # fmt: skip
    parser.add_argument("--previous", type=Path, metavar="DIR", help="the catalog that users have now")
    parser.add_argument("--kube-version", action="append", default=[], metavar="VERSION",
                        help="what users have, e.g. 1.31 or 1.29..1.34; may be repeated")  # fmt: skip
    parser.add_argument("--objects", action="append", default=[], type=Path, metavar="FILE|DIR",
                        help="existing custom resources: must fit each new schema; may be repeated")  # fmt: skip
    parser.add_argument("--explain", metavar="FROM..TO|CSV|CODE", help="all about one upgrade, or about a code")
    parser.add_argument("--all", action="store_true", help="show also those who would have to switch channels")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Prove and print; 1 when something is unsafe."""
    from balise.cli.plan import load_catalogs  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415
    from balise.proof import hazards, objects, proof, report  # noqa: PLC0415

    hazard = hazards.HAZARDS.get(args.explain or "")
    if hazard is not None:
        sys.stdout.write(f"{hazard.code}: {hazard.title}\n\n{hazard.explanation}\n")
        return 0
    catalogs = load_catalogs(args.catalog)
    proofs = proof.prove_all(
        catalogs,
        args.package,
        contents=_contents(args.bundles),
        previous=load_catalog(args.previous) if args.previous else None,
        kube_versions=[version for text in args.kube_version for version in _kube_versions(text)],
        objects=objects.read_objects(args.objects),
    )
    refused = [problem for argument in args.catalog for problem in _refused(Path(argument.rpartition("=")[2]))]
    if args.explain:
        sys.stdout.write(report.explained_edge(proofs, args.explain))
    elif args.format == "json":
        sys.stdout.write(json.dumps(report.as_data(proofs, refused), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(report.as_text(proofs, refused, everything=args.all))
    return 0 if all(each.safe for each in proofs) and not refused else 1


def _refused(path: Path) -> list[str]:
    """Why opm, and with it every cluster, refuses a catalog; nothing for a single file, which it never reads."""
    from balise.checks.catalog import check_catalog  # noqa: PLC0415

    findings = check_catalog(path).findings if path.is_dir() else ()
    return [f"{f.file}:{f.line}: {f.message} ({f.code})" for f in findings if f.level == "error"]


def _contents(roots: list[Path]) -> dict[str, Contents]:
    from balise.proof.contents import bundle_folders, read_contents  # noqa: PLC0415

    read = [read_contents(folder) for root in roots for folder in bundle_folders(root)]
    return {contents.name: contents for contents in read}


def _kube_versions(text: str) -> list[Version]:
    from balise.model.semver import InvalidVersionError, Version  # noqa: PLC0415
    from balise.planner.rollout import parse_kube_version  # noqa: PLC0415

    first, dots, last = text.partition("..")
    try:
        low = parse_kube_version(first)
        high = parse_kube_version(last) if dots else low
    except InvalidVersionError as error:
        raise InputError(str(error), place="--kube-version", way_out="Give it as 1.31 or as 1.29..1.34.") from None
    if low.major != high.major or low.minor > high.minor:
        raise InputError(f"{text} is no range of Kubernetes versions", place="--kube-version")
    return [low] if not dots else [Version(low.major, minor) for minor in range(low.minor, high.minor + 1)]
