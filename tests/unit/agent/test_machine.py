"""Which orders a side accepts: forward only, repeats answered alike, older attempts refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.agent.errors import Refused
from podferry.agent.machine import Ruling, SideState, rule
from podferry.wire.stages import Order, Progress, Role, Verdict

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"


def order(
    stage: str,
    *,
    role: Role = Role.SOURCE,
    attempt: int = 1,
    verdict: Verdict = Verdict.UNDECIDED,
    epoch: int = 0,
    **params: object,
) -> Order:
    return Order(UID, attempt, role, stage, verdict, epoch, dict(params))


def reached(state: SideState) -> SideState:
    observed = replace(
        state.observed, stage=state.observed.wanted, progress=Progress.REACHED, error=None
    )
    return replace(state, observed=observed)


def failed(state: SideState) -> SideState:
    observed = replace(
        state.observed, progress=Progress.FAILED, error={"reason": "X", "message": "x"}
    )
    return replace(state, observed=observed)


def walk(*stages: Order) -> SideState:
    state: SideState | None = None
    for item in stages:
        _, accepted = rule(state, item, highest=1)
        state = reached(accepted)
    assert state is not None
    return state


SEALED = (order("Prepared"), order("Frozen"), order("Sealed"))
REDIRECTED = order("Redirected", verdict=Verdict.COMMITTED)
REHEARSED = (order("Prepared", role=Role.TARGET), order("Rehearsed", role=Role.TARGET))


def refused(state: SideState | None, item: Order, *, highest: int = 1, **more: bool) -> str:
    with pytest.raises(Refused) as caught:
        rule(state, item, highest=highest, **more)
    assert caught.value.status == 409
    return caught.value.reason


def test_an_older_attempt_is_refused() -> None:
    assert refused(None, order("Prepared", attempt=1), highest=2) == "OlderAttempt"


def test_a_backward_stage_is_refused() -> None:
    state = walk(order("Prepared"), order("Frozen"))
    assert refused(state, order("Prepared")) == "BackwardStage"


def test_a_backward_stage_is_refused_while_the_later_one_is_worked_on() -> None:
    _, state = rule(walk(order("Prepared")), order("Frozen"), highest=1)
    assert refused(state, order("Prepared")) == "BackwardStage"


def test_a_stage_is_not_skipped() -> None:
    assert refused(walk(order("Prepared")), order("Sealed")) == "StageNotReached"
    assert refused(None, order("Frozen")) == "StageNotReached"


def test_a_repeated_order_gives_the_same_answer() -> None:
    state = walk(order("Prepared"))
    ruling, again = rule(state, order("Prepared"), highest=1)
    assert (ruling, again) == (Ruling.SAME, state)


def test_a_repeated_order_of_a_failed_freeze_gives_the_same_failure() -> None:
    _, state = rule(walk(order("Prepared")), order("Frozen"), highest=1)
    ruling, again = rule(failed(state), order("Frozen"), highest=1)
    assert ruling is Ruling.SAME
    assert again.observed.progress is Progress.FAILED


@pytest.mark.parametrize("verdict", [Verdict.UNDECIDED, Verdict.ROLLED_BACK])
def test_a_failed_thaw_is_tried_again_when_the_order_is_repeated(verdict: Verdict) -> None:
    thaw = order("Thawed", verdict=verdict)
    _, state = rule(walk(order("Prepared"), order("Frozen")), thaw, highest=1)
    ruling, again = rule(failed(state), thaw, highest=1)
    assert ruling is Ruling.WORK
    assert again.observed.progress is Progress.WORKING


def test_nothing_follows_a_failed_stage_but_the_way_back() -> None:
    _, state = rule(walk(order("Prepared")), order("Frozen"), highest=1)
    assert refused(failed(state), order("Sealed")) == "StageNotReached"
    ruling, _ = rule(failed(state), order("Thawed"), highest=1)
    assert ruling is Ruling.WORK


def test_a_freeze_that_is_going_on_can_be_thawed() -> None:
    _, state = rule(walk(order("Prepared")), order("Frozen"), highest=1)
    ruling, after = rule(state, order("Thawed"), highest=1)
    assert ruling is Ruling.WORK
    assert after.observed.wanted == "Thawed"


def test_a_sealed_source_thaws_only_on_the_verdict_rolled_back() -> None:
    state = walk(*SEALED)
    assert refused(state, order("Thawed")) == "VerdictMissing"
    assert refused(state, order("Thawed", verdict=Verdict.COMMITTED)) == "VerdictMissing"
    ruling, _ = rule(state, order("Thawed", verdict=Verdict.ROLLED_BACK), highest=1)
    assert ruling is Ruling.WORK


def test_a_source_that_is_being_sealed_thaws_only_on_the_verdict_rolled_back() -> None:
    _, state = rule(walk(order("Prepared"), order("Frozen")), order("Sealed"), highest=1)
    assert refused(state, order("Thawed")) == "VerdictMissing"


@pytest.mark.parametrize("stage", ["Redirected", "Released"])
def test_a_source_is_redirected_and_released_only_on_the_verdict_committed(stage: str) -> None:
    state = walk(*SEALED)
    if stage == "Released":
        state = walk(*SEALED, REDIRECTED)
        state = replace(state, order=replace(state.order, verdict=Verdict.UNDECIDED))
    assert refused(state, order(stage)) == "VerdictMissing"
    assert refused(state, order(stage, verdict=Verdict.ROLLED_BACK)) == "VerdictMissing"
    ruling, _ = rule(state, order(stage, verdict=Verdict.COMMITTED), highest=1)
    assert ruling is Ruling.WORK


def test_a_source_is_released_only_once_its_connections_were_reset() -> None:
    released = order("Released", verdict=Verdict.COMMITTED)
    assert refused(walk(*SEALED), released) == "StageNotReached"


@pytest.mark.parametrize("seal", ["never ordered", "failed"])
def test_a_source_that_died_before_its_seal_is_handed_over_by_a_commit(seal: str) -> None:
    state = walk(*SEALED[:2])
    if seal == "failed":
        state = failed(rule(state, order("Sealed"), highest=1)[1])
    ruling, _ = rule(state, REDIRECTED, highest=1)
    assert ruling is Ruling.WORK


def test_a_redirected_source_is_never_thawed() -> None:
    state = walk(*SEALED, REDIRECTED)
    assert refused(state, order("Thawed", verdict=Verdict.ROLLED_BACK)) == "VerdictMissing"


def test_a_redirected_source_of_a_post_copy_is_thawed_only_by_an_explicit_roll_back() -> None:
    state = walk(*SEALED, REDIRECTED)
    lazy = replace(state.order, params={**state.order.params, "copy": "PostCopy"})
    state = replace(state, order=lazy)
    assert refused(state, order("Thawed")) == "VerdictMissing"
    assert refused(state, order("Thawed", verdict=Verdict.COMMITTED)) == "VerdictMissing"
    ruling, _ = rule(state, order("Thawed", verdict=Verdict.ROLLED_BACK), highest=1)
    assert ruling is Ruling.WORK


def test_a_released_source_is_never_thawed() -> None:
    state = walk(*SEALED, REDIRECTED, order("Released", verdict=Verdict.COMMITTED))
    assert refused(state, order("Thawed", verdict=Verdict.ROLLED_BACK)) == "AttemptEnded"


def test_a_target_is_resumed_only_on_the_verdict_committed() -> None:
    state = walk(*REHEARSED)
    resume = order("Resumed", role=Role.TARGET)
    assert refused(state, resume) == "VerdictMissing"
    rolled_back = replace(resume, verdict=Verdict.ROLLED_BACK)
    assert refused(state, rolled_back) == "VerdictMissing"
    ruling, _ = rule(state, replace(resume, verdict=Verdict.COMMITTED), highest=1)
    assert ruling is Ruling.WORK


def test_an_aborted_target_is_never_resumed() -> None:
    abort = order("Aborted", role=Role.TARGET, verdict=Verdict.ROLLED_BACK)
    state = walk(*REHEARSED, abort)
    resume = order("Resumed", role=Role.TARGET, verdict=Verdict.COMMITTED)
    assert refused(state, resume) == "AttemptEnded"


def test_a_target_that_may_run_is_never_aborted() -> None:
    resume = order("Resumed", role=Role.TARGET, verdict=Verdict.COMMITTED)
    _, state = rule(walk(*REHEARSED), resume, highest=1)
    abort = order("Aborted", role=Role.TARGET, verdict=Verdict.ROLLED_BACK)
    assert refused(state, abort, resuming=True) == "VerdictMissing"


def test_a_committed_target_that_never_ran_is_aborted_only_by_an_explicit_roll_back() -> None:
    resume = order("Resumed", role=Role.TARGET, verdict=Verdict.COMMITTED)
    _, state = rule(walk(*REHEARSED), resume, highest=1)
    abort = order("Aborted", role=Role.TARGET)
    assert refused(state, abort) == "VerdictMissing"
    ruling, _ = rule(state, replace(abort, verdict=Verdict.ROLLED_BACK), highest=1)
    assert ruling is Ruling.WORK


def test_an_attempt_that_was_never_prepared_can_be_ended() -> None:
    assert rule(None, order("Thawed"), highest=0)[0] is Ruling.WORK
    assert rule(None, order("Aborted", role=Role.TARGET), highest=0)[0] is Ruling.WORK


def test_an_older_freeze_epoch_is_refused() -> None:
    state = walk(order("Prepared", epoch=2))
    assert refused(state, order("Frozen", epoch=1)) == "OlderFreezeEpoch"


def test_params_of_earlier_orders_stay() -> None:
    _, state = rule(walk(order("Prepared", pod="p")), order("Frozen", pagePort=1), highest=1)
    assert state.order.params == {"pod": "p", "pagePort": 1}


def test_a_verdict_that_was_seen_is_kept() -> None:
    resume = order("Resumed", role=Role.TARGET, verdict=Verdict.COMMITTED)
    _, state = rule(walk(*REHEARSED, resume), order("Forgotten", role=Role.TARGET), highest=1)
    assert state.order.verdict is Verdict.COMMITTED
