"""What a move needs of the target's memory is asked before the freeze, and refused with numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import room
from podferry.agent.errors import AgentError
from podferry.agent.ops import ram
from podferry.agent.ops.host import Host
from podferry.agent.room import MARGIN_BYTES, Expected
from podferry.wire.stages import Role
from tests.unit.agent.roles import World

MIB = 1 << 20


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(ram, "available_bytes", lambda _host: 1000 * MIB)
    return World(tmp_path, monkeypatch)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    monkeypatch.setattr(room, "_take", lambda _node, _side, size: sizes.append(size))
    return sizes


def test_a_refusal_says_what_is_free_what_is_needed_and_what_to_do(world: World) -> None:
    side = world.side(Role.TARGET, "Prepared", "Prepared")
    with pytest.raises(AgentError, match=r"spare 1000 MiB .* needs 1184 MiB") as refused:
        room.make(world.node, side, Expected(700 * MIB, 100 * MIB))
    assert refused.value.reason == "TargetShortOfMemory"
    assert "Free 185 MiB there" in refused.value.message


def test_memory_that_fits_is_made_ready(world: World, made: list[int]) -> None:
    side = world.side(Role.TARGET, "Prepared", "Prepared")
    room.make(world.node, side, Expected(500 * MIB, 100 * MIB))
    assert made == [500 * MIB]


def test_a_pod_that_keeps_its_name_needs_room_twice(world: World, made: list[int]) -> None:
    side = world.side(Role.TARGET, "Prepared", "Prepared", sameName=True)
    room.make(world.node, side, Expected(300 * MIB, 0))
    with pytest.raises(AgentError, match=r"needs 1184 MiB .*400 MiB of memory twice"):
        room.make(world.node, side, Expected(400 * MIB, 0))
    assert made == [300 * MIB]


def test_what_is_kept_free_holds_criu_s_overlap_and_kubelet_s_threshold() -> None:
    assert MARGIN_BYTES >= (128 + 100) * MIB


def node(tmp_path: Path, **files: str) -> Host:
    """A node whose cgroup files (name without `memory.`) are below `memory/`."""
    for name, text in files.items():
        place = tmp_path / "sys/fs/cgroup/memory" / f"memory.{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (tmp_path / "meminfo").write_text(
        "MemTotal: 4096 kB\nMemFree: 2048 kB\nMemAvailable: 4000 kB\nInactive(file): 512 kB\n"
    )
    return Host(str(tmp_path), enter=False)


def free(host: Host, tmp_path: Path) -> int:
    return ram.available_bytes(host, meminfo=str(tmp_path / "meminfo"))


def test_a_node_spares_its_free_memory_and_the_cache_that_nobody_uses(tmp_path: Path) -> None:
    assert free(node(tmp_path), tmp_path) == 2560 * 1024


def test_a_limit_on_the_node_s_own_group_counts(tmp_path: Path) -> None:
    host = node(
        tmp_path,
        limit_in_bytes="1048576\n",
        usage_in_bytes="700000\n",
        stat="inactive_file 1\ntotal_inactive_file 100000\n",
    )
    assert free(host, tmp_path) == 1048576 - 700000 + 100000


def test_cgroup_v2_without_a_limit_is_no_limit(tmp_path: Path) -> None:
    place = tmp_path / "sys/fs/cgroup/memory.max"
    place.parent.mkdir(parents=True)
    place.write_text("max\n")
    assert free(node(tmp_path), tmp_path) == 2560 * 1024
