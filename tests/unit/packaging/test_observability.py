"""Alerts and the dashboard ask for what the operator really tells, and every alert has its page."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from timonier.api.policies import RecoveryAction
from timonier.api.runs import Phase
from timonier.engine import metrics

REPOSITORY = Path(__file__).parents[3]
FOLDER = REPOSITORY / "operator/packaging/observability"
RUNBOOKS = REPOSITORY / "docs/runbooks"
SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["balise"]
GROUPS = yaml.safe_load((FOLDER / "prometheus-rules.yaml").read_text())["spec"]["groups"]
ALERTS: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES: list[dict[str, Any]] = DASHBOARD["templating"]["list"]

FROM_SCRAPING = frozenset({"instance", "job", "pod"})
"""What Prometheus itself puts on every series."""
CLOSED = {"action": get_args(RecoveryAction), "phase": get_args(Phase), "result": ("ok", "error")}
"""Labels whose values are known, and so can be mistyped."""
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
}

GROUPINGS = frozenset({"by", "on"})
AGGREGATIONS = frozenset({"count", "max", "min", "sum"})
FUNCTIONS = frozenset({"absent", "changes", "histogram_quantile", "increase", "rate", "time", "vector"})
OPERATORS = frozenset({"and", "or", "unless"})
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[\w+\]|\d[\w.]*|[A-Za-z_]\w*|=~|!~|!=|==|>=|<=|\S')
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def told() -> dict[str, frozenset[str]]:
    """Every series that the operator's registry tells, with its labels."""
    labels = {
        each._name: frozenset(each._labelnames) for each in vars(metrics).values() if hasattr(each, "_labelnames")
    }
    series: dict[str, frozenset[str]] = {}
    for family in metrics.REGISTRY.collect():
        own = frozenset({"version"}) if family.type == "info" else labels.get(family.name, frozenset())
        for suffix in SUFFIXES[family.type]:
            series[family.name + suffix] = own | ({"le"} if suffix == "_bucket" else frozenset())
    return series


SERIES = told()


@dataclass(frozen=True, slots=True)
class Question:
    """What an expression of PromQL asks for: its selectors, with their matchers, and the labels that it groups by."""

    selectors: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]
    grouped: frozenset[str]
    aggregates: bool

    @property
    def left(self) -> frozenset[str]:
        """The labels that its answer has."""
        if self.aggregates:
            return self.grouped
        return FROM_SCRAPING.union(*(SERIES[name] for name, _ in self.selectors))


def asked(expression: str) -> Question:
    """Read an expression. Any word that is neither of the language nor in a place for labels is taken for a series."""
    tokens = TOKEN.findall(expression)
    selectors: list[tuple[str, tuple[tuple[str, str, str], ...]]] = []
    grouped: set[str] = set()
    aggregates = False
    place = 0
    while place < len(tokens):
        word, following = tokens[place], tokens[place + 1] if place + 1 < len(tokens) else ""
        place += 1
        if word in GROUPINGS:
            end = tokens.index(")", place)
            grouped |= set(tokens[place + 1 : end]) - {","}
            place = end + 1
        elif word in AGGREGATIONS or (word in FUNCTIONS and following == "("):
            aggregates |= word in AGGREGATIONS
        elif re.match(r"[A-Za-z_]", word) and word not in OPERATORS:
            matchers: tuple[tuple[str, str, str], ...] = ()
            if following == "{":
                end = tokens.index("}", place)
                matchers = tuple(MATCHER.findall(" ".join(tokens[place:end])))
                place = end + 1
            selectors.append((word, matchers))
    return Question(tuple(selectors), frozenset(grouped), aggregates)


def wrong_with(expression: str) -> list[str]:
    """What the expression asks for that the operator does not tell."""
    question = asked(expression)
    wrong = [] if question.selectors else ["asks for nothing"]
    for name, matchers in question.selectors:
        if name not in SERIES:
            wrong.append(name)
            continue
        known = SERIES[name] | FROM_SCRAPING
        wrong += [f"{name} by {label}" for label in sorted(question.grouped - known)]
        for label, how, value in matchers:
            if label not in known:
                wrong.append(f"{name}{{{label}}}")
            elif how in ("=", "!=") and value not in CLOSED.get(label, (value,)):
                wrong.append(f"{name}{{{label}={value}}}")
    return wrong


