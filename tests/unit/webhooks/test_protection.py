"""What is protected from whom: never allowed, only refused or left to others."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from timonier.api.resources import APPLICATIONS, BACKUP_STORES, BACKUPS, Resource
from timonier.webhooks import reviews
from timonier.webhooks.access import Access
from timonier.webhooks.authorization import Authorization
from timonier.webhooks.protection import Asked, why_protected
from timonier.webhooks.reviews import Review, ReviewError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LATER, BEFORE = "2026-12-01T00:00:00Z", "2026-11-30T11:59:59Z"


def named(name: str, namespace: str = "shop", **more: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, **more}


def frozen(name: str, until: str = LATER, namespace: str = "shop") -> dict[str, Any]:
    return named(name, namespace, spec={"changeFreeze": {"until": until, "reason": "holidays"}})


def locked(name: str, until: str = LATER) -> dict[str, Any]:
    return named(name, spec={"retentionLock": {"until": until}})


def backup(name: str, application: str = "web", phase: str = "Succeeded", store: str = "offsite") -> dict[str, Any]:
    return named(name, spec={"targetRef": {"name": application}}, status={"phase": phase, "store": {"name": store}})


def why(
    verb: str, resource: str, name: str = "", sub: str = "", group: str = "timonier.dev", **there: Iterable[Any]
) -> str | None:
    def lookup(wanted: Resource, namespace: str | None) -> Iterable[dict[str, Any]]:
        found = there.get(wanted.plural, ())
        return [each for each in found if namespace in (None, each["metadata"]["namespace"])]

    namespace = "" if resource == "namespaces" else "shop"
    return why_protected(Asked(verb, group, resource, namespace, name, sub), lookup, NOW)


@pytest.mark.parametrize("verb", ["delete", "update", "patch", "deletecollection"])
def test_a_freeze_and_a_lock_refuse_changes_and_deletion_while_they_last(verb: str) -> None:
    name = "" if verb == "deletecollection" else "web"
    told = why(verb, "applications", name, applications=[frozen("web")])
    assert told == f"the Application shop/web is under a change freeze until {LATER}: holidays"
    assert why(verb, "applications", name, applications=[frozen("web", BEFORE)]) is None
    assert why(verb, "applications", name, applications=[frozen("web", namespace="other")]) is None
    assert why(verb, "backupstores", name, backupstores=[locked("web")]) == (
        f"the BackupStore shop/web is under a retention lock until {LATER}"
    )
    assert why(verb, "backupstores", name, backupstores=[locked("web", BEFORE)]) is None


def test_other_objects_verbs_and_status_are_left_to_others() -> None:
    there = {"applications": [frozen("web")]}
    assert why("patch", "applications", "web", "scale", **there) is not None
    for asked in (("get", "applications", "web"), ("create", "applications", ""), ("patch", "applications", "blog"),
                  ("patch", "applications", "web", "status")):  # fmt: skip
        assert why(*asked, **there) is None
    assert why("delete", "applications", "web", group="other.dev", **there) is None
    assert why("delete", "pods", "web", group="", **there) is None


def test_the_last_good_backup_stays() -> None:
    application = [named("web", spec={})]
    failed, other = backup("b", phase="Failed"), backup("c", application="blog")
    ending = backup("d")
    ending["metadata"]["deletionTimestamp"] = BEFORE
    there = [backup("a"), failed, other, ending]
    for verb, name in (("delete", "a"), ("deletecollection", "")):
        told = why(verb, "backups", name, backups=there, applications=application)
        assert told == "the Backup shop/a is the last good backup of the Application web"
    assert why("delete", "backups", "a", backups=[*there, backup("e")], applications=application) is None
    assert why("delete", "backups", "b", backups=there, applications=application) is None
    assert why("patch", "backups", "a", backups=there, applications=application) is None
    assert why("delete", "backups", "a", backups=there) is None  # the Application is gone


def test_a_backup_in_a_store_under_a_lock_stays() -> None:
    there = {"backups": [backup("a", phase="Failed"), backup("b", store="other")], "backupstores": [locked("offsite")]}
    assert "under a retention lock" in (why("delete", "backups", "a", **there) or "")
    assert why("delete", "backups", "b", **there) is None


def test_a_namespace_with_something_that_is_held_stays() -> None:
    for there in ({"applications": [frozen("web")]}, {"backupstores": [locked("offsite")]}):
        assert why("delete", "namespaces", "shop", group="", **there) is not None
        assert why("delete", "namespaces", "other", group="", **there) is None
        assert why("deletecollection", "namespaces", "", group="", **there) is not None
        assert why("update", "namespaces", "shop", group="", **there) is None


class Own:
    """Access of which nothing but the own name is asked."""

    async def own_name(self) -> str:
        return "operator"


def answered(spec: dict[str, Any]) -> dict[str, Any]:
    def lookup(resource: Resource, _namespace: str | None) -> Iterable[dict[str, Any]]:
        return {APPLICATIONS: [frozen("web")], BACKUPS: [], BACKUP_STORES: []}[resource]

    review = Review("authorization.k8s.io/v1", reviews.ACCESS_REVIEW, "", spec)
    return asyncio.run(Authorization(cast(Access, Own()), lookup, lambda: NOW).answer(review))


DELETION = {"verb": "delete", "group": "timonier.dev", "resource": "applications", "namespace": "shop", "name": "web"}


def test_whoever_asks_is_refused_bar_the_operator_and_who_clears_up() -> None:
    denied = answered({"user": "kubernetes-admin", "resourceAttributes": DELETION})
    assert (denied["allowed"], denied["denied"]) == (False, True)
    assert denied["reason"].startswith("timonier: the Application shop/web is under a change freeze")
    for user in ("operator", "system:serviceaccount:kube-system:generic-garbage-collector",
                 "system:serviceaccount:kube-system:namespace-controller"):  # fmt: skip
        assert answered({"user": user, "resourceAttributes": DELETION}) == {"allowed": False}
    assert answered({"user": "a", "nonResourceAttributes": {"path": "/", "verb": "get"}}) == {"allowed": False}
    assert answered({"user": "a", "resourceAttributes": {"verb": 1, "group": None}}) == {"allowed": False}
    assert answered({}) == {"allowed": False}
    with pytest.raises(ReviewError):
        answered({"user": 1})


def test_the_review_is_an_object_of_the_api_and_answered_as_one() -> None:
    text = b'{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": "a"}}'
    review = reviews.read(text, reviews.ACCESS_REVIEW)
    assert reviews.wrapped(review, {"allowed": False}) == {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "status": {"allowed": False},
    }  # fmt: skip
    for wrong in (b"{}", b'{"apiVersion": "v1", "kind": "SubjectAccessReview"}', b'{"kind": "ConversionReview"}'):
        with pytest.raises(ReviewError, match="with a spec"):
            reviews.read(wrong, reviews.ACCESS_REVIEW)
