"""Answers ConversionReviews: how the API server shows an object in another version than the one it is stored in.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/
"""

import asyncio
from typing import Any, Final

from timonier.api.conversion import VIEWS, ConversionError, convert
from timonier.api.resources import GROUP
from timonier.engine import metrics
from timonier.webhooks.reviews import Review, ReviewError

__all__ = ["answer"]

_AT_ONCE: Final = 50
"""Objects converted before other requests get their turn: some milliseconds."""
_LONGEST: Final = 100
_VERSIONS: Final = frozenset({(GROUP, "v1"), (GROUP, "v1alpha1")})
"""No other word gets into the metrics: each would be a series of its own, of whoever sent it."""


async def answer(review: Review) -> dict[str, Any]:
    """The response to one ConversionReview. One object that cannot be converted fails the whole of it."""
    version = review.request.get("desiredAPIVersion")
    objects = review.request.get("objects")
    if not isinstance(version, str) or not isinstance(objects, list):
        raise ReviewError("a conversion request has desiredAPIVersion and objects")
    group, _, name = version.rpartition("/")
    if (group, name) not in _VERSIONS:
        return _failed(f"the kinds of {GROUP} have no version {version[:_LONGEST]}")
    converted = []
    try:
        for number, manifest in enumerate(objects):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            converted.append(convert(_object(manifest, group), name))
    except ConversionError as error:
        return _failed(str(error))
    metrics.WEBHOOK_OBJECTS.labels(name).inc(len(converted))
    return {"convertedObjects": converted, "result": {"status": "Success"}}


def _failed(message: str) -> dict[str, Any]:
    return {"result": {"status": "Failure", "message": message}}


def _object(manifest: Any, group: str) -> dict[str, Any]:
    match manifest:
        case {"apiVersion": str(version), "kind": str(kind), "metadata": dict()} if (
            group == GROUP and version.startswith(f"{GROUP}/") and kind in VIEWS
        ):
            return dict(manifest)
    raise ConversionError(f"only these kinds of {GROUP} are converted here: {', '.join(VIEWS)}")
