"""What can go wrong between the operator and the API server, as types that a reconciler can tell apart."""

__all__ = [
    "ApiError",
    "ConflictError",
    "ConnectionSettingsError",
    "ForbiddenError",
    "InvalidError",
    "NotFoundError",
    "NotLeaderError",
    "StreamError",
    "api_error",
]


_OWN_WEBHOOKS = (
    'failed calling webhook "author.timonier.dev',
    'failed calling webhook "review.timonier.dev',
    "conversion webhook for timonier.dev/",
)


class ApiError(Exception):
    """The API server refused a request, or could not be asked.

    `status` is the HTTP status (0 when no answer came), `reason` the machine-readable word of the answer
    (`AlreadyExists`, `Invalid` …), `retry_after` the seconds that the server asked to wait, if it did.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{message} ({status} {reason})" if status else message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        """True when the same question may well be answered in a moment: no answer came, or one of "not now"."""
        return self.status in (0, 408, 410, 429) or self.status >= 500

    @property
    def is_refusal(self) -> bool:
        """True when the API server, or a policy that it asked, will say no again until something else changes.

        A webhook that did not answer is taken for such a policy, bar our own: a replica will.
        """
        foreign = "webhook" in self.message and not any(own in self.message for own in _OWN_WEBHOOKS)
        return self.status in (400, 403, 405, 413, 422) or (self.status == 500 and foreign)


class NotFoundError(ApiError):
    """The object, its namespace or its whole kind is not there (404)."""


class ConflictError(ApiError):
    """Somebody else was first: the precondition, the field ownership or the name is taken (409)."""


class ForbiddenError(ApiError):
    """The operator's identity lacks a permission, or a quota or admission policy says no (403)."""


class InvalidError(ApiError):
    """The object breaks a rule of its schema (422)."""


class StreamError(ApiError):
    """A stream to or from a pod broke off, or came as it must not; what it carried until then may be a part."""

    def __init__(self, message: str, reason: str = "BrokenStream") -> None:
        super().__init__(0, reason, message)


class ConnectionSettingsError(Exception):
    """Nothing tells how to reach the API server, or what does cannot be read."""


class NotLeaderError(Exception):
    """This replica may not write: it does not, or no longer, hold the lease."""


_BY_STATUS: dict[int, type[ApiError]] = {
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
}


def api_error(status: int, reason: str, message: str, retry_after: float | None = None) -> ApiError:
    """The error of the type that fits the HTTP status."""
    return _BY_STATUS.get(status, ApiError)(status, reason, message, retry_after)
