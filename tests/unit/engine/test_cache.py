"""The cache: only news counts, owners are found, vanished objects are noticed."""

from typing import Any

import pytest

from timonier.api.references import APPLICATION_LABEL, application_of
from timonier.api.resources import APPLICATIONS, BACKUPS, DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, SECRETS
from timonier.engine.cache import Cache
from timonier.engine.contract import Change, Request

WEB = Request("shop", "web")


@pytest.fixture
def cache() -> Cache:
    made = Cache(primaries=(APPLICATIONS,), application_of=application_of)
    made.watches(DEPLOYMENTS)
    return made


def thing(
    version: int, *, name: str = "web", uid: str = "u1", owner: str | None = None, **metadata: Any
) -> dict[str, Any]:
    base: dict[str, Any] = {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": str(version), **metadata}
    if owner:
        base["ownerReferences"] = [
            {"apiVersion": "timonier.dev/v1", "kind": "Application", "name": "web", "uid": owner, "controller": True}
        ]
    return {"metadata": base, "spec": {"version": version}}


def test_an_older_or_equal_state_is_no_news(cache: Cache) -> None:
    assert cache.observe(DEPLOYMENTS, thing(5)) is not None
    assert cache.observe(DEPLOYMENTS, thing(5)) is None
    assert cache.observe(DEPLOYMENTS, thing(4)) is None
    assert cache.get(DEPLOYMENTS, WEB) == thing(5)


def test_what_is_not_watched_is_not_kept_when_it_is_written(cache: Cache) -> None:
    assert cache.written(SECRETS, thing(7)) is None  # nobody would tell when it is gone
    assert cache.get(SECRETS, WEB) is None
    cache.watches(SECRETS, "timonier.dev/run")
    assert cache.written(SECRETS, thing(8)) is None
    assert cache.written(SECRETS, thing(9, labels={"timonier.dev/run": "backup"})) is not None


def test_the_echo_of_our_own_write_is_no_news(cache: Cache) -> None:
    cache.written(DEPLOYMENTS, thing(7))
    assert cache.observe(DEPLOYMENTS, thing(7)) is None


def test_the_answer_to_a_write_does_not_bring_back_what_was_deleted_since(cache: Cache) -> None:
    cache.observe(DEPLOYMENTS, thing(5))
    cache.forget(DEPLOYMENTS, thing(9))
    cache.written(DEPLOYMENTS, thing(8))
    assert cache.get(DEPLOYMENTS, WEB) is None


def test_a_child_enqueues_its_controller(cache: Cache) -> None:
    change = cache.observe(DEPLOYMENTS, thing(1, name="web-main", owner="app-uid"))
    assert change == Change(DEPLOYMENTS, Request("shop", "web-main"), urgent=True, owner=(APPLICATIONS, WEB))
    assert [manifest["metadata"]["name"] for _, manifest in cache.owned("app-uid")] == ["web-main"]


def test_what_carries_the_label_of_an_application_is_found_by_it(cache: Cache) -> None:
    change = cache.observe(PERSISTENT_VOLUME_CLAIMS, thing(1, name="web-data", labels={APPLICATION_LABEL: "web"}))
    assert change is not None
    assert (change.owner, change.application) == (None, "web")
    assert [found["metadata"]["name"] for found in cache.about(PERSISTENT_VOLUME_CLAIMS, WEB)] == ["web-data"]
    cache.observe(PERSISTENT_VOLUME_CLAIMS, thing(2, name="web-data", labels={APPLICATION_LABEL: "other"}))
    assert list(cache.about(PERSISTENT_VOLUME_CLAIMS, WEB)) == []
    assert len(list(cache.about(PERSISTENT_VOLUME_CLAIMS, Request("shop", "other")))) == 1


def test_a_run_is_about_the_application_that_its_spec_names(cache: Cache) -> None:
    run = thing(1, name="nightly") | {"spec": {"targetRef": {"name": "web"}}}
    cache.observe(BACKUPS, run)
    assert [found["metadata"]["name"] for found in cache.about(BACKUPS, WEB)] == ["nightly"]
    cache.forget(BACKUPS, run)
    assert list(cache.about(BACKUPS, WEB)) == []


def test_all_of_a_namespace_come_in_order(cache: Cache) -> None:
    for name in ("b", "a"):
        cache.observe(DEPLOYMENTS, thing(1, name=name))
    assert [found["metadata"]["name"] for found in cache.all(DEPLOYMENTS)] == ["a", "b"]
    assert list(cache.all(DEPLOYMENTS, "elsewhere")) == []


def test_a_foreign_controller_is_not_ours(cache: Cache) -> None:
    foreign = thing(1)
    foreign["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "Application", "name": "x", "uid": "y", "controller": True}
    ]
    cache.observe(DEPLOYMENTS, foreign)
    assert list(cache.owned("y")) == []


def test_only_a_status_change_can_wait(cache: Cache) -> None:
    assert cache.observe(DEPLOYMENTS, thing(1, generation=1)) == Change(DEPLOYMENTS, WEB, urgent=True)
    assert cache.observe(DEPLOYMENTS, thing(2, generation=1)) == Change(DEPLOYMENTS, WEB, urgent=False)
    assert cache.observe(DEPLOYMENTS, thing(3, generation=2)) == Change(DEPLOYMENTS, WEB, urgent=True)
    assert cache.observe(DEPLOYMENTS, thing(4, generation=2, uid="other")) == Change(DEPLOYMENTS, WEB, urgent=True)


def test_a_late_deletion_of_an_earlier_object_of_the_name_is_ignored(cache: Cache) -> None:
    cache.observe(DEPLOYMENTS, thing(9, uid="new"))
    assert cache.forget(DEPLOYMENTS, thing(8, uid="old")) is None
    assert cache.get(DEPLOYMENTS, WEB) is not None


def test_a_census_drops_what_vanished_and_spares_what_is_newer(cache: Cache) -> None:
    cache.observe(DEPLOYMENTS, thing(3, name="gone", owner="app-uid"))
    cache.observe(DEPLOYMENTS, thing(4, name="kept"))
    cache.observe(DEPLOYMENTS, thing(9, name="born-after-the-list"))
    changes = cache.retain(DEPLOYMENTS, {Request("shop", "kept"): 4}, as_of=5)
    assert changes == [Change(DEPLOYMENTS, Request("shop", "gone"), urgent=True, owner=(APPLICATIONS, WEB))]
    assert {key.name for key in cache.keys(DEPLOYMENTS)} == {"kept", "born-after-the-list"}
    assert list(cache.owned("app-uid")) == []


def test_behind_counts_what_is_missing_or_old(cache: Cache) -> None:
    cache.observe(DEPLOYMENTS, thing(3, name="old"))
    cache.observe(DEPLOYMENTS, thing(4, name="good"))
    listed = {Request("shop", "old"): 5, Request("shop", "good"): 4, Request("shop", "missing"): 1}
    assert cache.behind(DEPLOYMENTS, listed) == 2


def test_a_child_that_changes_hands_leaves_its_old_owner(cache: Cache) -> None:
    cache.observe(DEPLOYMENTS, thing(1, owner="first"))
    cache.observe(DEPLOYMENTS, thing(2, owner="second"))
    assert list(cache.owned("first")) == []
    assert len(list(cache.owned("second"))) == 1


def test_other_managers_bookkeeping_is_not_kept(cache: Cache) -> None:
    entries = [{"manager": "kubectl", "fieldsV1": {}}, {"manager": "timonier", "operation": "Apply", "fieldsV1": {}}]
    cache.observe(DEPLOYMENTS, thing(1, managedFields=entries))
    stored = cache.get(DEPLOYMENTS, WEB)
    assert stored is not None
    assert stored["metadata"]["managedFields"] == entries[1:]
