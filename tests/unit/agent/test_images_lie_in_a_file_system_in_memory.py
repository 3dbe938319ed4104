"""The node's own mount: made once, resized with its content, gone at the end. Needs root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.agent.ops import ram
from podferry.agent.ops.host import Host

MIB = 1 << 20
HOST = Host("", enter=False)


def options(place: str) -> str:
    """The mount's type and options, empty if nothing is mounted there."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return " ".join(f"{line[2]} {line[3]}" for line in lines if line[1] == place)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    path = str(tmp_path / "ram")
    try:
        ram.hold(HOST, path, 8 * MIB)
    except ram.RamFailed as error:
        pytest.skip(f"no mounts here: {error}")
    yield path
    ram.release(HOST, path)


def test_it_is_private_limited_and_never_swapped_where_the_kernel_knows(place: str) -> None:
    found = options(place)
    assert found.startswith("tmpfs ")
    assert "size=8192k" in found
    assert (os.stat(place).st_mode & 0o777) == 0o700
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert ("noswap" in found) == (release >= (6, 4))


def test_a_new_size_keeps_what_is_there_and_mounts_nothing_twice(place: str) -> None:
    Path(place, "image").write_bytes(b"kept")
    ram.hold(HOST, place, 32 * MIB)
    assert Path(place, "image").read_bytes() == b"kept"
    assert options(place).count("tmpfs") == 1
    assert "size=32768k" in options(place)


def test_a_release_leaves_nothing_and_may_be_repeated(place: str) -> None:
    Path(place, "images").mkdir()
    Path(place, "images/pages-1.img").write_bytes(b"x" * MIB)
    for _ in range(2):
        ram.release(HOST, place)
        assert not os.path.exists(place)
        assert options(place) == ""
