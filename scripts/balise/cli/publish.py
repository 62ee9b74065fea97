"""`balise publish`: put a version where others look for it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
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
    bundle = _loaded(folder)
    package = bundle.annotations.package
    archetypes, catalog = _own_catalog(catalog_folder, bundle)
    target = args.to / "operators" / package
    present = read_tree(target)
    choices = Choices(args.update_graph, tuple(args.reviewer), args.overwrite)
    plan = plan_submission(bundle, Tree(present), choices, archetypes=archetypes, catalog=catalog)
    if plan.reasons:
        raise BaliseError("not published: " + "; ".join(plan.reasons), place=str(target / plan.folder))
    _check({**present, **plan.files}, target, plan.folder)
    sys.stderr.writelines(f"balise publish: note: {note}\n" for note in plan.notes)
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


def _loaded(folder: Path) -> Bundle:
    from balise.model.bundle import BundleLoadError, load_bundle  # noqa: PLC0415 (slow import)

    try:
        bundle = load_bundle(folder)
    except BundleLoadError as error:
        raise InputError(f"the bundle cannot be loaded: {error}", place=str(folder)) from None
    if not bundle.annotations.package:
        raise InputError(
            "metadata/annotations.yaml does not say which package it belongs to",
            place=str(folder),
            way_out="add the annotation operators.operatorframework.io.bundle.package.v1",
        )
    return bundle


def _check(files: Mapping[str, bytes], target: Path, version: str) -> None:
    """Run the checks on the tree as it would be; raises BaliseError, after telling them, where there are errors."""
    from balise.checks.operators import check_operators  # noqa: PLC0415 (slow imports)
    from balise.checks.report import Outcome, render  # noqa: PLC0415
    from balise.checks.runner import Run, check_bundle  # noqa: PLC0415
    from balise.checks.suites.communityoperators import COMMUNITY_SUITE  # noqa: PLC0415
    from balise.publish.trees import write_folder  # noqa: PLC0415

    profile = Run.of_profile("default")
    wanted = Run(tuple(dict.fromkeys((*profile.suites, COMMUNITY_SUITE))), profile.options, merge=True)
    with tempfile.TemporaryDirectory(prefix="balise-publish-") as temporary:
        staged = Path(temporary) / "operators" / target.name
        write_folder(staged, files)
        report = check_bundle(staged / version, wanted)
        bundles = sorted({path.partition("/")[0] for path in files if path.split("/")[1:2] == ["manifests"]})
        together = check_operators([str(staged / name) for name in bundles], (COMMUNITY_SUITE,))
        outcome = Outcome((report, *together))
        if any(outcome.findings()):
            text = render(outcome, "text", color=sys.stderr.isatty())
            sys.stderr.write(text.replace(str(staged), str(target)))
    if outcome.failed:
        raise BaliseError("the catalogs' CI would refuse it", place=str(target / version), way_out="mend what is told")


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
