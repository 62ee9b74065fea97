"""Who is written down as the author of an object, and what is asked about them later."""

import asyncio
import base64
import copy
import itertools
import json
from typing import Any

import pytest

from harness.played_api_server import OPERATOR, ApiServer, access
from timonier.api.references import AUTHOR, Work
from timonier.api.resources import Resource
from timonier.engine.errors import ApiError
from timonier.webhooks.authors import author, needs_of_author, needs_of_request, problem, stamp, wanted
from timonier.webhooks.authorship import Authorship
from timonier.webhooks.reviews import Review, ReviewError

ALICE = {"username": "alice", "uid": "7", "groups": ["a", "b"], "extra": {"scopes": ["x"]}}
BOB = {"username": "bob"}


def application(by: Any = None, **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": "web"} | ({"annotations": {AUTHOR: by}} if by is not None else {})
    return {"metadata": metadata, "spec": {"workload": {"image": {"repository": "r", "tag": "1"}}, **spec}}


def stored(user: dict[str, Any], new: Any, old: Any = None, server: ApiServer | None = None) -> Any:
    """The object after the webhook's patch, applied as the API server does."""
    request = {"uid": "1", "kind": {"kind": "Application"}, "userInfo": user, "object": new, "oldObject": old}
    asked = Review("admission.k8s.io/v1", "AdmissionReview", "1", request)
    answer = asyncio.run(Authorship(access(server or ApiServer())).answer(asked))
    assert answer["allowed"] is True
    after = copy.deepcopy(new)
    for step in json.loads(base64.b64decode(answer.get("patch", "W10="))):
        *parents, last = [part.replace("~1", "/") for part in step["path"].split("/")[1:]]
        place = after
        for name in parents:
            place = place[name]
        if step["op"] == "remove":
            del place[last]
        else:
            place[last] = step["value"]
    return after


def by(manifest: Any) -> Any:
    return manifest["metadata"].get("annotations", {}).get(AUTHOR)


MINE, HIS = stamp(ALICE), stamp(BOB)
MORE = {"config": {"env": {"A": "b"}}}
NUMBERS = {"scaling": {"replicas": 3}}


@pytest.mark.parametrize(
    ("new", "old", "then"),
    [
        (application(), None, MINE),
        (application(HIS), None, MINE),
        (application(HIS, **MORE), application(HIS), MINE),
        (application(HIS), application(HIS), HIS),
        (application(HIS, **NUMBERS), application(HIS), HIS),
        (application(), application(), None),
        (application(**MORE), application(), MINE),
        # Whoever takes the annotation away, or writes one, becomes the author.
        (application(), application(HIS), MINE),
        (application("me"), application(HIS), MINE),
        (application(stamp({"username": "admin"})), application(), MINE),
    ],
)
def test_who_is_written_down(new: Any, old: Any, then: str | None) -> None:
    after = stored(ALICE, new, old)
    assert by(after) == then
    assert after["spec"] == new["spec"]
    assert stored(ALICE, after, old) == after, "it is asked again after other webhooks, and has nothing to add"
    if then is not None:
        # The same manifest once more, as GitOps applies it: nothing changes.
        assert stored(BOB, after, after) == after


def test_other_annotations_stay() -> None:
    new = application()
    new["metadata"]["annotations"] = {"a/b": "c"}
    assert stored(ALICE, new)["metadata"]["annotations"] == {"a/b": "c", AUTHOR: MINE}


def test_what_the_operator_writes_says_itself_for_whom() -> None:
    for manifest in (application(HIS), application()):
        assert stored({"username": OPERATOR}, manifest) == manifest
    assert stored({"username": OPERATOR}, application(HIS, **MORE), application(MINE)) == application(HIS, **MORE)


def test_what_is_written_down_is_what_the_review_needs_and_no_more() -> None:
    of_the_token = {
        "authentication.kubernetes.io/credential-id": ["JTI=1"],
        "authentication.kubernetes.io/pod-name": ["p"],
    }
    told = stamp(ALICE | {"extra": {"scopes": ["x"], **of_the_token}})
    assert json.loads(told) == ALICE
    assert author(application(told)) == ALICE
    assert json.loads(stamp(BOB | {"groups": [], "uid": "", "extra": None})) == BOB


def test_groups_without_end_are_refused_in_words() -> None:
    many = BOB | {"groups": ["x" * 100] * 400}
    request = {"uid": "1", "kind": {"kind": "Application"}, "userInfo": many, "object": application()}
    asked = Review("admission.k8s.io/v1", "AdmissionReview", "1", request)
    answer = asyncio.run(Authorship(access(ApiServer())).answer(asked))
    assert (answer["allowed"], answer["status"]["code"]) == (False, 403)
    assert "cannot be written down" in answer["status"]["message"]


def test_who_asks_must_be_known() -> None:
    server = ApiServer()
    server.down = True
    request = {"uid": "1", "kind": {"kind": "Application"}, "userInfo": BOB, "object": application()}
    answer = asyncio.run(Authorship(access(server)).answer(Review("v1", "AdmissionReview", "1", request)))
    assert (answer["allowed"], answer["status"]["code"]) == (False, 503)


BACKUP = {"backup": {"storeRef": {"name": "offsite"}, "hooks": {"pre": [{"name": "a", "exec": {"command": ["x"]}}]}}}


def refusal(server: ApiServer, manifest: Any, work: Work = "backup") -> str | None:
    return asyncio.run(Authorship(access(server)).refusal(manifest, work))


def test_the_author_is_asked_about_what_that_part_of_the_spec_takes() -> None:
    manifest = application(MINE, **BACKUP, recovery={"ladder": [{"action": "RestoreBackup"}]})
    told = refusal(ApiServer(("use", "backupstores")), manifest)
    assert told is not None
    assert told.startswith(
        "alice, who wrote this, may not do so any more: create pods/exec in the namespace shop (for spec"
    )
    assert "use backupstores" not in told
    assert "kubectl annotate application web timonier.dev/authored-by-" in told
    server = ApiServer(("use", "backupstores"), ("create", "pods"))
    assert refusal(server, manifest) is None
    assert {asked["user"] for asked in server.asked} == {"alice"}
    assert server.asked[0]["groups"] == ["a", "b"]
    assert {str(need.any_of[0]).partition(" in ")[0] for need in needs_of_author(manifest, "recovery")} == {
        "read-data backups.timonier.dev", "restore applications.timonier.dev web",
    }  # fmt: skip
    assert needs_of_author(application(), "backup") == ()


def test_without_an_author_nobody_is_asked() -> None:
    """Requests are not reviewed in such a cluster."""
    server = ApiServer()
    assert refusal(server, application(**BACKUP)) is None
    assert server.asked == []


EXEC = [{"name": "a", "exec": {"command": ["x"]}}]
SHARED = {
    "upgrade": {"rollbackData": "RestoreBackup", "hooks": {"pre": EXEC}},
    "recovery": {"ladder": [{"action": "RestoreBackup"}], "probes": [{"command": ["x"]}]},
    "backup": {"storeRef": {"name": "offsite"}, "hooks": {"pre": EXEC}, "verify": {"job": ["look"]}},
}


@pytest.mark.parametrize("order", list(itertools.permutations(SHARED)))
def test_what_two_parts_of_a_spec_take_is_asked_about_for_each(order: tuple[str, ...]) -> None:
    manifest = application(MINE, **{name: SHARED[name] for name in order})

    def takes(work: Work) -> set[str]:
        return {str(need.any_of[0]).partition(" in ")[0] for need in needs_of_author(manifest, work)}

    assert takes("recovery") == {"read-data backups.timonier.dev", "restore applications.timonier.dev web"}
    assert takes("backup") == {"create pods/exec", "use backupstores.timonier.dev offsite"}
    assert takes("trial") == {"create pods", "create pods/exec", "read-data backups.timonier.dev"}
    assert refusal(ApiServer(), manifest, "recovery") is not None


def test_groups_without_end_hinder_no_change_that_takes_nothing() -> None:
    many = BOB | {"groups": ["x" * 100] * 400}
    for manifest in (application(HIS, **NUMBERS), application(HIS)):
        assert problem("Application", manifest, application(HIS), many) is None
    assert "cannot be written down" in (problem("Application", application(), None, many) or "")


def test_who_takes_a_restore_over_needs_what_its_making_takes() -> None:
    spec = {"from": {"backupRef": {"name": "b"}}, "to": {"newApplication": {"name": "copy"}}}
    mine, his = ({"metadata": {**application(by)["metadata"]}, "spec": spec} for by in (MINE, HIS))
    taken = {str(need.any_of[0]).partition(" in ")[0] for need in needs_of_request("Restore", mine, his)}
    assert {"read-data backups.timonier.dev b", "create pods/exec", "get secrets"} <= taken
    assert needs_of_request("Restore", mine, mine) == ()


def test_an_api_server_that_says_no_to_the_question_is_no_reason_to_stop_everything_else() -> None:
    class Strict(ApiServer):
        async def create(self, _resource: Resource, _body: dict[str, Any]) -> dict[str, Any]:
            raise ApiError(self.status, "Invalid", "no such user")

        status = 422

    manifest = application(MINE, **BACKUP)
    assert "does not say what alice may" in (refusal(Strict(), manifest) or "")
    Strict.status = 503
    with pytest.raises(ApiError):
        refusal(Strict(), manifest)


def test_a_spec_without_end_is_refused_in_words() -> None:
    hooks = [{"name": str(n), "exec": {"command": ["x"] * 100}} for n in range(1_000)]
    told = refusal(ApiServer(), application(MINE, backup={"hooks": {"pre": hooks}}))
    assert told is not None
    assert "is not reviewed" in told


@pytest.mark.parametrize(
    "text",
    ["", "me", "[]", "{}", '{"username": 1}', "[" * 5000, '{"username": ""}', '{"username": "a", "groups": "b"}',
     '{"username": "a", "groups": [1]}', '{"username": "a", "extra": 5}', '{"username": "a", "extra": {"b": "c"}}'],
)  # fmt: skip
def test_an_annotation_that_is_not_ours_stands_for_nobody_who_may(text: str) -> None:
    assert "the annotation timonier.dev/authored-by" in (refusal(ApiServer(), application(text, **BACKUP)) or "")
    with pytest.raises(ReviewError):
        author(application(text))


def test_a_restore_keeps_its_author() -> None:
    restore = {"metadata": {"namespace": "shop", "name": "r"}, "spec": {"to": {}}}
    made = wanted("Restore", restore, None, ALICE)
    assert made == MINE
