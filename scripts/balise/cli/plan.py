"""`balise plan`: what OLM will install, in which order, and why; or why it will not."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from balise.model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from balise.planner.rollout import Cluster
    from balise.planner.universe import CatalogSource

__all__ = ["HELP", "NAME", "configure", "load_catalogs", "run"]

NAME = "plan"
HELP = "tell what the Operator Lifecycle Manager will install, step by step, and why"

_INSTALL_MODES = ["AllNamespaces", "OwnNamespace", "SingleNamespace", "MultiNamespace"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--scenarios", type=Path, metavar="FILE",
                        help="plan every scenario of a JSON-lines file, one line of JSON each")  # fmt: skip
    parser.add_argument("--catalog", action="append", default=[], metavar="[NAME=]DIR",
                        help="a file-based catalog; may be repeated, the first is preferred")  # fmt: skip
    parser.add_argument("--package", metavar="NAME", help="the package of the Subscription")
    parser.add_argument("--channel", default="", metavar="NAME", help="default: the package's default channel")
    parser.add_argument("--installed", default="", metavar="CSV", help="what is installed, e.g. timonier.v0.1.0")
    parser.add_argument("--installed-version", default="", metavar="VERSION",
                        help="its version, where no catalog and not its name tells")  # fmt: skip
    parser.add_argument("--starting-csv", default="", metavar="CSV", help="startingCSV of the Subscription")
    parser.add_argument("--beside", action="append", default=[], metavar="CSV",
                        help="another CSV in the namespace that no Subscription owns; may be repeated")  # fmt: skip
    parser.add_argument("--namespace", default="operators", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--approval", choices=["automatic", "manual"], default="automatic")
    parser.add_argument("--kube-version", metavar="VERSION", help="of the cluster, e.g. 1.31")
    parser.add_argument("--install-mode", choices=_INSTALL_MODES, help="what the OperatorGroup targets")
    parser.add_argument("--target-namespace", action="append", default=[], metavar="NAME",
                        help="a target of the OperatorGroup, instead of --install-mode; may be repeated")  # fmt: skip
    parser.add_argument("--not-upgradeable", action="append", default=[], metavar="CSV",
                        help="its OperatorCondition says Upgradeable=False; may be repeated")  # fmt: skip
    parser.add_argument("--failing", action="append", default=[], metavar="CSV",
                        help="it never becomes available; may be repeated")  # fmt: skip
    parser.add_argument("--fail-forward", action="store_true",
                        help="the OperatorGroup allows to replace a failed CSV")  # fmt: skip
    parser.add_argument("--olm", choices=["v0", "v1"], default="v0",
                        help="v0: a Subscription (default); v1: a ClusterExtension")  # fmt: skip
    parser.add_argument("--version", default="", metavar="RANGE", help="v1: the version range, e.g. '~1.2' or '1.2.3'")
    parser.add_argument("--policy", choices=["CatalogProvided", "SelfCertified"], default="CatalogProvided",
                        help="v1: the upgradeConstraintPolicy (default: %(default)s)")  # fmt: skip
    parser.add_argument("--format", choices=["text", "json"], default="text", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Plan and print; 1 when the one user's plan is blocked or a version does not roll out."""
    if args.scenarios is not None:
        return _scenarios(args.scenarios, args.format)
    if not args.catalog or not args.package:
        raise InputError("nothing to plan", way_out="Give --catalog DIR and --package NAME, or --scenarios FILE.")
    from balise.planner import index, question, report, rounds  # noqa: PLC0415 (slow imports, only wanted here)

    catalogs = load_catalogs(args.catalog)
    warn_of_gaps(NAME, catalogs, [args.package])
    if args.olm == "v1":
        return _extension(args, catalogs)
    asked = question.Question(
        package=args.package,
        channel=args.channel,
        installed=args.installed,
        installed_version=args.installed_version,
        starting_csv=args.starting_csv,
        beside=tuple(args.beside),
        namespace=args.namespace,
        fail_forward=args.fail_forward,
    )
    universe = question.universe_for(asked, catalogs)
    cluster = _cluster(args)
    indexed = index.CatalogIndex(catalogs)
    planned = rounds.plan(universe, cluster, indexed)
    if args.format == "json":
        data = report.as_data(planned, universe, cluster, indexed)
        sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(report.as_text(planned, universe, cluster, indexed))
    return 1 if planned.blocked or any(this.obstacles for this in planned.rounds) else 0


