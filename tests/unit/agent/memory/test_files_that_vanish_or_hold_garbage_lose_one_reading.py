"""Files that fail in the middle: what is lost, what is told, what is counted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from podferry.agent.memory import files
from podferry.agent.memory.history import UNREAD_MOST
from podferry.wire.memory import Asked
from tests.unit.agent.memory.nodes import OTHER, UID, FakeNode


def errors(reason: str) -> float:
    name = "podferry_agent_memory_sample_errors_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


async def uids(node: FakeNode) -> list[str]:
    return sorted(pod.uid for pod in (await node.sampler.report(Asked())).pods)


def write(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


GARBAGE = {
    "usage is empty": ("usage", write("")),
    "usage is a word": ("usage", write("max\n")),
    "usage is negative": ("usage", write("-1\n")),
    "usage has thirty digits": ("usage", write("9" * 30)),
    "usage is binary": ("usage", lambda path: path.write_bytes(b"\xff\x00\xfe") and None),
    "stat is cut off": ("stat", write("cache 1\nrss 2\ntotal_r")),
    "stat has no numbers": ("stat", write("total_rss x\nanon x\ninactive_file y\n")),
    "stat is one line": ("stat", write("anon 5")),
}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("case", GARBAGE)
async def test_garbage_of_a_pod_costs_that_pod_one_reading(
    tmp_path: Path, version: str, case: str
) -> None:
    node = FakeNode(tmp_path, version)
    folder = node.pod()
    node.pod(OTHER)
    node.sample()
    kind, spoil = GARBAGE[case]
    path = folder / (node.usage if kind == "usage" else "memory.stat")
    before, good = errors("pod_garbage"), path.read_bytes()
    spoil(path)
    node.sample()
    assert errors("pod_garbage") == before + 1
    assert await uids(node) == sorted([UID, OTHER])  # by its last reading
    path.write_bytes(good)
    node.sample()
    report = await node.sampler.report(Asked(soft=100))
    counts = {pod.uid: len(pod.samples) for pod in report.pods}
    assert counts == {UID: 2, OTHER: 3}


async def test_a_pod_that_is_not_read_for_long_is_told_of_no_more(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    folder = node.pod()
    node.sample()
    (folder / node.usage).write_text("x")
    for _ in range(UNREAD_MOST):
        node.sample()
    assert await uids(node) == [UID]
    node.sample()
    assert await uids(node) == []


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENOENT])
async def test_a_pod_that_ends_in_mid_read_is_gone_and_no_error(
    tmp_path: Path, version: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = FakeNode(tmp_path, version)
    node.pod()
    node.pod(OTHER)
    node.sample()
    stat, kept = f"/pod{UID}/memory.stat", files.KernelFile.kept
    real = files.KernelFile.read

    def read(self: files.KernelFile) -> bytes:
        if self.path.endswith(stat):  # its usage was read a moment ago
            monkeypatch.setattr(os, "pread", _fails(code))
        try:
            return real(self)
        finally:
            monkeypatch.setattr(os, "pread", pread)

    pread = os.pread
    monkeypatch.setattr(files.KernelFile, "read", read)
    before = errors("pod_read"), errors("pod_garbage")
    node.sample()
    assert await uids(node) == [OTHER]
    assert (errors("pod_read"), errors("pod_garbage")) == before
    assert files.KernelFile.kept < kept  # its descriptors were given back


def _fails(code: int) -> Callable[[int, int, int], bytes]:
    def pread(_fd: int, _size: int, _offset: int) -> bytes:
        raise OSError(code, os.strerror(code))

    return pread


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("memory.usage_in_bytes", None, "node_read"),
        ("memory.usage_in_bytes", "nan", "node_garbage"),
        ("memory.stat", "total_cache 1\n", "node_garbage"),
    ],
)
async def test_without_the_root_there_is_no_sample_and_the_last_one_ages(
    tmp_path: Path, name: str, text: str | None, reason: str
) -> None:
    node = FakeNode(tmp_path)
    node.sample()
    before = errors(reason)
    path = node.top / name
    good = path.read_text()
    path.write_text(text) if text is not None else path.rename(tmp_path / "away")
    if text is None:
        node.sampler._root.close()  # an open file outlives its name
    node.sample(3)
    report = await node.sampler.report(Asked())
    assert (report.seq, report.age) == (0, 3)
    assert errors(reason) == before + 1
    path.write_text(good)
    node.sample()
    assert (await node.sampler.report(Asked())).seq == 1


async def test_a_pod_list_that_cannot_be_read_keeps_the_pods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = FakeNode(tmp_path)
    node.pod()
    node.sample()

    def refuse() -> dict[str, str]:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(node.tree, "pods", refuse)
    before = errors("pods_list")
    node.sample()
    assert errors("pods_list") == before + 1
    assert await uids(node) == [UID]


async def test_pressure_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    node = FakeNode(tmp_path, "v2")
    folder = node.pod()
    (folder / "memory.pressure").write_text("some avg10=200 avg60=nan\n")
    node.pod(OTHER)
    (node.top / "memory.pressure").unlink()
    node.sample()
    report = await node.sampler.report(Asked())
    assert report.pressure is None
    assert {pod.uid: pod.pressure for pod in report.pods} == {UID: None, OTHER: (1.53, 0.87)}


async def test_files_beyond_what_may_stay_open_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = FakeNode(tmp_path)
    monkeypatch.setattr(files, "KEPT_MOST", files.KernelFile.kept + 3)
    node.pod()
    node.pod(OTHER)
    for _ in range(2):
        node.sample()
    assert await uids(node) == sorted([UID, OTHER])
    assert files.KernelFile.kept == files.KEPT_MOST
