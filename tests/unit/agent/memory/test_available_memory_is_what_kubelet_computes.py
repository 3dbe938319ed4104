"""memory.available: capacity - (usage - inactive file pages) of the root cgroup, v1 and v2."""

from __future__ import annotations

from pathlib import Path

from podferry.wire.memory import Asked
from tests.unit.agent.memory.nodes import UID, FakeNode


async def test_of_v1_usage_less_total_inactive_file(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    node.pod()
    node.sample()
    report = await node.sampler.report(Asked())
    assert report.capacity == 3145728 * 1024
    assert report.available == 3145728 * 1024 - (343592960 - 60768256)
    assert report.pressure is None
    (pod,) = report.pods
    assert (pod.uid, pod.working_set, pod.rss) == (UID, 64495616 - 2404352, 44339200)
    assert pod.pressure is None


async def test_of_v2_the_root_has_no_usage_so_it_is_anon_and_file(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, "v2")
    node.pod()
    node.sample()
    report = await node.sampler.report(Asked())
    assert report.capacity == 16384000 * 1024
    assert report.available == 16384000 * 1024 - (4831838208 + 2147483648 - 1073741824)
    assert report.pressure == (0.31, 0.12)
    (pod,) = report.pods
    assert (pod.working_set, pod.rss) == (272629760 - 31457280, 209715200)
    assert pod.pressure == (1.53, 0.87)


async def test_of_a_v2_root_within_a_container_it_is_memory_current(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, "v2")
    (node.top / "memory.current").write_text("5000000000\n")
    node.sample()
    report = await node.sampler.report(Asked())
    assert report.available == 16384000 * 1024 - (5000000000 - 1073741824)


async def test_more_inactive_than_used_is_a_working_set_of_nothing(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    (node.top / "memory.usage_in_bytes").write_text("4096\n")
    node.sample()
    report = await node.sampler.report(Asked())
    assert report.available == report.capacity
