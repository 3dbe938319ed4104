"""The rule of urgency, with its words."""

from __future__ import annotations

import pytest

from podferry.agent.memory.telling import urgency
from podferry.agent.memory.thresholds import Thresholds
from podferry.wire.memory import Asked

GIB = float(1 << 30)
MIB = float(1 << 20)
AT = Thresholds(100 * MIB, None, "default")
SOFT = Thresholds(100 * MIB, 1024 * MIB, "default")


@pytest.mark.parametrize(
    ("available", "slope", "thresholds", "asked", "words"),
    [
        (9 * GIB, 0.0, AT, Asked(), ""),
        (8 * GIB, 0.0, AT, Asked(), ""),
        (7.9 * GIB, 0.0, AT, Asked(), "8090 MiB are available, less than 50 % of 16384 MiB"),
        (9 * GIB, 100 * MIB, AT, Asked(), "grows by 100.00 MiB/s"),
        (9 * GIB, 100 * MIB, AT, Asked(), "reached in 91 s, sooner than 600 s"),
        (9 * GIB, 100 * MIB, AT, Asked(horizon=90), ""),
        (9 * GIB, 100 * MIB, SOFT, Asked(horizon=90), "threshold of 1024 MiB is reached in 82 s"),
        (9 * GIB, -100 * MIB, AT, Asked(), ""),
        (50 * MIB, 1.0, AT, Asked(soft=0), "reached in -"),
        (16 * GIB, -1.0, AT, Asked(soft=100), "asked for"),
    ],
)
def test_the_reason_names_its_numbers(
    available: float, slope: float, thresholds: Thresholds, asked: Asked, words: str
) -> None:
    found = urgency(16 * GIB, available, slope, thresholds, asked)
    assert words in found
    assert bool(found) == bool(words)
