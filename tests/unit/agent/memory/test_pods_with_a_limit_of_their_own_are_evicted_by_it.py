"""kubelet's second signal: what all pods have left of the limit of their common cgroup."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.memory.thresholds import Thresholds
from podferry.wire.memory import Asked
from tests.unit.agent.memory.nodes import MIB, RECORDED, FakeNode

LIMIT = {"v1": "memory.limit_in_bytes", "v2": "memory.max"}
WORKING_SET = {"v1": 64495616 - 2404352, "v2": 272629760 - 31457280}


def limited(path: Path, version: str, limit: str) -> FakeNode:
    """A node whose pods use, together, what the recorded pod uses."""
    node = FakeNode(path, version)
    for each in (RECORDED / version / "pod").iterdir():
        (node.top / "kubepods" / each.name).write_bytes(each.read_bytes())
    (node.top / "kubepods" / LIMIT[version]).write_text(f"{limit}\n")
    node.sample()
    return node


async def available(node: FakeNode) -> float:
    return (await node.sampler.report(Asked())).available


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_the_nearer_of_both_signals_is_told(tmp_path: Path, version: str) -> None:
    node = limited(tmp_path, version, str(300 * MIB))
    assert await available(node) == 300 * MIB - WORKING_SET[version]
    (node.top / "kubepods" / LIMIT[version]).write_text(str(1 << 50))
    node.sample()
    assert await available(node) > 2000 * MIB


@pytest.mark.parametrize(
    ("version", "none"), [("v1", "9223372036854771712"), ("v2", "max")], ids=["v1", "v2"]
)
async def test_pods_without_a_limit_have_no_such_signal(
    tmp_path: Path, version: str, none: str
) -> None:
    assert await available(limited(tmp_path, version, none)) > 2000 * MIB


async def test_a_limit_that_cannot_be_read_once_leaves_the_signal_as_it_was(
    tmp_path: Path,
) -> None:
    node = limited(tmp_path, "v1", str(300 * MIB))
    (node.top / "kubepods" / LIMIT["v1"]).write_text("x")
    node.sample()
    assert await available(node) == 300 * MIB - WORKING_SET["v1"]


def test_a_threshold_that_is_a_share_is_one_of_that_limit() -> None:
    at = Thresholds(1000.0, None, "", share=0.1)  # of a node of 10000
    assert at.equivalent(5000, 4500) == 1000  # 500 left of 500: as the node at its threshold
    assert Thresholds(1000.0, None, "").equivalent(5000, 4500) == 500
    assert Thresholds(0.0, None, "").equivalent(5000, 4500) is None
