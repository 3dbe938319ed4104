"""Replays recorded memory curves against scheduler, kubelet and a policy, many seeds at a time.

Traces, sweeps and reports need no numpy: the engine is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podferry.simulator.engine import run
    from podferry.simulator.layout import Prepared, prepare

__all__ = ["Prepared", "prepare", "run"]


def __getattr__(name: str) -> Any:
    """Import the engine for `run`, `prepare` and `Prepared`."""
    if name == "run":
        from podferry.simulator.engine import run

        return run
    if name in ("Prepared", "prepare"):
        from podferry.simulator import layout

        return getattr(layout, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
