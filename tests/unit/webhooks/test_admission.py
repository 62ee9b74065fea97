"""What a request is answered: by whom it comes, what it lacks, and when nobody can tell. The API server is played."""

import asyncio
from typing import Any

import pytest

from harness.played_api_server import OPERATOR, ApiServer, Clock, access
from timonier.api.references import AUTHOR
from timonier.webhooks.access import Subject
from timonier.webhooks.admission import Admission
from timonier.webhooks.authors import stamp
from timonier.webhooks.permissions import Need, Permission
from timonier.webhooks.reviews import Review, ReviewError

ALICE = {"username": "alice", "groups": ["a", "b"], "extra": {"scopes": ["x"]}}
PODS = Permission("create", "", "pods", "shop")
APPLICATION = {
    "metadata": {"namespace": "shop", "name": "web"},
    "spec": {"workload": {"image": {"repository": "r", "tag": "1"}}},
}


def written_by(user: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """The object as the webhook that writes down authors leaves it."""
    return manifest | {"metadata": manifest["metadata"] | {"annotations": {AUTHOR: stamp(user)}}}


def review(user: dict[str, Any], new: Any = APPLICATION, old: Any = None, kind: str = "Application") -> Review:
    request = {"uid": "1", "kind": {"kind": kind}, "userInfo": user, "object": new, "oldObject": old}
    return Review("admission.k8s.io/v1", "AdmissionReview", "1", request)


def answer(server: ApiServer, asked: Review) -> dict[str, Any]:
    return asyncio.run(Admission(access(server)).answer(asked))


def test_a_request_is_refused_with_what_it_lacks_and_allowed_with_it() -> None:
    made = written_by(ALICE, APPLICATION)
    refused = answer(ApiServer(), review(ALICE, made))
    assert refused["allowed"] is False
    assert (refused["status"]["code"], refused["status"]["reason"]) == (403, "Forbidden")
    assert (
        "create pods in the namespace shop or create deployments.apps in the namespace shop (for spec.workload)"
        in refused["status"]["message"]
    )
    server = ApiServer(("create", "pods"))
    assert answer(server, review(ALICE, made)) == {"allowed": True}
    (asked,) = server.asked
    assert asked == {
        "user": "alice", "groups": ["a", "b"], "extra": {"scopes": ["x"]},
        "resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "shop"},
    }  # fmt: skip


def test_the_operator_and_whoever_changes_nothing_are_not_asked_for_anything() -> None:
    server = ApiServer()
    assert answer(server, review({"username": OPERATOR})) == {"allowed": True}
    assert answer(server, review(ALICE, old=APPLICATION)) == {"allowed": True}
    assert answer(server, review(ALICE, kind="Other")) == {"allowed": True}
    assert server.asked == []


def test_what_cannot_be_found_out_is_refused() -> None:
    server = ApiServer(("create", "pods"))
    server.down = True
    refused = answer(server, review(ALICE))
    assert (refused["allowed"], refused["status"]["code"]) == (False, 503)
    assert "no answer" in refused["status"]["message"]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"kind": {"kind": "Application"}},
        {"kind": {"kind": "Application"}, "userInfo": {}, "object": APPLICATION},
        {"kind": {"kind": "Application"}, "userInfo": ALICE, "object": None},
        {"kind": {"kind": "Application"}, "userInfo": ALICE, "object": {"metadata": {}, "spec": 1}},
        {"kind": {"kind": "Application"}, "userInfo": ALICE, "object": APPLICATION, "oldObject": "x"},
        {"kind": {"kind": "Application"}, "userInfo": ALICE, "object": APPLICATION, "oldObject": {"spec": 1}},
    ],
)
def test_what_is_no_admission_request_is_said_to_be_none(request_: dict[str, Any]) -> None:
    with pytest.raises(ReviewError):
        answer(ApiServer(), Review("v1", "AdmissionReview", "1", request_))


