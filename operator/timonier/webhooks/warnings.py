"""What a person is told beside a request that is good: it may not be what they mean. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from timonier.api.resources import APPLICATIONS, RESTORES
from timonier.webhooks.reviews import at

__all__ = ["warnings"]

_LONGEST: Final = 240
"""Some clients show no more than 256 characters."""

Manifest = Mapping[str, Any]


def warnings(kind: str, new: Manifest, old: Manifest | None) -> tuple[str, ...]:
    """One sentence for each; none for what stood there before."""
    if kind == RESTORES.kind and old is None:
        return tuple(_of_restore(at(new, "spec")))
    if kind != APPLICATIONS.kind:
        return ()
    known = set(_of_application(at(old, "spec"))) if old else set()
    return tuple(told[:_LONGEST] for told in _of_application(at(new, "spec")) if told not in known)


def _of_application(spec: Manifest) -> Iterator[str]:
    workload, image = at(spec, "workload"), at(spec, "workload", "image")
    if image and not image.get("digest") and image.get("tag", "latest") == "latest":
        yield f"spec.workload.image: {image.get('repository', '')} without a fixed tag may be another one at each start"
    if workload.get("storage") and not at(spec, "backup").get("schedule"):
        yield "spec.workload.storage holds data, and spec.backup has no schedule: nothing saves it"


def _of_restore(spec: Manifest) -> Iterator[str]:
    if at(spec, "to", "inPlace").get("safetyBackup") is False:
        yield "spec.to.inPlace.safetyBackup: the present data is gone for good once this one is loaded"
