"""A move that a tool asked for waits where its freeze would cost what a disruption budget keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import (
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    WorkloadKind,
    WorkloadRef,
)
from podferry.api.reasons import Condition
from podferry.controller.core import budgets
from podferry.controller.core.actions import ProbeSource
from podferry.controller.core.advance import advance
from podferry.controller.core.status import condition
from podferry.controller.core.view import Step, View
from tests.property.world import World
from tests.unit.strategies.container.samples import node, pod

LABELS = {"app": "web", "podferry.dev/migratable": "true"}
READY = [{"type": "Ready", "status": "True"}]


def member(name: str, **status: Any) -> dict[str, Any]:
    """A movable, Ready pod of the budget on node-a."""
    raw = pod()
    raw["metadata"].update(name=name, uid=f"u-{name}", labels=dict(LABELS), ownerReferences=[])
    raw["status"].update({"conditions": READY, **status})
    return raw


def budget(allowed: int, healthy: int, expected: int, **selector: Any) -> dict[str, Any]:
    status = {"disruptionsAllowed": allowed, "currentHealthy": healthy, "expectedPods": expected,
              "observedGeneration": 1}  # fmt: skip
    wanted = selector or {"matchLabels": {"app": "web"}}
    return {"metadata": {"name": "tight", "generation": 1}, "spec": {"selector": wanted},
            "status": status}  # fmt: skip


def view(*kept: dict[str, Any], asked_by: str = "eviction", moving: tuple[str, ...] = (),
         mine: dict[str, Any] | None = None) -> View:  # fmt: skip
    """A request for pod `web-0` beside moves of other pods of its namespace."""
    source = mine or member("web-0")
    base = World("Pod").view()
    spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, "web-0"))
    asked = replace(base.migration, spec=spec, status=MigrationStatus(), requested_by=asked_by)
    others = tuple(under_way(name, asked) for name in moving)
    pods = {name: member(name) for name in moving} | {"web-0": source}
    nodes = {name: node(name) for name in ("node-a", "node-b")}
    return replace(base, migration=asked, pods=pods, nodes=nodes, owner=None, others=others,
                   budgets=kept)  # fmt: skip


def under_way(name: str, like: Migration) -> Migration:
    ends = {"source": Endpoint("node-c", pod=name, uid=f"u-{name}"), "target": Endpoint("node-d")}
    return replace(like, name=f"m-{name}", uid=f"m-{name}",
                   status=MigrationStatus(phase="Freezing", **ends))  # type: ignore[arg-type] # fmt: skip


def starts(step: Step) -> bool:
    return any(isinstance(action, ProbeSource) for action in step.actions)


def below_its_minimum() -> dict[str, Any]:
    """`minAvailable: 2` with one pod: all that exist are healthy, and they are too few."""
    raw = budget(0, 1, 1)
    raw["status"]["desiredHealthy"] = 2
    return raw


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...], bool]] = {
    "room for one": (budget(1, 3, 3), (), True),
    "none is allowed and all are healthy": (budget(0, 1, 1), (), True),
    "a failure used it up": (budget(0, 2, 3), (), False),
    "below its minimum": (below_its_minimum(), (), False),
    "room for one, and one moves": (budget(1, 3, 3), ("web-1",), False),
    "room for two, and one moves": (budget(2, 3, 3), ("web-1",), True),
    "none is allowed, and one moves": (budget(0, 2, 2), ("web-1",), False),
    "of other pods": (budget(0, 2, 3, matchLabels={"app": "db"}), (), True),
    "of every pod": (budget(0, 2, 3, matchExpressions=[]), (), False),
    "by an expression": (
        budget(0, 2, 3, matchExpressions=[{"key": "app", "operator": "In", "values": ["web"]}]),
        (),
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_move_starts_only_where_the_budget_bears_its_freeze(case: str) -> None:
    kept, moving, may = CASES[case]
    step = advance(view(kept, moving=moving))
    assert starts(step) is may
    assert (step.status.source is not None) is may


def test_the_wait_names_the_budget_its_numbers_and_what_to_look_at() -> None:
    said = condition(advance(view(budget(0, 2, 3))).status, Condition.PROGRESSING)
    assert said is not None
    assert (said.status, said.reason) == ("True", "DisruptionBudget")
    for word in ("PodDisruptionBudget tight", "2 of the 3", "describe pdb tight"):
        assert word in said.message


def test_a_budget_that_was_changed_counts_once_the_cluster_has_counted() -> None:
    changed = budget(1, 3, 3)
    changed["metadata"]["generation"] = 2
    assert not starts(advance(view(changed)))


def test_a_person_s_own_migration_is_not_held() -> None:
    assert starts(advance(view(budget(0, 2, 3), asked_by="")))


def test_a_drain_keeps_budgets_as_an_eviction_does() -> None:
    assert not starts(advance(view(budget(0, 2, 3), asked_by="drain")))


def test_a_pod_that_is_not_ready_counts_for_no_budget() -> None:
    sick = member("web-0", conditions=[{"type": "Ready", "status": "False"}])
    assert starts(advance(view(budget(0, 2, 3), mine=sick)))


def test_between_the_two_pods_of_a_kept_name_the_move_still_counts() -> None:
    asked = view(budget(1, 3, 3), moving=("web-1",))
    gone = {name: raw for name, raw in asked.pods.items() if name != "web-1"}
    assert not starts(advance(replace(asked, pods=gone)))


def test_a_move_that_waits_itself_holds_nobody() -> None:
    asked = view(budget(1, 3, 3), moving=("web-1",))
    waiting = tuple(replace(other, status=MigrationStatus()) for other in asked.others)
    assert starts(advance(replace(asked, others=waiting)))


def test_it_waits_no_longer_than_a_request_does_and_then_touches_nothing() -> None:
    asked = view(budget(0, 2, 3))
    late = replace(asked.migration, created_at="2020-01-01T00:00:00Z")
    step = advance(replace(asked, migration=late))
    assert (step.status.phase, step.status.source) == ("Failed", None)
    assert budgets.are_kept(late)
