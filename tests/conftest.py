"""Rules for the whole suite: where a skipped lab test is a failure."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

NOT_TESTED = Path(__file__).resolve().parents[1] / "docs" / "reference" / "not-tested.md"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, None, None]:
    """With PODFERRY_REQUIRE_LAB a skip fails, unless not-tested.md names the test."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if not (report.skipped and os.environ.get("PODFERRY_REQUIRE_LAB")):
        return
    if hasattr(report, "wasxfail"):
        return
    name = item.name.split("[")[0]
    if not (NOT_TESTED.exists() and f"`{name}`" in NOT_TESTED.read_text()):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped ({report.longrepr}); not in {NOT_TESTED.name}"
