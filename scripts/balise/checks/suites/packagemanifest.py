"""Suite ``packagemanifest``: the format that came before bundles, PACKAGE/*.package.yaml beside folders of versions.

The check has no rule for one bundle: :mod:`balise.checks.operators` looks at the package's whole folder.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import Final

from balise.checks.registry import Check, declare

__all__ = ["PACKAGE_CHANNELS", "PACKAGE_FIELDS", "PACKAGE_SUITE"]

PACKAGE_SUITE: Final = "packagemanifest"
_REFERENCE: Final = "operator-framework/api, pkg/validation/internal/package_manifest.go"

PACKAGE_FIELDS: Final = declare(
    Check(
        "BAL3401",
        "The package manifest is incomplete",
        (PACKAGE_SUITE,),
        "error",
        "PackageManifestNotValid",
        "A package manifest has a packageName and at least one channel; each channel has a name of its own and a "
        "currentCSV. With several channels, defaultChannel names one of them.",
        cleandoc(
            """
            packageName: example
            channels:
              - name: stable
            # instead
            packageName: example
            channels:
              - name: stable
                currentCSV: example.v1.0.0
            """
        ),
        "complete the package manifest",
        _REFERENCE,
        None,
    )
)
PACKAGE_CHANNELS: Final = declare(
    Check(
        "BAL3402",
        "A channel of the package leads to nothing",
        (PACKAGE_SUITE,),
        "error",
        "PackageManifestNotValid",
        "A channel's currentCSV is the name of a ClusterServiceVersion in one of the versions' folders, and so is what "
        "that replaces, and so on down to the first.",
        cleandoc(
            """
            packageName: example
            channels:
              - name: stable
                currentCSV: example.v9.0.0  # no folder has it
            # instead
            packageName: example
            channels:
              - name: stable
                currentCSV: example.v1.0.0
            """
        ),
        "name a ClusterServiceVersion that is there, or add its folder",
        "operator-registry, pkg/registry: populating a channel from its currentCSV",
        None,
    )
)
