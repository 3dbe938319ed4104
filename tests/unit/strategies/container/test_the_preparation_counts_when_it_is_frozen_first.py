"""What a move that freezes first is expected to take, and what the next one learns of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podferry.api.migration import (
    ConditionStatus,
    CopyMode,
    Measured,
    Migration,
    MigrationSpec,
    MigrationStatus,
    OwnerRef,
    Prediction,
    WorkloadKind,
    WorkloadRef,
)
from podferry.strategies.container import estimate, preparation
from podferry.strategies.container.moves import records

START = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 2**30
ORDINARY = Prediction(1.0, 2.0, 4.0, GIB, "prior")


def move(
    *, first: bool, prepared: float, freeze: float, phase: str = "Succeeded", number: int = 0
) -> Migration:
    """A finished move; `freeze` without its preparation."""

    def at(seconds: float) -> str:
        return (START + timedelta(seconds=seconds)).isoformat()

    done = [("Accepted", 0.0), ("TargetReady", prepared)]
    status = MigrationStatus(
        phase=phase,
        copy="StopAndCopy",
        conditions=tuple(ConditionStatus(kind, "True", "", "", at(when)) for kind, when in done),
        owner=OwnerRef("ReplicaSet", "o", "o"),
        frozen_at=at(0.0 if first else prepared),
        completed_at=at(20),
        prediction=Prediction(1, 2, 3, GIB, ""),
        measured=Measured(
            freeze_seconds=freeze + (prepared if first else 0),
            prepare_seconds=0.0 if first else prepared,
            total_seconds=9,
        ),
    )
    spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, "w"), freeze_first=first)
    return Migration("ns", "m", f"{prepared}{number}", 1, "1", False, (), at(0), spec, status)


def test_without_measured_moves_the_prior_is_added() -> None:
    middle, high = preparation.PRIOR_SECONDS
    found = preparation.lengthen(ORDINARY, ())
    assert (found.freeze_p50_seconds, found.freeze_p95_seconds) == (1.0 + middle, 2.0 + high)
    assert found.total_seconds == ORDINARY.total_seconds


@pytest.mark.parametrize("first", [True, False])
def test_the_preparations_of_this_cluster_are_added(first: bool) -> None:
    took = (1, 2, 3, 4, 9)
    history = tuple(move(first=first, prepared=seconds, freeze=1) for seconds in took)
    found = preparation.lengthen(ORDINARY, records(history))
    assert (found.freeze_p50_seconds, found.freeze_p95_seconds) == (1.0 + 3, 2.0 + 9)


def test_moves_that_failed_say_nothing() -> None:
    history = tuple(move(first=True, prepared=9, freeze=1, phase="RolledBack") for _ in range(9))
    assert preparation.expected(records(history)) == preparation.PRIOR_SECONDS


def test_a_freeze_that_included_its_preparation_does_not_lengthen_the_next_ordinary_one() -> None:
    def predicted(*, first: bool) -> float:
        history = tuple(move(first=first, prepared=7, freeze=2, number=one) for one in range(6))
        found = estimate.predict(
            copy=CopyMode.STOP_AND_COPY, resident_bytes=GIB, history=records(history), now=START
        )
        return found.freeze_p50_seconds

    assert predicted(first=True) == predicted(first=False) == 2.0


def test_a_budget_leaves_what_the_preparation_does_not_take() -> None:
    high = preparation.PRIOR_SECONDS[1]
    assert preparation.left_of(high + 3, ()) == 3.0
    assert preparation.left_of(high - 1, ()) > 0
