"""The manifests with which a listed operator is installed, as text to copy."""

from __future__ import annotations

from typing import Any

from balise.model.yaml_writing import dump_all
from balise.publish.listing import Listing

__all__ = ["for_olm_v0", "for_olm_v1", "is_head"]


def is_head(listing: Listing) -> bool:
    """Whether a new installation from the listing's channel gets this very version."""
    return any(each.name == listing.channel and each.bundles[:1] == (listing.bundle,) for each in listing.channels)


def for_olm_v0(listing: Listing) -> str:
    """A Subscription, and the namespace and OperatorGroup that it needs unless all namespaces are watched."""
    shared = listing.install_modes[:1] == ("AllNamespaces",) and not listing.namespace
    namespace = "operators" if shared else listing.namespace or f"my-{listing.package}"
    documents: list[Any] = []
    if not shared:
        everywhere = "AllNamespaces" in listing.install_modes
        spec = {"spec": {} if everywhere else {"targetNamespaces": [namespace]}}
        documents = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {
                "apiVersion": "operators.coreos.com/v1",
                "kind": "OperatorGroup",
                "metadata": {"name": listing.package, "namespace": namespace},
                **spec,
            },
        ]
    # An approval that is automatic would go on to the head at once.
    pin = {} if is_head(listing) else {"startingCSV": listing.bundle, "installPlanApproval": "Manual"}
    subscription = {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": listing.package, "namespace": namespace},
        "spec": {
            "channel": listing.channel,
            "name": listing.package,
            "source": "operatorhubio-catalog",
            "sourceNamespace": "olm",
            **pin,
        },
    }
    return dump_all([*documents, subscription]).removeprefix("---\n")


def for_olm_v1(listing: Listing) -> str:
    """A ClusterExtension; its service account must be allowed what the operator needs."""
    namespace = listing.namespace or f"{listing.package}-system"
    pin = {} if is_head(listing) else {"version": listing.version}
    extension = {
        "apiVersion": "olm.operatorframework.io/v1",
        "kind": "ClusterExtension",
        "metadata": {"name": listing.package},
        "spec": {
            "namespace": namespace,
            "serviceAccount": {"name": f"{listing.package}-installer"},
            "source": {
                "sourceType": "Catalog",
                "catalog": {"packageName": listing.package, "channels": [listing.channel], **pin},
            },
        },
    }
    return dump_all([extension]).removeprefix("---\n")
