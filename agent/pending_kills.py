"""What kubelet asked of a container while it was frozen, and what becomes of that after a thaw.

A stop is one TERM and, after a grace period, one KILL. While its container was frozen both were
swallowed. If the pod is being deleted, its program must hear the TERM now. If not, kubelet gave up
a container that did not answer because we had frozen it: then the KILL of that stop must not
strike what runs well again. Owns that choice and its end in time; never ends a container itself.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import Enum

_TERM, _KILL = ("15", "TERM", "SIGTERM"), ("9", "KILL", "SIGKILL")
MARGIN_SECONDS = 10.0
"""After the grace period kubelet and containerd need a while [s]."""
DEFAULT_GRACE_SECONDS = 30.0


class After(Enum):
    """What a thaw does about the calls that were swallowed."""

    NOTHING = "nothing"
    REPLAY = "send the TERM again"
    HOLD = "swallow the KILL that is still to come"


def after(calls: Sequence[str], *, ending: bool) -> After:
    """Decide.

    Args:
        calls: lines of the hold file.
        ending: the pod is being deleted, or nobody said that it is not.
    """
    if not _seen(calls, _TERM):
        return After.NOTHING
    if ending:
        return After.REPLAY
    return After.NOTHING if _seen(calls, _KILL) else After.HOLD


def is_over(calls: Sequence[str], until: float) -> bool:
    """Whether a hold may go: its KILL came, or can come no more (`until`, unix seconds)."""
    return _seen(calls, _KILL) or time.time() >= until


def deadline(grace_seconds: object) -> float:
    """Until when the KILL of a stop that began just now is swallowed [unix seconds]."""
    given = isinstance(grace_seconds, int | float)
    grace = float(grace_seconds) if given else DEFAULT_GRACE_SECONDS  # type: ignore[arg-type]
    return time.time() + grace + MARGIN_SECONDS


def _seen(calls: Sequence[str], signals: tuple[str, ...]) -> bool:
    words = [line.split() for line in calls]
    return any("kill" in line and line[-1] in signals for line in words)
