"""Looking at every node for a pod that may not go anyway is most of the work of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field

from podferry.policies.decide import decide
from podferry.policies.gates.limits import Budgets
from podferry.policies.vocabulary import (
    Choice,
    Command,
    Decision,
    Draw,
    Move,
    Node,
    Overload,
    Placement,
    Pod,
    Policy,
    Snapshot,
)
from tests.unit.policies.worlds import node, pod


class Hot:
    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        return Overload(node.name, 1.0, None, "hot") if node.name == "hot" else None


class All:
    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        return Choice(tuple(pod.key for pod in node.pods), "all")


@dataclass
class Counting:
    asked: list[str] = field(default_factory=list)

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        self.asked.append(pod.key)
        return Placement("cold", "there is room")


def decided(budgets: Budgets, moves: tuple[Move, ...] = ()) -> tuple[Decision, list[str]]:
    targets = Counting()
    policy = Policy(Hot(), All(), targets, (budgets,))
    seen = Snapshot(0.0, (node("hot", [pod(key, 1.0) for key in "abc"]), node("cold")))
    return decide(policy, seen, moves, lambda: 0.5), targets.asked


def test_after_the_last_move_that_is_allowed_no_place_is_looked_for() -> None:
    decision, asked = decided(Budgets(node_out=1))
    assert [command.pod for command in decision.commands] == ["a"]
    assert asked == ["a"]


def test_the_others_are_refused_with_the_reason() -> None:
    decision, _ = decided(Budgets(node_out=1))
    assert [(command.pod, command.target) for command, _ in decision.refused] == [
        ("b", ""), ("c", ""),
    ]  # fmt: skip
    why = "1 moves from hot are under way, 1 are allowed"
    assert {verdict.why for _, verdict in decision.refused} == {why}


def test_a_cluster_without_a_move_left_looks_for_no_place_at_all() -> None:
    move = Move("x", "other", "cold", 0.0)
    decision, asked = decided(Budgets(node_in=0, cluster=1), (move,))
    assert (decision.commands, asked) == ((), [])


def test_what_depends_on_the_target_is_asked_once_there_is_one() -> None:
    decision, asked = decided(Budgets(node_out=0, node_in=1))
    assert asked == ["a", "b", "c"]
    assert [command.target for command, _ in decision.refused] == ["cold", "cold"]


def test_refusing_early_and_late_say_the_same() -> None:
    budgets, move = Budgets(node_out=1), (Move("x", "hot", "cold", 0.0),)
    command = Command("a", "hot", "cold", 1.0, 0.0, "why")
    assert budgets.refuses("hot", move) == budgets.check(command, move, Snapshot(0.0, ()))
