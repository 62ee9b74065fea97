"""`balise release`: from a clean tree to everything that a release needs, or to the reason why not."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from balise.model.errors import BaliseError, InputError

if TYPE_CHECKING:
    from balise.generate.configuration import Configuration
    from balise.model.catalog import Catalog
    from balise.publish.release import Plan, Wish

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "release"
HELP = "make a version: changelog, bundle, catalog; checked, and proved to strand nobody"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("version", metavar="VERSION", help="such as 1.2.3 or 1.2.3-rc.1")
    parser.add_argument("--channel", action="append", default=[], metavar="NAME",
                        help="where it is offered (default: tool.balise.channels); may be repeated")  # fmt: skip
    parser.add_argument("--config", type=Path, default=Path("pyproject.toml"), metavar="FILE",
                        help="the project's pyproject.toml (default: %(default)s)")  # fmt: skip
    parser.add_argument("--date", type=_date, metavar="YYYY-MM-DD", help="of the release (default: today, UTC)")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; show all differences")


def _date(text: str) -> str:
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-03-31") from None


def run(args: argparse.Namespace) -> int:
    """Release. Everything is made in a copy; the tree is written only when nothing speaks against it."""
    from balise.generate import configuration  # noqa: PLC0415 (slow imports, only wanted here)
    from balise.publish.release import Wish  # noqa: PLC0415

    settings = configuration.read(args.config)
    root = settings.root.resolve()
    date = args.date or dt.datetime.now(dt.UTC).date().isoformat()
    tracked = _tracked(root, clean=not args.dry_run)
    if reasons := list(_rewritten(root, settings.output.relative_to(settings.root).as_posix())):
        raise _refusal(reasons)
    with tempfile.TemporaryDirectory(prefix="balise-release-") as temporary:
        copy = _Copy(root, Path(temporary) / root.name)
        copy.take(tracked)
        config = args.config.name
        previous = _catalog(root / "catalog" / settings.package)
        plan = copy.edit(config, settings, previous, Wish(args.version, date, tuple(args.channel)))
        _make(copy, config, settings, args.version, previous)
        sys.stderr.writelines(f"note: {note}\n" for note in plan.notes)
        if args.dry_run:
            sys.stdout.writelines(copy.differences(settings.output.resolve().relative_to(root).as_posix()))
            _say(f"{args.version} can be released; nothing was written")
            return 0
        sys.stdout.writelines(f"wrote {path}\n" for path in copy.write_back())
        sys.stdout.write(_next_steps(configuration.read(args.config), plan.template))
    return 0


def _make(copy: _Copy, config: str, settings: Configuration, version: str, previous: Catalog) -> None:
    """Generate, check, build and prove in the copy; raises BaliseError with what speaks against the release."""
    from balise.publish.release import hazards  # noqa: PLC0415 (slow import)

    package = settings.package
    bundle = copy.path / settings.output.relative_to(settings.root) / version
    catalog = copy.path / "catalog" / package
    _say(f"{package} {version}: version, changelog and template are edited")
    copy.balise("the bundle cannot be generated", "generate", "--config", copy.path / config)
    _say("the bundle is generated")
    copy.balise("the bundle has errors", "check", "--no-cache", "--config", copy.path / config, bundle)
    _say("the bundle is checked")
    copy.balise("the catalog cannot be built", "catalog", "build", "--config", copy.path / config)
    after = _catalog(catalog)
    if reasons := list(hazards(previous, after, package, version)):
        raise _refusal(reasons)
    _say("the catalog is built, and strands nobody")
    for line in _changes(previous, after):
        _say(f"  {line}")
    arguments: list[str | Path] = ["--catalog", catalog, "--package", package, "--bundles", bundle.parent]
    if previous.packages and not any(each.name == f"{package}.v{version}" for each in previous.bundles):
        arguments += ["--previous", copy.root / "catalog" / package]
    copy.balise("the proof finds what is unsafe", "prove", *arguments)
    _say("every way to a head is proved")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _refusal(reasons: Iterable[str]) -> BaliseError:
    return BaliseError("not released:" + "".join(f"\n- {reason}" for reason in reasons))


def _changes(before: Catalog, after: Catalog) -> Iterator[str]:
    from balise.graph.diff import compare_catalogs  # noqa: PLC0415 (slow import)

    for change in compare_catalogs(before, after):
        if change.weight == "change":
            yield change.message


def _catalog(folder: Path) -> Catalog:
    from balise.model.catalog import Catalog as Empty  # noqa: PLC0415 (slow imports)
    from balise.model.catalog_files import load_catalog  # noqa: PLC0415

    return load_catalog(folder) if folder.is_dir() else Empty()


def _git(root: Path, *arguments: str) -> str:
    program = shutil.which("git")
    if program is None:
        raise InputError("git is not installed", way_out="a release starts from a committed tree: install git")
    found = subprocess.run([program, "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    if found.returncode:
        message = (found.stderr.strip().splitlines() or ["git failed"])[-1]
        raise InputError(message, place=str(root), way_out="a release starts from a committed tree: git init, commit")
    return found.stdout


def _tracked(root: Path, *, clean: bool) -> list[str]:
    """Paths of the project's files; raises InputError where the tree must be clean and is not."""
    dirty = _git(root, "status", "--porcelain", "--", ".").splitlines()
    if dirty and clean:
        shown = ", ".join(line[3:] for line in dirty[:4]) + (f" and {len(dirty) - 4} more" if len(dirty) > 4 else "")
        raise InputError(
            f"the tree is not clean: {shown}", place=str(root), way_out="commit these, or look with --dry-run"
        )
    if dirty:
        _say("note: the tree is not clean; a release would refuse it")
    paths = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted({path for path in paths if path})


