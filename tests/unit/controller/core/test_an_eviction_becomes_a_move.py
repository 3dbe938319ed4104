"""What becomes of an eviction, case by case: a move, a wait, the eviction, or "it has moved"."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from podferry.api.migration import (
    ConditionStatus,
    Decision,
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    Prediction,
    WorkloadKind,
    WorkloadRef,
)
from podferry.api.reasons import Reason
from podferry.controller.core import evictions
from podferry.controller.core.evictions import Kind, Verdict, decide
from podferry.controller.core.status import stamp
from tests.unit.strategies.container.samples import NOW, with_meta, with_status

UID = "0a1b2c3d-1111-2222-3333-444444444444"
NAME = "evict-app-1-0a1b2c3d"
OPEN: dict[str, Any] = {"spec": {}}
CORDONED: dict[str, Any] = {"spec": {"unschedulable": True}}
TAINTED: dict[str, Any] = {"spec": {"taints": [{"key": "out", "effect": "NoExecute"}]}}


def victim(**metadata: Any) -> dict[str, Any]:
    """A movable pod on node-a."""
    return with_meta(name="app-1", uid=UID, **metadata)


def ago(seconds: float) -> str:
    return stamp(NOW - timedelta(seconds=seconds))


def migration(name: str = NAME, *, pod_name: str = "app-1", age: float = 20.0,
              **status: Any) -> Migration:  # fmt: skip
    """A Migration of that pod, asked for `age` seconds ago; queued unless `status` says more."""
    spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, pod_name))
    return Migration("shop", name, f"m-{name}", 1, "1", False, (), ago(age), spec,
                     MigrationStatus(**status))  # fmt: skip


def under_way(**status: Any) -> Migration:
    ends: dict[str, Any] = {"source": Endpoint("node-a", pod="app-1", uid=UID),
                            "target": Endpoint("node-b", pod="app-2", uid="u-2")}  # fmt: skip
    return migration(**{"phase": "Freezing", "attempt": 1, **ends, **status})


def ended(phase: str, name: str = NAME, *, since: float = 30.0, reason: str = "RehearsalFailed",
          **more: Any) -> Migration:  # fmt: skip
    said = ConditionStatus("Succeeded", "False", reason, "criu says no", ago(since))
    return replace(
        under_way(phase=phase, completed_at=ago(since), conditions=(said,), **more), name=name
    )


def judge(*found: Migration, of: dict[str, Any] | None = None, **more: Any) -> Verdict:
    return decide(of or victim(), found, **{"now": NOW, "node": OPEN, **more})


def test_the_first_eviction_of_a_movable_pod_asks_for_its_move() -> None:
    verdict = judge()
    assert (verdict.kind, verdict.migration) == (Kind.CREATE, NAME)
    for word in ("with its memory", NAME, "ask again"):
        assert word in verdict.message


def test_whoever_sees_the_same_makes_the_same_migration_and_says_who_asked() -> None:
    body = evictions.manifest(victim(), judge().migration, "drainer")
    assert body["metadata"]["name"] == NAME
    assert body["metadata"]["labels"] == {"podferry.dev/requested-by": "eviction"}
    assert body["metadata"]["annotations"] == {"podferry.dev/asked-by": "drainer"}
    ref = {"kind": "Pod", "name": "app-1"}
    # Who drained a node turns it off: no page may be left there.
    assert body["spec"] == {"workloadRef": ref, "copy": "StopAndCopy"}


def test_a_long_pod_name_is_shortened_and_stays_a_name() -> None:
    long = victim()
    long["metadata"]["name"] = "a" * 39 + "-" + "b" * 100
    assert judge(of=long).migration == f"evict-{'a' * 39}-0a1b2c3d"


@pytest.mark.parametrize("found", [
    under_way(),
    under_way(phase="Paging", decision=Decision.COMMITTED),
    replace(under_way(), name="asked-for-by-a-person"),
    migration(phase="Pending"),
    migration("of-a-person", phase=""),
])  # fmt: skip
def test_while_it_is_moved_whoever_asked_the_eviction_waits(found: Migration) -> None:
    verdict = judge(found)
    assert verdict.kind is Kind.HOLD
    assert "not evicted" in verdict.message
    assert found.name in verdict.message


def test_the_wait_says_what_moves_where_how_long_and_what_to_do() -> None:
    foreseen = Prediction(0.4, 0.6, 4.0, 2**20, "prior")
    text = judge(under_way(prediction=foreseen)).message
    for word in ("from node-a to node-b", "Freezing", "20 s since", "predicted to take 4 s",
                 "ask again"):  # fmt: skip
        assert word in text


def test_one_that_waits_for_a_place_says_so() -> None:
    why = ConditionStatus("Progressing", "True", "Queued", "position 3 in the queue", ago(3))
    verdict = judge(migration(phase="Pending", conditions=(why,)))
    assert verdict.kind is Kind.HOLD
    assert "Queued: position 3 in the queue" in verdict.message


def test_the_pod_that_it_moves_to_is_not_evicted_either() -> None:
    arriving = victim(annotations={"podferry.dev/restore": f"m-{NAME}.1"})
    arriving["metadata"]["uid"] = "u-2"
    assert judge(under_way(decision=Decision.COMMITTED), of=arriving).kind is Kind.HOLD


def test_a_move_of_another_pod_holds_nothing() -> None:
    source = Endpoint("node-a", pod="app-9", uid="u-9")
    other = replace(under_way(source=source), name="m9")
    assert judge(other, migration("m8", pod_name="app-8")).kind is Kind.CREATE


@pytest.mark.parametrize(("age", "status", "kind"), [
    (evictions.STUCK_SECONDS - 1, {}, Kind.HOLD),
    (evictions.STUCK_SECONDS + 1, {}, Kind.ALLOW),
    (evictions.STUCK_SECONDS + 1, {"freeze_epoch": 1}, Kind.HOLD),
    (evictions.STUCK_SECONDS + 1, {"decision": Decision.COMMITTED}, Kind.HOLD),
])  # fmt: skip
def test_a_migration_that_never_begins_holds_for_a_bounded_time(
    age: float, status: dict[str, Any], kind: Kind
) -> None:
    waiting = replace(under_way(phase="Pending", **status), name="m", created_at=ago(age))
    verdict = judge(waiting)
    assert verdict.kind is kind
    if kind is Kind.ALLOW:
        assert "Migration m has frozen nothing for 3600 s" in verdict.message


BLOCKED: dict[str, tuple[dict[str, Any], Reason]] = {
    "excluded": (victim(annotations={"podferry.dev/exclude": "true"}), Reason.EXCLUDED),
    "static": (victim(annotations={"kubernetes.io/config.mirror": "x"}), Reason.STATIC_POD),
}


@pytest.mark.parametrize("case", BLOCKED)
def test_what_cannot_be_moved_is_evicted_and_the_warning_says_why(case: str) -> None:
    raw, reason = BLOCKED[case]
    verdict = judge(of=raw)
    assert verdict.kind is Kind.ALLOW
    assert reason in verdict.message
    assert "its memory is lost" in verdict.message


def test_an_excluded_namespace_is_as_good_as_an_excluded_pod() -> None:
    space = {"metadata": {"name": "shop", "labels": {"podferry.dev/exclude": "true"}}}
    verdict = judge(namespace=space)
    assert verdict.kind is Kind.ALLOW
    assert "namespace shop" in verdict.message


@pytest.mark.parametrize("raw", [
    with_status(phase="Pending"), with_status(phase="Succeeded"),
    victim(deletionTimestamp="2026-01-01T00:00:00Z"),
])  # fmt: skip
def test_a_pod_that_does_not_run_has_no_memory_and_earns_no_warning(raw: dict[str, Any]) -> None:
    assert judge(of=raw) == Verdict(Kind.ALLOW)


def test_a_pod_that_did_not_opt_in_is_not_ours() -> None:
    plain = victim()
    plain["metadata"]["labels"] = {}
    assert judge(under_way(), of=plain) == Verdict(Kind.ALLOW)


@pytest.mark.parametrize("phase", ["Failed", "Cancelled"])
def test_after_a_refusal_or_a_cancel_the_eviction_passes_with_the_reason(phase: str) -> None:
    verdict = judge(ended(phase, reason="NoEligibleTarget"))
    assert verdict.kind is Kind.ALLOW
    assert f"{NAME} ended {phase} (NoEligibleTarget: criu says no)" in verdict.message


def test_after_a_roll_back_it_is_tried_once_more_a_little_later() -> None:
    soon = judge(ended("RolledBack", since=4))
    assert (soon.kind, "tried again in 6 s" in soon.message) == (Kind.HOLD, True)
    later = judge(ended("RolledBack", since=evictions.BACK_OFF_SECONDS + 1))
    assert (later.kind, later.migration) == (Kind.CREATE, f"{NAME}-2")
    twice = judge(ended("RolledBack", since=60), ended("RolledBack", f"{NAME}-2", since=30))
    assert twice.kind is Kind.ALLOW
    assert f"{NAME}-2 ended RolledBack" in twice.message


def test_an_end_of_long_ago_counts_no_more() -> None:
    old = evictions.RECENT_SECONDS + 1
    verdict = judge(ended("Failed", since=old), ended("RolledBack", f"{NAME}-2", since=old))
    assert (verdict.kind, verdict.migration) == (Kind.CREATE, f"{NAME}-3")


def test_ends_that_say_nothing_about_the_pod_do_not_count() -> None:
    for reason in (Reason.ALREADY_MIGRATING, Reason.DISRUPTION_BUDGET):
        verdict = judge(ended("Failed", reason=reason.value))
        assert (verdict.kind, verdict.migration) == (Kind.CREATE, f"{NAME}-2")


def test_an_end_that_another_asked_for_does_not_count() -> None:
    assert judge(ended("Failed", "of-a-person")).migration == NAME


def stays_as(uid: str = "u-2") -> dict[str, Any]:
    """The pod that came of a StatefulSet's move, under the name of its source."""
    raw = victim(annotations={"podferry.dev/restore": f"m-{NAME}.1"})
    raw["metadata"]["uid"] = uid
    return raw


