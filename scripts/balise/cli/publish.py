"""`balise publish`: put a version where others look for it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from balise.model.errors import BaliseError, InputError

if TYPE_CHECKING:
    from balise.model.bundle import Bundle
    from balise.model.catalog import Catalog

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "publish"
HELP = "write what a pull request to the community catalogs needs"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the places to publish to, and their arguments."""
    places = parser.add_subparsers(dest="place", metavar="PLACE", required=True)
    text = "the tree of a pull request to OperatorHub.io's or OpenShift's community catalog, its CI's checks run first"
    hub = places.add_parser("operatorhub", help=text, description=text)
    hub.add_argument("--to", type=Path, required=True, metavar="DIR",
                     help="the catalog repository's checkout; operators/PACKAGE/VERSION is added")  # fmt: skip
    hub.add_argument("--config", type=Path, default=Path("pyproject.toml"), metavar="FILE",
                     help="the project's pyproject.toml (default: %(default)s)")  # fmt: skip
    hub.add_argument("--version", metavar="VERSION", help="instead of the project's own")
    hub.add_argument("--bundle", type=Path, metavar="DIR", help="this bundle, instead of one of the project")
    hub.add_argument("--update-graph", choices=("replaces-mode", "semver-mode"), default="",
                     help="for a new ci.yaml (default: replaces-mode for a version that replaces one)")  # fmt: skip
    hub.add_argument("--reviewer", action="append", default=[], metavar="ACCOUNT", help="for a new ci.yaml")
    hub.add_argument("--overwrite", action="store_true", help="replace a published version that has other content")
    hub.add_argument("--dry-run", action="store_true", help="write nothing; say what would be written")


def run(args: argparse.Namespace) -> int:
    """Publish. Returns 1 where their checks or ours find a reason not to."""
    from balise.publish.operatorhub import Choices, Tree, plan_submission  # noqa: PLC0415 (slow imports)
    from balise.publish.trees import read_tree, write_file, write_folder  # noqa: PLC0415

    folder, catalog_folder = _folders(args)
    bundle = _checked(folder)
    package = bundle.annotations.package
    archetypes, catalog = _own_catalog(catalog_folder, bundle)
    target = args.to / "operators" / package
    choices = Choices(args.update_graph, tuple(args.reviewer), args.overwrite)
    plan = plan_submission(bundle, Tree(read_tree(target)), choices, archetypes=archetypes, catalog=catalog)
    sys.stderr.writelines(f"balise publish: note: {note}\n" for note in plan.notes)
    if plan.reasons:
        raise BaliseError("not published: " + "; ".join(plan.reasons), place=str(target / plan.folder))
    if plan.unchanged:
        sys.stdout.write(f"{target / plan.folder} is up to date\n")
        return 0
    verb = "would write" if args.dry_run else "wrote"
    if not args.dry_run:
        prefix = f"{plan.folder}/"
        for path, content in plan.files.items():
            if not path.startswith(prefix):
                write_file(target / path, content)
        inside = {path.removeprefix(prefix): data for path, data in plan.files.items() if path.startswith(prefix)}
        write_folder(target / plan.folder, inside)
    sys.stdout.writelines(f"{verb} {target / path}\n" for path in plan.files)
    if not args.dry_run:
        sys.stdout.write(
            f"next, in {args.to}: git checkout -b {package}-{plan.folder} && git add operators/{package} &&"
            f" git commit -s -m 'operator {package} ({plan.folder})', then open the pull request\n"
        )
    return 0


def _folders(args: argparse.Namespace) -> tuple[Path, Path | None]:
    """The bundle's folder, and that of the project's catalog where there is a project."""
    if args.bundle is not None:
        if args.version is not None:
            raise InputError("names one bundle, --version another", place="--bundle", way_out="leave one of them out")
        return args.bundle, None
    from balise.generate import configuration  # noqa: PLC0415 (slow import)

    settings = configuration.read(args.config)
    return settings.output / (args.version or settings.version), settings.root / "catalog"


def _checked(folder: Path) -> Bundle:
    """The bundle; raises BaliseError, after telling the findings, where a check of theirs finds an error."""
    from balise.checks.registry import suites  # noqa: PLC0415 (slow imports)
    from balise.checks.report import Outcome, render  # noqa: PLC0415
    from balise.checks.runner import Report, Run, check_bundle, check_loaded  # noqa: PLC0415
    from balise.model.bundle import BundleLoadError, load_bundle  # noqa: PLC0415

    profile = Run.of_profile("default")
    more = ("communityoperators",) if "communityoperators" in suites().keys() - set(profile.suites) else ()
    wanted = Run((*profile.suites, *more), profile.options, merge=True)
    bundle: Bundle | None = None
    report: Report
    try:
        bundle = load_bundle(folder)
        report = check_loaded(bundle, wanted)
    except BundleLoadError:
        report = check_bundle(folder, wanted)
    if report.findings or report.load_problems:
        sys.stderr.write(render(Outcome((report,)), "text", color=sys.stderr.isatty()))
    if bundle is None or report.failed:
        raise BaliseError("the catalogs' CI would refuse it", place=str(folder), way_out="mend what is listed above")
    return bundle


def _own_catalog(folder: Path | None, bundle: Bundle) -> tuple[list[str], Catalog | None]:
    """Where our own template lists the version, and our own catalog; nothing where there is none."""
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415 (slow imports)
    from balise.publish.template import listed_in  # noqa: PLC0415

    if folder is None or not folder.is_dir():
        return [], None
    template = folder / "template.yaml"
    archetypes = listed_in(template, str(bundle.csv.version)) if template.is_file() else []
    built = folder / bundle.annotations.package
    return archetypes, load_catalog(built) if built.is_dir() else None
