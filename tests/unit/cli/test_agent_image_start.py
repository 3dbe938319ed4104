"""The agent's pod starts fast and needs neither the lab nor the API client."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from podferry.cli import parts
from podferry.cli.main import cli


def test_the_front_door_imports_no_part_before_it_is_asked_for() -> None:
    script = (
        "import sys, podferry.cli.main as m, podferry.cli.parts; "
        "print([n for n in sys.modules if n.startswith(('podferry.lab', 'podferry.kube',"
        " 'podferry.agent', 'podferry.controller', 'kubernetes', 'rich', 'aiohttp'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("typed", "called"),
    [
        (["agent"], ("podferry.agent.main", "run_agent", [])),
        (["agent", "--port", "1"], ("podferry.agent.main", "run_agent", ["--port", "1"])),
        (["agent", "check"], ("podferry.agent.installer", "main", ["check"])),
        (["agent", "undo", "-v"], ("podferry.agent.installer", "main", ["undo", "-v"])),
        (
            ["controller", "--help"],
            ("podferry.controller.runtime.main", "run_controller", ["--help"]),
        ),
    ],
)
def test_arguments_are_handed_on_as_they_are_and_the_exit_code_comes_back(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], called: tuple[str, str, list[str]]
) -> None:
    seen = []

    def run(module: str, function: str, argv: list[str]) -> int:
        seen.append((module, function, argv))
        return 7

    monkeypatch.setattr(parts, "_run", run)
    assert CliRunner().invoke(cli, typed).exit_code == 7
    assert seen == [called]
