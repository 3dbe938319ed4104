"""docs/explanation/heuristics-study.md: its tables are those of the committed CSV files."""

from __future__ import annotations

from tools import study


def test_every_table_of_the_study_is_that_of_its_csv() -> None:
    text = study.PAGE.read_text(encoding="utf-8")
    assert study.page(text) == text, "run: python -m tools.study"


def test_every_table_is_on_the_page() -> None:
    text = study.PAGE.read_text(encoding="utf-8")
    for name in study.tables():
        assert f"<!-- table {name} -->" in text


def test_every_sweep_has_its_figures() -> None:
    sweeps = {path.stem for path in study.FOLDER.glob("*.yaml")}
    assert sweeps == {path.stem for path in study.FOLDER.glob("*.csv")}
