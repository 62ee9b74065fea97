"""Which revision of an Application runs, and when an Upgrade to another is due."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.application_specs import application as any_application
from timonier.api.application import Application
from timonier.api.references import GIVEN_UP
from timonier.api.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, SECRETS, UPGRADES
from timonier.applications.reasons import Reason
from timonier.applications.revisions import Course, at_revision, course, held_up, read_revision, references, running

Manifest = dict[str, Any]
NOTHING: dict[str, str] = {}
STORAGE = {"storage": [{"name": "data", "size": "1Gi", "mountPath": "/data"}]}
READS = {"envFrom": [{"secretRef": {"name": "keys"}}]}


class World:
    """An Application, its revisions and Upgrades, as the API server would have them after each course."""

    def __init__(self, tag: str = "1", **upgrade: Any) -> None:
        self.spec: Manifest = {"workload": {"image": {"repository": "web", "tag": tag}}, "upgrade": upgrade}
        self.status: Manifest = {}
        self.revisions: list[Manifest] = []
        self.upgrades: list[Manifest] = []
        self.versions: dict[str, str] = {}
        self.mark: str | None = None

    @property
    def application(self) -> Application:
        made = any_application(copy.deepcopy(self.spec))
        return made.model_copy(update={"status": self.status})

    def turn(self) -> Course:
        """One reconcile: what it asks for is there afterwards."""
        made = course(self.application, self.revisions, self.upgrades, self.versions, self.mark)
        self.mark = made.mark
        for resource, manifest in made.create:
            target = self.revisions if resource == CONTROLLER_REVISIONS else self.upgrades
            assert manifest["metadata"]["name"] not in [each["metadata"]["name"] for each in target]
            target.append({**copy.deepcopy(dict(manifest)), "status": {}})
            target[-1]["metadata"]["uid"] = f"uid of {manifest['metadata']['name']}"
        if made.cancel is not None:
            self.end("Cancelled")
        for gone in made.drop:
            target = self.revisions if gone.resource == CONTROLLER_REVISIONS else self.upgrades
            target[:] = [each for each in target if each["metadata"]["uid"] != gone.uid]
        self.status = dict(made.status)
        return made

    def change(self, tag: str) -> Course:
        self.spec["workload"]["image"]["tag"] = tag
        return self.turn()

    def rollout(self, revision: str, **fields: Any) -> None:
        self.upgrades[-1]["status"]["rollout"] = {"revision": revision, **fields}

    def end(self, phase: str) -> None:
        self.upgrades[-1]["status"]["phase"] = phase

    @property
    def names(self) -> tuple[list[str], list[str]]:
        return tuple([each["metadata"]["name"] for each in found] for found in (self.revisions, self.upgrades))  # type: ignore[return-value]


def tag(made: Course) -> str | None:
    return made.application.spec.workload.image.tag


def settled(*tags: str) -> World:
    """A world that has been upgraded to each of these."""
    world = World(tags[0])
    world.turn()
    for each in tags[1:]:
        world.change(each)
        world.end("Succeeded")
        world.turn()
    return world


def test_without_a_policy_what_the_spec_says_runs() -> None:
    world = World()
    del world.spec["upgrade"]
    assert world.turn() == Course(world.application)


def test_the_first_revision_is_what_there_was() -> None:
    world = World()
    made = world.turn()
    assert (made.revision, made.upgrading, world.status) == ("web-1", None, {"revision": "web-1"})
    assert world.names == (["web-1"], [])
    assert world.turn().create == ()
    assert world.revisions[0]["revision"] == 1


def test_a_change_is_an_upgrade_and_runs_once_that_says_so() -> None:
    world = settled("1")
    made = world.change("2")
    assert world.names == (["web-1", "web-2"], ["web-2"])
    assert (tag(made), made.revision, made.upgrading) == ("1", "web-1", "the upgrade web-2 is under way")
    assert world.status == {"revision": "web-1", "activeRun": "upgrade/web-2"}
    spec = world.upgrades[0]["spec"]
    assert (spec["fromRevision"], spec["toRevision"], spec["fromVersion"], spec["toVersion"]) == (
        "web-1", "web-2", "1", "2",
    )  # fmt: skip
    world.rollout("web-1", suspended=True)
    made = world.turn()
    assert (tag(made), made.hold) == ("1", "upgrade web-2")
    world.rollout("web-2")
    made = world.turn()
    assert (tag(made), made.revision, made.hold) == ("2", "web-2", None)
    world.end("Succeeded")
    made = world.turn()
    assert (tag(made), made.upgrading, world.status) == ("2", None, {"revision": "web-2"})
    assert world.turn().create == ()


def test_what_failed_does_not_run_and_is_not_tried_again() -> None:
    world = settled("1")
    world.change("2")
    world.rollout("web-2")
    world.end("Failed")
    for _ in range(3):
        made = world.turn()
        assert (tag(made), made.revision, made.create) == ("1", "web-1", ())
        assert made.failed is not None
    assert world.status == {"revision": "web-1", "failedRevision": "web-2"}


def test_what_failed_is_tried_again_when_the_policy_changes_or_the_spec_went_elsewhere_and_came_back() -> None:
    world = settled("1")
    world.change("2")
    world.end("Failed")
    world.turn()
    world.spec["upgrade"] = {"progressDeadlineSeconds": 900}
    made = world.turn()
    assert world.names == (["web-1", "web-2", "web-3"], ["web-2", "web-3"])
    assert (made.failed, world.upgrades[-1]["spec"]["fromRevision"]) == (None, "web-1")
    world.end("Failed")
    assert world.turn().failed is not None
    made = world.change("1")
    assert (made.failed, made.create, world.status) == (None, (), {"revision": "web-1"})
    assert world.turn().failed is None
    world.change("2")
    assert world.names[1][-1] == "web-4"


def test_an_upgrade_that_touched_nothing_gives_way_and_another_is_waited_for() -> None:
    world = settled("1")
    world.change("2")
    assert world.change("3").cancel == "web-2"
    made = world.turn()
    assert (world.names[1], made.upgrading) == (["web-2", "web-3"], "the upgrade web-3 is under way")
    world.rollout("web-3")
    made = world.change("4")
    assert (made.cancel, made.create, tag(made)) == (None, (), "3")
    world.end("Failed")
    made = world.turn()
    assert (world.names[1][-1], tag(made), world.upgrades[-1]["spec"]["fromRevision"]) == ("web-4", "1", "web-1")


def test_an_upgrade_that_somebody_removed_has_failed() -> None:
    world = settled("1")
    world.change("2")
    world.upgrades.clear()
    made = world.turn()
    assert (made.create, tag(made), world.status) == ((), "1", {"revision": "web-1", "failedRevision": "web-2"})
    assert world.turn().create == ()


def test_an_operator_that_was_killed_between_two_writes_goes_on() -> None:
    world = settled("1")
    before = copy.deepcopy(world.status)
    world.change("2")
    world.upgrades.clear()  # only the revision had been made
    world.status = before
    world.turn()
    assert world.names == (["web-1", "web-2"], ["web-2"])
    world.status = before  # and only the status had not been written
    world.turn()
    assert world.names == (["web-1", "web-2"], ["web-2"])
    world.status = {}
    world.turn()
    assert world.status == {"revision": "web-1", "activeRun": "upgrade/web-2"}


def test_numbers_of_pods_and_sizes_of_volumes_are_no_revision() -> None:
    world = settled("1")
    world.spec["workload"] |= STORAGE
    assert world.turn().create
    world.end("Succeeded")
    world.turn()
    world.spec["workload"]["storage"] = [{"name": "data", "size": "5Gi", "mountPath": "/data"}]
    world.spec["scaling"] = {"replicas": 1}
    made = world.turn()
    assert made.create == ()
    assert made.application.spec.workload.storage[0].size == "5Gi"


def test_a_field_that_is_stated_as_its_default_makes_no_revision() -> None:
    world = settled("1")
    world.spec["workload"]["kind"] = "Deployment"
    world.spec["upgrade"] = {"strategy": "Rolling"}
    assert world.turn().create == ()


def test_configuration_is_a_revision_and_comes_back_with_it() -> None:
    world = settled("1")
    world.spec["config"] = {"env": {"A": "1"}}
    world.turn()
    assert world.names[1] == ["web-2"]
    world.end("Failed")
    made = world.turn()
    assert made.application.spec.config is None


def test_a_secret_that_is_written_is_a_revision_and_restarts_the_pods() -> None:
    world = World()
    world.spec["workload"] |= READS
    world.versions = {"Secret/keys": "u/1"}
    assert world.turn().mark is None
    world.versions = {"Secret/keys": "u/2"}
    world.turn()
    assert world.names[1] == ["web-2"]
    world.rollout("web-2")
    assert world.turn().mark == "web-2"
    world.end("Succeeded")
    assert world.turn().mark == "web-2"
    world.change("2")
    world.rollout("web-3")
    assert world.turn().mark == "web-3"
    world.end("Failed")
    assert world.turn().mark == "web-2"


def test_a_secret_that_comes_later_or_goes_is_none_and_its_next_change_is() -> None:
    world = World()
    world.spec["workload"] |= READS
    world.turn()
    world.versions = {"Secret/keys": "u/1"}
    assert world.turn().create == ()
    assert world.status["references"] == {"Secret/keys": "u/1"}
    assert world.turn().create == ()
    world.versions = {}
    assert world.turn().create == ()
    world.versions = {"Secret/keys": "u/2"}
    world.turn()
    assert world.names[1] == ["web-2"]


def test_all_that_pods_read_is_a_reference() -> None:
    source = {"secretKeyRef": {"name": "a", "key": "k"}}
    workload: Manifest = {
        "image": {"repository": "web"},
        "env": [{"name": "A", "valueFrom": source}, {"name": "B", "value": "b"}],
        "envFrom": [{"configMapRef": {"name": "b"}}, {"secretRef": {"name": "c"}}],
        "volumes": [
            {"name": "d", "mountPath": "/d", "secret": {"secretName": "d"}},
            {"name": "e", "mountPath": "/e", "configMap": {"name": "e"}},
            {"name": "f", "mountPath": "/f", "projected": {"sources": [{"secret": {"name": "f"}}]}},
            {"name": "g", "mountPath": "/g", "emptyDir": {}},
        ],
    }
    assert references(any_application({"workload": workload})) == {
        (SECRETS, "a"), (CONFIG_MAPS, "b"), (SECRETS, "c"), (SECRETS, "d"), (CONFIG_MAPS, "e"), (SECRETS, "f"),
    }  # fmt: skip


def test_old_upgrades_and_revisions_go_and_those_in_use_stay() -> None:
    world = settled("1", "2", "3", "4", "5")
    assert world.names[1] == ["web-2", "web-3", "web-4", "web-5"]
    world.spec["upgrade"] = {"revisionHistoryLimit": 2}
    made = world.turn()
    assert [gone.name for gone in made.drop if gone.resource == UPGRADES] == ["web-2", "web-3"]
    assert world.names == (["web-3", "web-4", "web-5"], ["web-4", "web-5"])
    assert world.turn().drop == ()


def test_a_policy_that_is_taken_away_lets_what_is_under_way_come_to_its_end() -> None:
    world = settled("1")
    world.change("2")
    world.rollout("web-2")
    policy = world.spec.pop("upgrade")
    assert tag(world.turn()) == "2"
    world.rollout("web-1")
    assert tag(world.turn()) == "1"
    world.end("Failed")
    made = world.turn()
    assert (tag(made), made.revision, made.status) == ("2", None, {})
    world.spec["upgrade"] = policy
    assert (world.turn().revision, world.turn().create) == ("web-3", ())


def test_a_revision_that_cannot_be_read_is_none() -> None:
    world = settled("1", "2")
    world.revisions[-1]["data"]["workload"]["invented"] = True
    assert read_revision(world.revisions[-1]) is None
    assert read_revision({"metadata": {"name": "x"}, "revision": 1}) is None
    first = read_revision(world.revisions[0])
    assert first is not None
    assert at_revision(world.application, first).spec.workload.image.tag == "1"


def give_up(world: World) -> None:
    world.upgrades[-1]["metadata"]["annotations"] = {"timonier.dev/given-up": "true"}


def test_a_revision_that_recovery_gives_up_has_failed_and_the_one_before_runs() -> None:
    world = settled("1", "2")
    give_up(world)
    for _ in range(3):
        made = world.turn()
        assert (tag(made), made.revision, made.create) == ("1", "web-1", ())
        assert world.status == {"revision": "web-1", "failedRevision": "web-2"}
    world.change("3")
    assert world.upgrades[-1]["spec"]["fromRevision"] == "web-1"
    world.end("Succeeded")
    assert tag(world.turn()) == "3"


def test_what_was_given_up_comes_back_only_as_another_upgrade() -> None:
    world = settled("1", "2")
    give_up(world)
    world.turn()
    made = world.change("1")
    assert (tag(made), made.create, world.status) == ("1", (), {"revision": "web-1"})
    assert tag(world.turn()) == "1"
    world.change("2")
    assert (world.names[1][-1], world.upgrades[-1]["spec"]["fromRevision"]) == ("web-3", "web-1")


def test_a_first_revision_cannot_be_given_up() -> None:
    world = settled("1", "2")
    give_up(world)
    world.revisions[:] = world.revisions[1:]
    assert (tag(world.turn()), world.status) == ("2", {"revision": "web-2"})


def test_set_again_the_policy_begins_with_what_runs_and_no_pod_starts_anew() -> None:
    world = settled("1", "2")
    policy = world.spec.pop("upgrade")
    assert world.change("5").mark == "web-2"
    world.spec["upgrade"] = policy
    for _ in range(3):
        made = world.turn()
        assert (tag(made), made.revision, made.mark, world.status) == ("5", "web-3", "web-2", {"revision": "web-3"})
    assert world.names[1] == ["web-2"]
    made = world.change("6")
    assert (tag(made), world.upgrades[-1]["spec"]["fromRevision"], world.names[1][-1]) == ("5", "web-3", "web-4")
    world.rollout("web-4")
    assert world.turn().mark == "web-4"


def test_set_again_a_revision_that_was_given_up_is_what_runs() -> None:
    world = settled("1", "2")
    give_up(world)
    world.turn()
    policy = world.spec.pop("upgrade")
    world.turn()
    world.spec["upgrade"] = policy
    for _ in range(3):
        assert (tag(world.turn()), world.status) == ("2", {"revision": "web-3"})


def test_where_the_good_revision_cannot_be_read_what_the_spec_says_is_the_good_one() -> None:
    world = settled("1", "2")
    world.revisions[-1]["data"]["workload"]["invented"] = True
    for _ in range(3):
        made = world.turn()
        assert (tag(made), made.upgrading, world.status) == ("2", None, {"revision": "web-3"})
    world.change("3")
    assert (world.names[1][-1], world.upgrades[-1]["spec"]["fromRevision"]) == ("web-4", "web-3")


def test_upgrades_of_another_application_of_that_name_do_not_count_but_their_names_are_taken() -> None:
    world = settled("1", "2")
    for left in world.upgrades:
        left["metadata"]["ownerReferences"] = [{"uid": "earlier", "controller": True}]
        left["status"] = {}
    world.upgrades[-1:] = [*world.upgrades[-1:], copy.deepcopy(world.upgrades[-1])]
    world.upgrades[-1]["metadata"] |= {"name": "fix-20261127", "uid": "fix"}
    world.status, world.revisions = {}, []
    made = world.turn()
    assert (tag(made), made.upgrading, world.status) == ("2", None, {"revision": "web-3"})
    world.change("3")
    assert world.names[1] == ["web-2", "fix-20261127", "web-4"]


def test_while_it_is_suspended_no_upgrade_begins() -> None:
    world = settled("1")
    world.spec["suspend"] = True
    made = world.change("2")
    assert (tag(made), made.create, made.failed) == ("1", (), None)
    del world.spec["suspend"]
    world.spec["scaling"] = {"replicas": 0}
    assert world.turn().create == ()
    world.spec["scaling"] = {"replicas": 1}
    world.turn()
    assert world.names[1] == ["web-2"]


def test_what_was_given_up_is_not_tried_again_whatever_had_come_after_it() -> None:
    world = settled("1")
    world.spec["workload"]["envFrom"] = [{"secretRef": {"name": "keys"}}]
    world.turn()
    world.end("Succeeded")
    world.turn()
    world.versions = {"Secret/keys": "u/1"}
    world.turn()
    world.upgrades[-1]["metadata"]["annotations"] = {GIVEN_UP: "true"}
    for _ in range(3):
        made = world.turn()
        assert (made.revision, made.create, world.status["failedRevision"]) == ("web-1", (), "web-2")


def test_what_another_revision_failed_at_is_not_said_of_what_is_asked_for_now() -> None:
    world = settled("1")
    world.change("2")
    world.end("Failed")
    assert world.turn().failed is not None
    world.spec["suspend"] = True
    assert world.turn().failed is not None
    assert world.change("3").failed is None


def test_what_failed_for_want_of_a_secret_is_tried_again_once_that_is_there() -> None:
    world = settled("1")
    world.spec["workload"]["envFrom"] = [{"secretRef": {"name": "keys"}}]
    world.turn()
    world.end("Cancelled")  # as a person asked for it
    world.versions = {"Secret/keys": "u/1"}
    assert world.turn().create == ()
    world.versions = {}
    world.end("Failed")
    assert world.turn().create == world.turn().create == ()
    world.versions = {"Secret/keys": "u/1"}
    world.turn()
    assert world.names[1] == ["web-2", "web-3"]
    world.end("Failed")
    assert world.turn().create == world.turn().create == ()


def test_a_policy_that_changes_before_anything_was_touched_is_the_one_that_counts() -> None:
    world = World(approval="Manual")
    world.turn()
    world.change("2")
    world.spec["upgrade"] = {"approval": "Manual", "quiesce": True}
    assert world.turn().cancel == "web-2"
    world.turn()
    assert (world.names[1], world.upgrades[-1]["spec"]["policy"]) == (["web-2", "web-3"], world.spec["upgrade"])
    assert world.turn().cancel is None
    world.rollout("web-1", suspended=True)
    world.spec["upgrade"] = {}
    assert world.turn().cancel is None


def test_volumes_for_one_pod_have_one_pod_whatever_the_new_spec_says() -> None:
    world = World()
    world.spec["workload"] |= STORAGE
    world.turn()
    world.spec["workload"] = {
        **world.spec["workload"],
        "storage": [{**STORAGE["storage"][0], "accessMode": "ReadWriteMany"}],
    }
    world.spec["scaling"] = {"replicas": 3}
    assert world.turn().application.spec.scaling.replicas == 1
    world.rollout("web-2")
    assert world.turn().application.spec.scaling.replicas == 3


def test_a_volume_that_only_the_new_revision_has_is_known_while_all_pods_are_stopped() -> None:
    world = settled("1")
    world.spec["workload"] |= STORAGE
    assert world.turn().coming is None
    world.rollout("web-1", suspended=True)
    coming = world.turn().coming
    assert coming is not None
    assert [storage.name for storage in coming.spec.workload.storage] == ["data"]
    # On the way back nothing is claimed any more: a claim that is refused would keep the pods stopped for ever.
    world.upgrades[-1]["status"]["conditions"] = [{"type": "Succeeded", "status": "False"}]
    assert world.turn().coming is None


def test_what_is_tried_beside_is_what_the_upgrade_says() -> None:
    world = settled("1")
    world.change("2")
    assert world.turn().beside is None
    world.rollout("web-1", beside={"revision": "web-2", "replicas": 1, "traffic": "Shared"})
    made = world.turn()
    assert made.beside is not None
    assert (tag(made), made.beside.application.spec.workload.image.tag) == ("1", "2")
    assert (made.beside.revision, made.beside.mark, made.beside.replicas, made.beside.traffic) == (
        "web-2", "web-2", 1, "Shared",
    )  # fmt: skip
    world.end("Failed")
    assert world.turn().beside is None


def test_the_time_out_leaves_room_for_all_that_a_policy_asks_for() -> None:
    world = World(migrations=[{"name": "m", "command": ["up"], "timeoutSeconds": 5000, "backoffLimit": 1}])
    world.spec["backup"] = {"storeRef": {"name": "s"}, "timeoutSeconds": 20000}
    world.turn()
    world.change("2")
    assert world.upgrades[-1]["spec"]["timeoutSeconds"] > 30000


def test_what_cannot_be_made_has_not_begun() -> None:
    world = settled("1")
    before = world.application
    world.change("2")
    made = held_up(before, world.turn(), "no")
    assert (made.failed, made.upgrading, made.status) == ((Reason.REFUSED, "no"), None, {"revision": "web-1"})
    assert tag(made) == "1"


def test_what_runs_is_what_the_upgrade_says_or_else_the_good_one() -> None:
    world = settled("1")
    world.change("2")

    def runs() -> str | None:
        return running(world.application, world.revisions, world.upgrades).spec.workload.image.tag

    assert runs() == "1"
    world.rollout("web-2")
    assert runs() == "2"
    world.end("Failed")
    assert runs() == "1"
    world.status = {}
    assert runs() == "2"


def happen(world: World, what: str, number: int) -> None:
    """One thing that a person, an Upgrade or a mishap does, where it can."""
    over = ("Succeeded", "Failed", "Cancelled")
    active = [each for each in world.upgrades if each["status"].get("phase") not in over]
    if what == "change":
        world.spec["workload"]["image"]["tag"] = str(number)
    elif what == "unset":
        world.spec.pop("upgrade", None)
    elif what == "set":
        world.spec["upgrade"] = {"bakeSeconds": number % 3}
    elif what == "suspend":
        world.spec["suspend"] = number % 2 == 0
    elif what == "write a Secret":
        world.versions = {"Secret/keys": str(number)}
    elif what == "lose the status" and number == 1:
        world.status = {}
    elif what == "delete" and world.upgrades:
        world.upgrades.pop()
    elif what == "give up" and world.upgrades and world.upgrades[-1]["status"].get("phase") == "Succeeded":
        give_up(world)
    elif active and what in ("roll out", "end"):
        spec, good = active[-1]["spec"], number % 2 == 0
        active[-1]["status"]["rollout"] = {"revision": spec["toRevision"] if good else spec["fromRevision"]}
        if what == "end":
            active[-1]["status"]["phase"] = "Succeeded" if good else "Failed"


EVENTS = [
    "change", "unset", "set", "suspend", "write a Secret", "lose the status", "delete", "give up", "roll out", "end",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(1, 5)), max_size=14))
def test_whatever_happens_it_settles_and_without_a_policy_or_with_a_new_one_the_spec_runs(
    events: list[tuple[str, int]],
) -> None:
    world = settled("1", "2")
    for what, number in events:
        before = "upgrade" in world.spec
        happen(world, what, number)
        under_way = any(each["status"].get("phase") in (None, "Running") for each in world.upgrades)
        made = world.turn()
        if not under_way and not (before and "upgrade" in world.spec):
            assert tag(made) == world.spec["workload"]["image"]["tag"]
    for _ in range(4):
        world.turn()
    made = world.turn()
    assert (made.create, made.cancel) == ((), None)
    assert world.turn() == made
