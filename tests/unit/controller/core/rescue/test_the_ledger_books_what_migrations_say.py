"""What is still to come, what will be free, who is busy: from the Migrations alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.api.migration import Migration
from podferry.controller.core.rescue.moves import Asked, Ledger, Place, ledger
from podferry.policies.vocabulary import Command

from .worlds import GIB, NOW, WALL, ago, migration, under_way

RELEASED = {"conditions": [{"type": "SourceReleased", "status": "True", "reason": "Released",
                            "message": "", "lastTransitionTime": ago(1)}]}  # fmt: skip
PLACE = Place("u-app", "node-a", 2 * GIB)


def read(*migrations: Migration, asked: tuple[Asked, ...] = (), **more: Any) -> Ledger:
    return ledger(migrations, asked, now=NOW, wall=WALL, **more)


def booked(found: Ledger) -> tuple[dict[str, float], dict[str, float]]:
    return dict(found.incoming), dict(found.outgoing)


def over(phase: str = "Succeeded", reason: str = "Decided", **more: Any) -> Migration:
    decision = "Committed" if phase == "Succeeded" else "RolledBack"
    return under_way(
        phase=phase, decision=decision, decisionReason=reason, completedAt=ago(20), **more
    )


def test_a_move_under_way_books_both_ends_and_both_pods() -> None:
    found = read(under_way(gib=1.5))
    assert booked(found) == ({"node-b": 1.5 * GIB}, {"node-a": 1.5 * GIB})
    assert found.busy.keys() == {"u-app", "u-app-2"}
    assert "Migration m" in found.busy["u-app"]
    move = found.moves[0]
    assert (move.pod, move.source, move.target) == ("shop/app", "node-a", "node-b")
    assert (move.begun, move.ended, move.expected_end) == (NOW - 60, None, NOW - 50)


@pytest.mark.parametrize(
    ("status", "incoming", "outgoing"),
    [
        ({"resumedAt": ago(1)}, {}, {"node-a": GIB}),
        (RELEASED, {"node-b": GIB}, {}),
        ({"resumedAt": ago(1), **RELEASED}, {}, {}),
    ],
)
def test_what_has_arrived_or_is_free_is_not_booked(
    status: dict[str, Any], incoming: dict[str, float], outgoing: dict[str, float]
) -> None:
    found = read(under_way(**status))
    assert booked(found) == (incoming, outgoing)
    assert found.moves[0].ended is None


@pytest.mark.parametrize(
    "one",
    [over(), over("RolledBack", "PrepareFailed"), over("RolledBack", "PressureGone"),
     migration(status={"phase": "Failed"}), migration(status={"phase": "Cancelled"})],
)  # fmt: skip
def test_what_is_over_books_nothing(one: Migration) -> None:
    found = read(one, place=lambda _key: PLACE)
    assert booked(found) == ({}, {})
    assert not found.busy


@pytest.mark.parametrize(
    ("one", "remembered"),
    [
        (over(), [(NOW - 20, True)]),
        (over("RolledBack", "PrepareFailed"), [(NOW - 20, False)]),
        (over("RolledBack", "PressureGone"), []),
        (over("RolledBack", "Cancelled"), []),
        (migration(status={"phase": "Failed"}), []),
    ],
)
def test_what_is_over_is_remembered_unless_it_was_taken_back(
    one: Migration, remembered: list[tuple[float, bool]]
) -> None:
    assert [(move.ended, move.succeeded) for move in read(one).moves] == remembered


def test_a_migration_that_nobody_looked_at_yet_counts_as_what_its_pod_is() -> None:
    one = migration(targetNode="node-b")
    found = read(one, place={"shop/app": PLACE}.get)
    assert booked(found) == ({"node-b": 2 * GIB}, {"node-a": 2 * GIB})
    assert found.busy.keys() == {"u-app"}
    assert found.moves[0].pod == "shop/app"


def test_one_whose_memory_was_not_measured_yet_counts_as_what_its_pod_is() -> None:
    one = migration(status={
        "phase": "Pending", "source": {"node": "node-a", "pod": "app", "uid": "u-app"},
        "target": {"node": "node-b"},
    })  # fmt: skip
    found = read(one, place={"shop/app": PLACE}.get)
    assert booked(found) == ({"node-b": 2 * GIB}, {"node-a": 2 * GIB})


def test_a_queued_one_books_where_it_will_go() -> None:
    queued = {"sourceNode": "node-a", "targetNode": "node-c", "position": 1}
    one = migration(status={"phase": "Pending", "queued": queued})
    found = read(one, place={"shop/app": PLACE}.get)
    assert booked(found) == ({"node-c": 2 * GIB}, {"node-a": 2 * GIB})
    assert found.busy.keys() == {"u-app"}


@pytest.mark.parametrize(
    "one", [migration(), migration(kind="Deployment", targetNode="node-b")]
)  # fmt: skip
def test_of_what_nobody_knows_nothing_is_booked(one: Migration) -> None:
    found = read(one)
    assert (found.moves, *booked(found)) == ((), {}, {})


def test_a_person_s_request_without_a_target_leaves_the_source_only() -> None:
    found = read(migration(), place=lambda _key: PLACE)
    assert booked(found) == ({}, {"node-a": 2 * GIB})
    assert (found.moves[0].source, found.moves[0].target) == ("node-a", "")


ASKED = Asked("shop", "m", "u-app", Command("shop/app", "node-a", "node-b", GIB, NOW, "w"), NOW)


def test_what_was_asked_for_counts_until_the_store_shows_it_and_then_once() -> None:
    early = read(asked=(ASKED,))
    assert booked(early) == ({"node-b": GIB}, {"node-a": GIB})
    assert early.busy.keys() == {"u-app"}
    late = read(under_way(gib=1.5), asked=(ASKED,))
    assert booked(late) == ({"node-b": 1.5 * GIB}, {"node-a": 1.5 * GIB})
    assert len(late.moves) == 1


def test_the_one_that_is_left_out_counts_neither_as_begun_nor_as_asked_for() -> None:
    found = read(under_way(), asked=(ASKED,), without="u-m")
    assert (found.moves, *booked(found), dict(found.busy)) == ((), {}, {}, {})


def test_a_workload_keeps_one_name_and_a_count_over_its_moves() -> None:
    ends = [("app", "app-2"), ("app-2", "app-3"), ("app-3", "app-4")]
    chain = [
        migration(
            f"m{at}",
            source,
            created=300 - at * 100,
            status={
                "phase": "Succeeded",
                "decision": "Committed",
                "completedAt": ago(290 - at * 100),
                "source": {"node": "a", "pod": source, "uid": f"u-{source}"},
                "target": {"node": "b", "pod": target, "uid": f"u-{target}"},
            },
        )
        for at, (source, target) in enumerate(ends)
    ]
    for order in (chain, chain[::-1]):
        found = read(*order)
        assert {move.pod for move in found.moves} == {"shop/app-4"}
        assert found.moved == {"u-app-2": 1, "u-app-3": 2, "u-app-4": 3}


def test_a_move_that_was_rolled_back_leaves_the_name_to_its_source() -> None:
    found = read(over("RolledBack", "PrepareFailed"))
    assert [move.pod for move in found.moves] == ["shop/app"]
    assert not found.moved


@pytest.mark.parametrize(("seconds", "long"), [(-3600.0, True), (-1.0, False), (3600.0, False)])
def test_a_stamp_of_a_clock_that_was_ahead_is_long_ago(seconds: float, long: bool) -> None:
    move = read(migration(created=seconds, status=under_way_status())).moves[0]
    assert (move.begun < NOW - 1e8) is long
    assert move.begun <= NOW


def under_way_status() -> dict[str, Any]:
    return {"source": {"node": "a", "pod": "app", "uid": "u"}, "target": {"node": "b"}}


@st.composite
def clusters(draw: Any) -> list[Migration]:
    """Migrations of any state between three nodes."""
    found = []
    for at in range(draw(st.integers(0, 6))):
        nodes = draw(st.permutations(["node-a", "node-b", "node-c"]))
        status = {
            "phase": draw(st.sampled_from(["Pending", "PreparingTarget", "Succeeded", "Failed"])),
            "source": {"node": nodes[0], "pod": f"p{at}", "uid": f"u-{at}"},
            "target": {"node": nodes[1]},
            "prediction": {"freezeP50Seconds": 1, "freezeP95Seconds": 1, "totalSeconds": 1,
                           "bytes": draw(st.integers(0, 2**40)), "source": "prior"},
            **draw(st.sampled_from([{}, {"resumedAt": ago(1)}, RELEASED])),
        }  # fmt: skip
        found.append(migration(f"m{at}", f"p{at}", created=at, status=status))
    return found


@given(clusters())
def test_the_sums_are_those_of_the_moves_under_way(them: list[Migration]) -> None:
    found = read(*them)
    active = [one for one in them if one.status.phase in ("Pending", "PreparingTarget")]
    coming: dict[str, float] = {}
    going: dict[str, float] = {}
    for one in active:
        source, target, told = one.status.source, one.status.target, one.status.prediction
        assert source
        assert target
        assert told
        if not one.status.resumed_at:
            coming[target.node] = coming.get(target.node, 0.0) + told.bytes
        if not one.status.conditions:
            going[source.node] = going.get(source.node, 0.0) + told.bytes
    assert booked(found) == (coming, going)
    assert len([move for move in found.moves if move.ended is None]) == len(active)
    assert found == read(*them[::-1])
