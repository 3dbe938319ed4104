"""The client's records become a gap."""

from __future__ import annotations

import pytest

from tools.bench.gap import longest_gap, parse, processes, spacing

LINES = (
    "0.000 0.001 aaaa",
    "0.004 0.005 aaaa",
    "0.008 0.108 !late",
    "0.500 0.504 aaaa",
    "0.504 0.505 aaaa",
)


def test_it_is_the_longest_time_between_two_answers() -> None:
    assert longest_gap(parse(LINES)) == pytest.approx(0.499)


def test_answers_count_by_when_they_came_and_not_by_when_they_were_asked_for() -> None:
    assert longest_gap(parse(["0.0 0.3 a", "0.1 0.2 a", "0.4 0.5 a"])) == pytest.approx(0.2)


def test_a_sample_without_an_answer_shortens_nothing() -> None:
    with_failures = parse([*LINES, "0.2 0.3 !ConnectionResetError"])
    assert longest_gap(with_failures) == pytest.approx(0.499)


def test_fewer_than_two_answers_have_no_gap() -> None:
    assert longest_gap(parse(["0.0 0.1 a"])) == 0.0


def test_how_finely_was_looked_counts_every_sample() -> None:
    assert spacing(parse(LINES)) == pytest.approx(0.492)


def test_a_restarted_workload_is_seen_as_a_second_process() -> None:
    assert processes(parse([*LINES, "0.6 0.7 bbbb"])) == {"aaaa", "bbbb"}


def test_a_line_that_was_cut_off_is_left_out() -> None:
    assert len(parse([*LINES, "0.6 0."])) == len(LINES)
