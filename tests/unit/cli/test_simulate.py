"""`podferry simulate` with a run that is made up: outputs, the report, interruption, resuming."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podferry.cli.main import cli
from podferry.simulator import model
from podferry.simulator.errors import MissingExtra
from podferry.simulator.sweep import work
from tests.unit.simulator.worlds import ENGINE, fake_run, trace_file

SWEEP = """
seeds: 40
set: {trace: small.csv, node-memory: 8Gi}
grids:
  - name: nodes & <policies>
    grid:
      nodes: [1, 2, 3]
      policy: [none, seed]
  - name: speeds
    seeds: 8
    set: {policy: seed, nodes: 1}
    grid:
      speed: [0.33, 6.7]
      policy.victim: [{name: largest}, {name: big-enough}]
"""


@pytest.fixture(autouse=True)
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, "engine", lambda: ENGINE)
    trace_file(tmp_path)
    (tmp_path / "s.yaml").write_text(SWEEP)


def call(*args: str) -> Result:
    return CliRunner().invoke(cli, ["simulate", *args])


def test_one_cell_is_told_as_a_table_with_its_interval() -> None:
    done = call("--trace", "small.csv", "--nodes", "1", "--seeds", "400")
    assert done.exit_code == 0, done.output
    head, row = done.stdout.splitlines()[1:]
    assert head.split()[:3] == ["CELL", "RUNS", "FAILING"]
    assert "trace small.csv, nodes 1, policy none" in row
    assert re.search(r" 400 +25 % +21-30 %", row)


def test_a_sweep_is_told_with_the_nodes_that_are_needed() -> None:
    done = call("--sweep", "s.yaml", "--seeds", "500")
    assert done.exit_code == 0, done.output
    assert "nodes needed for less than 1 % failing runs, by the upper end" in done.stdout
    assert re.search(r"policy none +2 +1, 2, 3", done.stdout)
    assert re.search(r"policy seed +2 +1, 2, 3", done.stdout)


def test_few_runs_without_a_failure_are_not_enough_for_a_claim() -> None:
    done = call("--sweep", "s.yaml", "--seeds", "40")
    assert re.search(r"policy none +none of these +1, 2, 3", done.stdout)


def test_json_and_csv_say_the_same() -> None:
    told = json.loads(call("--sweep", "s.yaml", "-o", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(call("--sweep", "s.yaml", "-o", "csv").stdout)))
    assert len(rows) == len(told["cells"]) == 10
    for cell, row in zip(told["cells"], rows, strict=True):
        assert float(row["failing_share"]) == cell["failing_share"]
        assert row["cell"] == cell["cell"]
    assert rows[0]["failing_runs"] == "10"
    assert rows[0]["runs"] == "40"
    assert rows[9]["policy"] == "seed / big-enough"


class Links(HTMLParser):
    """Collects what a page would load, and checks that tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "object", "image", "use"):
            self.loads.append(tag)
        self.loads += [name for name, _ in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_is_one_page_that_loads_nothing_and_shows_the_losing_cells() -> None:
    done = call("--sweep", "s.yaml", "--report", "r.html")
    assert done.exit_code == 0, done.output
    page = Path("r.html").read_text()
    links = Links()
    links.feed(page)
    assert links.loads == []
    assert "url(" not in page
    assert "@import" not in page
    text = " ".join(links.text)
    assert "nodes & <policies>" in text, "escaped, so read as text"
    assert "25 %" in text
    assert page.count('class="interval bad"') > 0
    assert "nodes 1, policy none" in text


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []

    def until_interrupted(scenario: model.Scenario, seed: int) -> model.Result:
        if len(runs) == 100:
            raise KeyboardInterrupt
        runs.append(seed)
        return fake_run(scenario, seed)

    monkeypatch.setattr(work, "engine", lambda: ENGINE._replace(run=until_interrupted))
    first = call("--sweep", "s.yaml", "--report", "r.html")
    assert first.exit_code == 130
    assert "interrupted: 100 of 272 runs are done, kept in s.runs.csv" in first.stderr
    assert "CELL" in first.stdout, "what is done is shown"
    assert Path("r.html").exists()

    again: list[int] = []

    def counted(scenario: model.Scenario, seed: int) -> model.Result:
        again.append(seed)
        return fake_run(scenario, seed)

    monkeypatch.setattr(work, "engine", lambda: ENGINE._replace(run=counted))
    second = call("--sweep", "s.yaml")
    assert second.exit_code == 0
    assert "going on: 100 of 272 runs were done before" in second.stderr
    assert len(again) == 172
    whole = call("--sweep", "s.yaml", "--results", "fresh.csv")
    assert second.stdout == whole.stdout


def test_a_line_that_a_crash_left_half_written_is_run_again() -> None:
    whole = call("--sweep", "s.yaml").stdout
    runs = Path("s.runs.csv")
    data = runs.read_bytes()
    runs.write_bytes(data[:-7])
    again = call("--sweep", "s.yaml")
    assert "going on: 271 of 272 runs were done before" in again.stderr
    assert again.stdout == whole
    assert runs.read_bytes() == data


def test_a_changed_cell_is_run_anew() -> None:
    call("--sweep", "s.yaml")
    Path("s.yaml").write_text(SWEEP.replace("8Gi", "9Gi"))
    again = call("--sweep", "s.yaml")
    assert "going on" not in again.stderr


def test_a_changed_trace_is_run_anew(tmp_path: Path) -> None:
    call("--sweep", "s.yaml")
    (tmp_path / "small.csv").write_text("pod,time,memory\na,0,5\n")
    from podferry.simulator.sweep import cells

    cells._trace.cache_clear()
    assert "going on" not in call("--sweep", "s.yaml").stderr


def test_a_second_sweep_on_the_same_results_is_refused() -> None:
    from podferry.simulator.sweep.journal import Journal

    with Journal(Path("s.runs.csv")):
        done = call("--sweep", "s.yaml")
    assert done.exit_code == 2
    assert "s.runs.csv: another sweep writes it" in done.output


def test_without_the_simulators_libraries_one_line_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise MissingExtra("numba")

    monkeypatch.setattr(work, "engine", missing)
    done = call("--trace", "small.csv")
    assert done.exit_code == 1
    assert done.stderr.strip() == (
        "Error: the simulator needs numba, which is not installed: "
        "pip install 'podferry[simulator]'"
    )


def test_a_policy_may_be_a_file_or_one_of_the_known() -> None:
    Path("mine.yaml").write_text(
        "detector: {name: threshold}\nvictim: {name: largest}\ntarget: {name: least-used}\n"
    )
    for policy in ("mine.yaml", "seed"):
        done = call("--trace", "small.csv", "--policy", policy, "--nodes", "2", "-o", "csv")
        (row,) = csv.DictReader(io.StringIO(done.stdout))
        assert row["policy"] == policy
        assert row["migrations"] == "2.0"
