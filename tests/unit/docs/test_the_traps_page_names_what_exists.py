"""The page of traps is worth nothing once a test or a file that it names is gone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/explanation/traps.md").read_text()
_NAMED = re.compile(r"`((?:unit|lab|property|wire)/[\w/]+\.py)(?:: (\w+))?`((?:, `\w+`)*)")
_TRAP = re.compile(r"^\| (\d+) \||\*\*(\d+)\*\* \(", re.MULTILINE)


def named() -> list[tuple[str, str]]:
    """(test file, word of a test's name) of everything that the page rests on."""
    found = []
    for path, word, more in _NAMED.findall(PAGE):
        found += [(path, item) for item in (word, *re.findall(r"\w+", more))]
    return found


def test_every_named_test_exists() -> None:
    missing = []
    for path, word in named():
        place = ROOT / "tests" / path
        text = place.read_text() if place.exists() else ""
        if not re.search(rf"def test_\w*{word}", text):
            missing.append(f"{path}: {word}")
    assert missing == []
    assert len(named()) > 60


def test_every_named_file_of_the_code_exists() -> None:
    places = re.findall(r"`((?:agent|controller|podferry|runtime_wrapper)/[\w/]+\.(?:py|sh))", PAGE)
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_each_of_the_84_has_one_verdict() -> None:
    first = PAGE.partition("\n## Acceptance")[0].partition("\n## What is missing")[0]
    numbers = sorted(int(row or listed) for row, listed in _TRAP.findall(first))
    assert numbers == list(range(1, 85))
