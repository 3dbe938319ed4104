"""Whatever order requests come and end in: never more than allowed, everybody's turn comes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from podferry.api.migration import (
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.core import places
from podferry.controller.core.view import Limits, View

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODES = ("a", "b", "c")
ends = st.sampled_from([("a", "b"), ("a", "c"), ("c", "b")])
limits = st.builds(Limits, st.integers(1, 3), st.integers(1, 3))
OVERTAKING = [("ask", 0), ("look", 0), ("ask", 0), ("look", 1), ("ask", 0), ("end", 0), ("look", 1)]
kinds = st.sampled_from(["ask", "look", "look", "end"])
turns = st.lists(st.tuples(kinds, st.integers(0, 99), ends), max_size=60)


@dataclass
class Cluster:
    """Requests, each looked at and ended in an order that the test chooses."""

    limits: Limits
    all: dict[str, Migration] = field(default_factory=dict)
    wanted: dict[str, tuple[str, str]] = field(default_factory=dict)
    ahead: dict[str, set[str]] = field(default_factory=dict)
    """By uid: who was moving or waited longer when it began to wait."""

    def ask(self, nodes: tuple[str, str]) -> None:
        uid = f"{len(self.wanted):03}"
        spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, uid))
        self.wanted[uid] = nodes
        self.all[uid] = Migration("ns", f"m{uid}", uid, 1, "1", False, (), uid, spec,
                                  MigrationStatus())  # fmt: skip

    def view(self, uid: str) -> View:
        others = tuple(one for key, one in self.all.items() if key != uid)
        return View(self.all[uid], NOW, {}, {}, None, active=others, limits=self.limits)

    def look(self, uid: str) -> None:
        one, view, (source, target) = self.all[uid], self.view(uid), self.wanted[uid]
        if places.holds_places(one):
            return
        turn = places.may_start(view, source, target)
        if turn.position:
            status = places.wait(view, source, target, turn).status
            first = {key for key, other in self.all.items() if places.holds_places(other)}
            first |= {key for key in self.all if key < uid}
            self.ahead.setdefault(uid, first)
        else:
            ends = {"source": Endpoint(source), "target": Endpoint(target), "queued": None}
            status = replace(one.status, phase="PreparingTarget", **ends)  # type: ignore[arg-type]
        self.all[uid] = replace(one, status=status)
        self.judge()

    def moving(self) -> list[str]:
        return sorted(key for key, one in self.all.items() if places.holds_places(one))

    def judge(self) -> None:
        for node in NODES:
            out = sum(self.wanted[key][0] == node for key in self.moving())
            into = sum(self.wanted[key][1] == node for key in self.moving())
            assert out <= self.limits.out_per_node, (node, out)
            assert into <= self.limits.in_per_node, (node, into)
        for uid, ahead in self.ahead.items():
            # Nobody who came later is before it: once those of then are over, it is its turn.
            if uid in self.all and not ahead & set(self.all):
                assert places.may_start(self.view(uid), *self.wanted[uid]).position == 0, uid


@settings(max_examples=200, deadline=None)
@given(limits, turns)
@example(Limits(1, 1), [(what, n, ("a", "b")) for what, n in OVERTAKING])
def test_limits_hold_and_nobody_starves(limit: Limits, given_turns: list[tuple]) -> None:  # type: ignore[type-arg]
    cluster = Cluster(limit)
    for what, number, nodes in given_turns:
        present, moving = sorted(cluster.all), cluster.moving()
        if what == "ask":
            cluster.ask(nodes)
        elif what == "look" and present:
            cluster.look(present[number % len(present)])
        elif what == "end" and moving:
            del cluster.all[moving[number % len(moving)]]
            cluster.judge()
    for _ in range(len(cluster.all)):
        for uid in sorted(cluster.all, reverse=True):
            cluster.look(uid)
        for uid in cluster.moving():
            del cluster.all[uid]
    assert not cluster.all


@given(limits, st.lists(ends, min_size=2, max_size=12))
def test_a_move_that_ended_frees_its_places(limit: Limits, asked: list[tuple[str, str]]) -> None:
    cluster = Cluster(limit)
    for nodes in asked:
        cluster.ask(nodes)
        cluster.look(max(cluster.all))
    waiting = sorted(set(cluster.all) - set(cluster.moving()))
    if not waiting:
        return
    position = places.may_start(cluster.view(waiting[0]), *cluster.wanted[waiting[0]]).position
    assert position == 1
    for uid in cluster.moving():
        del cluster.all[uid]
    assert places.may_start(cluster.view(waiting[0]), *cluster.wanted[waiting[0]]).position == 0
