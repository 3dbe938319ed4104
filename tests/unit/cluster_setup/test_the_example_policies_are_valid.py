"""The RescuePolicies that are given as examples can act, and are what the study chose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from podferry.api import serde
from podferry.api.rescue_policy import RescueMode
from podferry.controller.core.rescue.valid import policy_of
from podferry.policies.gates.limits import Budgets, CoolDown
from podferry.policies.registry import policy_from

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "cluster-setup" / "examples"
FILES = {"rescuepolicy.yaml": RescueMode.DRY_RUN, "rescuepolicy-act.yaml": RescueMode.ACT}


def read(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def test_no_example_of_a_policy_is_left_out_here() -> None:
    found = {
        path.name
        for path in EXAMPLES.glob("*.yaml")
        for item in yaml.safe_load_all(path.read_text())
        if item["kind"] == "RescuePolicy"
    }
    assert found == set(FILES)


@pytest.mark.parametrize(("name", "mode"), FILES.items())
def test_an_example_does_what_the_study_chose(name: str, mode: RescueMode) -> None:
    spec = serde.parse_rescue_policy(read(name)).spec
    assert spec.mode is mode
    rules = policy_of(spec)
    study = ROOT / "docs" / "explanation" / "study" / "claims.yaml"
    chosen = policy_from(yaml.safe_load(study.read_text())["policies"]["podferry"])
    assert (rules.detector, rules.victims, rules.targets) == (
        chosen.detector, chosen.victims, chosen.targets,
    )  # fmt: skip
    own = tuple(gate for gate in rules.gates if not isinstance(gate, Budgets | CoolDown))
    assert own == chosen.gates


def test_to_act_takes_the_place_of_the_dry_run() -> None:
    dry, act = (read(name)["metadata"]["name"] for name in FILES)
    assert dry == act