def expressions() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Where each expression is, and the labels that are made use of beside it."""
    for alert in ALERTS:
        yield alert["alert"], alert["expr"], shown(r"\$labels\.(\w+)", alert["annotations"])
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], shown(r"\{\{\s*(\w+)\s*\}\}", target)
    for variable in VARIABLES:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            assert found is not None
            yield variable["name"], found[1], frozenset({found[2]})


def shown(pattern: str, texts: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(re.findall(pattern, json.dumps(texts)))


@pytest.mark.parametrize(("where", "expression", "used"), list(expressions()))
def test_an_expression_asks_for_what_there_is(where: str, expression: str, used: frozenset[str]) -> None:
    assert not wrong_with(expression), where
    assert used <= asked(expression).left, where


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(rate(timonier_reconcile_total[5m]))", []),
        ("sum(rate(timonier_reconcile[5m]))", ["timonier_reconcile"]),
        ("timonier_leader == 1 and timoneir_leader == 1", ["timoneir_leader"]),
        ("timonier_leader_total", ["timonier_leader_total"]),
        ("sum(timonier_run_duration_seconds)", ["timonier_run_duration_seconds"]),
        ("sum by (kind) (timonier_leader)", ["timonier_leader by kind"]),
        ('timonier_leader{kind="Backup"}', ["timonier_leader{kind}"]),
        # A label of the one is no label of the other.
        ('timonier_backup_healthy{kind="Backup"} or timonier_run_duration_seconds_count{kind="Backup"}',
         ["timonier_backup_healthy{kind}"]),
        ('timonier_run_duration_seconds_count{phase="Fialed"}', ["timonier_run_duration_seconds_count{phase=Fialed}"]),
        ("vector(0)", ["asks for nothing"]),
        ("irate(timonier_reconcile_total[5m])", ["irate"]),  # nobody has said yet that this is a function
    ],
)  # fmt: skip
def test_a_slip_is_found(expression: str, wrong: list[str]) -> None:
    assert wrong_with(expression) == wrong


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    name, severity = alert["alert"], alert["labels"]["severity"]
    assert severity in ("info", "warning", "critical")
    assert re.fullmatch(r"\d+[smh]", alert["for"])
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"] == f"{SETTINGS['repository']}/docs/runbooks/{name}.md"
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert f"Severity: {severity}. Expression: `{alert['expr']}`, for {alert['for']}." in page
    assert len(page.splitlines()) <= 40
    assert f"| [{name}]({name}.md) | {severity} |" in (RUNBOOKS / "README.md").read_text()


def test_every_page_has_its_alert() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == set(names)
    assert re.findall(r"^\| \[(\w+)\]", (RUNBOOKS / "README.md").read_text(), re.MULTILINE) == names


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
    assert "id" not in DASHBOARD
    asking = [target for panel in PANELS for target in panel.get("targets", ())]
    asking += [variable for variable in VARIABLES if variable["type"] == "query"]
    assert {one["datasource"]["uid"] for one in asking} == {"${datasource}"}
    assert {"datasource", "namespace", "application"} <= {variable["name"] for variable in VARIABLES}


def test_the_monitor_finds_the_service_and_keeps_the_namespace_of_an_application() -> None:
    monitor = yaml.safe_load((FOLDER / "service-monitor.yaml").read_text())["spec"]
    service = yaml.safe_load((REPOSITORY / "operator/packaging/manifests/metrics-service.yaml").read_text())
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    # Without it, Prometheus puts the namespace of the pod in the place of the Application's.
    assert endpoint["honorLabels"]


def test_nothing_of_it_is_in_the_bundle() -> None:
    assert not {path for pattern in SETTINGS["manifests"] for path in REPOSITORY.glob(pattern)} & set(FOLDER.iterdir())
