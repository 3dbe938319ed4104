"""The page receiver and lazy-pages are ended by pid, and only where the pid is proven ours."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.agent import pages
from podferry.agent.engine import Side
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"


@pytest.fixture
def node() -> Node:
    return Node(Host("", enter=False))


@pytest.fixture
def side(tmp_path: Path) -> Side:
    order = Order(UID, 1, Role.TARGET, "Aborted")
    observed = Observed(UID, 1, Role.TARGET, "Prepared", "Aborted", Progress.WORKING)
    store = Store(str(tmp_path))
    found = Side(SideState(order, observed), store.folder(UID, 1, Role.TARGET), store)
    store.save(found.state)
    return found


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for child in found:
        child.kill()
        child.communicate()


def waiting(word: str) -> subprocess.Popen[bytes]:
    """A process that waits for ever, as a daemon in accept() does, with a word in its arguments."""
    child = subprocess.Popen(
        ["sh", "-c", "echo up; read -r never", word],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()  # before it runs, /proc may not show its arguments yet
    return child


@pytest.mark.parametrize("name", ["page-server", "lazy-pages"])
async def test_one_that_waits_for_ever_is_ended(
    node: Node, side: Side, started: list[subprocess.Popen[bytes]], name: str
) -> None:
    started.append(waiting(f"{node.folder(side)}/images"))
    Path(f"{side.folder}/{name}.pid").write_text(str(started[0].pid))
    await pages.stop(node, side)
    assert started[0].wait(5) == -9


async def test_a_stranger_that_got_the_pid_is_left_alone(
    node: Node, side: Side, started: list[subprocess.Popen[bytes]]
) -> None:
    started.append(waiting("/var/lib/other"))
    Path(f"{side.folder}/lazy-pages.pid").write_text(str(started[0].pid))
    await pages.stop(node, side)
    assert started[0].poll() is None
