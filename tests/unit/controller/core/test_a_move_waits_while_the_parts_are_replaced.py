"""Controller and agents of several releases: what waits, for how long, and what never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest

from podferry.api.migration import Decision, MigrationStatus
from podferry.api.reasons import Condition
from podferry.controller.core import upgrades
from podferry.controller.core.advance import advance
from podferry.controller.core.status import condition, is_true, stamp
from podferry.controller.core.undecided import PREPARE_SECONDS
from podferry.controller.core.view import NodeView, Step, View
from podferry.wire.versions import Spoken, told
from tests.property.world import World
from tests.unit.controller.core import test_a_move_waits_for_a_place as requests

Facts = dict[str, Any]
OTHER: Facts = {"agentVersion": "9.9.9", "protocol": 9, "protocolOldest": 8}
DRAINS: Facts = {"draining": True}


def progress(step: Step) -> tuple[str, str]:
    found = condition(step.status, Condition.PROGRESSING)
    assert found is not None
    return found.reason, found.message


def telling(node: NodeView, facts: Facts) -> NodeView:
    return replace(node, facts={**(node.facts or {}), **facts})


def asked(*, source: Facts | None = None, seconds_ago: float = 0, **targets: Facts) -> View:
    """A request for a pod on node-a; what agents say besides what samples say."""
    names = {name.replace("_", "-"): facts for name, facts in targets.items()}
    view = requests.view(targets=tuple(names) or ("node-b",))
    nodes = {name: telling(node, names.get(name, {})) for name, node in view.nodes.items()}
    nodes["node-a"] = telling(nodes["node-a"], source or {})
    created = stamp(view.now - timedelta(seconds=seconds_ago))
    return replace(view, nodes=nodes, migration=replace(view.migration, created_at=created))


def held(kind: str = "ReplicaSet", **facts: Facts) -> View:
    """Prepared on both nodes, the target's container held: the next step freezes."""
    world = World(kind)
    for _ in range(100):
        view = world.view()
        if is_true(advance(view).status, Condition.TARGET_READY):
            return hears(view, **facts)
        world.reconcile()
    raise AssertionError("the target was never held")


def hears(view: View, **facts: Facts) -> View:
    assert view.source is not None
    assert view.target is not None
    return replace(
        view,
        source=replace(view.source, facts={**view.source.facts, **facts.get("source", {})}),
        target=replace(view.target, facts={**view.target.facts, **facts.get("target", {})}),
    )


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [((1, 1), (1, 1), True), ((2, 1), (1, 1), True), ((3, 2), (1, 1), False),
     ((3, 2), (2, 1), True), ((4, 1), (2, 2), True)],
)  # fmt: skip
def test_two_builds_fit_if_the_newer_speaks_the_older(
    one: tuple[int, int], other: tuple[int, int], fits: bool
) -> None:
    first, second = Spoken(*one, "a"), Spoken(*other, "b")
    assert first.understands(second) is second.understands(first) is fits


def test_an_agent_that_says_nothing_speaks_the_first_protocol() -> None:
    assert told({}) == Spoken(1, 1, "")
    assert told({"protocol": "x", "protocolOldest": True}) == Spoken(1, 1, "")


@pytest.mark.parametrize("side", ["source", "node_b"])
def test_a_request_waits_for_an_agent_that_speaks_another_protocol(side: str) -> None:
    step = advance(asked(**{side: OTHER}))
    reason, message = progress(step)
    assert (reason, step.status.phase, step.actions) == ("AgentVersion", "Pending", ())
    assert step.status.source is None
    node = "node-a" if side == "source" else "node-b"
    assert f"agent on {node} is 9.9.9 (protocol 9, speaks 8 to 9)" in message
    assert f"this controller {upgrades.OURS.words()}" in message
    assert "podferry install" in message
    assert step.requeue_after_seconds == 1.0


