"""The webhooks as data: where each is served, by what, and what an installation must tell the API server about it."""

from collections.abc import Mapping
from typing import Any, Final

from timonier.api.crd import CONVERSION_PATH, crds
from timonier.api.resources import CUSTOM_RESOURCE_DEFINITIONS
from timonier.webhooks import conversion
from timonier.webhooks.authority import Target
from timonier.webhooks.reviews import Answer

__all__ = ["PORT", "ROUTES", "TARGETS", "definitions"]

PORT: Final = 9443
"""The container's port; the Service in front of it has 443."""

ROUTES: Final[Mapping[tuple[str, str], Answer]] = {
    (CONVERSION_PATH, "ConversionReview"): conversion.answer,
}
"""For each path, the kind of review that is asked there, and who answers."""


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
        }
    ]


TARGETS: Final = tuple(Target(CUSTOM_RESOURCE_DEFINITIONS, name) for name in _converted())
"""The objects that say whom the API server trusts, where no OLM fills them in."""
