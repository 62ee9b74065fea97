"""Alerts and the dashboard ask for what the operator really tells, and every alert has its page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram, Info

from timonier.engine import metrics

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / "operator/packaging/observability"
RUNBOOKS = REPOSITORY / "docs/runbooks"
GROUPS = yaml.safe_load((FOLDER / "prometheus-rules.yaml").read_text())["spec"]["groups"]
ALERTS: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
# What Prometheus itself puts on every series, and the client library's own metrics.
FROM_SCRAPING = {"instance", "job", "pod"}
FOREIGN = {"process_resident_memory_bytes"}
OF_HISTOGRAMS = {"le"}


def series() -> dict[str, set[str]]:
    """Every series that the operator tells, with its labels."""
    told: dict[str, set[str]] = {"timonier_build_info": {"version"}}
    for metric in vars(metrics).values():
        if not isinstance(metric, Counter | Gauge | Histogram) or isinstance(metric, Info):
            continue
        labels, name = set(metric._labelnames), metric._name
        if isinstance(metric, Histogram):
            told |= {f"{name}_bucket": labels | OF_HISTOGRAMS, f"{name}_count": labels, f"{name}_sum": labels}
        else:
            told[f"{name}_total" if isinstance(metric, Counter) else name] = labels
    return told


SERIES = series()


def expressions() -> Iterator[tuple[str, str]]:
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_an_expression_asks_for_series_and_labels_that_there_are(where: str, expression: str) -> None:
    names = set(re.findall(r"\b(?:timonier|process)_\w+", expression))
    assert names, where
    assert names - FOREIGN <= set(SERIES), where
    known = FROM_SCRAPING.union(*(SERIES.get(name, set()) for name in names))
    grouped = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", group)}
    matched = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression))
    assert grouped | matched <= known, where


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert alert["labels"]["severity"] in ("info", "warning", "critical")
    assert re.fullmatch(r"\d+[smh]", alert["for"])
    assert alert["annotations"]["runbook_url"].endswith(f"/docs/runbooks/{name}.md")
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert f"`{alert['expr']}`" in page
    assert f"[{name}]({name}.md)" in (RUNBOOKS / "README.md").read_text()
    labels = set(re.findall(r"\$labels\.(\w+)", json.dumps(alert["annotations"])))
    (first, *_) = re.findall(r"\btimonier_\w+", alert["expr"])
    assert labels <= SERIES[first]


def test_every_page_has_its_alert() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in ALERTS}


def test_panels_have_places_of_their_own_and_words() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["fieldConfig"]["defaults"]["unit"])


def test_the_dashboard_is_for_any_prometheus() -> None:
    for panel in PANELS:
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