def test_agents_that_do_not_understand_each_other_are_both_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upgrades, "OURS", Spoken(2, 1, "0.2.0"))
    apart: dict[str, Facts] = {
        "source": {"agentVersion": "0.1.0", "protocol": 1},
        "node_b": {"agentVersion": "0.3.0", "protocol": 3, "protocolOldest": 2},
    }
    reason, message = progress(advance(asked(**apart)))
    assert reason == "AgentVersion"
    assert "on node-a is 0.1.0 (protocol 1), that on node-b 0.3.0 (protocol 3" in message
    assert "the upgrade of the agent on node-a" in message


def test_the_wait_has_an_end_and_then_nothing_was_touched() -> None:
    limit = min(upgrades.START_WAIT_SECONDS, asked().migration.spec.deadline_seconds)
    step = advance(asked(node_b=OTHER, seconds_ago=limit + 1))
    assert step.status.phase == "Failed"
    accepted = condition(step.status, Condition.ACCEPTED)
    assert accepted is not None
    assert accepted.reason == "AgentVersion"
    assert "nothing was touched" in accepted.message


def test_a_target_that_is_ready_is_chosen_before_one_that_drains() -> None:
    chosen = advance(asked(node_b=DRAINS, node_c={})).status.target
    assert chosen is not None
    assert chosen.node == "node-c"
    assert progress(advance(asked(node_b=DRAINS)))[0] == "AgentDraining"


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(("facts", "reason"), [(DRAINS, "AgentDraining"), (OTHER, "AgentVersion")])
def test_nothing_is_frozen_by_or_towards_such_an_agent(
    side: str, facts: Facts, reason: str
) -> None:
    step = advance(held(**{side: facts}))
    assert progress(step)[0] == reason
    assert not step.actions
    assert step.status.freeze_epoch == 0


@pytest.mark.parametrize("side", ["source", "target"])
def test_nothing_is_frozen_while_an_agent_is_away(side: str) -> None:
    quiet: dict[str, Any] = {f"{side}_age_seconds": upgrades.QUIET_SECONDS}
    step = advance(replace(held(), **quiet))
    assert progress(step)[0] == "AgentUnreachable"
    assert step.status.freeze_epoch == 0


def test_a_leader_that_ends_freezes_nothing() -> None:
    step = advance(replace(held(), ending=True))
    assert progress(step)[0] == "ControllerEnding"
    assert step.status.freeze_epoch == 0
    assert advance(held()).status.freeze_epoch == 1


def test_a_held_freeze_ends_in_a_roll_back_that_says_why() -> None:
    view = held(target=DRAINS)
    late = view.now + timedelta(seconds=PREPARE_SECONDS + 1)
    status = advance(replace(view, now=late)).status
    assert status.decision is Decision.ROLLED_BACK
    assert status.decision_reason == "AgentDraining"
    assert "nothing was frozen" in status.decision_message


@pytest.mark.parametrize("facts", [DRAINS, OTHER])
@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "StatefulSet", "Pod"])
def test_from_the_freeze_order_on_every_step_is_the_same_whatever_they_say(
    kind: str, facts: Facts
) -> None:
    world, compared = World(kind), 0
    for _ in range(200):
        view = world.view()
        if view.migration.status.freeze_epoch > 0 and view.source and view.target:
            spoiled = replace(hears(view, source=facts, target=facts), ending=True)
            assert advance(spoiled) == advance(view)
            compared += 1
        if world.reconcile():
            break
    assert world.status.phase == "Succeeded"
    assert compared > 5


def test_the_middle_of_a_move_is_from_the_freeze_order_to_the_resume() -> None:
    world = World("ReplicaSet")
    seen = []
    for _ in range(200):
        migration = world.view().migration
        status: MigrationStatus = migration.status
        middle = upgrades.in_the_middle(migration)
        assert middle is (status.freeze_epoch > 0 and not is_true(status, Condition.RESUMED))
        seen.append(middle)
        if world.reconcile():
            break
    assert [middle for middle, _ in groupby(seen)] == [False, True, False]
    assert not upgrades.in_the_middle(world.view().migration)