def load_catalogs(arguments: list[str]) -> list[CatalogSource]:
    """Read the catalogs of ``--catalog`` arguments, each with a lower priority than the one before."""
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415
    from balise.planner.question import source_of  # noqa: PLC0415

    catalogs = []
    for number, argument in enumerate(arguments):
        name, _, folder = argument.rpartition("=")
        path = Path(folder)
        catalogs.append(source_of(name or path.resolve().name, load_catalog(path), -number))
    if len({source.key for source in catalogs}) < len(catalogs):
        raise InputError("two catalogs have the same name", place="--catalog", way_out="Name them: --catalog NAME=DIR.")
    return catalogs


def warn_of_gaps(command: str, catalogs: list[CatalogSource], packages: list[str]) -> None:
    """Say on standard error what the packages lack: the plan goes by what is there."""
    from balise.planner.gaps import gaps  # noqa: PLC0415

    for source in catalogs:
        for package in packages:
            for gap in gaps(source.catalog, package):
                sys.stderr.write(f"balise {command}: warning: {source.key.name}: {gap}\n")


def _extension(args: argparse.Namespace, catalogs: list[CatalogSource]) -> int:
    from balise.planner import extension, question, report  # noqa: PLC0415

    installed = ""
    if args.installed:
        installed = question.installed_csv(args.installed, args.package, catalogs, args.installed_version).version
    asked = extension.Extension(
        package=args.package,
        version=args.version,
        channels=(args.channel,) if args.channel else (),
        policy=args.policy,
        installed=args.installed,
        installed_version=installed,
    )
    served = [extension.ClusterCatalog(each.key.name, each.catalog, each.priority) for each in catalogs]
    walk = extension.walk(asked, served)
    if args.format == "json":
        sys.stdout.write(json.dumps(report.extension_data(asked, walk), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(report.extension_text(asked, walk))
    return 1 if walk.stopped else 0


def _cluster(args: argparse.Namespace) -> Cluster:
    from balise.model.semver import InvalidVersionError  # noqa: PLC0415
    from balise.planner.rollout import Cluster, OperatorGroup, parse_kube_version  # noqa: PLC0415

    targets: tuple[str, ...] | None = tuple(args.target_namespace) or None
    if args.install_mode:
        targets = {
            "AllNamespaces": ("",),
            "OwnNamespace": (args.namespace,),
            "SingleNamespace": ("another-namespace",),
            "MultiNamespace": ("another-namespace", "third-namespace"),
        }[args.install_mode]
    try:
        kube_version = parse_kube_version(args.kube_version) if args.kube_version else None
    except InvalidVersionError as error:
        raise InputError(str(error), place="--kube-version", way_out="Give it as 1.31 or v1.31.2.") from None
    return Cluster(
        kube_version=kube_version,
        operator_group=OperatorGroup(args.namespace, args.namespace, targets) if targets is not None else None,
        not_upgradeable=frozenset(args.not_upgradeable),
        failing=frozenset(args.failing),
        manual_approval=args.approval == "manual",
    )


def _scenarios(path: Path, wanted: str) -> int:
    from balise.planner import index, report, rollout, rounds, scenarios  # noqa: PLC0415 (slow, only wanted here)

    for identifier, universe in scenarios.universes(_lines(path), str(path)):
        indexed = index.CatalogIndex(universe.considered)
        planned = rounds.plan(universe, index=indexed)
        if wanted == "json":
            line = {"id": identifier, **scenarios.outcome(planned)}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        else:
            text = report.as_text(planned, universe, rollout.Cluster(), indexed)
            sys.stdout.write(f"Scenario {identifier}\n{text}\n")
    return 0


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from lines
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {getattr(error, 'strerror', None) or error}", place=str(path)) from None
