"""Which run of an Application comes first."""

from typing import Any

from timonier.api.references import application_of
from timonier.api.resources import APPLICATIONS, BACKUPS, RESTORES, UPGRADES, Resource
from timonier.engine.cache import Cache
from timonier.engine.contract import Request
from timonier.runs.driver import rival_of

WEB = Request("shop", "web")


class World:
    def __init__(self) -> None:
        self.cache = Cache(primaries=(APPLICATIONS, BACKUPS, RESTORES, UPGRADES), application_of=application_of)
        self.version = 0

    def add(
        self, resource: Resource, name: str, owner: Any = None, made_for: str = "", **status: Any
    ) -> dict[str, Any]:
        self.version += 1
        metadata: dict[str, Any] = {"namespace": "shop", "name": name, "uid": f"uid of {name}"}
        metadata |= {"resourceVersion": str(self.version)}
        if owner is not None:
            reference = {"kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
            metadata["ownerReferences"] = [{"apiVersion": "timonier.dev/v1", "controller": True, **reference}]
        if made_for:
            metadata["annotations"] = {"timonier.dev/made-for": made_for}
        spec = {"targetRef": {"name": "web"}} if resource != RESTORES else {"to": {"inPlace": {"application": "web"}}}
        manifest = {"kind": resource.kind, "metadata": metadata, "spec": spec, "status": status}
        self.cache.observe(resource, manifest)
        return manifest

    def rival(self, manifest: Any) -> str | None:
        return rival_of(self.cache, WEB, manifest)


BEGUN = {"startTime": "2026-11-27T08:00:00Z", "phase": "Running"}


def test_who_has_begun_and_is_not_over_comes_first() -> None:
    world = World()
    mine = world.add(BACKUPS, "mine")
    world.add(BACKUPS, "waits")
    world.add(RESTORES, "done", **BEGUN | {"phase": "Succeeded"})
    assert world.rival(mine) is None
    world.add(RESTORES, "monday", **BEGUN)
    assert world.rival(mine) == "restore monday"


def test_what_runs_make_for_themselves_is_no_rival_of_theirs() -> None:
    world = World()
    application = world.add(APPLICATIONS, "web")
    upgrade = world.add(UPGRADES, "web-2", application, **BEGUN)
    before = world.add(BACKUPS, "web-2-before", made_for="uid of web-2", **BEGUN)
    back = world.add(RESTORES, "web-2-back", made_for="uid of web-2", **BEGUN)
    safety = world.add(BACKUPS, "web-2-back-safety", made_for="uid of web-2-back", **BEGUN)
    for run in (upgrade, before, back, safety):
        assert world.rival(run) is None, run["metadata"]["name"]
    # Two upgrades belong to one Application, and are rivals all the same.
    other = world.add(UPGRADES, "web-3", application)
    assert world.rival(other) is not None
    assert world.rival(world.add(BACKUPS, "nightly")) is not None


def test_who_waits_for_a_person_lets_others_go_first() -> None:
    world = World()
    for step in ("Approve", "Pause"):
        world.add(UPGRADES, "web-2", **BEGUN | {"step": step})
        assert world.rival(world.add(BACKUPS, "nightly")) is None
    world.add(UPGRADES, "web-2", **BEGUN | {"step": "Rollout"})
    assert world.rival(world.add(BACKUPS, "nightly")) == "upgrade web-2"


def test_who_waits_for_pods_lets_others_go_first_as_far_as_it_has_touched_nothing_that_they_rely_on() -> None:
    touched, held = {"rollout": {"revision": "web-1"}}, {"heldTime": "2026-11-27T08:00:00Z"}

    def goes_first(**status: Any) -> set[str]:
        world = World()
        world.add(UPGRADES, "web-2", **BEGUN | status)
        others = ((BACKUPS, "nightly"), (RESTORES, "back"), (APPLICATIONS, "web"))
        return {resource.kind for resource, name in others if world.rival(world.add(resource, name)) is None}

    assert goes_first(step="Rollout") == set()
    assert goes_first(step="Approve") == goes_first(step="Backup", **held) == {"Backup", "Restore", "Application"}
    # What is restored now is not what its way back would bring back.
    assert goes_first(step="Quiesce", **held, backup="web-2-before") == {"Backup"}
    assert goes_first(step="Rollout", **held, **touched) == {"Backup"}
    # Recovery, which is the Application's own, would take the pods of one that failed for the good ones.
    assert goes_first(step="Pause", **touched) == {"Backup", "Restore"}
