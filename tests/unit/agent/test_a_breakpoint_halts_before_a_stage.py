"""Tests of faults need moments that last; agents of users never wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

from podferry.agent import breakpoints
from podferry.wire.stages import Role


async def test_the_stage_begins_once_the_file_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "source.Sealed"
    file.touch()
    waiting = asyncio.create_task(breakpoints.at(str(tmp_path))(Role.SOURCE, "Sealed"))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    file.unlink()
    await asyncio.wait_for(waiting, 10)


async def test_other_stages_do_not_wait(tmp_path: Path) -> None:
    (tmp_path / "source.Sealed").touch()
    await asyncio.wait_for(breakpoints.at(str(tmp_path))(Role.SOURCE, "Frozen"), 10)
    await asyncio.wait_for(breakpoints.at(str(tmp_path))(Role.TARGET, "Sealed"), 10)


async def test_without_a_folder_nothing_waits(tmp_path: Path) -> None:
    (tmp_path / "source.Sealed").touch()
    assert breakpoints.at("") is breakpoints.none
