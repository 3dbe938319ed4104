"""Prometheus metrics of the samples. Owns their names; measures nothing."""

from __future__ import annotations

import time

from prometheus_client import Counter, Gauge

from podferry.agent.memory.thresholds import Thresholds

available = Gauge(
    "podferry_agent_memory_available_bytes",
    "memory.available of the node as kubelet's eviction manager computes it",
)
of_pods_available = Gauge(
    "podferry_agent_memory_allocatable_available_bytes",
    "memory.available that is as far from the threshold as kubelet's allocatableMemory.available;"
    " NaN: pods have no limit of their own",
)
threshold = Gauge(
    "podferry_agent_memory_eviction_threshold_bytes",
    "memory.available below which kubelet evicts, by kind (hard, soft); absent: none is set",
    ["kind"],
)
age = Gauge("podferry_agent_memory_sample_age_seconds", "Age of the latest sample; NaN: none yet")
samples = Counter("podferry_agent_memory_samples", "Samples of the node that were taken")
errors = Counter("podferry_agent_memory_sample_errors", "What could not be sampled", ["reason"])
cpu = Counter("podferry_agent_memory_sample_cpu_seconds", "Processor time of sampling")
pressure = Gauge(
    "podferry_agent_memory_pressure_percent",
    "PSI `some` of the node by window (avg10, avg60); absent without cgroup v2",
    ["window"],
)
_latest = float("nan")
age.set_function(lambda: time.monotonic() - _latest)


def sampled(
    moment: float,
    bytes_available: float,
    of_pods: float | None,
    thresholds: Thresholds,
    psi: tuple[float, float] | None,
) -> None:
    """Count and show a sample taken at `moment` (monotonic [s])."""
    global _latest
    _latest = moment
    samples.inc()
    available.set(bytes_available)
    of_pods_available.set(float("nan") if of_pods is None else of_pods)
    threshold.labels("hard").set(thresholds.hard)
    if thresholds.soft is not None:
        threshold.labels("soft").set(thresholds.soft)
    for window, value in zip(("avg10", "avg60"), psi or (), strict=False):
        pressure.labels(window).set(value)
