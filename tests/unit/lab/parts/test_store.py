"""A part is in the cache whole or not at all, under a name that changes with its inputs."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from podferry.lab.parts import cache_dir, store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PODFERRY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_is_where_the_variable_says(cache: Path) -> None:
    assert cache_dir() == cache


def test_the_cache_is_in_the_xdg_folder_without_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PODFERRY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "podferry"


def test_the_key_changes_with_each_input_and_with_where_one_ends() -> None:
    keys = {
        store.key("a", "b"),
        store.key("a", "c"),
        store.key("b", "a"),
        store.key("ab"),
        store.key("ab", ""),
    }
    assert len(keys) == 5
    assert store.key("a", "b") == store.key("a", b"b")


def test_a_finished_part_is_not_built_again() -> None:
    built: list[Path] = []

    def build(work: Path) -> None:
        built.append(work)
        (work / "file").write_text("x")

    first = store.build_once("thing", "k1", build)
    second = store.build_once("thing", "k1", build)
    assert first == second
    assert (second / "file").read_text() == "x"
    assert len(built) == 1


def test_a_failed_build_leaves_nothing() -> None:
    def build(work: Path) -> None:
        (work / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.build_once("thing", "k1", build)
    assert list((cache_dir() / "parts").iterdir()) == []


def _build_and_hang(ready: "multiprocessing.synchronize.Event") -> None:
    def build(work: Path) -> None:
        (work / "half").write_text("x")
        ready.set()
        signal.pause()

    with store.locked(lambda line: None):
        store.build_once("thing", "k1", build)


def test_a_killed_build_leaves_no_part_and_the_next_one_succeeds() -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    builder = context.Process(target=_build_and_hang, args=(ready,))
    builder.start()
    assert ready.wait(30)
    assert builder.pid is not None
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    assert not store.part_path("thing", "k1").exists()

    def build(work: Path) -> None:
        assert list(work.iterdir()) == []
        (work / "whole").write_text("y")

    with store.locked(lambda line: None):
        part = store.build_once("thing", "k1", build)
    assert [path.name for path in part.iterdir()] == ["whole"]
    left = [path.name for path in part.parent.iterdir() if path != part]
    assert left == [".lock"]


def test_a_second_builder_says_that_it_waits_and_goes_on_when_the_first_ends() -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    builder = context.Process(target=_build_and_hang, args=(ready,))
    builder.start()
    assert ready.wait(30)
    assert builder.pid is not None
    pid = builder.pid
    lines: list[str] = []

    def progress(line: str) -> None:
        lines.append(line)
        os.kill(pid, signal.SIGKILL)

    with store.locked(progress):
        pass
    builder.join()
    assert len(lines) == 1
    assert "another process" in lines[0]
