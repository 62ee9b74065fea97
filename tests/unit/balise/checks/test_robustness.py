"""Hostile and broken input: a clear word, in bounded time and memory, and never a traceback.

By default a few hundred mutated inputs are tried; BALISE_FUZZ_EXAMPLES=20000 tries that many.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balise.checks.batch import check_bundles
from balise.checks.runner import Report, Run

CORPUS = Path(os.environ.get("BALISE_CORPUS", Path(__file__).parents[4].parent / "shared/corpus"))
EXAMPLES = int(os.environ.get("BALISE_FUZZ_EXAMPLES", "300"))
SECONDS = 2.0

CSV = """\
apiVersion: operators.coreos.com/v1alpha1
kind: ClusterServiceVersion
metadata:
  name: a.v1.0.0
spec:
  minKubeVersion: 1.28.0
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: a}
spec:
  versions:
"""


def annotated(key: str, value: str) -> str:
    return CSV.replace("  name: a.v1.0.0\n", f"  name: a.v1.0.0\n  annotations: {{{key}: '{value}'}}\n")


BILLION_LAUGHS = "  a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  {name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_LAUGHS = "  a: &a {x: 1}\n" + "".join(
    f"  b{level}: &b{level} {{<<: [{','.join([f'*b{level - 1}' if level else '*a'] * 9)}]}}\n" for level in range(12)
)
# What is in the ClusterServiceVersion's file, and what the answer mentions.
HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "billion laughs": (CSV + BILLION_LAUGHS, "aliases expand"),
    "billion merges": (CSV + MERGE_LAUGHS, "aliases expand"),
    "deep flow lists": (CSV + "  a: " + "[" * 100_000, "flow"),
    "deep flow mappings": (CSV + "  a: " + "{a: " * 100_000, "levels deep"),
    "deep block mappings": (CSV + "".join("  " * level + "a:\n" for level in range(1, 2000)), "levels deep"),
    "deep block lists": (CSV + "  a:\n    " + "- " * 50_000 + "a\n", "levels deep"),
    "deep examples": (annotated("alm-examples", "[" * 200_000), ""),
    "tab": (CSV + "\ta: b\n", "tab"),
    "NUL": (CSV + "  a: \0\n", "control characters"),
    "invalid UTF-8": (CSV.encode() + b"  a: \xff\xfe\n", "UTF-8"),
    "long whole number": (CSV + "  replaces: " + "9" * 100_000 + "\n", ""),
    "long number in examples": (annotated("alm-examples", f"[{'9' * 10_000}]"), ""),
    "long hexadecimal number": (CSV + "  replaces: 0x" + "f" * 100_000 + "\n", ""),
    "long quantity": (
        CSV + "  install: {spec: {deployments: [{spec: {template: {spec: {containers: [{resources: {requests: {cpu: '"
        + "1" * 50_000 + "x'}}}]}}}}]}}\n",
        "not a quantity",
    ),
    "long version": (CSV + "  version: " + "1." * 50_000 + "\n", "number"),
    "long name": (CSV.replace("a.v1.0.0", "a." * 100_000 + "!"), ""),
    "long address": (CSV + "  maintainers: [{name: a, email: '" + "(" * 200_000 + "'}]\n", ""),
    "long URL": (CSV + "  links: [{name: a, url: 'https://" + "a:" * 100_000 + "'}]\n", ""),
    "long image": (CSV + "  relatedImages: [{name: a, image: '" + "a-_." * 50_000 + "!'}]\n", ""),
    "many categories": (annotated("categories", "x," * 20_000), ""),
    "many links": (CSV + "  links:\n" + "  - {name: x, url: y}\n" * 10_000, ""),
    "many documents": (CSV + "---\n" * 100_000, ""),
    "many anchors": (CSV + "".join(f"  a{number}: &a{number} x\n" for number in range(20_000)), ""),
    "long line": (CSV + "  description: '" + "x" * 3_000_000 + "'\n", ""),
}  # fmt: skip


def report_of(folder: Path) -> Report:
    (report,) = check_bundles([str(folder)], Run.of_profile("default"))
    return report


def said(report: Report) -> str:
    return " ".join(finding.message for finding in report.load_problems + report.findings)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle" / "manifests").mkdir(parents=True)
    return tmp_path / "bundle"


def in_time(check: Callable[[], Report]) -> Report:
    start = time.process_time()
    report = check()
    assert time.process_time() - start < SECONDS
    return report


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(bundle: Path, name: str) -> None:
    text, expected = HOSTILE[name]
    (bundle / "manifests/csv.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    report = in_time(lambda: report_of(bundle))
    assert report.failed or report.findings
    assert expected in said(report)
    assert max(len(finding.message) for finding in report.load_problems + report.findings) <= 1000


def test_hostile_crds(bundle: Path) -> None:
    (bundle / "manifests/csv.yaml").write_text(CSV)
    versions = "".join(f"  - {{name: v{number}, additionalPrinterColumns: [{{}}]}}\n" for number in range(2000))
    path = "/a." * 20_000
    service = f"{{strategy: Webhook, webhook: {{clientConfig: {{service: {{path: '{path}'}}}}}}}}"
    (bundle / "manifests/crd.yaml").write_text(f"{CRD}{versions}  conversion: {service}\n")
    assert in_time(lambda: report_of(bundle)).failed


def test_a_huge_file_is_refused_unread(bundle: Path) -> None:
    (bundle / "manifests/csv.yaml").write_text(CSV)
    with (bundle / "manifests/huge.yaml").open("wb") as file:
        file.truncate(100 * 2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = in_time(lambda: report_of(bundle))
    assert "104857600 bytes" in said(report)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_loops_of_links_end(bundle: Path) -> None:
    (bundle / "manifests/csv.yaml").write_text(CSV)
    (bundle / "loop").symlink_to(bundle, target_is_directory=True)
    (bundle / "manifests/self.yaml").symlink_to("self.yaml")
    report = in_time(lambda: report_of(bundle))
    assert [problem.code for problem in report.load_problems] == ["BAL1007", "BAL1007"]


def test_pipes_and_devices_are_not_read(bundle: Path) -> None:
    (bundle / "manifests/csv.yaml").write_text(CSV)
    os.mkfifo(bundle / "manifests/pipe.yaml")
    (bundle / "manifests/zero.yaml").symlink_to("/dev/zero")
    report = in_time(lambda: report_of(bundle))
    assert said(report).count("no regular file") == 2


def test_one_unreadable_directory_does_not_keep_others_from_being_checked(bundle: Path) -> None:
    (bundle / "manifests/csv.yaml").write_text(CSV)
    absent, present = check_bundles([str(bundle / "absent"), str(bundle)], Run.of_profile("reference"))
    assert absent.load_problems
    assert not present.load_problems


TOKENS = [
    "\t", "---\n", "...\n", "&a ", "*a", "<<: ", "!!str ", "!!int ", "!!binary ", "!x ", "? ", "- ", "| \n", ">-\n",
    "\0", "\ufeff", "\u2028", "é", "#", " #", "'", '"', "{", "}", "[", "]", ",", ": ", "%YAML 1.1\n", "@", "`", "\\",
    '"\\ud800"', "0o17", "1_000", ".5", "1e400", ".inf", "~", "null", "\r\n", "\r", "9" * 5000,
]  # fmt: skip
SOURCES = ["bundles", "broken-bundles"]


def mutated(text: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((0, 0, 1, 1, 5, 40, 400)))
        match chance.randrange(6):
            case 0:
                text = text[:at] + chance.choice(TOKENS).encode("utf-8") + text[end:]
            case 1:
                text = text[:at] + text[end:]
            case 2:
                text = text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
            case 3:
                text = text[:end] + text[at:]
            case 4:
                line = text.rfind(b"\n", 0, at) + 1
                text = text[:line] + b" " * chance.randrange(1, 5) + text[line:]
            case _:
                colon = text.find(b": ", at)
                newline = text.find(b"\n", colon)
                if 0 <= colon < newline:
                    text = text[: colon + 2] + chance.choice(TOKENS).encode("utf-8") + text[newline:]
    return text


def small_bundles() -> Iterator[Path]:
    for source in SOURCES:
        for folder in sorted((CORPUS / source).glob("*/*")):
            if sum(file.stat().st_size for file in folder.rglob("*")) < 60_000:
                yield folder


def test_mutated_bundles() -> None:
    bundles = list(small_bundles())
    if not bundles:
        pytest.skip(f"the corpus is not at {CORPUS} (set BALISE_CORPUS)")
    chance = random.Random(EXAMPLES)
    run = Run.of_profile("default")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bundle"
        for number in range(EXAMPLES):
            shutil.rmtree(folder, ignore_errors=True)
            source = chance.choice(bundles)
            shutil.copytree(source, folder)
            file = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
            text = mutated(file.read_bytes(), chance)
            file.write_bytes(text)
            start = time.process_time()
            try:
                (report,) = check_bundles([str(folder)], run)
            except Exception as error:
                raise AssertionError(f"example {number}: {source} with {file.name} changed to {text!r}") from error
            assert time.process_time() - start < SECONDS, f"example {number}: {source} with {file.name}: {text!r}"
            assert all(finding.file for finding in report.load_problems)


yaml_like = st.recursive(
    st.sampled_from(["", "null", "1", "x", "'", '"a"', "{}", "[]", "&a 1", "*a", "!!int 1", "- a", "? b", "|", "a: b"]),
    lambda part: st.one_of(
        st.lists(part, max_size=4).map(lambda parts: "[" + ", ".join(parts) + "]"),
        st.lists(st.tuples(st.sampled_from(["kind", "spec", "name", "<<", "a"]), part), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=12,
)


@settings(
    max_examples=max(25, EXAMPLES // 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(spec=yaml_like, metadata=yaml_like, crd=st.one_of(yaml_like, st.text(max_size=60)))
def test_generated_values(bundle: Path, spec: str, metadata: str, crd: str) -> None:
    head = "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\n"
    (bundle / "manifests/csv.yaml").write_text(f"{head}metadata: {metadata}\nspec: {spec}\n")
    head = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
    (bundle / "manifests/crd.yaml").write_text(f"{head}spec: {crd}\n", errors="surrogatepass")
    assert report_of(bundle).failed
