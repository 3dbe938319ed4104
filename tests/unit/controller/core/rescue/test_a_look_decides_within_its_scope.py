"""What one look of a policy decides: whom, where to, or why not; and what it never asks for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podferry.api.rescue_policy import Action
from podferry.controller.core.rescue.look import Look, Scope, matches, scopes
from podferry.policies.vocabulary import MoveCost, Series
from podferry.wire.memory import PodMemory
from tests.unit.strategies.container import samples

from .worlds import GIB, known, looked, migration, pod, policy, pressed, report, under_way

RESTART = {"fallback": ["ColdRestart"]}


def asked(found: Look) -> list[tuple[str, str]]:
    return [(each.pod, each.target) for each in found.moves]


def outcome(found: Look) -> tuple[Action, str]:
    assert len(found.outcomes) == 1
    return found.outcomes[0].action, found.outcomes[0].why


def test_the_overloaded_node_gives_to_one_that_has_room() -> None:
    found = looked(pressed(), policy())
    assert asked(found) == [("shop/big", "node-c")]
    assert found.outcomes[0].action is Action.MOVE
    assert found.restarts == ()


def test_a_dry_run_decides_the_same_and_asks_for_nothing() -> None:
    found = looked(pressed(), policy(mode="DryRun"))
    assert asked(found) == []
    assert found.outcomes[0].action is Action.WOULD_MOVE
    assert found.outcomes[0].pod == "shop/big"


@pytest.mark.parametrize(
    ("of", "action", "said"),
    [
        (pressed(pods=[pod("big", annotations={"podferry.dev/exclude": "true"})]),
         Action.NO_VICTIM, "no pod of this node can be moved"),
        (pressed(reports={n: report(n, available=GIB) for n in ("node-b", "node-c")}),
         Action.NO_ROOM, "lacks"),
        (pressed(migrations=(under_way(pod="other", gib=0.1),)),
         Action.WAIT, "1 moves from node-a are under way, 1 are allowed"),
        (pressed(views={n: samples.node(n, cordoned=True) for n in ("node-b", "node-c")}),
         Action.NO_ROOM, "no other node"),
        (pressed(views={n: samples.node(n, facts=None) for n in ("node-b", "node-c")}),
         Action.NO_ROOM, ""),
        (pressed(doubts={"node-b": "silent", "node-c": "silent"}), Action.NO_ROOM, ""),
    ],
)  # fmt: skip
def test_what_stands_against_a_move_is_told(of: Any, action: Action, said: str) -> None:
    found = looked(of, policy(budgets={"inPerNode": 5}))
    assert asked(found) == []
    assert outcome(found)[0] is action
    assert said in outcome(found)[1]


def test_a_node_outside_of_the_scope_is_not_relieved() -> None:
    found = looked(pressed(), policy(), Scope(frozenset(["node-b"]), {"node-a": "older"}))
    assert found.outcomes == ()
    assert asked(found) == []


@pytest.mark.parametrize(
    "spec", [{"podSelector": {"app": "x"}}, {"namespaceSelector": {"team": "x"}}]
)
def test_a_pod_that_is_not_selected_stays(spec: dict[str, Any]) -> None:
    found = looked(pressed(), policy(**spec))
    assert asked(found) == []
    why = {each.key: each.why for each in found.decision.choices["node-a"].considered}
    assert why["shop/big"] == "not selected by RescuePolicy default"


def test_selected_pods_of_selected_namespaces_move() -> None:
    labels = {"podferry.dev/migratable": "true", "app": "x"}
    shop = {"metadata": {"name": "shop", "resourceVersion": "1", "labels": {"team": "x"}}}
    of = pressed(pods=[pod("big"), pod("small", labels=labels)], namespaces={"shop": shop})
    spec = {"podSelector": {"app": "x"}, "namespaceSelector": {"team": "x"}}
    assert asked(looked(of, policy(**spec))) == [("shop/small", "node-c")]


NOTE = {"descheduler.alpha.kubernetes.io/prefer-no-eviction": ""}


def test_a_reluctant_pod_moves_only_where_no_other_helps() -> None:
    of = pressed(pods=[pod("big", annotations=NOTE), pod("small")])
    assert asked(looked(of, policy())) == [("shop/small", "node-c")]
    alone = pressed(pods=[pod("big", annotations=NOTE)])
    assert asked(looked(alone, policy())) == [("shop/big", "node-c")]


def test_a_node_on_which_the_pod_cannot_run_is_named_with_the_reason() -> None:
    views = {"node-c": samples.node("node-c", facts=samples.facts(criuVersion="3.0"))}
    found = looked(pressed(views=views), policy())
    assert asked(found) == [("shop/big", "node-b")]
    why = {each.key: each.why for each in found.decision.placements["shop/big"].considered}
    assert "criu is 3.0" in why["node-c"]


def late(**more: Any) -> Any:
    """node-a grows by 0.05 GiB/s and has 0.3 GiB until kubelet evicts: 6 s."""
    times = tuple((2.0 - at, (3.5 + 0.05 * at) * GIB) for at in range(3))
    told = (PodMemory("u-big", 2 * GIB, 2 * GIB), PodMemory("u-small", GIB, GIB))
    reports = {"node-a": report("node-a", available=0.4 * GIB, pods=told, samples=times, age=0.0)}
    reports |= more.pop("reports", {})
    return pressed(reports=reports, cost=lambda _pod, _size: MoveCost(1.0, 20.0), **more)


def test_a_move_that_comes_too_late_is_told_and_tried() -> None:
    found = looked(late(), policy())
    assert found.outcomes[0].action is Action.MOVE
    assert found.outcomes[0].too_late.startswith("node-a is out of memory in 6.0 s, a move of")
    assert len(asked(found)) == 1


@pytest.mark.parametrize(("mode", "restarts"), [("Act", ("shop/big",)), ("DryRun", ())])
def test_a_move_that_comes_too_late_is_a_restart_where_allowed(
    mode: str, restarts: tuple[str, ...]
) -> None:
    found = looked(late(), policy(mode=mode, **RESTART))
    assert found.restarts == restarts
    assert asked(found) == []
    wanted = {"Act": Action.COLD_RESTART, "DryRun": Action.WOULD_COLD_RESTART}
    assert found.outcomes[0].action is wanted[mode]


def test_what_a_budget_holds_waits_and_says_that_it_is_late() -> None:
    found = looked(late(migrations=(under_way(pod="other", gib=0.0),)), policy())
    assert found.outcomes[0].action is Action.WAIT
    assert found.outcomes[0].too_late


def two_pressed(**more: Any) -> Any:
    told = (PodMemory("u-other", 2 * GIB, 2 * GIB), PodMemory("u-rest", GIB, GIB))
    second = {"node-d": report("node-d", available=0.3 * GIB, pods=told)}
    pods = [pod("big"), pod("small"), pod("other", "node-d"), pod("rest", "node-d")]
    return pressed(reports=second, pods=pods, **more)


def test_a_node_that_moves_at_once_puts_off_waits_and_is_not_restarted() -> None:
    found = looked(two_pressed(), policy(movesAtOnce=1, **RESTART))
    assert len(asked(found)) == 1
    assert {each.node: each.action for each in found.outcomes} == {
        "node-a": Action.WAIT, "node-d": Action.MOVE
    }  # fmt: skip
    assert found.restarts == ()
    assert "movesAtOnce" in next(each.why for each in found.outcomes if each.node == "node-a")


def test_two_moves_of_one_look_do_not_fill_one_node() -> None:
    found = looked(two_pressed(), policy(budgets={"inPerNode": 9}))
    assert sorted(target for _, target in asked(found)) == ["node-b", "node-c"]


# -- scopes --------------------------------------------------------------------------------------
def test_of_two_policies_the_older_one_has_the_node_whatever_its_name() -> None:
    views = {name: samples.node(name, labels={"pool": name[-1]}) for name in ("n-a", "n-b")}
    older = policy("z", created=100, nodeSelector={"pool": "a"})
    found = scopes((policy("a", created=50), older), views)
    assert found["z"] == Scope(frozenset(["n-a"]), {})
    assert found["a"] == Scope(frozenset(["n-b"]), {"n-a": "z"})


def test_of_two_policies_of_one_second_the_name_decides() -> None:
    views = {"n": samples.node("n")}
    found = scopes((policy("b", created=5), policy("a", created=5)), views)
    assert found["a"].nodes == {"n"}
    assert found["b"].contested == {"n": "a"}


@pytest.mark.parametrize(
    ("labels", "selector", "wanted"),
    [({}, None, True), ({}, {}, True), ({"a": "1"}, {"a": "1"}, True), ({}, {"a": "1"}, False),
     ({"a": "2"}, {"a": "1"}, False), ({"a": "1"}, {"a": "1", "b": "1"}, False)],
)  # fmt: skip
def test_all_labels_of_a_selector_must_be_there(
    labels: dict[str, str], selector: dict[str, str] | None, wanted: bool
) -> None:
    assert matches(labels, selector) is wanted


# -- whatever the cluster is like ----------------------------------------------------------------
NODES = ["node-0", "node-1", "node-2", "node-3"]


@st.composite
def clusters(draw: Any) -> Any:
    reports, pods, views, doubts = {}, [], {}, {}
    for node in NODES:
        told = []
        for at in range(draw(st.integers(0, 3))):
            name = f"p-{node}-{at}"
            if draw(st.booleans()):
                told.append(PodMemory(f"u-{name}", draw(st.floats(0, 2)) * GIB, 1.0))
            notes = draw(st.sampled_from([{}, {"podferry.dev/exclude": "true"}, NOTE]))
            pods.append(pod(name, node, annotations=notes))
        if draw(st.integers(0, 5)):
            free = draw(st.floats(-0.5, 4)) * GIB
            reports[node] = report(node, available=free, pods=tuple(told))
        views[node] = samples.node(node, cordoned=draw(st.integers(0, 3)) == 0)
        if draw(st.integers(0, 3)) == 0:
            doubts[node] = "silent"
    moving = draw(st.lists(st.sampled_from([each["metadata"]["name"] for each in pods] or ["x"]),
                           unique=True, max_size=2))  # fmt: skip
    found = []
    for at, name in enumerate(moving):
        node = name[2:8] if name != "x" else "node-0"
        status = {"source": {"node": node, "pod": name, "uid": f"u-{name}"},
                  "target": {"node": draw(st.sampled_from(NODES))}}  # fmt: skip
        found.append(migration(f"m{at}", name, status=status))
    cost = draw(st.sampled_from([0.0, 10.0]))
    return known(reports, pods, views=views, doubts=doubts, migrations=tuple(found),
                 cost=lambda _pod, _size: MoveCost(cost, cost))  # fmt: skip


policies = st.builds(
    lambda detector, victim, out, into, cluster, fallback, at_once: policy(
        detector=detector, victim={"name": victim}, fallback=fallback, movesAtOnce=at_once,
        budgets={"outPerNode": out, "inPerNode": into, "perCluster": cluster},
    ),
    st.sampled_from([{"name": "threshold", "args": {"freePercent": 20}},
                     {"name": "time-to-exhaustion"}]),
    st.sampled_from(["largest", "minimum-migration-time", "kubelet-order", "random", "sandpiper"]),
    st.integers(1, 2), st.integers(1, 2), st.integers(1, 3),
    st.sampled_from([[], ["ColdRestart"]]), st.integers(0, 2),
)  # fmt: skip
scope_of = st.lists(st.sampled_from(NODES), unique=True).map(
    lambda names: Scope(frozenset(names), {name: "older" for name in NODES if name not in names})
)


@settings(max_examples=60)
@given(clusters(), policies, scope_of)
def test_a_look_never_goes_beyond_what_is_allowed(of: Any, asking: Any, scope: Scope) -> None:
    found = looked(of, asking, scope)
    pods = {each.key: (each, node) for node in found.snapshot.nodes for each in node.pods}
    for command in found.moves:
        each, source = pods[command.pod]
        target = found.snapshot.node(command.target)
        assert not each.blocked
        assert source.name == command.source != command.target
        assert source.name in scope.nodes
        assert source.known
        assert target.known
        assert target.schedulable
    active = [move for move in found.ledger.moves if move.ended is None]
    budgets = asking.spec.budgets
    out = Counter(move.source for move in active)
    into = Counter(move.target for move in active)
    if found.moves:
        assert len(active) + len(found.moves) <= budgets.per_cluster
    for command in found.moves:
        out[command.source] += 1
        into[command.target] += 1
        assert out[command.source] <= budgets.out_per_node
        assert into[command.target] <= budgets.in_per_node
    for key in found.restarts:
        each, source = pods[key]
        assert not each.blocked
        assert asking.spec.fallback
        assert source.name in scope.nodes
        assert source.known
    moved = [command.pod for command in found.moves]
    assert len(set(moved)) == len(moved)
    assert not set(moved) & set(found.restarts)
    assert len({each.node for each in found.outcomes}) == len(found.outcomes)
    assert looked(of, asking, scope).moves == found.moves


def test_the_history_of_the_snapshot_is_that_of_the_reports() -> None:
    assert looked(late(), policy()).snapshot.node("node-a").history == Series(
        (998.0, 999.0, 1000.0), (3.5 * GIB, 3.55 * GIB, 3.6 * GIB)
    )
