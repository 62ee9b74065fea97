"""The exposition as a scraper and its linter see it."""

import re

from prometheus_client import generate_latest

from timonier.engine import metrics


def test_every_metric_is_named_and_explained_as_prometheus_wants() -> None:
    metrics.API_REQUESTS.labels("GET", "pods", "200").inc()
    metrics.QUEUE_LATENCY.labels("test").observe(0.1)
    text = generate_latest(metrics.REGISTRY).decode()
    explained = set(re.findall(r"^# HELP (\S+) \S+", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.MULTILINE))
    assert explained == set(types)
    assert {name for name, type_ in types.items() if type_ == "counter"} == {
        name for name in types if name.endswith("_total")
    }
    assert not [name for name in types if name.endswith("_created")]
    assert all(name.startswith(("timonier_", "process_", "python_")) for name in types)
