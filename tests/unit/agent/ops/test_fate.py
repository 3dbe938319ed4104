"""One file decides whether a frozen source is sealed or thawed: the first writer wins, for good."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from podferry.agent.ops.fate import SEALED, THAWED, claim_fate, read_fate


@pytest.mark.parametrize(("first", "second"), [(SEALED, THAWED), (THAWED, SEALED)])
def test_the_second_claim_learns_of_the_first(tmp_path: Path, first: str, second: str) -> None:
    assert claim_fate(str(tmp_path), first) == first
    assert claim_fate(str(tmp_path), second) == first
    assert read_fate(str(tmp_path)) == first


def test_the_same_claim_again_is_a_win(tmp_path: Path) -> None:
    assert [claim_fate(str(tmp_path), SEALED) for _ in range(2)] == [SEALED, SEALED]


def test_before_any_claim_there_is_no_fate(tmp_path: Path) -> None:
    assert read_fate(str(tmp_path)) == ""


def test_nothing_but_fate_is_left_behind(tmp_path: Path) -> None:
    claim_fate(str(tmp_path), SEALED)
    claim_fate(str(tmp_path), THAWED)
    assert [item.name for item in tmp_path.iterdir()] == ["FATE"]


def test_of_many_at_once_all_learn_the_same_and_no_reader_sees_it_empty(tmp_path: Path) -> None:
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        gate = threading.Barrier(3)
        answers: list[str] = []
        seen: list[str] = []

        def claim(
            wanted: str,
            folder: Path = folder,
            gate: threading.Barrier = gate,
            answers: list[str] = answers,
        ) -> None:
            gate.wait()
            answers.append(claim_fate(str(folder), wanted))

        def watch(
            place: Path = folder / "FATE",
            gate: threading.Barrier = gate,
            seen: list[str] = seen,
        ) -> None:
            gate.wait()
            while not place.exists():
                pass
            seen.append(place.read_text())

        threads = [
            threading.Thread(target=claim, args=(SEALED,)),
            threading.Thread(target=claim, args=(THAWED,)),
            threading.Thread(target=watch),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert answers[0] == answers[1] == read_fate(str(folder))
        assert seen == answers[:1]
