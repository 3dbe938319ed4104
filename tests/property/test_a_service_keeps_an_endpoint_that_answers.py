"""The source forwards until the target is routed to; each wait for that is bounded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from podferry.controller.core import handover

from .test_the_core_survives_a_crash_after_every_write_and_action import check, points, run
from .world import World

DETACHED = ("ReplicaSet", "Job")
SLACK_SECONDS = 1.5
"""What the steps themselves take in the world's time, with a crash among them."""


@pytest.mark.parametrize("kind", DETACHED)
def test_the_source_ends_only_when_the_target_is_ready_and_its_pod_later(kind: str) -> None:
    for point in range(points(kind) + 1):
        world = run(World(kind, crash_at=point))
        check(world)
        assert world.forwarded_to == "10.1.0.2"


@pytest.mark.parametrize("kind", DETACHED)
def test_a_target_that_is_never_ready_keeps_the_memory_for_a_bounded_time(kind: str) -> None:
    for point in range(points(kind, ever_ready=False) + 1):
        world = run(World(kind, ever_ready=False, crash_at=point))
        check(world)
        assert _took(world) <= handover.READY_SECONDS + handover.ROUTES_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("kind", DETACHED)
def test_a_target_without_a_known_address_holds_nothing_up(kind: str) -> None:
    for point in range(points(kind, knows_ip=False) + 1):
        world = run(World(kind, knows_ip=False, crash_at=point))
        check(world)
        assert world.forwarded_to == ""
        assert _took(world) <= SLACK_SECONDS


@pytest.mark.parametrize("kind", DETACHED)
def test_a_node_that_is_short_of_memory_gets_it_back_before_the_target_is_ready(
    kind: str,
) -> None:
    world = run(World(kind, pressure=True))
    check(world)
    assert world.released_at is not None
    assert world.resumed_at is not None
    assert world.released_at - world.resumed_at < timedelta(seconds=0.5)


@pytest.mark.parametrize("kind", ["StatefulSet", "Pod"])
def test_a_pod_that_keeps_its_name_waits_for_nothing(kind: str) -> None:
    world = run(World(kind))
    check(world)
    assert world.forwarded_to == ""
    assert _took(world) <= SLACK_SECONDS


def _took(world: World) -> float:
    """Seconds from the resume to the end."""
    assert world.resumed_at is not None
    return (world.now - world.resumed_at).total_seconds()
