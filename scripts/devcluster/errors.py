"""The one error family of devcluster: a sentence that says what is wrong and what to do about it."""

__all__ = ["DevclusterError", "UnavailableError"]


class DevclusterError(Exception):
    """Something outside this program must change first; the message says what. Shown without traceback."""


class UnavailableError(DevclusterError):
    """This machine cannot have such a cluster as it is: a tool or a right is missing. Tests skip on it."""
