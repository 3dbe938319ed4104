"""Requests that make no sense never become objects; the API server says what it would take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CASES: tuple[tuple[str, dict[str, Any], tuple[str, ...]], ...] = (
    ("strategy", {"strategy": "Teleport"}, ("strategy", '"Auto"', '"Container"')),
    ("copy", {"copy": "Hop"}, ("copy", '"StopAndCopy"', '"PostCopy"')),
    ("transport", {"transport": "Pigeon"}, ("transport", '"Direct"')),
    ("fallback", {"fallback": ["Prayer"]}, ("fallback", '"ColdRestart"')),
    ("field", {"targetNod": "node-b"}, ("unknown field", "targetNod")),
    ("both targets", {"targetNode": "node-b", "targetSelector": {"a": "b"}}, ("targetSelector",)),
    ("zero freeze", {"maxFreezeSeconds": 0}, ("maxFreezeSeconds", "greater than 0")),
    ("negative freeze", {"maxFreezeSeconds": -1}, ("maxFreezeSeconds", "greater than 0")),
    ("endless freeze", {"maxFreezeSeconds": 1e9}, ("maxFreezeSeconds", "3600")),
    ("freeze in words", {"maxFreezeSeconds": "2s"}, ("maxFreezeSeconds", "number")),
    ("negative deadline", {"deadlineSeconds": -5}, ("deadlineSeconds", "10")),
    ("short deadline", {"deadlineSeconds": 9}, ("deadlineSeconds", "10")),
    ("long deadline", {"deadlineSeconds": 86401}, ("deadlineSeconds", "86400")),
)


def test_unknown_values_and_absurd_durations_are_refused_by_name(moves: Moves) -> None:
    for name, spec, words in CASES:
        said = moves.request("Pod", "w", "m", **spec)
        for word in words:
            assert word in said, (name, said)
    assert "Pod" in (said := moves.request("CronJob", "w", "m"))
    assert "workloadRef.kind" in said
    assert moves.get("migrations")["items"] == []
