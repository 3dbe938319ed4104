"""What criu would refuse in the freeze, the probe refuses before: large files without a name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podferry.agent.ops import probe


@pytest.mark.parametrize(("mib", "deleted", "fits"), [(2, True, False), (2, False, True),
                                                      (0, True, True)])  # fmt: skip
def test_only_a_large_deleted_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mib: int, deleted: bool, fits: bool
) -> None:
    monkeypatch.setattr(probe, "GHOST_LIMIT_BYTES", 1 << 20)
    path = tmp_path / "cache"
    with path.open("wb") as file:
        file.write(b"x" * (mib << 20))
        file.flush()
        if deleted:
            path.unlink()
        folder = tmp_path / "proc/7/fd"
        folder.mkdir(parents=True)
        (tmp_path / "proc/7/status").write_text("")
        os.symlink(f"/proc/{os.getpid()}/fd/{file.fileno()}", folder / "9")
        seen = probe._Seen()
        probe._ghost(folder / "9", 7, f"{path} (deleted)", seen)
    assert (seen.blockers == {}) is fits
    if not fits:
        said = seen.blockers["UnsupportedResource"]
        for word in ("process 7", str(path), "fd 9", "holds 2 MiB", "up to 1 MiB"):
            assert word in said
