"""The target makes room for announced memory before the freeze; nothing depends on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podferry.agent import uploads
from podferry.runtime_wrapper.page_receiver import READY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path


def test_the_room_has_the_announced_size_and_is_private(folder: Path) -> None:
    assert uploads.make_ready(str(folder), (3 << 20) + 5) == (3 << 20) + 5
    found = (folder / "images" / READY).stat()
    assert (found.st_size, found.st_mode & 0o777) == ((3 << 20) + 5, 0o600)


def test_never_more_than_half_of_what_is_free_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_free_bytes", lambda _folder: 2 << 20)
    assert uploads.make_ready(str(folder), 1 << 40) == 1 << 20


def test_a_full_disk_leaves_no_file_and_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink("/dev/full", folder / "images" / READY)
    monkeypatch.setattr(uploads, "_free_bytes", lambda _folder: 2 << 20)
    assert uploads.make_ready(str(folder), 4096) == 0
    assert os.listdir(folder / "images") == []
