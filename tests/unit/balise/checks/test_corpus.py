"""The profile ``reference`` beside the verdicts that the reference tools recorded for real and for broken bundles."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from balise.checks.findings import Finding
from balise.checks.registry import REFERENCE_SUITES
from balise.checks.runner import Run, check_bundle

CORPUS = Path(os.environ.get("BALISE_CORPUS", Path(__file__).parents[4].parent / "shared/corpus"))

# What the reference says, as a code of ours. What the groups match must be in our message, too.
MEANINGS = {
    "csv": [
        (r"metadata\.name (\".*?\") is invalid", "BAL1101"),
        (r"spec\.replaces (\".*?\") is invalid", "BAL1102"),
        (r"annotations not found", "BAL1103"),
        (r"example annotations not found", "BAL1104"),
        (r"both `alm-examples`", "BAL1105"),
        (r"invalid example|error decoding example", "BAL1106"),
        (r"couldn't parse plural\.group from crd name: (.*)", "BAL1107"),
        (r"example must have a provided API", "BAL1108"),
        (r"provided API should have an example", "BAL1109"),
        (r"install modes not found", "BAL1110"),
        (r"none of InstallModeTypes are supported", "BAL1111"),
        (r"only AllNamespaces InstallModeType", "BAL1112"),
        (r"csv\.Spec\.minKubeVersion is not informed", "BAL1113"),
        (r"csv\.Spec\.MinKubeVersion has an invalid value: (.*)", "BAL1114"),
        (r"required field missing", "BAL1115"),
        (r"provided annotation (.*?) uses wrong case and should be (\S+)", "BAL1116"),
        (r"found olm\.properties annotation", "BAL1117"),
        (r"'apiVersion' is missing|'kind' is missing", "BAL1118"),
    ],
    "crd": [
        (r"metadata\.annotations\[api-approved", "BAL1211"),
        (r"metadata\.", "BAL1201"),
        (r"spec\.(group|scope): ", "BAL1202"),
        (r"spec\.names\.", "BAL1203"),
        (r"spec\.preserveUnknownFields: ", "BAL1209"),
        (r"spec\.conversion\.", "BAL1210"),
        (r"spec\.(versions\[\d+\]\.)?additionalPrinterColumns", "BAL1206"),
        (r"spec\.(versions\[\d+\]\.)?subresources", "BAL1207"),
        (r"spec\.(versions\[\d+\]\.)?selectableFields", "BAL1208"),
        (r"spec\.versions\[\d+\]\.deprecationWarning", "BAL1205"),
        (r"spec\.(validation|subresources|additionalPrinterColumns): Forbidden", "BAL1204"),
        (r"spec\.versions?(\[\d+\]\.name)?: ", "BAL1204"),
    ],
    "bundle": [
        (r"duplicate CRD \"(.*?)\" in bundle", "BAL1301"),
        (r"owned CRD \"(.*?)\" not found", "BAL1302"),
        (r"CRD \"(.*?)\" is present in bundle", "BAL1303"),
        (r"invalid service account found in bundle\. This service account (.*?) in your bundle", "BAL1304"),
        (r"(?:maximum|nearing maximum) bundle compressed size", "BAL1305"),
        (r"bundle name with release versioning", "BAL1306"),
        (r"relatedImages\[(\d+)\] has an empty image", "BAL1307"),
        (r"relatedImages\[\d+\] has an invalid image pullspec \"(.*?)\"", "BAL1307"),
    ],
    "operatorhubv2": [
        (r"csv\.Spec\.Provider\.Name not specified", "BAL1401"),
        (r"csv\.Spec\.Maintainers elements should contain both", "BAL1402"),
        (r"csv\.Spec\.Maintainers email (.*?) is invalid: mail", "BAL1403"),
        (r"csv\.Spec\.Links elements should contain both", "BAL1404"),
        (r"csv\.Spec\.Links url (.*?) is invalid", "BAL1405"),
        (r"csv\.Spec\.Version must be set", "BAL1406"),
        (r"csv\.Spec\.Icon not specified", "BAL1407"),
        (r"csv\.Spec\.Icon should only have one element", "BAL1408"),
        (r"csv\.Spec\.Icon elements should contain both", "BAL1409"),
        (r"csv\.Spec\.Icon (.*?) does not have a valid mediatype", "BAL1410"),
        (r"csv\.Spec\.minKubeVersion is not informed", "BAL1113"),
        (r"csv\.Spec\.MinKubeVersion has an invalid value: (.*)", "BAL1114"),
    ],
    "removedapis": [
        (r".*removed in v1\.25\. .*(podsecuritypolicies): \(", "BAL1804"),
        (r".*removed in v(1\.22)\. ", "BAL1801"),
        (r".*removed in v(1\.25)\. ", "BAL1802"),
        (r".*removed in v(1\.26)\. ", "BAL1803"),
        (r"invalid value informed via the k8s key option", "BAL1805"),
        (r"unable to use csv\.Spec\.MinKubeVersion.*invalid value: (.*)", "BAL1806"),
    ],
    "standardcapabilities": [(r"csv\.Metadata\.Annotations\.Capabilities \"(.*?)\"", "BAL1501")],
    "standardcategories": [(r"csv\.Metadata\.Annotations\[\"categories\"\] value \"\s*(.*?)\s*\" is not", "BAL1551")],
    "object": [
        (r"error unmarshaling", "BAL1601"),
        (r"maxUnavailable field cannot be", "BAL1602"),
        (r"minAvailable field cannot be", "BAL1603"),
        (r"globalDefault field cannot be", "BAL1604"),
        (r"RBAC includes permission to create/update poddisruptionbudgets", "BAL1605"),
        (r"RBAC includes permission to modify default", "BAL1606"),
    ],
    "operatorgroup": [],
    "goodpractices": [
        (r"unable to find a deployment", "BAL1901"),
        (r"unable to find the resource requests for the container: \((.*?)\)", "BAL1902"),
        (r"(owned|required) CRD \"(.*?)\" has an empty description", "BAL1903"),
        (r"channel\(s\) \[(.*)\] are not following", "BAL1904"),
        (r"CSV contains permissions to create CRD", "BAL1905"),
        (r"csv\.metadata\.Name (.*?) is not following the versioning", "BAL1906"),
        (r"csv\.metadata\.Name (.*?) is not following the recommended naming", "BAL1907"),
    ],
}
MEANINGS["operatorhubv2"] += MEANINGS["removedapis"]

LOAD_MEANINGS = [
    ("unable to find a csv", "BAL1001"),
    ("contains multiple CSVs", "BAL1002"),
    ("error converting YAML to JSON", "BAL1003"),
    ("unable to parse CSV", "BAL1004"),
    ("unable to decode object: EOF", "BAL1005"),
    ("Object 'Kind' is missing", "BAL1005"),
    ("cannot unmarshal string into Go value of type", "BAL1005"),
]


def recorded(name: str) -> list[dict[str, Any]]:
    file = CORPUS / name
    if not file.is_file():
        pytest.skip(f"the corpus is not at {CORPUS} (set BALISE_CORPUS)")
    return [json.loads(line) for line in file.read_text().splitlines()]


def meaning(found: dict[str, str]) -> tuple[str, list[str]]:
    """The code for what the reference says, and what our message must mention."""
    # Details of the ClusterServiceVersion begin with its name.
    detail = re.sub(r"^\([^)]*\) ", "", found["detail"])
    for pattern, code in MEANINGS[found["suite"]]:
        if match := re.match(pattern, detail, re.DOTALL):
            # (What a CRD's finding is about is its field, compared as such.)
            groups = () if found["suite"] == "crd" else match.groups()
            return code, [part for text in groups for part in re.split(r"[\", ]+", text) if part]
    raise AssertionError(f"nothing of ours means {found}")


def differences(verdict: dict[str, Any], load_error: str | None, findings: tuple[Finding, ...]) -> list[str]:
    if (load_error is None) != (verdict.get("loadError") is None):
        return [f"reference: {verdict.get('loadError')!r}; ours: {load_error!r}"]
    left = list(findings)
    problems = []
    for found in verdict["findings"]:
        code, mentioned = meaning(found)
        wanted = (found["suite"], found["level"], found["type"], found["field"], code)
        for ours in left:
            if (ours.suite, ours.level, ours.type, ours.field, ours.code) == wanted and all(
                part.casefold() in ours.message.casefold() for part in mentioned
            ):
                left.remove(ours)
                break
        else:
            problems.append(f"missing: {found}")
    return problems + [f"too many: {ours}" for ours in left]


@pytest.mark.parametrize("name", ["bundles.jsonl", "broken-bundles.jsonl"])
def test_verdicts_are_the_references(name: str) -> None:
    run = Run.of_profile("reference")
    problems = {}
    places = Counter[bool]()
    for verdict in recorded(name):
        report = check_bundle(CORPUS / verdict["dir"], run)
        if found := differences(verdict, report.load_error, report.findings):
            problems[verdict["dir"]] = found
        for finding in report.findings + report.load_problems:
            places[bool(finding.file and finding.line and finding.column)] += 1
            assert finding.suite in (*REFERENCE_SUITES, "load")
    assert not problems, f"{len(problems)} bundles: {json.dumps(problems, indent=1)[:4000]}"
    # Every finding has a place, except that a directory without a ClusterServiceVersion has none to show.
    assert places[False] <= 2


def test_reasons_for_not_loading_are_the_references() -> None:
    run = Run.of_profile("reference")
    for verdict in recorded("broken-bundles.jsonl"):
        if error := verdict.get("loadError"):
            code = next(code for text, code in LOAD_MEANINGS if text in error)
            assert code in {problem.code for problem in check_bundle(CORPUS / verdict["dir"], run).load_problems}
