"""`podferry lab build`: a cold build must not fall into the time of a test."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from podferry.lab import cli
from podferry.lab.parts.errors import PartsError


def test_it_starts_nothing_and_says_that_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_parts", lambda: SimpleNamespace(versions={"runc": "1", "cni": "1"}))
    monkeypatch.setattr(cli.lifecycle, "up", lambda *_a, **_k: pytest.fail("a lab was started"))
    done = CliRunner().invoke(cli.lab, ["build"])
    assert (done.exit_code, done.output) == (0, "everything is there: 2 parts\n")


def test_a_part_that_cannot_be_built_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise PartsError("go: no module runc; look at the machine's module proxy")

    monkeypatch.setattr(cli, "_parts", broken)
    done = CliRunner().invoke(cli.lab, ["build"])
    assert done.exit_code == 1
    assert "go: no module runc" in done.output
