"""README.md beside each kind: a section a plug-in, every argument with its default and unit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from podferry.policies.args import Arg, declared
from podferry.policies.gates.limits import CoolDown
from podferry.policies.gates.seed import Blocking
from podferry.policies.registry import TABLES, policy_from
from podferry.policies.victims.seed import BigEnough, SteepestSlope
from podferry.policies.words import GIB

ROOT = Path(__file__).parents[3] / "policies"
FOLDERS = {
    "detector": "detectors",
    "victim": "victims",
    "target": "targets",
    "gate": "gates",
    "cordon": "cordon",
}
EACH = [(kind, name) for kind, table in sorted(TABLES.items()) for name in table]


def sections(kind: str) -> dict[str, str]:
    text = (ROOT / FOLDERS[kind] / "README.md").read_text()
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0].strip("` "): part for part in parts}


def written(arg: Arg, default: object) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if arg.plug_in:
        return "none" if default is None else "threshold"
    if isinstance(default, str):
        return default
    assert isinstance(default, int | float)
    if arg.unit.startswith("bytes"):
        return f"{default / GIB:g} {arg.unit.replace('bytes', 'GiB')}"
    return f"{default:g} {arg.unit}".strip()


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_plug_in_has_its_section(kind, name):
    text = sections(kind)[name]
    assert "**Rule:**" in text
    assert "**Source:**" in text
    for arg, (what, default) in declared(TABLES[kind][name]).items():
        row = f"| `{arg}` | {written(what, default)} |"
        assert row in text, f"{FOLDERS[kind]}/README.md, {name}: no row {row}"


def test_the_policy_of_the_documentation_can_be_taken():
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    policy = policy_from(yaml.safe_load(text))
    assert policy.victims == SteepestSlope(otherwise=BigEnough())
    assert policy.gates == (Blocking(), CoolDown())


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_the_documentation_names_no_plug_in_that_does_not_exist(kind):
    known = {name: set(declared(plug)) for name, plug in TABLES[kind].items()}
    found = {
        name: set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
        for name, text in sections(kind).items()
    }
    assert found == known
