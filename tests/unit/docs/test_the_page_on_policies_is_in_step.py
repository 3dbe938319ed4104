"""docs/how-to/choose-a-policy.md: its example is a sweep, its table has every setting."""

from __future__ import annotations

from pathlib import Path

from podferry.simulator.sweep import plan
from podferry.simulator.sweep.settings import SETTINGS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "choose-a-policy.md"


def test_the_example_is_a_sweep(tmp_path: Path) -> None:
    text = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "s.yaml").write_text(text)
    (tmp_path / "other-policy.yaml").write_text("detector: {name: threshold}\n")
    cells = plan.load(tmp_path / "s.yaml")
    assert len(cells) == 9 + 6
    assert {len(cell.seeds) for cell in cells} == {200, 500}
    assert cells[-1].policy is not None
    assert cells[-1].policy["victim"] == {"name": "big-enough"}


def test_the_table_has_every_setting() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(SETTINGS)
