"""Which answers of the API server are its last word."""

import pytest

from timonier.engine.errors import ApiError


@pytest.mark.parametrize(
    ("status", "message", "last"),
    [
        (403, "forbidden: exceeded quota", True),
        (422, "spec.image: Invalid value", True),
        (409, "the object has been modified", False),
        (500, "etcdserver: leader changed", False),
        (500, 'Internal error occurred: failed calling webhook "policy.example.com": connection refused', True),
        # Our own will answer once a replica does.
        (500, 'Internal error occurred: failed calling webhook "review.timonier.dev": connection refused', False),
        (500, 'Internal error occurred: failed calling webhook "author.timonier.dev": EOF', False),
        (500, "conversion webhook for timonier.dev/v1, Kind=Backup failed: Post: connection refused", False),
        (500, "conversion webhook for example.com/v1, Kind=Thing failed: Post: connection refused", True),
    ],
)
def test_whether_it_will_say_no_again(status: int, message: str, last: bool) -> None:
    assert ApiError(status, "InternalError", message).is_refusal is last
