"""Kubelet's folder of a ConfigMap has another name in each pod: what is open there cannot move."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops.probe import probe

FOLDER = "/config/..2026_11_24_18_22_42.828903391"
MAPS = """\
00400000-00401000 r-xp 00000000 00:33 1    /app
7f00-7f01 rw-p 00000000 00:00 0
7f02-7f03 r--s 00000000 00:34 2            {path}
"""


@pytest.fixture
def process(tmp_path: Path) -> Path:
    folder = tmp_path / "7"
    (folder / "fd").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "status").write_text("TracerPid:\t0\n")
    return folder


def said(process: Path) -> list[str]:
    return [item["message"] for item in probe([7], proc=process.parent)["blockers"]]


@pytest.mark.parametrize("path", [f"{FOLDER}/a b", FOLDER, f"{FOLDER}/setting (deleted)"])
def test_an_open_one_is_named_with_what_to_do(process: Path, path: str) -> None:
    (process / "fd/3").symlink_to(path)
    (message,) = said(process)
    assert f"process 7 has {path} open" in message
    assert "close it" in message


def test_a_mapped_one_is_named(process: Path) -> None:
    (process / "maps").write_text(MAPS.format(path=f"{FOLDER}/a b"))
    (message,) = said(process)
    assert f"process 7 has {FOLDER}/a b mapped" in message


@pytest.mark.parametrize("path", ["/data/..2026", "/config/..data", "/etc/setting", "/a/...b"])
def test_any_other_file_is_free(process: Path, path: str) -> None:
    (process / "fd/3").symlink_to(path)
    (process / "maps").write_text(MAPS.format(path=path))
    assert said(process) == []