def kept(since: float = 5.0) -> Migration:
    ends = {"target": Endpoint("node-b", pod="app-1", uid="u-2")}
    return ended("Succeeded", since=since, reason="Moved", **ends)


@pytest.mark.parametrize(("since", "node", "kind"), [
    (5.0, OPEN, Kind.GONE),
    (evictions.MOVED_SECONDS + 1, OPEN, Kind.CREATE),
    (5.0, CORDONED, Kind.CREATE),
    (5.0, TAINTED, Kind.CREATE),
    (5.0, None, Kind.CREATE),
])  # fmt: skip
def test_a_late_retry_by_name_does_not_hit_the_replacement(
    since: float, node: dict[str, Any] | None, kind: Kind
) -> None:
    verdict = judge(kept(since), of=stays_as(), node=node)
    assert verdict.kind is kind
    if kind is Kind.GONE:
        assert "moved to node-b" in verdict.message


def test_a_replacement_of_another_name_is_evicted_like_any_pod() -> None:
    raw = stays_as()
    raw["metadata"]["name"] = "app-2"
    assert judge(ended("Succeeded", since=5), of=raw).kind is Kind.CREATE


def test_an_eviction_of_a_pod_by_its_uid_is_of_no_other() -> None:
    assert judge(kept(), of=stays_as(), uid=UID).kind is Kind.GONE
    # Nothing that we moved: the API server itself says that the UID differs.
    assert judge(of=stays_as(), uid=UID) == Verdict(Kind.ALLOW)
    assert judge(under_way(), uid=UID).kind is Kind.HOLD


@pytest.mark.parametrize(("ahead", "kind"), [(20.0, Kind.HOLD), (3 * 86400.0, Kind.ALLOW)])
def test_a_clock_that_is_a_little_wrong_costs_no_memory_and_a_lot_holds_nothing_for_ever(
    ahead: float, kind: Kind
) -> None:
    assert judge(migration(phase="Pending", age=-ahead)).kind is kind
