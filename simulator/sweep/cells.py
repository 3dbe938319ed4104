"""A cell of a sweep: one setting of everything but the seed, as plain data.

Owns a cell's identity: two cells with one key give the same results for the same seeds, so that a
sweep can be resumed. It runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from podferry.simulator import traces
from podferry.simulator.traces import o10n

PolicyMapping = Mapping[str, Any]
_PACKAGE = Path(__file__).resolve().parents[1]
_POLICIES = _PACKAGE.parent / "policies"
_NO_EFFECT = ("report", "statistics", "sweep", "traces")
"""Parts of the simulator that no run's outcome depends on, given the trace."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting, the seeds it is run with, and how a person knows it."""

    group: str
    values: Mapping[str, Any]
    """Every setting of `settings.SETTINGS`."""
    policy: PolicyMapping | None
    policy_name: str
    seeds: range
    varied: Mapping[str, str]
    """What tells it from the other cells of its group, as a person wrote it."""

    @property
    def label(self) -> str:
        """One line for tables and errors."""
        return ", ".join(f"{name} {text}" for name, text in self.varied.items()) or self.policy_name

    def key(self) -> str:
        """Return 16 hex digits that any change of a setting, trace or rule would change."""
        text = json.dumps(
            [dict(self.values), self.policy, _trace(self.values["trace"]), code()],
            sort_keys=True,
            default=str,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def code() -> str:
    """Return a fingerprint of the rules and the engine: other rules, other results."""
    files = [*_POLICIES.resolve().rglob("*.py")]
    files += [
        file
        for file in _PACKAGE.rglob("*.py")
        if file.relative_to(_PACKAGE).parts[0] not in _NO_EFFECT
    ]
    return _digest(files)


@cache
def _trace(name: str) -> str:
    path = o10n.DATA if name == "o10n" else traces.find(name)
    return _digest([file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path])


def _digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(f"{file.name}\0".encode() + file.read_bytes())
    return total.hexdigest()[:16]
