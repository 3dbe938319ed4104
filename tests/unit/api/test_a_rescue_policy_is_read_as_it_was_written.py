"""A RescuePolicy: defaults, what its fields may be, the way there and back, and its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podferry.api import crd_rescue, serde
from podferry.api.errors import PreconditionError
from podferry.api.rescue_policy import NodeState, RescueMode, RescueNode, RescuePolicyStatus

SPEC = {"detector": {"name": "threshold"}, "victim": {"name": "largest"},
        "target": {"name": "best-fit"}}  # fmt: skip


def read(spec: Any, status: Any = None) -> Any:
    metadata = {"name": "p", "uid": "u", "generation": 2}
    return serde.parse_rescue_policy({"metadata": metadata, "spec": spec, "status": status or {}})


def test_the_default_does_nothing_but_tell_and_moves_few() -> None:
    spec = read(SPEC).spec
    assert spec.mode is RescueMode.DRY_RUN
    assert (spec.budgets.out_per_node, spec.budgets.in_per_node) == (1, 1)
    assert (spec.budgets.per_cluster, spec.budgets.cool_down_seconds) == (10, 300.0)
    assert spec.fallback == ()
    assert spec.node_selector is None


def test_arguments_of_a_rule_keep_their_names() -> None:
    spec = read({**SPEC, "detector": {"name": "slope", "args": {"freePercent": 20}}}).spec
    assert spec.detector.args == {"freePercent": 20}


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"mode": "Perhaps"}, "spec.mode"),
        ({"detector": None}, "spec.detector"),
        ({"detector": {}}, "spec.detector.name"),
        ({"periodSeconds": "often"}, "spec.periodSeconds"),
        ({"budgets": {"perCluster": "all"}}, "spec.budgets.perCluster"),
        ({"fallback": ["Prayer"]}, "spec.fallback"),
        ({"gates": {"name": "blocking"}}, "spec.gates"),
    ],
)
def test_what_cannot_be_read_names_its_field(more: dict[str, Any], named: str) -> None:
    with pytest.raises(PreconditionError, match=named):
        read({**SPEC, **more})


def test_a_status_comes_back_as_it_was_stored() -> None:
    status = RescuePolicyStatus(
        observed_generation=2,
        evaluated_at="2026-01-01T00:00:00.000000Z",
        moves_asked=3,
        nodes=(RescueNode("n", NodeState.OVERLOADED, why="w", exhausted_in_seconds=1.5),),
    )
    assert read(SPEC, serde.to_dict(status)).status == status


def test_the_manifest_is_the_generated_one_and_bounds_what_costs() -> None:
    root = Path(__file__).resolve().parents[3]
    assert (root / "cluster-setup/crd/rescuepolicies.yaml").read_text() == crd_rescue.render()
    version = crd_rescue.definition()["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(spec["required"]) == ["detector", "target", "victim"]
    fields = spec["properties"]
    assert fields["mode"]["default"] == "DryRun"
    assert fields["budgets"]["properties"]["perCluster"]["minimum"] == 1
    assert fields["periodSeconds"]["minimum"] == 1
    assert fields["gates"]["maxItems"] == 8
    assert version["subresources"] == {"status": {}}
