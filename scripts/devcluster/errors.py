"""The one error family of devcluster: a sentence that says what is wrong and what to do about it."""

__all__ = ["DevclusterError"]


class DevclusterError(Exception):
    """Something outside this program must change first; the message says what. Shown without traceback."""
