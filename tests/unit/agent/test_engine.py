"""Orders survive a restart after every persisted file, and the way back overtakes a freeze."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import files
from podferry.agent.engine import Engine, Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.store import Store
from podferry.wire.stages import Order, Progress, Role, Verdict

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"


class Recorder:
    """A handler that records and does as told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.error: AgentError | None = None

    async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        self.stages.append(stage)
        if previous is not None:
            previous.cancel()
        elif self.error is not None:
            raise self.error
        else:
            await self.hold.wait()
        side.note(**{f"did{stage}": True})

    async def live_facts(self, side: Side) -> dict[str, Any]:
        return {"live": True}


def order(stage: str, *, attempt: int = 1, verdict: Verdict = Verdict.UNDECIDED) -> Order:
    return Order(UID, attempt, Role.SOURCE, stage, verdict)


def build(path: Path) -> tuple[Engine, Recorder]:
    recorder = Recorder()
    return Engine(Store(str(path)), {Role.SOURCE: recorder, Role.TARGET: recorder}), recorder


async def drive(engine: Engine, *stages: str) -> Side:
    for stage in stages:
        side = await engine.submit(order(stage))
        await engine.wait(side, stage, 5)
    return side


async def test_a_stage_is_reached_and_its_facts_are_kept(tmp_path: Path) -> None:
    engine, _ = build(tmp_path)
    observed = await engine.observe(await drive(engine, "Prepared"))
    assert (observed.stage, observed.progress) == ("Prepared", Progress.REACHED)
    assert observed.facts == {"didPrepared": True, "live": True}


async def test_a_restart_gives_the_same_answer_and_works_on_nothing(tmp_path: Path) -> None:
    engine, _ = build(tmp_path)
    before = await engine.observe(await drive(engine, "Prepared", "Frozen"))
    again, recorder = build(tmp_path)
    again.start()
    assert await again.observe(again.get(UID, 1, Role.SOURCE)) == before
    assert recorder.stages == []


async def test_a_restart_in_the_middle_of_a_stage_continues_it(tmp_path: Path) -> None:
    engine, recorder = build(tmp_path)
    await drive(engine, "Prepared")
    recorder.hold.clear()
    side = await engine.submit(order("Frozen"))
    await engine.wait(side, "Frozen", 0.01)
    again, second = build(tmp_path)
    again.start()
    side = again.get(UID, 1, Role.SOURCE)
    await again.wait(side, "Frozen", 5)
    assert second.stages == ["Frozen"]
    assert side.state.observed.stage == "Frozen"
    await engine.stop(0.01)


async def test_a_crash_between_order_and_observation_continues_with_the_order(
    tmp_path: Path,
) -> None:
    engine, _ = build(tmp_path)
    side = await drive(engine, "Prepared")
    files.write_json(f"{side.folder}/order.json", order("Frozen").to_dict())
    again, recorder = build(tmp_path)
    again.start()
    await again.wait(again.get(UID, 1, Role.SOURCE), "Frozen", 5)
    assert recorder.stages == ["Frozen"]


async def test_a_crash_after_the_very_first_order_prepares(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    folder = Path(store.folder(UID, 1, Role.SOURCE))
    folder.mkdir(parents=True)
    files.write_json(f"{folder}/order.json", order("Prepared").to_dict())
    engine, recorder = build(tmp_path)
    engine.start()
    await engine.wait(engine.get(UID, 1, Role.SOURCE), "Prepared", 5)
    assert recorder.stages == ["Prepared"]


async def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    engine, _ = build(tmp_path)
    side = await drive(engine, "Prepared")
    Path(f"{side.folder}/observed.json.tmp").write_text('{"half')
    again, _ = build(tmp_path)
    again.start()
    assert again.get(UID, 1, Role.SOURCE).state.observed.stage == "Prepared"


async def test_the_highest_attempt_survives_a_restart_and_the_janitor(tmp_path: Path) -> None:
    engine, _ = build(tmp_path)
    side = await engine.submit(order("Thawed", attempt=3))
    await engine.wait(side, "Thawed", 5)
    Store(str(tmp_path)).remove_ended(older_than_seconds=-60)
    again, _ = build(tmp_path)
    again.start()
    with pytest.raises(Refused, match="OlderAttempt"):
        await again.submit(order("Prepared", attempt=2))


async def test_the_way_back_overtakes_a_stage_that_is_worked_on(tmp_path: Path) -> None:
    engine, recorder = build(tmp_path)
    await drive(engine, "Prepared")
    recorder.hold.clear()
    await engine.submit(order("Frozen"))
    await asyncio.sleep(0)
    side = await drive(engine, "Thawed")
    assert side.state.observed.stage == "Thawed"
    assert recorder.stages == ["Prepared", "Frozen", "Thawed"]


async def test_a_failure_is_answered_with_its_reason(tmp_path: Path) -> None:
    engine, recorder = build(tmp_path)
    recorder.error = AgentError("DumpFailed", "criu: no")
    observed = await engine.observe(await drive(engine, "Prepared"))
    assert observed.progress is Progress.FAILED
    assert observed.error == {"reason": "DumpFailed", "message": "criu: no"}
    assert observed.stage == ""


async def test_a_refused_order_changes_nothing_on_disk(tmp_path: Path) -> None:
    engine, _ = build(tmp_path)
    side = await drive(engine, "Prepared", "Frozen")
    before = Path(f"{side.folder}/order.json").read_text()
    with pytest.raises(Refused):
        await engine.submit(order("Prepared"))
    assert Path(f"{side.folder}/order.json").read_text() == before


@pytest.mark.parametrize("uid", ["../../etc", "a/b", "", ".", "x" * 65])
async def test_a_uid_that_is_no_folder_name_is_refused(tmp_path: Path, uid: str) -> None:
    engine, _ = build(tmp_path)
    with pytest.raises(Refused) as caught:
        await engine.submit(Order(uid, 1, Role.SOURCE, "Prepared"))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("stages", "removed"),
    [(("Prepared", "Frozen"), 0), (("Prepared", "Frozen", "Sealed"), 0), (("Thawed",), 1)],
)
async def test_the_janitor_removes_only_what_ended(
    tmp_path: Path, stages: tuple[str, ...], removed: int
) -> None:
    engine, _ = build(tmp_path)
    await drive(engine, *stages)
    store = Store(str(tmp_path))
    assert store.remove_ended(older_than_seconds=600) == []
    assert len(store.remove_ended(older_than_seconds=-60)) == removed


async def test_the_janitor_keeps_the_marker_of_a_finished_move(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    engine, _ = build(tmp_path)
    target = Order(UID, 1, Role.TARGET, "Prepared")
    side = await engine.submit(target)
    await engine.wait(side, "Prepared", 5)
    for name in ("RESUMED", "restore.json"):
        Path(f"{side.folder}/{name}").write_text("{}")
    folder = Path(side.folder)
    observed = side.state.observed.to_dict() | {"stage": "Forgotten", "wanted": "Forgotten"}
    files.write_json(f"{folder}/observed.json", observed)
    assert store.remove_ended(older_than_seconds=-60)
    assert os.listdir(folder) == ["RESUMED"]
    assert store.remove_markers(lambda _uid: True) == []
    assert (folder / "RESUMED").exists()
    assert store.remove_markers(lambda _uid: False) == [f"{UID}.1"]
    assert os.listdir(f"{tmp_path}/attempts") == []
