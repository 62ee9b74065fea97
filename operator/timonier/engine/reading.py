"""From a manifest to a typed object, without a word of what stands in it where it does not fit."""

import logging
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from timonier.engine.contract import Manifest

__all__ = ["read"]

M = TypeVar("M", bound=BaseModel)

logger = logging.getLogger(__name__)


def read(model: type[M], manifest: Manifest) -> M | None:
    """The object, or None where it is of another version of the definition: the API server checks the same rules."""
    try:
        return model.model_validate(manifest)
    except ValidationError as error:
        logger.error("the object is not of a form that this version knows: %s", _without_values(error))  # noqa: TRY400
        return None


def _without_values(error: ValidationError) -> str:
    """What is wrong and where, without what stands there: it may be a password."""
    return "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
