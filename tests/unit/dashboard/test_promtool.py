"""The files for Prometheus and Grafana, as Prometheus' own tool reads them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from shoonya_platform.domain.orders import OrderTrigger
from tests.unit.dashboard.test_log import write

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "monitoring"

pytestmark = pytest.mark.needs("promtool")


@pytest.fixture
def promtool():
    """Call promtool; return what it said, if it was content."""

    def call(*words: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["promtool", *words], input=stdin, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_rules_are_rules(promtool):
    assert "40 rules found" in promtool(
        "check", "rules", str(MONITORING / "alerts.yml")
    )


def test_rules_speak_when_they_should_and_not_before(promtool):
    promtool("test", "rules", str(MONITORING / "alerts_test.yml"))
    told = (MONITORING / "alerts_test.yml").read_text()

    for name in re.findall(r"alert: (\w+)", (MONITORING / "alerts.yml").read_text()):
        assert f"alertname: {name}}}" in told, "stays silent on a good morning"
        assert f'alertname="{name}"' in told, "speaks on a bad one"


def test_what_grafana_asks_is_what_prometheus_can_answer(promtool, tmp_path):
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"q{n}", "expr": expr} for n, expr in enumerate(asked)]
    # JSON is YAML.
    path = tmp_path / "grafana.yml"
    path.write_text(json.dumps({"groups": [{"name": "grafana", "rules": rules}]}))

    assert f"{len(asked)} rules found" in promtool("check", "rules", str(path))


def test_page_of_metrics_has_nothing_to_be_found_fault_with(
    promtool, client, ledger, tmp_path
):
    client.get("/metrics")
    ledger.filled(ledger.order(), "100")
    ledger.move("risk_manager", ledger.order(), OrderTrigger.DENIED, reason="X")
    write(tmp_path, "risk_manager", 1, "x", fields=" event=file_gap lost=1")

    promtool("check", "metrics", stdin=client.get("/metrics").text)


def test_configuration_that_the_guide_shows_is_one(promtool, tmp_path):
    guide = (ROOT / "docs" / "monitoring.md").read_text()
    (shown,) = re.findall(r"```yaml\n(scrape_configs.*?)```", guide, re.DOTALL)
    path = tmp_path / "prometheus.yml"
    path.write_text(shown)

    promtool("check", "config", "--syntax-only", str(path))
