"""Auto takes StopAndCopy unless only PostCopy fits the budget."""

from __future__ import annotations

import pytest

from podferry.api.migration import CopyMode
from podferry.strategies.container.copy_mode import choose_copy
from tests.unit.strategies.container.samples import GIB, NOW


def _choose(
    copy: CopyMode, budget: float | None, size: int, *, same_name: bool = False
) -> tuple[CopyMode, str]:
    return choose_copy(
        copy=copy,
        max_freeze_seconds=budget,
        resident_bytes=size,
        history=(),
        now=NOW,
        same_name=same_name,
    )


@pytest.mark.parametrize("copy", [CopyMode.STOP_AND_COPY, CopyMode.POST_COPY])
def test_what_was_asked_for_is_taken(copy: CopyMode) -> None:
    mode, why = _choose(copy, 0.1, 64 * GIB)
    assert mode is copy
    assert why == f"{copy.value} was asked for"


@pytest.mark.parametrize(
    ("budget", "size", "mode", "words"),
    [
        (None, 64 * GIB, CopyMode.STOP_AND_COPY, "no maxFreezeSeconds is set"),
        (
            9.0,
            GIB,
            CopyMode.STOP_AND_COPY,
            "fits maxFreezeSeconds 9 s (predicted p95 freeze 5.70 s",
        ),
        (4.0, GIB, CopyMode.POST_COPY, "PostCopy does (p95 1.50 s"),
        (0.5, GIB, CopyMode.STOP_AND_COPY, "neither"),
    ],
)
def test_auto_weighs_the_budget(
    budget: float | None, size: int, mode: CopyMode, words: str
) -> None:
    found, why = _choose(CopyMode.AUTO, budget, size)
    assert found is mode
    assert words in why


def test_a_kept_name_is_moved_by_post_copy_where_only_that_fits() -> None:
    mode, why = _choose(CopyMode.AUTO, 4.0, GIB, same_name=True)
    assert mode is CopyMode.POST_COPY
    assert "PostCopy does (p95 3.20 s" in why
