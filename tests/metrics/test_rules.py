"""The alert rules and the Grafana dashboard ask for metrics, and labels, that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from paths import ROOT

from steelflow.metrics.names import BY_NAME

PROMETHEUS = ROOT / "infra" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "steelflow.rules.yaml").read_text())["groups"]
DASHBOARD = json.loads((ROOT / "infra" / "grafana" / "steelflow.json").read_text())
OF_TARGETS = {"instance", "job"}  # labels that Prometheus adds
WORDS = {"by", "on", "unless", "sum", "max", "time", "max_over_time", "label_values", *OF_TARGETS}


def expressions() -> Iterator[Any]:
    for group in RULES:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], id=panel["title"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield pytest.param(variable["query"]["query"], id=variable["name"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_an_expression_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    names = re.findall(r"steelflow_\w+", expression)
    assert names
    assert [name for name in names if name not in BY_NAME] == []
    labels = OF_TARGETS.union(*(BY_NAME[name].labels for name in names))
    for name, selector in re.findall(r"(steelflow_\w+)\{([^}]*)\}", expression):
        asked = set(re.findall(r"(\w+)\s*=~?", selector))
        assert asked <= OF_TARGETS | set(BY_NAME[name].labels)
    for listed in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in listed.split(",")} <= labels
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|steelflow_\w+", "", expression)
    assert set(re.findall(r"[a-z_]+", bare)) - WORDS <= labels


def test_a_rule_says_what_is_wrong_and_what_to_do() -> None:
    for rule in (rule for group in RULES for rule in group["rules"]):
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}
        asked = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        known = OF_TARGETS.union(*(BY_NAME[name].labels for name in re.findall(r"steelflow_\w+", rule["expr"])))
        assert asked <= known


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_every_metric_has_the_name_and_help_of_its_own() -> None:
    assert all(re.fullmatch(r"steelflow_[a-z_]+", name) for name in BY_NAME)
    assert len({metric.help for metric in BY_NAME.values()}) == len(BY_NAME)


@pytest.mark.parametrize("arguments", [("check", "steelflow.rules.yaml"), ("test", "steelflow.test.yaml")])
def test_promtool_finds_the_rules_right(arguments: tuple[str, str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (it comes with Prometheus)")
    what, file = arguments
    done = subprocess.run([promtool, what, "rules", file], cwd=PROMETHEUS, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
