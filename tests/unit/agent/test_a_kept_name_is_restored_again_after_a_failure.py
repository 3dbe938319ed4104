"""After the commit a failing restore of the final pod is tried again: the images are whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podferry.agent import files
from tests.unit.agent.roles import CID, World, committed, target


@pytest.mark.parametrize("action", ["refuse", "restore"])
async def test_the_next_container_is_held_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    world = World(tmp_path, monkeypatch)
    facts = {"rehearsed": "ef" * 32, "restoring": CID}
    side = committed(world, sameName=True, facts=facts)
    files.write_json(f"{side.folder}/restore.json", {"action": action, "roles": ["final"]})
    waiting = asyncio.create_task(target(world).reach(side, "Resumed", None))
    await asyncio.wait([waiting], timeout=0.2)
    waiting.cancel()
    plan = files.read_json(f"{side.folder}/restore.json")
    assert plan is not None
    assert plan["action"] == ("hold" if action == "refuse" else "restore")
