"""The demo shows Applications alone: what else there is an example of takes data and a store, which it has not."""

import runpy
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_the_demo_takes_the_samples_of_applications_and_leaves_the_others() -> None:
    applications_in = runpy.run_path(str(REPOSITORY / "scripts" / "demo.py"))["applications_in"]
    found = {path.name: applications_in(path) for path in sorted((REPOSITORY / "operator" / "samples").glob("*.yaml"))}
    assert {name for name, names in found.items() if names} >= {"web.yaml", "database.yaml", "simple.yaml"}
    assert found["restore.yaml"] == found["backup.yaml"] == found["store.yaml"] == []
