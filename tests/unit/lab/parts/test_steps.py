"""A step shows that it is alive, tells why it failed, and does not outlive its caller."""

import pytest

from podferry.lab.parts import PartsError, steps


def test_a_step_says_when_it_is_done() -> None:
    lines: list[str] = []
    steps.run(["true"], what="thing", progress=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("thing: done in ")


def test_a_long_step_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ALIVE_SECONDS", 0.05)
    lines: list[str] = []
    steps.run(["sleep", "0.3"], what="thing", progress=lines.append)
    assert lines[0].startswith("thing: running for ")
    assert lines[-1].startswith("thing: done in ")


def test_a_failed_step_tells_its_last_words_and_what_to_do() -> None:
    lines: list[str] = []
    with pytest.raises(PartsError, match=r"thing: `sh` ended with 3 .* no such mirror; .*again"):
        steps.run(
            ["sh", "-c", "echo no such mirror >&2; exit 3"], what="thing", progress=lines.append
        )
    assert lines == []