def test_what_is_allowed_counts_for_ten_seconds_and_what_is_refused_not_at_all() -> None:
    server, clock, alice = ApiServer(("create", "pods")), Clock(), Subject.of(ALICE)
    asking = access(server, clock)
    need = Need((PODS,), "spec")

    async def missing() -> int:
        return len(await asking.missing(alice, (need,)))

    async def go() -> list[tuple[int, int]]:
        seen = []
        for now, granted in ((0, True), (9.9, False), (10.1, False), (10.2, True), (10.3, True)):
            clock.now = now
            server.granted = {("create", "pods")} if granted else set()
            seen.append((await missing(), len(server.asked)))
        other = Subject.of({**ALICE, "groups": ["c"]})
        await asking.missing(other, (need,))
        seen.append((0, len(server.asked)))
        return seen

    assert asyncio.run(go()) == [(0, 1), (0, 1), (1, 2), (0, 3), (0, 3), (0, 4)]


def test_one_of_several_permissions_is_enough() -> None:
    need = Need((Permission("use", "", "serviceaccounts", "shop", "x"),
                 Permission("impersonate", "", "serviceaccounts", "shop", "x")), "spec")  # fmt: skip
    for verb in ("use", "impersonate"):
        asking = access(ApiServer((verb, "serviceaccounts")))
        assert asyncio.run(asking.missing(Subject.of(ALICE), (need,))) == ()
    assert asyncio.run(access(ApiServer()).missing(Subject.of(ALICE), (need,))) == (need,)


def test_what_may_not_be_meant_is_said_once() -> None:
    server = ApiServer(("create", "pods"), ("create", "persistentvolumeclaims"), ("patch", "deployments"),
                       ("read-data", "backups"), ("restore", "applications"))  # fmt: skip
    spec = {"workload": {"image": {"repository": "r"}, "storage": [{"name": "data"}]}}
    latest = written_by(ALICE, APPLICATION) | {"spec": spec}
    told = answer(server, review(ALICE, latest))["warnings"]
    assert [text.partition(" ")[0] for text in told] == ["spec.workload.image:", "spec.workload.storage"]
    assert "warnings" not in answer(server, review(ALICE, {**latest, "spec": {**latest["spec"], "x": 1}}, latest))
    spec = {"from": {"latest": {"application": "web"}},
            "to": {"inPlace": {"application": "web", "safetyBackup": False}}}  # fmt: skip
    restore = {"metadata": {"namespace": "shop", "name": "back"}, "spec": spec}
    (one,) = answer(server, review(ALICE, written_by(ALICE, restore), kind="Restore"))["warnings"]
    assert one.startswith("spec.to.inPlace.safetyBackup")


def test_an_author_that_the_other_webhook_has_not_written_is_refused() -> None:
    server = ApiServer(("create", "pods"), ("patch", "deployments"))
    bob, changed = (
        {"username": "bob"},
        APPLICATION | {"spec": {"workload": {"image": {"repository": "other", "tag": "1"}}}},
    )
    mine, his = written_by(ALICE, APPLICATION), written_by(bob, APPLICATION)
    for new, old in ((APPLICATION, None), (his, None), (his, mine), (APPLICATION, mine)):
        refused = answer(server, review(ALICE, new, old))
        assert (refused["allowed"], refused["status"]["code"]) == (False, 403)
        assert "written by the webhook author.timonier.dev alone" in refused["status"]["message"]
    # Whoever changes what another one wrote does not have it done in that one's name.
    kept = answer(server, review(ALICE, written_by(bob, changed), his))
    assert "written by the webhook" in kept["status"]["message"]
    assert answer(server, review(ALICE, written_by(ALICE, changed), his)) == {"allowed": True}
    assert answer(server, review(ALICE, his, his)) == {"allowed": True}
    assert answer(server, review({"username": OPERATOR}, his)) == {"allowed": True}


def test_who_takes_an_application_over_needs_what_all_of_it_takes() -> None:
    bob = {"username": "bob"}
    mine, his = written_by(ALICE, APPLICATION), written_by(bob, APPLICATION)
    refused = answer(ApiServer(("create", "pods")), review(ALICE, mine, his))
    assert "patch deployments.apps web in the namespace shop" in refused["status"]["message"]
    assert answer(ApiServer(("create", "pods"), ("patch", "deployments")), review(ALICE, mine, his)) == {
        "allowed": True
    }
