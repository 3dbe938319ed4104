"""What `podferry-runc` adds to calls that it only passes on; `wrapper_program.py` times them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podferry.wire import names
from tools.bench import workload
from tools.bench.stats import Spread, differences, ratio_of_medians, spread
from tools.bench.world import World

PROGRAM = Path(__file__).with_name("wrapper_program.py")
FRONT = f"{names.INSTALL_DIR}/bin/podferry-runc"


@dataclass(frozen=True, slots=True)
class Row:
    """One call: directly, through the front, and what the front adds in each pair [ms]."""

    call: str
    behind: str
    direct: Spread
    front: Spread
    added: Spread
    ratio: float


def measure(world: World, pairs: int) -> list[Row]:
    """The rows; raises BenchError when a call could not be made."""
    runc = world.run(workload.SOURCE, ["cat", f"{names.INSTALL_DIR}/runc-path"]).strip()
    command = ["python3", "-I", "-c", PROGRAM.read_text(), str(pairs), FRONT, runc]
    return rows(json.loads(world.run(workload.SOURCE, command)))


def rows(found: list[dict[str, Any]]) -> list[Row]:
    """From what the program printed."""
    return [_row(item) for item in found]


def _row(item: dict[str, Any]) -> Row:
    pairs = [(float(direct), float(front)) for direct, front in item["pairs"]]
    direct, front = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    spreads = spread(direct), spread(front), spread(differences(pairs))
    assert all(spreads)
    first, second, added = (item for item in spreads if item)
    ratio = ratio_of_medians(front, direct) or 0.0
    return Row(str(item["call"]), str(item["behind"]), first, second, added, ratio)
