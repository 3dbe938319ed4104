"""criu hangs on a stopped task in a frozen cgroup, so the probe refuses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops.probe import probe


@pytest.mark.parametrize(("state", "ok"), [("S (sleeping)", True), ("T (stopped)", False)])
def test_only_a_stopped_task_blocks(tmp_path: Path, state: str, ok: bool) -> None:
    (tmp_path / "7" / "fd").mkdir(parents=True)
    (tmp_path / "7" / "status").write_text(f"State:\t{state}\nTracerPid:\t0\nRssAnon:\t8 kB\n")
    found = probe([7], proc=tmp_path)
    assert found["ok"] is ok
    assert [item["reason"] for item in found["blockers"]] == ([] if ok else ["UnsupportedResource"])
