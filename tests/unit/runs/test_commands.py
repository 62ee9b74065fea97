"""Jobs of commands, probes, and the look whether an image is there."""

import json

from timonier.api.resources import UPGRADES
from timonier.runs.commands import command_job, config_map, image_pod, probe_pod

OWNER = {"metadata": {"namespace": "shop", "name": "web-2", "uid": "u"}}
POD = {
    "containers": [
        {"name": "command", "image": "web:2", "command": ["up"], "env": [{"name": "A", "value": "1"}],
         "volumeMounts": [{"name": "c", "mountPath": "/c"}], "securityContext": {"capabilities": {"drop": ["ALL"]}}},
    ],
    "volumes": [{"name": "c", "emptyDir": {}}],
    "serviceAccountName": "shop",
    "restartPolicy": "Never",
}  # fmt: skip


def test_a_job_is_one_attempt_that_no_service_leads_to() -> None:
    made = command_job(OWNER, UPGRADES, "web-2-up-1", POD, seconds=60, keep=True)
    assert (made["spec"]["backoffLimit"], made["spec"]["activeDeadlineSeconds"]) == (0, 60)
    assert made["metadata"]["labels"]["timonier.dev/run"] == "upgrade"
    assert "timonier.dev/keep" in made["metadata"]["labels"]
    assert "timonier.dev/application" not in made["spec"]["template"]["metadata"]["labels"]
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert "timonier.dev/keep" not in command_job(OWNER, UPGRADES, "x", POD, seconds=1)["metadata"]["labels"]


def test_a_look_at_an_image_runs_nothing_of_it_and_needs_nothing_beside_it() -> None:
    pod = image_pod(POD)
    (container,) = pod["containers"]
    assert container["image"] == "web:2"
    assert container["command"] != ["up"]
    assert not {"env", "volumeMounts"} & container.keys()
    assert "volumes" not in pod
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {"capabilities": {"drop": ["ALL"]}}


def test_a_probe_may_do_nothing_but_ask() -> None:
    told = {"probes": [{"name": "one", "http": {"url": "http://web/$(HOME)"}}]}
    pod = probe_pod("mover:1", told)
    (container,) = pod["containers"]
    (variable,) = container["env"]
    assert json.loads(variable["value"].replace("$$(", "$(")) == told
    assert "$(HOME)" not in variable["value"].replace("$$(", "")
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "volumes" not in pod


def test_a_configuration_goes_with_its_run() -> None:
    made = config_map(OWNER, UPGRADES, "web-2-config", {"env.A": "1"})
    assert (made["data"], made["metadata"]["ownerReferences"][0]["name"]) == ({"env.A": "1"}, "web-2")
