"""A task that hangs in the kernel cannot be frozen: the others must not wait for it, frozen."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops import dump, freezer
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host


def test_the_pause_is_undone_and_says_what_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freezer, "_SETTLE_SECONDS", 0.01)
    (tmp_path / "cgroup.freeze").write_text("0")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    with pytest.raises(dump.DumpFailed, match="state D"):
        dump.pause(Host(str(tmp_path), enter=False), "c" * 64, Cgroup(tmp_path, v2=True))
    assert (tmp_path / "cgroup.freeze").read_text() == "0"
