"""Rules for the whole suite: where a skipped test is a failure; property tests have no clock."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is the machine's affair, not a test's. Where every lab test must run,
# the examples are the same each time, so that two runs of one tree say the same; new ones are
# looked for in all other runs, and by `make fuzz`.
hypothesis.settings.register_profile(
    "podferry",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("PODFERRY_REQUIRE_LAB")),
)
hypothesis.settings.load_profile("podferry")

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
