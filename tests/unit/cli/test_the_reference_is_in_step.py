"""docs/reference/cli.md has the help and the exit codes as they are."""

from __future__ import annotations

import re

from podferry.cli import exits, reference
from podferry.cli.main import COMMANDS


def test_the_page_is_what_the_help_says_now() -> None:
    text = reference.PAGE.read_text()
    assert reference.page(text) == text, "run: python -m podferry.cli.reference"


def test_every_command_and_every_exit_code_is_on_the_page() -> None:
    text = reference.PAGE.read_text()
    for name in COMMANDS:
        assert f"\n## podferry {name}\n" in text
    for code in exits.MEANING:
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE)


def test_every_exit_code_has_a_meaning() -> None:
    codes = {value for name, value in vars(exits).items() if name.isupper() and name != "MEANING"}
    assert codes == set(exits.MEANING)
