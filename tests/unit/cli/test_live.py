"""The redrawn display, drawn into a string."""

from __future__ import annotations

import io

from rich.console import Console

from podferry.cli import live
from tests.unit.cli.conftest import Object, moved, running


def drawn(*statuses: Object) -> str:
    made = {
        "metadata": {"name": "web-x", "namespace": "shop"},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "web"}, "maxFreezeSeconds": 0.5},
    }
    story = live.Story(made)
    for place, status in enumerate(statuses):
        story.see({**made, "status": status}, place * 0.5)
    out = io.StringIO()
    Console(file=out, width=120).print(story)
    return out.getvalue()


def test_phases_are_ticked_off_and_the_frozen_ones_are_marked() -> None:
    text = drawn(running("PreparingTarget"), running("Freezing"), moved())
    assert "✓  PreparingTarget  +0.000 s" in text
    assert "✓  Freezing ❄       +0.500 s" in text
    assert "✓  Succeeded" in text


def test_a_phase_that_is_seen_twice_has_one_line_with_its_first_time() -> None:
    text = drawn(running("Freezing"), running("Freezing"))
    assert text.count("Freezing") == 1
    assert "+0.000 s" in text


def test_the_end_shows_the_freeze_against_its_budget() -> None:
    text = drawn(moved())
    assert "0.912 s" in text
    assert "1.8x over budget" in text


def test_a_roll_back_is_crossed_and_says_why() -> None:
    text = drawn(running("RolledBack", decisionReason="SealFailed", decisionMessage="too late"))
    assert "✗  RolledBack" in text
    assert "SealFailed: too late" in text
