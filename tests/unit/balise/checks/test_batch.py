"""Many bundles: the same reports from one process and from several, fresh and remembered."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from balise.checks import batch
from balise.checks.batch import check_bundles
from balise.checks.cache import Output, ResultCache, Snapshot, default_file
from balise.checks.registry import Options
from balise.checks.runner import Report, Run
from balise.model.errors import BaliseError

RUN = Run.of_profile("reference")


@pytest.fixture
def folders(folder: Path, tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / f"many/{number}") for number in range(30)]
    for number, path in enumerate(paths):
        shutil.copytree(folder, path)
        if number % 3 == 0:
            (Path(path) / "manifests/csv.yaml").write_text("kind: [")
        elif number % 3 == 1:
            text = (Path(path) / "manifests/csv.yaml").read_text()
            (Path(path) / "manifests/csv.yaml").write_text(text.replace("v1.28", f"1.2{number}"))
    return paths


@pytest.fixture
def cache(tmp_path: Path) -> ResultCache:
    return ResultCache(tmp_path / "cache/results.sqlite")


def test_several_processes_report_the_same_in_the_same_order(folders: list[str]) -> None:
    alone = list(check_bundles(folders, RUN))
    assert [report.path for report in alone] == folders
    assert any(report.load_error for report in alone)
    assert list(check_bundles(folders, RUN, jobs=2)) == alone


def test_a_process_that_dies_is_an_error_and_no_hang(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()
    check = batch.check_files

    def dying(*arguments: object) -> Report:
        if os.getpid() != parent:
            os._exit(1)
        return check(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "check_files", dying)
    with pytest.raises(BaliseError, match="ended from outside"):
        list(check_bundles(folders, RUN, jobs=2))


def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many bundles were really checked."""
    number = 0
    check = batch.check_files

    def counting(*arguments: object) -> Report:
        nonlocal number
        number += 1
        return check(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "check_files", counting)
    return lambda: number


def test_what_is_known_is_not_checked_again(
    folders: list[str], cache: ResultCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = counted(monkeypatch)
    first = list(check_bundles(folders, RUN, cache=cache))
    assert number() == len(folders)
    assert list(check_bundles(folders, RUN, cache=cache)) == first
    assert number() == len(folders)
    # A report is right wherever the bundle lies, but not for other contents and not for other wishes.
    moved = f"{folders[1]}-moved"
    Path(folders[1]).rename(moved)
    (report,) = check_bundles([moved], RUN, cache=cache)
    assert number() == len(folders)
    assert report.path == moved
    assert {finding.file.startswith(f"{moved}/") for finding in report.findings} == {True}
    (Path(moved) / "manifests/more.yaml").write_text("kind: X\n")
    list(check_bundles([moved], RUN, cache=cache))
    list(check_bundles([folders[2]], Run.of_profile("reference", Options(kube_version="1.30")), cache=cache))
    assert number() == len(folders) + 2


def test_runs_at_the_same_time_share_a_cache(folders: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from balise.checks.cache import ResultCache;"
        "from balise.checks.batch import check_bundles; from balise.checks.runner import Run;"
        "cache = ResultCache(Path(sys.argv[1]));"
        "print(sum(len(r.findings) for r in check_bundles(sys.argv[2:], Run.of_profile('reference'), cache=cache)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "cache/shared.sqlite"), *folders]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(answers) == 1
    known = ResultCache(tmp_path / "cache/shared.sqlite")
    assert list(check_bundles(folders, RUN, cache=known)) == list(check_bundles(folders, RUN))


def test_the_working_folder_is_a_bundle_like_any_other(
    folder: Path, cache: ResultCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for _ in range(2):
        (here,) = check_bundles(["."], RUN, cache=cache)
        (there,) = check_bundles([str(folder)], RUN, cache=cache)
        assert {finding.file for finding in here.findings} == {"./manifests/csv.yaml"}
        assert {finding.file for finding in there.findings} == {f"{folder}/manifests/csv.yaml"}
    (folder / "manifests/csv.yaml").write_text("kind: ClusterServiceVersion\n\tx\n")
    (report,) = check_bundles(["."], RUN, cache=cache)
    assert [problem.file for problem in report.load_problems] == [".", "./manifests/csv.yaml"]


@pytest.mark.parametrize("spoil", ["directory", "text", "read-only"])
def test_a_cache_that_cannot_be_used_is_no_reason_to_fail(folders: list[str], tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "cache/results.sqlite"
    file.parent.mkdir()
    if spoil == "directory":
        file.mkdir()
    elif spoil == "text":
        file.write_text("no database " * 1000)
    else:
        sqlite3.connect(f"file:{file}?mode=rwc", uri=True).close()
        file.chmod(0o400)
        file.parent.chmod(0o500)
    try:
        assert len(list(check_bundles(folders, RUN, cache=ResultCache(file)))) == len(folders)
    finally:
        file.parent.chmod(0o700)


def test_a_snapshot_sees_every_change(tmp_path: Path) -> None:
    file, folder, absent = tmp_path / "file", tmp_path / "folder", tmp_path / "absent"
    file.write_text("1")
    folder.mkdir()

    def take() -> Snapshot:
        return Snapshot.take(map(str, (file, folder, absent)), time.time_ns())

    for change in (
        lambda: file.write_text("2"),
        lambda: os.utime(file, ns=(1, 1)),
        (folder / "new").touch,
        absent.touch,
        file.unlink,
    ):
        before = take()
        assert before.is_current()
        time.sleep(0.01)  # the clock of files may tick as rarely
        change()
        assert not before.is_current()


def test_a_snapshot_is_certain_only_of_what_has_been_so_for_a_while(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    assert not Snapshot.take([str(file)], time.time_ns()).is_certain()
    assert Snapshot.take([str(file)], time.time_ns() + 3 * 10**9).is_certain()


def test_an_output_is_kept_until_something_changes(tmp_path: Path, cache: ResultCache) -> None:
    file = tmp_path / "ä\udcff"
    file.write_text("1")
    before = Snapshot.take([str(file)], time.time_ns() + 3 * 10**9)
    cache.keep_output(b"key", before, Output("text\udcff", 1))
    assert cache.output(b"key") == ("text\udcff", 1)
    assert cache.output(b"other") is None
    time.sleep(0.01)
    file.write_text("2")
    assert cache.output(b"key") is None


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALISE_CACHE_DIR", "/a")
    assert default_file().parent == Path("/a")
    monkeypatch.delenv("BALISE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_file().parent == Path("/b/balise")
