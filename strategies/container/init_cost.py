"""What init containers add to the freeze of a pod that keeps its name. Pure.

They do nothing at the target, but kubelet starts them one after the other and looks about once a
second whether they ended. The last pod of a kept name is made while the workload is frozen; the
pod of a Deployment or Job is made before, and costs nothing here.
"""

from __future__ import annotations

from dataclasses import replace

from podferry.api.migration import Prediction
from podferry.strategies.container.finding import RawPod, is_sidecar

# docs/explanation/predictions.md says where these come from [s].
_MEDIAN_FIRST, _MEDIAN_EACH = 1.0, 0.7
_HIGH_FIRST, _HIGH_EACH = 2.0, 1.5


def lengthen(prediction: Prediction, pod: RawPod) -> Prediction:
    """Return the prediction of a pod that keeps its name, longer by its init containers."""
    inits = (pod.get("spec") or {}).get("initContainers") or []
    count = sum(1 for one in inits if not is_sidecar(one))
    if not count:
        return prediction
    median = _MEDIAN_FIRST + _MEDIAN_EACH * count
    return replace(
        prediction,
        freeze_p50_seconds=round(prediction.freeze_p50_seconds + median, 3),
        freeze_p95_seconds=round(
            prediction.freeze_p95_seconds + _HIGH_FIRST + _HIGH_EACH * count, 3
        ),
        total_seconds=round(prediction.total_seconds + median, 3),
    )
