"""Every lack of a machine is one clear line with what to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from podferry.lab.parts.machine import GIB, Facts, problems

GOOD = Facts(
    root=True,
    loop="",
    cache=Path("/cache"),
    free_disk=8 * GIB,
    memory=6 * GIB,
    missing_tools=(),
)


def test_a_machine_that_has_exactly_what_is_needed_has_no_problem() -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(GOOD, root=False), ["not root", "sudo"]),
        (replace(GOOD, loop="/dev/loop-control: No such file"), ["no loop", "modprobe loop"]),
        (replace(GOOD, free_disk=3 * GIB), ["/cache", "3.0 GiB", "8.0 GiB", "PODFERRY_CACHE"]),
        (replace(GOOD, memory=2 * GIB), ["memory", "2.0 GiB", "6.0 GiB"]),
        (
            replace(GOOD, missing_tools=("ip", "mkfs.ext4")),
            ["ip, mkfs.ext4", "apt-get install e2fsprogs iproute2"],
        ),
    ],
)
def test_a_problem_is_one_line_that_says_how_much_and_what_to_do(
    facts: Facts, words: list[str]
) -> None:
    (line,) = problems(facts)
    assert "\n" not in line
    for word in words:
        assert word in line


def test_all_problems_are_told_at_once() -> None:
    bad = replace(GOOD, root=False, loop="x", free_disk=0, memory=0, missing_tools=("gcc",))
    assert len(problems(bad)) == 5