def _tagged(root: Path) -> frozenset[str]:
    """Versions that have a tag, ``v1.2.3`` or ``1.2.3``."""
    return frozenset(tag.removeprefix("v") for tag in _git(root, "tag", "--list").split())


def _rewritten(root: Path, bundles: str) -> Iterator[str]:
    """Tagged versions whose bundle is another one now: OLM never takes the new one to who has the old one."""
    for tag in sorted(_git(root, "tag", "--list").split()):
        folder = f"{bundles}/{tag.removeprefix('v')}"
        if (root / folder).is_dir() and _git(root, "ls-tree", tag, "--", folder):
            paths = _git(root, "diff", "--name-only", tag, "--", folder).split()
            if paths:
                yield f"{folder} is not what was tagged {tag} ({paths[0]}): put it back, git checkout {tag} -- {folder}"


class _Copy:
    """The project's files in a folder where they can be changed."""

    def __init__(self, root: Path, path: Path) -> None:
        self.root = root
        self.path = path
        self._before: dict[str, bytes] = {}

    def take(self, paths: Iterable[str]) -> None:
        """Copy the files of the project."""
        for path in paths:
            if (self.root / path).is_file():
                (self.path / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / path, self.path / path)
        self._before = self._contents()

    def edit(self, config: str, settings: Configuration, catalog: Catalog, wish: Wish) -> Plan:
        """Make the edits that a person would make; raises BaliseError with what speaks against the release."""
        from balise.model.documents import file_bytes  # noqa: PLC0415 (slow imports)
        from balise.publish.release import Project, plan_release  # noqa: PLC0415
        from balise.publish.template import parse_template  # noqa: PLC0415

        template, changelog = self.path / "catalog" / "template.yaml", self.path / "CHANGELOG.md"
        bundles = self.path / settings.output.relative_to(settings.root)
        registry = settings.image.rpartition("/")[0]
        project = Project(
            package=settings.package,
            version=settings.version,
            pyproject=(self.path / config).read_text("utf-8"),
            template=parse_template("catalog/template.yaml", file_bytes(template)) if template.is_file() else None,
            catalog=catalog,
            changelog=changelog.read_text("utf-8") if changelog.is_file() else None,
            channels=settings.channels,
            bundles=frozenset(path.name for path in bundles.glob("*") if path.is_dir()),
            released=_tagged(self.root),
            image=f"{registry}/{settings.package}-bundle:v{wish.version}",
        )
        plan = plan_release(project, wish)
        if plan.reasons:
            raise _refusal(plan.reasons)
        (self.path / config).write_text(plan.pyproject, "utf-8")
        template.parent.mkdir(exist_ok=True)
        template.write_text(plan.template, "utf-8")
        if plan.changelog is not None:
            changelog.write_text(plan.changelog, "utf-8")
        return plan

    def balise(self, failure: str, *arguments: str | Path) -> None:
        """Run another of our commands; raises BaliseError with all that it said where it fails."""
        from balise.cli import main  # noqa: PLC0415 (imports this module)

        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main([str(each) for each in arguments])
        if status:
            text = said.getvalue().replace(str(self.path), str(self.root)).rstrip()
            raise BaliseError(f"not released: {failure}\n{text}")

    def _contents(self) -> dict[str, bytes]:
        paths = (path for path in self.path.rglob("*") if path.is_file() and not path.is_symlink())
        return {path.relative_to(self.path).as_posix(): path.read_bytes() for path in paths}

    def _changed(self) -> dict[str, bytes]:
        now = self._contents()
        # What Python left behind while it looked at the operator is no part of the project.
        return {
            path: content
            for path, content in sorted(now.items())
            if self._before.get(path) != content and "__pycache__" not in path
        }

    def differences(self, bundles: str) -> Iterator[str]:
        """Unified diffs; a new bundle's files beside those of the version before it."""
        from balise.publish.release import diffs  # noqa: PLC0415 (slow import)

        before = {path: content.decode("utf-8", "replace") for path, content in self._before.items()}
        after = {path: content.decode("utf-8", "replace") for path, content in self._changed().items()}
        yield from diffs(before, after, bundles)

    def write_back(self) -> Iterator[str]:
        """Write what is different to the project, and give each path."""
        from balise.publish.trees import write_file  # noqa: PLC0415 (slow import)

        for path, content in self._changed().items():
            write_file(self.root / path, content)
            yield path


def _next_steps(settings: Configuration, template: str) -> str:
    from balise.publish.template import parse_template, tag_of  # noqa: PLC0415 (slow import)

    version, package = settings.version, settings.package
    images = parse_template("catalog/template.yaml", template.encode()).images
    bundle_image = next(image for image in images if tag_of(image) == version)
    folder = settings.output.relative_to(settings.root) / version
    registry = settings.image.rpartition("/")[0]
    return "\n".join((
        "",
        "Next:",
        "  1. Read the differences, then commit and tag them:",
        f"       git add -A && git commit -m 'Release {version}' && git tag v{version}",
        "  2. Build and push the images, the operator's first:",
        f"       buildah build -t {settings.image} . && buildah push {settings.image}",
        f"       buildah build -f bundle.Containerfile -t {bundle_image} {folder} && buildah push {bundle_image}",
        "       balise catalog image catalog --output catalog-image",
        f"       skopeo copy --all oci:catalog-image:latest docker://{registry}/{package}-catalog:latest",
        "  3. Offer it on OperatorHub:",
        "       balise publish operatorhub --to ../community-operators",
        "",
    ))  # fmt: skip
