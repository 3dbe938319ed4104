"""Each plug-in, on any well-formed cluster: no error, nobody blocked, no place that cannot be."""

from __future__ import annotations

from itertools import cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podferry.policies.decide import decide
from podferry.policies.registry import TABLES, build
from podferry.policies.vocabulary import (
    Move,
    MoveCost,
    Node,
    Overload,
    Pod,
    Policy,
    Pressure,
    Series,
    Snapshot,
)

NOW = 5000.0
GIB = 2.0**30
SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

sizes = st.floats(0, 600).map(lambda size: size * GIB)


@st.composite
def histories(draw):
    values = draw(st.lists(sizes, max_size=40))
    step = draw(st.sampled_from([1.0, 10.0, 15.0, 60.0, 0.25]))
    late = draw(st.sampled_from([0.0, 7.0, 400.0]))
    return Series(tuple(NOW - late - step * (len(values) - at) for at in range(len(values))),
                  tuple(values))  # fmt: skip


@st.composite
def pods(draw, key):
    return Pod(
        key,
        draw(sizes),
        draw(histories()),
        request=draw(sizes),
        limit=draw(st.none() | sizes),
        priority=draw(st.integers(-5, 5)),
        started=draw(st.floats(0, NOW)),
        value=draw(st.floats(0, 10)),
        cost=MoveCost(draw(st.floats(0, 900)), draw(st.floats(0, 2000))),
        moves=draw(st.integers(0, 5)),
        cpu=draw(st.floats(0, 8)),
        blocked=draw(st.sampled_from(["", "", "is being frozen"])),
    )


@st.composite
def nodes(draw, name):
    capacity = draw(st.floats(1, 1000)) * GIB
    return Node(
        name,
        capacity,
        draw(st.floats(0, 1.2)) * capacity,
        draw(histories()),
        tuple(draw(pods(f"{name}/{at}")) for at in range(draw(st.integers(0, 5)))),
        eviction=draw(st.sampled_from([0.0, 100 * 2.0**20])),
        allocatable=draw(st.none() | sizes),
        cpu=draw(st.sampled_from([float("inf"), 64.0, 0.5])),
        pod_slots=draw(st.sampled_from([2, 110])),
        schedulable=draw(st.booleans()),
        known=draw(st.booleans()),
        incoming=draw(st.sampled_from([0.0, 3 * GIB])),
        outgoing=draw(st.sampled_from([0.0, 2 * GIB])),
        pressure=draw(st.none() | st.builds(Pressure, st.floats(0, 100), st.floats(0, 100))),
    )


@st.composite
def snapshots(draw):
    return Snapshot(NOW, tuple(draw(nodes(f"n{at}")) for at in range(draw(st.integers(1, 4)))))


@st.composite
def past(draw, snapshot):
    keys = [pod.key for node in snapshot.nodes for pod in node.pods]
    moves = []
    for key in draw(st.lists(st.sampled_from(keys), max_size=4)) if keys else []:
        begun = draw(st.floats(0, NOW))
        ended = draw(st.none() | st.floats(begun, NOW))
        expected = draw(st.none() | st.just(begun + 100))
        moves.append(Move(key, key.split("/")[0], "n0", begun, ended, True, expected))
    return tuple(moves)


def drawn():
    values = cycle([0.3, 0.99, 0.0, 0.5])
    return lambda: next(values)


@pytest.mark.parametrize("name", sorted(TABLES["detector"]))
@SOME
@given(data=st.data())
def test_a_detector_never_raises_and_says_how_much(name, data):
    rule, snapshot = build("detector", {"name": name}), data.draw(snapshots())
    for node in snapshot.nodes:
        found = rule.detect(node, snapshot)
        assert found == rule.detect(node, snapshot)
        if found is not None:
            assert found.node == node.name
            assert found.need >= 0
            assert found.exhausted_in is None or found.exhausted_in >= 0
            assert any(unit in found.why for unit in ("GiB", "%", " s"))


@pytest.mark.parametrize("name", sorted(TABLES["victim"]))
@SOME
@given(data=st.data())
def test_a_victim_rule_never_takes_a_blocked_pod_and_gives_each_a_reason(name, data):
    rule, snapshot = build("victim", {"name": name}), data.draw(snapshots())
    for node in snapshot.nodes:
        left = data.draw(st.none() | st.floats(0, 1000))
        overload = Overload(node.name, data.draw(sizes), left, "")
        choice = rule.choose(node, overload, snapshot, drawn())
        assert choice == rule.choose(node, overload, snapshot, drawn())
        free = {pod.key for pod in node.pods if not pod.blocked}
        assert set(choice.pods) <= free
        assert len(set(choice.pods)) == len(choice.pods)
        assert choice.why
        assert all(each.why for each in choice.considered)
        assert {each.key for each in choice.considered} == {pod.key for pod in node.pods}


@pytest.mark.parametrize("name", sorted(TABLES["target"]))
@SOME
@given(data=st.data())
def test_a_target_is_another_known_schedulable_node_or_the_shortfall_is_said(name, data):
    rule, snapshot = build("target", {"name": name}), data.draw(snapshots())
    for node in snapshot.nodes:
        for pod in node.pods:
            placement = rule.place(pod, node, snapshot)
            assert placement == rule.place(pod, node, snapshot)
            assert placement.why
            if placement.node:
                target = snapshot.node(placement.node)
                assert target.known
                assert target.schedulable
                assert target.name != node.name
                assert placement.shortfall == 0
            else:
                assert placement.shortfall >= 0
                assert len(placement.considered) == len(snapshot.nodes) - 1


@pytest.mark.parametrize("gate", sorted(TABLES["gate"]))
@SOME
@given(data=st.data())
def test_a_decision_books_what_it_commands(gate, data):
    snapshot = data.draw(snapshots())
    moves = data.draw(past(snapshot))
    policy = Policy(
        build("detector", {"name": "threshold", "args": {"freePercent": 60}}),
        build("victim", {"name": data.draw(st.sampled_from(sorted(TABLES["victim"])))}),
        build("target", {"name": data.draw(st.sampled_from(sorted(TABLES["target"])))}),
        (build("gate", {"name": gate}),),
        build("cordon", {"name": "free-memory"}),
    )
    decision = decide(policy, snapshot, moves, drawn())
    assert decision == decide(policy, snapshot, moves, drawn())
    moving = {move.pod for move in moves if move.ended is None}
    assert not {command.pod for command in decision.commands} & moving
    assert all(command.start >= NOW and command.why for command in decision.commands)
    for node in snapshot.nodes:
        taken = sum(each.memory for each in decision.commands if each.target == node.name)
        after = node.capacity - node.used - node.incoming + node.outgoing - taken
        if taken:  # the floor of every target rule is 35 % here
            assert after >= 0.35 * node.capacity * (1 - 1e-9)
