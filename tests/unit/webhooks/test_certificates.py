"""Whatever leaf is served and whichever bundle was read: one always fits the other, at any pace of renewal."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from timonier.webhooks.certificates import Lives, Trust, pace, parse, renewed

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NAMES = ("timonier-service.ops.svc", "127.0.0.1")
LIVES = Lives(timedelta(days=60), timedelta(days=7))


def step(trust: Trust | None, days: float, names: Sequence[str] = NAMES, *, published: bool = True) -> Trust:
    return renewed(trust, names, NOW + timedelta(days=days), LIVES, published=published)


def fits(leaf: str, bundle: str, days: float) -> bool:
    """What the API server would say of that leaf with that bundle."""
    now = NOW + timedelta(days=days)
    certificate = x509.load_pem_x509_certificate(leaf.encode())
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    for authority in x509.load_pem_x509_certificates(bundle.encode()):
        if authority.subject == certificate.issuer and authority.not_valid_after_utc >= now:
            certificate.verify_directly_issued_by(authority)
            return True
    return False


def test_a_first_one_is_made_for_the_names_that_are_dialled() -> None:
    trust = step(None, 0)
    assert fits(trust.leaf.certificate, trust.bundle, 0)
    leaf = x509.load_pem_x509_certificate(trust.leaf.certificate.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["timonier-service.ops.svc"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)


def test_nothing_changes_before_two_thirds_of_the_life() -> None:
    trust = step(None, 0)
    assert step(trust, 4.6) is trust
    assert step(trust, 4.7).leaf != trust.leaf
    assert step(trust, 4.7).authority == trust.authority


def test_other_names_ask_for_another_leaf_at_once() -> None:
    trust = step(None, 0)
    assert step(trust, 0.1, names=["else"]).leaf != trust.leaf
    assert step(trust, 0.1, names=tuple(reversed(NAMES))) is trust


def test_half_a_year_of_renewals_without_a_moment_of_distrust() -> None:
    """Replicas serve an old leaf for up to a day, and API servers trust an old bundle for up to a day."""
    history: list[tuple[float, Trust]] = [(0, step(None, 0))]
    authorities = {history[0][1].authority.certificate}
    for half in range(1, 2 * 183):
        day = half / 2
        trust = step(history[-1][1], day)
        authorities.add(trust.authority.certificate)
        history.append((day, trust))
        recent = [each for when, each in history[-3:] if when >= day - 1]
        for served in recent:
            for read in recent:
                assert fits(served.leaf.certificate, read.bundle, day)
    assert len(authorities) > 3
    assert max(len(x509.load_pem_x509_certificates(trust.bundle.encode())) for _, trust in history) == 2


def test_an_authority_that_was_never_published_does_not_take_over() -> None:
    trust = step(None, 0)
    day = 0.0
    while trust.next is None:
        day += 1
        trust = step(trust, day)
    for _ in range(10):
        day += 1
        later = step(trust, day, published=False)
        assert later.authority == trust.authority
        assert later.next == trust.next
        trust = later
    assert step(trust, day + 5).authority == trust.next


def test_after_a_long_absence_it_starts_anew() -> None:
    old = step(None, 0)
    new = step(old, 400)
    assert new.authority != old.authority
    assert fits(new.leaf.certificate, new.bundle, 400)


def test_a_leaf_does_not_outlive_its_authority() -> None:
    trust = renewed(None, NAMES, NOW, Lives(timedelta(days=1), timedelta(days=7)), published=True)
    leaf, authority = (
        x509.load_pem_x509_certificate(each.certificate.encode()) for each in (trust.leaf, trust.authority)
    )
    assert leaf.not_valid_after_utc == authority.not_valid_after_utc


@pytest.mark.parametrize(("seconds", "looks"), [(7 * 86400, 30.0), (15, 0.5), (1, 0.1)])
def test_a_short_life_is_looked_after_more_often(seconds: float, looks: float) -> None:
    lives = Lives(timedelta(days=1), timedelta(seconds=seconds))
    assert pace(renewed(None, NAMES, NOW, lives, published=True).leaf.certificate) == pytest.approx(looks)


def test_what_is_kept_can_be_read_again() -> None:
    trust = step(None, 0)
    assert parse(trust.data()) == trust
    with_next = step(trust, 41)
    assert with_next.next is not None
    assert parse(with_next.data()) == with_next
    with_previous = step(with_next, 50)
    assert with_previous.previous
    assert parse(with_previous.data()) == with_previous


@pytest.mark.parametrize("broken", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("value", ["", "nonsense"])
def test_what_is_not_all_there_is_none(broken: str, value: str) -> None:
    assert parse(step(None, 0).data() | {broken: value}) is None
    assert parse({}) is None
