"""The webhooks as data: where each is served, by what, and what an installation must tell the API server about it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from timonier.api.crd import CONVERSION_PATH, crds
from timonier.api.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    GROUP,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
    Resource,
)
from timonier.webhooks import conversion
from timonier.webhooks.access import Access
from timonier.webhooks.admission import REVIEW_PATH, Admission
from timonier.webhooks.authority import Target
from timonier.webhooks.authorization import AUTHORIZE_PATH, Authorization
from timonier.webhooks.authors import AUTHORED
from timonier.webhooks.authorship import AUTHOR_PATH, Authorship
from timonier.webhooks.permissions import REVIEWED
from timonier.webhooks.protection import Lookup
from timonier.webhooks.reviews import ACCESS_REVIEW, Answer

__all__ = ["AUTHOR_WEBHOOK", "PORT", "REVIEW_WEBHOOK", "ROUTES", "TARGETS", "definitions"]

PORT: Final = 9443
"""The container's port; the Service in front of it has 443."""

AUTHOR_WEBHOOK: Final = "author.timonier.dev"
"""The name of the webhook that writes down authors, and without OLM of its configuration."""

REVIEW_WEBHOOK: Final = "review.timonier.dev"
"""The name of the one that reviews requests."""


def _stated(place: str, empty: str) -> tuple[str, str]:
    """A part of the metadata, as CEL: of the object, and of what it was before."""
    of_object, of_old = (f"{root}.metadata.{place}" for root in ("object", "oldObject"))
    return f"(has({of_object}) ? {of_object} : {empty})", f"(has({of_old}) ? {of_old} : {empty})"


_REVIEWED_CHANGE: Final = " || ".join(
    (
        "request.operation != 'UPDATE'",
        "object.spec != oldObject.spec",
        " != ".join(_stated("annotations", "{}")),
        " != ".join(_stated("ownerReferences", "[]")),
    )
)
"""Of all that an update may change, what the webhooks look at."""

ROUTES: Final[Mapping[tuple[str, str], Callable[[Access, Lookup], Answer]]] = {
    (CONVERSION_PATH, "ConversionReview"): lambda _access, _lookup: conversion.answer,
    (AUTHOR_PATH, "AdmissionReview"): lambda access, _lookup: Authorship(access).answer,
    (REVIEW_PATH, "AdmissionReview"): lambda access, _lookup: Admission(access).answer,
    (AUTHORIZE_PATH, ACCESS_REVIEW): lambda access, lookup: (
        Authorization(access, lookup, lambda: datetime.now(UTC)).answer
    ),
}
"""For each path, the kind of review that is asked there, and who answers with that access to the API server.

The one for authorization is known to no definition: the API server learns of it from a file of its own.
"""


def _converted() -> list[str]:
    return [crd["metadata"]["name"] for crd in crds() if "conversion" in crd["spec"]]


def definitions(deployment: str) -> list[dict[str, Any]]:
    """The `webhookdefinitions` of the ClusterServiceVersion, for webhooks that the Deployment serves."""
    common = {"deploymentName": deployment, "containerPort": 443, "targetPort": PORT, "sideEffects": "None"}
    return [
        common
        | {
            "type": "ConversionWebhook",
            "generateName": "convert.timonier.dev",
            "webhookPath": CONVERSION_PATH,
            "admissionReviewVersions": ["v1"],
            "conversionCRDs": _converted(),
        },
        common
        | {
            "type": "MutatingAdmissionWebhook",
            "generateName": AUTHOR_WEBHOOK,
            "webhookPath": AUTHOR_PATH,
            # Another webhook that changes the spec makes whoever asks its author.
            "reinvocationPolicy": "IfNeeded",
            **_admission(AUTHORED),
        },
        common
        | {
            "type": "ValidatingAdmissionWebhook",
            "generateName": REVIEW_WEBHOOK,
            "webhookPath": REVIEW_PATH,
            **_admission(REVIEWED),
        },
    ]


def _admission(kinds: Sequence[Resource]) -> dict[str, Any]:
    return {
        "admissionReviewVersions": ["v1"],
        # Whoever could keep us from answering would get what we would have refused.
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        # What takes nothing must not wait for us: a finalizer goes, and a label comes, while no replica answers.
        "matchConditions": [{"name": "changes-what-is-reviewed", "expression": _REVIEWED_CHANGE}],
        "timeoutSeconds": 10,
        "rules": [
            {
                "apiGroups": [GROUP],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": [resource.plural for resource in kinds],
                "scope": "Namespaced",
            }
        ],
    }


TARGETS: Final = (
    *(Target(CUSTOM_RESOURCE_DEFINITIONS, name) for name in _converted()),
    Target(MUTATING_WEBHOOK_CONFIGURATIONS, AUTHOR_WEBHOOK),
    Target(VALIDATING_WEBHOOK_CONFIGURATIONS, REVIEW_WEBHOOK),
)
"""The objects that say whom the API server trusts, where no OLM fills them in."""
