"""Suite ``ignores``: comments that ask for silence where there is nothing to be silent about.

These checks have no rules: :mod:`balise.checks.ignores` finds what they stand for after all other suites have run.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Final

from balise.checks.registry import Check, declare

__all__ = ["IGNORES_SUITE", "UNKNOWN_CODE", "UNUSED_IGNORE"]

IGNORES_SUITE: Final = "ignores"

UNUSED_IGNORE: Final = declare(
    Check(
        "BAL0001",
        "A comment ignores what is not there",
        (IGNORES_SUITE,),
        "warning",
        "",
        "A comment `# balise: ignore[CODE]` that silences nothing is left over from a defect that is mended, or stands "
        "on the wrong line. It would hide the next one. Ignores of suites that did not run are not judged.",
        cleandoc(
            """
            spec:
              minKubeVersion: 1.28.0  # balise: ignore[BAL1114]
            # instead
            spec:
              minKubeVersion: 1.28.0
            """
        ),
        "delete the comment, or put it on the line of the finding or on a line of its own directly above",
        "ours: what is ignored must stay visible",
        None,
    )
)
UNKNOWN_CODE: Final = declare(
    Check(
        "BAL0002",
        "A comment ignores a code that does not exist",
        (IGNORES_SUITE,),
        "warning",
        "",
        "A comment `# balise: ignore[CODE]` names one or several codes, with commas between them. There is no form "
        "without codes: it would hide what nobody knows of yet.",
        cleandoc(
            """
            spec:
              minKubeVersion: v1.28  # balise: ignore
            # instead
            spec:
              minKubeVersion: v1.28  # balise: ignore[BAL1114]
            """
        ),
        "name a code as a finding shows it; docs/checks.md lists them all",
        "ours: what is ignored must stay visible",
        None,
    )
)
