"""The predicted freeze must fit every limit, and the agent's blockers are passed on."""

from __future__ import annotations

import pytest

from podferry.api.migration import Prediction
from podferry.api.reasons import Reason
from podferry.strategies.container.preflight import check_budget, check_probe
from tests.unit.strategies.container.samples import pod, with_container


def _prediction(p95: float) -> Prediction:
    return Prediction(p95 / 1.6, p95, p95 + 3, 2**30, "prior (0 moves measured, 5 needed)")


def test_a_freeze_above_the_budget_is_refused_with_both_numbers() -> None:
    (found,) = check_budget(pod=pod(), prediction=_prediction(4.72), max_freeze_seconds=2)
    assert found.reason is Reason.FREEZE_OVER_BUDGET
    assert "p95 4.72 s" in found.message
    assert "maxFreezeSeconds 2 s" in found.message


@pytest.mark.parametrize("budget", [None, 4.72, 5])
def test_a_freeze_within_the_budget_passes(budget: float | None) -> None:
    assert check_budget(pod=pod(), prediction=_prediction(4.72), max_freeze_seconds=budget) == []


@pytest.mark.parametrize(
    ("probe", "p95", "fits"),
    [
        ({"periodSeconds": 3, "failureThreshold": 2}, 0.9, True),
        ({"periodSeconds": 3, "failureThreshold": 2}, 1.0, False),
        ({"periodSeconds": 1, "failureThreshold": 3}, 0.5, False),
        ({"httpGet": {}}, 24.9, True),
        ({"httpGet": {}}, 25.0, False),
    ],
)
def test_the_freeze_must_end_five_seconds_before_a_liveness_kill(
    probe: dict[str, int], p95: float, fits: bool
) -> None:
    found = check_budget(
        pod=with_container(livenessProbe=probe),
        prediction=_prediction(p95),
        max_freeze_seconds=None,
    )
    assert [one.reason for one in found] == ([] if fits else [Reason.LIVENESS_TOO_SHORT])
    if not fits:
        assert "container app" in found[0].message
        assert f"above {p95 + 5:.0f} s" in found[0].message


def test_the_shortest_liveness_of_several_counts() -> None:
    long = {"name": "long", "livenessProbe": {"periodSeconds": 60}}
    short = {"name": "short", "livenessProbe": {"periodSeconds": 2}}
    (found,) = check_budget(
        pod=pod(containers=[long, short]), prediction=_prediction(3), max_freeze_seconds=None
    )
    assert "container short, which kills after 6 s" in found.message


def test_a_hold_beyond_the_patience_of_kubelet_is_refused() -> None:
    (found,) = check_budget(pod=pod(), prediction=_prediction(90.1), max_freeze_seconds=None)
    assert found.reason is Reason.HOLD_TOO_LONG
    assert "90 s" in found.message
    assert check_budget(pod=pod(), prediction=_prediction(90.0), max_freeze_seconds=None) == []


def test_blockers_of_the_probe_keep_their_reason_and_message() -> None:
    blockers = [{"reason": "IOUring", "message": "process 7 uses io_uring"}]
    (found,) = check_probe({"ok": False, "blockers": blockers})
    assert (found.reason, found.message) == (Reason.IO_URING, "process 7 uses io_uring")


def test_a_blocker_of_a_newer_agent_is_still_a_refusal() -> None:
    (found,) = check_probe({"ok": False, "blockers": [{"reason": "Quantum", "message": "m"}]})
    assert (found.reason, found.message) == (Reason.UNSUPPORTED_RESOURCE, "m")


def test_a_probe_that_is_not_ok_without_a_blocker_is_refused() -> None:
    (found,) = check_probe({"ok": False, "blockers": []})
    assert "not why" in found.message


def test_a_good_probe_has_no_findings() -> None:
    assert check_probe({"ok": True, "blockers": [], "residentBytes": 1}) == []
