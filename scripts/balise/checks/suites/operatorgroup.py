"""Suite ``operatorgroup``: OperatorGroups that a bundle brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from balise.checks.registry import Options, Violation, check
from balise.checks.suites.csv import annotation_case_problems

if TYPE_CHECKING:
    from balise.model.bundle import Bundle

__all__: list[str] = []


@check(
    "BAL1701",
    suites="operatorgroup",
    type="ValidationFailed",
    hint="write the key exactly as OLM does",
    reference="operatorgroup.go, which never sees the OperatorGroups of a bundle: the profile reference finds nothing",
    example="""
        kind: OperatorGroup
        metadata:
          annotations:
            olm.providedApis: Example.v1.example.com
        # instead
        kind: OperatorGroup
        metadata:
          annotations:
            olm.providedAPIs: Example.v1.example.com
        """,
)
def annotation_case(bundle: Bundle, options: Options) -> Iterator[Violation]:
    """An OperatorGroup's annotation of OLM's is written in the wrong case.

    OLM compares keys exactly; one in the wrong case has no effect.
    """
    for each in () if options.exact else bundle.objects:
        metadata = each.data.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if each.gvk.group == "operators.coreos.com" and each.kind == "OperatorGroup" and isinstance(annotations, dict):
            for key, known in annotation_case_problems(iter(annotations)):
                path = ("metadata", "annotations", key)
                yield Violation(f"the annotation {key} must be written {known}", each.document, path, key_itself=True)
