"""Files of containers and migrations that are gone go too; those that are in use stay."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import cast

import pytest

from podferry.agent import janitor
from podferry.agent.engine import Engine
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.agent.store import Store

HERE, GONE, YOUNG = "aa" * 32, "bb" * 32, "cc" * 32
DAY = 86400.0


def aged(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1")
    moment = time.time() - seconds
    os.utime(path, (moment, moment))
    return path


class Rounds:
    """Stands for the engine, which the janitor tells at the end of each round."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def forget(self) -> None:
        self.over.set()


async def sweep(tmp_path: Path) -> None:
    """One round of the janitor on a node that is a folder."""
    node = Node(Host(str(tmp_path), enter=False))
    rounds, store = Rounds(), Store(str(tmp_path / "state"))
    task = asyncio.create_task(janitor.run(cast(Engine, rounds), store, node))
    await asyncio.wait_for(rounds.over.wait(), 30)
    task.cancel()


@pytest.mark.parametrize("with_bundles", [True, False])
async def test_options_of_criu_go_with_their_container(tmp_path: Path, with_bundles: bool) -> None:
    confs = tmp_path / "run/podferry/criu"
    ages = {HERE: 5000.0, GONE: 5000.0, YOUNG: 5.0}
    found = {name: aged(confs / f"{name}.conf", age) for name, age in ages.items()}
    if with_bundles:
        (tmp_path / janitor.BUNDLES.lstrip("/") / HERE).mkdir(parents=True)
    await sweep(tmp_path)
    left = {name for name, path in found.items() if path.exists()}
    # Where containerd keeps its folders elsewhere nothing says what is gone.
    assert left == ({HERE, YOUNG} if with_bundles else {HERE, GONE, YOUNG})


async def test_the_highest_attempt_of_a_migration_is_kept_beyond_the_longest_deadline(
    tmp_path: Path,
) -> None:
    seen = tmp_path / "state/seen"
    within, beyond, held = (
        aged(seen / "within", 1.5 * DAY),
        aged(seen / "beyond", 3 * DAY),
        aged(seen / "held", 3 * DAY),
    )
    (tmp_path / "state/attempts/held.2/target").mkdir(parents=True)
    await sweep(tmp_path)
    assert within.exists()
    assert held.exists()
    assert not beyond.exists()
