"""Whole policies by name, as a person would write them. `registry.policy_from` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEED: Mapping[str, Any] = {
    "detector": {"name": "threshold", "args": {"freePercent": 30}},
    "victim": {"name": "steepest-slope"},
    "target": {"name": "least-used"},
    "gates": [{"name": "blocking"}],
    "cordon": {"name": "free-memory"},
    "period": 15,
    "movesAtOnce": 1,
}
"""What cmd/main.go of the seed runs (one move at a time, 15 s), with its simulator's cordon."""

SEED_SIMULATOR: Mapping[str, Any] = {
    "detector": {"name": "threshold", "args": {"freePercent": 45}},
    "victim": {"name": "knapsack"},
    "target": {"name": "least-used"},
    "gates": [{"name": "blocking"}],
    "cordon": {"name": "free-memory"},
    "period": 10,
}
"""The defaults of the seed's simulator (`example/main.go`): threshold 45 %, optimal, 10 s."""

SEED_PREDICTIVE: Mapping[str, Any] = {
    **SEED,
    "detector": {"name": "slope", "args": {"freePercent": 30, "unknownSlope": -1}},
}
"""The seed's slope requester; a pod without two samples counts -1 GiB a minute, as in its code."""

CORDON_ONLY: Mapping[str, Any] = {
    **SEED,
    "detector": {"name": "never"},
}
"""The seed's unscheduler alone: hot nodes get no new pods, nothing is moved."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "seed": SEED,
    "seed-simulator": SEED_SIMULATOR,
    "seed-predictive": SEED_PREDICTIVE,
    "cordon-only": CORDON_ONLY,
}
