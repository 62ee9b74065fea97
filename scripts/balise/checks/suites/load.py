"""Suite ``load``: why a directory is no bundle (operator-framework/api, pkg/manifests).

These checks have no rules: the loader finds what they stand for.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Final

from balise.checks.registry import Check, declare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from balise.model.bundle import LoadKind

__all__ = ["LOAD_CHECKS", "LOAD_SUITE"]

LOAD_SUITE: Final = "load"


def _declare(code: str, title: str, explanation: str, example: str, hint: str) -> Check:
    text = " ".join(explanation.split())
    return declare(
        Check(
            code,
            title,
            (LOAD_SUITE,),
            "error",
            "LoadError",
            text,
            cleandoc(example),
            hint,
            "pkg/manifests: directory.go, bundleloader.go",
            None,
        )
    )


LOAD_CHECKS: Final[Mapping[LoadKind, Check]] = {
    "csv-missing": _declare(
        "BAL1001",
        "No file is a ClusterServiceVersion",
        """A bundle is the folder of the one file whose first document is of kind ClusterServiceVersion. Only the first
        document of each file is looked at, and names that begin with a dot are skipped.""",
        """
        kind: ClusterServiceVersions
        # instead
        kind: ClusterServiceVersion
        """,
        "add the ClusterServiceVersion, in manifests/, as the first document of its file",
    ),
    "csv-twice": _declare(
        "BAL1002",
        "There is more than one ClusterServiceVersion",
        """A bundle is one version of one operator, so its folder has exactly one ClusterServiceVersion.""",
        """
        # manifests/a.yaml
        kind: ClusterServiceVersion
        # manifests/b.yaml
        kind: ClusterServiceVersion
        # instead: one of them
        kind: ClusterServiceVersion
        """,
        "move one of them to a bundle of its own",
    ),
    "syntax": _declare(
        "BAL1003",
        "A file is not YAML or JSON",
        """Every file beside the ClusterServiceVersion must be readable: YAML as Kubernetes' tools read it, in which a
        tab cannot indent and a mapping's key is text.""",
        """
        metadata:
        \tname: example
        # instead
        metadata:
          name: example
        """,
        "correct the syntax at that place",
    ),
    "type": _declare(
        "BAL1004",
        "A value is of the wrong type",
        """The ClusterServiceVersion, the CRDs and the annotations file are read into the types that OLM has for them.
        Text where a list belongs, or a word where a number belongs, cannot be read. Unknown fields are no problem.""",
        """
        spec:
          keywords: database
        # instead
        spec:
          keywords: [database]
        """,
        "write a value of the type that is named",
    ),
    "no-object": _declare(
        "BAL1005",
        "A file holds no Kubernetes object",
        """Every file beside the ClusterServiceVersion must be a Kubernetes object, which is a mapping with a kind.""",
        """
        apiVersion: v1
        metadata:
          name: example
        # instead
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: example
        """,
        "add the kind, or move the file out of the folder of the manifests",
    ),
    "layout": _declare(
        "BAL1006",
        "Something other than a manifest stands among the manifests",
        """The folder of the ClusterServiceVersion holds manifests and nothing else: no folders, no hidden files.""",
        """
        # manifests/.gitkeep, manifests/old/
        # instead: move them elsewhere
        """,
        "move it out of the folder of the manifests",
    ),
    "unreadable": _declare(
        "BAL1007",
        "A file cannot be read",
        """A file of the bundle is missing behind a link, may not be read, or is far larger than any bundle.""",
        """
        # manifests/crd.yaml is a link to a file that is not there
        # instead: a copy of the file
        """,
        "make it a readable file",
    ),
}
"""Why loading failed, by the loader's word for it."""
