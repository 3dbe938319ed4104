"""The pod of a kept name is made in the freeze, and kubelet runs its init containers one by one."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.migration import Prediction
from podferry.strategies.container.init_cost import lengthen

FOUND = Prediction(
    bytes=7, freeze_p50_seconds=1.0, freeze_p95_seconds=2.4, total_seconds=4.0, source="prior"
)


def pod(*inits: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"initContainers": list(inits)}}


@pytest.mark.parametrize("raw", [{"spec": {}}, pod(), pod({"restartPolicy": "Always"})])
def test_without_init_containers_nothing_changes(raw: dict[str, Any]) -> None:
    assert lengthen(FOUND, raw) == FOUND


def test_each_of_them_lengthens_the_freeze_and_the_whole() -> None:
    one, three = lengthen(FOUND, pod({})), lengthen(FOUND, pod({}, {}, {}))
    assert FOUND.freeze_p50_seconds < one.freeze_p50_seconds < three.freeze_p50_seconds
    assert FOUND.freeze_p95_seconds < one.freeze_p95_seconds < three.freeze_p95_seconds
    assert one.total_seconds - FOUND.total_seconds == pytest.approx(
        one.freeze_p50_seconds - FOUND.freeze_p50_seconds
    )
    assert (one.bytes, one.source) == (FOUND.bytes, FOUND.source)
