"""Bad input of `podferry simulate`: one line with the place, exit code 2, nothing written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from podferry.cli.main import cli
from podferry.simulator.sweep import work
from podferry.simulator.traces.bitbrains import COLUMNS
from tests.unit.simulator.worlds import ENGINE, trace_file

HEADER = ";\t".join(COLUMNS)
POLICY = """
detector: {name: threshold, args: {freePercent: 30}}
victim: {name: big-enough}
target: {name: least-used}
"""


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "engine", lambda: ENGINE)
    monkeypatch.delenv("PODFERRY_TRACES", raising=False)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Call `simulate`; return the one line that it refused with."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        done: Result = CliRunner().invoke(cli, ["simulate", *args])
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert sorted(tmp_path.rglob("*")) == before, "nothing is written"
        (line,) = done.stderr.strip().splitlines()
        return line

    return call


def o10n(*pods: Any) -> str:
    return json.dumps(list(pods))


def pod(name: str = "o10n-worker-s-a", memory: Any = (5, 6), time: Any = (60000, 120000)) -> Any:
    return {"Name": name, "Memory": list(memory), "Time": list(time)}


def prometheus(*values: Any, **labels: str) -> str:
    series = {"metric": {"pod": "a", "container": "c", **labels}, "values": list(values)}
    data = {"resultType": "matrix", "result": [series]}
    return json.dumps({"status": "success", "data": data})


BAD_FILES: dict[str, tuple[str, str, str]] = {
    "truncated JSON": ("t.json", o10n(pod())[:-9], "line 1, column"),
    "malformed JSON": ("t.json", '[{"Name": nope}]', "t.json: line 1, column 11: the file is not"),
    "JSON that is no list of pods": ("t.json", "7", "t.json: expected a list of pods, found int"),
    "unknown field": (
        "t.json", o10n({**pod(), "Cpu": 1}), "t.json: pod 0: unknown field 'Cpu'; known: Name"),
    "missing field": ("t.json", o10n({"Name": "x"}), "t.json: pod 0: Memory is missing"),
    "no size class": ("t.json", o10n(pod("worker-7")), "pod 0: 'worker-7' names no size class"),
    "negative memory, o10n": (
        "t.json", o10n(pod(), pod("o10n-worker-m-b", (5, -1))),
        "t.json: pod 1 (o10n-worker-m-b), sample 1: memory is negative: -1 bytes"),
    "NaN memory, o10n": (
        "t.json", o10n(pod(memory=(5, float("nan")))), "pod 0 (o10n-worker-s-a), sample 1: memory"
        " is nan"),
    "time going backwards, o10n": (
        "t.json", o10n(pod(time=(120000, 60000))), "sample 1: time 60 is earlier than the sample"),
    "duplicate pods, o10n": ("t.json", o10n(pod(), pod()), "pod 'o10n-worker-s-a' is there twice"),
    "empty trace, o10n": ("t.json", "[]", "t.json: the trace is empty: no pod with a sample"),
    "pod that never ran": ("t.json", o10n(pod(memory=(None, None))), "the trace is empty"),
    "Prometheus error": (
        "t.json", '{"status": "error", "error": "query timed out"}', "error: query timed out"),
    "Prometheus vector": (
        "t.json", '{"status": "success", "data": {"resultType": "vector", "result": []}}',
        "data.resultType is 'vector', expected 'matrix': ask /api/v1/query_range"),
    "Prometheus, no series": (
        "t.json", '{"status": "success", "data": {"resultType": "matrix", "result": []}}',
        "the trace is empty: no sample of container_memory_working_set_bytes"),
    "negative memory, Prometheus": (
        "t.json", prometheus([1, "5"], [2, "-5"]), "series 0, sample 1: memory is negative"),
    "NaN memory, Prometheus": (
        "t.json", prometheus([1, "NaN"]), "series 0, sample 0: memory is nan"),
    "time going backwards, Prometheus": (
        "t.json", prometheus([2, "5"], [1, "5"]), "series 0, sample 1: time 1 is earlier"),
    "another metric": (
        "t.json", prometheus([1, "5"], __name__="up"), "series 0: metric 'up'; known:"),
    "unknown column": (
        "t.csv", "pod,time,memory,color\na,0,1,red\n", "t.csv: line 1: unknown column 'color'"),
    "missing column": ("t.csv", "pod,time\na,0\n", "t.csv: line 1: column 'memory' is missing"),
    "truncated CSV": ("t.csv", "pod,time,memory\na,0,5\na,60", "t.csv: line 3: 2 values in 3 col"),
    "malformed CSV": ("t.csv", 'pod,time,memory\n"a,0,5\n', "not CSV"),
    "negative memory, CSV": ("t.csv", "pod,time,memory\na,0,-5\n", "t.csv: line 2: memory is neg"),
    "NaN memory, CSV": ("t.csv", "pod,time,memory\na,0,nan\n", "t.csv: line 2: memory is nan"),
    "memory that is no number": (
        "t.csv", "pod,time,memory\na,0,5Gi\n", "t.csv: line 2: memory '5Gi' is not a number of"),
    "time going backwards, CSV": (
        "t.csv", "pod,time,memory\na,60,5\na,0,5\n", "t.csv: line 3 (pod 'a'): time 0 is earlier"),
    "one sample twice": (
        "t.csv", "pod,time,memory\na,0,5\na,0,5\n", "line 3 (pod 'a'): time 0 is the same time"),
    "a pod of two requests": (
        "t.csv", "pod,time,memory,request\na,0,5,1\na,60,5,2\n", "line 3: pod 'a' asks for other"),
    "empty trace, CSV": ("t.csv", "pod,time,memory\n", "t.csv: the trace is empty"),
    "empty file": ("t.csv", "", "t.csv: the trace is empty: the file has no line"),
    "unknown kind of file": ("t.txt", "hello", "t.txt: unknown kind of file; known: .json, .csv"),
    "unknown column, Bitbrains": (
        "b.csv", f"{HEADER};\tCores\n", "b.csv: line 1: unknown column 'Cores'"),
    "truncated row, Bitbrains": (
        "b.csv", f"{HEADER}\n1376956910;\t2;\t58", "b.csv: line 2: 3 values in 11 columns"),
    "time going backwards, Bitbrains": (
        "b.csv", HEADER + "".join(f"\n{t};\t2;\t1;\t1;\t1;\t9;\t5;\t0;\t0;\t0;\t0" for t in (9, 8)),
        "b.csv: line 3: time 8 is earlier"),
    "negative memory, Bitbrains": (
        "b.csv", f"{HEADER}\n9;\t2;\t1;\t1;\t1;\t9;\t-5;\t0;\t0;\t0;\t0", "b.csv: line 2: memory"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_trace_that_cannot_be_one_is_refused_with_the_place(
    refused: Callable[..., str], tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    assert said in refused("--trace", name, "--report", "report.html", "--results", "runs.csv")


def test_a_missing_file_is_refused(refused: Callable[..., str]) -> None:
    assert "nowhere.csv: no such file or folder" in refused("--trace", "nowhere.csv")


def test_a_gzip_file_that_is_cut_off_is_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    whole = gzip.compress(
        b"pod,time,memory\n" + b"".join(b"a,%d,%d\n" % (t, t * 7919) for t in range(9999))
    )
    (tmp_path / "t.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert "t.csv.gz: line " in refused("--trace", "t.csv.gz")


def test_an_empty_folder_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert "none: no *.csv or *.csv.gz in this folder" in refused("--trace", "none")


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_a_trace_larger_than_memory_allows_is_refused_with_the_limit(
    refused: Callable[..., str], tmp_path: Path, name: str
) -> None:
    rows = "".join(f"a,{t},1\n" for t in range(20_000))
    many = [[t, "1"] for t in range(70_000)]
    (tmp_path / name).write_text(
        "pod,time,memory\n" + rows if name == "t.csv" else prometheus(*many)
    )
    line = refused("--trace", name, "--trace-memory", "1Mi")
    assert "the limit is 0.00 GiB; give --trace-memory" in line


OPTIONS: dict[str, tuple[list[str], str]] = {
    "0 nodes": (["--nodes", "0"], "--nodes: nodes: 0 is not a whole number from 1"),
    "half a node": (["--nodes", "1.5"], "--nodes: nodes: 1.5 is not a whole number"),
    "0 seeds": (["--seeds", "0"], "--seeds: '0' is not a whole number from 1 to"),
    "negative seeds": (["--seeds", "-1"], "--seeds: '-1' is not a whole number"),
    "0 workers": (["--workers", "0"], "--workers: '0' is not a whole number from 1"),
    "memory without sense": (["--node-memory", "lots"], '--node-memory: node-memory: size "lots"'),
    "memory of nothing": (["--node-memory", "450"], "is less than 1Mi; write a size such as 450Gi"),
    "negative requests": (["--requests", "-1"], "write honoured or a factor such as 0.25"),
    "unknown strategy": (["--strategy", "beam"], "'beam' is not one of container, virtual-machine"),
    "unknown setting": (["--set", "colour=red"], "unknown setting 'colour'; known: trace,"),
    "setting without a value": (["--set", "speed"], "--set 'speed': write NAME=VALUE"),
    "share above 1": (["--set", "failures=2"], "--set failures: failures: 2 is outside 0 to 1"),
    "no number": (["--set", "noise=nan"], "noise: nan is not a number"),
    "pod larger than any node": (
        ["--node-memory", "2Gi"], "pod 'b' uses up to 2.0 GiB, more than any node has for pods"),
    "missing policy": (["--policy", "no.yaml"], "no.yaml: cannot be read: No such file"),
    "report in no folder": (["--report", "none/r.html"], "none/r.html: cannot be written: No such"),
    "report that is a folder": (["--report", "."], ".: is a folder; name a file"),
    "results in no folder": (["--results", "none/r.csv"], "none/r.csv: cannot be written: No such"),
    "both cell and sweep": (["--sweep", "s.yaml", "--nodes", "3"], "the sweep file says it"),
}  # fmt: skip


@pytest.mark.parametrize(("args", "said"), OPTIONS.values(), ids=OPTIONS.keys())
def test_options_that_make_no_sense_are_refused(
    refused: Callable[..., str], tmp_path: Path, args: list[str], said: str
) -> None:
    trace = [] if "--sweep" in args else ["--trace", trace_file(tmp_path).name]
    assert said in refused(*trace, *args)


def test_a_pod_whose_request_no_node_can_hold_is_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(f"pod,time,memory,request\na,0,1,{500 * 2**30}\n")
    assert "pod 'a' requests 500.0 GiB, more than any node has" in refused("--trace", "t.csv")
    (tmp_path / "t.csv").write_text("pod,time,memory,cpu\na,0,1,121\n")
    assert "pod 'a' requests 121 cores, more than any node has" in refused("--trace", "t.csv")


def test_outputs_that_the_system_refuses_are_refused_before_the_first_run(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    trace_file(tmp_path)
    assert "/proc/r.html: cannot be written" in refused(
        "--trace", "small.csv", "--report", "/proc/r.html"
    )


POLICIES: dict[str, tuple[str, str]] = {
    "unknown plug-in": (POLICY.replace("threshold", "crystal-ball"), "'crystal-ball'"),
    "unknown argument": (POLICY.replace("freePercent", "freeShare"), "freeShare"),
    "argument out of range": (
        POLICY.replace("30", "130"), "freePercent is 130 %; give 0.1 to 100 %"
    ),
    "unknown key": (POLICY + "colour: red\n", "colour"),
    "no victim": (POLICY.replace("victim", "detector"), "victim"),
    "contradiction": (
        POLICY.replace("{name: least-used}", "{name: least-used, args: {freePercent: 10}}"),
        "freePercent"),
    "not YAML": ("detector: [", "line 1, column 12: not YAML"),
    "not a mapping": ("- a\n", "p.yaml: expected a mapping, found list"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), POLICIES.values(), ids=POLICIES.keys())
def test_a_policy_that_makes_no_sense_is_refused(
    refused: Callable[..., str], tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "p.yaml").write_text(text)
    trace_file(tmp_path)
    line = refused("--trace", "small.csv", "--policy", "p.yaml")
    assert said in line
    assert "p.yaml" in line


SWEEPS: dict[str, tuple[str, str]] = {
    "no grids": ("seeds: 3\n", "s.yaml: grids: expected a list with at least one grid"),
    "unknown key": ("grid: []\n", "s.yaml: unknown key 'grid'; known: seeds, first-seed, set"),
    "grid without a name": ("grids: [{grid: {nodes: 1}}]\n", "grids[0]: name is missing"),
    "grid of nothing": ("grids: [{name: a}]\n", "grids[0] (a): grid: expected at least one"),
    "empty list": ("grids: [{name: a, grid: {nodes: []}}]\n", "(a): grid: nodes: the list is emp"),
    "0 nodes": ("grids: [{name: a, grid: {nodes: [1, 0]}}]\n", "(a): nodes: 0 is not a whole"),
    "0 seeds": ("seeds: 0\ngrids: [{name: a, grid: {nodes: 1}}]\n", "(a): seeds: 0 is not a whole"),
    "unknown setting": ("grids: [{name: a, grid: {node: 1}}]\n", "(a): unknown setting 'node'"),
    "unknown policy": ("grids: [{name: a, grid: {policy: b}}]\n", "unknown policy 'b'; known:"),
    "unknown part": (
        "grids: [{name: a, grid: {policy: seed, policy.hat: [{name: x}]}}]\n",
        "policy.hat: unknown part; known: detector, victim"),
    "part of none": (
        "grids: [{name: a, grid: {policy.victim: [{name: largest}]}}]\n",
        "policy.victim needs a policy other than none"),
    "unknown rule": (
        "grids: [{name: a, grid: {policy: seed, policy.victim: [{name: x}]}}]\n", "'x'"),
    "too many cells": (
        f"grids: [{{name: a, grid: {{noise: {[n / 999 for n in range(200)]}, "
        f"failures: {[n / 999 for n in range(200)]}}}}}]\n", "more than 10,000 cells"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), SWEEPS.values(), ids=SWEEPS.keys())
def test_a_sweep_that_makes_no_sense_is_refused(
    refused: Callable[..., str], tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "s.yaml").write_text(text)
    assert said in refused("--sweep", "s.yaml")


def test_a_results_file_of_something_else_is_left_alone(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    trace_file(tmp_path)
    other = tmp_path / "letter.txt"
    other.write_text("Dear all,\nhello\n")
    assert "letter.txt: line 1: not a results file" in refused(
        "--trace", "small.csv", "--results", "letter.txt"
    )
    assert other.read_text() == "Dear all,\nhello\n"
