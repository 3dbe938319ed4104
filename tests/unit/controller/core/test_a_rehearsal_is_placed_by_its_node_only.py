"""A rehearsal stands beside its source: rules about other pods are for the final pod only."""

from __future__ import annotations

from typing import Any

from podferry.api.migration import Endpoint
from podferry.controller.core import pods

SPREAD = [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]
AFFINITY = {"podAntiAffinity": {"required": 1}, "podAffinity": {"required": 2},
            "nodeAffinity": {"preferred": 3}}  # fmt: skip
SOURCE: dict[str, Any] = {
    "metadata": {"name": "db-0", "namespace": "shop", "labels": {"app": "db"}},
    "spec": {
        "containers": [{"name": "c", "image": "i"}],
        "affinity": AFFINITY,
        "topologySpreadConstraints": SPREAD,
    },
}


def test_a_rehearsal_has_no_wishes_about_other_pods_and_the_final_pod_has_them_again() -> None:
    rehearsal = pods.rehearsal(SOURCE, Endpoint(), uid="u", attempt=1, node="b")
    assert set(rehearsal["spec"]["affinity"]) == {"nodeAffinity"}
    assert "topologySpreadConstraints" not in rehearsal["spec"]
    final = pods.final(rehearsal, uid="u", attempt=1, node="b")["spec"]
    assert final["topologySpreadConstraints"] == SPREAD
    for kind in ("podAntiAffinity", "podAffinity"):
        assert final["affinity"][kind] == AFFINITY[kind]
    assert final["affinity"]["nodeAffinity"]["preferred"] == 3
    assert SOURCE["spec"]["affinity"] == AFFINITY
