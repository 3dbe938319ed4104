"""The kubectl lines of docs/how-to/move-a-workload.md do what they say, on a real move."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "move-a-workload.md"
NAME = "move-1"


def examples() -> list[list[str]]:
    """Arguments of each kubectl line that is about the Migration of the page."""
    lines = [line.strip() for line in PAGE.read_text().splitlines()]
    found = [shlex.split(line, comments=True) for line in lines if line.startswith("kubectl ")]
    return [argv[1:] for argv in found if any(NAME in word for word in argv)]


def test_every_example_ends_well_for_a_move_that_succeeds(moves: Moves) -> None:
    moves.start("Deployment", "w")
    assert "created" in moves.request("Deployment", "w", NAME)
    waits = [argv for argv in examples() if argv[0] == "wait"]
    assert len(waits) == 6
    for argv in waits:
        assert f"{NAME} condition met" in moves.kubectl(*argv)
    (read,) = [argv for argv in examples() if argv[0] == "get"]
    assert float(moves.kubectl(*read)) > 0


def test_a_field_that_is_not_set_is_waited_for_in_vain(moves: Moves) -> None:
    status = moves.migrate("Deployment", "none", NAME)
    assert status["phase"] == "Failed", status
    assert "" not in [value for value in status.values() if isinstance(value, str)]
    for field in ("frozenAt", "resumedAt", "decidedAt"):
        argv = ["wait", f"migration/{NAME}", f"--for=jsonpath={{.status.{field}}}", "--timeout=1s"]
        assert "condition met" not in moves.kubectl(*argv, check=False)
