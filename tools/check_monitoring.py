"""Checks cluster-setup/monitoring with the real promtool: syntax, unit tests of alerts, dashboard.

Run it as `make check-monitoring`. Fetches promtool once where the machine has none.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from podferry.cli import dashboard
from podferry.lab.parts.errors import PartsError
from podferry.lab.parts.promtool import promtool

RULES = dashboard.FOLDER / "podferry.rules.yaml"
TESTS = dashboard.FOLDER / "podferry.rules.test.yaml"
SCRAPE = dashboard.FOLDER / "scrape-config.yaml"
VARIABLES = {"$node": ".*", "$__rate_interval": "1m"}
"""What Grafana puts in place."""


def check(program: Path) -> list[str]:
    """Run every check; what failed, in promtool's own words."""
    with tempfile.TemporaryDirectory() as folder:
        panels, scrape = Path(folder) / "panels.yaml", Path(folder) / "prometheus.yaml"
        panels.write_text(as_rules(dashboard.expressions()))
        scrape.write_text(without_discovery(SCRAPE.read_text()))
        found = [
            _run(program, "check", "rules", str(RULES)),
            _run(program, "test", "rules", str(TESTS)),
            _run(program, "check", "rules", str(panels)),
            _run(program, "check", "config", str(scrape)),
        ]
    return [text for text in found if text]


def as_rules(expressions: list[str]) -> str:
    """The dashboard's PromQL as recording rules, which is what promtool can check."""
    rules = []
    for number, promql in enumerate(expressions):
        for name, value in VARIABLES.items():
            promql = promql.replace(name, value)
        rules.append({"record": f"panel:{number}", "expr": promql})
    return yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})


def without_discovery(text: str) -> str:
    """The configuration with fixed targets: Debian's promtool knows no Kubernetes discovery."""
    told = yaml.safe_load(text)
    told["rule_files"] = [str(RULES)]
    for job in told["scrape_configs"]:
        del job["kubernetes_sd_configs"]
        job["static_configs"] = [{"targets": ["localhost:9551"]}]
    return str(yaml.safe_dump(told))


def _run(program: Path, *argv: str) -> str:
    done = subprocess.run([program, *argv], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"promtool {' '.join(argv)}:\n{done.stdout}{done.stderr}"


def main() -> int:
    """Check and say what failed. Returns the exit code."""
    try:
        failed = check(promtool(lambda line: print(line, file=sys.stderr)))
    except PartsError as error:
        failed = [str(error)]
    for text in failed:
        print(text, file=sys.stderr)
    if not failed:
        print("monitoring: rules, their tests, the dashboard and the scrape example are good")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
