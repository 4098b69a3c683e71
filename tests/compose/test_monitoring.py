"""What watches a desk asks for nothing that is not told: rules and dashboard are held to the metrics that there are."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import Metric

from chassis.telemetry import Metrics
from contracts.base import SERVICES
from services.notifications.usecases.counting import Counts
from tests.support.each import for_each

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
PARTS: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
RULES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))["groups"][0][
    "rules"
]
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana" / "counterfoil.json").read_text(encoding="utf-8"))
GRAFANAS_OWN = ("$__rate_interval", "5m")
SCRAPED = {"job", "instance"}


def read(path: str) -> Any:
    return yaml.safe_load((MONITORING / path).read_text(encoding="utf-8"))


def told() -> dict[str, set[str]]:
    """Every series that a service may tell, and its labels."""
    Counts(metrics := Metrics("notifications"))
    found = {"up": SCRAPED, "ALERTS": SCRAPED}
    families: list[Metric] = list(metrics.registry.collect())
    for family in families:
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        for ending in endings:
            found[family.name + ending] = SCRAPED | ({"le"} if ending == "_bucket" else set())
    for metric in (*vars(metrics).values(), *vars(metrics.registry).get("_collector_to_names", {})):
        for name in getattr(metric, "_labelnames", ()):
            for series, labels in found.items():
                if series.startswith(metric._name):
                    labels.add(name)
    return {name: set(labels) for name, labels in found.items()}


def selectors(expression: object) -> Iterator[promql_parser.VectorSelector]:
    """Every selector in an expression, however deep."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
        return
    for name in ("lhs", "rhs", "expr", "args", "vector_selector", "vs", "param"):
        below = getattr(expression, name, None)
        for each in below if isinstance(below, list | tuple) else [below]:
            if each is not None:
                yield from selectors(each)


def asked() -> list[tuple[str, str]]:
    """Every expression of rules and dashboard, with where it stands."""
    rules = [(rule["alert"], rule["expr"]) for rule in RULES]
    panels = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return [(where, expression.replace(*GRAFANAS_OWN)) for where, expression in (*rules, *panels)]


@for_each(("where", "expression"), asked())
def test_an_expression_parses_and_asks_for_what_is_told(where: str, expression: str) -> None:
    known = told()
    found = list(selectors(promql_parser.parse(expression)))
    assert found, expression
    for selector in found:
        assert selector.name in known
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= known[selector.name], (selector.name, labels)


def test_every_rule_says_how_urgent_it_is_and_what_to_do_and_is_told_apart() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 20
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
    assert [rule["alert"] for rule in RULES if not {"summary", "description"} <= rule["annotations"].keys()] == []


def test_every_rule_is_tried_by_the_rule_tests() -> None:
    last = read("rules.test.yml")["tests"][-1]["promql_expr_test"][0]["exp_samples"]
    assert [sample["labels"] for sample in last] == [f'{{alertname="{rule["alert"]}"}}' for rule in RULES]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on the PATH; .ci/run brings it")
async def test_prometheus_own_tool_takes_the_rules_and_their_tests() -> None:
    for words in (("check", "rules", "rules.yml"), ("test", "rules", "rules.test.yml")):
        tool = await asyncio.create_subprocess_exec(
            "promtool", *words, cwd=MONITORING, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await tool.communicate()
        assert (tool.returncode, b"SUCCESS" in said) == (0, True), said.decode()


def test_every_service_is_read_with_its_own_way_in() -> None:
    jobs = {job["job_name"]: job for job in read("prometheus.yml")["scrape_configs"]}
    assert jobs.keys() == {*SERVICES}
    for name, job in jobs.items():
        (found,) = job["dns_sd_configs"]
        assert (found["names"], found["type"], found["port"]) == ([name], "A", 8080)
        assert job["authorization"]["credentials_file"] == "/run/secrets/metrics-token"
        assert PARTS[name]["environment"]["COUNTERFOIL_METRICS_TOKEN_FILE"] == "/run/secrets/metrics-token"
        assert "metrics-token" in PARTS[name]["secrets"]
    assert "metrics-token" in PARTS["prometheus"]["secrets"]


def test_what_is_mounted_is_there_and_where_it_is_looked_for() -> None:
    mounted: dict[str, str] = {}
    for name in ("mail", "prometheus", "grafana"):
        for volume in PARTS[name]["volumes"]:
            source, _, target = volume.removesuffix(":ro").partition(":")
            if source.startswith("."):
                assert (ROOT / source).is_file(), source
                assert volume.endswith(":ro")
                mounted[target] = source
    assert [*read("prometheus.yml")["rule_files"]] == ["/etc/prometheus/rules.yml"]
    assert "/etc/prometheus/rules.yml" in mounted
    (provider,) = read("grafana/dashboards.yml")["providers"]
    assert f"{provider['options']['path']}/counterfoil.json" in mounted
    assert PARTS["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounted
    (source,) = read("grafana/datasources.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    used = {target["datasource"]["uid"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())}
    assert used == {source["uid"]}


def test_the_dashboard_has_no_two_panels_in_one_place_and_none_without_words() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len({*cells})
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert [p["title"] for p in DASHBOARD["panels"] if p["type"] != "row" and not p.get("description")] == []


def test_profiles_stay_out_of_the_way_and_on_this_machine() -> None:
    for name, profile in {"mail": "mail", "prometheus": "monitoring", "grafana": "monitoring"}.items():
        part = PARTS[name]
        assert part["profiles"] == [profile]
        assert [port for port in part["ports"] if not port.startswith("127.0.0.1:")] == []
        assert (part["read_only"], part["cap_drop"]) == (True, ["ALL"])
        assert part["healthcheck"]["test"]
