"""podferry's own format, as docs/reference/trace-format.md says."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from podferry.simulator import traces

DOC = Path(__file__).resolve().parents[4] / "docs" / "reference" / "trace-format.md"


def test_columns_may_come_in_any_order_and_rows_of_pods_may_be_mixed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    head = "memory,pod,time,priority,request,cpu,limit\n"
    text = head + "5,b,30,7,64,0.5,\n1,a,0,,,,\n6,b,90,7,64,0.5,\n"
    path.write_bytes(gzip.compress(text.encode()))
    a, b = traces.load(str(path)).pods
    assert (a.name, a.arrival, a.memory, a.request, a.limit) == ("a", 0.0, (1.0,), 0.0, None)
    assert (b.name, b.arrival, b.times, b.memory) == ("b", 30.0, (0.0, 60.0), (5.0, 6.0))
    assert (b.priority, b.request, b.cpu, b.limit) == (7, 64.0, 0.5, None)
    assert b.lifetime == 120.0


def test_the_example_of_the_page_is_a_trace(tmp_path: Path) -> None:
    block = DOC.read_text().split("```csv\n")[1].split("```")[0]
    path = tmp_path / "example.csv"
    path.write_text(block)
    assert [pod.name for pod in traces.load(str(path)).pods] == ["shop/cart-0", "batch/solver-7"]


def test_a_trace_that_is_not_here_is_looked_for_in_the_folder_of_traces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far.csv").write_text("pod,time,memory\na,0,1\n")
    monkeypatch.setenv(traces.FOLDER, str(tmp_path))
    assert len(traces.load("far.csv").pods) == 1
