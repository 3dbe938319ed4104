"""The pause of a source before its target is prepared (param `pauseFirst` of stage Prepared).

Owns: the facts that tell how far it came, so that it is done once and the measured freeze begins
with it. What stands around a pause (shield, dead-man, holds) is the same as at stage Frozen. Never
does: thaw, or decide that a source is to be paused.
"""

from __future__ import annotations

import time

from podferry.agent import containers, operations
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.operations import Freeze


def is_wanted(side: Side) -> bool:
    """Whether the controller asked for it."""
    return side.params.get("pauseFirst") is True


def begun(side: Side) -> bool:
    """Whether the source may be paused since Prepared, perhaps by a former process of the agent."""
    return is_wanted(side) and bool(side.facts.get("frozenAt"))


def is_done(side: Side) -> bool:
    """Whether Prepared ended with a pause."""
    return side.facts.get("pausedFirst") is True


def dead_man_seconds(side: Side) -> float:
    """After how long a paused source wakes up if nobody seals it [s]."""
    return float(side.params.get("deadManSeconds") or 60)


def pause(node: Node, side: Side, found: containers.Container) -> None:
    """Pause it unless it is paused. Raises AgentError; what a failure leaves is Thawed's to undo.

    Entered again after a restart of the agent. One that was not frozen yet gets everything anew: an
    earlier dead-man goes on and bounds both.
    """
    if operations.read_fate(side):
        raise AgentError("FateThawed", "the dead-man thawed this source; roll back")
    if not (begun(side) and operations.cgroup_of(node.host, found.id).is_frozen()):
        freeze = Freeze(
            container=found,
            page_address="",  # nothing is sent yet
            page_port=0,
            lazy=False,
            tls_dir="",
            dead_man_seconds=dead_man_seconds(side),
        )
        operations.before_freeze(node, side, freeze)
        side.note(frozenAt=time.time())
        side.note(pauseSeconds=operations.pause(node, side, freeze))
    side.note(pausedFirst=True)


def check(node: Node, side: Side) -> None:
    """See right before the dump that it has stood still since. Raises AgentError."""
    if operations.read_fate(side):
        raise AgentError("FateThawed", "the dead-man thawed this source; roll back")
    identity = str(side.facts["containerID"])
    if not operations.cgroup_of(node.host, identity).is_frozen():
        raise AgentError(
            "NotFrozen",
            f"container {identity[:12]} was frozen first and runs now, and not by us: roll back",
        )
