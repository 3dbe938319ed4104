"""A full disk refuses orders and stages, but never the way back for ever."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from podferry.agent import store as storing
from podferry.agent.engine import Engine, Side
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role, Verdict
from tests.unit.agent.test_engine import UID, Recorder, build, drive, order


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """While the list holds a file name, that file cannot be written."""
    names: list[str] = []
    write_text = storing.files.write_text

    def refuse(path: str, text: str, *, mode: int = 0o600) -> None:
        if os.path.basename(path) in names:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        write_text(path, text, mode=mode)

    monkeypatch.setattr(storing.files, "write_text", refuse)
    return names


@pytest.mark.parametrize("name", ["order.json", "observed.json"])
async def test_an_order_that_could_not_be_stored_is_worked_on_when_repeated(
    tmp_path: Path, full: list[str], name: str
) -> None:
    engine, recorder = build(tmp_path)
    await drive(engine, "Prepared")
    full.append(name)
    with pytest.raises(OSError, match="No space"):
        await engine.submit(order("Thawed"))
    full.clear()
    side = await drive(engine, "Thawed")
    assert recorder.stages == ["Prepared", "Thawed"]
    assert side.state.observed.progress is Progress.REACHED


async def test_a_stage_whose_end_is_not_durable_has_failed_and_says_what_to_do(
    tmp_path: Path, full: list[str]
) -> None:
    class Filling(Recorder):
        async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
            full.append("observed.json")

    filling = Filling()
    engine = Engine(Store(str(tmp_path)), {Role.SOURCE: filling, Role.TARGET: filling})
    side = await drive(engine, "Prepared")
    seen: Observed = side.state.observed
    assert (seen.stage, seen.progress) == ("", Progress.FAILED)
    assert seen.error is not None
    assert seen.error["reason"] == "NotDurable"
    assert "free space" in seen.error["message"]


@pytest.mark.parametrize(
    ("role", "stage"),
    [(Role.SOURCE, "Thawed"), (Role.TARGET, "Disarmed"), (Role.TARGET, "Aborted")],
)
async def test_each_side_holds_disk_for_its_way_back_and_gives_it_up_then(
    tmp_path: Path, role: Role, stage: str
) -> None:
    engine, _ = build(tmp_path)
    for ordered in ("Prepared", stage):
        verdict = Verdict.UNDECIDED if ordered == "Prepared" else Verdict.ROLLED_BACK
        side = await engine.submit(Order(UID, 1, role, ordered, verdict))
        await engine.wait(side, ordered, 5)
        if ordered == "Prepared":
            held = os.stat(f"{side.folder}/reserve")
            assert held.st_blocks * 512 >= storing.RESERVE_BYTES
    assert side.state.observed.stage == stage
    assert not side.has("reserve")
