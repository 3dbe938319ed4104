"""A checker that cannot say no proves nothing: each test forges one fault."""

from __future__ import annotations

import pytest

from podferry.cli import records


def stream(numbers: list[int], *, boot: str = "b1", step: float = 0.005) -> list[str]:
    return [f"{10 + i * step:.6f} {boot} web-1 {n}" for i, n in enumerate(numbers)]


def judge(lines: list[str]) -> records.Verdict:
    return records.check(*records.parse(lines))


def test_an_unbroken_stream_is_right() -> None:
    verdict = judge(stream(list(range(7, 1007))))
    assert verdict.ok
    assert verdict.problems == ()
    assert (verdict.answers, verdict.first, verdict.last) == (1000, 7, 1006)


def test_a_forged_duplicate_is_found() -> None:
    verdict = judge(stream([1, 2, 3, 3, 4]))
    assert not verdict.ok
    assert verdict.duplicates == (3,)
    assert verdict.problems == ("1 numbers were given more than once: 3",)


def test_a_duplicate_from_a_second_running_copy_is_found_although_it_comes_later() -> None:
    verdict = judge(stream([1, 2, 3, 4, 2]))
    assert verdict.duplicates == (2,)
    assert verdict.out_of_order == 1


def test_a_forged_gap_is_found() -> None:
    verdict = judge(stream([1, 2, 3, 6, 7]))
    assert not verdict.ok
    assert verdict.missing == (4, 5)
    assert verdict.problems == ("2 numbers are missing: 4, 5",)


def test_a_forged_second_boot_id_is_found() -> None:
    verdict = judge(stream([1, 2]) + stream([3, 4], boot="b2"))
    assert not verdict.ok
    assert verdict.boot_ids == ("b1", "b2")
    assert "2 processes answered, one was expected" in verdict.problems[0]


def test_a_restarted_process_that_counts_from_one_again_is_found_twice_over() -> None:
    verdict = judge(stream([1, 2, 3]) + stream([1, 2, 3], boot="b2"))
    assert verdict.duplicates == (1, 2, 3)
    assert len(verdict.boot_ids) == 2


def test_numbers_that_swap_places_are_found() -> None:
    verdict = judge(stream([1, 3, 2, 4]))
    assert not verdict.ok
    assert verdict.out_of_order == 1


def test_an_empty_stream_is_wrong() -> None:
    verdict = judge([])
    assert not verdict.ok
    assert verdict.problems == ("the client got no answer at all",)


def test_the_longest_gap_is_between_answers_and_failures_do_not_shorten_it() -> None:
    lines = ["1.000 b h 1", "1.005 b h 2", "1.100 ! ECONNRESET", "1.905 b h 3", "1.910 b h 4"]
    verdict = judge(lines)
    assert verdict.ok
    assert verdict.longest_gap_seconds == pytest.approx(0.9)
    assert verdict.gap_began_seconds == pytest.approx(1.005)
    assert verdict.unanswered == 1


def test_the_gap_of_one_move_is_told_apart_from_that_of_another() -> None:
    found, _ = records.parse(["1 b h 1", "2 b h 2", "2.1 b h 3", "5 b h 4", "5.1 b h 5"])
    assert records.longest_gap_between(found, 0.5, 1.5) == pytest.approx(1.0)
    assert records.longest_gap_between(found, 3.0, 4.0) == pytest.approx(2.9)
    assert records.longest_gap_between(found, 6.0, 7.0) == 0.0


@pytest.mark.parametrize("line", ["1.0 boot host", "x boot host 4", "1.0 boot host four", "one"])
def test_a_line_that_is_no_record_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is not a record"):
        records.parse(["1 b h 1", line])
