"""Counts the rows of kill_criu.py: one line a case and variant. Reads JSON lines only.

Usage: python -m tools.spikes.summary FILE...
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_VARIANTS = ("agent_writes", "lazy", "tls", "fault", "actor")
_SHOWN = (
    *("at_ready", "before", "states", "ran_before_kill", "early", "rc", "after_kill"),
    *("ran_after_kill", "wrote", "acted", "words", "at_end", "states_after", "ran", "ran_after"),
    *("ran_since_freeze", "thaw", "runs", "runs_2s_later", "criu_left", "runs_again"),
    *("wrong_words", "threads", "error"),
)
_SPREAD = ("beats_in_1s", "ran_until_write", "gap")


def main() -> None:
    """Print every group with its n and, for each field, how often it had which value."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in sys.argv[1:]:
        for line in Path(path).read_text().splitlines():
            row = json.loads(line)
            name = " ".join(f"{key}={row[key]}" for key in _VARIANTS if key in row)
            groups.setdefault(f"{row['case']} {name}".strip(), []).append(row)
    for name, rows in groups.items():
        print(f"{name}: n={len(rows)}")
        for key in _SHOWN:
            counts = Counter(json.dumps(row[key]) for row in rows if key in row)
            if counts:
                print(f"  {key}: " + ", ".join(f"{k} x{n}" for k, n in counts.most_common()))
        for key in _SPREAD:
            _spread(key, [float(row[key]) for row in rows if key in row])
        if rows[0]["case"] == "poll":
            _spread("thawed/dump", [row["thawed"] / row["dump"] for row in rows if "dump" in row])
            for word in ("states_thawed", "states_frozen"):
                total: Counter[str] = Counter()
                for row in rows:
                    total.update(row.get(word, {}))
                print(f"  {word} (samples): {dict(total.most_common())}")


def _spread(key: str, values: list[float]) -> None:
    if values:
        middle = statistics.median(values)
        print(f"  {key}: median {middle:.4g}, {min(values):.4g} to {max(values):.4g}")


if __name__ == "__main__":
    main()
