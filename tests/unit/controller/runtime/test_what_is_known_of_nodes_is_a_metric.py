"""The memory of the nodes as Prometheus reads it, made anew at each scrape."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from podferry.api.clock import FakeClock
from podferry.controller.core.rescue.history import NodeHistory
from podferry.controller.core.rescue.reports import Believed
from podferry.controller.runtime.memory_gauges import MemoryGauges, Watched
from podferry.wire.memory import Report

MIB = 1 << 20


def report(available: float) -> Report:
    return Report(
        node="node-a",
        boot_id="b",
        seq=1,
        started=1.0,
        age=0.0,
        interval=1.0,
        capacity=1000.0 * MIB,
        available=available,
        eviction=100.0 * MIB,
        eviction_source="default",
        urgent=True,
    )


def filling(slope: float, now: float) -> NodeHistory:
    """Samples of 20 s in which the used memory rises by `slope` a second, to 700 MiB."""
    history = NodeHistory()
    samples = tuple((float(age), 700.0 * MIB - slope * age) for age in range(20, 0, -1))
    history.add(now, 600.0, (0.0, 700.0 * MIB), samples, ())
    return history


def scraped(watched: Watched, clock: FakeClock) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(MemoryGauges(lambda: watched, clock))
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name.removeprefix("podferry_node_memory_"): float(value) for name, value in pairs}


def test_a_node_that_fills_shows_what_is_left_and_for_how_long() -> None:
    clock = FakeClock()
    clock.advance(100.0)
    known = (Believed(report(300.0 * MIB), 98.0, 98.0), filling(2.0 * MIB, 98.0))
    found = scraped({"node-a": known}, clock)
    assert found['available_bytes{node="node-a"}'] == 300 * MIB
    assert found['eviction_threshold_bytes{node="node-a"}'] == 100 * MIB
    assert found['report_age_seconds{node="node-a"}'] == 2.0
    assert round(found['exhausted_in_seconds{node="node-a"}'], 3) == 100.0


def test_what_is_not_foreseen_has_no_line() -> None:
    known = (Believed(report(300.0 * MIB), 0.0, 0.0), filling(0.0, 0.0))
    assert 'exhausted_in_seconds{node="node-a"}' not in scraped({"node-a": known}, FakeClock())


def test_a_node_that_never_told_anything_is_infinitely_old_and_has_no_memory() -> None:
    found = scraped({"node-a": (None, None)}, FakeClock())
    assert found == {'report_age_seconds{node="node-a"}': float("inf")}


def test_nothing_is_watched_without_a_policy() -> None:
    assert scraped({}, FakeClock()) == {}
